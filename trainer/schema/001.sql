-- 001: the tables of the trainer, the moderators and the demo, in an empty database.
--
-- Labels first, then 16 hash leaves of the profile: a draw of one label reads only that label's pages, and no DDL runs later.
-- File n leads from version n - 1 to n and notes so; the leader runs each in a transaction of its own. A file that was released
-- never changes: what is to be different goes into the next one, and SCHEMA_VERSION in proto/limits.h counts them.
create table schema_version (one boolean primary key default true check (one), version int not null);
insert into schema_version (version) values (1);

create table leader (one boolean primary key default true check (one), epoch bigint not null default 0);
insert into leader default values;
create table profiles (profile_id int generated always as identity primary key,
  name text not null unique check (octet_length(name) between 1 and 64), trained_at timestamptz not null default '-infinity');
-- the fact: one row a text; history looks here, hash-only mode needs nothing else
create table verdicts (profile_id int not null, text_hash bytea not null check (octet_length(text_hash) = 16),
  label smallint not null check (label in (0, 1)), source smallint not null check (source between 1 and 3), -- 1 import, 2 reviewer, 3 person
  drawn smallint not null /* unsure, random share, person, import */, category text, score real, model_version bigint, key_digest bytea,
  labelled_at timestamptz not null default now(), primary key (profile_id, text_hash)) partition by hash (profile_id);
-- the material: texts lie by label, so a draw of one label reads only that label's pages
create table samples (profile_id int not null, label smallint not null check (label in (0, 1)), text_hash bytea not null, text bytea not null,
  created_at timestamptz not null default now(), primary key (profile_id, label, text_hash)) partition by list (label);
create table samples_pass partition of samples for values in (0) partition by hash (profile_id);
create table samples_violation partition of samples for values in (1) partition by hash (profile_id);
do $$ begin for i in 0..15 loop
  execute format('create table verdicts_%s partition of verdicts for values with (modulus 16, remainder %s)', i, i);
  execute format('create table samples_pass_%s partition of samples_pass for values with (modulus 16, remainder %s)', i, i);
  execute format('create table samples_violation_%s partition of samples_violation for values with (modulus 16, remainder %s)', i, i);
end loop; end $$;
create index samples_by_time on samples (profile_id, label, created_at);        -- latest, prune, due
create sequence model_change;
create table models (profile_id int not null references profiles, version bigint not null, epoch bigint not null, kind text not null,
  feature_version int not null, bytes bytea not null, sha256 bytea not null, figures jsonb not null,
  status text not null check (status in ('candidate','canary','live','refused','retired')), change bigint not null default nextval('model_change'),
  primary key (profile_id, version));
alter table models alter bytes set storage external;
create unique index models_live on models (profile_id) where status = 'live';
-- the only door for labels. Statement 1 locks the facts in hash order; statement 2 sees what rivals committed meanwhile.
create function sample_put(p int, h bytea[], l smallint[], s smallint[], d smallint[], c text[], t bytea[]) returns int language plpgsql as $$
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
  insert into samples (profile_id, label, text_hash, text, created_at)
    select p, n.l, n.h, coalesce(n.t, g.text), coalesce(g.created_at, now()) from n left join gone g on g.text_hash = n.h
    where coalesce(n.t, g.text) is not null on conflict (profile_id, label, text_hash) do nothing;
  return coalesce(array_length(won, 1), 0);
end $$;
