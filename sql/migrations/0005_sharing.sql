-- Teams, projects, generations, models, templates.
select 1;
