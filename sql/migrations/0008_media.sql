-- Media. project_id and root_id are the generation's, which never change. file: the generated name of the bytes. is_open:
-- as of the generation's.
create table media (
    id            uuid primary key,
    owner_id      uuid not null references users (id),
    generation_id uuid not null references generations (id),
    project_id    uuid not null references projects (id),
    root_id       uuid not null,
    kind          text,
    name          text,
    content_type  text,
    size          bigint,
    sha256        text,
    status        text not null,
    sign_version  bigint not null,
    file          text,
    is_open       boolean not null,
    metadata      text not null,
    version       bigint not null,
    created_at    bigint not null,
    updated_at    bigint not null
);
create index media_owner on media (owner_id, created_at, id);
create index media_project on media (project_id, created_at, id);
create index media_generation on media (generation_id, created_at, id);
create index media_open on media (created_at, id) where is_open;
create index media_file on media (file) where file is not null;

-- Who may read it because he owns its generation or an ancestor of that in the same project; in the order of lists.
create table media_readers (
    user_id    uuid not null,
    created_at bigint not null,
    media_id   uuid not null references media (id) on delete cascade,
    primary key (user_id, created_at, media_id)
);
create index media_readers_media on media_readers (media_id);
