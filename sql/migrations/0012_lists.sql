-- Which projects of an owner all his teams reach: few of the many that an owner may have.
create index projects_wide on projects (owner_id, id) where visibility in ('team_open', 'public_read', 'public_full');
