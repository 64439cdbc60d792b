-- Identity, the three resources of the first house, and what every change writes with itself.
-- Ids (UUIDv7) and times (microseconds since 1970, UTC) are made by the program, never here.
-- JSON is text: its structure is the program's business.

create table roles (
    id          uuid primary key,
    name        text not null unique,
    description text,
    permissions text not null,
    metadata    text not null,
    version     bigint not null,
    created_at  bigint not null,
    updated_at  bigint not null
);

create table users (
    id            uuid primary key,
    email         text not null unique,
    password_hash text not null,
    role          text not null references roles (name),
    status        text not null,
    token_version bigint not null,
    metadata      text not null,
    version       bigint not null,
    created_at    bigint not null,
    updated_at    bigint not null
);
create index users_created on users (created_at, id);
create index users_role on users (role, status);

create table sessions (
    id         uuid primary key,
    owner_id   uuid not null references users (id),
    address    text not null,
    user_agent text not null,
    expires_at bigint not null,
    revoked_at bigint,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create index sessions_owner on sessions (owner_id, created_at, id);
create index sessions_expiry on sessions (expires_at);

-- One row per refresh token ever given; a session's rows are its family. successor: the next token, sealed
-- under a key derived from this one, kept for the grace only.
create table refresh_tokens (
    hash       bytea primary key,
    session_id uuid not null references sessions (id) on delete cascade,
    issued_at  bigint not null,
    expires_at bigint not null,
    used_at    bigint,
    successor  bytea
);
create index refresh_tokens_session on refresh_tokens (session_id);
create index refresh_tokens_expiry on refresh_tokens (expires_at);
create index refresh_tokens_successor on refresh_tokens (used_at) where successor is not null;

-- From where an account has signed in before.
create table sign_ins (
    user_id uuid not null references users (id),
    address text not null,
    last_at bigint not null,
    primary key (user_id, address)
);

create table api_keys (
    id           uuid primary key,
    owner_id     uuid not null references users (id),
    name         text not null,
    public       text not null unique,
    hash         bytea not null,
    scopes       text not null,
    expires_at   bigint,
    last_used_at bigint,
    metadata     text not null,
    version      bigint not null,
    created_at   bigint not null,
    updated_at   bigint not null
);
create index api_keys_owner on api_keys (owner_id, created_at, id);

create table signing_keys (
    id         uuid primary key,
    sealed     bytea not null,
    from_at    bigint not null,
    until_at   bigint,
    created_at bigint not null
);

create table startups (
    id         uuid primary key,
    owner_id   uuid not null references users (id),
    name       text not null,
    industry   text,
    stage      text,
    status     text not null,
    metadata   text not null,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create index startups_created on startups (owner_id, created_at, id);
create index startups_updated on startups (owner_id, updated_at, id);
create index startups_name on startups (owner_id, name, id);

create table agents (
    id         uuid primary key,
    owner_id   uuid not null references users (id),
    name       text not null,
    kind       text,
    startup_id uuid references startups (id),
    endpoint   text,
    config     text not null,
    status     text not null,
    metadata   text not null,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create index agents_created on agents (owner_id, created_at, id);
create index agents_updated on agents (owner_id, updated_at, id);
create index agents_name on agents (owner_id, name, id);
create index agents_startup on agents (startup_id);

-- lease: names one claim; only who holds it may finish the task before lease_until.
create table tasks (
    id           uuid primary key,
    owner_id     uuid not null references users (id),
    agent_id     uuid not null references agents (id),
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
create index tasks_created on tasks (owner_id, created_at, id);
create index tasks_updated on tasks (owner_id, updated_at, id);
create index tasks_priority on tasks (owner_id, priority, id);
create index tasks_agent on tasks (agent_id, created_at, id);
create index tasks_ready on tasks (owner_id, priority desc, run_at, id) where status = 'pending';
create index tasks_leased on tasks (lease_until) where status = 'in_progress';

-- One row per change, in the change's own transaction.
create table audit (
    id             uuid primary key,
    at             bigint not null,
    principal_kind text not null,
    principal_id   uuid,
    session_id     uuid,
    action         text not null,
    target         uuid,
    correlation    text not null,
    address        text not null,
    detail         text not null
);
create index audit_at on audit (at, id);

create table idempotency (
    principal_id uuid not null,
    key          text not null,
    request_hash bytea not null,
    status       bigint not null,
    body         text,
    location     text,
    row_version  bigint not null,
    created_at   bigint not null,
    primary key (principal_id, key)
);
create index idempotency_created on idempotency (created_at);
