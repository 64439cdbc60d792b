"""Whatever takes access away or gives it is in force when its reply is there: no worker answers from before.

SCENES holds one or more for every route that changes something; a new route without one fails here. In each, all
workers have answered by the old facts before, and are asked over many fresh connections behind the change."""
import re
import time
import unittest
from datetime import datetime, timedelta, timezone

from support import API, Api, Case, PASSWORD, Person, Server, claims, fresh_email, person, register

ASKED = 12          # fresh connections, over two workers: one that is asked by none comes up once in 2,048
NEVER = {'If-Match': '"v999"'}      # allowed is 412
FAR = '2999-01-01T00:00:00Z'

# What changes no row that anybody can have seen, and no right of anybody: it makes what is new, or prolongs.
NOTHING = {
    'POST auth/register', 'POST auth/login', 'POST auth/refresh', 'POST users', 'POST roles', 'POST api-keys',
    'POST signing-keys/rotate', 'POST startups', 'POST agents', 'POST tasks', 'POST tasks/{id}/heartbeat', 'POST teams',
    'POST teams/{id}/invitations', 'DELETE teams/{id}/invitations/{id}', 'POST projects', 'POST generations',
    'POST models', 'POST templates', 'POST media', 'POST media/{id}/sign',
    'DELETE roles/{id}',            # 409 while anybody has it
    'POST users/{id}/erase',        # of who is deleted already
}
# Proven by a file of their own.
ELSEWHERE = {'POST break-glass': 'test_modes', 'DELETE break-glass/{id}': 'test_modes'}

server = boss = ann = bob = None
SCENES = []         # (route, function)


def setUpModule():
    global server, boss, ann, bob
    server = Server().start()
    boss = person(server, 'admin')
    ann, bob = register(server), register(server)


def tearDownModule():
    for who in (boss, ann, bob):
        who.close()
    server.finish()


def scene(*routes):
    def mark(function):
        SCENES.extend((route, function) for route in routes[:1])
        PROVEN.update(routes)
        return function
    return mark


PROVEN = set()


# ---- what is seen ----

def see(path, *, who=None, key=None, method='GET', body=None, headers=(), tell=lambda reply: reply.status):
    """A look that can be had from any worker: what tell says of the reply. who: a person, or his token as of now."""
    token = getattr(who, 'token', who)

    def look():
        with Api(server, token=token, key=key) as api:
            return tell(api.call(method, path, body, headers))
    return look


def field(name):
    return lambda reply: reply.json.get(name) if reply.status == 200 else reply.status


def may(method, path, who=None, **more):
    """412: he may; 403: not this; 404: he does not even see it."""
    return see(path, who=who, method=method, body={} if method == 'PATCH' else None, headers=NEVER, **more)


def ok(reply, *wanted):
    assert reply.status in (wanted or (200, 201, 204)), repr(reply)
    return reply


def put(who, path, body=None):
    return ok(who.call('PUT', path, body))


class World:
    """Rows of one scene: ann's project and team, bob to see them."""

    def project(self, **more):
        return ann.made('projects', {'name': 'old', **more})['id']

    def team(self, role=None):
        team = ann.made('teams', {'name': 'old'})['id']
        if role:
            self.join(team, role)
        return team

    def join(self, team, role):
        put(ann, f'teams/{team}/members/{bob.id}', {'role': role})

    def share(self, project, access, who=None):
        put(ann, f'projects/{project}/collaborators/{(who or bob).id}', {'access': access})

    def shared_by_team(self, role, visibility='team_restricted'):
        team, project = self.team(role), self.project(visibility=visibility)
        put(ann, f'projects/{project}/teams/{team}')
        return team, project

    def generation(self, project, who=None, **more):
        return (who or ann).made('generations', {'project_id': project, 'prompt': 'old', **more})['id']


# ---- scenes: functions that give steps, each (what is done, [(look, what it sees then)]) ----

@scene('PUT teams/{id}/members/{id}')
def a_membership_and_its_role(w):
    team, project = w.shared_by_team(None)
    generation = w.generation(project)
    paths = [f'teams/{team}', f'projects/{project}', f'generations/{generation}']
    looks = [see(path, who=bob) for path in paths] + [may('PATCH', path, bob) for path in paths] + \
        [may('DELETE', path, bob) for path in paths[1:]]
    yield None, zip(looks, [404] * 8)
    for role, patch, delete in (('viewer', (403, 403, 403), 403), ('editor', (403, 412, 412), 403),
                                ('admin', (412, 412, 412), 412), ('contributor', (403, 403, 403), 403),
                                ('owner', (412, 412, 412), 412), ('viewer', (403, 403, 403), 403)):
        yield lambda: w.join(team, role), zip(looks, [200] * 3 + [*patch] + [delete] * 2)


