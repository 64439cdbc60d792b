-- columns: restraint
--   id uuid, kind text, subject text, level text, reason text, until time, active bool, created_by uuid?,
--   lifted_at time?, lifted_by uuid?, version int, created_at time, updated_at time

-- name: restraint_get(id uuid) one restraint
-- lane: admin
select {restraint} from (
    select r.*, (lifted_at is null and until > {clock}) as active from restraints r) as r
where id = :id;

-- name: restraint_list(now time, kind text?, active bool?, after_key any?, after_id uuid?, skip int, limit int) many restraint
-- lane: admin
-- sort: created_at time, until time
select {restraint} from (
    select r.*, (lifted_at is null and until > :now) as active from restraints r) as r
where (:kind is null or kind = :kind) and (:active is null or active = :active) and {after}
order by {order} limit :limit offset :skip;

-- Those in force, for the table that gates look into (gate/restraint.h); of too many those that end last.
-- name: restraint_active(now time, limit int) many (kind text, subject text, level text, until time)
-- lane: admin
select kind, subject, level, until from restraints
where until > :now and lifted_at is null
order by until desc, id desc limit :limit;

-- What the one who is to be held back may do.
-- name: restraint_subject(id uuid) one (permissions json)
-- lane: admin
select r.permissions from users u join roles r on r.name = u.role where u.id = :id;

-- name: restraint_add(id uuid, kind text, subject text, level text, reason text, until time, created_by uuid?, now time) change 1
-- lane: admin
-- bumps: restraints
insert into restraints (id, kind, subject, level, reason, until, created_by, version, created_at, updated_at)
values (:id, :kind, :subject, :level, :reason, :until, :created_by, 1, :now, :now);

-- name: restraint_lift(id uuid, version int, lifted_by uuid?, now time) change 1 else STALE
-- lane: admin
-- bumps: restraints
update restraints set lifted_at = :now, lifted_by = :lifted_by, version = version + 1, updated_at = :now
where id = :id and version = :version;

-- Upkeep: as idempotency_purge.
-- name: restraint_purge(before time, limit int) change any
-- lane: batch
delete from restraints where until > 0 and until <= (
    select max(until) from (
        select until from restraints where until < :before order by until limit :limit) as oldest);
