-- columns: project
--   id uuid, owner_id uuid, name text, visibility text, team_id uuid?, metadata json, version int, created_at time, updated_at time

-- The same, with what the gates look at.
-- columns: judged_project
--   id uuid, owner_id uuid, name text, visibility text, team_id uuid?, metadata json, version int, created_at time, updated_at time, project_owner uuid, project_visibility text, grants text?

-- name: project_get(id uuid) one project
select {project} from projects where id = :id;

-- name: project_facts(id uuid) one judged_project
select {project}, owner_id as project_owner, visibility as project_visibility, {project_grants} as grants
from projects where id = :id;

-- Whom a project is shared with: for each 'u' or 't', the user or team, and of a user the first letter of the access.
-- text: project_grants
-- sqlite:
(select group_concat(said, '') from (
    select 'u' || lower(hex(c.user_id)) || substr(c.access, 1, 1) as said from project_collaborators c
        where c.project_id = projects.id
    union all
    select 't' || lower(hex(p.team_id)) || '-' from project_teams p where p.project_id = projects.id))
-- postgres:
(select string_agg(said, '') from (
    select 'u' || encode(uuid_send(c.user_id), 'hex') || substr(c.access, 1, 1) as said from project_collaborators c
        where c.project_id = projects.id
    union all
    select 't' || encode(uuid_send(p.team_id), 'hex') || '-' from project_teams p where p.project_id = projects.id) as granted)

-- Who owns the teams that the viewer is in: found when it is first asked for.
-- text: team_owners
team_owners as materialized (
    select distinct t.owner_id from team_members m join teams t on t.id = m.team_id where m.user_id = :viewer?)

-- The projects that others share with the viewer, some more than once: what gate/ownership.c allows, but for what is public.
-- text: projects_shared
select project_id as id from project_collaborators where user_id = :viewer?
union all
select s.project_id from team_members m join project_teams s on s.team_id = m.team_id
    join projects p on p.id = s.project_id
where m.user_id = :viewer? and p.visibility <> 'private'
union all
select p.id from team_owners o join projects p on p.owner_id = o.owner_id
where p.visibility in ('team_open', 'public_read', 'public_full')

-- The same, and what is his or public, asked of one project p: what costs more is asked later.
-- text: project_reads
p.owner_id = :viewer? or p.visibility in ('public_read', 'public_full')
    or exists (select 1 from project_collaborators c where c.project_id = p.id and c.user_id = :viewer?)
    or (p.visibility <> 'private' and exists (
        select 1 from project_teams s where s.project_id = p.id and (
            select true from team_members m where m.team_id = s.team_id and m.user_id = :viewer?)))
    or (p.visibility = 'team_open' and p.owner_id in (select owner_id from team_owners))

-- text: project_filters
(:visibility is null or visibility = :visibility) and (:team_id is null or team_id = :team_id)

-- A page of each source, merged: the viewer's own, what is shared with him, what is public.
-- name: project_list(viewer uuid, visibility text?, team_id uuid?, after_key any?, after_id uuid?, skip int, limit int) many project
-- sort: created_at time, updated_at time, name text
with {team_owners}
select {project} from projects where id in (
    select id from (select id from projects where owner_id = :viewer and {project_filters} and {after}
        order by {order} limit :limit + :skip) as own
    union
    select id from (select id from projects where id in ({projects_shared}) and {project_filters} and {after}
        order by {order} limit :limit + :skip) as shared
    union
    select id from (select id from projects where visibility in ('public_read', 'public_full') and {project_filters} and {after}
        order by {order} limit :limit + :skip) as open)
order by {order} limit :limit offset :skip;

-- name: project_add(id uuid, owner_id uuid, name text, visibility text, team_id uuid?, metadata json, now time) change 1
insert into projects (id, owner_id, name, visibility, team_id, metadata, version, created_at, updated_at)
values (:id, :owner_id, :name, :visibility, :team_id, :metadata, 1, :now, :now);

-- name: project_set(id uuid, version int, name text, visibility text, team_id uuid?, metadata json, now time) change 1 else STALE
-- bumps: resource :id
update projects set name = :name, visibility = :visibility, team_id = :team_id, metadata = :metadata,
    version = version + 1, updated_at = :now
where id = :id and version = :version;

