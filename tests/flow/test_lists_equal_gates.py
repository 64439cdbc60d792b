"""What the lists show, what the gates allow and what an oracle says that was written from PRODUCT.md alone: the same,
in worlds made by chance. SEED=n makes one world again."""
import os
import unittest
import uuid

from support import Api, Case, Person, Server, person, register
from support import world as worlds

# In the second world who is there reaches so many projects that lists first look at whosever rows come next.
SIZES = {2: {'users': 8, 'projects': 80, 'generations': 120, 'media': 80}}
SEEDS = [int(os.environ['SEED'])] if 'SEED' in os.environ else [1, 2, 3]
PLURALS = ('teams', 'projects', 'generations', 'media', 'models', 'templates')
SORTS = {'teams': ('created_at', 'name'), 'projects': ('created_at', 'updated_at', 'name'),
         'generations': ('created_at',), 'media': ('created_at',), 'models': ('created_at', 'name'),
         'templates': ('created_at', 'name')}
FILTERS = {'projects': ('visibility', 'team_id'), 'generations': ('project_id', 'parent_id', 'status', 'kind'),
           'media': ('generation_id', 'project_id'), 'models': ('provider', 'status'), 'templates': ('industry',)}
NEEDS = {'PATCH': {'teams': worlds.SHARE}, 'DELETE': {'teams': worlds.ADMIN}}
PATCHERS = {'admin', 'manager', 'user', 'api_user'}
ALLOWED = {'GET': set(worlds.ROLES), 'PATCH': PATCHERS, 'DELETE': PATCHERS - {'api_user'}}
NEVER = {'If-Match': '"v999"'}
VERBS = ('read', 'create', 'update', 'delete', 'share', 'admin')


