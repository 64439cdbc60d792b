-- W2: what the gates know of who asks with session $1, and startup $2: one statement, one round trip.
select s.owner_id as user_id, u.status, u.role, r.permissions, u.token_version, s.expires_at,
    s.revoked_at is not null as revoked,
    t.id, t.owner_id, t.name, t.industry, t.stage, t.status as startup_status, t.metadata, t.version,
    t.created_at, t.updated_at
from sessions s join users u on u.id = s.owner_id join roles r on r.name = u.role
    left join startups t on t.id = $2
where s.id = $1
