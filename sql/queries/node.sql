-- What nodes that share one store tell each other. {clock}: nodes need not agree on the time.

-- name: bump_add(node uuid, what bytes) change 1 (number int)
insert into bumps (at, node, what) values ({clock}, :node, :what) returning number;

-- The upper bound is there for PostgreSQL, as in idempotency_purge.
-- name: bump_list(since int) many (number int, node uuid?, what bytes)
-- lane: auth
select number, node, what from bumps
where at > (select {clock}) - :since and at < (select {clock}) + 3600000000
order by number;

-- As idempotency_purge.
-- name: bump_purge(before_age int, limit int) change any
-- lane: batch
delete from bumps where at > 0 and at <= (
    select max(at) from (
        select at from bumps where at < (select {clock}) - :before_age order by at limit :limit) as oldest);

-- Takes or renews a duty that is free, ours or run out; a row tells that it is held.
-- name: duty_take(name text, node uuid, life int) change any (until time)
-- lane: batch
insert into duties (name, node, until) values (:name, :node, {clock} + :life)
on conflict (name) do update set node = excluded.node, until = excluded.until
where duties.node = excluded.node or duties.until <= {clock}
returning until;

-- name: duty_give(name text, node uuid) change any
-- lane: batch
update duties set until = 0 where name = :name and node = :node;
