-- What gate context knows.
select 1;
