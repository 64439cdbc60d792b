-- columns: upstream
--   id uuid, host text, path text, methods json, permission text, rate_class text, priority int, status text, metadata json, version int, created_at time, updated_at time

-- name: upstream_get(id uuid) one upstream
-- lane: admin
select {upstream} from upstreams where id = :id;

-- name: upstream_list(host text?, status text?, after_key any?, after_id uuid?, skip int, limit int) many upstream
-- lane: admin
-- sort: created_at time
select {upstream} from upstreams
where (:host is null or host = :host) and (:status is null or status = :status) and {after}
order by {order} limit :limit offset :skip;

-- All rules in force, the oldest first: what a request to another service is judged by.
-- name: upstream_all() many (id uuid, host text, path text, methods json, permission text, rate_class text, priority int)
-- lane: auth
select id, host, path, methods, permission, rate_class, priority from upstreams
where status = 'active' order by created_at, id;

-- Before a change that puts a rule in force, in its transaction: such changes wait for each other on the oldest rule, so that
-- each sees what the one before it left.
-- name: upstream_lock() change any
-- lane: admin
update upstreams set version = version where id = (select id from upstreams order by created_at, id limit 1);

-- Behind it: undoes it when more are in force than there may be.
-- name: upstream_fits(id uuid, most int) change 1 else RULES_FULL
-- lane: admin
update upstreams set version = version
where id = :id and (select count(*) from upstreams where status = 'active') <= :most;

-- name: upstream_add(id uuid, host text, path text, methods json, permission text, rate_class text, priority int, status text, metadata json, now time) change 1
-- lane: admin
-- bumps: upstreams
insert into upstreams (id, host, path, methods, permission, rate_class, priority, status, metadata, version, created_at, updated_at)
values (:id, :host, :path, :methods, :permission, :rate_class, :priority, :status, :metadata, 1, :now, :now);

-- name: upstream_set(id uuid, version int, host text, path text, methods json, permission text, rate_class text, priority int, status text, metadata json, now time) change 1 else STALE
-- lane: admin
-- bumps: upstreams, resource :id
update upstreams set host = :host, path = :path, methods = :methods, permission = :permission, rate_class = :rate_class,
    priority = :priority, status = :status, metadata = :metadata, version = version + 1, updated_at = :now
where id = :id and version = :version;

-- name: upstream_del(id uuid, version int) change 1 else STALE
-- lane: admin
-- bumps: upstreams, resource :id
delete from upstreams where id = :id and version = :version;
