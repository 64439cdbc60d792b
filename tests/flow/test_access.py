"""Decisions that others ask for (OpenID AuthZEN 1.0), held against what the API itself does."""
import unittest

from support import Api, Case, Server, person, register, uuid7

GATES = ['uuid', 'rbac', 'ownership', 'context', 'inheritance', 'media', 'facts', 'audit', 'emergency', 'limit']

server = boss = ann = bob = cat = None
project = None


def setUpModule():
    global server, boss, ann, bob, cat, project
    server = Server().start()
    boss = person(server, 'admin')
    ann, bob, cat = (register(server) for _ in range(3))
    project = ann.made('projects', {'name': 'p'})['id']
    ann.call('PUT', f'projects/{project}/collaborators/{bob.id}', {'access': 'write'})


def tearDownModule():
    for who in (boss, ann, bob, cat):
        who.close()
    server.finish()


def question(who, action, id, type='project', **more):
    return {'subject': {'type': 'user', 'id': who if isinstance(who, str) else who.id},
            'action': {'name': action}, 'resource': {'type': type, 'id': id}, **more}


class Evaluation(Case):
    def ask(self, *args, by=None, **more):
        reply = (by or boss).post('/access/v1/evaluation', question(*args, **more))
        self.assert_status(reply, 200)
        return reply.json

    def test_as_the_api_decides(self):
        for who, action, allowed in ((ann, 'read', True), (ann, 'delete', True), (ann, 'admin', True),
                                     (bob, 'read', True), (bob, 'write', True),
                                     (bob, 'update', True), (bob, 'delete', False),
                                     (bob, 'share', False), (cat, 'read', False), (cat, 'project:read', False),
                                     (bob, 'project:update', True), (boss, 'read', False)):
            with self.subTest(f'{who.email} {action}'):
                told = self.ask(who, action, project)
                self.assertIs(told['decision'], allowed)
                self.assertRegex(told['context']['decision_id'], r'^[0-9a-f-]{36}$')

    def test_the_grant_path_is_named(self):
        self.assertEqual(self.ask(ann, 'read', project)['context']['path'], 'direct_ownership')
        self.assertEqual(self.ask(bob, 'read', project)['context']['path'], 'project_collaboration')

    def test_explain_lists_ten_gates(self):
        for who, allowed in ((bob, True), (cat, False)):
            told = self.ask(who, 'read', project, context={'explain': True})
            self.assertIs(told['decision'], allowed)
            gates = told['context']['gates']
            self.assertEqual([(gate['gate'], gate['name']) for gate in gates], list(enumerate(GATES, 1)))
            for gate in gates:
                self.assertEqual(set(gate), {'gate', 'name', 'verdict', 'reason', 'us'})
                self.assertIn(gate['verdict'], ('pass', 'deny', 'skip'))
            self.assertEqual([gate['name'] for gate in gates if gate['verdict'] == 'deny'],
                             [] if allowed else ['ownership'])

    def test_explain_names_every_gate_that_denies(self):
        viewer = person(server, 'viewer')
        told = self.ask(viewer, 'delete', project, context={'explain': True})
        denied = [gate['name'] for gate in told['context']['gates'] if gate['verdict'] == 'deny']
        self.assertEqual(denied, ['rbac', 'ownership'])
        self.assertEqual(told['context']['reason'], 'project:delete')

    def test_about_oneself(self):
        self.assertIs(self.ask(bob, 'read', project, by=bob)['decision'], True)
        told = self.ask(cat, 'read', project, by=cat)
        self.assertIs(told['decision'], False)
        absent = self.ask(cat, 'read', uuid7(), by=cat)
        self.assertEqual(set(told['context']), set(absent['context']), 'hidden and absent differ')

    def test_about_others_needs_a_permission(self):
        self.assert_problem(bob.post('/access/v1/evaluation', question(ann, 'read', project)), 403)
        reply = bob.post('/access/v1/evaluation', question(bob, 'read', project, context={'explain': True}))
        self.assert_problem(reply, 403)
        with Api(server) as nobody:
            self.assert_problem(nobody.post('/access/v1/evaluation', question(ann, 'read', project)), 401)

    def test_a_key_does_not_ask_as_its_owner(self):
        key = ann.made('api-keys', {'name': 'k', 'scopes': ['startup:read']})['key']
        with Api(server, key=key) as api:
            self.assert_problem(api.post('/access/v1/evaluation', question(ann, 'read', project)), 403)

    def test_what_is_not_there_is_no(self):
        for who, action, id, type in ((uuid7(), 'read', project, 'project'), ('x', 'read', project, 'project'),
                                      (ann, 'read', uuid7(), 'project'), (ann, 'read', 'x', 'project'),
                                      (ann, 'fly', project, 'project'), (ann, 'project:fly', project, 'project'),
                                      (ann, 'read', project, 'spaceship'), (ann, 'read', project, 'generation')):
            with self.subTest(f'{action} {type}'):
                self.assertIs(self.ask(who, action, id, type)['decision'], False)

    def test_what_cannot_be_read(self):
        good = question(ann, 'read', project)
        for bad in ({**good, 'subject': {}}, {**good, 'subject': {'type': 'user'}}, {**good, 'action': {}},
                    {**good, 'resource': {'type': 'project'}}, {**good, 'context': {'explain': 1}}):
            with self.subTest(bad):
                self.assert_problem(boss.post('/access/v1/evaluation', bad), 400)
        for bad in ({'subject': {}}, {**good, 'subject': 'ann'}, {**good, 'resource': None}, {}, []):
            with self.subTest(bad):
                self.assert_problem(boss.post('/access/v1/evaluation', bad), 400)

    def test_unknown_members_are_ignored(self):
        """AuthZEN 1.0: receivers ignore them; properties say nothing here."""
        asked = question(ann, 'read', project, more=1)
        for name in ('subject', 'action', 'resource'):
            asked[name].update(properties={'a': [1]}, colour='red')
        reply = boss.post('/access/v1/evaluation', asked)
        self.assert_status(reply, 200)
        self.assertIs(reply.json['decision'], True)

    def test_the_name_of_the_request_comes_back(self):
        reply = boss.call('POST', '/access/v1/evaluation', question(ann, 'read', project),
                          {'X-Request-ID': 'bfe9eb29-ab87-4ca3-be83-a1d5d8305716'})
        self.assertEqual(reply.get('X-Request-ID'), 'bfe9eb29-ab87-4ca3-be83-a1d5d8305716')

    def test_a_change_is_in_force_at_once(self):
        path = f'projects/{project}/collaborators/{cat.id}'
        ann.call('PUT', path, {'access': 'read'})
        self.assertIs(self.ask(cat, 'read', project)['decision'], True)
        ann.delete(path)
        self.assertIs(self.ask(cat, 'read', project)['decision'], False)

    def test_a_suspended_user_may_nothing(self):
        dan = register(server)
        mine = dan.made('projects', {'name': 'd'})['id']
        self.assertIs(self.ask(dan, 'read', mine)['decision'], True)
        self.assert_status(boss.patch(f'users/{dan.id}', {'status': 'suspended'}), 200)
        self.assertIs(self.ask(dan, 'read', mine)['decision'], False)

    def test_its_id_is_in_the_reply_and_the_log(self):
        reply = ann.get(f'projects/{project}')
        id = reply.get('Decision-Id')
        self.assertRegex(id, r'^[0-9a-f-]{36}$')
        line = server.wait_for_line(lambda told: told.get('decision_id') == id)
        self.assertEqual(line['path_granted'], 'direct_ownership')


