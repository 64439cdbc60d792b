-- Of all owners together, for the metrics.
-- name: business_totals() one (startups int, agents int, tasks int, users int)
-- lane: analytics
select (select count(*) from startups) as startups, (select count(*) from agents) as agents,
    (select count(*) from tasks) as tasks, (select count(*) from users where status <> 'deleted') as users;
