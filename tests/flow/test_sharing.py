"""Teams, projects and the tree of generations: who reaches what, by which path, and nobody a moment longer."""
import unittest

from support import Api, Case, Server, fresh_email, register, uuid7

server = None
people = {}


def setUpModule():
    global server
    server = Server().start()
    for name in ('ann', 'bob', 'cat', 'dan'):
        people[name] = register(server)


def tearDownModule():
    for who in people.values():
        who.close()
    server.finish()


def ann():
    return people['ann']


def put(who, path, body=None):
    return who.call('PUT', path, body)


class Teams(Case):
    def setUp(self):
        self.team = ann().made('teams', {'name': 'team', 'max_members': 3})['id']

    def join(self, who, role):
        return self.assert_status(put(ann(), f'teams/{self.team}/members/{who.id}', {'role': role}), 200)

    def test_who_makes_it_owns_it(self):
        items = ann().get(f'teams/{self.team}/members').json['items']
        self.assertEqual([(item['user_id'], item['role']) for item in items], [(ann().id, 'owner')])
        self.assertIn(self.team, [item['id'] for item in ann().get('teams').json['items']])

    def test_strangers_see_nothing(self):
        for path in (f'teams/{self.team}', f'teams/{self.team}/members', f'teams/{self.team}/members/{ann().id}',
                     f'teams/{self.team}/invitations'):
            with self.subTest(path):
                self.assert_problem(people['bob'].get(path), 404)
        self.assertNotIn(self.team, [item['id'] for item in people['bob'].get('teams').json['items']])

    def test_a_membership_is_in_force_at_once_and_gone_at_once(self):
        bob = people['bob']
        self.assertEqual(self.join(bob, 'viewer').json['role'], 'viewer')
        self.assert_status(bob.get(f'teams/{self.team}'), 200)
        self.assertIn(self.team, [item['id'] for item in bob.get('teams').json['items']])
        self.assert_problem(bob.patch(f'teams/{self.team}', {'name': 'x'}), 403)
        self.join(bob, 'admin')
        self.assert_status(bob.patch(f'teams/{self.team}', {'name': 'x'}), 200)
        self.assert_status(ann().delete(f'teams/{self.team}/members/{bob.id}'), 204)
        self.assert_problem(bob.get(f'teams/{self.team}'), 404)

    def test_an_admin_makes_no_owner_and_ends_none(self):
        bob, cat = people['bob'], people['cat']
        self.join(bob, 'admin')
        self.assert_problem(put(bob, f'teams/{self.team}/members/{cat.id}', {'role': 'owner'}), 403)
        self.assert_problem(put(bob, f'teams/{self.team}/members/{bob.id}', {'role': 'owner'}), 403)
        self.join(cat, 'owner')
        self.assert_problem(put(bob, f'teams/{self.team}/members/{cat.id}', {'role': 'viewer'}), 403)
        self.assert_problem(bob.delete(f'teams/{self.team}/members/{cat.id}'), 403)
        self.assert_problem(bob.delete(f'teams/{self.team}'), 403)

    def test_the_founder_stays(self):
        self.join(people['bob'], 'owner')
        self.assert_problem(people['bob'].delete(f'teams/{self.team}/members/{ann().id}'), 409)
        self.assert_problem(put(people['bob'], f'teams/{self.team}/members/{ann().id}', {'role': 'viewer'}), 409)
        self.assert_problem(ann().delete(f'teams/{self.team}/members/{ann().id}'), 409)

    def test_everybody_may_leave(self):
        self.join(people['bob'], 'viewer')
        self.assert_status(people['bob'].delete(f'teams/{self.team}/members/{people["bob"].id}'), 204)
        self.assert_problem(people['bob'].get(f'teams/{self.team}'), 404)

    def test_a_member_ends_no_other(self):
        self.join(people['bob'], 'editor')
        self.join(people['cat'], 'viewer')
        self.assert_problem(people['bob'].delete(f'teams/{self.team}/members/{people["cat"].id}'), 403)

    def test_no_more_than_it_holds(self):
        self.join(people['bob'], 'viewer')
        self.join(people['cat'], 'viewer')
        self.assert_problem(put(ann(), f'teams/{self.team}/members/{people["dan"].id}', {'role': 'viewer'}), 409,
                            'team_full')
        self.join(people['cat'], 'editor')
        self.assert_problem(ann().patch(f'teams/{self.team}', {'max_members': 2}), 409, 'team_full')

    def test_a_user_who_is_not_there(self):
        self.assert_problem(put(ann(), f'teams/{self.team}/members/{uuid7()}', {'role': 'viewer'}), 404)
        self.assert_problem(ann().delete(f'teams/{self.team}/members/{uuid7()}'), 404)
        self.assert_problem(ann().get(f'teams/{self.team}/members/{uuid7()}'), 404)

    def test_bad_input(self):
        bob = people['bob']
        self.assert_fault(put(ann(), f'teams/{self.team}/members/{bob.id}', {'role': 'king'}), 'role')
        self.assert_problem(put(ann(), f'teams/{self.team}/members/{bob.id}', {}), 422)
        self.assert_problem(put(ann(), f'teams/{self.team}/members/x', {'role': 'viewer'}), 400)
        self.assert_fault(ann().post('teams', {'name': 'x', 'max_members': 0}), 'max_members')

    def test_deleted_it_is_gone_for_all(self):
        self.join(people['bob'], 'viewer')
        self.assert_status(people['bob'].get(f'teams/{self.team}'), 200)
        self.assert_status(ann().delete(f'teams/{self.team}'), 204)
        self.assert_problem(people['bob'].get(f'teams/{self.team}'), 404)
        self.assert_problem(ann().get(f'teams/{self.team}'), 404)

    def test_a_team_that_a_project_is_shared_with_stays(self):
        ann().made('projects', {'name': 'p', 'team_id': self.team})
        self.assert_problem(ann().delete(f'teams/{self.team}'), 409, 'in_use')


