"""Tokens and keys that were not given out as they are shown: 401, and nothing is touched for their sake."""
import base64
import hashlib
import hmac
import json
import socket
import time
import unittest

from support import (API, Api, Case, Conn, Server, b64, claims, fresh_email, header_of, person, register, request,
                     unb64, uuid7)

ENGINES = 'sqlite (postgres)'      # the store has no part in it

SECRET = 'a secret of the operator, long enough'
server = other = me = key = None


def setUpModule():
    global server, other, me, key
    server = Server(JWT_SECRET=SECRET).start()
    other = Server(JWT_SECRET=SECRET, WORKERS=1).start()
    me = register(server)
    made = me.made('api-keys', {'name': 'k', 'scopes': ['startup:read']})
    key = next(value for value in made.values() if isinstance(value, str) and value.startswith('gh_'))


def tearDownModule():
    me.close()
    server.finish()
    other.finish()


def sign(header, payload, secret, digest=hashlib.sha256):
    head = f'{b64(header)}.{b64(payload)}'
    return f'{head}.{b64(hmac.new(secret, head.encode(), digest).digest())}'


class Tokens(Case):
    def setUp(self):
        # The good one is remembered by now: the worst moment for a bad one.
        self.assert_status(me.get('auth/me'), 200)

    def refuse(self, token, scheme='Bearer', *statuses):
        with Api(server) as api:
            reply = api.get('auth/me', {'Authorization': f'{scheme} {token}'})
        told = self.assert_problem(reply, statuses or (401,))
        if reply.status == 401:
            self.assertTrue(reply.get('WWW-Authenticate', '').startswith('Bearer'), reply)
        if len(token) > 5:
            self.assertNotIn(token[:20], told['detail'])

    def refuse_all(self, tokens, *statuses):
        for token in tokens:
            with self.subTest(token[:200]):
                self.refuse(token, 'Bearer', *statuses)

    def header(self, **changes):
        return {**header_of(me.token), **changes}

    def payload(self, **changes):
        return {**claims(me.token), **changes}

    def signature(self):
        return me.token.split('.')[2]

    # ---- what ours look like ----

    def test_ours_are_as_promised(self):
        self.assertEqual(header_of(me.token)['alg'], 'HS256')
        self.assertTrue(header_of(me.token)['kid'])
        told = claims(me.token)
        self.assertEqual(set(told), {'iss', 'aud', 'sub', 'sid', 'jti', 'iat', 'exp', 'role', 'ver'})
        self.assertEqual(told['exp'] - told['iat'], 30 * 60)
        self.assertEqual(told['role'], 'user')
        self.assertAlmostEqual(told['iat'], time.time(), delta=60)

    def test_no_two_are_alike(self):
        self.assertNotEqual(me.again().token, me.again().token)

    # ---- algorithms ----

    def test_none_in_every_spelling(self):
        names = ('none', 'None', 'NONE', 'nOnE', '', 'null', ' none', 'none ', 'HS256 ', 'hs256')
        payload = b64(self.payload())
        self.refuse_all(f'{b64(self.header(alg=name))}.{payload}.{signature}'
                        for name in names for signature in ('', self.signature(), 'AA'))

    def test_no_algorithm(self):
        for header in ({'typ': 'JWT', 'kid': header_of(me.token)['kid']}, {}, self.header(alg=None),
                       self.header(alg=1), self.header(alg=['HS256']), self.header(alg={'a': 1}),
                       self.header(alg=True)):
            with self.subTest(header):
                self.refuse(f'{b64(header)}.{b64(self.payload())}.{self.signature()}')

    def test_other_algorithms_with_keys_that_could_be_guessed(self):
        kid = header_of(me.token)['kid']
        guesses = [b'', b'\0' * 32, SECRET.encode(), kid.encode(), b'secret', hashlib.sha256(SECRET.encode()).digest()]
        try:
            guesses.append(bytes.fromhex(kid.replace('-', '')))
        except ValueError:
            pass
        for guess in guesses:
            for name, digest in (('HS256', hashlib.sha256), ('HS384', hashlib.sha384), ('HS512', hashlib.sha512),
                                 ('RS256', hashlib.sha256), ('ES256', hashlib.sha256), ('none', hashlib.sha256)):
                self.refuse(sign(self.header(alg=name), self.payload(role='admin'), guess, digest))

    def test_the_header_is_part_of_what_is_signed(self):
        payload, signature = me.token.split('.')[1:]
        for header in (self.header(typ='JWT2'), self.header(extra=1), dict(reversed(self.header().items())),
                       self.header(alg='HS512'), self.header(cty='JWT'), self.header(crit=['exp'])):
            self.refuse(f'{b64(header)}.{payload}.{signature}')

    # ---- which key ----

    def test_kid_tricks(self):
        kids = ('', 'nobody', uuid7(), '../../../../dev/null', '/dev/null', "' or '1'='1", "x' union select 'a' --",
                'http://127.0.0.1/key', 'a' * 4000, '\0', header_of(me.token)['kid'] + '\0',
                header_of(me.token)['kid'].upper() + ' ', 0, -1, None, True, [], {}, [header_of(me.token)['kid']])
        for kid in kids:
            with self.subTest(kid=str(kid)[:50]):
                self.refuse(sign(self.header(kid=kid), self.payload(), b''))
                self.refuse(f'{b64(self.header(kid=kid))}.{me.token.split(".", 1)[1]}')

    def test_no_kid(self):
        header = self.header()
        del header['kid']
        self.refuse(f'{b64(header)}.{me.token.split(".", 1)[1]}')

    def test_a_key_named_in_the_token_is_not_fetched(self):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            listener.settimeout(1)
            url = f'http://127.0.0.1:{listener.getsockname()[1]}/jwks.json'
            jwk = {'kty': 'oct', 'k': b64(b'x' * 32), 'alg': 'HS256', 'kid': 'mine'}
            for extra in ({'jku': url}, {'x5u': url}, {'jwk': jwk}, {'jku': url, 'jwk': jwk, 'kid': 'mine'},
                          {'x5c': ['MIIB']}, {'kid': url}):
                self.refuse(sign(self.header(**extra), self.payload(role='admin', iss=url), b'x' * 32))
            with self.assertRaises(socket.timeout):
                listener.accept()

    def test_a_token_of_another_house_with_the_same_secret(self):
        stranger = register(other, me.email)
        self.refuse(stranger.token)
        with Api(other, token=stranger.token) as api:
            self.assert_status(api.get('auth/me'), 200)
        stranger.close()

    # ---- altered ----

    def test_any_altered_character(self):
        token = me.token
        with Conn(server.port) as conn:
            for at, char in enumerate(token):
                new = 'A' if char not in 'A.' else 'B'
                bad = token[:at] + new + token[at + 1:]
                reply = conn.ask('GET', API + 'auth/me', {'Authorization': f'Bearer {bad}'})
                self.assertEqual(reply.status, 401, f'character {at} altered: {reply}')

    def test_every_cut(self):
        with Conn(server.port) as conn:
            for n in range(1, len(me.token)):
                reply = conn.ask('GET', API + 'auth/me', {'Authorization': f'Bearer {me.token[:n]}'})
                self.assertEqual(reply.status, 401, f'cut to {n}: {reply}')

    def test_claims_altered(self):
        header, _, signature = me.token.split('.')
        for change in ({'role': 'admin'}, {'sub': uuid7()}, {'exp': 4102444800}, {'ver': 99}, {'sid': uuid7()},
                       {'exp': '4102444800'}, {'exp': 4102444800.5}, {'exp': None}, {'iat': 4102444800}, {'aud': 'x'}):
            self.refuse(f'{header}.{b64(self.payload(**change))}.{signature}')

    def test_parts_of_two_good_tokens(self):
        a, b = me.token.split('.'), me.again().token.split('.')
        self.refuse_all(('.'.join((a[0], a[1], b[2])), '.'.join((a[0], b[1], a[2])), '.'.join((b[0], b[1], a[2]))))

    def test_signature_left_out(self):
        header, payload, _ = me.token.split('.')
        self.refuse_all((f'{header}.{payload}.', f'{header}.{payload}', f'{header}.', header, f'.{payload}.',
                         f'..{self.signature()}', '..', '.', '...', f'{header}..{self.signature()}'))

    def test_more_parts_than_three(self):
        self.refuse_all((me.token + '.', me.token + '.AAAA', '.' + me.token, me.token + '.' + me.token,
                         me.token.replace('.', '..', 1)))

    def test_duplicate_claims(self):
        header, payload, signature = me.token.split('.')
        body = unb64(payload).decode()
        for twice in (body[:-1] + ',"role":"admin"}', '{"role":"admin",' + body[1:], body[:-1] + ',"exp":4102444800}'):
            self.refuse(f'{header}.{b64(twice.encode())}.{signature}')

    # ---- spelled otherwise: the same bytes, signed by us ----

    def test_spare_bits_at_the_end(self):
        alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
        header, payload, signature = me.token.split('.')
        self.assertEqual(len(signature), 43)
        same = [alphabet[(alphabet.index(signature[-1]) & ~3) | low] for low in range(4)]
        for last in same:
            if last != signature[-1]:
                self.assertEqual(unb64(signature[:-1] + last), unb64(signature))
                self.refuse(f'{header}.{payload}.{signature[:-1] + last}')

    def test_padding(self):
        self.refuse_all((me.token + '=', me.token + '==', me.token.replace('.', '=.', 1), me.token.replace('.', '==.')))

    def test_the_other_alphabet(self):
        for _ in range(20):
            token = me.again().token
            if '-' in token or '_' in token:
                break
        else:
            self.skipTest('no token with - or _')
        self.refuse(token.replace('-', '+').replace('_', '/'))

    def test_space_and_more_inside(self):
        self.refuse_all((me.token.replace('.', ' .', 1), me.token.replace('.', '. ', 1),
                         me.token[:10] + ' ' + me.token[10:], me.token + ' x', me.token + ',', me.token + ';',
                         '"' + me.token + '"', me.token + '\t.'))

    def test_percent_encoding(self):
        self.refuse(me.token.replace('.', '%2E'))

    # ---- sizes and nonsense ----

    def test_huge_ones(self):
        self.refuse_all((f'{b64(self.header())}.{b64(self.payload(extra="x" * 4000))}.{self.signature()}', 'a' * 7000,
                         '.' * 7000, f'{me.token}.{"a" * 6000}'))
        self.refuse('a' * 8200, 'Bearer', 431)

    def test_nonsense(self):
        self.refuse_all(('x', 'null', '{}', b64({}) + '.' + b64({}) + '.' + b64(b'x'), b64([]) + '.' + b64([]) + '.',
                         'gh_', '-', '\xff\xfe', 'a.b.c', '0.0.0', 'eyJhbGciOiJIUzI1NiJ9..', '%00',
                         base64.b64encode(json.dumps({'alg': 'none'}).encode()).decode()))

    def test_deep_json_inside(self):
        deep = b'{"a":' + b'[' * 2000 + b']' * 2000 + b'}'
        self.refuse(f'{b64(deep)}.{b64(self.payload())}.{self.signature()}')
        self.refuse(f'{b64(self.header())}.{b64(deep)}.{self.signature()}')

    # ---- how it is shown ----

    def test_the_scheme_is_read_in_any_case(self):
        for scheme in ('bearer', 'BEARER', 'Bearer '):
            with Api(server) as api:
                self.assert_status(api.get('auth/me', {'Authorization': f'{scheme} {me.token}'}), 200)

    def test_other_schemes(self):
        basic = base64.b64encode(f'{me.email}:{me.password}'.encode()).decode()
        for value in (f'Basic {basic}', f'Token {me.token}', me.token, f'Bearer{me.token}', f'Bearer:{me.token}',
                      'Bearer', 'Bearer ', '', f'Bearer,{me.token}', f'Digest {me.token}'):
            with self.subTest(value[:30]), Api(server) as api:
                self.assert_problem(api.get('auth/me', {'Authorization': value}), 401)

    def test_not_in_the_query_or_a_cookie(self):
        with Api(server) as api:
            self.assert_problem(api.get(f'auth/me?access_token={me.token}'), (400, 401))
            self.assert_problem(api.get('auth/me', {'Cookie': f'access_token={me.token}'}), 401)

    def test_both_ways_at_once(self):
        with Api(server) as api:
            for header, value in ((me.token, key), (key, key), ('x', key), (me.token, 'x')):
                reply = api.get('startups', {'Authorization': f'Bearer {header}', 'X-API-Key': value})
                self.assert_problem(reply, (400, 401))

    def test_a_token_is_no_api_key(self):
        with Api(server, key=me.token) as api:
            self.assert_problem(api.get('startups'), 401)

    def test_a_refresh_token_is_no_access_token(self):
        self.refuse(me.refresh_token)

    def test_nothing_behind_a_bad_token_is_told(self):
        """A stranger learns nothing from a bad token: path by path the same answer."""
        row = me.made('startups', {'name': 'mine'})
        with Api(server, token=me.token[:-2]) as api:
            answers = {api.get(path).code for path in (f'startups/{row["id"]}', f'startups/{uuid7()}', 'startups')}
        self.assertEqual(len(answers), 1)

    def test_open_paths_refuse_bad_tokens_or_ignore_them(self):
        with Api(server, token='nonsense') as api:
            self.assert_status(api.get('/health/live'), 200, 401)


