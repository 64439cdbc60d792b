"""A world to look at: people, teams, projects and trees of generations by chance, the same for the same seed; and the
oracle, which says from PRODUCT.md alone who reaches what. It shares no line with the program.

The rows go straight into the store, before anybody has asked for them."""
import random
import time
import uuid
from dataclasses import dataclass, field

ROLES = ('admin', 'manager', 'analyst', 'user', 'viewer', 'api_user')
TEAM_ROLES = ('viewer', 'contributor', 'editor', 'admin', 'owner')
VISIBILITIES = ('private', 'team_restricted', 'team_open', 'public_read', 'public_full')
ACCESSES = ('read', 'write', 'delete', 'share', 'admin')
KINDS = ('improve', 'iterate', 'fork', 'remix')
STATUSES = ('pending', 'processing', 'completed', 'failed', 'cancelled')
LADDER = ('none', 'read', 'create', 'write', 'delete', 'share', 'admin')
DEPTH = 10
WORDS = ('', 'a', 'A', 'Ä', 'z', 'ß', 'é', '-', '10', '9', 'a b', '\uffff', '\U0001f600')

NONE, READ, CREATE, WRITE, DELETE, SHARE, ADMIN = range(7)
OF_ROLE = {'viewer': READ, 'contributor': CREATE, 'editor': WRITE, 'admin': SHARE, 'owner': ADMIN}
OF_ACCESS = {name: LADDER.index(name) for name in ACCESSES}


@dataclass
class World:
    seed: int
    now: int = 0                # microseconds
    tables: dict = field(default_factory=dict)      # in the order in which the rows can be stored

    def rows(self, table):
        return self.tables.setdefault(table, [])

    def of(self, plural):
        return {row['id']: row for row in self.rows(plural)}