class Invitations(Case):
    def setUp(self):
        self.team = ann().made('teams', {'name': 'team'})['id']

    def invite(self, who, **more):
        return ann().made(f'teams/{self.team}/invitations', {'email': who.email, **more})

    def test_accepted_it_makes_a_member(self):
        bob = people['bob']
        made = self.invite(bob, role='editor')
        reply = bob.post('invitations/accept', {'token': made['token']})
        self.assert_status(reply, 200)
        self.assertEqual(reply.json['role'], 'editor')
        self.assert_status(bob.get(f'teams/{self.team}'), 200)
        self.assert_problem(bob.post('invitations/accept', {'token': made['token']}), 404)

    def test_it_is_for_one_person(self):
        made = self.invite(people['bob'])
        self.assert_problem(people['cat'].post('invitations/accept', {'token': made['token']}), 404)

    def test_the_token_is_needed_and_shown_once(self):
        made = self.invite(people['bob'])
        self.assert_problem(people['bob'].post('invitations/accept', {'token': 'ghi_' + 'x' * 43}), 404)
        shown = ann().get(f'teams/{self.team}/invitations/{made["id"]}')
        self.assertNotIn(made['token'], shown.body.decode())
        self.assertNotIn(made['token'], str(server.query('select * from invitations')))

    def test_withdrawn_it_is_void(self):
        made = self.invite(people['bob'])
        self.assert_status(ann().delete(f'teams/{self.team}/invitations/{made["id"]}'), 204)
        self.assert_problem(people['bob'].post('invitations/accept', {'token': made['token']}), 404)

    def test_void_when_who_invited_may_no_more(self):
        put(ann(), f'teams/{self.team}/members/{people["cat"].id}', {'role': 'admin'})
        made = people['cat'].made(f'teams/{self.team}/invitations', {'email': people['bob'].email})
        put(ann(), f'teams/{self.team}/members/{people["cat"].id}', {'role': 'viewer'})
        self.assert_problem(people['bob'].post('invitations/accept', {'token': made['token']}), 404)

    def test_who_may_not_share_invites_nobody(self):
        put(ann(), f'teams/{self.team}/members/{people["cat"].id}', {'role': 'editor'})
        self.assert_problem(people['cat'].post(f'teams/{self.team}/invitations', {'email': fresh_email()}), 403)
        self.assert_problem(people['dan'].post(f'teams/{self.team}/invitations', {'email': fresh_email()}), 404)


