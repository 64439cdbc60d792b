"""Gate 4: a session that is used unlike itself: where from, in which country, with what client."""
import json
import os
import signal
import tempfile
import time
import unittest
import urllib.parse
import uuid

from support import Api, Case, PASSWORD, Server, about, claims, login, person, register
from support.geoip import write
from support.services import ask_redis

ENGINES = '(sqlite) postgres'      # with what is shared through Redis

FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
FIREFOX_LATER = 'Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0'
CHROME = ('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 '
          'Safari/537.36')
BERLIN, MUNICH, BERLIN6, PARIS, NOWHERE = '192.0.2.10', '198.51.100.7', '2001:db8:1::10', '203.0.113.5', '100.64.0.1'
COUNTRIES = {'192.0.2.0/24': 'DE', '198.51.100.0/24': 'DE', '2001:db8::/32': 'DE', '203.0.113.0/24': 'FR'}


def place(address, agent=FIREFOX):
    return {'X-Forwarded-For': address, 'User-Agent': agent}


class World(Case):
    countries = COUNTRIES

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.file = os.path.join(cls.folder.name, 'countries.mmdb')
        write(cls.file, cls.countries)
        cls.server = Server(GEOIP_DB=cls.file, TRUSTED_PROXIES='127.0.0.0/8', WORKERS=2).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.finish()
        cls.folder.cleanup()

    def signed_in(self, address=BERLIN, agent=FIREFOX):
        """Somebody's tokens, from there."""
        me = register(self.server)
        self.assert_status(me.post('auth/logout'), 200, 204)
        reply = self.assert_status(login(me, me.email, PASSWORD, place(address, agent)), 200)
        me.token, me.refresh_token = reply.json['access_token'], reply.json['refresh_token']
        return me

    def line_of(self, reply):
        return self.server.wait_for_line(lambda line: line.get('correlation_id') == reply.get('X-Request-ID'))

    def look(self, me, address, agent=FIREFOX):
        """(status, risk, country) of a request from there."""
        reply = me.get('auth/me', place(address, agent))
        line = self.line_of(reply)
        return reply.status, line.get('risk', 'green'), line.get('country')


class Risk(World):
    def test_what_is_usual_stays_green(self):
        me = self.signed_in()
        self.assertEqual(self.look(me, BERLIN), (200, 'green', 'DE'))
        self.assertEqual(self.look(me, '192.0.2.200', FIREFOX_LATER), (200, 'green', 'DE'))
        api = self.signed_in(agent='curl/8.9.1')
        for agent in ('curl/8.10.0', 'python-requests/2.32', 'OpenAI/Python 1.40', 'Go-http-client/2.0', None):
            self.assertEqual(self.look(api, BERLIN, agent), (200, 'green', 'DE'), agent)

    def test_each_step(self):
        me = self.signed_in()
        self.assertEqual(self.look(me, MUNICH), (200, 'yellow', 'DE'))              # a mobile network
        self.assertEqual(self.look(me, BERLIN6), (200, 'yellow', 'DE'))             # IPv6 from now on
        self.assertEqual(self.look(me, BERLIN, CHROME), (200, 'yellow', 'DE'))
        self.assertEqual(self.look(me, MUNICH, CHROME), (200, 'orange', 'DE'))
        self.assertEqual(self.look(me, PARIS), (200, 'orange', 'FR'))               # a traveller
        self.assertEqual(self.look(me, NOWHERE, CHROME), (200, 'orange', None))     # what is not known is no sign
        self.assertEqual(self.look(me, PARIS, CHROME), (401, 'red', 'FR'))

    def test_red_denies_and_ends_nothing(self):
        me = self.signed_in()
        reply = me.get('auth/me', place(PARIS, 'curl/8.9.1'))
        self.assert_problem(reply, 401, 'session_ended')
        line = self.line_of(reply)
        self.assertEqual((line['gate'], line['reason'], line['risk'], line['principal']),
                         ('context', 'risk is red', 'red', me.id))
        self.assertEqual([line.get(name) for name in ('other_network', 'other_agent', 'other_country', 'behaviour')],
                         [1, 1, 1, None])
        for _ in range(12):     # on every worker, from memory or not
            with Api(self.server, token=me.token) as api:
                self.assert_problem(api.get('auth/me', place(PARIS, CHROME)), 401)
                self.assert_status(api.get('auth/me', place(BERLIN)), 200)

    def test_nobody_signed_in_has_no_risk(self):
        with Api(self.server) as api:
            reply = api.get('/openapi.json', place(PARIS, CHROME))
        line = self.line_of(reply)
        self.assertEqual((reply.status, line.get('risk'), line.get('country')), (200, None, 'FR'))

    def test_behaviour_raises_by_one(self):
        me, boss = self.signed_in(), person(self.server, 'admin')
        until = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 600))
        boss.made('restraints', {'kind': 'principal', 'subject': me.id, 'level': 'tenth', 'until': until})
        self.assertEqual(self.look(me, BERLIN), (200, 'yellow', 'DE'))
        self.assertEqual(self.look(me, MUNICH), (200, 'orange', 'DE'))
        self.assertEqual(self.look(me, PARIS), (401, 'red', 'FR'))

    def test_a_key_works_on_any_machine(self):
        me = self.signed_in()
        key = me.post('api-keys', {'name': 'k', 'scopes': ['startup:read']}, place(BERLIN))
        self.assert_status(key, 201)
        with Api(self.server, key=key.json['key']) as api:
            for address, agent in ((PARIS, 'curl/8'), (BERLIN6, CHROME), (MUNICH, FIREFOX)):
                reply = api.get('startups', place(address, agent))
                self.assertEqual((reply.status, self.line_of(reply).get('risk')), (200, None))


