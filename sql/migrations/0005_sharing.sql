-- What is shared: teams, projects, the tree of generations; and models and templates, which all may read.
create table teams (
    id          uuid primary key,
    owner_id    uuid not null references users (id),
    name        text not null,
    description text,
    max_members bigint not null,
    metadata    text not null,
    version     bigint not null,
    created_at  bigint not null,
    updated_at  bigint not null
);
create index teams_owner on teams (owner_id, created_at, id);

create table team_members (
    id         uuid primary key,
    team_id    uuid not null references teams (id),
    user_id    uuid not null references users (id),
    role       text not null,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    unique (team_id, user_id)
);
create index team_members_created on team_members (team_id, created_at, id);
create index team_members_user on team_members (user_id, team_id);

-- token_hash: SHA-256 of what the invited is sent; the token itself is shown once.
create table invitations (
    id         uuid primary key,
    team_id    uuid not null references teams (id) on delete cascade,
    owner_id   uuid not null references users (id),
    email      text not null,
    role       text not null,
    token_hash bytea not null unique,
    expires_at bigint not null,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    unique (team_id, email)
);
create index invitations_created on invitations (team_id, created_at, id);
create index invitations_owner on invitations (owner_id);
create index invitations_expiry on invitations (expires_at);

create table projects (
    id         uuid primary key,
    owner_id   uuid not null references users (id),
    name       text not null,
    visibility text not null,
    team_id    uuid references teams (id),
    metadata   text not null,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create index projects_created on projects (owner_id, created_at, id);
create index projects_updated on projects (owner_id, updated_at, id);
create index projects_name on projects (owner_id, name, id);
create index projects_team on projects (team_id, created_at, id);
create index projects_open_created on projects (created_at, id) where visibility in ('public_read', 'public_full');
create index projects_open_updated on projects (updated_at, id) where visibility in ('public_read', 'public_full');
create index projects_open_name on projects (name, id) where visibility in ('public_read', 'public_full');

create table project_teams (
    id         uuid primary key,
    project_id uuid not null references projects (id) on delete cascade,
    team_id    uuid not null references teams (id),
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    unique (project_id, team_id)
);
create index project_teams_created on project_teams (project_id, created_at, id);
create index project_teams_team on project_teams (team_id, project_id);

create table project_collaborators (
    id         uuid primary key,
    project_id uuid not null references projects (id) on delete cascade,
    user_id    uuid not null references users (id),
    access     text not null,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    unique (project_id, user_id)
);
create index project_collaborators_created on project_collaborators (project_id, created_at, id);
create index project_collaborators_user on project_collaborators (user_id, project_id);

-- A generation's task has the generation's own id. is_open: the project is public; the list of all that is public stands
-- on it, and looks at the project again.
create table generations (
    id           uuid primary key,
    owner_id     uuid not null references users (id),
    project_id   uuid not null references projects (id),
    prompt       text not null,
    model        text,
    parent_id    uuid references generations (id),
    root_id      uuid not null,
    depth        bigint not null,
    kind         text not null,
    parameters   text not null,
    restrictions text,
    status       text not null,
    is_open      boolean not null,
    metadata     text not null,
    version      bigint not null,
    created_at   bigint not null,
    updated_at   bigint not null
);
create index generations_owner on generations (owner_id, created_at, id);
create index generations_project on generations (project_id, created_at, id);
create index generations_parent on generations (parent_id, created_at, id);
create index generations_open on generations (created_at, id) where is_open;
create index generations_status on generations (project_id, status, created_at, id);

-- The ancestors of each generation: parent_id never changes, so these rows never do. distance: 1 is the parent.
create table generation_ancestors (
    generation_id uuid not null references generations (id) on delete cascade,
    ancestor_id   uuid not null references generations (id),
    distance      bigint not null,
    primary key (generation_id, ancestor_id)
);
create index generation_ancestors_ancestor on generation_ancestors (ancestor_id, generation_id);

-- Who owns an ancestor in the same project, and so may read the generation; kept in the order of lists.
create table generation_readers (
    user_id       uuid not null,
    created_at    bigint not null,
    generation_id uuid not null references generations (id) on delete cascade,
    primary key (user_id, created_at, generation_id)
);
create index generation_readers_generation on generation_readers (generation_id);

-- The restrictions of generations, a row for each user that one is for (null: everybody). accesses: bits by enum access.
create table generation_restrictions (
    generation_id uuid not null references generations (id) on delete cascade,
    root_id       uuid not null,
    owner_id      uuid not null,
    user_id       uuid,
    until_at      bigint not null,
    accesses      bigint not null
);
create index generation_restrictions_root on generation_restrictions (root_id);
create index generation_restrictions_generation on generation_restrictions (generation_id);

create table models (
    id            uuid primary key,
    owner_id      uuid not null references users (id),
    name          text not null,
    provider      text,
    model_version text,
    endpoint      text,
    status        text not null,
    metadata      text not null,
    version       bigint not null,
    created_at    bigint not null,
    updated_at    bigint not null
);
create index models_created on models (created_at, id);
create index models_name on models (name, id);
create index models_owner on models (owner_id);
create index models_provider on models (provider, created_at, id) where provider is not null;
create index models_status on models (status, created_at, id) where status <> 'active';

create table templates (
    id          uuid primary key,
    owner_id    uuid not null references users (id),
    name        text not null,
    industry    text,
    body        text,
    rating      float8,
    usage_count bigint not null,
    metadata    text not null,
    version     bigint not null,
    created_at  bigint not null,
    updated_at  bigint not null
);
create index templates_created on templates (created_at, id);
create index templates_name on templates (name, id);
create index templates_owner on templates (owner_id);
create index templates_industry on templates (industry, created_at, id) where industry is not null;

-- The task of a generation needs no agent.
-- postgres:
alter table tasks alter column agent_id drop not null;
-- sqlite:
create table tasks_new (
    id           uuid primary key,
    owner_id     uuid not null references users (id),
    agent_id     uuid references agents (id),
    kind         text,
    input        text,
    priority     bigint not null,
    run_at       bigint not null,
    max_attempts bigint not null,
    status       text not null,
    attempt      bigint not null,
    result       text,
    error        text,
    lease        uuid,
    lease_until  bigint,
    metadata     text not null,
    version      bigint not null,
    created_at   bigint not null,
    updated_at   bigint not null
);
insert into tasks_new select id, owner_id, agent_id, kind, input, priority, run_at, max_attempts, status, attempt, result,
    error, lease, lease_until, metadata, version, created_at, updated_at from tasks;
drop table tasks;
alter table tasks_new rename to tasks;
create index tasks_created on tasks (owner_id, created_at, id);
create index tasks_updated on tasks (owner_id, updated_at, id);
create index tasks_priority on tasks (owner_id, priority, id);
create index tasks_agent on tasks (agent_id, created_at, id);
create index tasks_ready on tasks (owner_id, priority desc, run_at, id) where status = 'pending';
create index tasks_leased on tasks (lease_until) where status = 'in_progress';
create index tasks_lease on tasks (lease) where lease is not null;

-- What becomes of a generation's task becomes of the generation, whichever statement moves the task. The epoch is the same
-- for both, as their id is.
-- sqlite:
create trigger generation_follows after update of status on tasks when new.kind = 'generation' and new.status <> old.status
begin
    update generations set status = case new.status when 'in_progress' then 'processing' else new.status end,
        version = version + 1, updated_at = new.updated_at
    where id = new.id;
end;
create trigger generation_left after delete on tasks when old.kind = 'generation' and old.status = 'pending'
begin
    update generations set status = 'cancelled', version = version + 1 where id = old.id;
end;
-- postgres:
create function generation_follows() returns trigger language plpgsql as $$
begin
    update generations set status = case new.status when 'in_progress' then 'processing' else new.status end,
        version = version + 1, updated_at = new.updated_at
    where id = new.id;
    return null;
end
$$;
create trigger generation_follows after update of status on tasks for each row
    when (new.kind = 'generation' and new.status is distinct from old.status) execute function generation_follows();
create function generation_left() returns trigger language plpgsql as $$
begin
    update generations set status = 'cancelled', version = version + 1 where id = old.id;
    return null;
end
$$;
create trigger generation_left after delete on tasks for each row
    when (old.kind = 'generation' and old.status = 'pending') execute function generation_left();