class Evaluations(Case):
    def ask(self, body):
        reply = boss.post('/access/v1/evaluations', body)
        self.assert_status(reply, 200)
        return [one['decision'] for one in reply.json['evaluations']]

    def test_defaults_and_their_differences(self):
        whole = question(bob, 'read', project)
        ones = [{}, {'action': {'name': 'delete'}}, {'subject': {'type': 'user', 'id': ann.id}},
                {'resource': {'type': 'project', 'id': uuid7()}}]
        self.assertEqual(self.ask({**whole, 'evaluations': ones}), [True, False, True, False])

    def test_a_thousand(self):
        own = [ann.made('projects', {'name': str(n)})['id'] for n in range(20)]
        ones = [{'resource': {'type': 'project', 'id': own[n % 20]}} for n in range(1000)]
        whole = question(ann, 'read', project)
        self.assertEqual(self.ask({**whole, 'evaluations': ones}), [True] * 1000)
        self.assert_problem(boss.post('/access/v1/evaluations', {**whole, 'evaluations': ones + ones[:1]}), 400)

    def test_without_several_it_is_one(self):
        reply = boss.post('/access/v1/evaluations', question(ann, 'read', project))
        self.assertIs(reply.json['decision'], True)

    def test_semantics(self):
        whole = question(bob, 'read', project)
        ones = [{}, {'action': {'name': 'delete'}}, {}]
        for semantic, found in (('execute_all', [True, False, True]), ('deny_on_first_deny', [True, False]),
                                ('permit_on_first_permit', [True])):
            with self.subTest(semantic):
                options = {'evaluations_semantic': semantic}
                self.assertEqual(self.ask({**whole, 'evaluations': ones, 'options': options}), found)
        options = {'evaluations_semantic': 'whatever'}
        body = {**whole, 'evaluations': ones, 'options': options}
        self.assert_problem(boss.post('/access/v1/evaluations', body), 400)


