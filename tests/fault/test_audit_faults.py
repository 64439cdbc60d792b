"""The audit against who can write to the store, and against sudden ends: whatever is edited, deleted, reordered or cut
off is named by `gatehouse audit verify`; what kill -9 leaves holds, and is sealed in a moment."""
import hashlib
import hmac
import os
import shutil
import signal
import time
import unittest
import uuid

from support import ENGINE, Api, Case, Server, Writers, person, register

ENGINES = 'sqlite postgres'

SEALED = 3.0        # seconds until a row is sealed, on a slow machine with sanitizers
KILLS = int(os.environ.get('KILLS', '5'))


def verify(server):
    status, out, err = server.run('audit', 'verify', seconds=120)
    return status, out + err


def tail(server):
    return server.query('select count(*) as n from audit_tail')[0]['n']


def wait_sealed(case, server, seconds=SEALED):
    begun = time.monotonic()
    while tail(server):
        case.assertLess(time.monotonic() - begun, seconds, f'{tail(server)} rows are not sealed')
        time.sleep(0.02)
    return time.monotonic() - begun


class Tampering(Case):
    """One server writes some rows and is stopped; each test puts back what it changed."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        with register(cls.server) as me:
            for n in range(12):
                me.made('startups', {'name': f'n{n}'})
        wait_sealed(cls('run'), cls.server)
        time.sleep(0.6)         # the head's line
        cls.server.stop()

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()

    def setUp(self):
        status, text = verify(self.server)
        self.assertEqual(status, 0, text)

    def sealed(self):
        return self.server.query('select c.number, a.* from audit_chain c join audit a on a.id = c.id '
                                 'order by c.number')

    def found(self, *wanted):
        status, text = verify(self.server)
        self.assertEqual(status, 1, text)
        for line in wanted:
            self.assertIn(line, text)
        return text

    def change(self, sql, *values):
        self.server.query(sql, *values)

    def test_one_byte_of_any_column(self):
        """And only that row is named."""
        row = self.sealed()[5]
        id = uuid.UUID(row['id'])
        for name, old in row.items():
            if name in ('number', 'id', 'writer'):
                continue
            if name in ('sealed', 'mac'):
                new = bytes([old[0] ^ 1]) + old[1:]
            elif name in ('sequence', 'at'):
                new = old + 1000
            elif old is None or name in ('principal_id', 'session_id', 'target', 'decision', 'subject'):
                old = old and uuid.UUID(old)
                new = uuid.UUID(int=(old.int if old else 0) ^ 1)
            else:
                new = old[:-1] + chr(ord(old[-1]) ^ 1)
            with self.subTest(name):
                self.change(f'update audit set {name} = ? where id = ?', new, id)
                text = self.found(f'row {id}, number {row["number"]}: edited')
                self.change(f'update audit set {name} = ? where id = ?', old, id)
                self.assertEqual([line for line in text.splitlines() if line.startswith('row ')],
                                 [f'row {id}, number {row["number"]}: edited'])

    def test_a_deleted_row(self):
        row = self.sealed()[7]
        id = uuid.UUID(row['id'])
        self.change('create table kept as select * from audit where id = ?', id)
        self.change('delete from audit where id = ?', id)
        try:
            self.found(f'row {id}, number {row["number"]}: deleted')
        finally:
            self.change('insert into audit select * from kept')
            self.change('delete from audit_tail')
            self.change('drop table kept')

    def test_a_row_deleted_with_its_place(self):
        row = self.sealed()[7]
        id = uuid.UUID(row['id'])
        self.change('create table kept as select * from audit where id = ?', id)
        self.change('create table place as select * from audit_chain where id = ?', id)
        self.change('delete from audit where id = ?', id)
        self.change('delete from audit_chain where id = ?', id)
        try:
            self.found(f'number {row["number"]}: deleted, with its place in the chain')
        finally:
            self.change('insert into audit select * from kept')
            self.change('insert into audit_chain select * from place')
            self.change('delete from audit_tail')
            self.change('drop table kept')
            self.change('drop table place')

    def test_two_rows_that_changed_places(self):
        rows = self.sealed()
        one, other = rows[4], rows[8]

        def swap():
            self.change('update audit_chain set number = -1 where number = ?', one['number'])
            self.change('update audit_chain set number = ? where number = ?', one['number'], other['number'])
            self.change('update audit_chain set number = ? where number = -1', other['number'])
        swap()
        try:
            self.found(f'row {other["id"]}, number {one["number"]}: out of order',
                       f'row {one["id"]}, number {other["number"]}: out of order')
        finally:
            swap()

    def test_a_link_that_was_edited(self):
        row = self.sealed()[3]
        link = self.server.query('select link from audit_chain where number = ?', row['number'])[0]['link']
        self.change('update audit_chain set link = ? where number = ?', bytes([link[0] ^ 1]) + link[1:], row['number'])
        try:
            self.found(f'row {row["id"]}, number {row["number"]}: out of order, or its place in the chain was edited')
        finally:
            self.change('update audit_chain set link = ? where number = ?', link, row['number'])

    def cut(self, n):
        """The last n rows go, with every trace that the store has of them."""
        last = self.sealed()[-1]['number'] - n
        for table in ('audit', 'audit_chain', 'audit_heads'):
            self.change(f'create table kept_{table} as select * from {table}')
        self.change('delete from audit where id in (select id from audit_chain where number > ?)', last)
        self.change('delete from audit_chain where number > ?', last)
        return last

    def uncut(self):
        for table in ('audit', 'audit_chain', 'audit_heads'):
            self.change(f'delete from {table}')
            self.change(f'insert into {table} select * from kept_{table}')
            self.change(f'drop table kept_{table}')
        self.change('delete from audit_tail')

    def test_a_tail_that_was_cut_off(self):
        last = self.cut(3)
        try:
            self.found(f'numbers {last + 1} to {last + 3}: cut off; a head in DATA_DIR names them',
                       f'head of number {last + 3}, in the store: the chain has no such number')
            self.change('delete from audit_heads where number > ?', last)
            self.found(f'numbers {last + 1} to {last + 3}: cut off; a head in DATA_DIR names them')
        finally:
            self.uncut()

    def test_all_of_it_cut_off(self):
        self.cut(self.sealed()[-1]['number'])
        self.change('delete from audit_heads')
        try:
            self.found('numbers 1 to ')
        finally:
            self.uncut()

    def test_a_head_that_was_forged(self):
        path = self.server.path('data/audit.heads')
        shutil.copy(path, path + '.kept')
        with open(path) as file:
            number, link, at, signature = file.read().splitlines()[-1].split()
        for line in (f'{number} {link} {at} {signature[::-1]}', f'{int(number) + 5} {link} {at} {signature}'):
            with open(path, 'a') as file:
                file.write(line + '\n')
            try:
                self.found('its signature does not fit')
            finally:
                shutil.copy(path + '.kept', path)
        os.remove(path + '.kept')
        head = self.server.query('select minute, signature from audit_heads')[0]
        self.change('update audit_heads set signature = ? where minute = ?', bytes(32), head['minute'])
        try:
            self.found('in the store: its signature does not fit')
        finally:
            self.change('update audit_heads set signature = ? where minute = ?', head['signature'], head['minute'])

    def test_a_line_that_was_cut_short_is_none(self):
        path = self.server.path('data/audit.heads')
        with open(path, 'a') as file:
            file.write('17 abcdef')
        status, text = verify(self.server)
        self.assertEqual(status, 0, text)
        self.assertIn('is no head', text)
        with open(path) as file:
            lines = file.read().splitlines()
        with open(path, 'w') as file:
            file.write('\n'.join(lines[:-1]) + '\n')


def derived(secret, purpose):
    """HKDF-SHA-256 without salt, its first block: as crypto/hash.h says."""
    extracted = hmac.digest(bytes(32), secret, 'sha256')
    return hmac.digest(extracted, purpose.encode() + b'\x01', 'sha256')


class Tail(Case):
    """Rows that are not sealed yet, written here with MACs of our own: the server is stopped."""

    def setUp(self):
        self.server = Server(JWT_SECRET='a secret for the tail of more than 32 characters')
        self.server.start().stop()
        self.key = derived(self.server.settings['JWT_SECRET'].encode(), 'audit rows')
        self.writer = uuid.uuid4()
        self.begun = int(time.time() * 1e6) - 600 * 10 ** 6

    def tearDown(self):
        self.server.destroy()

    def add(self, sequence, seconds, queued=True):
        id, decision, subject = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
        nil, at, sealed = bytes(16), self.begun + int(seconds * 1e6), b'sealed'

        def number(n):
            return n.to_bytes(8, 'big')

        def text(s):
            return number(len(s)) + s
        message = b''.join((id.bytes, self.writer.bytes, number(sequence), number(at), text(b'user'), nil, nil,
                            text(b'startup.create'), nil, text(b'made'), decision.bytes, text(b'unrated'), text(b'-'),
                            subject.bytes, text(sealed)))
        mac = hmac.digest(self.key, message, hashlib.sha256)
        self.server.query('insert into audit (id, writer, sequence, at, principal_kind, action, outcome, decision, '
                          'risk, correlation, subject, sealed, mac) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
                          id, self.writer, sequence, at, 'user', 'startup.create', 'made', decision, 'unrated', '-',
                          subject, sealed, mac)
        if ENGINE == 'postgres' and queued:
            self.server.query('insert into audit_tail (id) values (?)', id)
        elif ENGINE != 'postgres' and not queued:
            self.server.query('delete from audit_tail where id = ?', id)
        return id

    def assert_holds(self, *wanted):
        status, text = verify(self.server)
        self.assertEqual(status, 0, text)
        for line in wanted:
            self.assertIn(line, text)

    def assert_found(self, line):
        status, text = verify(self.server)
        self.assertEqual(status, 1, text)
        self.assertIn(line, text)

    def test_a_fresh_one_is_no_problem(self):
        for n in range(1, 4):
            self.add(n, n)
        self.assert_holds('3 rows wait to be sealed')

    def test_an_edited_row(self):
        id = self.add(1, 1)
        self.server.query("update audit set outcome = 'denied' where id = ?", id)
        self.assert_found(f'row {id}, not sealed: edited')

    def test_a_row_that_would_never_be_sealed(self):
        self.add(1, 1)
        id = self.add(2, 2, queued=False)
        self.assert_found(f'row {id}, not sealed: taken out of the tail')

    def test_a_row_that_is_gone(self):
        """Its number is missing, and the writer has lived on."""
        for n in (1, 2, 4, 5):
            self.add(n, n)
        self.assert_holds()
        self.add(6, 80)
        self.assert_found(f'writer {self.writer}: its rows 3 to 3 are gone')


class SuddenEnds(Case):
    def test_workers_and_node_under_write_load(self):
        with Server() as server:
            with register(server) as me, Writers(server, me.token) as writers:
                for n in range(KILLS):
                    writers.until(len(writers.made) + 10, 30)
                    if n % 2:
                        server.kill()
                        server.start()
                    else:
                        os.kill(server.workers()[n // 2 % 2], signal.SIGKILL)
                writers.until(len(writers.made) + 20, 30)
            took = wait_sealed(self, server)
            writers.verify(self)
            status, text = verify(server)
            self.assertEqual(status, 0, text)
            print(f'sealed {took:.2f} s after the last change; {text.strip()}')

    def test_verify_beside_a_server_that_writes(self):
        with Server() as server:
            with register(server) as me, Writers(server, me.token) as writers:
                for _ in range(5):
                    writers.until(len(writers.made) + 20, 30)
                    status, text = verify(server)
                    self.assertEqual(status, 0, text)
            writers.verify(self)

    def test_what_is_queued_at_the_drain_is_written(self):
        server = Server().start()
        try:
            with register(server) as me:
                for _ in range(3):
                    self.assert_problem(me.get('users'), 403)
            server.stop()
            rows = server.query("select outcome from audit where action = 'user.list' and principal_id = ?",
                                uuid.UUID(me.id))
            self.assertEqual({row['outcome'] for row in rows}, {'denied'})
            server.start()
            wait_sealed(self, server)
            server.stop()
            status, text = verify(server)
            self.assertEqual(status, 0, text)
        finally:
            server.destroy()

    @unittest.skipUnless(ENGINE == 'postgres', 'one node has no other')
    def test_two_nodes_one_of_which_dies(self):
        """The one with the duty dies by kill -9: the other seals what both have written."""
        with Server() as first, Server(beside=first) as second:
            with register(first) as me, Writers(first, me.token, threads=3, patience=2) as one, \
                    Writers(second, me.token, threads=3) as other:
                one.until(40, 30)
                other.until(40, 30)
                first.kill()
                killed = time.monotonic()
                other.until(len(other.made) + 5, 30)
                one.stop.set()
                other.stop.set()
            took = wait_sealed(self, second)
            status, text = verify(second)
            self.assertEqual(status, 0, text)
            status, text = verify(first)        # against the heads that the dead one has kept
            self.assertEqual(status, 0, text)
            writers = second.query('select count(distinct writer) as n from audit')[0]['n']
            self.assertGreaterEqual(writers, 3)
            print(f'all sealed {took:.2f} s after the last change, {time.monotonic() - killed:.1f} s after the kill; '
                  f'{text.strip()}')


class Shortage(Case):
    def test_denials_wait_for_the_store_and_what_is_too_many_is_counted(self):
        """Nothing can be committed for a while: an embedded store that somebody else locks."""
        if ENGINE == 'postgres':
            self.skipTest('the same queue')
        with Server(WORKERS=1) as server:
            admin = person(server, 'admin')
            with register(server) as me:
                path = [f'startups/{uuid.uuid4()}' for _ in range(1000)]
                base = server.database(isolation_level=None)
                base.execute('begin immediate')
                replies = me.many([('GET', one, None) for one in path])
                self.assertEqual({reply.status for reply in replies}, {404})
                with Api(server) as api:
                    reply = api.post('auth/login', {'email': me.email, 'password': 'wrong password'})
                    self.assert_problem(reply, 401)
                base.execute('rollback')
                base.close()
                until = time.monotonic() + 20
                told = written = 0
                while told + written < 1000 and time.monotonic() < until:
                    time.sleep(0.3)
                    denied = admin.walk('audit', principal_id=me.id, outcome='denied', limit=1000)
                    written = sum(row['payload']['detail']['times'] for row in denied)
                    dropped = admin.walk('audit', outcome='dropped')
                    told = sum(row['payload']['detail']['denials'] for row in dropped)
                self.assertGreater(told, 0)
                self.assertEqual(written + told, 1000)
                self.assertEqual(len(list(admin.walk('audit', outcome='sign_in_failed'))), 1)
            with Api(server) as api:
                metrics = api.get('/metrics').body.decode()
            self.assertIn(f'audit_dropped_total{{kind="denial"}} {told}', metrics.splitlines())
            admin.close()


if __name__ == '__main__':
    unittest.main()
