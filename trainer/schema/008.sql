-- 008: a sample says with what probability its text was reviewed.
--
-- Labels come from texts that the model was unsure of, all of which are reviewed (1), and from those drawn at random among all others
-- (drawn = 1: verdicts.drawn_share). A sample counts as 1 / reviewed_share texts wherever figures are to be those of all texts. What
-- people and imports bring stands for itself; a person who labels a text anew says nothing about how it was found.
-- The score was never written: the one who labels a text knows that of its decision's worst text only.
update schema_version set version = 8;
alter table verdicts drop column score;
alter table samples add reviewed_share real not null default 1;
update samples s set reviewed_share = v.drawn_share from verdicts v where v.drawn = 1 and v.drawn_share < 1
  and v.profile_id = s.profile_id and v.label = s.label and v.text_hash = s.text_hash;
-- the only door for labels. `a`: when each was made, in microseconds since 1970 UTC; without it, now; a clock that is ahead counts as now.
-- `k`: the key that sent it; `m`: the version that judged it; `w`: millionths of the probability with which its text was drawn, 0 or
-- null where it was not. Statement 1 locks the facts in hash order; statement 2 sees what rivals committed meanwhile. The stronger
-- source wins, of equal ones the newer label, of equally old ones the later. A label without a key leaves the key that is known, and
-- one that does not win still marks its text as drawn.
create or replace function sample_put(p int, h bytea[], l smallint[], s smallint[], d smallint[], c text[], t bytea[], a bigint[] default null,
  k bytea[] default null, m bigint[] default null, w bigint[] default null) returns int language plpgsql as $$
declare won bytea[]; begin
  with n as materialized (select distinct on (n.h) n.*, least(now(), timestamptz 'epoch' + n.a * interval '1 microsecond') as at,
      case when n.w > 0 then least(now(), timestamptz 'epoch' + n.a * interval '1 microsecond') end as drawn_at,
      case when n.w > 0 then n.w / 1e6::real end as share
      from unnest(h, l, s, d, c, t, a, k, m, w) with ordinality n(h, l, s, d, c, t, a, k, m, w, o)
      order by n.h, n.s desc, n.a desc nulls first, n.o desc),
  put as (insert into verdicts as v (profile_id, text_hash, label, source, drawn, category, key_digest, labelled_at, model_version,
      drawn_at, drawn_share, has_text)
      select p, n.h, n.l, n.s, n.d, n.c, n.k, n.at, n.m, n.drawn_at, n.share, n.t is not null from n order by n.h
    on conflict (profile_id, text_hash) do update set
      (label, source, drawn, category, labelled_at, model_version) =
        (select r.label, r.source, r.drawn, r.category, r.labelled_at, r.model_version from (select excluded.*
          where (v.source, v.labelled_at) <= (excluded.source, excluded.labelled_at) union all
          select v.* where not (v.source, v.labelled_at) <= (excluded.source, excluded.labelled_at)) r),
      key_digest = coalesce(excluded.key_digest, v.key_digest), has_text = v.has_text or excluded.has_text,
      drawn_at = greatest(v.drawn_at, excluded.drawn_at),
      drawn_share = case when v.drawn_at >= excluded.drawn_at then v.drawn_share else coalesce(excluded.drawn_share, v.drawn_share) end
      where (v.source, v.labelled_at) <= (excluded.source, excluded.labelled_at) or excluded.drawn_at is not null
    returning v.text_hash, v.label, v.source, v.labelled_at)
  select array_agg(put.text_hash) into won from put join n on n.h = put.text_hash
    where (put.label, put.source, put.labelled_at) = (n.l, n.s, n.at);
  with n as materialized (select distinct on (n.h) n.*, case when n.d = 1 and n.w > 0 then n.w / 1e6::real else 1 end as share
      from unnest(h, l, s, d, t, a, w) with ordinality n(h, l, s, d, t, a, w, o)
      where n.h = any (won) order by n.h, n.s desc, n.a desc nulls first, n.o desc),
  gone as (delete from samples x using n where x.profile_id = p and x.label = 1 - n.l and x.text_hash = n.h
      returning x.text_hash, x.text, x.created_at, x.reviewed_share)
  insert into samples (profile_id, label, text_hash, text, created_at, source, reviewed_share)
    select p, n.l, n.h, coalesce(n.t, g.text), coalesce(g.created_at, now()), n.s,
      case when n.s = 3 then coalesce(g.reviewed_share, n.share) else n.share end from n left join gone g on g.text_hash = n.h
    where coalesce(n.t, g.text) is not null on conflict (profile_id, label, text_hash) do update set source = excluded.source,
      reviewed_share = case when excluded.source = 3 then samples.reviewed_share else excluded.reviewed_share end
    where samples.source <> excluded.source or excluded.source <> 3 and samples.reviewed_share <> excluded.reviewed_share;
  return coalesce(array_length(won, 1), 0);
end $$;