@scene('DELETE teams/{id}/members/{id}')
def a_membership_ends(w):
    for who in (ann, bob):
        team, project = w.shared_by_team('editor')
        generation = w.generation(project)
        looks = [see(path, who=bob) for path in (f'teams/{team}', f'projects/{project}', f'generations/{generation}')]
        yield None, zip(looks, [200] * 3)
        yield lambda: ok(who.delete(f'teams/{team}/members/{bob.id}')), zip(looks, [404] * 3)


@scene('DELETE teams/{id}')
def a_team_ends(w):
    """An owner's team reaches all that is open to his teams. His only one, therefore."""
    owner = register(server)
    team = owner.made('teams', {'name': 'only'})['id']
    project = owner.made('projects', {'name': 'p', 'visibility': 'team_open'})['id']
    put(owner, f'teams/{team}/members/{bob.id}', {'role': 'viewer'})
    looks = [see(f'teams/{team}', who=bob), see(f'projects/{project}', who=bob)]
    yield None, zip(looks, [200, 200])
    yield lambda: ok(owner.delete(f'teams/{team}')), zip(looks, [404, 404])


@scene('POST invitations/accept')
def an_invitation_is_taken(w):
    team, project = w.shared_by_team(None)
    looks = [see(f'teams/{team}', who=bob), see(f'projects/{project}', who=bob)]
    reply = ok(ann.post(f'teams/{team}/invitations', {'email': bob.email, 'role': 'viewer'}))
    yield None, zip(looks, [404, 404])
    yield lambda: ok(bob.post('invitations/accept', {'token': reply.json['token']})), zip(looks, [200, 200])


@scene('PUT projects/{id}/collaborators/{id}')
def a_collaborator_and_his_access(w):
    project = w.project()
    generation = w.generation(project)
    paths = [f'projects/{project}', f'generations/{generation}']
    looks = [see(path, who=bob) for path in paths] + [may('PATCH', path, bob) for path in paths] + \
        [may('DELETE', path, bob) for path in paths]
    yield None, zip(looks, [404] * 6)
    for access, patch, delete in (('read', 403, 403), ('delete', 412, 412), ('write', 412, 403), ('admin', 412, 412),
                                  ('read', 403, 403)):
        yield lambda: w.share(project, access), zip(looks, [200] * 2 + [patch] * 2 + [delete] * 2)


@scene('DELETE projects/{id}/collaborators/{id}')
def a_collaborator_goes(w):
    for who in (ann, bob):
        project = w.project()
        generation = w.generation(project)
        w.share(project, 'share')
        looks = [see(path, who=bob) for path in (f'projects/{project}', f'generations/{generation}')]
        yield None, zip(looks, [200, 200])
        yield lambda: ok(who.delete(f'projects/{project}/collaborators/{bob.id}')), zip(looks, [404, 404])


@scene('PATCH projects/{id}')
def a_projects_visibility(w):
    """For a stranger, for nobody, for a member of one of its teams, for a member of another team of its owner."""
    cat, dan = register(server), register(server)
    team, project = w.shared_by_team('viewer', 'private')
    put(ann, f'teams/{w.team()}/members/{cat.id}', {'role': 'viewer'})
    generation = w.generation(project)
    looks = [see(path, who=who) for path in (f'projects/{project}', f'generations/{generation}')
             for who in (bob, cat, dan, None)]
    seen = {'private': [404, 404, 404, 401], 'team_restricted': [200, 404, 404, 401],
            'team_open': [200, 200, 404, 401], 'public_read': [200, 200, 200, 401], 'public_full': [200] * 4}
    yield None, zip(looks, seen['private'] * 2)
    for visibility in ('team_restricted', 'team_open', 'public_read', 'public_full', 'public_read', 'private',
                       'public_full', 'team_restricted', 'private'):
        yield (lambda: ok(ann.patch(f'projects/{project}', {'visibility': visibility})),
               zip(looks, seen[visibility] * 2))