class Worlds(Case):
    """One world of each seed; the classes are made below."""

    seed = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.destroy)
        cls.server.start()
        with register(cls.server) as first:
            hash = cls.server.query('select password_hash from users where email = ?', first.email)[0]['password_hash']
        cls.world = worlds.make(cls.seed, hash, **SIZES.get(cls.seed, {}))
        cls.server.store.load(cls.world.tables)
        cls.oracle = worlds.Oracle(cls.world)
        cls.people = [(Person(cls.server, row['email']), row) for row in cls.world.rows('users')]

    @classmethod
    def tearDownClass(cls):
        for who, _ in cls.people:
            who.close()
        cls.server.stop()

    # ---- the three ----

    def expected(self, row, plural, item, method):
        """The status, by the oracle: changes come with a condition that fails behind all gates."""
        if row['role'] not in ALLOWED[method]:
            return 403
        need = NEEDS.get(method, {}).get(plural, {'GET': worlds.READ, 'PATCH': worlds.WRITE,
                                                  'DELETE': worlds.DELETE}[method])
        told = self.oracle.judge(row['id'], plural, item, need)
        return 412 if told == 200 and method != 'GET' else told

    def visible(self, row, plural):
        return {id for id, item in self.world.of(plural).items()
                if self.oracle.judge(row['id'], plural, item, worlds.READ) == 200}

    def check_gates(self, who, row):
        asked = [(method, plural, item) for plural in PLURALS for item in self.world.rows(plural)
                 for method in ALLOWED]
        replies = who.many([(method, f'{plural}/{item["id"]}', {} if method == 'PATCH' else None,
                             () if method == 'GET' else NEVER) for method, plural, item in asked])
        wrong = [(method, plural, str(item['id']), reply.status, wanted)
                 for (method, plural, item), reply in zip(asked, replies)
                 if reply.status != (wanted := self.expected(row, plural, item, method))]
        self.assertEqual(wrong[:6], [], f'{len(wrong)} of {row["role"]} {row["id"]}: method, row, gate, oracle')
        return {(method, plural, wanted): None for method, plural, item in asked
                for wanted in [self.expected(row, plural, item, method)]}

    def check_list(self, who, plural, wanted, sort, limit, **query):
        items = list(who.walk(plural, limit=limit, sort=sort, **query))
        ids = [uuid.UUID(item['id']) for item in items]
        what = f'{plural} {sort} {limit} {query}'
        self.assertEqual(set(ids) - wanted, set(), f'{what}: the list shows what the gates deny')
        self.assertEqual(wanted - set(ids), set(), f'{what}: the list lacks what the gates allow')
        self.assertEqual(len(ids), len(set(ids)), f'{what}: a row twice')
        self.check_order(items, sort, what)

    def check_order(self, items, sort, what):
        keys = [(item[sort.lstrip('-')], item['id']) for item in items]
        self.assertEqual(keys, sorted(keys, reverse=sort.startswith('-')), f'{what}: not in order')

    def check_lists(self, who, row):
        for plural in PLURALS:
            wanted = self.visible(row, plural)
            for name in SORTS[plural]:
                for sort in (name, '-' + name):
                    for limit in (1000, 7):
                        self.check_list(who, plural, wanted, sort, limit)
            for filter in FILTERS.get(plural, ()):
                self.check_filter(who, plural, wanted, filter)

    def check_filter(self, who, plural, wanted, filter):
        """By each value that a row has, up to so many."""
        items = self.world.of(plural)
        values = sorted({item[filter] for item in items.values()} - {None}, key=str)
        for n, value in enumerate(values[:6]):
            self.check_list(who, plural, {id for id in wanted if items[id][filter] == value},
                            ('created_at', '-created_at')[n % 2], (1000, 5)[n % 2], **{filter: value})

    def test_gates_lists_and_oracle_agree(self):
        pairs, seen = 0, {}
        for who, row in self.people:
            with self.subTest(row['role'], id=str(row['id'])):
                seen.update(self.check_gates(who, row))
                self.check_lists(who, row)
                pairs += sum(len(self.world.rows(plural)) for plural in PLURALS)
        print(f'seed {self.seed}: {pairs} pairs of user and row compared, each by GET, PATCH, DELETE and lists')
        for method, statuses in (('GET', (200, 404)), ('PATCH', (412, 403, 404)), ('DELETE', (412, 403, 404))):
            self.assertEqual({status for m, _, status in seen if m == method}, set(statuses), 'a world too tame')

    def test_nobody_sees_what_anyone_may(self):
        """Without credentials: what is open to anyone, and all else is 401, whether it is there or not."""
        asked = [(plural, item) for plural in ('projects', 'generations', 'media', 'teams', 'models')
                 for item in self.world.rows(plural)]
        with Api(self.server) as nobody:
            replies = nobody.many([('GET', f'{plural}/{item["id"]}', None) for plural, item in asked])
        wrong = [(plural, str(item['id']), reply.status) for (plural, item), reply in zip(asked, replies)
                 if reply.status != (200 if self.oracle.judge(None, plural, item, worlds.READ) == 200 else 401)]
        self.assertEqual(wrong, [])
        self.assertIn(200, {reply.status for reply in replies})

    def test_pages_while_rows_come(self):
        """Each row that was there is shown once, and all in order, whatever is made between two pages."""
        who, row = next((who, row) for who, row in self.people if row['role'] == 'user')
        project = who.made('projects', {'name': 'm'})['id']

        def more(plural):
            who.made('projects', {'name': 'nz'})
            if plural == 'generations':
                who.made('generations', {'project_id': project, 'prompt': 'p'})
        for plural in ('projects', 'generations'):
            for name in SORTS[plural]:
                for sort in (name, '-' + name):
                    with self.subTest(f'{plural} {sort}'):
                        items, after, pages = *who.page(plural, 7, sort=sort), 1
                        while after and pages < 60:
                            if pages < 10:
                                more(plural)
                            found, after = who.page(plural, 7, after, sort=sort)
                            items, pages = items + found, pages + 1
                        ids = [uuid.UUID(item['id']) for item in items]
                        self.assertEqual(len(ids), len(set(ids)))
                        self.assertEqual(self.visible(row, plural) - set(ids), set())
                        self.check_order(items, sort, plural)


