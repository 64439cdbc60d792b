-- Modes of the system, and break-glass.
select 1;
