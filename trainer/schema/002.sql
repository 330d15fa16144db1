-- 002: a sample knows who labelled it, and a version of a model when it was made and why it was refused.
--
-- A draw can weigh people's labels without a look into `verdicts`. Columns with constant defaults rewrite and read no table.
update schema_version set version = 2;
alter table samples add source smallint not null default 2; -- as verdicts.source, which is checked
update samples s set source = v.source from verdicts v
  where v.source <> 2 and v.profile_id = s.profile_id and v.text_hash = s.text_hash;
alter table models add made_at timestamptz not null default now(), add reason text not null default '';
update models set reason = coalesce(figures->>'refused_by', '') where status = 'refused';
-- the only door for labels. Statement 1 locks the facts in hash order; statement 2 sees what rivals committed meanwhile.
create or replace function sample_put(p int, h bytea[], l smallint[], s smallint[], d smallint[], c text[], t bytea[]) returns int language plpgsql as $$
declare won bytea[]; begin
  with n as (select distinct on (n.h) n.* from unnest(h, l, s, d, c) with ordinality n(h, l, s, d, c, o) order by n.h, n.s desc, n.o desc),
  w as (insert into verdicts as a (profile_id, text_hash, label, source, drawn, category) select p, n.h, n.l, n.s, n.d, n.c from n order by n.h
    on conflict (profile_id, text_hash) do update set label = excluded.label, source = excluded.source, drawn = excluded.drawn,
      category = excluded.category, labelled_at = now() where a.source <= excluded.source returning a.text_hash)
  select array_agg(text_hash) into won from w;
  with n as materialized (select distinct on (n.h) n.* from unnest(h, l, s, t) with ordinality n(h, l, s, t, o)
      where n.h = any (won) order by n.h, n.s desc, n.o desc),
  gone as (delete from samples x using n where x.profile_id = p and x.label = 1 - n.l and x.text_hash = n.h
      returning x.text_hash, x.text, x.created_at)
  insert into samples (profile_id, label, text_hash, text, created_at, source)
    select p, n.l, n.h, coalesce(n.t, g.text), coalesce(g.created_at, now()), n.s from n left join gone g on g.text_hash = n.h
    where coalesce(n.t, g.text) is not null on conflict (profile_id, label, text_hash) do update set source = excluded.source
    where samples.source <> excluded.source;
  return coalesce(array_length(won, 1), 0);
end $$;
