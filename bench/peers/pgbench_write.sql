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
insert into audit (id, at, principal_kind, principal_id, session_id, action, target, correlation, address, detail)
values (gen_random_uuid(), 1763596800000000, 'user', :owner, :session, 'startup.create', gen_random_uuid(),
    '0123456789abcdef0123456789abcdef', '127.0.0.1', '{"fields":["name","industry","stage"]}');
commit;
\endpipeline
