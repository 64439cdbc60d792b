"""Who one is: sign-up, sign-in, tokens, sessions, keys; and that each ends at once, everywhere, when it is ended."""
import re
import threading
import time
import unittest
import uuid

from support import (Api, Case, PASSWORD, Person, Server, claims, fresh_email, fresh_source, header_of, login,
                     on_every_worker, person, register, together, uuid7)

ENGINES = 'sqlite (postgres)'      # its statements meet PostgreSQL in fault/test_freshness and flow/test_two_nodes

KEY = re.compile(r'gh_[0-9A-Za-z]{8}_[0-9A-Za-z_-]{43}')
GRACE = 10
server = admin = family = None


class Family:
    """A session whose first refresh token was used at the start: by the time it is looked at, the grace is over."""

    def __init__(self):
        self.person = register(server)
        self.first = self.person.refresh_token
        reply = refresh(self.first)
        assert reply.status == 200, repr(reply)
        self.second, self.token = reply.json['refresh_token'], reply.json['access_token']
        self.used = time.monotonic()


def setUpModule():
    global server, admin, family
    server = Server().start()
    admin = person(server, 'admin')
    family = Family()


def tearDownModule():
    admin.close()
    server.finish()


def refresh(token):
    with Api(server) as api:
        return api.post('auth/refresh', {'refresh_token': token})


def key_in(reply):
    found = KEY.search(reply.body.decode())
    assert found, repr(reply)
    return found[0]


def statuses(token, **more):
    """On every worker."""
    return set(on_every_worker(server, token, **more))


class Register(Case):
    def sign_up(self, **body):
        with Api(server, source=fresh_source()) as api:
            return api.post('auth/register', {'email': fresh_email(), 'password': PASSWORD, **body})

    def test_a_new_user_has_role_user(self):
        email = fresh_email()
        reply = self.sign_up(email=email)
        self.assert_status(reply, 201)
        me = Person(server, email)
        told = me.get('auth/me').json
        self.assertEqual((told['email'], told['role'], told['status']), (email, 'user', 'active'))

    def test_no_reply_shows_anything_of_the_password(self):
        email = fresh_email()
        bodies = self.sign_up(email=email).body.decode()
        me = Person(server, email)
        bodies += me.get('auth/me').body.decode() + admin.get(f'users/{me.id}').body.decode()
        for word in (PASSWORD, '$2b$', 'password_hash', 'token_version'):
            self.assertNotIn(word, bodies)

    def test_an_address_is_taken_in_any_case(self):
        email = fresh_email('casey')
        self.assert_status(self.sign_up(email=email), 201)
        for again in (email, email.upper(), email.replace('casey', 'CASEY')):
            self.assert_problem(self.sign_up(email=again), 409, 'already_exists')
        self.assertEqual(Person(server, email.upper()).get('auth/me').json['email'], email)

    def test_two_at_once_make_one(self):
        email = fresh_email()
        found = sorted(reply.status for reply in together([lambda: self.sign_up(email=email)] * 4))
        self.assertEqual(found.count(201), 1, found)
        self.assertLessEqual(set(found), {201, 409, 429})

    def test_addresses_that_are_none(self):
        for email in ('', 'a', '@', 'a@', '@b', 'a b@example.com', 'a@b@c', 'a\n@example.com',
                      'a@exam ple.com', 'x' * 400 + '@example.com', 'a@example.com\u0000', None, 5, ['a@example.com']):
            with self.subTest(email):
                self.assert_problem(self.sign_up(email=email), (400, 422))

    def test_password_lengths(self):
        for password, fine in (('1234567', False), ('12345678', True), ('x' * 72, True), ('x' * 73, False),
                               ('é' * 36, True), ('é' * 37, False), ('é' * 4, True), ('', False),
                               ('x' * 5000, False)):
            with self.subTest(len(password)):
                reply = self.sign_up(password=password)
                if fine:
                    self.assert_status(reply, 201)
                else:
                    self.assert_fault(reply, 'password')

    def test_a_password_is_never_cut(self):
        me = register(server, password='x' * 72)
        with Api(server, source=fresh_source()) as api:
            self.assert_status(login(api, me.email, 'x' * 71), 401)
            self.assert_status(login(api, me.email, 'x' * 73), 401, 422)
            self.assert_status(login(api, me.email, 'x' * 72), 200)

    def test_passwords_that_are_no_text(self):
        for password in (None, 12345678, ['12345678'], {'a': 1}, 'with\u0000nul!!!!'):
            with self.subTest(password):
                self.assert_problem(self.sign_up(password=password), (400, 422))

    def test_what_is_missing_is_named(self):
        with Api(server) as api:
            reply = api.post('auth/register', {})
            self.assert_fault(reply, 'email', 'required')
            self.assert_fault(reply, 'password', 'required')


