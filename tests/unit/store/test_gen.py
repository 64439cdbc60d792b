"""sql/gen.py and its grammar: what is wrong in sql/ is refused with its place and one sentence."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

SQL = os.path.join(os.path.dirname(__file__), '..', '..', '..', 'sql')
sys.path.insert(0, SQL)
import grammar
import postgres

COLUMNS = '-- columns: cup\n--   id uuid, size int,\n--   label text?\n'


class Gen(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        for name in ('queries', 'migrations'):
            os.mkdir(os.path.join(self.folder.name, name))
        self.migration('0001_start.sql', 'create table cups (id uuid);\n')

    def tearDown(self):
        self.folder.cleanup()

    def migration(self, name, text):
        with open(os.path.join(self.folder.name, 'migrations', name), 'w') as file:
            file.write(text)

    def read(self, text):
        with open(os.path.join(self.folder.name, 'queries', 'cup.sql'), 'w') as file:
            file.write(text)
        return grammar.read(self.folder.name)

    def one(self, text):
        """The only statement of the text."""
        _, statements, _ = self.read(text)
        self.assertEqual(len(statements), 1)
        return statements[0]

    def text(self, text, dialect='sqlite'):
        return self.one(text).variants[0].texts[dialect]

    def refused(self, line, sentence, text):
        with self.assertRaises(grammar.Problem) as caught:
            self.read(text)
        said = str(caught.exception)
        self.assertIn(sentence, said)
        self.assertRegex(said, rf'cup\.sql:{line}: ')


class Right(Gen):

    def test_parameters_are_numbered_as_declared(self):
        text = '-- name: a(x int, y text?) one (n int)\nselect :y, :x,\n  :y;\n'
        self.assertEqual(self.text(text), 'select ?2, ?1, ?2')
        self.assertEqual(self.text(text, 'postgres'), 'select $2::text, $1::bigint, $2::text')

    def test_casts_quotes_and_comments_are_left_alone(self):
        text = ("-- name: a(x int) one (n int)\nselect :x::int, 'a;  :b {c} ''d'':e', \"f:g\" -- :h\n"
                '/* :i; */ from t;\n')
        self.assertEqual(self.text(text, 'postgres'), "select $1::bigint::int, 'a;  :b {c} ''d'':e', \"f:g\" from t")

    def test_columns_stand_for_their_names(self):
        statement = self.one(COLUMNS + '-- name: cup_get(id uuid) one cup\nselect {cup} from cups where id = :id;\n')
        self.assertEqual(statement.variants[0].texts['sqlite'], 'select id, size, label from cups where id = ?1')
        self.assertEqual([(s.name, s.type, s.null) for s in statement.columns.slots],
                         [('id', 'uuid', False), ('size', 'int', False), ('label', 'text', True)])

    def test_dialects_stand_side_by_side(self):
        text = '-- name: a() one (n int)\n-- sqlite:\nselect 1;\n-- postgres:\nselect 2;\n'
        self.assertEqual((self.text(text), self.text(text, 'postgres')), ('select 1', 'select 2'))

    def test_a_sorted_list_has_two_variants_for_each_column(self):
        statement = self.one(
            '-- name: l(after_key any?, after_id uuid?) many (id uuid)\n-- sort: at time, name text\n'
            'select id from cups where {after} order by {order};\n')
        self.assertEqual([v.name for v in statement.variants],
                         ['l_at_asc', 'l_at_desc', 'l_name_asc', 'l_name_desc'])
        self.assertEqual(statement.variants[1].texts['sqlite'],
                         'select id from cups where (at <= coalesce(?1, 9223372036854775807) and '
                         '(?2 is null or (at, id) < (?1, ?2))) order by at desc, id desc')
        self.assertIn("name <= coalesce(?1, x'ff')", statement.variants[3].texts['sqlite'])
        self.assertIn('name <= coalesce($1::text, repeat(', statement.variants[3].texts['postgres'])
        self.assertIn('> (?1, ?2)', statement.variants[2].texts['sqlite'])
        self.assertEqual([v.params[0].type for v in statement.variants], ['time', 'time', 'text', 'text'])

    def test_until_reads_as_far_as_the_final_row_in_either_order(self):
        statement = self.one(
            '-- name: l(viewer uuid, after_key any?, after_id uuid?) many (id uuid)\n-- sort: at time\n'
            'with final as (select 1 as at, :viewer as id) '
            'select id from cups where {after} and {until} order by {order};\n')
        rising, falling = (variant.texts['sqlite'] for variant in statement.variants)
        self.assertIn('(at, id) <= (coalesce((select at from final), 9223372036854775807), '
                      'coalesce((select id from final), ?1))', rising)
        self.assertIn('(at, id) >= (coalesce((select at from final), -9223372036854775807), ', falling)

    def test_a_hidden_parameter_is_a_subselect_for_postgresql(self):
        text = '-- name: a(x uuid) one (n int)\nselect 1 as n from cups where id = :x? or up = :x;\n'
        self.assertEqual(self.text(text), 'select 1 as n from cups where id = ?1 or up = ?1')
        self.assertEqual(self.text(text, 'postgres'),
                         'select 1 as n from cups where id = (select $1::uuid) or up = $1::uuid')
        listed = self.one('-- name: l(x uuid, after_key any?, after_id uuid?) many (id uuid)\n-- sort: at time\n'
                          'select id from cups where up = :x? and {after} order by {order};\n').variants[0].texts
        self.assertIn('at >= coalesce((select $2::bigint), ', listed['postgres'])
        self.assertIn('(at, id) > ($2::bigint, $3::uuid)', listed['postgres'])
        self.assertIn('at >= coalesce(?2, ', listed['sqlite'])

    def test_changes_say_what_they_expect(self):
        one = self.one(COLUMNS + '-- name: a(x uuid) change 1 cup else STALE\n-- bumps: resource :x, roles\n'
                       'delete from cups where id = :x returning {cup};\n')
        self.assertEqual((one.rows, one.otherwise, one.columns.name), (1, 'STALE', 'cup'))
        self.assertEqual([bump[1:] for bump in one.bumps], [('resource', 'x', False), ('roles', None, False)])
        self.assertEqual(self.one('-- name: a() change any\ndelete from cups;\n').rows, -1)

    def test_each_parameter_has_its_type_for_postgresql(self):
        self.assertEqual(
            self.text('-- name: a(x1 uuid, x2 text?, x3 json, x4 bytes, x5 int, x6 time, x7 bool, x8 real) '
                      'one (n int)\nselect :x1, :x2, :x3, :x4, :x5, :x6, :x7, :x8;\n', 'postgres'),
            'select $1::uuid, $2::text, $3::text, $4::bytea, $5::bigint, $6::bigint, $7::boolean, $8::float8')
        listed = self.one('-- name: l(after_key any?, after_id uuid?) many (id uuid)\n-- sort: at time, name text\n'
                          'select id from cups where {after} order by {order};\n')
        self.assertIn('(at, id) > ($1::bigint, $2::uuid)', listed.variants[0].texts['postgres'])
        self.assertIn('(name, id) > ($1::text, $2::uuid)', listed.variants[2].texts['postgres'])

    def test_a_lane_is_declared_or_follows_from_the_kind(self):
        self.assertEqual(self.one('-- name: a() one (n int)\nselect 1;\n').lane, 'read')
        self.assertEqual(self.one('-- name: a() change any\ndelete from cups;\n').lane, 'write')
        self.assertEqual(self.one('-- name: a() one (n int)\n-- lane: auth\nselect 1;\n').lane, 'auth')

    def test_the_clock_is_the_stores(self):
        text = '-- name: a() one (n time)\nselect {clock} as n;\n'
        self.assertIn("julianday('now')", self.text(text))
        self.assertIn('clock_timestamp()', self.text(text, 'postgres'))

    def finished(self, text):
        """What a change becomes for PostgreSQL, and whether it counts; SQLite's text stays as it was written."""
        variant = self.one(text).variants[0]
        self.assertEqual(variant.texts['sqlite'], text.partition(';')[0].rpartition('\n')[2].replace(':x', '?1'))
        return variant.texts['postgres'], variant.counted

    def test_the_server_fails_a_change_that_misses(self):
        for text in ('update cups set n = 1 where id = :x', 'delete from cups where id = :x',
                     'insert into cups select :x', 'insert into cups values (:x) on conflict do nothing'):
            self.assertEqual(self.finished(f'-- name: a(x uuid) change 1 else STALE\n{text};\n'),
                             (f"with changed as ({text.replace(':x', '$1::uuid')} returning 1) "
                              'select changed_rows(count(*), 1) as n from changed', True))
        self.assertEqual(self.finished('-- name: a(x uuid) change 1 (id uuid)\n'
                                       'delete from cups where id = :x returning id;\n'),
                         ('with changed as (delete from cups where id = $1::uuid returning id) select changed.* from '
                          '(select changed_rows(count(*), 1) as n from changed) as counted left join changed on true '
                          'where counted.n is not null', False))

    def test_what_cannot_miss_stays_as_it_is(self):
        for kind, text in (('change 1', "insert into cups values (:x, 'select conflict')"),
                           ('change 1 (id uuid)', 'insert into cups values (:x) returning id'),
                           ('change any', 'delete from cups where id = :x'),
                           ('change any (id uuid)', 'delete from cups where id = :x returning id')):
            self.assertEqual(self.finished(f'-- name: a(x uuid) {kind}\n{text};\n'),
                             (text.replace(':x', '$1::uuid'), False))

    def test_returned_bumps_are_written_for_postgresql(self):
        bumps = '-- bumps: resource returned id, roles, user returned owner\n'
        delete = 'delete from cups where n = :x returning id, owner;\n'
        any, counted = self.finished('-- name: a(x int) change any (id uuid, owner uuid)\n' + bumps + delete)
        self.assertFalse(counted)
        self.assertRegex(any, r"^with changed as \(delete from cups where n = \$1::bigint returning id, owner\), "
                              r'bumped as \(insert into bumps \(at, what\) select .*clock_timestamp.*, string_agg\('
                              r"'\\x0510'::bytea \|\| uuid_send\(id\) \|\| '\\x0110'::bytea \|\| uuid_send\(owner\), "
                              r"''::bytea\) from changed having count\(\*\) > 0\) select \* from changed$")
        one, _ = self.finished('-- name: a(x int) change 1 (id uuid, owner uuid)\n' + bumps + delete)
        self.assertIn('bumped as (', one)
        self.assertIn('changed_rows(count(*), 1)', one)

    def test_epochs_have_the_numbers_of_base_epoch_h(self):
        with open(os.path.join(SQL, '..', 'include', 'base', 'epoch.h')) as file:
            names = re.findall(r'^    EPOCH_(\w+)\b', file.read(), re.M)
        self.assertEqual({name.lower(): n for n, name in enumerate(names, 1)}, postgres.EPOCHS)

    def test_lanes_are_those_of_store_h(self):
        with open(os.path.join(SQL, '..', 'include', 'store', 'store.h')) as file:
            self.assertEqual(tuple(re.findall(r'LANE\([A-Z]+, "(\w+)"\)', file.read())), grammar.LANES)

    def test_comments_may_stand_anywhere(self):
        self.read('-- Of cups: all of them.\n' + COLUMNS + '\n-- A word before.\n-- name: a() change any\n'
                  '-- A word inside.\ndelete\n-- and here\nfrom cups;\n-- A word behind.\n')

    def test_migrations_are_divided_by_dialect(self):
        self.migration('0002_more.sql', '-- sqlite:\na;\n-- postgres:\nb;\n-- both:\nc;\n')
        _, _, migrations = self.read('')
        self.assertEqual([m[:2] for m in migrations], [(1, 'start'), (2, 'more')])
        self.assertEqual(migrations[1][2], {'sqlite': 'a;\nc;\n', 'postgres': 'b;\nc;\n'})

    def test_text_sorts_by_code_point_in_what_serves_both(self):
        self.migration('0002_more.sql', "n text not null default 'a text', text_id uuid\n-- postgres:\nm text\n")
        self.assertEqual(self.read('')[2][1][2], {
            'sqlite': "n text not null default 'a text', text_id uuid\n",
            'postgres': "n text collate \"C\" not null default 'a text', text_id uuid\nm text\n"})


