-- What nodes that share one store tell each other and agree on.

-- What a change moved (bytes as in base/epoch.h), written in its own transaction and read by every node. Empty in an
-- embedded store: one node has its shared segment. node: who wrote it; without one every node applies it.
-- sqlite:
create table bumps (
    number integer primary key,
    at     bigint not null,
    node   uuid,
    what   bytea not null
);
-- postgres:
create table bumps (
    number bigint generated always as identity primary key,
    at     bigint not null,
    node   uuid,
    what   bytea not null
);
-- both:
create index bumps_at on bumps (at);

-- What one node of all does. The row `signing_keys` is nobody's: who changes those keys locks it.
create table duties (
    name  text primary key,
    node  uuid,
    until bigint not null
);
insert into duties (name, until) values ('signing_keys', 0);

-- Events to be told outside, written with the change that they tell of, deleted once told.
create table outbox (
    id           uuid primary key,
    at           bigint not null,
    event        text not null,
    target       uuid,
    principal_id uuid,
    payload      text not null
);
create index outbox_at on outbox (at, id);

create index api_keys_name on api_keys (owner_id, name, id);
create index tasks_lease on tasks (lease) where lease is not null;

-- The filters of lists. SQLite plans a statement without its parameters and would not use them.
-- postgres:
create index startups_industry on startups (owner_id, industry, created_at, id) where industry is not null;
create index startups_stage on startups (owner_id, stage, created_at, id) where stage is not null;
create index startups_status on startups (owner_id, status, created_at, id);
create index agents_kind on agents (owner_id, kind, created_at, id) where kind is not null;
create index agents_status on agents (owner_id, status, created_at, id);
drop index agents_startup;
create index agents_startup on agents (startup_id, created_at, id);
create index tasks_kind on tasks (owner_id, kind, created_at, id) where kind is not null;
create index tasks_status on tasks (owner_id, status, created_at, id);
create index users_status on users (status, created_at, id) where status <> 'active';

-- Fails the transaction of a change that changed other than the wanted number of rows.
create function changed_rows(got bigint, wanted bigint) returns bigint language plpgsql volatile as $$
begin
    if got <> wanted then
        raise exception 'changed % rows, wanted %', got, wanted using errcode = 'GH001';
    end if;
    return got;
end
$$;
