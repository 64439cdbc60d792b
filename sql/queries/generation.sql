-- columns: generation
--   id uuid, owner_id uuid, project_id uuid, prompt text, model text?, parent_id uuid?, root_id uuid, depth int, kind text, parameters json, restrictions json?, status text, metadata json, version int, created_at time, updated_at time

-- The same, with what the gates look at.
-- columns: judged_generation
--   id uuid, owner_id uuid, project_id uuid, prompt text, model text?, parent_id uuid?, root_id uuid, depth int, kind text, parameters json, restrictions json?, status text, metadata json, version int, created_at time, updated_at time, project_owner uuid?, project_visibility text?, grants text?, ancestry text?, restraints text?

-- name: generation_get(id uuid) one generation
select {generation} from generations where id = :id;

-- name: generation_facts(id uuid) one judged_generation
select {generation},
    (select p.owner_id from projects p where p.id = generations.project_id) as project_owner,
    (select p.visibility from projects p where p.id = generations.project_id) as project_visibility,
    (select {project_grants} from projects where projects.id = generations.project_id) as grants,
    {generation_ancestry} as ancestry, {generation_restraints} as restraints
from generations where id = :id;

-- Its ancestors, the nearest first: the id, the owner, and whether it is of the same project.
-- text: generation_ancestry
-- sqlite:
(select group_concat(said, '') from (
    select lower(hex(a.id)) || lower(hex(a.owner_id)) || case when a.project_id = generations.project_id then 's' else 'o' end as said
    from generation_ancestors x join generations a on a.id = x.ancestor_id
    where x.generation_id = generations.id order by x.distance))
-- postgres:
(select string_agg(encode(uuid_send(a.id), 'hex') || encode(uuid_send(a.owner_id), 'hex') ||
        case when a.project_id = generations.project_id then 's' else 'o' end, '' order by x.distance)
    from generation_ancestors x join generations a on a.id = x.ancestor_id where x.generation_id = generations.id)

-- The restrictions of its ancestors: whose they are, whom they are for (nobody: everybody), until when, and for what.
-- text: generation_restraints
-- sqlite:
(select group_concat(lower(hex(r.generation_id)) || lower(hex(r.owner_id)) ||
        case when r.user_id is null then '00000000000000000000000000000000' else lower(hex(r.user_id)) end ||
        r.until_at || ' ' || r.accesses || ';', '')
    from generation_restrictions r where r.root_id = generations.root_id and exists (
        select 1 from generation_ancestors x where x.generation_id = generations.id and x.ancestor_id = r.generation_id))
-- postgres:
(select string_agg(encode(uuid_send(r.generation_id), 'hex') || encode(uuid_send(r.owner_id), 'hex') ||
        coalesce(encode(uuid_send(r.user_id), 'hex'), '00000000000000000000000000000000') || r.until_at || ' ' || r.accesses || ';', '')
    from generation_restrictions r where r.root_id = generations.root_id and exists (
        select 1 from generation_ancestors x where x.generation_id = generations.id and x.ancestor_id = r.generation_id))

-- What gate/inheritance.c passes to a reader. The offset keeps PostgreSQL from making a join of it, which may read all
-- restrictions where a page needs few.
-- text: generation_passes
generations.depth <= 10 and not exists (
    select 1 from generation_restrictions r
    where r.root_id = generations.root_id and r.until_at > :now and r.accesses % 4 >= 2 and r.owner_id <> :viewer
        and (r.user_id is null or r.user_id = :viewer) and exists (
            select 1 from generation_ancestors x
            where x.generation_id = generations.id and x.ancestor_id = r.generation_id)
    limit 1 offset 0)

-- Filters that may be absent are cases, not `is null or`: PostgreSQL takes each for half of the rows and so reads an index
-- in its order, where it would take an `or` for nearly none and read and sort all.
-- text: generation_filters
case when :status is null then true else status = :status end
    and case when :kind is null then true else kind = :kind end and {generation_passes}

-- text: generation_of_project
case when :project_id is null then true else project_id = :project_id end

-- text: generation_is_open
is_open and exists (
    select 1 from projects p where p.id = generations.project_id and p.visibility in ('public_read', 'public_full'))

-- text: generation_readable
(owner_id = :viewer? or (select {project_reads} from projects p where p.id = generations.project_id) or exists (
    select 1 from generation_readers y
    where y.user_id = :viewer? and y.created_at = generations.created_at and y.generation_id = generations.id))

