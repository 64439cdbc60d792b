-- columns: team
--   id uuid, owner_id uuid, name text, description text?, max_members int, metadata json, version int, created_at time, updated_at time

-- name: team_get(id uuid) one team
select {team} from teams where id = :id;

-- Those that the viewer is a member of; the owner always is one.
-- name: team_list(viewer uuid, after_key any?, after_id uuid?, skip int, limit int) many team
-- sort: created_at time, name text
select {team} from teams
where id in (select team_id from team_members where user_id = :viewer) and {after}
order by {order} limit :limit offset :skip;

-- name: team_add(id uuid, owner_id uuid, name text, description text?, max_members int, metadata json, now time) change 1
insert into teams (id, owner_id, name, description, max_members, metadata, version, created_at, updated_at)
values (:id, :owner_id, :name, :description, :max_members, :metadata, 1, :now, :now);

-- name: team_set(id uuid, version int, name text, description text?, max_members int, metadata json, now time) change 1 else STALE
-- bumps: resource :id
update teams set name = :name, description = :description, max_members = :max_members, metadata = :metadata,
    version = version + 1, updated_at = :now
where id = :id and version = :version;

-- name: team_del(id uuid, version int) change 1 else STALE
-- bumps: resource :id
delete from teams where id = :id and version = :version;

-- Before a change of a team's members, in its transaction: such changes wait for each other, so that each is judged by
-- what the one before it left.
-- name: team_lock(id uuid) change any
update teams set version = version where id = :id;

-- Behind a change of its members: undoes it when the team has more than it may.
-- name: team_fits(id uuid) change 1 else TEAM_FULL
update teams set version = version
where id = :id and (select count(*) from team_members where team_id = :id) <= max_members;

-- Behind the same: a principal's facts hold all its teams.
-- name: team_member_fits(second uuid, most int) change 1 else TEAMS_FULL
update users set version = version
where id = :second and (select count(*) from team_members where user_id = :second) <= :most;

-- ---- members ----

-- columns: team_member
--   id uuid, team_id uuid, user_id uuid, role text, version int, created_at time, updated_at time

-- name: team_member_get(id uuid, second uuid) one team_member
select {team_member} from team_members where team_id = :id and user_id = :second;

-- name: team_member_list(id uuid, after_key any?, after_id uuid?, skip int, limit int) many team_member
-- sort: created_at time
select {team_member} from team_members where team_id = :id and {after} order by {order} limit :limit offset :skip;

-- Before a change of a membership: whether there is such a user, and what he is in the team.
-- name: team_member_ask(id uuid, second uuid) one (known bool, founder bool, role text?)
select exists (select 1 from users where id = :second and status = 'active') as known,
    exists (select 1 from teams where id = :id and owner_id = :second) as founder,
    (select role from team_members where team_id = :id and user_id = :second) as role;

-- all: the caller may say who owns the team, too.
-- name: team_member_put(link_id uuid, id uuid, second uuid, role text, all bool, now time) change 1 (id uuid, team_id uuid, user_id uuid, role text, version int, created_at time, updated_at time) else FORBIDDEN
-- bumps: user :second
insert into team_members (id, team_id, user_id, role, version, created_at, updated_at)
select :link_id, :id, u.id, :role, 1, :now, :now from users u where u.id = :second and u.status = 'active'
on conflict (team_id, user_id) do update set role = excluded.role, version = team_members.version + 1, updated_at = excluded.updated_at
where team_members.role <> 'owner' or :all
returning id, team_id, user_id, role, version, created_at, updated_at;

-- The team's own owner stays.
-- name: team_member_del(id uuid, second uuid, all bool) change 1 else FORBIDDEN
-- bumps: user :second
delete from team_members
where team_id = :id and user_id = :second and (role <> 'owner' or :all)
    and user_id <> (select owner_id from teams where id = :id);

-- name: team_members_clear(id uuid) change any (user_id uuid)
-- bumps: user returned user_id
delete from team_members where team_id = :id returning user_id;

-- What a principal's facts hold of its teams: for each the team, its owner and the role's first letter.
-- text: user_teams
-- sqlite:
(select group_concat(lower(hex(m.team_id)) || lower(hex(t.owner_id)) || substr(m.role, 1, 1), '')
    from team_members m join teams t on t.id = m.team_id where m.user_id = u.id)
-- postgres:
(select string_agg(encode(uuid_send(m.team_id), 'hex') || encode(uuid_send(t.owner_id), 'hex') || substr(m.role, 1, 1), '')
    from team_members m join teams t on t.id = m.team_id where m.user_id = u.id)

-- ---- invitations ----

-- columns: invitation
--   id uuid, team_id uuid, owner_id uuid, email text, role text, expires_at time, version int, created_at time, updated_at time

-- name: invitation_get(id uuid, second uuid) one invitation
select {invitation} from invitations where team_id = :id and id = :second;

-- name: invitation_list(id uuid, after_key any?, after_id uuid?, skip int, limit int) many invitation
-- sort: created_at time
select {invitation} from invitations where team_id = :id and {after} order by {order} limit :limit offset :skip;

-- Another invitation of the same person takes the place of the first.
-- name: invitation_add(link_id uuid, id uuid, owner_id uuid, email text, role text, token_hash bytes, expires_at time, now time) change 1 (id uuid, team_id uuid, owner_id uuid, email text, role text, expires_at time, version int, created_at time, updated_at time)
insert into invitations (id, team_id, owner_id, email, role, token_hash, expires_at, version, created_at, updated_at)
values (:link_id, :id, :owner_id, :email, :role, :token_hash, :expires_at, 1, :now, :now)
on conflict (team_id, email) do update set id = excluded.id, owner_id = excluded.owner_id, role = excluded.role,
    token_hash = excluded.token_hash, expires_at = excluded.expires_at, version = invitations.version + 1,
    updated_at = excluded.updated_at
returning id, team_id, owner_id, email, role, expires_at, version, created_at, updated_at;

-- name: invitation_del(id uuid, second uuid) change 1 else NOT_FOUND
delete from invitations where team_id = :id and id = :second;

-- Only the person who was invited may use the token, and only while who invited could still do so.
-- name: invitation_find(token_hash bytes, viewer uuid, now time) one (id uuid, team_id uuid, role text)
select i.id, i.team_id, i.role from invitations i
join users u on u.id = :viewer and u.email = i.email
join team_members m on m.team_id = i.team_id and m.user_id = i.owner_id
where i.token_hash = :token_hash and i.expires_at > :now
    and (m.role = 'owner' or (m.role = 'admin' and i.role <> 'owner'));

-- name: invitation_use(second uuid, token_hash bytes) change 1 else NOT_FOUND
delete from invitations where id = :second and token_hash = :token_hash;

-- name: team_member_join(link_id uuid, id uuid, second uuid, role text, now time) change 1 (id uuid, team_id uuid, user_id uuid, role text, version int, created_at time, updated_at time) else CONFLICT
-- bumps: user :second
insert into team_members (id, team_id, user_id, role, version, created_at, updated_at)
values (:link_id, :id, :second, :role, 1, :now, :now)
on conflict (team_id, user_id) do nothing
returning id, team_id, user_id, role, version, created_at, updated_at;

-- Upkeep: as idempotency_purge.
-- name: invitation_purge(before time, limit int) change any
-- lane: batch
delete from invitations where expires_at > 0 and expires_at <= (
    select max(expires_at) from (
        select expires_at from invitations where expires_at < :before order by expires_at limit :limit) as oldest);
