-- 006: a label says whose key sent its text, so that what a key sent can be found and deleted.
--
-- `k`: the keyed hash of the key's name (as text_hash is of the text), null where there was none.
update schema_version set version = 6;
drop function sample_put(int, bytea[], smallint[], smallint[], smallint[], text[], bytea[], bigint[]);
-- the only door for labels. `a`: when each was made, in microseconds since 1970 UTC; without it, now; a clock that is ahead counts as now.
-- Statement 1 locks the facts in hash order; statement 2 sees what rivals committed meanwhile. The stronger source wins, of equal ones
-- the newer label, of equally old ones the later. A label without a key leaves the key that is known.
create function sample_put(p int, h bytea[], l smallint[], s smallint[], d smallint[], c text[], t bytea[], a bigint[] default null,
  k bytea[] default null) returns int language plpgsql as $$
declare won bytea[]; begin
  with n as (select distinct on (n.h) n.*, least(now(), timestamptz 'epoch' + n.a * interval '1 microsecond') as at
      from unnest(h, l, s, d, c, a, k) with ordinality n(h, l, s, d, c, a, k, o) order by n.h, n.s desc, n.a desc nulls first, n.o desc),
  w as (insert into verdicts as v (profile_id, text_hash, label, source, drawn, category, key_digest, labelled_at)
      select p, n.h, n.l, n.s, n.d, n.c, n.k, n.at from n order by n.h
    on conflict (profile_id, text_hash) do update set label = excluded.label, source = excluded.source, drawn = excluded.drawn,
      category = excluded.category, key_digest = coalesce(excluded.key_digest, v.key_digest), labelled_at = excluded.labelled_at
      where (v.source, v.labelled_at) <= (excluded.source, excluded.labelled_at) returning v.text_hash)
  select array_agg(text_hash) into won from w;
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
