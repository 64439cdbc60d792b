"""The audit: what is written, who reads it, what an erasure leaves, and that nobody changes it unseen."""
import json
import re
import time
import unittest
import uuid

from support import Api, Case, Person, Server, login, person, register, together, uuid7

SEALED = 3.0        # seconds within which a row is in the chain, on a slow machine
server = me = admin = None


def setUpModule():
    global server, me, admin
    server = Server().start()
    me, admin = register(server), person(server, 'admin')


def tearDownModule():
    me.close()
    admin.close()
    server.finish()


def read(**query):
    """Rows of the audit, newest first."""
    return list(admin.walk('audit', **{'limit': 1000, **query}))


def wait_for(wanted, seconds=SEALED, **query):
    """Until wanted(rows) of such rows: then they."""
    until = time.monotonic() + seconds
    while True:
        rows = read(**query)
        if wanted(rows):
            return rows
        if time.monotonic() > until:
            raise AssertionError(f'after {seconds} s only {rows[:5]}')
        time.sleep(0.1)


def wait_sealed(node=None, seconds=SEALED):
    until = time.monotonic() + seconds
    while (node or server).query('select count(*) as n from audit_tail')[0]['n']:
        if time.monotonic() > until:
            raise AssertionError(f'not sealed after {seconds} s')
        time.sleep(0.05)


def verify(node=None, **settings):
    status, out, err = (node or server).run('audit', 'verify', **settings)
    return status, out + err


class Changes(Case):
    def test_a_change_has_its_row(self):
        reply = me.post('startups', {'name': 'n', 'stage': 'seed'}, {'X-Request-ID': 'the-request',
                                                                     'User-Agent': 'an agent'})
        row, = read(target=reply.json['id'])
        said = [row[name] for name in ('action', 'outcome', 'principal_kind', 'principal_id', 'correlation')]
        self.assertEqual(said, ['startup.create', 'made', 'user', me.id, 'the-request'])
        self.assertFalse(row['erased'])
        payload = row['payload']
        self.assertEqual((payload['user_agent'], payload['detail']), ('an agent', {'fields': ['name', 'stage']}))
        self.assertTrue(payload['address'])
        self.assertNotIn('subject_key', row)

    def test_a_sign_in_is_the_users(self):
        someone = register(server)
        row = read(principal_id=someone.id, outcome='signed_in')[0]
        self.assertEqual(row['action'], 'session.create')
        someone.close()

    def test_what_is_personal_is_not_in_the_rows(self):
        someone = register(server)
        someone.post('startups', {'name': 'n'}, {'User-Agent': 'very personal agent'})
        with Api(server) as api:
            login(api, someone.email, 'wrong password')
        wait_for(bool, outcome='sign_in_failed')
        text = str([dict(row) for row in server.query('select * from audit')])
        for personal in ('very personal', someone.email, '127.0.0.'):
            self.assertNotIn(personal, text)
            self.assertNotIn(personal.encode().hex(), text)
        someone.close()

    def test_rows_are_numbered_by_their_writer(self):
        me.many([('POST', 'startups', {'name': 'n'})] * 20)
        time.sleep(0.5)
        for row in server.query('select writer, count(*) as n, max(sequence) as last from audit group by writer'):
            self.assertEqual(row['n'], row['last'])

    def test_the_number_of_a_change_that_was_undone_is_given_again(self):
        taken = register(server)
        for _ in range(10):
            with Api(server) as api:
                self.assert_problem(api.post('auth/register', {'email': taken.email, 'password': 'a good password'}),
                                    409)
        me.many([('POST', 'startups', {'name': 'n'})] * 40)
        together([lambda: register(server).close() for _ in range(4)])
        time.sleep(0.5)
        for row in server.query('select writer, count(*) as n, max(sequence) as last from audit group by writer'):
            self.assertLessEqual(row['last'] - row['n'], 10)
        taken.close()