-- Whose projects the viewer reads all of: his, and those that are shared with him; some more than once.
-- text: projects_reached
select id from projects where owner_id = :viewer? union all {projects_shared}

-- text: in_many
(select count(*) from sample) > 64

-- All the near projects: `sample` has the first of those that the viewer reads all of; many are asked for only where `recent` is
-- not enough. Or the one that is asked for.
-- text: near_projects
wanted as materialized (
    select case when count(*) < :limit + :skip then :limit + :skip else 0 end as n from recent),
near as materialized (
    select id from sample where not {in_many}
    union
    select id from ({projects_reached}) as reached where {in_many} and (select n from wanted) > 0
    union
    select id from asked)

-- text: nearest
nearest as materialized (select project_id as id from firsts order by {order} limit (:limit + :skip) * 2)

-- The last row of the first page of the heads, if they fill one; and which projects' rows begin before it.
-- text: final_head
final as materialized (
    select created_at, id from heads order by {order} limit 1 offset :limit + :skip - 1),
touched as materialized (select project_id as id from firsts where {until})

-- The first row of each near project, whatever it is: an index has it.
-- text: generation_firsts
-- sqlite:
select near.id as project_id, first.created_at, first.id from near cross join generations as first on first.id = (
    select id from generations where project_id = near.id and {after} order by {order} limit 1)
-- postgres:
select near.id as project_id, first.created_at, first.id from near cross join lateral (
    select created_at, id from generations where project_id = near.id and {after} order by {order} limit 1) as first

-- The first rows of the nearest of them, that the viewer sees: about two pages of all together.
-- text: generation_heads
-- sqlite:
select head.created_at, head.id from nearest cross join generations as head on head.id in (
    select id from generations where project_id = nearest.id and {generation_filters} and {after}
    order by {order} limit 1 + (:limit + :skip) * 2 / (select count(*) from nearest))
-- postgres:
select head.created_at, head.id from nearest cross join lateral (
    select created_at, id from generations where project_id = nearest.id and {generation_filters} and {after}
    order by {order} limit 1 + (:limit + :skip) * 2 / (select count(*) from nearest)) as head

-- text: generation_near
-- sqlite:
select page.id, page.created_at from touched cross join generations as page on page.id in (
    select id from generations where project_id = touched.id and {generation_filters} and {after} and {until}
    order by {order} limit :limit + :skip)
-- postgres:
select page.id, page.created_at from touched cross join lateral (
    select id, created_at from generations where project_id = touched.id and {generation_filters} and {after} and {until}
    order by {order} limit :limit + :skip) as page

-- A page of each source, merged: the viewer's own; what is derived from it; what lies in the projects that are his or
-- shared with him; what is public. Of all those projects little more than the page needs is read: the first rows of those
-- that have the nearest, together about two pages, then all as far as where the first page of these ends. Who reaches many
-- projects most likely reaches many of the next rows, whosever they are: first a few pages of them are looked through, and if
-- his are enough for the page, nothing else is read. With parent_id there is one source, as an index leads to what was derived
-- from it.
-- name: generation_list(viewer uuid, now time, project_id uuid?, parent_id uuid?, status text?, kind text?, after_key any?, after_id uuid?, skip int, limit int) many generation
-- sort: created_at time
with {team_owners},
sample as materialized (
    select id from ({projects_reached}) as reached where :parent_id? is null and :project_id? is null limit 65),
asked as materialized (select p.id from projects p where :parent_id? is null and p.id = :project_id? and ({project_reads})),
recent as materialized (
    select id, created_at from (
        select * from generations where {after} order by {order}
        limit case when {in_many} and :skip <= 1000 then (:limit + :skip) * 4 else 0 end) as generations
    where {generation_filters} and {generation_readable}
    order by {order} limit :limit? + :skip),
{near_projects},
firsts as materialized ({generation_firsts}), {nearest},
heads as materialized ({generation_heads}), {final_head},
page as (
    select id, created_at from recent
    union
    select id, created_at from (select id, created_at from generations where :parent_id? is null and owner_id = :viewer?
            and {generation_of_project} and {generation_filters} and {after} and {until}
        order by {order} limit (select n from wanted)) as own
    union
    select id, created_at from (
        select id, created_at from (select generation_id as id, created_at from generation_readers where user_id = :viewer?) as read
        where :parent_id? is null and {after} and {until} and exists (
            select 1 from generations
            where generations.id = read.id and {generation_of_project} and {generation_filters})
        order by {order} limit (select n from wanted)) as derived
    union
    {generation_near}
    union
    select id, created_at from (select id, created_at from generations where :parent_id? is null and :project_id is null
            and {generation_is_open} and {generation_filters} and {after} and {until}
        order by {order} limit (select n from wanted)) as open
    union
    select id, created_at from (select id, created_at from generations where parent_id = :parent_id? and {generation_of_project}
            and {generation_filters} and {after} and {generation_readable}
        order by {order} limit :limit + :skip) as children
    order by {order} limit :limit offset :skip)
