"""Every action, every role, owner and stranger: generated from `gatehouse routes` and the roles, so that a new row is
tested by existing.

A permission is needed and never enough: without it 403, with it a stranger still meets 404, and the owner anything but
401, 403 and 404."""
import re
import unittest

from support import Api, Case, PASSWORD, Person, Server, fresh_email, person, uuid7

ENGINES = 'sqlite (postgres)'      # the gates do not know the store

ROLES = ('admin', 'manager', 'analyst', 'user', 'viewer', 'api_user')
OWNED = ('startups', 'agents', 'tasks', 'teams', 'projects', 'generations', 'models', 'templates')
COMMON = ('models', 'templates')        # all who are signed in read them
SIGNED_IN, ANYONE = 'signed-in', 'anyone'

# What PRODUCT.md promises of the six, against which the rows of the store are held.
NOUNS = ('startup', 'agent', 'task', 'team', 'project', 'generation', 'media', 'model', 'template')
CRUD = {f'{noun}:{verb}' for noun in NOUNS for verb in ('create', 'read', 'update', 'delete')}
READ = {permit for permit in CRUD if permit.endswith(':read')}
SEE = {'metrics:read', 'logs:read'}
PROMISED = {'viewer': READ, 'analyst': READ | SEE, 'user': CRUD, 'manager': CRUD | SEE,
            'api_user': {permit for permit in CRUD if not permit.endswith(':delete')},
            'admin': CRUD | SEE | {'audit:read', 'access:evaluate', 'users:manage', 'system:config'}}

server = chief = None
people = {}             # role: (someone of that role, rows by plural)
routes = []             # (method, path, permission, rate class, cache type)


def setUpModule():
    global server, chief
    server = Server().start()
    _, out, _ = server.run('routes')
    routes.extend(tuple(line.split()[:5]) for line in out.splitlines() if line.strip())
    chief = person(server, 'admin')
    for role in ROLES:
        people[role] = owner_of_role(role)


def tearDownModule():
    for who, _ in people.values():
        who.close()
    chief.close()
    server.finish()


def owner_of_role(role):
    """Somebody of this role who owns a row of each kind, made while he is a user, or a viewer would own none."""
    email = fresh_email(role)
    made = chief.post('users', {'email': email, 'password': PASSWORD, 'role': 'user'})
    assert made.status == 201, repr(made)
    who = Person(server, email)
    rows = make_rows(who)
    if role != 'user':
        reply = chief.patch(f'users/{who.id}', {'role': role})
        assert reply.status == 200, repr(reply)
        who.sign_in()
    return who, rows


def make_rows(who):
    startup = who.made('startups', {'name': 'n'})['id']
    agent = who.made('agents', {'name': 'n'})['id']
    project = who.made('projects', {'name': 'n'})['id']
    return {'startups': startup, 'agents': agent, 'tasks': who.made('tasks', {'agent_id': agent})['id'],
            'projects': project, 'generations': who.made('generations', {'project_id': project, 'prompt': 'n'})['id'],
            **{plural: who.made(plural, {'name': 'n'})['id'] for plural in ('teams', *COMMON)}}


def plural_of(path):
    return path.split('/')[3] if path.startswith('/api/v1/') else ''


def head_of(method, path):
    """HEAD, behind the same gates, where what is granted is a stream without an end."""
    return 'HEAD' if path.endswith('/events') else method


def body_for(method, path):
    """Something to read, where a body is read: it need not be right, as what is judged comes before it."""
    return {} if method in ('POST', 'PUT', 'PATCH') and not path.endswith(('/cancel', '/logout')) else None