class Searches(Worlds):
    """And the searches, held against evaluation."""

    def decide(self, boss, users):
        """{(user, plural, row, verb)} that evaluation allows."""
        asked = [(user, plural, str(item['id']), verb) for user in users for plural in PLURALS
                 for item in self.world.rows(plural) for verb in VERBS]
        allowed = set()
        for at in range(0, len(asked), 1000):
            ones = [{'subject': {'type': 'user', 'id': user}, 'action': {'name': verb},
                     'resource': {'type': plural, 'id': id}} for user, plural, id, verb in asked[at:at + 1000]]
            reply = boss.post('/access/v1/evaluations', {'evaluations': ones})
            self.assert_status(reply, 200)
            allowed |= {one for one, told in zip(asked[at:], reply.json['evaluations']) if told['decision']}
        return allowed

    def check_decisions(self, allowed):
        """They are what the gates would say to the request itself."""
        for _, row in self.people:
            for verb, method in (('read', 'GET'), ('update', 'PATCH'), ('delete', 'DELETE')):
                for plural in PLURALS:
                    asked = str(row['id']), plural, verb
                    told = {id for user, kind, id, what in allowed if (user, kind, what) == asked}
                    wanted = {str(item['id']) for item in self.world.rows(plural)
                              if self.expected(row, plural, item, method) in (200, 412)}
                    self.assertEqual(told, wanted, f'{verb} {plural} by {row["role"]} {row["id"]}')

    def search(self, boss, what, key, limit, **body):
        """All that is found, page by page, in a list that may not repeat itself."""
        found, token = [], ''
        while True:
            page = {'limit': limit, **({'token': token} if token else {})}
            reply = boss.post(f'/access/v1/search/{what}', {**body, 'page': page})
            self.assert_status(reply, 200)
            found += [one[key] for one in reply.json['results']]
            token = reply.json['page']['next_token']
            if not token:
                self.assertEqual(len(found), len(set(found)), f'{what} {body}: twice')
                return set(found)

    def test_searches_find_what_evaluation_allows(self):
        with person(self.server, 'admin') as boss:
            users = [row['id'] for row in boss.walk('users')]
            allowed = self.decide(boss, users)
            self.check_decisions(allowed)
            for plural in PLURALS:
                for n, id in enumerate(str(item['id']) for item in self.world.rows(plural)):
                    resource = {'type': plural, 'id': id}
                    for verb in VERBS if plural != 'generations' or n % 4 == 0 else ():
                        found = self.search(boss, 'subject', 'id', (100, 3)[n % 2], subject={'type': 'user'},
                                            action={'name': verb}, resource=resource)
                        self.assertEqual(found, {user for user in users if (user, plural, id, verb) in allowed},
                                         f'subjects: {verb} {plural} {id}')
                    user = users[n % len(users)]
                    found = self.search(boss, 'action', 'name', 10, subject={'type': 'user', 'id': user},
                                        resource=resource)
                    self.assertEqual(found, {verb for verb in VERBS if (user, plural, id, verb) in allowed},
                                     f'actions: {user} {plural} {id}')
                ours = {str(item['id']) for item in self.world.rows(plural)}     # others were made by other tests
                for user in users:
                    for n, verb in enumerate(VERBS):
                        found = self.search(boss, 'resource', 'id', (100, 7)[n % 2], action={'name': verb},
                                            subject={'type': 'user', 'id': user}, resource={'type': plural})
                        wanted = {id for who, kind, id, what in allowed if (who, kind, what) == (user, plural, verb)}
                        self.assertEqual(found & ours, wanted, f'resources: {user} {verb} {plural}')
            print(f'seed {self.seed}: {len(allowed)} decisions that allow are what the three searches find')


def load_tests(loader, *_):
    suite = unittest.TestSuite()
    for seed in SEEDS:      # searches take long: of one world, but for the long suite
        kind = Searches if seed == SEEDS[0] or 'LONG' in os.environ and seed not in SIZES else Worlds
        suite.addTests(loader.loadTestsFromTestCase(type(f'World{seed}', (kind,), {'seed': seed})))
    return suite


if __name__ == '__main__':
    unittest.main()
