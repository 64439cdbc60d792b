-- What a user signed in with: agent and network as one number (gate/risk.h). The newest of each user.
create table devices (
    user_id  uuid not null references users (id),
    device   bigint not null,
    first_at bigint not null,
    last_at  bigint not null,
    primary key (user_id, device)
);