class Refresh(World):
    def refresh(self, me, address, agent=FIREFOX):
        reply = me.call('POST', 'auth/refresh', {'refresh_token': me.refresh_token},
                        {'Authorization': None, **place(address, agent)})
        if reply.status == 200:
            me.token, me.refresh_token = reply.json['access_token'], reply.json['refresh_token']
        return reply

    def test_it_moves_the_place(self):
        me = self.signed_in()
        self.assertEqual(self.look(me, PARIS), (200, 'orange', 'FR'))
        reply = self.assert_status(self.refresh(me, PARIS), 200)
        self.assertEqual(self.line_of(reply)['risk'], 'orange')
        self.assertEqual(self.look(me, PARIS), (200, 'green', 'FR'))
        self.assertEqual(self.look(me, BERLIN), (200, 'orange', 'DE'))
        self.assertEqual(self.look(me, BERLIN, CHROME), (401, 'red', 'DE'))
        shown, = [s for s in me.get('sessions', place(PARIS)).json['items']]
        self.assertEqual((shown['address'], shown['user_agent']), (PARIS, FIREFOX))

    def test_a_red_one_is_refused_and_keeps_the_token(self):
        me = self.signed_in()
        reply = self.refresh(me, PARIS, CHROME)
        self.assert_problem(reply, 401, 'session_ended')
        self.assertEqual(self.line_of(reply)['reason'], 'risk is red')
        self.assert_status(self.refresh(me, BERLIN), 200)
        self.assertEqual(self.look(me, BERLIN), (200, 'green', 'DE'))

    def test_a_stolen_one_is_found_out_whatever_the_risk(self):
        me = self.signed_in()
        used = me.refresh_token
        self.assert_status(self.refresh(me, BERLIN), 200)
        self.server.query('update refresh_tokens set used_at = used_at - 60000000 where used_at is not null')
        me.refresh_token = used
        self.assert_problem(self.refresh(me, PARIS, CHROME), 401)
        self.assert_status(me.get('auth/me', place(BERLIN)), 401)


class Devices(World):
    def sign_in(self, me, address, agent=FIREFOX):
        self.assert_status(login(me, me.email, PASSWORD, place(address, agent)), 200)

    def devices(self, me):
        return len(self.server.query('select device from devices where user_id = ?', uuid.UUID(me.id)))

    def test_they_are_remembered_once(self):
        me = register(self.server)      # the first
        for address, agent in ((BERLIN, FIREFOX), (BERLIN, FIREFOX_LATER), ('192.0.2.99', FIREFOX), (BERLIN, CHROME),
                               (MUNICH, FIREFOX)):
            self.sign_in(me, address, agent)
        self.assertEqual(self.devices(me), 4)

    def test_the_oldest_is_forgotten(self):
        me = register(self.server)
        self.server.query('delete from devices where user_id = ?', uuid.UUID(me.id))
        for n in range(50):
            self.server.query(f'insert into devices (user_id, device, first_at, last_at) values (?, {n}, {n}, {n})',
                              uuid.UUID(me.id))
        self.sign_in(me, BERLIN)
        self.sign_in(me, BERLIN)
        left = self.server.query('select device from devices where user_id = ? and device < 50', uuid.UUID(me.id))
        self.assertEqual((self.devices(me), len(left)), (50, 49))
        self.assertNotIn('0', [str(row['device']) for row in left])


