-- Rules for requests to other services.
select 1;
