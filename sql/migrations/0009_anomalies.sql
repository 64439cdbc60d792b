-- What holds a principal or an address back: set by anomalies or by hand, ends by itself, can be lifted. Rows at level
-- `recorded` hold nobody back. subject: a user's id or an address (IPv6: its /64).
create table restraints (
    id         uuid primary key,
    kind       text not null,
    subject    text not null,
    level      text not null,
    reason     text not null,
    until      bigint not null,
    created_by uuid,
    lifted_at  bigint,
    lifted_by  uuid,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create index restraints_created on restraints (created_at, id);
create index restraints_until on restraints (until, id);
create index restraints_not_lifted on restraints (until, id) where lifted_at is null;
-- postgres:
create index restraints_kind on restraints (kind, created_at, id);
