-- The audit chain.
--
-- A row of `audit` is written by the change that it tells of, in its transaction. It carries a MAC over all its fields
-- and no link to another row: transactions overlap and may be undone, so a link made then would break. Its writer (one
-- worker process, from its start to its end) numbers its rows: 1, 2, 3... The number of a change that was undone is
-- given to the writer's next row; one whose commit is unknown is noted by a row `audit.unsure`.
--
-- The row's id waits in `audit_tail`. Within a second the sealer moves it to `audit_chain`, in the order of the ids: it
-- gets the next number of the whole store, and a link over the link before it, the number, the id and the row's MAC.
-- Numbers have no holes and are unique, so two sealers at once cannot fork the chain: one of their transactions fails.
-- Each time the last number and its link are signed: the newest of each minute is kept in `audit_heads`, all of them
-- in a file of DATA_DIR, where who can write to the store cannot.
--
-- What is personal (address, user agent, email, detail) is sealed under the key `subject` of `audit_subjects`, itself
-- sealed. A person may have many; erasing the person deletes them, and MACs and links still hold, for they are over
-- what is sealed. Rows that are about nobody known have the key of their writer.
drop table audit;

create table audit (
    id             uuid primary key,
    writer         uuid not null,
    sequence       bigint not null,
    at             bigint not null,
    principal_kind text not null,
    principal_id   uuid,
    session_id     uuid,
    action         text not null,
    target         uuid,
    outcome        text not null,
    decision       uuid not null,
    risk           text not null,
    correlation    text not null,
    subject        uuid not null,
    sealed         bytea not null,
    mac            bytea not null
);
create unique index audit_writer on audit (writer, sequence);
create index audit_at on audit (at, id);
create index audit_principal on audit (principal_id, at, id);
create index audit_target on audit (target, at, id);
-- postgres:
create index audit_action on audit (action, at, id);
create index audit_outcome on audit (outcome, at, id) where outcome <> 'made';
-- both:

create table audit_tail (
    id uuid primary key
);
-- PostgreSQL does the same in the statement audit_add.
-- sqlite:
create trigger audit_queued after insert on audit begin insert into audit_tail (id) values (new.id); end;
-- both:

create table audit_chain (
    number bigint primary key,
    id     uuid not null,
    link   bytea not null
);
create unique index audit_chain_id on audit_chain (id);

create table audit_heads (
    minute    bigint primary key,
    number    bigint not null,
    link      bytea not null,
    at        bigint not null,
    node      uuid not null,
    signature bytea not null
);
create index audit_heads_number on audit_heads (number);

create table audit_subjects (
    id         uuid primary key,
    user_id    uuid,
    sealed     bytea not null,
    created_at bigint not null
);
create index audit_subjects_user on audit_subjects (user_id);