select {generation} from generations where id in (select id from page) order by {order};

-- Whether its project is public is read under a lock, so that a project that changes meanwhile is not missed by both.
-- name: generation_add(id uuid, owner_id uuid, project_id uuid, prompt text, model text?, parent_id uuid?, root_id uuid, depth int, kind text, parameters json, restrictions json?, metadata json, now time) change 1 else CONFLICT
-- sqlite:
insert into generations (id, owner_id, project_id, prompt, model, parent_id, root_id, depth, kind, parameters, restrictions,
    status, is_open, metadata, version, created_at, updated_at)
select :id, :owner_id, p.id, :prompt, :model, :parent_id, :root_id, :depth, :kind, :parameters, :restrictions,
    'pending', p.visibility in ('public_read', 'public_full'), :metadata, 1, :now, :now
from projects p where p.id = :project_id;
-- postgres:
insert into generations (id, owner_id, project_id, prompt, model, parent_id, root_id, depth, kind, parameters, restrictions,
    status, is_open, metadata, version, created_at, updated_at)
select :id, :owner_id, p.id, :prompt, :model, :parent_id, :root_id, :depth, :kind, :parameters, :restrictions,
    'pending', p.visibility in ('public_read', 'public_full'), :metadata, 1, :now, :now
from projects p where p.id = :project_id for share of p;

-- name: generation_ancestors_add(id uuid, parent_id uuid) change any
insert into generation_ancestors (generation_id, ancestor_id, distance)
select :id, ancestor_id, distance + 1 from generation_ancestors where generation_id = :parent_id
union all
select :id, id, 1 from generations where id = :parent_id;

-- name: generation_readers_add(id uuid, owner_id uuid, project_id uuid, now time) change any
insert into generation_readers (user_id, created_at, generation_id)
select distinct a.owner_id, :now, :id from generation_ancestors x join generations a on a.id = x.ancestor_id
where x.generation_id = :id and a.project_id = :project_id and a.owner_id <> :owner_id;

-- The task that makes it: claimed by who works for its owner.
-- name: generation_task_add(id uuid, owner_id uuid, input json, now time) change 1
insert into tasks (id, owner_id, agent_id, kind, input, priority, run_at, max_attempts, status, attempt, metadata,
    version, created_at, updated_at)
values (:id, :owner_id, null, 'generation', :input, 0, :now, 3, 'pending', 0, '{}', 1, :now, :now);

-- name: generation_set(id uuid, version int, prompt text, parameters json, restrictions json?, metadata json, now time) change 1 else STALE
-- bumps: resource :id
update generations set prompt = :prompt, parameters = :parameters, restrictions = :restrictions, metadata = :metadata,
    version = version + 1, updated_at = :now
where id = :id and version = :version;

-- Its restrictions as rows; whose facts they are in stands on the root's epoch.
-- name: generation_restrictions_clear(id uuid, root_id uuid) change any
-- bumps: resource :root_id
delete from generation_restrictions where generation_id = :id and root_id = :root_id;

-- name: generation_restrictions_add(id uuid, root_id uuid, owner_id uuid, user_id uuid?, until_at time, accesses int) change 1
-- bumps: resource :root_id
insert into generation_restrictions (generation_id, root_id, owner_id, user_id, until_at, accesses)
values (:id, :root_id, :owner_id, :user_id, :until_at, :accesses);

-- What was derived from it, and its media, hold it.
-- name: generation_del(id uuid, version int) change 1 else STALE
-- bumps: resource :id
delete from generations where id = :id and version = :version;

-- Behind it: nobody shall work for what is gone.
-- name: generation_task_del(id uuid) change any
-- bumps: resource :id
delete from tasks where id = :id;