class Login(Case):
    def test_the_reply(self):
        me = register(server)
        with Api(server) as api:
            told = login(api, me.email, me.password).json
        self.assertEqual(set(told), {'access_token', 'token_type', 'expires_in', 'refresh_token'})
        self.assertEqual((told['token_type'], told['expires_in']), ('Bearer', 1800))
        self.assertGreaterEqual(len(told['refresh_token']), 43)

    def test_the_address_in_any_case(self):
        me = register(server, fresh_email('mixed'))
        self.assertEqual(Person(server, me.email.upper()).id, me.id)

    def test_unknown_user_and_wrong_password_look_alike(self):
        me = register(server)
        with Api(server, source=fresh_source()) as api:
            wrong = login(api, me.email, 'not the password')
            unknown = login(api, fresh_email(), 'not the password')
        self.assert_problem(wrong, 401, 'bad_login')
        self.assertEqual(unknown.status, 401)
        self.assertEqual([name for name, _ in wrong.headers], [name for name, _ in unknown.headers])
        a, b = wrong.json, unknown.json
        a.pop('correlation_id')
        b.pop('correlation_id')
        self.assertEqual(a, b)

    def test_and_take_alike_long(self):
        me = register(server)
        times = {True: [], False: []}
        for _ in range(6):
            for known in times:
                with Api(server, source=fresh_source()) as api:
                    api.get('/health/live')
                    begun = time.monotonic()
                    self.assert_status(login(api, me.email if known else fresh_email(), 'not the password'), 401)
                    times[known].append(time.monotonic() - begun)
        ratio = min(times[True]) / min(times[False])        # the others tell how busy the machine is
        self.assertTrue(0.4 < ratio < 2.5, times)

    def test_a_suspended_user_looks_like_no_user(self):
        me = register(server)
        self.assert_status(admin.patch(f'users/{me.id}', {'status': 'suspended'}), 200)
        with Api(server, source=fresh_source()) as api:
            self.assert_problem(login(api, me.email, me.password), 401, 'bad_login')

    def test_bodies_that_are_none(self):
        with Api(server, source=fresh_source()) as api:
            for body in ({}, {'email': 'a@example.com'}, {'password': 'x'}, {'email': 5, 'password': 'x'},
                         {'email': 'a@example.com', 'password': None},
                         {'email': 'a@example.com', 'password': 'x', 'otp': '1'}):
                with self.subTest(body):
                    self.assert_problem(api.post('auth/login', body), (400, 422))

    def test_injection_is_just_a_wrong_name(self):
        with Api(server, source=fresh_source()) as api:
            for email in ("' or '1'='1", 'admin@example.com\'--', '%', '_', '*'):
                self.assert_problem(login(api, email, "' or '1'='1"), (401, 422))


class FailedSignIns(Case):
    """They count under every profile; this server has profile off."""

    def fails(self, api, email, times, password='not the password', **headers):
        return [login(api, email, password, headers).status for _ in range(times)]

    def test_the_sixth_in_a_minute_is_refused(self):
        me = register(server)
        with Api(server, source=fresh_source()) as api:
            self.assertEqual(self.fails(api, me.email, 5), [401] * 5)
            reply = login(api, me.email, 'not the password')
            self.assert_problem(reply, 429, 'too_many_logins')
            self.assertTrue(1 <= int(reply.get('Retry-After')) <= 61, reply)

    def test_so_is_the_right_password_then(self):
        me = register(server)
        with Api(server, source=fresh_source()) as api:
            self.fails(api, me.email, 5)
            self.assert_problem(login(api, me.email, me.password), 429)

    def test_an_unknown_account_counts_alike(self):
        email = fresh_email()
        with Api(server, source=fresh_source()) as api:
            self.assertEqual(self.fails(api, email, 6), [401] * 5 + [429])

    def test_the_account_counts_in_any_case(self):
        me = register(server)
        with Api(server, source=fresh_source()) as api:
            found = [self.fails(api, email, 1)[0] for email in (me.email, me.email.upper()) * 3]
        self.assertEqual(found, [401] * 5 + [429])

    def test_a_success_does_not_count(self):
        me = register(server)
        with Api(server, source=fresh_source()) as api:
            for _ in range(8):
                self.assert_status(login(api, me.email, me.password), 200)
            self.assertEqual(self.fails(api, me.email, 4), [401] * 4)
            self.assert_status(login(api, me.email, me.password), 200)
            self.assertEqual(self.fails(api, me.email, 2), [401, 429])

    def test_nobody_is_locked_out_by_another(self):
        me = register(server)
        with Api(server, source=fresh_source()) as stranger:
            self.fails(stranger, me.email, 6)
        with Api(server, source=fresh_source()) as api:
            self.assert_status(login(api, me.email, me.password), 200)

    def test_sessions_are_not_touched_by_it(self):
        me = register(server)
        with Api(server, source=me.source) as api:
            self.fails(api, me.email, 6)
        self.assert_status(me.get('auth/me'), 200)

    def test_twenty_a_minute_from_one_address(self):
        with Api(server, source=fresh_source()) as api:
            found = [status for _ in range(5) for status in self.fails(api, fresh_email(), 4)]
            self.assertEqual(found, [401] * 20)
            self.assertEqual(self.fails(api, fresh_email(), 1), [429])

    def test_guesses_at_once_are_counted_before_they_are_checked(self):
        me, source = register(server), fresh_source()

        def guess():
            with Api(server, source=source) as api:
                return login(api, me.email, 'not the password').status
        found = together([guess] * 16)
        self.assertLessEqual(found.count(401), 5, found)
        self.assertLessEqual(set(found), {401, 429})

    def test_fifty_an_hour_for_an_account_from_strange_addresses(self):
        me = register(server)
        found = []
        for _ in range(11):
            with Api(server, source=fresh_source()) as api:
                found += self.fails(api, me.email, 5)
        self.assertEqual(found.count(401), 50, found)
        with Api(server, source=fresh_source()) as api:
            self.assert_problem(login(api, me.email, me.password), 429)
        with Api(server, source=me.source) as api:      # signed in from here before
            self.assert_status(login(api, me.email, me.password), 200)

    def test_wrong_passwords_at_the_change_of_password_count_too(self):
        me = register(server)
        found = [change_password(me, 'not the password', 'another password').status for _ in range(7)]
        self.assertNotIn(200, found)
        self.assertIn(429, found)