class Keys(Case):
    def refuse(self, value):
        for headers in ({'X-API-Key': value}, {'Authorization': f'Bearer {value}'}):
            with Api(server) as api:
                self.assert_problem(api.get('startups', headers), 401)

    def test_the_good_one_is_good_in_both_places(self):
        for headers in ({'X-API-Key': key}, {'Authorization': f'Bearer {key}'}):
            with Api(server) as api:
                self.assert_status(api.get('startups', headers), 200)

    def test_any_altered_character(self):
        with Conn(server.port) as conn:
            for at, char in enumerate(key):
                bad = key[:at] + ('A' if char != 'A' else 'B') + key[at + 1:]
                reply = conn.ask('GET', API + 'startups', {'X-API-Key': bad})
                self.assertEqual(reply.status, 401, f'character {at} altered: {reply}')

    def test_cut_or_longer(self):
        for value in (key[:-1], key + 'A', key + ' A', key[:20], 'gh_', key[3:], key.upper(), key.replace('_', '-'),
                      'GH_' + key[3:], key + '=', key[:3] + '........' + key[11:],
                      key.rsplit('_', 1)[0] + '_' + 'A' * 43):
            with self.subTest(value[:14]):
                self.refuse(value)

    def test_the_secret_of_another_key(self):
        made = me.made('api-keys', {'name': 'second', 'scopes': ['startup:read']})
        second = next(value for value in made.values() if isinstance(value, str) and value.startswith('gh_'))
        self.refuse(key[:12] + second[12:])
        self.refuse(second[:12] + key[12:])

    def test_injection(self):
        for value in ("gh_' or 1=_" + 'A' * 43, 'gh_%_______' + '_' + 'A' * 43, 'gh_\\x00____' + '_' + 'A' * 43):
            self.refuse(value)


