"""The lies that are told, and that one which nothing notices is found."""
import contextlib
import io
import os
import tempfile
import unittest

import mutate
from mutants import mutants, mutated

SOURCE = '''\
int limit(int n);
int limit(int n)
{
    if (n < 0)
        return -1;
    return n >= 10 ? 10 : n; /* at 10 both are the same: n > 10 is no lie */
}
'''
TEST = '''\
int limit(int n);
int main(void)
{
    return !(limit(-2) == -1 && limit(0) == 0 && limit(5) == 5 && limit(11) == 10%s);
}
'''
NINJA = '''\
rule cc
  command = cc -O0 -MD -MQ $out -MF $out.d -o $out -c $in
rule ar
  command = ar rcs $out $in
rule ld
  command = cc -o $out $in -Wl,--start-group lib.a -Wl,--end-group
build tiny.o: cc ../src/gate/tiny.c
build lib.a: ar tiny.o
build test.o: cc ../tiny_test.c
build tests/unit/gate_tiny_test: ld test.o | lib.a
'''


def lies(text):
    """The changed line of each mutant, by what it says of itself."""
    return {mutant.change: mutated(text, mutant).splitlines()[mutant.line - 1].strip() for mutant in mutants(text)}


class MutantsTest(unittest.TestCase):
    def test_comparisons_go_both_ways(self):
        self.assertEqual(lies('a = b < c;'), {'< to <=': 'a = b <= c;', '< to >=': 'a = b >= c;'})
        self.assertEqual(lies('a = b == c;'), {'== to !=': 'a = b != c;'})

    def test_what_looks_like_a_comparison(self):
        self.assertEqual(lies('a = b->c << d >> e;\na <<= b;\n'), {})

    def test_conditions(self):
        self.assertEqual(lies('if (a)'), {'if not': 'if (!(a))'})
        self.assertEqual(lies('while (a && !b)'), {'while not': 'while (!(a && !b))', '&& to ||': 'while (a || !b)',
                                                   'without !': 'while (a && b)'})
        self.assertEqual(lies('return f(a) ? b : c;'), {'not ?': 'return !(f(a)) ? b : c;'})
        self.assertEqual(lies('x = a[i] ? b : c ? d : e;'), {'not ?': 'x = !(a[i]) ? b : c ? d : e;',
                                                             'not ? #2': 'x = a[i] ? b : !(c) ? d : e;'})

    def test_verdicts_and_values(self):
        self.assertEqual(lies('return NEXT;'), {'return DENY': 'return DENY;'})
        self.assertEqual(lies('return req_deny_for(r, ERR_A, "a; b");'), {'return NEXT': 'return NEXT;'})
        self.assertEqual(lies('return ERR_A;'), {'return OK': 'return OK;'})
        self.assertEqual(lies('a = 5;'), {'5 to 4': 'a = 4;', '5 to 6': 'a = 6;'})
        self.assertEqual(lies('a = true;'), {'true to false': 'a = false;'})
        self.assertEqual(lies('{ deny(r); }'), {'without deny()': '{ ; }'})

    def test_what_is_left_alone(self):
        self.assertEqual(lies('/* if (a == 1)\n b */ "c == 1 \\" && 2" \'<\' // !d\n#define E (1 < 2)\n'
                              'must(a == 1 && (b < 2));\nt = text_new(a, 64);\nx = { 0 };\n'), {})

    def test_lies_that_read_alike_are_told_apart(self):
        self.assertEqual([mutant.change for mutant in mutants('a == b, c == d')], ['== to !=', '== to != #2'])


class WholeTest(unittest.TestCase):
    def told(self, further='', listed=None, arguments=()):
        """(exit status, what is printed) of a run over a tree with one file and one test."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in (('src/gate/tiny.c', SOURCE), ('tiny_test.c', TEST % further),
                               ('build/build.ninja', NINJA), ('build/tests/unit/.made', '')):
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), 'w') as file:
                    file.write(text)
            self.assertEqual(mutate.run(['ninja'], os.path.join(root, 'build'), 60), 0)
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                status = mutate.main(root, ('build',), listed or {}, arguments)
            return status, said.getvalue()

    LIE = ('src/gate/tiny.c', 'return n >= 10 ? 10 : n; /* at 10 both are the same: n > 10 is no lie */', '10 to 9')

    def test_a_survivor_is_found_and_fails_the_run(self):
        status, said = self.told()
        self.assertEqual((status, said.splitlines()), (
            1, [f'src/gate/tiny.c:6: 10 to 9: {self.LIE[1]}', '9 mutants, 8 caught, 1 survived']))

    def test_none_survives_a_test_that_looks(self):
        self.assertEqual(self.told(' && limit(9) == 9'), (0, '9 mutants, 9 caught, 0 survived\n'))

    def test_a_survivor_that_is_listed(self):
        self.assertEqual(self.told('', {self.LIE: 'for the test'}),
                         (0, '9 mutants, 8 caught, 1 survived (1 of them listed as equivalent)\n'))

    def test_a_listing_that_is_wrong_fails_the_run(self):
        status, said = self.told(' && limit(9) == 9', {self.LIE: 'not true'})
        self.assertEqual(status, 1)
        self.assertIn('but listed as equivalent: src/gate/tiny.c | return n', said)

    def test_no_file_is_no_proof(self):
        self.assertEqual(self.told(arguments=('elsewhere',))[0], 1)

    def test_a_test_that_fails_anyway_proves_nothing(self):
        with self.assertRaisesRegex(SystemExit, 'fails without any mutant'):
            self.told(' && 0')

    def test_a_list_is_read(self):
        self.assertEqual(mutate.read_equivalent('# a\nf.c | a | b == c || d | || to && | since\n'),
                         {('f.c', 'a | b == c || d', '|| to &&'): 'since'})
