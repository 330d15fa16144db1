-- 005: versions of a model are chosen, rolled back, pinned and tried out.
--
-- Whoever changes a version holds the row of the epoch meanwhile, as the leader does when it writes: changes are committed in the order
-- of their numbers, and a moderator that asks for what is greater than the last it saw misses none.
update schema_version set version = 5;
alter table models add live_at timestamptz, -- when it was made live the last time
  add trial jsonb;                          -- what it was worth on the random share of reviews made since it was trained
update models set live_at = made_at where status in ('live', 'retired');
alter table profiles add pinned boolean not null default false; -- the live version stays, whatever is trained
create unique index models_canary on models (profile_id) where status = 'canary';
create index verdicts_by_draw on verdicts (profile_id, labelled_at) where drawn = 1;

-- The version `v` decides from now on, and alone. Only under the row of the epoch.
create function model_make_live(p int, v bigint) returns void language plpgsql as $$
begin
  update models set status = 'retired', change = nextval('model_change') where profile_id = p and status = 'live' and version <> v;
  update models set status = 'candidate', reason = 'superseded', change = nextval('model_change')
    where profile_id = p and status = 'canary' and version <> v;
  update models set status = 'live', reason = '', live_at = now(), change = nextval('model_change')
    where profile_id = p and version = v and status <> 'live';
end $$;

-- By a person's wish. The version that is live afterwards; 0 when there is no such version, -1 when the profile is pinned.
create function model_publish(p int, v bigint) returns bigint language plpgsql as $$
begin
  perform from leader for update;
  if not exists (select from models where profile_id = p and version = v) then return 0; end if;
  if exists (select from profiles where profile_id = p and pinned) then return -1; end if;
  perform model_make_live(p, v);
  return v;
end $$;

-- Back to the version that was live before; the one that is live now is refused from now on. Answers as model_publish does.
create function model_rollback(p int) returns bigint language plpgsql as $$
declare now_live bigint; before bigint; begin
  perform from leader for update;
  select version into now_live from models where profile_id = p and status = 'live';
  select version into before from models where profile_id = p and status = 'retired' order by live_at desc nulls last, version desc limit 1;
  if now_live is null or before is null then return 0; end if;
  if exists (select from profiles where profile_id = p and pinned) then return -1; end if;
  perform model_make_live(p, before);
  update models set status = 'refused', reason = 'rolled_back' where profile_id = p and version = now_live;
  return before;
end $$;

-- Makes a version live and keeps it so until model_unpin, or until another one is pinned; 0 when there is no such version.
create function model_pin(p int, v bigint) returns bigint language plpgsql as $$
begin
  perform from leader for update;
  if not exists (select from models where profile_id = p and version = v) then return 0; end if;
  perform model_make_live(p, v);
  update profiles set pinned = true where profile_id = p;
  return v;
end $$;

-- From now on what is trained may become live. Whether it was pinned.
create function model_unpin(p int) returns boolean language plpgsql as $$
begin
  perform from leader for update;
  update profiles set pinned = false where profile_id = p and pinned;
  return found;
end $$;
