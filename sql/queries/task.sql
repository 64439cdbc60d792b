-- columns: task
--   id uuid, owner_id uuid, agent_id uuid?, kind text?, input json?, priority int, run_at time, max_attempts int, status text, attempt int, result json?, error text?, metadata json, version int, created_at time, updated_at time

-- What a claim gives: the columns of a task, and until when it is the claimer's.
-- columns: claimed
--   id uuid, owner_id uuid, agent_id uuid?, kind text?, input json?, priority int, run_at time, max_attempts int, status text, attempt int, result json?, error text?, metadata json, version int, created_at time, updated_at time, lease_until time

-- name: task_get(id uuid) one task
select {task} from tasks where id = :id;

-- name: task_list(viewer uuid, agent_id uuid?, kind text?, status text?, after_key any?, after_id uuid?, skip int, limit int) many task
-- sort: created_at time, updated_at time, priority int
select {task} from tasks
where owner_id = :viewer and (:agent_id is null or agent_id = :agent_id) and (:kind is null or kind = :kind)
    and (:status is null or status = :status) and {after}
order by {order} limit :limit offset :skip;

-- name: task_add(id uuid, owner_id uuid, agent_id uuid?, kind text?, input json?, priority int, run_at time, max_attempts int, metadata json, now time) change 1
insert into tasks (id, owner_id, agent_id, kind, input, priority, run_at, max_attempts, status, attempt, metadata,
    version, created_at, updated_at)
values (:id, :owner_id, :agent_id, :kind, :input, :priority, :run_at, :max_attempts, 'pending', 0, :metadata, 1, :now, :now);

-- What a worker has in hand is not rewritten under it: only pending tasks change.
-- name: task_set(id uuid, version int, kind text?, input json?, priority int, run_at time, max_attempts int, metadata json, now time) change 1 else STALE
-- bumps: resource :id
update tasks set kind = :kind, input = :input, priority = :priority, run_at = :run_at, max_attempts = :max_attempts,
    metadata = :metadata, version = version + 1, updated_at = :now
where id = :id and version = :version and status = 'pending';

-- name: task_del(id uuid, version int) change 1 else STALE
-- bumps: resource :id
delete from tasks where id = :id and version = :version and status <> 'in_progress';

-- What waits and what is leased is judged by the store's clock ({clock}): nodes need not agree on the time.

-- Whether a claim would find something: asked first, so that an idle worker's claims write nothing.
-- name: task_ready(viewer uuid, agent_id uuid?) one (ready bool)
select exists (
    select 1 from tasks
    where owner_id = :viewer and status = 'pending' and run_at <= (select {clock})
        and (:agent_id is null or agent_id = :agent_id)) as ready;

-- One claim takes a batch under one lease. Nodes that claim at once pass over each other's rows; as an array these are
-- picked once, whatever the plan.
-- name: task_claim(viewer uuid, agent_id uuid?, lease uuid, lease_us int, limit int, now time) change any claimed
-- bumps: resource returned id
-- sqlite:
update tasks set status = 'in_progress', attempt = attempt + 1, lease = :lease, lease_until = (select {clock}) + :lease_us,
    version = version + 1, updated_at = :now
where id in (
    select id from tasks
    where owner_id = :viewer and status = 'pending' and run_at <= (select {clock})
        and (:agent_id is null or agent_id = :agent_id)
    order by priority desc, run_at, id limit :limit)
returning {claimed};
-- postgres:
update tasks set status = 'in_progress', attempt = attempt + 1, lease = :lease, lease_until = (select {clock}) + :lease_us,
    version = version + 1, updated_at = :now
where id = any (array(
    select id from tasks
    where owner_id = :viewer and status = 'pending' and run_at <= (select {clock})
        and (:agent_id is null or agent_id = :agent_id)
    order by priority desc, run_at, id limit :limit for update skip locked))
returning {claimed};

