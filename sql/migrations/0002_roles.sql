-- The six roles that every installation starts with. They are rows like any others from here on.
-- sqlite:
insert into roles (id, name, description, permissions, metadata, version, created_at, updated_at) values
    (x'019a9f3c000077f2b70d9e260e271365', 'admin', 'Everything.',
        '["startup:create","startup:read","startup:update","startup:delete","agent:create","agent:read","agent:update","agent:delete","task:create","task:read","task:update","task:delete","metrics:read","logs:read","users:manage","system:config"]', '{}', 1, 1763596800000000, 1763596800000000),
    (x'019a9f3c00057fd2ab902f8911e81818', 'manager', 'User and analyst together.',
        '["startup:create","startup:read","startup:update","startup:delete","agent:create","agent:read","agent:update","agent:delete","task:create","task:read","task:update","task:delete","metrics:read","logs:read"]', '{}', 1, 1763596800000000, 1763596800000000),
    (x'019a9f3c0003790e945de2e8f54ee781', 'analyst', 'Reads, with metrics and logs.',
        '["startup:read","agent:read","task:read","metrics:read","logs:read"]', '{}', 1, 1763596800000000, 1763596800000000),
    (x'019a9f3c000170169a67036f9b540d6b', 'user', 'Creates, and changes its own.',
        '["startup:create","startup:read","startup:update","startup:delete","agent:create","agent:read","agent:update","agent:delete","task:create","task:read","task:update","task:delete"]', '{}', 1, 1763596800000000, 1763596800000000),
    (x'019a9f3c000078178e6e118d264aad6c', 'viewer', 'Reads.',
        '["startup:read","agent:read","task:read"]', '{}', 1, 1763596800000000, 1763596800000000),
    (x'019a9f3c00037190a37cb11f5d108cf2', 'api_user', 'User without delete.',
        '["startup:create","startup:read","startup:update","agent:create","agent:read","agent:update","task:create","task:read","task:update"]', '{}', 1, 1763596800000000, 1763596800000000);
-- postgres:
insert into roles (id, name, description, permissions, metadata, version, created_at, updated_at) values
    ('019a9f3c-0000-77f2-b70d-9e260e271365', 'admin', 'Everything.',
        '["startup:create","startup:read","startup:update","startup:delete","agent:create","agent:read","agent:update","agent:delete","task:create","task:read","task:update","task:delete","metrics:read","logs:read","users:manage","system:config"]', '{}', 1, 1763596800000000, 1763596800000000),
    ('019a9f3c-0005-7fd2-ab90-2f8911e81818', 'manager', 'User and analyst together.',
        '["startup:create","startup:read","startup:update","startup:delete","agent:create","agent:read","agent:update","agent:delete","task:create","task:read","task:update","task:delete","metrics:read","logs:read"]', '{}', 1, 1763596800000000, 1763596800000000),
    ('019a9f3c-0003-790e-945d-e2e8f54ee781', 'analyst', 'Reads, with metrics and logs.',
        '["startup:read","agent:read","task:read","metrics:read","logs:read"]', '{}', 1, 1763596800000000, 1763596800000000),
    ('019a9f3c-0001-7016-9a67-036f9b540d6b', 'user', 'Creates, and changes its own.',
        '["startup:create","startup:read","startup:update","startup:delete","agent:create","agent:read","agent:update","agent:delete","task:create","task:read","task:update","task:delete"]', '{}', 1, 1763596800000000, 1763596800000000),
    ('019a9f3c-0000-7817-8e6e-118d264aad6c', 'viewer', 'Reads.',
        '["startup:read","agent:read","task:read"]', '{}', 1, 1763596800000000, 1763596800000000),
    ('019a9f3c-0003-7190-a37c-b11f5d108cf2', 'api_user', 'User without delete.',
        '["startup:create","startup:read","startup:update","agent:create","agent:read","agent:update","task:create","task:read","task:update"]', '{}', 1, 1763596800000000, 1763596800000000);
