"""The command line: what the operator types, with the server down and running; and what it refuses, in one line."""
import json
import os
import re
import signal
import stat
import subprocess
import time
import unittest

from support import (Api, Case, ENGINE, PASSWORD, Person, Server, about, alive, claims, fresh_email, fresh_source,
                     header_of, login, on_every_worker, register)

ENGINES = 'sqlite (postgres)'      # what it asks the server for is tested on both


class Commands(Case):
    def setUp(self):
        self.server = Server()

    def tearDown(self):
        if self.server.process:
            self.server.finish()
        else:
            self.server.destroy()

    def run_ok(self, *args, **more):
        status, out, err = self.server.run(*args, **more)
        self.assertEqual(status, 0, f'{args}: {out} {err}')
        return out

    def refuse(self, *args, names=(), **settings):
        """Not done, and one line says why."""
        status, out, err = self.server.run(*args, **settings)
        self.assertNotEqual(status, 0, f'{args} {settings}: {out} {err}')
        lines = [line for line in err.splitlines() if line.strip()]
        self.assertEqual(len(lines), 1, err)
        for name in names:
            self.assertIn(name, lines[0])
        return lines[0]


class Down(Commands):
    def test_user_add_then_sign_in(self):
        email = self.server.add_user('admin')
        self.server.start()
        me = Person(self.server, email)
        self.assert_status(me.get('users'), 200)

    def test_user_list(self):
        emails = [self.server.add_user(role) for role in ('admin', 'viewer')]
        lines = self.run_ok('user', 'list').splitlines()
        self.assertEqual(len([line for line in lines if any(email in line for email in emails)]), 2)
        self.assertTrue(any(emails[1] in line and 'viewer' in line and 'active' in line for line in lines))
        self.assertNotIn('$2b$', '\n'.join(lines))

    def test_user_reset(self):
        email = self.server.add_user('user')
        self.run_ok('user', 'reset', '--email', email, text='another password\n')
        self.server.start()
        with Api(self.server, source=fresh_source()) as api:
            self.assert_status(login(api, email, PASSWORD), 401)
            self.assert_status(login(api, email, 'another password'), 200)

    def test_user_add_refuses(self):
        email = self.server.add_user('user')
        for args, text in (((email, 'user'), PASSWORD), ((email.upper(), 'user'), PASSWORD),
                           (('none', 'user'), PASSWORD),
                           ((fresh_email(), 'emperor'), PASSWORD), ((fresh_email(), 'user'), 'short'),
                           ((fresh_email(), 'user'), 'x' * 73), ((fresh_email(), 'user'), '')):
            with self.subTest(args=args, text=text[:10]):
                line = self.refuse('user', 'add', '--email', args[0], '--role', args[1], text=text)
                if len(text) > 5:
                    self.assertNotIn(text, line)

    def test_a_password_may_end_without_a_newline(self):
        self.run_ok('user', 'add', '--email', 'plain@example.com', '--role', 'user', text=PASSWORD)
        self.server.start()
        Person(self.server, 'plain@example.com').close()

    def test_user_reset_of_nobody(self):
        self.refuse('user', 'reset', '--email', 'nobody@example.com', text=PASSWORD, names=('nobody@example.com',))

    def test_audit_has_the_operator(self):
        self.server.add_user('admin')
        rows = self.server.query('select action, principal_kind from audit')
        self.assertEqual([(row['action'], row['principal_kind']) for row in rows], [('user.create', 'operator')])
        told = json.loads(self.run_ok('audit', 'export', '--format', 'ecs'))
        self.assertEqual(told['source'], {'address': 'local'})

    def test_keys(self):
        self.run_ok('keys', 'list')
        before = self.run_ok('keys', 'list').split()
        self.run_ok('keys', 'rotate')
        after = self.run_ok('keys', 'list').split()
        self.assertGreater(len(after), len(before))

    def test_files_are_the_operators_alone(self):
        self.server.add_user('admin')
        self.server.start()
        self.assertEqual(stat.S_IMODE(os.stat(self.server.data).st_mode), 0o700)
        for name in os.listdir(self.server.data):
            mode = stat.S_IMODE(os.stat(os.path.join(self.server.data, name)).st_mode)
            self.assertEqual(mode & 0o077, 0, f'{name}: {mode:o}')

    @about('sqlite')
    def test_the_secret_is_made_once_and_kept(self):
        self.server.start()
        me = register(self.server)
        token = me.token
        me.close()
        self.server.stop()
        self.server.start()
        self.assertEqual(set(on_every_worker(self.server, token, times=4)), {200})