class Projects(Case):
    def setUp(self):
        self.project = ann().made('projects', {'name': 'p'})['id']

    def sees(self, who):
        got = who.get(f'projects/{self.project}').status
        listed = self.project in [item['id'] for item in who.walk('projects')]
        self.assertEqual(got == 200, listed, 'the list and the gate differ')
        return got == 200

    def show(self, visibility):
        self.assert_status(ann().patch(f'projects/{self.project}', {'visibility': visibility}), 200)

    def team(self, who, role='viewer'):
        team = ann().made('teams', {'name': 't'})['id']
        self.assert_status(put(ann(), f'teams/{team}/members/{who.id}', {'role': role}), 200)
        return team

    def test_private_is_the_owners(self):
        self.assertTrue(self.sees(ann()))
        self.assertFalse(self.sees(people['bob']))

    def test_a_collaborator(self):
        bob, path = people['bob'], f'projects/{self.project}/collaborators/{people["bob"].id}'
        self.assert_status(put(ann(), path, {'access': 'read'}), 200)
        self.assertTrue(self.sees(bob))
        self.assert_problem(bob.patch(f'projects/{self.project}', {'name': 'x'}), 403)
        self.assert_status(put(ann(), path, {'access': 'write'}), 200)
        self.assert_status(bob.patch(f'projects/{self.project}', {'name': 'x'}), 200)
        self.assert_problem(bob.patch(f'projects/{self.project}', {'visibility': 'public_full'}), 403)
        self.assert_problem(bob.delete(f'projects/{self.project}'), 403)
        self.assert_status(ann().delete(path), 204)
        self.assertFalse(self.sees(bob))
        self.assert_problem(ann().delete(path), 404)

    def test_who_shares_does_not_share_more_than_he_has(self):
        bob, cat = people['bob'], people['cat']
        put(ann(), f'projects/{self.project}/collaborators/{bob.id}', {'access': 'share'})
        self.assert_problem(put(bob, f'projects/{self.project}/collaborators/{cat.id}', {'access': 'admin'}), 403)
        self.assert_problem(put(bob, f'projects/{self.project}/collaborators/{bob.id}', {'access': 'admin'}), 403)
        self.assert_status(put(bob, f'projects/{self.project}/collaborators/{cat.id}', {'access': 'share'}), 200)
        put(ann(), f'projects/{self.project}/collaborators/{cat.id}', {'access': 'admin'})
        self.assert_problem(put(bob, f'projects/{self.project}/collaborators/{cat.id}', {'access': 'read'}), 403)
        self.assert_problem(bob.delete(f'projects/{self.project}/collaborators/{cat.id}'), 403)

    def test_a_team_by_visibility(self):
        bob = people['bob']
        team = self.team(bob, 'contributor')
        self.assert_status(put(ann(), f'projects/{self.project}/teams/{team}'), 200)
        self.assertFalse(self.sees(bob))
        self.show('team_restricted')
        self.assertTrue(self.sees(bob))
        self.assert_status(ann().delete(f'teams/{team}/members/{bob.id}'), 204)
        self.assertFalse(self.sees(bob))
        put(ann(), f'teams/{team}/members/{bob.id}', {'role': 'viewer'})
        self.assertTrue(self.sees(bob))
        self.assert_status(ann().delete(f'projects/{self.project}/teams/{team}'), 204)
        self.assertFalse(self.sees(bob))

    def test_the_owners_other_teams(self):
        self.team(people['cat'])
        self.show('team_restricted')
        self.assertFalse(self.sees(people['cat']))
        self.show('team_open')
        self.assertTrue(self.sees(people['cat']))

    def test_the_first_team_is_one_of_its_teams(self):
        team = self.team(people['bob'])
        made = ann().made('projects', {'name': 'q', 'team_id': team, 'visibility': 'team_restricted'})['id']
        self.assertEqual([item['team_id'] for item in ann().get(f'projects/{made}/teams').json['items']], [team])
        self.assert_status(people['bob'].get(f'projects/{made}'), 200)
        self.assert_status(ann().delete(f'projects/{made}/teams/{team}'), 204)
        self.assertIsNone(ann().get(f'projects/{made}').json['team_id'])

    def test_a_team_that_one_is_not_in(self):
        team = people['bob'].made('teams', {'name': 't'})['id']
        self.assert_problem(put(ann(), f'projects/{self.project}/teams/{team}'), 404)
        self.assert_fault(ann().post('projects', {'name': 'x', 'team_id': team}), 'team_id')

    def test_public(self):
        self.show('public_read')
        self.assertTrue(self.sees(people['dan']))
        self.assert_problem(people['dan'].patch(f'projects/{self.project}', {'name': 'x'}), 403)
        with Api(server) as nobody:
            self.assert_problem(nobody.get(f'projects/{self.project}'), 401)
            self.show('public_full')
            self.assert_status(nobody.get(f'projects/{self.project}'), 200)
            self.show('private')
            self.assert_problem(nobody.get(f'projects/{self.project}'), 401)
            self.assert_problem(nobody.get(f'projects/{uuid7()}'), 401)
        self.assertFalse(self.sees(people['dan']))

    def test_with_generations_it_stays(self):
        ann().made('generations', {'project_id': self.project, 'prompt': 'x'})
        self.assert_problem(ann().delete(f'projects/{self.project}'), 409, 'in_use')


