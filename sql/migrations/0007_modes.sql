-- Modes of the system, and break-glass.

-- The mode that was set by hand, for all nodes: the one row. set_by: nobody when the operator of a machine did.
create table modes (
    id      bigint primary key check (id = 1),
    mode    text not null,
    reason  text,
    set_by  uuid,
    set_at  bigint not null,
    version bigint not null
);
insert into modes (id, mode, set_at, version) values (1, 'normal', 0, 1);

-- One row for each time that the glass was broken, kept for ever. It outlives its session, and is open until `until`
-- unless it was ended before.
create table break_glass (
    id         uuid primary key,
    user_id    uuid not null,
    session_id uuid not null,
    reason     text not null,
    until      bigint not null,
    ended_at   bigint,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create index break_glass_created on break_glass (created_at, id);
create unique index break_glass_session on break_glass (session_id) where ended_at is null;