class Maker:
    def __init__(self, seed, password_hash, users, teams, projects, generations, media):
        self.chance = random.Random(seed)
        self.world = World(seed, int(time.time() * 1_000_000))
        self.hash = password_hash
        self.users(users)
        self.teams(teams)
        self.projects(projects)
        self.common()
        self.generations(generations)
        self.media(media)

    # ---- pieces ----

    def id(self):
        number = self.chance.getrandbits(128) & ~(0xf << 76) & ~(3 << 62) | 7 << 76 | 2 << 62
        stamp = (self.world.now // 1000 - self.chance.randrange(1000)) << 80
        return uuid.UUID(int=number & ((1 << 80) - 1) | stamp)

    def moment(self):
        """Within the last hour, and often the same as another's."""
        return self.world.now - self.chance.randrange(40) * 90_000_000

    def name(self):
        return 'n' + self.chance.choice(WORDS) + self.chance.choice(WORDS)

    def put(self, table, **columns):
        made = self.moment()
        row = {'id': self.id(), **columns, 'version': 1, 'created_at': made,
               'updated_at': made + self.chance.randrange(3)}
        self.world.rows(table).append(row)
        return row

    def some(self, items, most):
        return self.chance.sample(items, min(len(items), self.chance.randrange(most + 1)))

    # ---- tables ----

    def users(self, count):
        for n in range(count):
            role = 'user' if n < count // 2 else ROLES[n % len(ROLES)]
            self.put('users', email=f'w{self.world.seed}.{n}@example.com', password_hash=self.hash, role=role,
                     status='active', token_version=1, metadata='{}')
        self.people = [row['id'] for row in self.world.rows('users')]

    def teams(self, count):
        for _ in range(count):
            owner = self.chance.choice(self.people)
            team = self.put('teams', owner_id=owner, name=self.name(), description=None, max_members=1000,
                            metadata='{}')
            self.put('team_members', team_id=team['id'], user_id=owner, role='owner')
            for who in self.some(self.people, 4):
                if who != owner:
                    self.put('team_members', team_id=team['id'], user_id=who, role=self.chance.choice(TEAM_ROLES))
        self.groups = [row['id'] for row in self.world.rows('teams')]

    def projects(self, count):
        for n in range(count):
            first = self.chance.choice([None, *self.groups])
            project = self.put('projects', owner_id=self.chance.choice(self.people), name=self.name(),
                               visibility=VISIBILITIES[n % len(VISIBILITIES)], team_id=first, metadata='{}')
            for team in dict.fromkeys([*self.some(self.groups, 3), *([first] if first else [])]):
                self.put('project_teams', project_id=project['id'], team_id=team)
            for who in self.some(self.people, 3):
                self.put('project_collaborators', project_id=project['id'], user_id=who,
                         access=self.chance.choice(ACCESSES))

    def common(self):
        for n in range(6):
            self.put('models', owner_id=self.chance.choice(self.people), name=self.name(),
                     provider=self.chance.choice((None, 'one', 'two')), model_version=None, endpoint=None,
                     status=('active', 'deprecated', 'disabled')[n % 3], metadata='{}')
            self.put('templates', owner_id=self.chance.choice(self.people), name=self.name(),
                     industry=self.chance.choice((None, 'one', 'two')), body=None, rating=None, usage_count=0,
                     metadata='{}')

    def generations(self, count):
        """Trees: some have grown deep, and what is derived lies where its parent does or elsewhere."""
        projects = self.world.rows('projects')
        for table in ('generations', 'generation_ancestors', 'generation_readers', 'generation_restrictions'):
            self.world.rows(table)
        self.above = {}     # id: the ancestors' rows, the nearest first
        for _ in range(count):
            self.generation(projects)

    def generation(self, projects):
        all = self.world.rows('generations')
        parent = self.chance.choice(all[-12:]) if all and self.chance.random() < 0.75 else None
        if parent and parent['depth'] == DEPTH:
            parent = None
        project = self.chance.choice(projects)
        if parent and self.chance.random() < 0.7:
            project = self.world.of('projects')[parent['project_id']]
        restriction = self.restriction() if self.chance.random() < 0.2 else None
        row = self.put('generations', owner_id=self.chance.choice(self.people), project_id=project['id'], prompt='p',
                       model=None, parent_id=parent and parent['id'], root_id=None,
                       depth=parent['depth'] + 1 if parent else 0,
                       kind=self.chance.choice(KINDS) if parent else 'original', parameters='{}',
                       restrictions=restriction and '{}', status=self.chance.choice(STATUSES),
                       is_open=project['visibility'] in ('public_read', 'public_full'), metadata='{}')
        row['root_id'] = parent['root_id'] if parent else row['id']
        ancestors = self.above[row['id']] = [parent, *self.above[parent['id']]] if parent else []
        for distance, ancestor in enumerate(ancestors, 1):
            self.world.rows('generation_ancestors').append(
                {'generation_id': row['id'], 'ancestor_id': ancestor['id'], 'distance': distance})
        for reader in {a['owner_id'] for a in ancestors if a['project_id'] == row['project_id']} - {row['owner_id']}:
            self.world.rows('generation_readers').append(
                {'user_id': reader, 'created_at': row['created_at'], 'generation_id': row['id']})
        for whom in (restriction or {}).get('users', ()):
            self.world.rows('generation_restrictions').append(
                {'generation_id': row['id'], 'root_id': row['root_id'], 'owner_id': row['owner_id'], 'user_id': whom,
                 'until_at': restriction['until'], 'accesses': sum(1 << OF_ACCESS[a] for a in restriction['access'])})

    def media(self, count):
        """Each hangs on a generation; whose it is has nothing to do with who reaches that."""
        for table in ('media', 'media_readers'):
            self.world.rows(table)
        for _ in range(count):
            on = self.chance.choice(self.world.rows('generations'))
            row = self.put('media', owner_id=self.chance.choice(self.people), generation_id=on['id'],
                           project_id=on['project_id'], root_id=on['root_id'], depth=on['depth'], kind=None, name=None,
                           status='empty', sign_version=1, is_open=on['is_open'], metadata='{}')
            above = [on, *(a for a in self.above[on['id']] if a['project_id'] == on['project_id'])]
            for reader in {a['owner_id'] for a in above} - {row['owner_id']}:
                self.world.rows('media_readers').append(
                    {'user_id': reader, 'created_at': row['created_at'], 'media_id': row['id']})

    def restriction(self):
        """Of no user: of everybody."""
        until = self.world.now + self.chance.choice((-1, 1)) * 3_600_000_000
        access = self.chance.sample(ACCESSES, self.chance.randrange(1, len(ACCESSES) + 1))
        return {'until': until, 'access': access, 'users': self.some(self.people, 3) or [None]}


def make(seed, password_hash, users=12, teams=8, projects=25, generations=150, media=120):
    return Maker(seed, password_hash, users, teams, projects, generations, media).world


# ---- the oracle: PRODUCT.md sections 3 and 4 ----

class Oracle:
    def __init__(self, world):
        self.now = world.now
        self.tables = {plural: world.of(plural) for plural in
                       ('users', 'teams', 'projects', 'generations', 'media', 'models', 'templates')}
        self.in_team = {(row['team_id'], row['user_id']): OF_ROLE[row['role']] for row in world.rows('team_members')}
        self.teams_of, self.access_of, self.restrictions = {}, {}, {}
        for row in world.rows('project_teams'):
            self.teams_of.setdefault(row['project_id'], set()).add(row['team_id'])
        for row in world.rows('project_collaborators'):
            self.access_of[row['project_id'], row['user_id']] = OF_ACCESS[row['access']]
        for row in world.rows('generation_restrictions'):
            self.restrictions.setdefault(row['generation_id'], []).append(row)

    # -- grant paths: each gives how far it leads --

    def team(self, who, team):
        return ADMIN if team['owner_id'] == who else self.in_team.get((team['id'], who), NONE)

    def project(self, who, project):
        if project['owner_id'] == who:
            return ADMIN
        reach, open_to = [self.access_of.get((project['id'], who), NONE)], VISIBILITIES.index(project['visibility'])
        if open_to >= VISIBILITIES.index('team_restricted'):
            reach += [self.in_team.get((team, who), NONE) for team in self.teams_of.get(project['id'], ())]
        if open_to >= VISIBILITIES.index('team_open'):
            reach += [self.in_team.get((team['id'], who), NONE) for team in self.tables['teams'].values()
                      if team['owner_id'] == project['owner_id']]
        if open_to >= VISIBILITIES.index('public_read' if who else 'public_full'):
            reach.append(READ)
        return max(reach)

    def ancestors(self, generation):
        while generation['parent_id']:
            generation = self.tables['generations'][generation['parent_id']]
            yield generation

    def generation(self, who, generation):
        if generation['owner_id'] == who:
            return ADMIN
        derived = any(a['owner_id'] == who and a['project_id'] == generation['project_id']
                      for a in self.ancestors(generation))
        return max(self.project(who, self.tables['projects'][generation['project_id']]), READ if derived else NONE)

    def medium(self, who, medium):
        """Who owns its generation, or an ancestor of that in the project, may read it."""
        if medium['owner_id'] == who:
            return ADMIN
        on = self.tables['generations'][medium['generation_id']]
        derived = any(a['owner_id'] == who and a['project_id'] == on['project_id'] for a in (on, *self.ancestors(on)))
        return max(self.project(who, self.tables['projects'][on['project_id']]), READ if derived else NONE)

    def hangs(self, who, plural, row):
        """Whether who reads the generation that a medium hangs on, without which even its maker has no part in it."""
        if plural != 'media':
            return True
        return self.judge(who, 'generations', self.tables['generations'][row['generation_id']], READ) == 200

    def reach(self, who, plural, row):
        if plural in ('models', 'templates'):
            return ADMIN if row['owner_id'] == who else READ if who else NONE
        return {'teams': self.team, 'projects': self.project, 'generations': self.generation,
                'media': self.medium}[plural](who, row)

    def above(self, plural, row):
        """What binds it: a generation's ancestors; a medium's generation and the ancestors of that."""
        if plural == 'media':
            row = self.tables['generations'][row['generation_id']]
            yield row
        if plural in ('generations', 'media'):
            yield from self.ancestors(row)

    def bound(self, who, plural, row):
        """What restrictions above it keep from who."""
        found = set()
        for ancestor in self.above(plural, row):
            for one in self.restrictions.get(ancestor['id'], ()):
                if one['until_at'] > self.now and ancestor['owner_id'] != who and one['user_id'] in (None, who):
                    found |= {access for access in range(READ, ADMIN + 1) if one['accesses'] >> access & 1}
        return found

    def judge(self, who, plural, row, need):
        """200, 403 or 404, where the permission is there."""
        bound = self.bound(who, plural, row)
        reach = self.reach(who, plural, row)
        if reach < READ or READ in bound or not self.hangs(who, plural, row):
            return 404
        return 403 if reach < need or need in bound else 200