def change_password(me, old, new):
    return me.post('auth/password', {'current_password': old, 'new_password': new})


class Me(Case):
    def test_needs_a_token(self):
        with Api(server) as api:
            self.assert_problem(api.get('auth/me'), 401, 'not_authenticated')

    def test_is_me(self):
        me = register(server)
        told = me.get('auth/me').json
        self.assertEqual((told['id'], told['email']), (me.id, me.email))


class Refresh(Case):
    def test_rotates(self):
        me = register(server)
        reply = refresh(me.refresh_token)
        self.assert_status(reply, 200)
        self.assertNotEqual(reply.json['refresh_token'], me.refresh_token)
        self.assertEqual(claims(reply.json['access_token'])['sid'], claims(me.token)['sid'])
        self.assertEqual(statuses(reply.json['access_token']), {200})
        self.assert_status(refresh(reply.json['refresh_token']), 200)

    def test_a_retry_in_the_grace_gets_the_same_successor(self):
        me = register(server)
        first, second = refresh(me.refresh_token), refresh(me.refresh_token)
        self.assert_status(second, 200)
        self.assertEqual(first.json['refresh_token'], second.json['refresh_token'])
        self.assertEqual(statuses(second.json['access_token']), {200})

    def test_many_at_once_get_the_same_successor(self):
        me = register(server)
        found = together([lambda: refresh(me.refresh_token)] * 8)
        self.assertEqual({reply.status for reply in found}, {200}, found)
        self.assertEqual(len({reply.json['refresh_token'] for reply in found}), 1)

    def test_a_chain(self):
        me = register(server)
        token = me.refresh_token
        for _ in range(10):
            token = refresh(token).json['refresh_token']
        self.assert_status(refresh(token), 200)

    def test_reuse_after_the_grace_ends_the_family(self):
        time.sleep(max(0, family.used + GRACE + 1 - time.monotonic()))
        self.assertEqual(statuses(family.token), {200})
        self.assert_problem(refresh(family.first), 401)
        self.assertEqual(statuses(family.token), {401})
        self.assertEqual(statuses(family.person.token), {401})
        self.assert_problem(refresh(family.second), 401)
        user, session = (uuid.UUID(claims(family.token)[name]) for name in ('sub', 'sid'))
        rows = server.query('select action from audit where principal_id = ? or target in (?, ?) or session_id = ?',
                            user, user, session, session)
        self.assertTrue(any('reuse' in row['action'] for row in rows), [dict(row) for row in rows])

    def test_the_successor_is_not_kept_in_the_clear(self):
        me = register(server)
        second = refresh(me.refresh_token).json['refresh_token']
        rows = server.query('select hash, successor from refresh_tokens where successor is not null')
        self.assertTrue(rows)
        kept = b' '.join(value for row in rows for value in row)
        for token in (me.refresh_token, second):
            self.assertNotIn(token.encode(), kept)

    def test_what_is_no_refresh_token(self):
        me = register(server)
        token = me.refresh_token
        for bad in ('', 'x', token[:-1], token + 'A', token[:-1] + ('A' if token[-1] != 'A' else 'B'), me.token,
                    'A' * 43, 'a' * 5000, token.upper()):
            with self.subTest(bad[:50]):
                self.assert_problem(refresh(bad), (401, 422))
        self.assert_status(refresh(token), 200)

    def test_types(self):
        for bad in (None, 5, [], {}):
            self.assert_problem(refresh(bad), 422)

    def test_the_token_tells_the_role_of_now(self):
        me = register(server)
        self.assert_status(admin.patch(f'users/{me.id}', {'role': 'analyst'}), 200)
        reply = refresh(me.refresh_token)
        self.assert_status(reply, 200, 401)
        if reply.status == 200:
            self.assertEqual(claims(reply.json['access_token'])['role'], 'analyst')


