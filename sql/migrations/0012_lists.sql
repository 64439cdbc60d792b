-- Which projects of an owner all his teams reach: few of the many that an owner may have.
create index projects_wide on projects (owner_id, id) where visibility in ('team_open', 'public_read', 'public_full');

-- The next rows of all, for who reaches many of them.
create index generations_created on generations (created_at, id);
create index media_created on media (created_at, id);

-- The generation's, which never changes.
alter table media add column depth bigint;
update media set depth = (select g.depth from generations g where g.id = media.generation_id);