class Generations(Case):
    def setUp(self):
        self.bob = people['bob']
        self.project = ann().made('projects', {'name': 'p'})['id']
        self.share(self.bob, 'write')

    def share(self, who, access):
        path = f'projects/{self.project}/collaborators/{who.id}'
        self.assert_status(put(ann(), path, {'access': access}), 200)

    def make(self, who, parent=None, **more):
        body = {'project_id': self.project, 'prompt': 'x', **more}
        return who.made('generations', {**body, 'parent_id': parent} if parent else body)

    def sees(self, who, id):
        got = who.get(f'generations/{id}').status
        listed = id in [item['id'] for item in who.walk('generations')]
        self.assertEqual(got == 200, listed, 'the list and the gate differ')
        return got == 200

    def test_its_place_in_the_tree(self):
        root = self.make(ann())
        self.assertEqual((root['kind'], root['depth'], root['root_id'], root['status']),
                         ('original', 0, root['id'], 'pending'))
        child = self.make(self.bob, root['id'], kind='remix')
        self.assertEqual((child['kind'], child['depth'], child['root_id']), ('remix', 1, root['id']))
        self.assertEqual(self.make(self.bob, child['id'])['kind'], 'iterate')
        self.assert_problem(ann().delete(f'generations/{root["id"]}'), 409, 'in_use')

    def test_at_most_ten_deep(self):
        at = self.make(ann())['id']
        for _ in range(10):
            at = self.make(ann(), at)['id']
        self.assert_fault(ann().post('generations', {'project_id': self.project, 'prompt': 'x', 'parent_id': at}),
                          'parent_id')

    def test_kinds_fit_the_place(self):
        root = self.make(ann())['id']
        for body, field in (({'kind': 'remix'}, 'kind'), ({'kind': 'original', 'parent_id': root}, 'kind'),
                            ({'parent_id': uuid7()}, 'parent_id'), ({'project_id': uuid7()}, 'project_id')):
            with self.subTest(body):
                self.assert_fault(ann().post('generations', {'project_id': self.project, 'prompt': 'x', **body}), field)

    def test_only_who_may_create_in_the_project_does(self):
        self.share(people['cat'], 'read')
        body = {'project_id': self.project, 'prompt': 'x'}
        self.assert_problem(people['cat'].post('generations', body), 403)
        self.assert_fault(people['dan'].post('generations', body), 'project_id')

    def test_its_task_moves_it(self):
        made = self.make(ann())
        claimed = [item for item in ann().post('tasks/claim', {'limit': 100}).json['items'] if item['id'] == made['id']]
        self.assertEqual(len(claimed), 1)
        self.assertEqual(claimed[0]['input']['prompt'], 'x')
        now = ann().get(f'generations/{made["id"]}').json
        self.assertEqual((now['status'], now['version']), ('processing', 2))
        ann().post(f'tasks/{made["id"]}/complete', {'lease': claimed[0]['lease'], 'result': {'media': 1}})
        self.assertEqual(ann().get(f'generations/{made["id"]}').json['status'], 'completed')

    def test_cancelled_with_its_task(self):
        made = self.make(ann())
        self.assert_status(ann().post(f'tasks/{made["id"]}/cancel'), 200)
        self.assertEqual(ann().get(f'generations/{made["id"]}').json['status'], 'cancelled')
        made = self.make(ann())
        self.assert_status(ann().delete(f'tasks/{made["id"]}'), 204)
        self.assertEqual(ann().get(f'generations/{made["id"]}').json['status'], 'cancelled')

    def test_deleted_its_task_goes_with_it(self):
        made = self.make(ann())
        self.assert_status(ann().delete(f'generations/{made["id"]}'), 204)
        self.assert_problem(ann().get(f'tasks/{made["id"]}'), 404)
        self.assert_problem(ann().get(f'generations/{made["id"]}'), 404)

    def test_reached_by_the_project(self):
        made = self.make(ann())['id']
        self.assertTrue(self.sees(self.bob, made))
        self.assertFalse(self.sees(people['cat'], made))
        self.share(people['cat'], 'read')
        self.assertTrue(self.sees(people['cat'], made))
        ann().delete(f'projects/{self.project}/collaborators/{people["cat"].id}')
        self.assertFalse(self.sees(people['cat'], made))

    def test_public_with_its_project(self):
        made = self.make(ann())['id']
        for visibility, seen in (('public_read', True), ('private', False), ('public_full', True),
                                 ('team_open', False)):
            self.assert_status(ann().patch(f'projects/{self.project}', {'visibility': visibility}), 200)
            self.assertEqual(self.sees(people['dan'], made), seen, visibility)
            later = self.make(ann())['id']
            self.assertEqual(self.sees(people['dan'], later), seen, visibility)

    def test_who_owns_an_ancestor_reads_what_was_derived(self):
        root = self.make(self.bob)['id']
        child = self.make(ann(), root)['id']
        ann().delete(f'projects/{self.project}/collaborators/{self.bob.id}')
        self.assertTrue(self.sees(self.bob, root))
        self.assertTrue(self.sees(self.bob, child))
        self.assert_problem(self.bob.patch(f'generations/{child}', {'prompt': 'y'}), 403)
        self.assertFalse(self.sees(self.bob, self.make(ann())['id']))

    def test_a_restriction_binds_all_below(self):
        root = self.make(self.bob)['id']
        child = self.make(ann(), root)['id']
        below = self.make(ann(), child)['id']
        until = '2999-01-01T00:00:00Z'
        reply = self.bob.patch(f'generations/{root}', {'restrictions': {'until': until, 'access': ['read'],
                                                                      'users': [ann().id]}})
        self.assert_status(reply, 200)
        self.assertEqual([self.sees(ann(), id) for id in (root, child, below)], [True, False, False])
        self.assertEqual([self.sees(self.bob, id) for id in (root, child, below)], [True, True, True])
        write = {'restrictions': {'until': until, 'access': ['write']}}
        self.assert_status(self.bob.patch(f'generations/{root}', write), 200)
        self.assertEqual([self.sees(ann(), id) for id in (root, child, below)], [True, True, True])
        self.assert_problem(ann().patch(f'generations/{below}', {'prompt': 'y'}), 403)
        self.assert_status(self.bob.patch(f'generations/{root}', {'restrictions': None}), 200)
        self.assert_status(ann().patch(f'generations/{below}', {'prompt': 'y'}), 200)

    def test_a_restriction_ends_at_its_time(self):
        root = self.make(self.bob)['id']
        child = self.make(ann(), root)['id']
        self.bob.patch(f'generations/{root}', {'restrictions': {'until': '2001-01-01T00:00:00Z'}})
        self.assertTrue(self.sees(ann(), child))

    def test_restrictions_that_cannot_be_read(self):
        root = self.make(self.bob)['id']
        until = '2999-01-01T00:00:00Z'
        for bad in ({}, {'until': 'tomorrow'}, {'until': 5}, {'until': until, 'access': []},
                    {'until': until, 'access': ['fly']}, {'until': until, 'users': ['x']},
                    {'until': until, 'users': [uuid7() for _ in range(9)]}, {'until': until, 'more': 1}):
            with self.subTest(bad):
                self.assert_problem(self.bob.patch(f'generations/{root}', {'restrictions': bad}), 422)

    def test_who_may_write_does_not_restrict(self):
        made = self.make(ann())['id']
        restriction = {'restrictions': {'until': '2999-01-01T00:00:00Z'}}
        self.assert_problem(self.bob.patch(f'generations/{made}', restriction), 403)

    def test_filters(self):
        one, two = self.make(ann()), self.make(self.bob)
        child = self.make(ann(), one['id'], kind='fork')
        self.assertEqual({item['id'] for item in ann().walk('generations', project_id=self.project)},
                         {one['id'], two['id'], child['id']})
        self.assertEqual([item['id'] for item in ann().walk('generations', parent_id=one['id'])], [child['id']])
        self.assertEqual([item['id'] for item in ann().walk('generations', project_id=self.project, kind='fork')],
                         [child['id']])
        self.assertEqual(list(ann().walk('generations', project_id=self.project, status='failed')), [])

    def test_pages_hold_each_once(self):
        wanted = {self.make(ann())['id'] for _ in range(7)} | {self.make(self.bob)['id'] for _ in range(6)}
        found = [item['id'] for item in self.bob.walk('generations', limit=4, project_id=self.project)]
        self.assertEqual(len(found), len(set(found)))
        self.assertEqual(set(found), wanted)


class Common(Case):
    def test_all_read_and_owners_change(self):
        for plural, body in (('models', {'name': 'm', 'model_version': '1'}),
                             ('templates', {'name': 't', 'rating': 4.5})):
            with self.subTest(plural):
                made = ann().made(plural, body)['id']
                self.assert_status(people['bob'].get(f'{plural}/{made}'), 200)
                self.assertIn(made, [item['id'] for item in people['bob'].walk(plural)])
                self.assert_problem(people['bob'].patch(f'{plural}/{made}', {'name': 'x'}), 403)
                self.assert_problem(people['bob'].delete(f'{plural}/{made}'), 403)
                self.assert_status(ann().patch(f'{plural}/{made}', {'name': 'x'}), 200)
                self.assert_status(ann().delete(f'{plural}/{made}'), 204)


if __name__ == '__main__':
    unittest.main()
