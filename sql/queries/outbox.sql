-- columns: outbox
--   id uuid, at time, event text, target uuid?, principal_id uuid?, payload json

-- name: outbox_add(id uuid, at time, event text, target uuid?, principal_id uuid?, payload json) change 1
-- lane: batch
insert into outbox (id, at, event, target, principal_id, payload)
values (:id, :at, :event, :target, :principal_id, :payload);

-- name: outbox_list(limit int) many outbox
-- lane: batch
select {outbox} from outbox order by at, id limit :limit;

-- name: outbox_done(id uuid) change any
-- lane: batch
delete from outbox where id = :id;

-- name: outbox_count() one (n int)
-- lane: batch
select count(*) as n from outbox;
