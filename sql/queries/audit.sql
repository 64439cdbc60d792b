-- The audit chain; migrations/0006_audit.sql says how it holds together.

-- columns: audit
--   id uuid, at time, number int?, principal_kind text, principal_id uuid?, session_id uuid?, action text, target uuid?,
--   outcome text, decision uuid, risk text, correlation text, erased bool, payload json?, subject uuid, subject_key json?, version int

-- columns: audit_row
--   number int?, chained_id uuid?, link bytes?, head_link bytes?, head_at time?, head_signature bytes?,
--   queued bool, id uuid?, writer uuid?, sequence int?, at time?, principal_kind text?, principal_id uuid?,
--   session_id uuid?, action text?, target uuid?, outcome text?, decision uuid?, risk text?, correlation text?,
--   subject uuid?, sealed bytes?, mac bytes?, subject_key bytes?

-- An insert of one row, which cannot miss. SQLite queues by a trigger.
-- name: audit_add(id uuid, writer uuid, sequence int, at time, principal_kind text, principal_id uuid?,
--   session_id uuid?, action text, target uuid?, outcome text, decision uuid, risk text, correlation text,
--   subject uuid, sealed bytes, mac bytes) change any
-- sqlite:
insert into audit (id, writer, sequence, at, principal_kind, principal_id, session_id, action, target, outcome, decision, risk,
    correlation, subject, sealed, mac)
values (:id, :writer, :sequence, :at, :principal_kind, :principal_id, :session_id, :action, :target, :outcome, :decision, :risk,
    :correlation, :subject, :sealed, :mac);
-- postgres:
with queued as (insert into audit_tail (id) values (:id))
insert into audit (id, writer, sequence, at, principal_kind, principal_id, session_id, action, target, outcome, decision, risk,
    correlation, subject, sealed, mac)
values (:id, :writer, :sequence, :at, :principal_kind, :principal_id, :session_id, :action, :target, :outcome, :decision, :risk,
    :correlation, :subject, :sealed, :mac);

-- Several changes of one writer may bring its key before one of them has committed.
-- name: audit_subject_add(id uuid, user_id uuid?, sealed bytes, now time) change any
insert into audit_subjects (id, user_id, sealed, created_at) values (:id, :user_id, :sealed, :now)
on conflict (id) do nothing;

-- Writers hear by the bump that they may no longer use the keys.
-- name: audit_subject_erase(user_id uuid) change any
-- bumps: user :user_id
delete from audit_subjects where user_id = :user_id;

-- ---- reading ----

-- What is sealed comes in hexadecimal digits, to be opened by the handler.
-- name: audit_get(id uuid) one audit
-- lane: analytics
-- sqlite:
select id, at, number, principal_kind, principal_id, session_id, action, target, outcome, decision, risk, correlation,
    key_id is null as erased, hex(sealed) as payload, subject, hex(key_sealed) as subject_key, cast(1 as bigint) as version
from audit left join (select id as key_id, sealed as key_sealed from audit_subjects) as keys on key_id = subject
    left join (select id as chained_id, number from audit_chain) as chain on chained_id = id
where id = :id;
-- postgres:
select id, at, number, principal_kind, principal_id, session_id, action, target, outcome, decision, risk, correlation,
    key_id is null as erased, encode(sealed, 'hex') as payload, subject, encode(key_sealed, 'hex') as subject_key,
    cast(1 as bigint) as version
from audit left join (select id as key_id, sealed as key_sealed from audit_subjects) as keys on key_id = subject
    left join (select id as chained_id, number from audit_chain) as chain on chained_id = id
where id = :id;

-- name: audit_list(action text?, principal_id uuid?, target uuid?, outcome text?, after_key any?, after_id uuid?,
--   skip int, limit int) many audit
-- lane: analytics
-- sort: at time
-- sqlite:
select id, at, number, principal_kind, principal_id, session_id, action, target, outcome, decision, risk, correlation,
    key_id is null as erased, hex(sealed) as payload, subject, hex(key_sealed) as subject_key, cast(1 as bigint) as version
from audit left join (select id as key_id, sealed as key_sealed from audit_subjects) as keys on key_id = subject
    left join (select id as chained_id, number from audit_chain) as chain on chained_id = id
where (:action is null or action = :action) and (:principal_id is null or principal_id = :principal_id)
    and (:target is null or target = :target) and (:outcome is null or outcome = :outcome) and {after}
order by {order} limit :limit offset :skip;
-- postgres:
select id, at, number, principal_kind, principal_id, session_id, action, target, outcome, decision, risk, correlation,
    key_id is null as erased, encode(sealed, 'hex') as payload, subject, encode(key_sealed, 'hex') as subject_key,
    cast(1 as bigint) as version
from audit left join (select id as key_id, sealed as key_sealed from audit_subjects) as keys on key_id = subject
    left join (select id as chained_id, number from audit_chain) as chain on chained_id = id
