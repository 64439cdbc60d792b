-- W3 by pgbench: the startup and its audit row in one transaction and one flush. Each client picks its user once.
\if :picked = 0
select id as session, owner_id as owner from sessions order by random() limit 1 \gset
\set picked 1
\endif
\startpipeline
begin;
insert into startups (id, owner_id, name, industry, stage, status, metadata, version, created_at, updated_at)
values (gen_random_uuid(), :owner, 'Startup new', 'computing', 'seed', 'active', '{}', 1, 1763596800000000,
    1763596800000000);
with row as (select gen_random_uuid() as id),
    queued as (insert into audit_tail (id) select id from row)
insert into audit (id, writer, sequence, at, principal_kind, principal_id, session_id, action, target, outcome, decision, risk,
    correlation, subject, sealed, mac)
select id, id, 1, 1763596800000000, 'user', :owner, :session, 'startup.create', gen_random_uuid(), 'made', id, 'green',
    '0123456789abcdef0123456789abcdef', :owner, convert_to('127.0.0.1{"fields":["name","industry","stage"]}', 'UTF8'),
    sha256(convert_to('0123456789abcdef0123456789abcdef', 'UTF8'))
from row;
commit;
\endpipeline
