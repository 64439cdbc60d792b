"""What others depend on is compared with a file beside this one; a change there is a change for them.

After a change that is meant: GOLDEN=write ./dev test golden
"""
import json
import os
import re

from support import Api, Case, Server
from support.server import ROOT

HERE = os.path.dirname(os.path.abspath(__file__))


class Golden(Case):
    def compare(self, name, found):
        path = os.path.join(HERE, name)
        if os.environ.get('GOLDEN') == 'write':
            with open(path, 'w') as file:
                file.write(found)
        with open(path) as file:
            self.assertMultiLineEqual(file.read(), found)

    def test_help(self):
        server = Server()
        status, out, err = server.run('--help')
        server.destroy()
        self.assertEqual((status, err), (0, ''))
        self.compare('help.txt', out)

    def test_metrics(self):
        """Name and type of each family, as the page has them."""
        with Server() as server:
            with Api(server) as api:
                page = api.get('/metrics').body.decode()
        self.compare('metrics.txt', ''.join(f'{line}\n' for line in re.findall(r'^# TYPE (.*)', page, re.M)))

    def test_openapi(self):
        """The whole description, laid out for people to read its changes."""
        server = Server()
        status, out, err = server.run('openapi')
        server.destroy()
        self.assertEqual((status, err), (0, ''))
        self.compare('openapi.json', json.dumps(json.loads(out), indent=1) + '\n')

    def test_errors(self):
        """Status and code of each error; the texts are for people and may change."""
        with open(os.path.join(ROOT, 'include', 'base', 'err.tbl')) as file:
            rows = re.findall(r'^ERR\(\w+,\s*(\d+), "(\w+)"', file.read(), re.M)
        self.compare('errors.txt', ''.join(f'{status} {code}\n' for status, code in rows))