-- Behind project_set: its generations stand in the list of what is public, or not.
-- name: project_open(id uuid) change any
update generations set is_open = not is_open
where project_id = :id and is_open <> (
    select p.visibility in ('public_read', 'public_full') from projects p where p.id = :id);

-- Teams and collaborators go with it; generations hold it.
-- name: project_del(id uuid, version int) change 1 else STALE
-- bumps: resource :id
delete from projects where id = :id and version = :version;

-- ---- teams ----

-- columns: granted_team
--   id uuid, project_id uuid, team_id uuid, version int, created_at time, updated_at time

-- name: project_team_get(id uuid, second uuid) one granted_team
select {granted_team} from project_teams where project_id = :id and team_id = :second;

-- name: project_team_list(id uuid, after_key any?, after_id uuid?, skip int, limit int) many granted_team
-- sort: created_at time
select {granted_team} from project_teams where project_id = :id and {after} order by {order} limit :limit offset :skip;

-- name: project_team_put(link_id uuid, id uuid, second uuid, now time) change 1 (id uuid, project_id uuid, team_id uuid, version int, created_at time, updated_at time)
-- bumps: resource :id
insert into project_teams (id, project_id, team_id, version, created_at, updated_at)
values (:link_id, :id, :second, 1, :now, :now)
on conflict (project_id, team_id) do update set version = project_teams.version + 1, updated_at = excluded.updated_at
returning id, project_id, team_id, version, created_at, updated_at;

-- The first team of a project is one of its teams.
-- name: project_team_first(link_id uuid, id uuid, team_id uuid, now time) change any
-- bumps: resource :id
insert into project_teams (id, project_id, team_id, version, created_at, updated_at)
values (:link_id, :id, :team_id, 1, :now, :now)
on conflict (project_id, team_id) do nothing;

-- name: project_team_del(id uuid, second uuid) change 1 else NOT_FOUND
-- bumps: resource :id
delete from project_teams where project_id = :id and team_id = :second;

-- Its first team is another one, or none.
-- name: project_team_forget(id uuid, second uuid) change any
-- bumps: resource :id
update projects set team_id = null, version = version + 1 where id = :id and team_id = :second;

-- A project's facts hold all that it is shared with.
-- name: project_fits(id uuid, teams int, collaborators int) change 1 else SHARES_FULL
update projects set version = version
where id = :id and (select count(*) from project_teams where project_id = :id) <= :teams
    and (select count(*) from project_collaborators where project_id = :id) <= :collaborators;

-- Before it, as team_lock.
-- name: project_lock(id uuid) change any
update projects set version = version where id = :id;

-- ---- collaborators ----

-- columns: collaborator
--   id uuid, project_id uuid, user_id uuid, access text, version int, created_at time, updated_at time

-- name: collaborator_get(id uuid, second uuid) one collaborator
select {collaborator} from project_collaborators where project_id = :id and user_id = :second;

-- name: collaborator_list(id uuid, after_key any?, after_id uuid?, skip int, limit int) many collaborator
-- sort: created_at time
select {collaborator} from project_collaborators where project_id = :id and {after} order by {order} limit :limit offset :skip;

-- Before a change of a collaborator: whether there is such a user, and what he may.
-- name: collaborator_ask(id uuid, second uuid) one (known bool, access text?)
select exists (select 1 from users where id = :second and status = 'active') as known,
    (select access from project_collaborators where project_id = :id and user_id = :second) as access;

-- all: the caller may do all, so he may give and take the access `admin` too.
-- name: collaborator_put(link_id uuid, id uuid, second uuid, access text, all bool, now time) change 1 (id uuid, project_id uuid, user_id uuid, access text, version int, created_at time, updated_at time) else FORBIDDEN
-- bumps: resource :id
insert into project_collaborators (id, project_id, user_id, access, version, created_at, updated_at)
select :link_id, :id, u.id, :access, 1, :now, :now from users u where u.id = :second and u.status = 'active'
on conflict (project_id, user_id) do update set access = excluded.access, version = project_collaborators.version + 1,
    updated_at = excluded.updated_at
where project_collaborators.access <> 'admin' or :all
returning id, project_id, user_id, access, version, created_at, updated_at;

-- name: collaborator_del(id uuid, second uuid, all bool) change 1 else FORBIDDEN
-- bumps: resource :id
delete from project_collaborators where project_id = :id and user_id = :second and (access <> 'admin' or :all);
