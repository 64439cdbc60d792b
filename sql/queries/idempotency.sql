-- name: idempotency_find(principal_id uuid, key text, since time) one (request_hash bytes, status int, body text?, location text?, row_version int)
select request_hash, status, body, location, row_version from idempotency
where principal_id = :principal_id and key = :key and created_at > :since;

-- Of two requests with one key the second changes nothing here, and IN_PROGRESS undoes what it came with.
-- name: idempotency_add(principal_id uuid, key text, request_hash bytes, status int, body text?, location text?, row_version int, since time, now time) change 1 else IN_PROGRESS
insert into idempotency (principal_id, key, request_hash, status, body, location, row_version, created_at)
values (:principal_id, :key, :request_hash, :status, :body, :location, :row_version, :now)
on conflict (principal_id, key) do update set request_hash = excluded.request_hash, status = excluded.status,
    body = excluded.body, location = excluded.location, row_version = excluded.row_version,
    created_at = excluded.created_at
where idempotency.created_at <= :since;

-- The oldest, about :limit of them (those of one time go together). The lower bound is there for PostgreSQL, which else
-- takes an upper one that it does not know for a third of the table, and reads all of it.
-- name: idempotency_purge(before time, limit int) change any
-- lane: batch
delete from idempotency where created_at > 0 and created_at <= (
    select max(created_at) from (
        select created_at from idempotency where created_at < :before order by created_at limit :limit) as oldest);