@scene('PATCH projects/{id}')
def a_first_team(w):
    team, project = w.team('viewer'), w.project(visibility='team_restricted')
    looks = [see(f'projects/{project}', who=bob), see(f'projects/{project}', who=ann, tell=field('team_id'))]
    yield None, zip(looks, [404, None])
    yield lambda: ok(ann.patch(f'projects/{project}', {'team_id': team})), zip(looks, [200, team])
    yield lambda: ok(ann.delete(f'projects/{project}/teams/{team}')), zip(looks, [404, None])


@scene('PUT projects/{id}/teams/{id}', 'DELETE projects/{id}/teams/{id}')
def a_project_is_shared_with_a_team(w):
    team, project = w.team('editor'), w.project(visibility='team_restricted')
    generation = w.generation(project)
    looks = [see(f'projects/{project}', who=bob), may('PATCH', f'generations/{generation}', bob)]
    yield None, zip(looks, [404, 404])
    yield lambda: put(ann, f'projects/{project}/teams/{team}'), zip(looks, [200, 412])
    yield lambda: ok(ann.delete(f'projects/{project}/teams/{team}')), zip(looks, [404, 404])


@scene('PATCH generations/{id}')
def a_restriction_of_an_ancestor(w):
    """Set, narrowed, over at its time, set for him alone, taken back."""
    project = w.project()
    w.share(project, 'write')
    root = w.generation(project)
    child = w.generation(project, parent_id=root)
    below = w.generation(project, bob, parent_id=child)
    paths = [f'generations/{id}' for id in (root, child, below)]
    looks = [see(path, who=bob) for path in paths] + [may('PATCH', path, bob) for path in paths]

    def restrict(value):        # a merge patch: what shall not stay is null
        whole = value and {'access': None, 'users': None, **value}
        return lambda: ok(ann.patch(paths[0], {'restrictions': whole}))
    yield None, zip(looks, [200] * 3 + [412] * 3)
    yield restrict({'until': FAR}), zip(looks, [200, 404, 404, 412, 404, 404])
    yield restrict({'until': FAR, 'access': ['write']}), zip(looks, [200, 200, 200, 412, 403, 403])
    yield restrict({'until': FAR, 'users': [ann.id]}), zip(looks, [200] * 3 + [412] * 3)
    soon = stamp(2)
    yield restrict({'until': soon, 'users': [bob.id]}), [(looks[1], 404)]
    yield lambda: sleep_until(soon), zip(looks, [200] * 3 + [412] * 3)
    yield restrict({'until': FAR, 'access': ['read']}), zip(looks, [200, 404, 404, 412, 404, 404])
    yield restrict(None), zip(looks, [200] * 3 + [412] * 3)


def stamp(seconds):
    """The time in so many seconds, as the API takes it."""
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat().replace('+00:00', 'Z')


def sleep_until(moment):
    left = datetime.fromisoformat(moment) - datetime.now(timezone.utc)
    time.sleep(max(0.0, left.total_seconds()) + 0.05)


@scene('DELETE generations/{id}', 'DELETE projects/{id}')
def a_generation_and_then_its_project_end(w):
    project = w.project()
    w.share(project, 'admin')
    generation = w.generation(project)
    one, other = see(f'generations/{generation}', who=bob), see(f'projects/{project}', who=bob)
    yield None, [(one, 200), (other, 200)]
    yield lambda: ok(bob.delete(f'generations/{generation}')), [(one, 404), (other, 200)]
    yield lambda: ok(bob.delete(f'projects/{project}')), [(one, 404), (other, 404)]