class Table(Case):
    def test_the_routes_are_there(self):
        known = {(method, path) for method, path, *_ in routes}
        for plural in (*OWNED, 'users', 'roles', 'api-keys'):
            for method, tail in (('GET', ''), ('POST', ''), ('GET', '/{id}'), ('PATCH', '/{id}'), ('DELETE', '/{id}')):
                self.assertIn((method, f'/api/v1/{plural}{tail}'), known)
        for verb in ('claim', '{id}/heartbeat', '{id}/complete', '{id}/fail', '{id}/cancel'):
            self.assertIn(('POST', f'/api/v1/tasks/{verb}'), known)
        self.assertEqual(len(known), len(routes), 'a route comes twice')

    def test_every_route_says_what_it_needs(self):
        for method, path, permit, rate, cache in routes:
            with self.subTest(f'{method} {path}'):
                self.assertRegex(permit, r'^([a-z]+:[a-z]+|signed-in|anyone)$')

    def test_what_anyone_may_is_little(self):
        self.assertEqual({path for _, path, permit, *_ in routes if permit == ANYONE},
                         {'/health', '/health/live', '/health/ready', '/metrics', '/openapi.json', '/api/v1/auth/login',
                          '/api/v1/auth/register', '/api/v1/auth/refresh', '/forward-auth', '/forward-auth/*',
                          '/.well-known/authzen-configuration'})

    def test_rows_need_the_permission_of_their_kind_and_verb(self):
        verbs = {'GET': 'read', 'POST': 'create', 'PATCH': 'update', 'DELETE': 'delete'}
        for method, path, permit, *_ in routes:
            plural = plural_of(path)
            if plural in OWNED:
                below = path.count('/') > 4 or path.endswith(('/claim', '/complete'))
                # Whom a team has invited is for those who invite.
                reads = method == 'GET' and '/invitations' not in path
                verb = 'update' if below and not reads else verbs[method]
                with self.subTest(f'{method} {path}'):
                    self.assertEqual(permit, f'{plural[:-1]}:{verb}')

    def test_users_and_system_have_theirs(self):
        for method, path, permit, *_ in routes:
            if plural_of(path) == 'users':
                self.assertEqual(permit, 'users:manage', path)
            if plural_of(path) == 'signing-keys' or (plural_of(path) == 'roles' and method != 'GET'):
                self.assertEqual(permit, 'system:config', path)

    def test_the_six_roles_hold_what_is_promised(self):
        items = {item['name']: set(item['permissions']) for item in chief.get('roles').json['items']}
        self.assertEqual({role: items[role] for role in ROLES}, PROMISED)


class Matrix(Case):
    """A test for each route is added below."""

    def setUp(self):
        self.rights = {item['name']: set(item['permissions']) for item in chief.get('roles').json['items']}

    def may(self, role, permit):
        return permit in (ANYONE, SIGNED_IN) or permit in self.rights[role]

    def call(self, who, method, path, headers=()):
        return who.call(method, path, body_for(method, path), headers)

    def check(self, method, path, permit):
        if '{id}' in path and plural_of(path) in OWNED:
            self.check_row(method, path, permit)
        elif '{id}' in path:
            self.check_other(method, path.replace('{id}', uuid7()), permit, absent=True)
        else:
            self.check_other(method, path, permit, absent=False)
        self.check_nobody(method, path.replace('{id}', uuid7()), permit)

    def check_nobody(self, method, path, permit):
        """Without credentials: 401, whether the row is there or not."""
        with Api(server) as api:
            reply = self.call(api, method, path)
        if permit == ANYONE:
            self.assertNotIn(reply.status, (403, 404), reply)
        else:
            self.assert_problem(reply, 401, 'not_authenticated')

    def check_row(self, method, path, permit):
        for role in ROLES:
            who, rows = people[role]
            with self.subTest(f'{role}, stranger'):
                for other in ROLES:
                    if other == role:
                        continue
                    reply = self.call(who, method, path.replace('{id}', people[other][1][plural_of(path)]))
                    if plural_of(path) not in COMMON:
                        self.assert_problem(reply, 404 if self.may(role, permit) else 403)
                    elif method == 'GET':
                        self.assert_status(reply, 200 if self.may(role, permit) else 403)
                    else:
                        self.assert_problem(reply, 403, 'forbidden')
            with self.subTest(f'{role}, absent'):
                reply = self.call(who, method, path.replace('{id}', uuid7()))
                self.assert_problem(reply, 404 if self.may(role, permit) else 403)
            with self.subTest(f'{role}, owner'):
                asked = head_of(method, path) if self.may(role, permit) else method
                reply = self.call(who, asked, path.replace('{id}', rows[plural_of(path)]), self.harmless(method))
                if not self.may(role, permit):
                    self.assert_problem(reply, 403, 'forbidden')
                elif path.count('{id}') == 2:       # of the second there is nothing in this one
                    self.assertIn(reply.status, (400, 404, 422), reply)
                else:
                    self.assertNotIn(reply.status, (401, 403, 404, 500, 503), reply)

    def harmless(self, method):
        """A condition that fails behind all gates: rows stay for the tests to come."""
        return {'If-Match': '"v99"'} if method == 'DELETE' else {}

    def check_other(self, method, path, permit, absent):
        for role in ROLES:
            with self.subTest(role):
                who = people[role][0]
                if path.endswith('/logout'):
                    who = who.again()           # it ends with this
                reply = self.call(who, method, path)
                if path.endswith('/api/v1/sessions') and method == 'DELETE':
                    who.sign_in()
                if not self.may(role, permit):
                    self.assert_problem(reply, 403, 'forbidden')
                elif absent:
                    self.assertIn(reply.status, (404, 422, 400), reply)
                else:
                    self.assertNotIn(reply.status, (401, 403, 404, 405, 500, 503), reply)