class Logout(Case):
    def test_ends_the_session_at_once_on_every_worker(self):
        me = register(server)
        self.assertEqual(statuses(me.token), {200})
        self.assert_status(me.post('auth/logout'), 200, 204)
        self.assertEqual(statuses(me.token), {401})
        self.assert_problem(refresh(me.refresh_token), 401)

    def test_ends_only_this_session(self):
        me = register(server)
        other = me.again()
        self.assert_status(me.post('auth/logout'), 200, 204)
        self.assertEqual(statuses(other.token), {200})

    def test_binds_requests_behind_it_in_the_pipeline(self):
        me = register(server)
        replies = me.many([('GET', 'auth/me', None), ('POST', 'auth/logout', None), ('GET', 'auth/me', None),
                           ('POST', 'startups', {'name': 'too late'})])
        self.assertEqual(replies[0].status, 200)
        self.assertEqual([reply.status for reply in replies[2:]], [401, 401])

    def test_tokens_of_a_refresh_end_too(self):
        me = register(server)
        reply = refresh(me.refresh_token)
        self.assert_status(me.post('auth/logout'), 200, 204)
        self.assertEqual(statuses(reply.json['access_token']), {401})
        self.assert_problem(refresh(reply.json['refresh_token']), 401)

    def test_twice(self):
        me = register(server)
        me.post('auth/logout')
        self.assert_problem(me.post('auth/logout'), 401)

    def test_under_load_no_reader_gets_through_afterwards(self):
        """Readers keep the facts warm on both workers; none that begins after the logout's reply may succeed."""
        me = register(server)
        stop, late, ended = threading.Event(), [], [None]

        def read():
            with Api(server, token=me.token) as api:
                while not stop.is_set():
                    begun = time.monotonic()
                    status = api.get('auth/me').status
                    if ended[0] is not None and begun > ended[0]:
                        late.append(status)
        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        with Api(server, token=me.token) as api:
            self.assert_status(api.post('auth/logout'), 200, 204)
        ended[0] = time.monotonic()
        time.sleep(0.3)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertTrue(late)
        self.assertEqual(set(late), {401})


class Password(Case):
    NEW = 'quite another password'

    def test_change(self):
        me = register(server)
        other = me.again()
        self.assert_status(change_password(me, me.password, self.NEW), 200, 204)
        self.assertEqual(statuses(other.token), {401})
        self.assert_problem(refresh(other.refresh_token), 401)
        with Api(server, source=fresh_source()) as api:
            self.assert_status(login(api, me.email, me.password), 401)
            self.assert_status(login(api, me.email, self.NEW), 200)

    def test_the_token_of_before_is_void(self):
        me = register(server)
        old = me.token
        self.assert_status(change_password(me, me.password, self.NEW), 200, 204)
        self.assertEqual(statuses(old), {401})

    def test_needs_the_old_one(self):
        me = register(server)
        reply = change_password(me, 'not the password', self.NEW)
        self.assert_problem(reply, (401, 403, 422))
        self.assertEqual(statuses(me.token), {200})
        with Api(server, source=fresh_source()) as api:
            self.assert_status(login(api, me.email, me.password), 200)

    def test_the_new_one_has_its_bounds_too(self):
        me = register(server)
        for bad in ('short', 'x' * 73, '', None):
            self.assert_problem(change_password(me, me.password, bad), (400, 422))

    def test_by_who_manages_users(self):
        me = register(server)
        reply = admin.post(f'users/{me.id}/password', {'password': self.NEW})
        self.assert_status(reply, 200, 204)
        self.assertEqual(statuses(me.token), {401})
        self.assertEqual(Person(server, me.email, self.NEW).id, me.id)

    def test_not_by_others(self):
        me, victim = register(server), register(server)
        self.assert_problem(me.post(f'users/{victim.id}/password', {'password': self.NEW}), (403, 404))
        self.assert_status(victim.again().get('auth/me'), 200)


