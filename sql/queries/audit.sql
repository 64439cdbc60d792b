-- name: audit_add(id uuid, at time, principal_kind text, principal_id uuid?, session_id uuid?, action text, target uuid?, correlation text, address text, detail json) change 1
insert into audit (id, at, principal_kind, principal_id, session_id, action, target, correlation, address, detail)
values (:id, :at, :principal_kind, :principal_id, :session_id, :action, :target, :correlation, :address, :detail);
