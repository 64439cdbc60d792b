-- Rules for requests to other services. host: "*" for any; path: all below it where it ends in '/', all that begins so
-- where it ends in '*'; methods: a JSON list, empty for any.
create table upstreams (
    id         uuid primary key,
    host       text not null,
    path       text not null,
    methods    text not null,
    permission text not null,
    rate_class text not null,
    priority   bigint not null,
    status     text not null,
    metadata   text not null,
    version    bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create index upstreams_created on upstreams (created_at, id);
create index upstreams_host on upstreams (host, created_at, id);
create index upstreams_status on upstreams (status, created_at, id);