class Sessions(Case):
    def test_list(self):
        me = register(server)
        other = me.again()
        items = me.get('sessions').json['items']
        self.assertEqual({item['id'] for item in items}, {claims(me.token)['sid'], claims(other.token)['sid']})
        self.assertIn(other.source, {item['address'] for item in items})

    def test_end_one(self):
        me = register(server)
        a, b = me.again(), me.again()
        self.assert_status(me.delete(f'sessions/{claims(a.token)["sid"]}'), 200, 204)
        self.assertEqual(statuses(a.token), {401})
        self.assert_problem(refresh(a.refresh_token), 401)
        self.assertEqual(statuses(b.token), {200})
        self.assertEqual(len(me.get('sessions').json['items']), 2)

    def test_end_all(self):
        me = register(server)
        others = [me.again(), me.again()]
        self.assert_status(me.delete('sessions'), 200, 204)
        for one in others:
            self.assertEqual(statuses(one.token), {401})
            self.assert_problem(refresh(one.refresh_token), 401)
        with Api(server, source=fresh_source()) as api:
            self.assert_status(login(api, me.email, me.password), 200)

    def test_another_ones_session_is_not_there(self):
        me, victim = register(server), register(server)
        sid = claims(victim.token)['sid']
        self.assert_problem(me.delete(f'sessions/{sid}'), 404)
        self.assert_problem(me.get(f'sessions/{sid}'), (404, 405))
        self.assertEqual(statuses(victim.token), {200})
        self.assertNotIn(sid, me.get('sessions').body.decode())

    def test_ended_ones_are_not_listed(self):
        me = register(server)
        other = me.again()
        other.post('auth/logout')
        self.assertNotIn(claims(other.token)['sid'], me.get('sessions').body.decode())


class ApiKeys(Case):
    def make(self, me, scopes=('startup:read',), **more):
        reply = me.post('api-keys', {'name': 'k', 'scopes': list(scopes), **more})
        self.assert_status(reply, 201)
        return reply.json['id'], key_in(reply)

    def use(self, key, path='startups', method='GET', body=None):
        with Api(server, key=key) as api:
            return api.call(method, path, body)

    def everywhere(self, key):
        return set(on_every_worker(server, None, 'startups', key=key))

    def test_it_is_shown_once(self):
        me = register(server)
        id, key = self.make(me)
        texts = me.get('api-keys').body.decode() + me.get(f'api-keys/{id}').body.decode()
        self.assertNotIn(key[12:], texts)
        self.assertNotRegex(texts, KEY)
        self.assertNotIn('hash', texts)
        self.assertIn(id, texts)

    def test_it_is_not_kept_in_the_clear(self):
        me = register(server)
        _, key = self.make(me)
        kept = server.store.dump()
        self.assertIn(key[3:11], kept)
        for text in (key[12:], key[12:].encode().hex()):
            self.assertNotIn(text, kept)

    def test_it_acts_for_its_owner(self):
        me = register(server)
        row = me.made('startups', {'name': 'mine'})
        _, key = self.make(me)
        self.assertEqual([item['id'] for item in self.use(key).json['items']], [row['id']])

    def test_scopes(self):
        me = register(server)
        _, key = self.make(me, ['startup:read'])
        self.assert_problem(self.use(key, 'startups', 'POST', {'name': 'n'}), 403, 'forbidden')
        self.assert_problem(self.use(key, 'agents'), 403)
        _, key = self.make(me, ['startup:create'])
        self.assert_problem(self.use(key), 403)
        self.assert_status(self.use(key, 'startups', 'POST', {'name': 'n'}), 201)

    def test_scopes_never_exceed_the_owner(self):
        me = register(server)
        reply = me.post('api-keys', {'name': 'k', 'scopes': ['users:manage', 'system:config', 'startup:read']})
        self.assert_status(reply, 201, 403, 422)
        if reply.status == 201:
            self.assert_problem(self.use(key_in(reply), 'users'), 403)

    def test_scopes_shrink_with_the_owner(self):
        me = register(server)
        _, key = self.make(me, ['startup:create', 'startup:read'])
        self.assert_status(self.use(key, 'startups', 'POST', {'name': 'n'}), 201)
        self.assert_status(admin.patch(f'users/{me.id}', {'role': 'viewer'}), 200)
        self.assert_problem(self.use(key, 'startups', 'POST', {'name': 'n'}), 403)
        self.assertEqual(self.everywhere(key), {200})

    def test_scopes_that_are_none(self):
        me = register(server)
        for scopes in (['startup:fly'], ['startup'], ['*'], [''], ['startup:read', 5], 'startup:read', None, [None],
                       ['startup:read', 'startup:read', 'STARTUP:READ']):
            with self.subTest(scopes):
                self.assert_problem(me.post('api-keys', {'name': 'k', 'scopes': scopes}), (400, 422))

    def test_expiry(self):
        me = register(server)
        at = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 3))
        _, key = self.make(me, expires_at=at)
        self.assertEqual(self.everywhere(key), {200})
        time.sleep(3.2)
        self.assertEqual(self.everywhere(key), {401})

    def test_expiry_in_the_past(self):
        me = register(server)
        for at in ('2020-01-01T00:00:00Z', 'tomorrow', '2030-13-01T00:00:00Z', 5):
            self.assert_problem(me.post('api-keys', {'name': 'k', 'scopes': ['startup:read'], 'expires_at': at}), 422)

    def test_revoked_at_once_on_every_worker(self):
        me = register(server)
        id, key = self.make(me)
        self.assertEqual(self.everywhere(key), {200})
        self.assert_status(me.delete(f'api-keys/{id}'), 204)
        self.assertEqual(self.everywhere(key), {401})

    def test_rotation_with_overlap(self):
        me = register(server)
        id, key = self.make(me, ['startup:read', 'startup:create'])
        reply = me.post(f'api-keys/{id}/rotate')
        self.assert_status(reply, 200, 201)
        second = key_in(reply)
        self.assertNotEqual(key, second)
        self.assertEqual(self.everywhere(key), {200})
        self.assertEqual(self.everywhere(second), {200})
        self.assert_status(self.use(second, 'startups', 'POST', {'name': 'same scopes'}), 201)
        self.assert_problem(self.use(second, 'agents'), 403)

    def test_it_makes_no_keys(self):
        for role in ('user', 'admin'):
            me = person(server, role)
            id, key = self.make(me, ['startup:read'] + (['users:manage', 'system:config'] if role == 'admin' else []))
            for method, path, body in (('POST', 'api-keys', {'name': 'k', 'scopes': ['startup:read']}),
                                       ('POST', f'api-keys/{id}/rotate', None)):
                with self.subTest(f'{role} {path}'):
                    self.assert_problem(self.use(key, path, method, body), 403, 'session_needed')

    def test_it_changes_no_password_and_ends_no_session(self):
        me = register(server)
        _, key = self.make(me)
        change = {'current_password': PASSWORD, 'new_password': 'another one'}
        for method, path, body in (('POST', 'auth/password', change),
                                   ('DELETE', f'sessions/{claims(me.token)["sid"]}', None),
                                   ('DELETE', 'sessions', None), ('POST', 'auth/logout', None)):
            with self.subTest(path):
                self.assert_problem(self.use(key, path, method, body), 403)
        self.assertEqual(statuses(me.token), {200})

    def test_it_ends_with_its_owner(self):
        me = register(server)
        _, key = self.make(me)
        self.assert_status(admin.patch(f'users/{me.id}', {'status': 'suspended'}), 200)
        self.assertEqual(self.everywhere(key), {401})
        self.assert_status(admin.patch(f'users/{me.id}', {'status': 'active'}), 200)
        self.assertEqual(self.everywhere(key), {200})

    def test_last_use_is_told(self):
        me = register(server)
        id, key = self.make(me)
        self.assertIsNone(me.get(f'api-keys/{id}').json['last_used_at'])
        self.use(key)
        until = time.monotonic() + 70
        while me.get(f'api-keys/{id}').json['last_used_at'] is None:
            self.assertLess(time.monotonic(), until, 'last_used_at stays null')
            time.sleep(0.25)

    def test_another_ones_key_is_not_there(self):
        me, victim = register(server), register(server)
        id, key = self.make(victim)
        for method, path in (('GET', f'api-keys/{id}'), ('DELETE', f'api-keys/{id}'), ('PATCH', f'api-keys/{id}'),
                             ('POST', f'api-keys/{id}/rotate')):
            with self.subTest(f'{method} {path}'):
                self.assert_problem(me.call(method, path, None if method in ('GET', 'DELETE') else {}), 404)
        self.assertEqual(self.everywhere(key), {200})

    def test_scopes_can_be_narrowed_at_once(self):
        me = register(server)
        id, key = self.make(me, ['startup:read', 'startup:create'])
        self.assertEqual(self.everywhere(key), {200})
        self.assert_status(me.patch(f'api-keys/{id}', {'scopes': ['startup:create']}), 200)
        self.assertEqual(self.everywhere(key), {403})