class Scopes(Case):
    """The same for API keys: what an admin's key with one scope may do, a key with all the others may not."""

    def key(self, who, name, scopes):
        reply = who.post('api-keys', {'name': name, 'scopes': scopes})
        self.assert_status(reply, 201)
        return re.search(r'gh_\w{8}_[\w-]{43}', reply.body.decode())[0]

    def test_each_scope_alone(self):
        who, rows = people['admin']
        permits = sorted(PROMISED['admin'])
        only = {permit: self.key(who, permit, [permit]) for permit in permits}
        others = {permit: self.key(who, 'not ' + permit, [other for other in permits if other != permit])
                  for permit in permits}
        for method, path, permit, *_ in routes:
            if permit in (ANYONE, SIGNED_IN):
                continue
            at = path.replace('{id}', rows.get(plural_of(path), uuid7()))
            condition = {'If-Match': '"v99"'} if method == 'DELETE' else {}
            with self.subTest(f'{method} {path} without {permit}'), Api(server, key=others[permit]) as api:
                self.assert_problem(api.call(method, at, body_for(method, path), condition), 403)
            if method != 'GET' and plural_of(path) not in OWNED:
                continue        # it could well succeed, and change what the other tests stand on
            with self.subTest(f'{method} {path} with {permit}'), Api(server, key=only[permit]) as api:
                reply = api.call(head_of(method, path), at, body_for(method, path), condition)
                self.assertNotIn(reply.status, (401, 500, 503), reply)
                self.assertNotEqual(reply.code, 'forbidden', reply)


class Escalation(Case):
    """Who manages users gives nobody, and takes himself, no more than he has."""

    @classmethod
    def setUpClass(cls):
        cls.made = chief.made('roles', {'name': 'clerk', 'permissions': ['users:manage', 'startup:read']})
        email = fresh_email('clerk')
        assert chief.post('users', {'email': email, 'password': PASSWORD, 'role': 'clerk'}).status == 201
        cls.clerk = Person(server, email)

    @classmethod
    def tearDownClass(cls):
        cls.clerk.close()

    def test_he_manages_users_of_no_more_rights(self):
        email = fresh_email()
        reply = self.clerk.post('users', {'email': email, 'password': PASSWORD, 'role': 'clerk'})
        self.assert_status(reply, 201)

    def test_he_makes_no_admin(self):
        for role in ('admin', 'manager', 'user'):
            with self.subTest(role):
                reply = self.clerk.post('users', {'email': fresh_email(), 'password': PASSWORD, 'role': role})
                self.assert_problem(reply, (403, 422))

    def test_he_raises_nobody(self):
        for id in (self.clerk.id, people['viewer'][0].id):
            with self.subTest(id):
                self.assert_problem(self.clerk.patch(f'users/{id}', {'role': 'admin'}), (403, 404, 422))

    def test_he_takes_over_no_admin(self):
        self.assert_problem(self.clerk.post(f'users/{chief.id}/password', {'password': 'mine from now on'}), (403, 404))
        self.assert_problem(self.clerk.patch(f'users/{chief.id}', {'email': fresh_email()}), (403, 404))
        self.assert_problem(self.clerk.patch(f'users/{chief.id}', {'status': 'suspended'}), (403, 404))
        self.assert_problem(self.clerk.delete(f'users/{chief.id}'), (403, 404))
        self.assert_status(chief.get('users'), 200)

    def test_he_edits_no_role(self):
        self.assert_problem(self.clerk.patch(f'roles/{self.made["id"]}', {'permissions': ['system:config']}), 403)
        self.assert_problem(self.clerk.post('roles', {'name': 'more', 'permissions': ['system:config']}), 403)


def load_tests(loader, standard, pattern):
    """One test for each route; they are known once there is a server, so the routes are asked of the binary here."""
    probe = Server()
    try:
        status, out, err = probe.run('routes')
    finally:
        probe.destroy()
    if status:
        raise AssertionError(f'routes: {status} {err}')
    suite = unittest.TestSuite()
    for line in out.splitlines():
        if not line.strip():
            continue
        method, path, permit = line.split()[:3]
        if method == 'ANY':
            continue        # what it answers is about another request: test_forward_auth
        name = 'test_' + re.sub(r'\W+', '_', f'{method} {path}').strip('_').lower()
        setattr(Matrix, name, lambda self, m=method, p=path, need=permit: self.check(m, p, need))
    for case in (Table, Matrix, Scopes, Escalation):
        suite.addTests(loader.loadTestsFromTestCase(case))
    return suite


if __name__ == '__main__':
    unittest.main()
