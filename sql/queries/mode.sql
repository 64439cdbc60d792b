-- name: mode_get() one (mode text, reason text?, set_by uuid?, set_at time, version int)
-- lane: auth
select mode, reason, set_by, set_at, version from modes where id = 1;

-- name: mode_set(mode text, reason text?, set_by uuid?, now time) change 1 (version int)
-- lane: auth
-- bumps: mode
update modes set mode = :mode, reason = :reason, set_by = :set_by, set_at = :now, version = version + 1
where id = 1
returning version;