class Users(Case):
    def test_suspension_ends_everything_at_once(self):
        me = register(server)
        self.assertEqual(statuses(me.token), {200})
        self.assert_status(admin.patch(f'users/{me.id}', {'status': 'suspended'}), 200)
        self.assertEqual(statuses(me.token), {401})
        self.assert_problem(refresh(me.refresh_token), 401)

    def test_a_change_of_role_takes_effect_at_once(self):
        me = register(server)
        self.assert_status(me.post('startups', {'name': 'n'}), 201)
        self.assert_status(admin.patch(f'users/{me.id}', {'role': 'viewer'}), 200)
        self.assertEqual(statuses(me.token), {401})
        me.sign_in()
        self.assertEqual(claims(me.token)['role'], 'viewer')
        self.assert_problem(me.post('startups', {'name': 'n'}), 403)

    def test_deletion(self):
        me = register(server)
        self.assert_status(admin.delete(f'users/{me.id}'), 204)
        self.assertEqual(statuses(me.token), {401})
        self.assert_problem(refresh(me.refresh_token), 401)
        with Api(server, source=fresh_source()) as api:
            self.assert_problem(login(api, me.email, me.password), 401, 'bad_login')

    def test_made_by_who_manages_users(self):
        email = fresh_email()
        reply = admin.post('users', {'email': email, 'password': PASSWORD, 'role': 'analyst'})
        self.assert_status(reply, 201)
        self.assertEqual(reply.json['role'], 'analyst')
        self.assertNotIn('$2b$', reply.body.decode())
        self.assertEqual(claims(Person(server, email).token)['role'], 'analyst')

    def test_of_a_role_that_there_is(self):
        for role in ('emperor', '', None, 5, 'ADMIN'):
            with self.subTest(role):
                self.assert_problem(admin.post('users', {'email': fresh_email(), 'password': PASSWORD, 'role': role}),
                                    (400, 422))

    def test_others_are_not_listed_for_a_user(self):
        me = register(server)
        self.assert_problem(me.get('users'), 403)
        self.assert_problem(me.get(f'users/{admin.id}'), (403, 404))

    def test_nobody_raises_himself(self):
        me = register(server)
        self.assert_problem(me.patch(f'users/{me.id}', {'role': 'admin'}), (403, 404))
        self.assertEqual(me.again().get('auth/me').json['role'], 'user')

    def test_an_email_that_is_taken(self):
        a, b = register(server), register(server)
        self.assert_problem(admin.patch(f'users/{a.id}', {'email': b.email.upper()}), 409, 'already_exists')

    def test_the_password_is_not_set_in_passing(self):
        me = register(server)
        for field in ('password', 'password_hash', 'token_version'):
            self.assert_problem(admin.patch(f'users/{me.id}', {field: 'x' * 20}), (400, 422))
        self.assert_status(me.again().get('auth/me'), 200)