class Running(Commands):
    def setUp(self):
        super().setUp()
        self.server.start()

    def test_user_add_takes_effect_at_once(self):
        me = Person(self.server, self.server.add_user('admin'))
        self.assert_status(me.get('users'), 200)
        rows = self.server.query("select principal_kind from audit where action = 'user.create'")
        self.assertEqual([row['principal_kind'] for row in rows], ['operator'])

    def test_user_reset_ends_sessions_at_once_on_every_worker(self):
        me = register(self.server)
        self.assertEqual(set(on_every_worker(self.server, me.token)), {200})
        self.run_ok('user', 'reset', '--email', me.email, text='another password\n')
        self.assertEqual(set(on_every_worker(self.server, me.token)), {401})
        with Api(self.server, source=fresh_source()) as api:
            self.assert_status(login(api, me.email, 'another password'), 200)

    def test_user_list(self):
        me = register(self.server)
        self.assertIn(me.email, self.run_ok('user', 'list'))

    def test_user_list_of_many(self):
        with Api(self.server) as api:
            emails = [fresh_email() for _ in range(5)]
            for email in emails:
                api.post('auth/register', {'email': email, 'password': PASSWORD})
        out = self.run_ok('user', 'list')
        self.assertTrue(all(email in out for email in emails))

    def test_the_operator_is_not_limited(self):
        for _ in range(15):
            self.run_ok('keys', 'list')

    def test_keys_rotate_keeps_tokens(self):
        me = register(self.server)
        self.run_ok('keys', 'rotate')
        self.assertEqual(set(on_every_worker(self.server, me.token)), {200})
        self.assertIn(header_of(me.token)['kid'], self.run_ok('keys', 'list'))

    def test_a_new_key_signs_after_a_while(self):
        me = register(self.server)
        old = header_of(me.token)['kid']
        self.run_ok('keys', 'rotate')
        self.assertEqual(header_of(me.again().token)['kid'], old, 'the new key signs before every worker has it')
        until = time.monotonic() + 20
        while header_of(me.again().token)['kid'] == old:
            self.assertLess(time.monotonic(), until, 'the new key never signs')
            time.sleep(0.5)
        self.assertEqual(set(on_every_worker(self.server, me.token)), {200})

    def test_the_control_socket_is_private(self):
        sockets = [name for name in os.listdir(self.server.data)
                   if stat.S_ISSOCK(os.stat(os.path.join(self.server.data, name)).st_mode)]
        self.assertTrue(sockets)
        for name in sockets:
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.server.data, name)).st_mode), 0o600)

    def test_a_second_server_on_one_folder_is_refused(self):
        line = self.refuse('serve', PORT=self.server.port + 1, names=(self.server.data,))
        self.assertTrue(str(self.server.process.pid) in line or 'use' in line, line)
        self.assertTrue(self.server.is_ready())

    def test_a_port_in_use_is_named(self):
        other = Server(PORT=self.server.port)
        try:
            status, _, err = other.run('serve', seconds=20)
            self.assertNotEqual(status, 0)
            self.assertIn(str(self.server.port), err)
        finally:
            other.destroy()
        self.assertTrue(self.server.is_ready())