class Database(Case):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, 'countries.mmdb')

    def test_it_is_read_anew(self):
        write(self.file, {'192.0.2.0/24': 'DE'})
        with Server(GEOIP_DB=self.file, TRUSTED_PROXIES='127.0.0.0/8') as server:
            def seen():
                found = set()
                for _ in range(16):
                    with Api(server) as api:
                        reply = api.get('/openapi.json', place(BERLIN))
                    line = server.wait_for_line(
                        lambda line, reply=reply: line.get('correlation_id') == reply.get('X-Request-ID'))
                    found.add(line.get('country'))
                return found

            def until(wanted):
                end = time.monotonic() + 5
                while (found := seen()) != wanted:
                    self.assertLess(time.monotonic(), end, found)

            self.assertEqual(seen(), {'DE'})
            write(self.file, {'192.0.2.0/24': 'NL'})
            self.assertEqual(seen(), {'DE'})
            server.signal(signal.SIGHUP)
            until({'NL'})

            with open(self.file + '.new', 'w') as file:
                file.write('no such database')
            os.replace(self.file + '.new', self.file)
            server.signal(signal.SIGHUP)
            line = server.wait_for_line(lambda line: 'countries stay' in str(line))
            self.assertIn(self.file, json.dumps(line))
            self.assertEqual(seen(), {'NL'})

            write(self.file, {'192.0.2.0/24': 'BE'})
            server.signal(signal.SIGHUP)
            until({'BE'})

    def test_what_cannot_be_used_refuses_the_start(self):
        with open(self.file, 'wb') as file:
            file.write(os.urandom(1000))
        server = Server(GEOIP_DB=self.file)
        try:
            for path in (self.file, self.file + '.none', os.path.dirname(self.file)):
                for command in ('serve', 'check'):
                    status, _, err = server.run(command, GEOIP_DB=path)
                    self.assertEqual(status, 1, err)
                    self.assertRegex(err, r'\A[^\n]*GEOIP_DB cannot be used: [^\n]+\n\Z')
                    self.assertIn(path, err)
            write(self.file, COUNTRIES)
            self.assertEqual(server.run('check')[0], 0)
        finally:
            server.destroy()

    def test_without_one_nothing_is_red(self):
        with Server(TRUSTED_PROXIES='127.0.0.0/8') as server:
            me = register(server)
            reply = me.get('auth/me', place(PARIS, CHROME))
            line = server.wait_for_line(lambda line: line.get('correlation_id') == reply.get('X-Request-ID'))
            self.assertEqual((reply.status, line['risk'], line.get('country')), (200, 'orange', None))


@about('postgres')
class Notices(World):
    """Where events are handed on: those of the node's stream in Redis."""

    def notices(self, me):
        at = urllib.parse.urlsplit(self.server.settings['REDIS_URL'])
        found = ask_redis(at.port, 'XRANGE', self.server.settings['REDIS_PREFIX'] + 'events', '-', '+',
                          password=at.password, database=int(at.path.strip('/') or 0))
        told = [dict(zip(fields[::2], fields[1::2])) for _, fields in found or []]
        return [event for event in told if event['principal'] == me.id and event['event'] == 'session.new_device']

    def until_told(self, me, n):
        end = time.monotonic() + 5
        while len(found := self.notices(me)) < n:
            self.assertLess(time.monotonic(), end, found)
            time.sleep(0.05)
        return found

    def sign_in(self, me, address, agent):
        reply = self.assert_status(login(me, me.email, PASSWORD, place(address, agent)), 200)
        return claims(reply.json['access_token'])['sid']

    def test_a_new_device_is_told_once(self):
        me = register(self.server)      # the first of all is no news
        sessions = [self.sign_in(me, *where) for where in (
            (PARIS, CHROME), (PARIS, CHROME), ('203.0.113.77', CHROME), (BERLIN6, FIREFOX), (NOWHERE, 'curl/8'))]
        found = self.until_told(me, 3)
        time.sleep(0.3)
        self.assertEqual(self.notices(me), found)
        self.assertEqual([event['target'] for event in found], [sessions[0], sessions[3], sessions[4]])
        self.assertEqual([json.loads(event['payload']) for event in found],
                         [{'network': '203.0.113.0/24', 'country': 'FR', 'agent': 'Chrome'},
                          {'network': '2001:db8:1::/48', 'country': 'DE', 'agent': 'Firefox'},
                          {'network': '100.64.0.0/24', 'country': None, 'agent': 'API client'}])

    def test_who_fails_is_no_news(self):
        me = register(self.server)
        self.assert_status(login(me, me.email, 'the wrong password', place(PARIS, CHROME)), 401)
        session = self.sign_in(me, PARIS, CHROME)
        self.assertEqual([event['target'] for event in self.until_told(me, 1)], [session])


if __name__ == '__main__':
    unittest.main()