class LastAdmin(Case):
    """On a server of its own, with one admin, then two."""

    @classmethod
    def setUpClass(cls):
        cls.own = Server().start()
        cls.first = person(cls.own, 'admin')

    @classmethod
    def tearDownClass(cls):
        cls.first.close()
        cls.own.finish()

    def test_cannot_go(self):
        for what in ({'role': 'user'}, {'status': 'suspended'}, {'status': 'deleted'}):
            with self.subTest(what):
                reply = self.first.patch(f'users/{self.first.id}', what)
                self.assert_problem(reply, (409, 422))
        self.assert_problem(self.first.delete(f'users/{self.first.id}'), 409, 'last_admin')
        self.assert_status(self.first.get('users'), 200)

    def test_of_two_that_remove_each_other_one_stays(self):
        for _ in range(3):
            pair = [person(self.own, 'admin'), person(self.own, 'admin')]
            self.assert_status(pair[0].patch(f'users/{self.first.id}', {'role': 'user'}), 200)
            replies = together([lambda: pair[0].patch(f'users/{pair[1].id}', {'role': 'user'}),
                                lambda: pair[1].patch(f'users/{pair[0].id}', {'role': 'user'})])
            self.assertNotEqual([reply.status for reply in replies], [200, 200], replies)
            left = self.own.query("select id from users where role = 'admin' and status = 'active'")
            self.assertEqual(len(left), 1)
            # Back to one: the first.
            survivor = pair[0] if left[0]['id'] == pair[0].id else pair[1]
            survivor.sign_in()
            self.assert_status(survivor.patch(f'users/{self.first.id}', {'role': 'admin'}), 200)
            self.assert_status(survivor.patch(f'users/{survivor.id}', {'role': 'user'}), 200)
            self.first.sign_in()
            for one in pair:
                one.close()

    def test_suspended_admins_do_not_count(self):
        second = person(self.own, 'admin')
        self.assert_status(self.first.patch(f'users/{second.id}', {'status': 'suspended'}), 200)
        self.assert_problem(self.first.patch(f'users/{self.first.id}', {'role': 'user'}), 409, 'last_admin')
        second.close()

    def test_the_admin_role_keeps_what_it_needs(self):
        role = next(item for item in self.first.get('roles').json['items'] if item['name'] == 'admin')
        reply = self.first.patch(f'roles/{role["id"]}', {'permissions': ['startup:read']})
        self.assert_problem(reply, (409, 422, 403))
        self.assert_status(self.first.get('users'), 200)