class Wrong(Gen):

    def test_names(self):
        self.refused(2, "no parameter 'y'", '-- name: a(x int) one (n int)\nselect :x + :y;\n')
        self.refused(1, "'y' of 'a' is not used", '-- name: a(x int, y int) one (n int)\nselect :x;\n')
        self.refused(3, "'a' is declared twice", '-- name: a() one (n int)\nselect 1;\n' * 2)
        self.refused(4, "'cup' are declared twice", COLUMNS + COLUMNS)
        self.refused(1, "'x' is there twice", '-- name: a(x int, x int) one (n int)\nselect :x;\n')
        self.refused(1, "cannot call a parameter 'for'", '-- name: a(for int) one (n int)\nselect :for;\n')
        self.refused(1, "no columns called 'mug'", '-- name: a() one mug\nselect 1;\n')
        self.refused(2, "no columns called 'mug'", '-- name: a() one (n int)\nselect {mug};\n')
        self.refused(4, "'COL_CUP_ID' would name", COLUMNS + '-- name: cup() one (id uuid)\nselect 1;\n')

    def test_types(self):
        self.refused(1, "'integer' is no type", '-- name: a(x integer) one (n int)\nselect :x;\n')
        self.refused(1, 'takes a name and a type', '-- name: a(x) one (n int)\nselect :x;\n')
        self.refused(1, 'has type any', '-- name: a(after_key any?) one (n int)\nselect :after_key;\n')

    def test_kinds(self):
        self.refused(1, 'one|many|change', '-- name: a() some (n int)\nselect 1;\n')
        self.refused(1, 'and nothing else', '-- name: a() one (n int) else STALE\nselect 1;\n')
        self.refused(1, 'change ROWS|any', '-- name: a() change\ndelete from cups;\n')
        self.refused(1, 'there is no else', '-- name: a() change any else STALE\ndelete from cups;\n')

    def test_texts(self):
        self.refused(1, 'SQL outside', 'select 1;\n')
        self.refused(1, 'has no text', '-- name: a() one (n int)\n-- name: b() one (n int)\nselect 1;\n')
        self.refused(2, "does not end in ';'", '-- name: a() one (n int)\nselect 1\n')
        self.refused(3, "more behind the ';'", '-- name: a() one (n int)\nselect 1;\nselect 2;\n')
        self.refused(1, 'no text for postgres', '-- name: a() one (n int)\n-- sqlite:\nselect 1;\n')
        for kind, text in (('change 1 (id uuid)', 'delete from cups'), ('change 1', 'delete from cups returning id')):
            self.refused(2, 'declares columns exactly when', f'-- name: a() {kind}\n{text};\n')
        self.refused(3, 'already', '-- name: a() one (n int)\nselect 1;\n-- sqlite:\nselect 1;\n')

    def test_directives(self):
        self.refused(2, "'-- bumps:' is", '-- name: a() change any\n-- bump: roles\ndelete from cups;\n')
        self.refused(1, 'belongs to a statement', '-- bumps: roles\n')
        self.refused(2, "'fast' is no lane", '-- name: a() one (n int)\n-- lane: fast\nselect 1;\n')

    def test_bumps(self):
        change = '-- name: a(x uuid, t text) change any\n-- bumps: {}\ndelete from cups where id = :x or t = :t;\n'
        for bump, sentence in (('cups :x', 'no kind of epoch'), ('roles :x', 'has no id'), ('user', 'takes an id'),
                               ('user :z', "no parameter 'z'"), ('user :t', 'cannot name the epoch'),
                               ('apikey :x', 'cannot name the epoch'), ('user returned id', "no column 'id'"),
                               ('user x', 'is not a bump'), ('roles, keys, roles, keys, roles', 'more than 4')):
            self.refused(2, sentence, change.format(bump))
        self.refused(2, 'may be null', '-- name: a() change any (id uuid?)\n-- bumps: user returned id\n'
                     'delete from cups returning id;\n')
        self.refused(2, 'bumps nothing', '-- name: a() one (n int)\n-- bumps: roles\nselect 1;\n')

    def test_sorts(self):
        head = '-- name: l(after_key any?, after_id uuid?) many (id uuid)\n'
        body = 'select id from cups where {after} order by {order};\n'
        self.refused(2, 'needs a `-- sort:`', '-- name: l() many (id uuid)\nselect id from cups order by {order};\n')
        self.refused(1, "takes 'after_id uuid?'", head.replace('uuid?', 'uuid') + '-- sort: at time\n' + body)
        self.refused(1, 'gives many', head.replace('many', 'one') + '-- sort: at time\n' + body)
        self.refused(1, 'may not be null', head + '-- sort: at time?\n' + body)
        self.refused(1, 'nothing is sorted by that', head + '-- sort: id uuid\n' + body)
        self.refused(1, 'has {order}', head + '-- sort: at time\nselect id from cups where {after};\n')

    def test_migrations(self):
        self.migration('0003_gap.sql', '')
        with self.assertRaisesRegex(grammar.Problem, r'0003_gap\.sql:1: the next migration is number 0002'):
            self.read('')
        self.migration('2.sql', '')
        with self.assertRaisesRegex(grammar.Problem, r'2\.sql:1: a migration is called NNNN_name\.sql'):
            os.unlink(os.path.join(self.folder.name, 'migrations', '0003_gap.sql'))
            self.read('')

    def test_the_program_says_it_and_writes_nothing(self):
        self.read_error = '-- name: a() one mug\nselect 1;\n'
        with open(os.path.join(self.folder.name, 'queries', 'cup.sql'), 'w') as file:
            file.write(self.read_error)
        out = os.path.join(self.folder.name, 'stmt.c')
        ran = subprocess.run([sys.executable, os.path.join(SQL, 'gen.py'), '--out-c', out, '--out-h', out + '.h',
                              self.folder.name], capture_output=True, text=True)
        self.assertNotEqual(ran.returncode, 0)
        self.assertRegex(ran.stderr, r"cup\.sql:1: there are no columns called 'mug'\n$")
        self.assertFalse(os.path.exists(out))


if __name__ == '__main__':
    unittest.main()
