-- columns: media
--   id uuid, owner_id uuid, generation_id uuid, project_id uuid, root_id uuid, kind text?, name text?, content_type text?, size int?, sha256 text?, status text, sign_version int, metadata json, version int, created_at time, updated_at time

-- The same, with what the gates look at, and where the bytes are.
-- columns: judged_media
--   id uuid, owner_id uuid, generation_id uuid, project_id uuid, root_id uuid, kind text?, name text?, content_type text?, size int?, sha256 text?, status text, sign_version int, metadata json, version int, created_at time, updated_at time, project_owner uuid?, project_visibility text?, grants text?, ancestry text?, restraints text?, file text?

-- name: media_get(id uuid) one media
select {media} from media where id = :id;

-- name: media_facts(id uuid) one judged_media
select {media},
    (select p.owner_id from projects p where p.id = media.project_id) as project_owner,
    (select p.visibility from projects p where p.id = media.project_id) as project_visibility,
    (select {project_grants} from projects where projects.id = media.project_id) as grants,
    {media_ancestry} as ancestry, {media_restraints} as restraints, file
from media where id = :id;

-- Its generation, then the ancestors of that, as in generation_ancestry.
-- text: media_ancestry
-- sqlite:
(select group_concat(said, '') from (
    select lower(hex(a.id)) || lower(hex(a.owner_id)) || case when a.project_id = media.project_id then 's' else 'o' end as said
    from (select media.generation_id as ancestor_id, 0 as distance
        union all select ancestor_id, distance from generation_ancestors where generation_id = media.generation_id) x
        join generations a on a.id = x.ancestor_id
    order by x.distance))
-- postgres:
(select string_agg(encode(uuid_send(a.id), 'hex') || encode(uuid_send(a.owner_id), 'hex') ||
        case when a.project_id = media.project_id then 's' else 'o' end, '' order by x.distance)
    from (select media.generation_id as ancestor_id, 0 as distance
        union all select ancestor_id, distance from generation_ancestors where generation_id = media.generation_id) x
        join generations a on a.id = x.ancestor_id)

-- The restrictions of its generation and of the ancestors of that.
-- text: media_restraints
-- sqlite:
(select group_concat(lower(hex(r.generation_id)) || lower(hex(r.owner_id)) ||
        case when r.user_id is null then '00000000000000000000000000000000' else lower(hex(r.user_id)) end ||
        r.until_at || ' ' || r.accesses || ';', '')
    from generation_restrictions r where r.root_id = media.root_id and (r.generation_id = media.generation_id or exists (
        select 1 from generation_ancestors x where x.generation_id = media.generation_id and x.ancestor_id = r.generation_id)))
-- postgres:
(select string_agg(encode(uuid_send(r.generation_id), 'hex') || encode(uuid_send(r.owner_id), 'hex') ||
        coalesce(encode(uuid_send(r.user_id), 'hex'), '00000000000000000000000000000000') || r.until_at || ' ' || r.accesses || ';', '')
    from generation_restrictions r where r.root_id = media.root_id and (r.generation_id = media.generation_id or exists (
        select 1 from generation_ancestors x where x.generation_id = media.generation_id and x.ancestor_id = r.generation_id)))

-- What gate/inheritance.c passes to a reader; the offset as in generation_passes.
-- text: media_passes
media.depth <= 10 and not exists (
    select 1 from generation_restrictions r
    where r.root_id = media.root_id and r.until_at > :now and r.accesses % 4 >= 2 and r.owner_id <> :viewer
        and (r.user_id is null or r.user_id = :viewer) and (r.generation_id = media.generation_id or exists (
            select 1 from generation_ancestors x
            where x.generation_id = media.generation_id and x.ancestor_id = r.generation_id))
    limit 1 offset 0)

-- Whether who does not reach the project reaches the generation, and so its media.
-- text: media_of_his
exists (
    select 1 from generations g where g.id = media.generation_id and (g.owner_id = :viewer? or exists (
        select 1 from generation_readers x
        where x.user_id = :viewer? and x.created_at = g.created_at and x.generation_id = g.id)))

-- What gate/media.c asks of who made it: that he reaches its generation. The other sources of the list imply it.
-- text: media_hangs
((select {project_reads} from projects p where p.id = media.project_id) or {media_of_his})

-- text: media_readable
((select {project_reads} from projects p where p.id = media.project_id) or (owner_id = :viewer? and {media_of_his}) or exists (
    select 1 from media_readers y
    where y.user_id = :viewer? and y.created_at = media.created_at and y.media_id = media.id))

-- Cases, for the reason that generation_filters tells.
-- text: media_filters
case when :project_id is null then true else project_id = :project_id end and {media_passes}

-- text: media_firsts
-- sqlite:
select near.id as project_id, first.created_at, first.id from near cross join media as first on first.id = (
    select id from media where project_id = near.id and {after} order by {order} limit 1)
-- postgres:
select near.id as project_id, first.created_at, first.id from near cross join lateral (
    select created_at, id from media where project_id = near.id and {after} order by {order} limit 1) as first

-- text: media_heads
-- sqlite:
select head.created_at, head.id from nearest cross join media as head on head.id in (
    select id from media where project_id = nearest.id and {media_passes} and {after}
    order by {order} limit 1 + (:limit + :skip) * 2 / (select count(*) from nearest))
