-- Anomalies, blocks and reduced limits.
select 1;
