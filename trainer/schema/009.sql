-- 009: what is labelled anew or deleted is found by its key, whatever the server's statistics say.
--
-- Of a profile that they know nothing of (one that was just imported, or is small beside a large one of its leaf) the server expects
-- one row, and then any index is as good as another: each batch read all of the profile. Where nothing may be sorted, only the index
-- is left whose order is asked for; a hash that were said to be equal would have no order. What was found is deleted by its place,
-- which stays what it is: all who write hold the fact first. A sort that cannot be had without has a price at which the server
-- would compile the statement, hence no jit.
update schema_version set version = 9;

-- Rows by their tables and their places in these.
create function rows_delete(t oid[], c tid[]) returns void language plpgsql as $$
declare leaf record; begin
  for leaf in select r.t::regclass as name, array_agg(r.c) as places from unnest(t, c) r(t, c) group by r.t loop
    execute format('delete from %s where ctid = any ($1)', leaf.name) using leaf.places;
  end loop;
end $$;

-- Holds the facts of these texts, in the order of their hashes.
create function verdicts_hold(p int, h bytea[]) returns void language plpgsql set enable_sort = off set jit = off as $$
begin
  perform from (select distinct u.h from unnest(h) u(h) order by u.h) u cross join lateral (select from verdicts v
    where v.profile_id = p and v.text_hash >= u.h and v.text_hash <= u.h order by v.text_hash limit 1 for update) v;
end $$;

-- The facts of these texts, as they are to the statement that asks.
create function verdicts_of(p int, h bytea[]) returns setof verdicts language sql stable set enable_sort = off set jit = off as $$
  select v.* from (select distinct u.h from unnest(h) u(h)) u cross join lateral (select * from verdicts v
    where v.profile_id = p and v.text_hash >= u.h and v.text_hash <= u.h order by v.text_hash limit 1) v
$$;

-- As they were, see 004.
create or replace function sample_delete(p int, h bytea[]) returns int language plpgsql set enable_sort = off set jit = off as $$
declare gone int; tables oid[]; places tid[]; begin
  perform verdicts_hold(p, h);
  select count(distinct f.h), array_agg(f.t), array_agg(f.c) into gone, tables, places from (
    select u.h, v.t, v.c from unnest(h) u(h) cross join lateral (select v.tableoid as t, v.ctid as c from verdicts v
      where v.profile_id = p and v.text_hash >= u.h and v.text_hash <= u.h order by v.text_hash limit 1) v union all
    select u.h, s.t, s.c from unnest(h) u(h) cross join (values (0), (1)) l(l) cross join lateral (
      select s.tableoid as t, s.ctid as c from samples s where s.profile_id = p and s.label = l.l
      and s.text_hash >= u.h and s.text_hash <= u.h order by s.text_hash limit 1) s) f;
  perform rows_delete(tables, places);
  return gone;
end $$;

create or replace function sample_delete_key(k bytea, n int default 256) returns int language plpgsql
set enable_sort = off set jit = off as $$
declare gone int := 0; r record; begin
  for r in select profile_id, array_agg(text_hash) as h from (select profile_id, text_hash from verdicts
      where key_digest >= k and key_digest <= k order by key_digest limit n) v group by profile_id order by profile_id loop
    gone := gone + sample_delete(r.profile_id, r.h);
    -- By which moderators see that labels are others. Behind the facts, as everybody locks them.
    update profiles set trained_at = trained_at where profile_id = r.profile_id;
  end loop;
  return gone;
end $$;

-- As it was, see 007.
create or replace function sample_mark(p int, h bytea[], w bigint) returns int language plpgsql set enable_sort = off set jit = off as $$
declare marked int := 0; here int; leaf record; begin
  perform set_config('lock_timeout', '20ms', true);
  perform verdicts_hold(p, h);
  for leaf in select f.t::regclass as name, array_agg(f.c) as places from (
      select distinct v.t, v.c from unnest(h) u(h) cross join lateral (select v.tableoid as t, v.ctid as c from verdicts v
        where v.profile_id = p and v.text_hash >= u.h and v.text_hash <= u.h order by v.text_hash limit 1) v) f group by f.t loop
    execute format('update %s set drawn_at = now(), drawn_share = $2 / 1e6::real where ctid = any ($1)', leaf.name)
      using leaf.places, w;
    get diagnostics here = row_count;
    marked := marked + here;
  end loop;
  return marked;