@scene('PUT media/{id}/content', 'PATCH media/{id}', 'POST media/{id}/revoke', 'DELETE media/{id}')
def a_medium_and_its_signed_url(w):
    """The signer's access at that moment decides; the generation decides for both."""
    project = w.project()
    w.share(project, 'write')
    root = w.generation(project)
    path = f'media/{ann.made("media", {"generation_id": w.generation(project, parent_id=root)})["id"]}'
    content = see(f'{path}/content', who=bob)
    row = see(path, who=bob, tell=field('status'))
    yield None, [(content, 404), (row, 'empty')]
    yield lambda: put_bytes(ann, f'{path}/content'), [(content, 200), (row, 'ready')]
    name = see(path, who=bob, tell=field('name'))
    yield None, [(name, None)]
    yield lambda: ok(ann.patch(path, {'name': 'new'})), [(name, 'new')]

    def signed(who):
        return see(ok(who.post(f'{path}/sign', {'method': 'GET', 'expires_in': 3600})).json['url'])
    by_ann, by_bob = signed(ann), signed(bob)
    looks = [row, by_ann, by_bob]

    def restrict(value):
        return lambda: ok(ann.patch(f'generations/{root}', {'restrictions': value}))
    yield None, zip(looks, ['ready', 200, 200])
    yield restrict({'until': FAR, 'users': [bob.id]}), zip(looks, [404, 200, 404])
    yield restrict(None), zip(looks, ['ready', 200, 200])
    yield lambda: ok(ann.delete(f'projects/{project}/collaborators/{bob.id}')), zip(looks, [404, 200, 404])
    yield lambda: w.share(project, 'read'), zip(looks, ['ready', 200, 200])
    yield lambda: ok(ann.post(f'{path}/revoke')), zip(looks, ['ready', 404, 404])
    fresh = signed(bob)
    yield None, [(fresh, 200)]
    yield lambda: ok(ann.delete(path)), zip([row, fresh], [404, 404])


def put_bytes(who, path):
    return ok(who.call('PUT', path, b'\x89PNG\r\n\x1a\n' + bytes(64)))


# ---- who asks ----

def custom_role(*permits):
    return boss.made('roles', {'name': 'r' + fresh_email()[8:20], 'permissions': list(permits)})


def someone(role=None):
    who = register(server)
    if role:
        ok(boss.patch(f'users/{who.id}', {'role': role}))
        who.sign_in()
    return who


def key_of(who, *scopes, **more):
    reply = ok(who.post('api-keys', {'name': 'k', 'scopes': list(scopes), **more}))
    return reply.json['id'], re.search(r'gh_\w{8}_[\w-]{43}', reply.body.decode())[0]


@scene('PATCH roles/{id}')
def a_roles_permissions(_):
    role = custom_role('project:read', 'team:read')
    who = someone(role['name'])
    _, key = key_of(who, 'project:read', 'team:read')
    looks = [see(f'{plural}?limit=1', **by) for by in ({'who': who}, {'key': key}) for plural in ('projects', 'teams')]
    yield None, zip(looks, [200, 200] * 2)
    for permits, seen in ((['project:read'], [200, 403]), (['team:read'], [403, 200]), ([], [403, 403]),
                          (['project:read', 'team:read'], [200, 200])):
        yield lambda: ok(boss.patch(f'roles/{role["id"]}', {'permissions': permits})), zip(looks, seen * 2)


@scene('PATCH users/{id}')
def a_users_role(_):
    who = someone()
    _, key = key_of(who, 'project:read', 'project:create')
    by_key, by_token = see('projects', key=key, method='POST', body={}), see('auth/me', who=who.token)
    yield None, [(by_key, 422), (by_token, 200)]
    yield lambda: ok(boss.patch(f'users/{who.id}', {'role': 'viewer'})), [(by_key, 403), (by_token, 401)]
    yield lambda: ok(boss.patch(f'users/{who.id}', {'role': 'manager'})), [(by_key, 422), (by_token, 401)]


@scene('PATCH users/{id}')
def a_user_is_suspended(_):
    who = someone()
    _, key = key_of(who, 'project:read')
    looks = [see('projects', key=key), see('projects', who=who.token)]
    yield None, zip(looks, [200, 200])
    yield lambda: ok(boss.patch(f'users/{who.id}', {'status': 'suspended'})), zip(looks, [401, 401])
    yield lambda: ok(boss.patch(f'users/{who.id}', {'status': 'active'})), zip(looks, [200, 401])


@scene('DELETE users/{id}')
def a_user_is_deleted(_):
    who = someone()
    _, key = key_of(who, 'project:read')
    looks = [see('projects', key=key), see('projects', who=who.token)]
    yield None, zip(looks, [200, 200])
    yield lambda: ok(boss.delete(f'users/{who.id}')), zip(looks, [401, 401])


@scene('POST users/{id}/password')
def a_password_is_set(_):
    who = someone()
    look = see('auth/me', who=who.token)
    yield None, [(look, 200)]
    yield lambda: ok(boss.post(f'users/{who.id}/password', {'password': 'another one of them'})), [(look, 401)]