class Denials(Case):
    def test_who_may_not(self):
        self.assert_problem(me.get('users'), 403)
        row, = wait_for(bool, principal_id=me.id, action='user.list')
        self.assertEqual((row['outcome'], row['payload']['detail']['gate'], row['payload']['detail']['code']),
                         ('denied', 'rbac', 'forbidden'))

    def test_what_is_hidden(self):
        with person(server) as other:
            id = me.made('startups', {'name': 'n'})['id']
            self.assert_problem(other.delete('startups/' + id), 404)
            row, = wait_for(bool, principal_id=other.id, target=id)
            self.assertEqual((row['action'], row['outcome']), ('startup.delete', 'denied'))

    def test_the_same_again_is_counted(self):
        with person(server) as other:
            path = f'startups/{uuid7()}'
            other.many([('GET', path, None)] * 200)
            rows = wait_for(lambda rows: sum(row['payload']['detail']['times'] for row in rows) == 200,
                            principal_id=other.id, outcome='denied')
            self.assertLess(len(rows), 100)

    def test_credentials_that_are_none(self):
        with Api(server, token='x.y.z') as api:
            self.assert_problem(api.get('startups'), 401)
        rows = wait_for(bool, outcome='denied', action='startup.list')
        self.assertEqual(rows[0]['principal_kind'], 'anonymous')

    def test_failed_sign_ins(self):
        someone = register(server)
        with Api(server) as api:
            self.assert_problem(login(api, someone.email, 'wrong password'), 401)
        rows = wait_for(lambda rows: any(row['payload']['email'] == someone.email for row in rows),
                        outcome='sign_in_failed')
        self.assertEqual({row['action'] for row in rows}, {'session.create'})
        someone.close()

    def test_what_nobody_in_particular_asks_for_is_not_recorded(self):
        count = 'select count(*) as n from audit'
        wait_sealed()
        time.sleep(0.5)
        before = server.query(count)[0]['n']
        with Api(server) as api:
            for path in ('nothing', 'startups', f'startups/{uuid7()}', 'users'):
                self.assertGreaterEqual(api.get(path).status, 400)
        with Api(server, token=me.token) as api:
            self.assert_problem(api.get('nothing/at/all'), 404)
            self.assert_problem(api.post('startups', {'name': ''}), 422)
        time.sleep(0.8)
        self.assertEqual(server.query(count)[0]['n'], before)


class Reading(Case):
    def test_only_who_may(self):
        self.assert_problem(me.get('audit'), 403)
        self.assert_problem(me.get('audit/' + read(limit=1)[0]['id']), 403)

    def test_it_is_audited_once_a_request(self):
        before = len(read(action='audit.read', principal_id=admin.id))
        read_again = len(read(action='audit.read', principal_id=admin.id))
        self.assertEqual(read_again, before + 1)
        id = read(action='audit.read')[0]['id']
        self.assert_status(admin.get('audit/' + id), 200)
        newest = read(action='audit.read')[0]
        self.assertEqual((newest['outcome'], newest['target']), ('read', id))

    def test_one_row(self):
        id = me.made('startups', {'name': 'n'})['id']
        row, = wait_for(lambda rows: rows and rows[0]['number'], target=id)
        self.assertEqual(admin.get('audit/' + row['id']).json, row)
        self.assert_problem(admin.get(f'audit/{uuid7()}'), 404)

    def test_filters_and_pages(self):
        someone = register(server)
        ids = [someone.made('startups', {'name': 'n'})['id'] for _ in range(7)]
        rows = read(principal_id=someone.id, action='startup.create', outcome='made', limit=3)
        self.assertEqual([row['target'] for row in rows], ids[::-1])
        self.assertEqual([row['target'] for row in read(principal_id=someone.id, action='startup.create', sort='at',
                                                        limit=2)], ids)
        self.assertEqual(read(principal_id=str(uuid.uuid4())), [])
        self.assert_problem(admin.get('audit?nothing=1'), 400)
        someone.close()

    def test_nobody_changes_it(self):
        path = 'audit/' + read(limit=1)[0]['id']
        for reply in (admin.post('audit', {}), admin.patch(path, {}), admin.delete(path)):
            self.assert_problem(reply, 405)


class Erasing(Case):
    def erase(self, user):
        self.assert_problem(admin.post(f'users/{user.id}/erase'), 404)      # not deleted yet
        self.assert_status(admin.delete('users/' + user.id), 204)
        self.assert_problem(me.post(f'users/{user.id}/erase'), 403)
        self.assert_status(admin.post(f'users/{user.id}/erase'), 204)

    def test_the_person_is_gone_and_the_chain_holds(self):
        user = register(server)
        id = user.made('startups', {'name': 'n'})['id']
        user.get('users')
        wait_for(bool, principal_id=user.id, outcome='denied')
        self.erase(user)
        for row in read(principal_id=user.id):
            self.assertEqual((row['erased'], row['payload']), (True, None), row)
        self.assertEqual(len(read(target=id)), 1)
        row = read(action='user.erase', target=user.id)[0]
        self.assertEqual((row['outcome'], row['principal_id'], row['erased']), ('made', admin.id, False))
        self.assertNotIn(user.email, str([dict(row) for row in server.query('select * from users')]))
        self.assertEqual(server.query('select address, user_agent from sessions where owner_id = ?',
                                      uuid.UUID(user.id)), [{'address': '', 'user_agent': ''}])
        self.assertEqual(server.query('select * from devices where user_id = ?', uuid.UUID(user.id)), [])
        wait_sealed()
        status, text = verify()
        self.assertEqual(status, 0, text)
        status, out, _ = server.run('audit', 'export', '--format', 'ecs')
        told = [line for line in map(json.loads, out.splitlines()) if line.get('user', {}).get('id') == user.id]
        self.assertTrue(told)
        self.assertEqual({line['gatehouse']['erased'] for line in told}, {True})
        user.close()

    def test_it_is_done_once_and_only_to_the_deleted(self):
        user = register(server)
        self.assert_problem(admin.post(f'users/{me.id}/erase'), 404)
        self.erase(user)
        self.assert_status(Person(server, me.email, me.password).get('startups'), 200)
        user.close()