end $$;

-- The oldest first of all that is old: what stays between those that leave keeps the server reading them again in the next batch.
create or replace function sample_expire(e bigint, p int, age bigint, n int) returns int language plpgsql
set enable_sort = off set jit = off as $$
declare h bytea[]; old timestamptz := now() - age * interval '1 millisecond'; begin
  perform set_config('lock_timeout', '200ms', true);
  perform from leader where epoch = e for update;
  if not found then return -1; end if;
  h := array(select text_hash from (
    (select text_hash, created_at as at from samples where profile_id = p and label = 0 and created_at < old
      order by created_at limit n) union all
    (select text_hash, created_at from samples where profile_id = p and label = 1 and created_at < old
      order by created_at limit n) union all
    (select text_hash, labelled_at from verdicts where profile_id = p and not has_text and labelled_at < old
      order by labelled_at limit n)) o order by at limit n);
  return sample_delete(p, h);
end $$;

create or replace function sample_prune(e bigint, p int, l smallint, n int) returns int language plpgsql
set enable_sort = off set jit = off as $$
declare h bytea[]; begin
  perform set_config('lock_timeout', '200ms', true);
  perform from leader where epoch = e for update;
  if not found then return -1; end if;
  h := array(select text_hash from samples where profile_id = p and label = l and source <> 3 order by created_at limit n);
  if cardinality(h) = 0 then
    h := array(select text_hash from samples where profile_id = p and label = l order by created_at limit n);
  end if;
  perform verdicts_hold(p, h);
  h := array(select s.text_hash from unnest(h) u(h) cross join lateral (select s.text_hash from samples s where s.profile_id = p
    and s.label = l and s.text_hash >= u.h and s.text_hash <= u.h order by s.text_hash limit 1) s);
  return sample_delete(p, h);
end $$;

-- the only door for labels. `a`: when each was made, in microseconds since 1970 UTC; without it, now; a clock that is ahead counts as now.
-- `k`: the key that sent it; `m`: the version that judged it; `w`: millionths of the probability with which its text was drawn, 0 or
-- null where it was not. Statement 1 locks the facts in hash order; statement 2 sees what rivals committed meanwhile. The stronger
-- source wins, of equal ones the newer label, of equally old ones the later. A label without a key leaves the key that is known, and
-- one that does not win still marks its text as drawn.
create or replace function sample_put(p int, h bytea[], l smallint[], s smallint[], d smallint[], c text[], t bytea[], a bigint[] default null,
  k bytea[] default null, m bigint[] default null, w bigint[] default null) returns int language plpgsql set enable_sort = off set jit = off as $$
declare won bytea[]; tables oid[]; places tid[]; begin
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
  gone as materialized (select x.* from n cross join lateral (select x.text_hash, x.text, x.created_at, x.reviewed_share,
      x.tableoid as t, x.ctid as c from samples x where x.profile_id = p and x.label = 1 - n.l
      and x.text_hash >= n.h and x.text_hash <= n.h order by x.text_hash limit 1) x),
  put as (insert into samples (profile_id, label, text_hash, text, created_at, source, reviewed_share)
    select p, n.l, n.h, coalesce(n.t, g.text), coalesce(g.created_at, now()), n.s,
      case when n.s = 3 then coalesce(g.reviewed_share, n.share) else n.share end from n left join gone g on g.text_hash = n.h
    where coalesce(n.t, g.text) is not null on conflict (profile_id, label, text_hash) do update set source = excluded.source,
      reviewed_share = case when excluded.source = 3 then samples.reviewed_share else excluded.reviewed_share end
    where samples.source <> excluded.source or excluded.source <> 3 and samples.reviewed_share <> excluded.reviewed_share)
  select array_agg(g.t), array_agg(g.c) into tables, places from gone g;
  perform rows_delete(tables, places);
  return coalesce(array_length(won, 1), 0);
end $$;
