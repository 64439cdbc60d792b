-- W3: a startup and its audit row, which waits for the sealer, two statements of one transaction. What is personal is
-- not sealed here, and the row's MAC is the database's work.
insert into startups (id, owner_id, name, industry, stage, status, metadata, version, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, '{}', 1, $7, $7);

with queued as (insert into audit_tail (id) values ($1))
insert into audit (id, writer, sequence, at, principal_kind, principal_id, session_id, action, target, outcome, decision, risk,
    correlation, subject, sealed, mac)
values ($1, $1, 1, $2, 'user', $3, $4, 'startup.create', $5, 'made', $1, 'green',
    $6, $3, convert_to($7::text || $8::text, 'UTF8'), sha256(convert_to($6, 'UTF8')));
