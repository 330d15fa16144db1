-- 004: what is kept has an end: samples leave by age, by number, by hash and by key.
--
-- Facts are locked before samples are touched, as sample_put does, in the order of their hashes: the two never wait for each other
-- in a circle. Batches are small, and what the leader deletes waits for nobody longer than a fifth of a second.
update schema_version set version = 4;
create index verdicts_by_time on verdicts (profile_id, labelled_at);
create index verdicts_by_key on verdicts (key_digest) where key_digest is not null;
create index samples_by_people on samples (profile_id, label, text_hash) where source = 3;

-- Texts of a profile with all that is known of them; the number of those that were there. For a person's wish: it waits.
create function sample_delete(p int, h bytea[]) returns int language plpgsql as $$
declare gone int; begin
  perform from verdicts where profile_id = p and text_hash = any (h) order by text_hash for update;
  with s as (delete from samples where profile_id = p and label in (0, 1) and text_hash = any (h) returning text_hash),
  v as (delete from verdicts where profile_id = p and text_hash = any (h) returning text_hash)
  select count(*) into gone from (select text_hash from s union select text_hash from v) g;
  return gone;
end $$;

-- At most `n` texts that a caller's key sent, of all profiles: to be called until it returns 0.
create function sample_delete_key(k bytea, n int default 256) returns int language plpgsql as $$
declare gone int := 0; r record; begin
  for r in select profile_id, array_agg(text_hash) as h from (select profile_id, text_hash from verdicts where key_digest = k
      order by profile_id, text_hash limit n) v group by profile_id order by profile_id loop
    gone := gone + sample_delete(r.profile_id, r.h);
  end loop;
  return gone;
end $$;

-- The leader's, under its epoch `e`: -1 when that is not the newest any more, else the number of texts deleted, at most `n`.
-- Older than `age` milliseconds: a text counts from when it was stored, a fact without a text from when it was labelled.
create function sample_expire(e bigint, p int, age bigint, n int) returns int language plpgsql as $$
declare h bytea[]; old timestamptz := now() - age * interval '1 millisecond'; begin
  perform set_config('lock_timeout', '200ms', true);
  perform from leader where epoch = e for update;
  if not found then return -1; end if;
  h := array(select text_hash from (
    (select text_hash from samples where profile_id = p and label = 0 and created_at < old order by created_at limit n) union
    (select text_hash from samples where profile_id = p and label = 1 and created_at < old order by created_at limit n) union
    (select text_hash from verdicts where profile_id = p and labelled_at < old order by labelled_at limit n)) o limit n);
  return sample_delete(p, h);
end $$;

-- The oldest of a label; those that people labelled only where there are no others. One that is labelled anew meanwhile stays.
create function sample_prune(e bigint, p int, l smallint, n int) returns int language plpgsql as $$
declare h bytea[]; begin
  perform set_config('lock_timeout', '200ms', true);
  perform from leader where epoch = e for update;
  if not found then return -1; end if;
  h := array(select text_hash from samples where profile_id = p and label = l and source <> 3 order by created_at limit n);
  if cardinality(h) = 0 then
    h := array(select text_hash from samples where profile_id = p and label = l order by created_at limit n);
  end if;
  perform from verdicts where profile_id = p and text_hash = any (h) order by text_hash for update;
  h := array(select text_hash from samples where profile_id = p and label = l and text_hash = any (h));
  return sample_delete(p, h);
end $$;