@scene('POST auth/password')
def a_password_is_changed(_):
    who = someone()
    other = who.again()
    look = see('auth/me', who=other.token)
    change = {'current_password': PASSWORD, 'new_password': 'another one of them'}
    yield None, [(look, 200)]
    yield lambda: ok(who.post('auth/password', change)), [(look, 401)]


@scene('POST auth/logout', 'DELETE sessions/{id}', 'DELETE sessions')
def sessions_end(_):
    who = someone()
    first, second, third = who.again(), who.again(), who.again()
    looks = [see('auth/me', who=one.token) for one in (first, second, third)]
    yield None, zip(looks, [200, 200, 200])
    yield lambda: ok(first.post('auth/logout')), zip(looks, [401, 200, 200])
    yield lambda: ok(who.delete(f'sessions/{claims(second.token)["sid"]}')), zip(looks, [401, 401, 200])
    yield lambda: ok(who.delete('sessions')), zip(looks, [401, 401, 401])


@scene('PATCH api-keys/{id}', 'DELETE api-keys/{id}')
def a_keys_scopes_and_end(_):
    who = someone()
    id, key = key_of(who, 'project:read')
    looks = [see('projects', key=key), see('teams', key=key)]
    yield None, zip(looks, [200, 403])
    yield lambda: ok(who.patch(f'api-keys/{id}', {'scopes': ['team:read']})), zip(looks, [403, 200])
    yield lambda: ok(who.delete(f'api-keys/{id}')), zip(looks, [401, 401])


@scene('PATCH api-keys/{id}')
def a_key_expires(_):
    who = someone()
    id, key = key_of(who, 'project:read')
    look = see('projects', key=key)
    yield None, [(look, 200)]
    soon = stamp(2)
    yield (lambda: ok(who.patch(f'api-keys/{id}', {'expires_at': soon})),
           [(look, 200)])
    yield lambda: sleep_until(soon), [(look, 401)]


@scene('POST api-keys/{id}/rotate')
def a_key_is_rotated(_):
    """The old one lives on for the overlap, and ends when it is told to."""
    who = someone()
    id, key = key_of(who, 'project:read')
    look = see('projects', key=key)
    yield None, [(look, 200)]
    yield lambda: ok(who.post(f'api-keys/{id}/rotate')), [(look, 200)]
    yield lambda: ok(who.delete(f'api-keys/{id}')), [(look, 401)]


@scene('POST restraints', 'DELETE restraints/{id}')
def somebody_is_held_back(_):
    who, row = register(server), {}
    look = see('projects', who=who)
    body = {'kind': 'principal', 'subject': who.id, 'level': 'block', 'until': stamp(3600)}
    yield None, [(look, 200)]
    yield lambda: row.update(boss.made('restraints', body)), [(look, 429)]
    yield lambda: ok(boss.delete(f'restraints/{row["id"]}')), [(look, 200)]


@scene('PUT mode')
def the_mode(_):
    looks = [see('projects', who=bob), see('projects', who=bob, method='POST', body={})]
    yield None, zip(looks, [200, 422])
    for mode, seen in (('read_only', [200, 503]), ('lockdown', [503, 503]), ('normal', [200, 422])):
        yield lambda: put(boss, 'mode', {'mode': mode, 'reason': 'a test of it'}), zip(looks, seen)


# ---- rows that are remembered: nobody sees the old one ----

BODIES = {'startups': {'name': 'old'}, 'agents': {'name': 'old'}, 'teams': {'name': 'old'}, 'projects': {'name': 'old'},
          'models': {'name': 'old'}, 'templates': {'name': 'old'}}


def row_scene(plural):
    @scene(f'PATCH {plural}/{{id}}', f'DELETE {plural}/{{id}}')
    def a_row_changes_and_ends(_):
        path = f'{plural}/{ann.made(plural, BODIES[plural])["id"]}'
        look = see(path, who=ann, tell=field('name'))
        yield None, [(look, 'old')]
        yield lambda: ok(ann.patch(path, {'name': 'new'})), [(look, 'new')]
        yield lambda: ok(ann.delete(path)), [(look, 404)]
    a_row_changes_and_ends.__name__ = f'one_of_the_{plural}'


for plural in BODIES:
    row_scene(plural)


