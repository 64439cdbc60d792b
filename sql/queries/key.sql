-- name: key_list() many (id uuid, sealed bytes, from_at time, until_at time?)
-- lane: auth
select id, sealed, from_at, until_at from signing_keys order by from_at, id;

-- name: key_add(id uuid, sealed bytes, from_at time, now time) change 1
-- lane: auth
-- bumps: keys
insert into signing_keys (id, sealed, from_at, created_at) values (:id, :sealed, :from_at, :now);

-- Before a change of the keys, in its transaction: such changes wait for each other, so that each sees what the one
-- before it left.
-- name: key_lock() change any
-- lane: auth
update duties set until = until where name = 'signing_keys';

-- The first key, behind key_lock: only when there is none, so that workers that start together agree on one.
-- name: key_add_first(id uuid, sealed bytes, from_at time, now time) change any
-- lane: auth
-- bumps: keys
insert into signing_keys (id, sealed, from_at, created_at)
select :id, :sealed, :from_at, :now where not exists (select 1 from signing_keys);

-- name: key_retire(before_id uuid, until_at time) change any
-- lane: auth
-- bumps: keys
update signing_keys set until_at = :until_at where id <> :before_id and until_at is null;

-- name: key_purge(before time) change any
-- lane: batch
-- bumps: keys
delete from signing_keys where until_at is not null and until_at < :before;