-- name: task_heartbeat(id uuid, lease uuid, lease_us int) change 1 (lease_until time) else LEASE_LOST
update tasks set lease_until = {clock} + :lease_us
where id = :id and status = 'in_progress' and lease = :lease and lease_until > {clock}
returning lease_until;

-- name: task_complete(id uuid, lease uuid, result json?, now time) change 1 else LEASE_LOST
-- bumps: resource :id
update tasks set status = 'completed', result = :result, error = null, lease = null, lease_until = null,
    version = version + 1, updated_at = :now
where id = :id and status = 'in_progress' and lease = :lease and lease_until > {clock};

-- Those of a lease's tasks that items names, [{"id":..,"result":..}], with their results.
-- name: task_complete_all(viewer uuid, lease uuid, items json, now time) change any (id uuid)
-- bumps: resource returned id
-- sqlite:
update tasks set status = 'completed', error = null, lease = null, lease_until = null,
    result = (select value -> '$.result' from json_each(:items)
        where lower(hex(tasks.id)) = replace(value ->> '$.id', '-', '')),
    version = version + 1, updated_at = :now
where lease = :lease and owner_id = :viewer and status = 'in_progress' and lease_until > (select {clock})
    and lower(hex(id)) in (select replace(value ->> '$.id', '-', '') from json_each(:items))
returning id;
-- postgres:
update tasks set status = 'completed', error = null, lease = null, lease_until = null, result = done.result,
    version = version + 1, updated_at = :now
from (select (item ->> 'id')::uuid as id, (item -> 'result')::text as result
    from json_array_elements(:items::json) as item) as done
where tasks.id = done.id and lease = :lease and owner_id = :viewer and status = 'in_progress'
    and lease_until > (select {clock})
returning tasks.id;

-- A failed attempt: back to pending, retry_us from now, while attempts are left, else failed.
-- name: task_fail(id uuid, lease uuid, error text?, retry_us int, now time) change 1 task else LEASE_LOST
-- bumps: resource :id
update tasks set status = case when attempt < max_attempts then 'pending' else 'failed' end,
    run_at = case when attempt < max_attempts then {clock} + :retry_us else run_at end,
    error = :error, lease = null, lease_until = null, version = version + 1, updated_at = :now
where id = :id and status = 'in_progress' and lease = :lease and lease_until > {clock}
returning {task};

-- name: task_cancel(id uuid, now time) change 1 else CONFLICT
-- bumps: resource :id
update tasks set status = 'cancelled', lease = null, lease_until = null, version = version + 1, updated_at = :now
where id = :id and status in ('pending', 'in_progress');

-- Whether a lease ran out: asked first, as before a claim. Nor is there a change each second whose outcome could stay
-- unknown; one that returns what it moves would make every fact stale then.
-- name: task_overdue() one (overdue bool)
-- lane: batch
select exists (select 1 from tasks where status = 'in_progress' and lease_until <= (select {clock})) as overdue;

-- Leases that ran out: the same rule as a failed attempt.
-- name: task_expire(retry_us int, limit int, now time) change any (id uuid, status text)
-- lane: batch
-- bumps: resource returned id
-- sqlite:
update tasks set status = case when attempt < max_attempts then 'pending' else 'failed' end,
    run_at = case when attempt < max_attempts then {clock} + :retry_us else run_at end,
    error = 'the lease ran out', lease = null, lease_until = null, version = version + 1, updated_at = :now
where id in (
    select id from tasks where status = 'in_progress' and lease_until <= (select {clock})
    order by lease_until limit :limit)
returning id, status;
-- postgres:
update tasks set status = case when attempt < max_attempts then 'pending' else 'failed' end,
    run_at = case when attempt < max_attempts then {clock} + :retry_us else run_at end,
    error = 'the lease ran out', lease = null, lease_until = null, version = version + 1, updated_at = :now
where id = any (array(
    select id from tasks where status = 'in_progress' and lease_until <= (select {clock})
    order by lease_until limit :limit for update skip locked))
returning id, status;
