-- 007: a label says which version judged its text and whether the text was drawn at random, and a trial of a version has an end.
--
-- drawn_share: with what probability the text was drawn for a review whatever a model said of it, when it last was. Only such
-- texts tell without bias how good a version is, each counting as 1 / drawn_share texts. The mark is the text's, not the label's:
-- it stays with it whoever labels the text afterwards.
update schema_version set version = 7;
alter table verdicts add drawn_at timestamptz, add drawn_share real check (drawn_share > 0 and drawn_share <= 1),
  add has_text boolean not null default true;
update verdicts v set has_text = false
  where not exists (select from samples s where s.profile_id = v.profile_id and s.label = v.label and s.text_hash = v.text_hash);
drop index verdicts_by_draw;
create index verdicts_by_draw on verdicts (profile_id, drawn_at) where drawn_at is not null;
create index verdicts_without_text on verdicts (profile_id, labelled_at) where not has_text;
drop function sample_put(int, bytea[], smallint[], smallint[], smallint[], text[], bytea[], bigint[], bytea[]);
-- the only door for labels. `a`: when each was made, in microseconds since 1970 UTC; without it, now; a clock that is ahead counts as now.
-- `k`: the key that sent it; `m`: the version that judged it; `w`: millionths of the probability with which its text was drawn, 0 or
-- null where it was not. Statement 1 locks the facts in hash order; statement 2 sees what rivals committed meanwhile. The stronger
-- source wins, of equal ones the newer label, of equally old ones the later. A label without a key leaves the key that is known, and
-- one that does not win still marks its text as drawn.
create function sample_put(p int, h bytea[], l smallint[], s smallint[], d smallint[], c text[], t bytea[], a bigint[] default null,
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
  with n as materialized (select distinct on (n.h) n.* from unnest(h, l, s, t, a) with ordinality n(h, l, s, t, a, o)
      where n.h = any (won) order by n.h, n.s desc, n.a desc nulls first, n.o desc),
  gone as (delete from samples x using n where x.profile_id = p and x.label = 1 - n.l and x.text_hash = n.h
      returning x.text_hash, x.text, x.created_at)
  insert into samples (profile_id, label, text_hash, text, created_at, source)
    select p, n.l, n.h, coalesce(n.t, g.text), coalesce(g.created_at, now()), n.s from n left join gone g on g.text_hash = n.h
    where coalesce(n.t, g.text) is not null on conflict (profile_id, label, text_hash) do update set source = excluded.source
    where samples.source <> excluded.source;
  return coalesce(array_length(won, 1), 0);
end $$;

-- Texts that were drawn, and of which a label is known already: their marks. `w` as sample_put's. A review waits for it, so that it
-- waits for nobody itself.
create function sample_mark(p int, h bytea[], w bigint) returns int language plpgsql as $$
declare marked int; begin
  perform set_config('lock_timeout', '20ms', true);
  perform from verdicts where profile_id = p and text_hash = any (h) order by text_hash for update;
  update verdicts set drawn_at = now(), drawn_share = w / 1e6::real where profile_id = p and text_hash = any (h);
  get diagnostics marked = row_count;
  return marked;
end $$;

-- As it was, but that a fact counts from when it was labelled only where there is no text of it, as 004 says: an old label may come
-- with a text that was stored just now.
create or replace function sample_expire(e bigint, p int, age bigint, n int) returns int language plpgsql as $$
declare h bytea[]; old timestamptz := now() - age * interval '1 millisecond'; begin
  perform set_config('lock_timeout', '200ms', true);
  perform from leader where epoch = e for update;
  if not found then return -1; end if;
  h := array(select text_hash from (
    (select text_hash from samples where profile_id = p and label = 0 and created_at < old order by created_at limit n) union
    (select text_hash from samples where profile_id = p and label = 1 and created_at < old order by created_at limit n) union
    (select text_hash from verdicts where profile_id = p and not has_text and labelled_at < old order by labelled_at limit n)) o
    limit n);
  return sample_delete(p, h);
end $$;

-- The end of a trial, under the leader's epoch `e`: the version becomes `s` (live, candidate or refused) for the reason `r`. -1 when
-- the epoch is not the newest any more, 0 when the version is not on trial any more, or its profile is pinned.
create function model_end_trial(e bigint, p int, v bigint, s text, r text) returns bigint language plpgsql as $$
begin
  perform from leader where epoch = e for update;
  if not found then return -1; end if;
  if not exists (select from models where profile_id = p and version = v and status = 'canary') or
    s = 'live' and exists (select from profiles where profile_id = p and pinned) then return 0; end if;
  if s = 'live' then
    perform model_make_live(p, v);
  else
    update models set status = s, reason = r, change = nextval('model_change') where profile_id = p and version = v;
  end if;
  return v;
end $$;