class Settings(Commands):
    def test_check_shows_what_is_in_force(self):
        out = self.run_ok('check', RATE_LIMIT_REQUESTS='77')
        self.assertIn('RATE_LIMIT_REQUESTS=77', out)
        for name in ('HOST', 'PORT', 'WORKERS', 'DATA_DIR', 'REGISTRATION', 'JWT_SECRET', 'CORS_ORIGINS',
                     'DRAIN_SECONDS'):
            self.assertRegex(out, rf'(?m)^{name}=')

    def test_check_masks_secrets(self):
        out = self.run_ok('check', JWT_SECRET='s' * 40)
        self.assertNotIn('ssss', out)
        self.assertRegex(out, r'(?m)^JWT_SECRET=\(set\)$')

    def test_a_file(self):
        path = self.server.path('settings')
        with open(path, 'w') as file:
            file.write('# a comment\nRATE_LIMIT_REQUESTS=123\n\nJWT_EXPIRE_MINUTES=5\n')
        out = self.run_ok('--config', path, 'check', JWT_EXPIRE_MINUTES='6')
        self.assertIn('RATE_LIMIT_REQUESTS=123', out)
        self.assertIn('JWT_EXPIRE_MINUTES=6', out)

    def test_a_bad_file(self):
        path = self.server.path('settings')
        for text, name in (('NONSENSE=1\n', 'NONSENSE'), ('RATE_LIMIT_REQUESTS\n', ''), ('WORKERS=many\n', 'WORKERS'),
                           ('=5\n', ''), ('workers=2\n', 'workers')):
            with open(path, 'w') as file:
                file.write(text)
            with self.subTest(text):
                self.refuse('--config', path, 'check', names=(name,), **{name: None for name in ('WORKERS',)})
        self.refuse('--config', self.server.path('nowhere'), 'check', names=('nowhere',))

    def test_bad_values_stop_the_start(self):
        for name, value in (('PORT', '99999'), ('PORT', 'http'), ('PORT', '-1'), ('PORT', '80 80'), ('WORKERS', '1000'),
                            ('REGISTRATION', 'maybe'), ('RATE_LIMIT_PROFILE', 'none'), ('BCRYPT_COST', '4'),
                            ('BCRYPT_COST', '31'), ('JWT_EXPIRE_MINUTES', '0'), ('LOG_LEVEL', 'loud'),
                            ('TRUSTED_PROXIES', '10.0.0.0/33'), ('TRUSTED_PROXIES', 'proxy.example'),
                            ('METRICS_ALLOW', '1.2.3'), ('DRAIN_SECONDS', '-5'), ('DRAIN_SECONDS', '5s'),
                            ('RATE_LIMIT_REQUESTS', '1e3'), ('RATE_LIMIT_REQUESTS', '99999999999999999999'),
                            ('DATABASE_TIMEOUT', '1'), ('HOST', '')):
            for command in ('check', 'serve'):
                with self.subTest(f'{command} {name}={value}'):
                    self.refuse(command, names=(name,), seconds=5, **{name: value})

    def test_a_short_secret_stops_the_start_and_is_not_shown(self):
        line = self.refuse('serve', JWT_SECRET='tooshort-tooshort', names=('JWT_SECRET', '32'))
        self.assertNotIn('tooshort', line)

    def test_lanes_are_least_and_most(self):
        for value in ('5', '5/', '/5', '6/5', '1/0', 'a/b', '1/2/3', '-1/2', '1/9999'):
            with self.subTest(value):
                self.refuse('check', LANE_READ=value, names=('LANE_READ',))
        self.run_ok('check', LANE_READ='20/75')

    def test_a_store_that_is_not_known_stops_the_start(self):
        line = self.refuse('check', DATABASE_URL='mysql://me:hidden-word@127.0.0.1/x', names=('DATABASE_URL',))
        self.assertNotIn('hidden-word', line)

    def test_nodes_share_their_secret(self):
        line = self.refuse('serve', DATABASE_URL='postgresql://me:hidden-word@127.0.0.1:1/x', JWT_SECRET=None,
                           names=('JWT_SECRET', 'PostgreSQL'))
        self.assertNotIn('hidden-word', line)

    def test_a_redis_that_cannot_be_understood_stops_the_start(self):
        for url in ('http://me:hidden-word@127.0.0.1/', 'rediss://me:hidden-word@127.0.0.1/', 'redis://:hidden-word@/',
                    'redis://127.0.0.1:99999/0'):
            with self.subTest(url):
                status, _, err = self.server.run('serve', REDIS_URL=url)
                self.assertNotEqual(status, 0)
                self.assertIn('REDIS_URL', err)
                self.assertNotIn('hidden-word', err)

    def test_unknown_names_of_ours_stop_the_start(self):
        self.refuse('check', GATEHOUSE_PORT='5', names=('GATEHOUSE_PORT',))

    def test_the_wrong_secret_stops_the_start(self):
        """The signing keys cannot be opened: nothing is served, and nothing is made anew."""
        self.server.run('keys', 'list', JWT_SECRET='a' * 40)
        status, _, err = self.server.run('serve', JWT_SECRET='b' * 40)
        self.assertNotEqual(status, 0)
        self.assertIn('JWT_SECRET', err)
        self.assertEqual(self.server.query('select count(*) as n from signing_keys')[0]['n'], 1)

    def test_a_data_dir_that_cannot_be(self):
        with open(self.server.path('file'), 'w') as file:
            file.write('x')
        self.refuse('serve', DATA_DIR=self.server.path('file'), names=('DATA_DIR',))
        self.refuse('serve', DATA_DIR='/proc/nowhere', names=('DATA_DIR',))

    def test_text_lines_if_wanted(self):
        self.server.start(LOG_FORMAT='text')
        with Api(self.server) as api:
            api.get('/health/live')
        time.sleep(0.3)
        self.assertFalse(self.server.lines())
        self.assertTrue(self.server.text())


class Words(Commands):
    def test_routes(self):
        lines = self.run_ok('routes').splitlines()
        self.assertGreater(len(lines), 40)
        for line in lines:
            self.assertRegex(line, r'^(GET|POST|PUT|PATCH|DELETE|ANY) +/\S* +\S+ +\S+ +\S+$')

    def test_version_and_help(self):
        self.assertRegex(self.run_ok('--version'), r'\d+\.\d+')
        self.assertIn('user add', self.run_ok('--help'))

    def test_what_is_no_command(self):
        for args in (('sevre',), ('user',), ('user', 'fly'), ('serve', 'now'), ('--port', '5'), ('user', 'add'),
                     ('user', 'add', '--email'), ('user', 'add', '--email', 'a@example.com'), ('check', '--email', 'a'),
                     ('routes', '--status')):
            with self.subTest(args):
                self.refuse(*args)

    def test_commands_that_only_print_touch_nothing(self):
        for args in (('routes',), ('openapi',), ('--version',), ('--help',), ('check',)):
            self.run_ok(*args)
        self.assertFalse(os.path.exists(self.server.data))

    def test_output_that_nobody_reads_is_no_crash(self):
        done = subprocess.run(f'"{self.server.binary}" openapi | head -c 10', shell=True, env=self.server.environment(),
                              capture_output=True, text=True)
        self.assertEqual(len(done.stdout), 10)
        self.assertNotIn('Sanitizer', done.stderr)