class Search(Case):
    def find(self, what, body, by=None):
        found, token = [], ''
        while True:
            page = {'limit': 3, **({'token': token} if token else {})}
            reply = (by or boss).post(f'/access/v1/search/{what}', {**body, 'page': page})
            self.assert_status(reply, 200)
            found += reply.json['results']
            token = reply.json['page']['next_token']
            if not token:
                return found

    def test_resources_are_those_of_the_list(self):
        for who in (ann, bob, cat):
            body = question(who, 'read', '')
            body['resource'] = {'type': 'project'}
            found = {one['id'] for one in self.find('resource', body)}
            self.assertEqual(found, {item['id'] for item in who.walk('projects')})
            body['action'] = {'name': 'delete'}
            found = {one['id'] for one in self.find('resource', body, by=who)}
            self.assertEqual(found, {item['id'] for item in who.walk('projects') if item['owner_id'] == who.id})

    def test_subjects(self):
        body = question('', 'read', project)
        body['subject'] = {'type': 'user'}
        self.assertEqual({one['id'] for one in self.find('subject', body)}, {ann.id, bob.id})
        self.assert_problem(ann.post('/access/v1/search/subject', body), 403)

    def test_subjects_of_a_medium(self):
        """Whom its project and what it hangs on lead to it."""
        generation = ann.made('generations', {'project_id': project, 'prompt': 'p'})['id']
        remix = bob.made('generations', {'project_id': project, 'prompt': 'p', 'parent_id': generation})['id']
        medium = bob.made('media', {'generation_id': remix, 'name': 'm'})['id']
        body = {**question('', 'read', medium, 'media'), 'subject': {'type': 'user'}}
        self.assertEqual({one['id'] for one in self.find('subject', body)}, {ann.id, bob.id})
        body = {**question('', 'read', uuid7(), 'media'), 'subject': {'type': 'user'}}
        self.assertEqual(self.find('subject', body), [])

    def test_subjects_of_what_is_open_are_all(self):
        made = ann.made('projects', {'name': 'o', 'visibility': 'public_read'})['id']
        body = {**question('', 'read', made), 'subject': {'type': 'user'}}
        self.assertEqual({one['id'] for one in self.find('subject', body)},
                         {user['id'] for user in boss.walk('users') if user['status'] == 'active'})
        body['action'] = {'name': 'update'}
        self.assertEqual([one['id'] for one in self.find('subject', body)], [ann.id])

    def test_actions(self):
        def names(who):
            body = question(who, '', project)
            del body['action']
            reply = boss.post('/access/v1/search/action', body)
            self.assert_status(reply, 200)
            return [one['name'] for one in reply.json['results']]
        self.assertEqual(names(ann), ['read', 'create', 'update', 'delete', 'share', 'admin'])
        self.assertEqual(names(bob), ['read', 'create', 'update'])
        self.assertEqual(names(cat), [])

    def test_pages(self):
        body = question('', 'read', project)
        body['subject'] = {'type': 'user', 'id': 'is ignored'}
        reply = boss.post('/access/v1/search/subject', {**body, 'page': {'limit': 5000}})
        self.assert_status(reply, 200)
        for limit in (0, -1, 'x', 1.5):
            reply = boss.post('/access/v1/search/subject', {**body, 'page': {'limit': limit}})
            self.assert_problem(reply, 400)

    def test_the_action_of_a_search_for_actions_is_ignored(self):
        reply = boss.post('/access/v1/search/action', question(bob, 'delete', project))
        self.assertEqual([one['name'] for one in reply.json['results']], ['read', 'create', 'update'])

    def test_a_foreign_token(self):
        body = {**question('', 'read', project), 'subject': {'type': 'user'}, 'page': {'token': 'x'}}
        self.assert_problem(boss.post('/access/v1/search/subject', body), 400)


class Metadata(Case):
    PATH = '/.well-known/authzen-configuration'

    def test_it_names_what_answers(self):
        with (Server(PUBLIC_URL='https://gatehouse.example') as other, Api(other) as api,
              person(other, 'admin') as chief):
            reply = api.call('GET', self.PATH, None, {'Host': 'evil.example', 'X-Forwarded-Host': 'evil.example'})
            self.assert_status(reply, 200)
            self.assertEqual(reply.get('Content-Type'), 'application/json')
            told = reply.json
            self.assertEqual(told.pop('policy_decision_point'), 'https://gatehouse.example')
            self.assertEqual(set(told), {'access_evaluation_endpoint', 'access_evaluations_endpoint',
                                         'search_subject_endpoint', 'search_resource_endpoint',
                                         'search_action_endpoint'})
            self.assertNotIn('evil', reply.body.decode())
            asked = question(chief, 'read', uuid7())
            for member, url in told.items():
                with self.subTest(member):
                    self.assertTrue(url.startswith('https://gatehouse.example/access/v1/'))
                    reply = chief.post(url.removeprefix('https://gatehouse.example'), asked)
                    self.assert_status(reply, 200)
                    kind = 'results' if 'search' in member else 'decision'
                    self.assertIn(kind, reply.json)
            self.assertIn('evaluations', chief.post(
                told['access_evaluations_endpoint'].removeprefix('https://gatehouse.example'),
                {**asked, 'evaluations': [{}]}).json)

    def test_without_a_name_it_is_as_it_listens(self):
        with Api(server) as api:
            told = api.call('GET', self.PATH, None, {'Host': 'evil.example'}).json
        self.assertEqual(told['policy_decision_point'], f'http://127.0.0.1:{server.port}')

    def test_every_address_is_no_name(self):
        with Server(HOST='0.0.0.0') as other, Api(other) as api:
            self.assert_problem(api.call('GET', self.PATH, None, {'Host': 'evil.example'}), 404)


if __name__ == '__main__':
    unittest.main()
