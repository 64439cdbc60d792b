"""Each check must be able to fail: a bad snippet, and what is to be said of it."""
import unittest

import floors
import layout
import listed
import mistakes
import readme


class Lint(unittest.TestCase):
    def told(self, check, path, text):
        return [(finding.line, finding.message) for finding in check(path, text)]

    def assert_told(self, check, path, text, line, words):
        told = self.told(check, path, text)
        self.assertTrue(any(at == line and words in message for at, message in told), told)

    def assert_fine(self, check, path, text):
        self.assertEqual(self.told(check, path, text), [])


class FloorsTest(Lint):
    def test_include_of_a_floor_above(self):
        self.assert_told(floors.check, 'src/net/a.c', '\n#include "http/req.h"\n', 2, 'http/req.h')

    def test_include_of_a_room_beside(self):
        self.assert_told(floors.check, 'src/store/a.c', '#include "cache/cache.h"\n', 1, 'cache/cache.h')

    def test_include_of_the_roof(self):
        self.assert_told(floors.check, 'include/api/a.h', '#include "nowhere.h"\n', 1, 'nowhere.h')

    def test_include_of_statements_below_the_store(self):
        self.assert_told(floors.check, 'src/net/a.c', '#include "gen/stmt.h"\n', 1, 'gen/stmt.h')

    def test_foreign_library(self):
        for header in ('<uv.h>', '<sqlite3.h>', '<mbedtls/md.h>', '<zlib.h>', '<libpq-fe.h>'):
            self.assert_told(floors.check, 'src/gate/a.c', f'#include {header}\n', 1, 'alone')

    def test_what_is_allowed(self):
        self.assert_fine(floors.check, 'src/net/a.c', '#include "base/str.h"\n#include <uv.h>\n')
        self.assert_fine(floors.check, 'src/api/a.c', '#include "gen/stmt.h"\n#include "api/crud.h"\n')
        self.assert_fine(floors.check, 'src/master.c', '#include "watch/health.h"\n')


class MistakesTest(Lint):
    def test_unbounded_calls(self):
        for call in ('strcpy(a, b)', 'sprintf(a, "x")', 'strcat(a, b)', 'strtok(a, b)', 'alloca(n)'):
            self.assert_told(mistakes.check, 'src/net/a.c', f'    {call};\n', 1, 'bounds')

    def test_heap_outside_its_users(self):
        self.assert_told(mistakes.check, 'src/gate/a.c', '    char *p = malloc(3);\n', 1, 'heap')

    def test_secrets_compared_in_variable_time(self):
        for call in ('memcmp(token, t, n)', 'strcmp(user->password, p)', 'str_eq(key_hash, h)'):
            self.assert_told(mistakes.check, 'src/gate/a.c', f'    if ({call})\n', 1, 'constant time')

    def test_promises(self):
        for word in ('TO' + 'DO', 'FIX' + 'ME', 'for ' + 'now'):
            self.assert_told(mistakes.check, 'sql/a.sql', f'-- {word}\n', 1, 'promises')

    def test_long_function(self):
        text = 'void a(void)\n{\n' + '    b();\n' * 59 + '}\n'
        self.assert_told(mistakes.check, 'src/net/a.c', text, 2, '61 lines')

    def test_long_file(self):
        self.assert_told(mistakes.check, 'src/net/a.c', 'int a;\n' * 501, 500, '501 lines')

    def test_space(self):
        self.assert_told(mistakes.check, 'dev', 'a\n\tb\n', 2, 'tab')
        self.assert_told(mistakes.check, 'dev', 'a \n', 1, 'trailing')
        self.assert_told(mistakes.check, 'dev', 'a', 1, 'newline')

    def test_what_is_allowed(self):
        self.assert_fine(mistakes.check, 'src/net/a.c',
                         '    say("malloc(x) and strcpy(y)"); /* free() */\n'
                         '    loop->free(p);\n    n = memcmp(a->machine, b->machine, 8);\n')


class LayoutTest(Lint):
    def test_brace_and_indent(self):
        self.assert_told(layout.check, 'src/net/a.c', 'int a(void) {\n    return 1;\n}\n', 1, 'layout')
        self.assert_told(layout.check, 'src/net/a.c', 'int a(void)\n{\n  return 1;\n}\n', 3, 'layout')

    def test_tables_and_columns_are_the_hands_own(self):
        self.assert_fine(layout.check, 'src/net/a.c',
                         'static const struct row rows[] = {\n    { A,   1,\n      .x  = 3 },\n};\n\n'
                         'int   a;    /* one */\nint   bcd;  /* two */\n')

    def test_mend_keeps_comments(self):
        mended = layout.mend('src/net/a.c', 'int a(void) {\n  return 1;   /* why */\n}\n')
        self.assertIn('/* why */', mended)


class ListedTest(unittest.TestCase):
    def test_file_that_is_not_built(self):
        tree = {'src/net/a.c': '', 'src/net/b.c': '', 'src/net/meson.build': "files('a.c')",
                'tests/unit/net/a_test.c': '', 'tests/fuzz/jwt_fuzz.c': '',
                'tests/fuzz/meson.build': "['jwt']"}
        self.assertEqual([finding.path for finding in listed.check(tree, tree.get)],
                         ['src/net/b.c', 'tests/unit/net/a_test.c'])


class ReadmeTest(unittest.TestCase):
    def test_setting_without_a_row_and_row_without_a_setting(self):
        told = list(readme.check('SETTING(HOST, host)\nSETTING(PORT, port)\n',
                                 '| name | |\n|---|---|\n| `HOST` | where |\n| `GONE` | ? |\n'))
        self.assertEqual([(finding.line, finding.message.split()[-1]) for finding in told],
                         [(1, 'PORT'), (4, 'include/base/config.tbl')])