class Schema(Commands):
    def test_status_and_migrate(self):
        self.run_ok('migrate')
        out = self.run_ok('migrate', '--status')
        here, known = (int(n) for n in re.search(r'schema (\d+)\D+(\d+)', out).groups())
        self.assertEqual(here, known)
        self.run_ok('migrate')

    @about('sqlite')
    def test_status_of_nothing_makes_nothing(self):
        self.server.run('migrate', '--status')
        self.assertFalse(os.path.exists(os.path.join(self.server.data, 'gatehouse.db')))

    def test_a_newer_schema_is_refused(self):
        self.run_ok('migrate')
        self.server.query("insert into schema_migrations (number, name, applied_at) values (99, 'future', 1)")
        for command in (('serve',), ('migrate',)):
            status, _, err = self.server.run(*command)
            self.assertNotEqual(status, 0, command)
            self.assertRegex(err, r'99|newer')

    @about('sqlite')
    def test_a_file_that_is_no_database_is_refused(self):
        os.mkdir(self.server.data, 0o700)
        with open(os.path.join(self.server.data, 'gatehouse.db'), 'w') as file:
            file.write('this is no database' * 1000)
        status, _, err = self.server.run('serve')
        self.assertNotEqual(status, 0)
        self.assertTrue(err.strip())
        with open(os.path.join(self.server.data, 'gatehouse.db')) as file:
            self.assertTrue(file.read().startswith('this is no database'))

    @about('sqlite')
    def test_the_store_is_durable(self):
        self.server.start()
        base = self.server.database()
        self.assertEqual(base.execute('pragma journal_mode').fetchone()[0], 'wal')
        base.close()


class FirstStart(Commands):
    def banner(self, last):
        """What it has said when this word is there."""
        until = time.monotonic() + 5
        while last not in self.server.text('out'):
            self.assertLess(time.monotonic(), until, self.server.text('out'))
            time.sleep(0.05)
        return self.server.text('out')

    def test_the_banner(self):
        self.server.start()
        out = self.banner('user add')
        self.assertIn(str(self.server.port), out)
        self.assertRegex(out.lower(), 'postgres' if ENGINE == 'postgres' else 'sqlite|embedded')
        self.assertIn('redis' if ENGINE == 'postgres' else 'memory', out.lower())
        self.assertNotRegex(out, r'://\w*:\w+@', 'a password')
        self.assertIn('user add', out)

    def test_what_it_tells_to_do_makes_the_first_admin(self):
        self.server.start()
        line = next(line for line in self.banner('user add').splitlines() if 'user add' in line)
        done = subprocess.run(line.replace('PASSWORD', PASSWORD), shell=True, env=self.server.environment(),
                              cwd=self.server.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, f'{line}: {done.stderr}')
        me = Person(self.server, 'you@example.com')
        self.assertEqual(claims(me.token)['role'], 'admin')

    def test_with_an_admin_nothing_of_it(self):
        self.server.add_user('admin')
        self.server.start()
        self.assertNotIn('user add', self.banner(str(self.server.port)))

    def test_a_free_port(self):
        self.server.launch(PORT=0)
        until = time.monotonic() + 20
        while not (found := re.search(r':(\d{4,5})\b', self.server.text('out'))):
            self.assertLess(time.monotonic(), until, self.server.text())
            time.sleep(0.05)
        self.server.port = int(found[1])
        self.server.until_ready()

    def test_one_worker_and_many(self):
        for n in (1, 3):
            self.server.start(WORKERS=n)
            self.assertEqual(len(self.server.workers()), n)
            self.server.stop()

    def test_an_end_in_the_middle_of_the_start(self):
        for pause in (0, 0.02, 0.05, 0.1, 0.2, 0.4):
            self.server.launch()
            time.sleep(pause)
            pids = self.server.pids()
            self.server.signal(signal.SIGTERM)
            self.server.process.wait(20)
            self.server.assert_sane()
            until = time.monotonic() + 5
            while any(alive(pid) for pid in pids):
                self.assertLess(time.monotonic(), until, 'a process outlives the server')
                time.sleep(0.02)
        self.server.start()


if __name__ == '__main__':
    unittest.main()