class Export(Case):
    def lines(self, *args):
        status, out, err = server.run('audit', 'export', *args)
        self.assertEqual((status, err), (0, ''))
        return out.splitlines()

    def test_ecs(self):
        reply = me.post('startups', {'name': 'n'}, {'User-Agent': 'a "quoted" agent'})
        lines = [json.loads(line) for line in self.lines('--format', 'ecs')]
        self.assertEqual([line['@timestamp'] for line in lines], sorted(line['@timestamp'] for line in lines))
        line, = [line for line in lines if line['gatehouse'].get('target') == reply.json['id']]
        self.assertEqual((line['event']['action'], line['event']['outcome'], line['user']['id']),
                         ('startup.create', 'success', me.id))
        self.assertEqual(line['user_agent'], {'original': 'a "quoted" agent'})
        self.assertEqual(line['source']['ip'], line['source']['address'])
        self.assertEqual(line['ecs']['version'], '8.11.0')

    def test_cef(self):
        reply = me.post('startups', {'name': 'n'}, {'User-Agent': r'a|b=c\d'})
        line, = [line for line in self.lines('--format', 'cef') if reply.json['id'] in line]
        self.assertRegex(line, r'^CEF:0\|Gatehouse\|gatehouse\|[0-9.]+\|startup\.create\|startup\.create made\|2\|rt=')
        self.assertIn(r' requestClientApplication=a|b\=c\\d ', line)
        self.assertIn(' outcome=success ', line)
        self.assertEqual(len(re.split(r'(?<!\\)\|', line.partition('|rt=')[0])), 7)

    def test_since(self):
        time.sleep(0.01)
        at = read(limit=1)[0]['at']
        me.made('startups', {'name': 'n'})
        some = self.lines('--format', 'ecs', '--since', at)
        self.assertTrue(0 < len(some) < len(self.lines('--format', 'ecs')))
        self.assertEqual(self.lines('--format', 'ecs', '--since', '2999-01-01'), [])

    def test_refuses(self):
        for args in (('--format', 'xml'), ('--format', 'ecs', '--since', 'yesterday'), ()):
            status, out, err = server.run('audit', 'export', *args)
            self.assertNotEqual(status, 0)
            self.assertEqual((out, len(err.splitlines())), ('', 1))


class Chain(Case):
    def test_every_row_is_sealed_in_a_moment(self):
        me.many([('POST', 'startups', {'name': 'n'})] * 50)
        wait_sealed()
        numbers = [row['number'] for row in server.query('select number from audit_chain order by number')]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertEqual(len(numbers), server.query('select count(*) as n from audit')[0]['n'])
        status, text = verify()
        self.assertEqual(status, 0, text)
        self.assertIn('the audit holds: ', text)

    def test_the_head_is_kept_elsewhere(self):
        me.made('startups', {'name': 'n'})
        wait_sealed()
        time.sleep(0.5)
        with open(server.path('data/audit.heads')) as file:
            last = file.read().splitlines()[-1].split()
        number, link = server.query('select number, link from audit_chain order by number desc limit 1')[0].values()
        self.assertEqual((int(last[0]), last[1]), (number, link.hex()))
        line = server.wait_for_line(lambda line: line.get('event') == 'audit_head', 15)
        self.assertEqual(int(line['head'].split()[0]), line['number'])

    def test_verify_needs_the_right_secret(self):
        with Server() as other:
            register(other).close()
            wait_sealed(other)
            status, text = verify(other, JWT_SECRET='another secret of more than 32 characters')
            self.assertEqual(status, 1, text)
            self.assertIn('edited', text)


if __name__ == '__main__':
    unittest.main()
