-- W3: a startup and its audit row, two statements of one transaction.
insert into startups (id, owner_id, name, industry, stage, status, metadata, version, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, '{}', 1, $7, $7);

insert into audit (id, at, principal_kind, principal_id, session_id, action, target, correlation, address, detail)
values ($1, $2, 'user', $3, $4, 'startup.create', $5, $6, $7, $8);