@scene('POST tasks/claim', 'POST tasks/complete', 'POST tasks/{id}/complete', 'POST tasks/{id}/fail',
       'POST tasks/{id}/cancel', 'PATCH tasks/{id}', 'DELETE tasks/{id}')
def a_task_and_the_generation_that_it_makes(w):
    """They have one id; what becomes of the task becomes of the generation."""
    who = someone()
    project = who.made('projects', {'name': 'p'})['id']

    def start():
        id = who.made('generations', {'project_id': project, 'prompt': 'p'})['id']
        return id, [see(f'{plural}/{id}', who=who, tell=field('status')) for plural in ('tasks', 'generations')]

    def claim():
        return ok(who.post('tasks/claim', {'limit': 1})).json['items'][0]['lease']
    for verb, after in (('complete', 'completed'), ('batch', 'completed'), ('fail', None), ('cancel', 'cancelled')):
        id, looks = start()
        lease = {}
        yield None, zip(looks, ['pending', 'pending'])
        if verb != 'cancel':
            yield lambda: lease.update(lease=claim()), zip(looks, ['in_progress', 'processing'])
        if verb == 'batch':
            yield (lambda: ok(who.post('tasks/complete', {**lease, 'items': [{'id': id}]})), zip(looks, [after] * 2))
        elif verb == 'fail':
            yield lambda: ok(who.post(f'tasks/{id}/fail', {**lease, 'error': 'e'})), zip(looks, ['pending'] * 2)
            yield lambda: ok(who.post(f'tasks/{id}/cancel')), zip(looks, ['cancelled'] * 2)
        else:
            yield lambda: ok(who.post(f'tasks/{id}/{verb}', lease or None)), zip(looks, [after] * 2)
    id, looks = start()
    priority = see(f'tasks/{id}', who=who, tell=field('priority'))
    yield None, [(priority, 0), *zip(looks, ['pending', 'pending'])]
    yield lambda: ok(who.patch(f'tasks/{id}', {'priority': 7})), [(priority, 7)]
    yield lambda: ok(who.delete(f'tasks/{id}')), zip(looks, [404, 'cancelled'])


# ---- rules for requests to other services ----

@scene('POST upstreams', 'PATCH upstreams/{id}', 'DELETE upstreams/{id}')
def a_rule_is_made_changes_and_ends(_):
    path = '/of-this-scene/'
    looks = [see('/forward-auth' + path, who=who) for who in (None, ann, boss)]
    row = {}

    def change(**fields):
        ok(boss.patch('upstreams/' + row['id'], fields))
    yield None, zip(looks, [403, 403, 403])
    yield (lambda: row.update(boss.made('upstreams', {'path': path, 'permission': 'signed-in'})),
           zip(looks, [401, 200, 200]))
    yield lambda: change(permission='users:manage'), zip(looks, [401, 403, 200])
    yield lambda: change(status='paused'), zip(looks, [403, 403, 403])
    yield lambda: change(status='active', permission='anyone'), zip(looks, [200, 200, 200])
    yield lambda: ok(boss.delete('upstreams/' + row['id'])), zip(looks, [403, 403, 403])


# ---- the test ----

class EveryRoute(Case):
    def test_has_a_scene_or_changes_nothing(self):
        _, out, _ = server.run('routes')
        routes = {f'{method} {path.removeprefix(API)}' for method, path, *_ in map(str.split, out.splitlines())
                  if method != 'GET' and path.startswith(API)}
        known = PROVEN | NOTHING | ELSEWHERE.keys()
        self.assertEqual(routes - known, set(), 'these have no scene')
        self.assertEqual(known - routes, set(), 'there are no such routes')
        self.assertEqual(PROVEN & (NOTHING | ELSEWHERE.keys()), set())


class Fresh(Case):
    """A test for each scene is added below."""

    def play(self, function):
        looked = 0
        for n, (do, seen) in enumerate(function(World())):
            if do:
                do()
            for number, (look, wanted) in enumerate(list(seen)):
                found = [look() for _ in range(ASKED)]
                looked += len(found)
                self.assertEqual(found, [wanted] * ASKED, f'step {n}, look {number}')
        self.assertGreater(looked, ASKED)


for number, (_, function) in enumerate(SCENES):
    setattr(Fresh, f'test_{number:02}_{function.__name__}', lambda self, f=function: self.play(f))


if __name__ == '__main__':
    unittest.main()
