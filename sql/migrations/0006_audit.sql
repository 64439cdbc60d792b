-- The audit chain.
select 1;
