"""include/gen/layout.py: every source counts, and nothing else does."""
import os
import shutil
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')
sys.path.insert(0, os.path.join(ROOT, 'include', 'gen'))
import layout


class Layout(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in (('include/gate/facts.h', 'struct facts;'), ('src/gate/facts.c', 'a'), ('src/main.c', 'b'),
                           ('sql/queries/project.sql', 'select'), ('tests/unit/facts_test.c', 'c')):
            self.put(path, text)
        self.before = layout.digest(self.root)

    def put(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as file:
            file.write(text)

    def test_each_source_counts(self):
        for path, text in (('include/gate/facts.h', 'struct facts ;'), ('src/gate/facts.c', 'A'),
                           ('sql/queries/project.sql', 'select 1'), ('src/gate/more.c', '')):
            with self.subTest(path):
                self.put(path, text)
                now = layout.digest(self.root)
                self.assertNotEqual(now, self.before)
                self.before = now

    def test_what_stands_where_counts(self):
        self.put('src/gate/facts.c', 'b')
        self.put('src/main.c', 'a')
        self.assertNotEqual(layout.digest(self.root), self.before)

    def test_nothing_else_does(self):
        self.put('tests/unit/facts_test.c', 'changed')
        self.put('src/gate/facts.c.orig', 'x')
        os.utime(os.path.join(self.root, 'src/main.c'), (1, 1))
        self.assertEqual(layout.digest(self.root), self.before)

    def test_it_is_short_enough_for_a_name(self):
        self.assertRegex(self.before, '^[0-9a-f]{12}$')


if __name__ == '__main__':
    unittest.main()