-- postgres:
select head.created_at, head.id from nearest cross join lateral (
    select created_at, id from media where project_id = nearest.id and {media_passes} and {after}
    order by {order} limit 1 + (:limit + :skip) * 2 / (select count(*) from nearest)) as head

-- text: media_near
-- sqlite:
select page.id, page.created_at from touched cross join media as page on page.id in (
    select id from media where project_id = touched.id and {media_passes} and {after} and {until}
    order by {order} limit :limit + :skip)
-- postgres:
select page.id, page.created_at from touched cross join lateral (
    select id, created_at from media where project_id = touched.id and {media_passes} and {after} and {until}
    order by {order} limit :limit + :skip) as page

-- A page of each source, merged, as generation_list. With generation_id there is one source.
-- name: media_list(viewer uuid, now time, generation_id uuid?, project_id uuid?, after_key any?, after_id uuid?, skip int, limit int) many media
-- sort: created_at time
with {team_owners},
sample as materialized (
    select id from ({projects_reached}) as reached where :generation_id? is null and :project_id? is null limit 65),
asked as materialized (select p.id from projects p where :generation_id? is null and p.id = :project_id? and ({project_reads})),
recent as materialized (
    select id, created_at from (
        select * from media where {after} order by {order}
        limit case when {in_many} and :skip <= 1000 then (:limit + :skip) * 4 else 0 end) as media
    where {media_passes} and {media_readable}
    order by {order} limit :limit? + :skip),
{near_projects},
firsts as materialized ({media_firsts}), {nearest},
heads as materialized ({media_heads}), {final_head},
page as (
    select id, created_at from recent
    union
    select id, created_at from (select id, created_at from media where :generation_id? is null and owner_id = :viewer? and {media_hangs}
            and {media_filters} and {after} and {until}
        order by {order} limit (select n from wanted)) as own
    union
    select id, created_at from (
        select id, created_at from (select media_id as id, created_at from media_readers where user_id = :viewer?) as read
        where :generation_id? is null and {after} and {until} and exists (
            select 1 from media where media.id = read.id and {media_filters})
        order by {order} limit (select n from wanted)) as derived
    union
    {media_near}
    union
    select id, created_at from (select id, created_at from media where :generation_id? is null and is_open and exists (
            select 1 from projects p where p.id = media.project_id and p.visibility in ('public_read', 'public_full'))
            and {media_filters} and {after} and {until}
        order by {order} limit (select n from wanted)) as open
    union
    select id, created_at from (select id, created_at from media where generation_id = :generation_id? and {media_filters} and {after}
            and {media_hangs}
        order by {order} limit :limit + :skip) as hanging
    order by {order} limit :limit offset :skip)
select {media} from media where id in (select id from page) order by {order};

-- name: media_add(id uuid, owner_id uuid, generation_id uuid, kind text?, name text?, metadata json, now time) change 1 else CONFLICT
insert into media (id, owner_id, generation_id, project_id, root_id, depth, kind, name, status, sign_version, is_open, metadata,
    version, created_at, updated_at)
select :id, :owner_id, g.id, g.project_id, g.root_id, g.depth, :kind, :name, 'empty', 1, g.is_open, :metadata, 1, :now, :now
from generations g where g.id = :generation_id;

-- Behind media_add.
-- name: media_readers_add(id uuid, owner_id uuid, generation_id uuid, now time) change any
insert into media_readers (user_id, created_at, media_id)
select owner_id, :now, :id from generations where id = :generation_id and owner_id <> :owner_id
union
select user_id, :now, :id from generation_readers where generation_id = :generation_id and user_id <> :owner_id;

-- Behind project_open: as its generations.
-- name: media_open(id uuid) change any
update media set is_open = not is_open
where project_id = :id and is_open <> (
    select p.visibility in ('public_read', 'public_full') from projects p where p.id = :id);

-- name: media_set(id uuid, version int, kind text?, name text?, metadata json, now time) change 1 else STALE
-- bumps: resource :id
update media set kind = :kind, name = :name, metadata = :metadata, version = version + 1, updated_at = :now
where id = :id and version = :version;

-- New bytes: under a name of their own, so that who reads the old ones is not disturbed.
-- name: media_fill(id uuid, version int, content_type text, size int, sha256 text, file text, now time) change 1 else STALE
-- bumps: resource :id
update media set content_type = :content_type, size = :size, sha256 = :sha256, file = :file, status = 'ready',
    version = version + 1, updated_at = :now
where id = :id and version = :version;

-- name: media_revoke(id uuid, now time) change 1 media else CONFLICT
-- bumps: resource :id
update media set sign_version = sign_version + 1, version = version + 1, updated_at = :now
where id = :id
returning {media};

-- name: media_del(id uuid, version int) change 1 else STALE
-- bumps: resource :id
delete from media where id = :id and version = :version;

-- Which of these files a row names: [name, ...].
-- name: media_named(files json) many (file text)
-- lane: batch
-- sqlite:
select m.file from json_each(:files) f join media m on m.file = f.value where m.file is not null;
-- postgres:
select m.file from json_array_elements_text(:files::json) as f (name) join media m on m.file = f.name where m.file is not null;
