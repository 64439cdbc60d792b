-- W2 by pgbench: Gatehouse's two statements in one flush. Each client picks a startup and its owner's session once.
\if :picked = 0
select t.id as startup, s.id as session from startups t join sessions s on s.owner_id = t.owner_id
order by random() limit 1 \gset
\set picked 1
\endif
\startpipeline
select s.owner_id as user_id, u.status, u.role, r.permissions, u.token_version, s.expires_at,
    s.revoked_at is not null as revoked
from sessions s join users u on u.id = s.owner_id join roles r on r.name = u.role
where s.id = :session;
select id, owner_id, name, industry, stage, status, metadata, version, created_at, updated_at
from startups where id = :startup;
\endpipeline