where (:action is null or action = :action) and (:principal_id is null or principal_id = :principal_id)
    and (:target is null or target = :target) and (:outcome is null or outcome = :outcome) and {after}
order by {order} limit :limit offset :skip;

-- ---- sealing ----

-- name: audit_tail(limit int) many (id uuid, mac bytes?)
-- lane: batch
select audit_tail.id, audit.mac from audit_tail left join audit on audit.id = audit_tail.id
order by audit_tail.id limit :limit;

-- name: audit_last() many (number int, link bytes)
-- lane: batch
select number, link from audit_chain order by number desc limit 1;

-- count rows: ids and links stand one behind the other, 16 and 32 bytes each.
-- name: audit_seal(after int, count int, ids bytes, links bytes) change any
-- lane: batch
-- sqlite:
with recursive step (n) as (select 0 union all select n + 1 from step where n + 1 < :count)
insert into audit_chain (number, id, link)
select :after + 1 + n, substr(:ids, 1 + 16 * n, 16), substr(:links, 1 + 32 * n, 32) from step;
-- postgres:
insert into audit_chain (number, id, link)
select :after + 1 + n, encode(substring(:ids from 1 + 16 * n for 16), 'hex')::uuid,
    substring(:links from 1 + 32 * n for 32)
from generate_series(0, :count::int - 1) as step (n);

-- name: audit_unqueue(count int, ids bytes) change any
-- lane: batch
-- sqlite:
with recursive step (n) as (select 0 union all select n + 1 from step where n + 1 < :count)
delete from audit_tail where id in (select substr(:ids, 1 + 16 * n, 16) from step);
-- postgres:
delete from audit_tail where id = any(array(
    select encode(substring(:ids from 1 + 16 * n for 16), 'hex')::uuid from generate_series(0, :count::int - 1) as step (n)));

-- name: audit_head_set(minute int, number int, link bytes, at time, node uuid, signature bytes) change any
-- lane: batch
insert into audit_heads (minute, number, link, at, node, signature)
values (:minute, :number, :link, :at, :node, :signature)
on conflict (minute) do update set number = excluded.number, link = excluded.link, at = excluded.at,
    node = excluded.node, signature = excluded.signature;

-- ---- verifying and exporting ----

-- name: audit_clock() one (now time)
-- lane: analytics
select {clock} as now;

-- name: audit_chain_page(after int, limit int) many audit_row
-- lane: analytics
select c.number, c.id as chained_id, c.link, h.link as head_link, h.at as head_at, h.signature as head_signature,
    false as queued, a.id, a.writer, a.sequence, a.at,
    a.principal_kind, a.principal_id, a.session_id, a.action, a.target, a.outcome, a.decision, a.risk, a.correlation, a.subject,
    a.sealed, a.mac, k.sealed as subject_key
from audit_chain c left join audit a on a.id = c.id left join audit_heads h on h.number = c.number
    left join audit_subjects k on k.id = a.subject
where c.number > :after order by c.number limit :limit;

-- name: audit_writer_page(writer uuid, sequence int, limit int) many audit_row
-- lane: analytics
select c.number, c.id as chained_id, c.link, c.link as head_link, a.at as head_at, c.link as head_signature,
    t.id is not null as queued, a.id, a.writer, a.sequence, a.at,
    a.principal_kind, a.principal_id, a.session_id, a.action, a.target, a.outcome, a.decision, a.risk, a.correlation, a.subject,
    a.sealed, a.mac, k.sealed as subject_key
from audit a left join audit_chain c on c.id = a.id left join audit_tail t on t.id = a.id
    left join audit_subjects k on k.id = a.subject
where (a.writer, a.sequence) > (:writer, :sequence) order by a.writer, a.sequence limit :limit;

-- name: audit_export_page(at time, id uuid, limit int) many audit_row
-- lane: analytics
select c.number, c.id as chained_id, c.link, c.link as head_link, a.at as head_at, c.link as head_signature,
    false as queued, a.id, a.writer, a.sequence, a.at,
    a.principal_kind, a.principal_id, a.session_id, a.action, a.target, a.outcome, a.decision, a.risk, a.correlation, a.subject,
    a.sealed, a.mac, k.sealed as subject_key
from audit a left join audit_chain c on c.id = a.id left join audit_subjects k on k.id = a.subject
where (a.at, a.id) > (:at, :id) order by a.at, a.id limit :limit;

-- name: audit_unsure(writer uuid) many (id uuid, subject uuid, sealed bytes, subject_key bytes?)
-- lane: analytics
select a.id, a.subject, a.sealed, k.sealed as subject_key
from audit a left join audit_subjects k on k.id = a.subject
where a.target = :writer and a.action = 'audit.unsure';

-- Heads that name what the chain does not have.
-- name: audit_heads_adrift() many (number int)
-- lane: analytics
select h.number from audit_heads h
where not exists (select 1 from audit_chain c where c.number = h.number) order by h.number limit 100;