class Ids(Case):
    """Gate 1: what cannot have been issued is refused before anything is looked up."""

    GOOD = '018f3e2a-7c4b-7d21-9a3f-5b6c7d8e9f01'

    def bad(self, text):
        reply = me.get(f'startups/{text}')
        self.assert_problem(reply, 400, 'bad_id')
        self.assertNotIn(text, reply.body.decode())

    def test_a_good_one_that_is_not_there(self):
        self.assert_problem(me.get(f'startups/{self.GOOD}'), 404, 'not_found')

    def test_version_4_that_is_not_there(self):
        self.assert_problem(me.get('startups/3f2b8c1d-9e4a-4f6b-8c7d-1e2f3a4b5c6d'), 404, 'not_found')

    def test_nil_and_max(self):
        self.bad('00000000-0000-0000-0000-000000000000')
        self.bad('ffffffff-ffff-ffff-ffff-ffffffffffff')

    def test_other_versions(self):
        for version in '012356889abcdef':
            with self.subTest(version):
                self.bad(self.GOOD[:14] + version + self.GOOD[15:])

    def test_other_variants(self):
        for variant in '01234567cdef':
            with self.subTest(variant):
                self.bad(self.GOOD[:19] + variant + self.GOOD[20:])

    def test_half_of_the_digits_alike(self):
        self.bad('11111111-1111-4111-8111-234567890abc')
        self.bad('aaaaaaaa-aaaa-4aaa-8aaa-0123456789bc')

    def test_other_spellings(self):
        good = self.GOOD
        for text in (good.replace('-', ''), '{' + good + '}', 'urn:uuid:' + good, good[:-1], good + '0',
                     good.replace('-', '_'), good[:8] + good[9:] + '-', '-' + good[:-1], good[:-1] + 'g', '0' + good,
                     '-' * 36, 'x' * 36, '1', '0', 'null', 'undefined', 'me'):
            with self.subTest(text):
                reply = me.get(f'startups/{text}')
                self.assert_problem(reply, (400, 404))
                if '{' not in text:
                    self.assertEqual(reply.code, 'bad_id')

    def test_capital_letters_are_no_second_path(self):
        row = me.made('startups', {'name': 'n'})
        self.assert_problem(me.get('startups/' + row['id'].upper()), 400, 'bad_id')
        at = next(i for i, c in enumerate(row['id']) if c.isalpha())
        one = row['id'][:at] + row['id'][at].upper() + row['id'][at + 1:]
        self.assert_problem(me.get('startups/' + one), 400, 'bad_id')
        self.assert_status(me.get('startups/' + row['id']), 200)

    def test_injection(self):
        for text in ("1'or'1'='1", '1;drop', "'--", '1--', '$(id)', '${7*7}', '`id`', '<script>', '%27', '..%2f', '%00',
                     '|id', 'a\\b', '"', self.GOOD + "'", self.GOOD + '%00'):
            with self.subTest(text), Conn(server.port) as conn:
                conn.send(request('GET', f'{API}startups/{text}', me.headers()))
                self.assert_problem(conn.reply(), (400, 404))
        self.assertEqual(me.get('startups').status, 200)

    def test_injection_counts_as_an_attack_signal(self):
        def signals():
            for line in me.get('/metrics').body.decode().splitlines():
                if line.startswith('gate_attack_signals_total'):
                    return float(line.split()[-1])
            self.fail('no gate_attack_signals_total')
        before = signals()
        me.get("startups/1'or'1'='1")
        me.get('startups/not-an-id')
        self.assertEqual(signals(), before + 1)

    def test_the_same_in_a_body(self):
        for text in ('00000000-0000-0000-0000-000000000000', self.GOOD.replace('-', ''), "' or 1=1", '', 5,
                     [self.GOOD]):
            with self.subTest(text):
                self.assert_problem(me.post('agents', {'name': 'a', 'startup_id': text}), (400, 422))

    def test_the_same_in_a_filter(self):
        for text in ('00000000-0000-0000-0000-000000000000', self.GOOD.replace('-', ''), 'x', ''):
            with self.subTest(text):
                self.assert_problem(me.get(f'agents?startup_id={text}'), (400, 422))


class Strangers(Case):
    def test_one_cannot_even_sign_up_into_a_role(self):
        with Api(server) as api:
            for extra in ({'role': 'admin'}, {'id': uuid7()}, {'status': 'active'}, {'permissions': ['users:manage']}):
                self.assert_problem(api.post('auth/register', {'email': fresh_email(), 'password': 'long enough',
                                                               **extra}), (400, 422))

    def test_a_role_in_the_token_is_only_told(self):
        """Rights come from the store: the role that a token tells is not asked."""
        admin = person(server, 'admin')
        victim = person(server, 'analyst')
        self.assertEqual(claims(victim.token)['role'], 'analyst')
        self.assert_status(victim.get('users'), 403)
        self.assert_status(admin.get('users'), 200)
        admin.close()
        victim.close()


if __name__ == '__main__':
    unittest.main()
