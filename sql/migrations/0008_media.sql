-- Media.
select 1;
