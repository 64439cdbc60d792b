"""kill -9 of the master under write load: its workers end with it, the next start finds all that was acknowledged."""
import os
import socket
import time
import unittest

from support import Api, Case, Conn, Gone, Server, Writers, alive, on_every_worker, register

ENGINES = '(sqlite) postgres'

KILLS = int(os.environ.get('KILLS', '5'))


class MasterDeath(Case):
    def die(self, server):
        """kill -9 of the master alone; the pids that ran."""
        pids = server.pids()
        server.process.kill()
        server.process.wait()
        return pids

    def gone(self, pids, seconds=5):
        until = time.monotonic() + seconds
        while left := [pid for pid in pids if alive(pid)]:
            self.assertLess(time.monotonic(), until, f'{len(left)} workers outlive their master')
            time.sleep(0.01)

    def test_workers_end_with_it(self):
        server = Server().start()
        try:
            self.gone(self.die(server), 3)
            until = time.monotonic() + 2    # a worker's last thread may hold the socket a little longer
            with self.assertRaises(OSError):
                while time.monotonic() < until:
                    socket.create_connection(('127.0.0.1', server.port), timeout=1).close()
                    time.sleep(0.02)
        finally:
            server.destroy()

    def test_under_write_load_nothing_acknowledged_is_lost(self):
        server = Server().start()
        try:
            me = register(server)
            me.close()
            with Writers(server, me.token) as writers:
                for _ in range(KILLS):
                    writers.until(len(writers.made) + 15, 30)
                    self.die(server)
                    server.start()      # at once: whatever is left of the last one may not stand in the way
                writers.until(len(writers.made) + 30, 30)
            self.assertGreater(writers.retries, 0)
            self.assertEqual(set(on_every_worker(server, me.token)), {200})
            server.stop()
            writers.verify(self)
        finally:
            server.destroy()

    def test_after_it_the_log_of_changes_needs_no_help(self):
        """Killed amid writes, then read by SQLite alone: whole, and every row that was acknowledged is there."""
        server = Server().start()
        try:
            me = register(server)
            me.close()
            with Writers(server, me.token, patience=1) as writers:
                writers.until(60, 30)
                self.gone(self.die(server))
                acknowledged = dict(writers.made)
                writers.stop.set()
            rows = {row['name'] for row in server.query('select name from startups')}
            self.assertLessEqual(set(acknowledged), rows)
            server.store.verify(self)
        finally:
            server.destroy()

    def test_what_was_ended_stays_ended(self):
        server = Server().start()
        try:
            me, other = register(server), register(server)
            self.assert_status(me.post('auth/logout'), 200, 204)
            self.die(server)
            server.start()
            self.assertEqual(set(on_every_worker(server, me.token, times=6)), {401})
            self.assertEqual(set(on_every_worker(server, other.token, times=6)), {200})
            server.stop()
        finally:
            server.destroy()

    def test_a_repetition_after_it_is_a_repetition(self):
        server = Server().start()
        try:
            me = register(server)
            key = {'Idempotency-Key': 'over-the-death'}
            first = me.post('startups', {'name': 'once'}, key)
            self.die(server)
            server.start()
            me.close()
            with Api(server, token=me.token) as api:
                second = api.post('startups', {'name': 'once'}, key)
            self.assertEqual((second.status, second.json), (201, first.json))
            server.stop()
        finally:
            server.destroy()

    def test_the_command_line_works_at_once(self):
        server = Server().start()
        try:
            self.die(server)
            server.add_user('admin')
        finally:
            server.destroy()

    def test_a_client_sees_the_end(self):
        server = Server().start()
        try:
            with Conn(server.port, timeout=3) as conn:
                self.assert_status(conn.ask('GET', '/health/live'), 200)
                self.die(server)
                conn.try_send(b'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n')
                try:
                    self.assert_status(conn.reply(), 200)       # it had a moment left
                except Gone:
                    pass
        finally:
            server.destroy()


if __name__ == '__main__':
    unittest.main()