class Roles(Case):
    def role(self, permissions):
        name = 'r' + uuid7()[-12:]
        return admin.made('roles', {'name': name, 'permissions': permissions})

    def holder(self, role):
        email = fresh_email()
        self.assert_status(admin.post('users', {'email': email, 'password': PASSWORD, 'role': role['name']}), 201)
        return Person(server, email)

    def create_everywhere(self, me):
        found = set()
        for _ in range(16):
            with Api(server, token=me.token) as api:
                found.add(api.post('startups', {'name': 'n'}).status)
        return found

    def test_the_six(self):
        names = {item['name'] for item in admin.get('roles').json['items']}
        self.assertLessEqual({'admin', 'manager', 'analyst', 'user', 'viewer', 'api_user'}, names)

    def test_edited_at_run_time_on_every_worker(self):
        role = self.role(['startup:read'])
        me = self.holder(role)
        self.assertEqual(self.create_everywhere(me), {403})
        path = f'roles/{role["id"]}'
        self.assert_status(admin.patch(path, {'permissions': ['startup:read', 'startup:create']}), 200)
        self.assertEqual(self.create_everywhere(me), {201})
        self.assert_status(admin.patch(path, {'permissions': ['startup:read']}), 200)
        self.assertEqual(self.create_everywhere(me), {403})

    def test_unknown_permissions(self):
        for permissions in (['startup:fly'], ['*'], 'startup:read', [5], None, ['startup:read', ' startup:read']):
            with self.subTest(permissions):
                self.assert_problem(admin.post('roles', {'name': 'x' + uuid7()[-8:], 'permissions': permissions}),
                                    (400, 422))

    def test_one_that_is_held_stays(self):
        role = self.role(['startup:read'])
        self.holder(role)
        self.assert_problem(admin.delete(f'roles/{role["id"]}'), 409, 'in_use')

    def test_one_that_nobody_holds_goes(self):
        role = self.role([])
        self.assert_status(admin.delete(f'roles/{role["id"]}'), 204)
        self.assert_problem(admin.get(f'roles/{role["id"]}'), 404)

    def test_not_by_a_manager(self):
        me = person(server, 'manager')
        self.assert_problem(me.post('roles', {'name': 'mine', 'permissions': ['users:manage']}), 403)


class SigningKeys(Case):
    def test_rotation_keeps_old_tokens_valid(self):
        me = register(server)
        before = [item['id'] for item in admin.get('signing-keys').json['items']]
        self.assert_status(admin.post('signing-keys/rotate'), 200, 201)
        after = admin.get('signing-keys')
        self.assertEqual(len(after.json['items']), len(before) + 1)
        self.assertEqual(statuses(me.token), {200})
        new = me.again()
        self.assertEqual(statuses(new.token), {200})
        self.assertEqual(statuses(me.token), {200})
        self.assertLessEqual(set(before), {item['id'] for item in after.json['items']})

    def test_each_token_names_a_key_of_the_list(self):
        for _ in range(2):
            kid = header_of(register(server).token)['kid']
            self.assertIn(kid, [item['id'] for item in admin.get('signing-keys').json['items']])
            self.assert_status(admin.post('signing-keys/rotate'), 200, 201)

    def test_nothing_secret_is_shown(self):
        text = admin.get('signing-keys').body.decode()
        for word in ('sealed', 'secret', '"k"', 'private'):
            self.assertNotIn(word, text)

    def test_only_for_who_configures_the_system(self):
        for role in ('user', 'manager', 'analyst'):
            me = person(server, role)
            self.assert_problem(me.get('signing-keys'), 403)
            self.assert_problem(me.post('signing-keys/rotate'), 403)
            me.close()


class Crowd(Case):
    def test_a_full_hashing_pool_says_so_at_once(self):
        """More than two hundred sign-ins at once: some are hashed, the rest told to come again; health is quick."""
        with Server() as own:
            slowest = [0.0]
            stop = threading.Event()

            def watch():
                while not stop.is_set():
                    begun = time.monotonic()
                    with Api(own, timeout=20) as api:
                        assert api.get('/health/live').status == 200
                    slowest[0] = max(slowest[0], time.monotonic() - begun)
                    time.sleep(0.02)

            def ask(n):
                with Api(own, source=f'127.9.{n // 200}.{n % 200 + 1}', timeout=60) as api:
                    reply = api.post('auth/login', {'email': f'n{n}@example.com', 'password': 'not the password'})
                    return reply.status, reply.code, reply.get('Retry-After')
            watcher = threading.Thread(target=watch)
            watcher.start()
            begun = time.monotonic()
            try:
                found = together([lambda n=n: ask(n) for n in range(220)])
            finally:
                stop.set()
                watcher.join()
            self.assertLess(time.monotonic() - begun, 40)
            self.assertLessEqual({status for status, _, _ in found}, {401, 429})
            busy = [again for status, code, again in found if status == 429]
            self.assertTrue(busy, 'all were taken')
            self.assertTrue(all(again and int(again) >= 1 for again in busy))
            self.assertEqual({code for status, code, _ in found if status == 429}, {'busy'})
            self.assertLess(slowest[0], 3)


class SignUp(Case):
    def test_closed(self):
        with Server(REGISTRATION='closed', WORKERS=1) as own:
            with Api(own) as api:
                self.assert_problem(api.post('auth/register', {'email': fresh_email(), 'password': PASSWORD}), 403,
                                    'registration_closed')
            me = person(own, 'admin')
            self.assert_status(me.post('users', {'email': fresh_email(), 'password': PASSWORD, 'role': 'user'}), 201)
            me.close()


if __name__ == '__main__':
    unittest.main()
