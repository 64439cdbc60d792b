"""Media when the disk, the folder or the process fails: an error that is clear, and nothing that was there is lost."""
import os
import resource
import time
import unittest
import uuid

from support import Case, Server, register
from support.wire import Conn, request

OLD = b'what was there before ' * 1000


class World:
    """A server with one medium that has content."""

    def __init__(self, **options):
        self.server = Server(**options).start()
        self.ann = register(self.server)
        project = self.ann.made('projects', {'name': 'p'})['id']
        generation = self.ann.made('generations', {'project_id': project, 'prompt': 'x'})['id']
        self.medium = self.ann.made('media', {'generation_id': generation})['id']
        self.path = f'/api/v1/media/{self.medium}/content'
        reply = self.put(OLD)
        assert reply.status == 200, repr(reply)

    def put(self, data):
        return self.ann.call('PUT', self.path, data)

    def folder(self, name=''):
        return os.path.join(self.server.path('data/media'), name)

    def files(self):
        return sorted(name for root, _, names in os.walk(self.folder()) for name in names)

    def wait(self, holds, seconds=10):
        until = time.monotonic() + seconds
        while not holds() and time.monotonic() < until:
            time.sleep(0.05)
        return holds()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ann.close()
        self.server.finish()


class Disk(Case):
    def test_a_file_that_may_not_grow(self):
        limit = 80 << 20     # what the workers share is a file too
        with World(limits={resource.RLIMIT_FSIZE: limit}, WORKERS=1) as world:
            self.assert_problem(world.put(bytes(limit + 100000)), 503, 'no_space')
            self.assertEqual(world.ann.get(world.path).body, OLD)
            self.assertTrue(world.wait(lambda: len(world.files()) == 1))
            self.assert_status(world.put(b'smaller'), 200)

    def test_a_folder_that_is_gone(self):
        with World(WORKERS=1) as world:
            os.rename(world.folder('tmp'), world.folder('away'))
            with open(world.folder('tmp'), 'w', encoding='ascii'):
                pass        # no folder any more
            self.assert_problem(world.put(b'new'), 503, 'unavailable')
            self.assertEqual(world.ann.get(world.path).body, OLD)
            os.unlink(world.folder('tmp'))
            self.assert_status(world.put(b'new'), 200)

    def test_content_that_is_gone_is_503_not_404(self):
        with World(WORKERS=1) as world:
            name = world.files()[0]
            where = world.folder(f'{name[:2]}/{name[2:4]}/{name}')
            os.rename(where, where + '.away')
            self.assert_problem(world.ann.get(world.path), 503)
            with open(where, 'wb') as cut:
                cut.write(OLD[:-1])
            self.assert_problem(world.ann.get(world.path), 503)
            os.rename(where + '.away', where)
            self.assertEqual(world.ann.get(world.path).body, OLD)

    def test_a_folder_that_cannot_be_made_stops_the_start(self):
        server = Server(MEDIA_DIR='/proc/nowhere')
        self.addCleanup(server.destroy)
        status, _, err = server.run('serve')
        self.assertNotEqual(status, 0)
        self.assertIn('MEDIA_DIR /proc/nowhere', err)


class Death(Case):
    def test_killed_in_the_middle_of_an_upload(self):
        with World(WORKERS=1) as world:
            with Conn(world.server.port, source=world.ann.source) as conn:
                conn.send(request('PUT', world.path, world.ann.headers({'Content-Length': '3000000'})) + bytes(1000000))
                self.assertTrue(world.wait(lambda: os.listdir(world.folder('tmp'))))
                world.server.kill()
            left = os.listdir(world.folder('tmp'))
            self.assertEqual(len(left), 1)
            long_ago = time.time() - 7300
            os.utime(world.folder(f'tmp/{left[0]}'), (long_ago, long_ago))
            world.server.start()
            world.ann.close()
            self.assertEqual(world.ann.get(world.path).body, OLD)
            self.assertTrue(world.wait(lambda: len(world.files()) == 1))


class Orphans(Case):
    def test_what_no_row_names_is_removed_when_it_is_old(self):
        with World(WORKERS=1) as world:
            named = world.files()[0]
            old, young = uuid.uuid4().hex, uuid.uuid4().hex
            for name in (old, young):
                os.makedirs(world.folder(f'{name[:2]}/{name[2:4]}'), exist_ok=True)
                with open(world.folder(f'{name[:2]}/{name[2:4]}/{name}'), 'wb') as file:
                    file.write(b'x')
            long_ago = time.time() - 7300
            for name in (named, old):
                os.utime(world.folder(f'{name[:2]}/{name[2:4]}/{name}'), (long_ago, long_ago))
            world.server.stop()
            world.server.start()
            world.ann.close()
            self.assertTrue(world.wait(lambda: old not in world.files()))
            self.assertEqual(world.files(), sorted([named, young]))
            self.assertEqual(world.ann.get(world.path).body, OLD)

    def test_content_that_was_replaced_goes(self):
        with World(WORKERS=1) as world:
            before = world.files()[0]
            self.assert_status(world.put(b'new'), 200)
            self.assertIn(before, world.files())
            long_ago = time.time() - 7300
            os.utime(world.folder(f'{before[:2]}/{before[2:4]}/{before}'), (long_ago, long_ago))
            world.server.stop()
            world.server.start()
            world.ann.close()
            self.assertTrue(world.wait(lambda: before not in world.files()))
            self.assertEqual(world.ann.get(world.path).body, b'new')


if __name__ == '__main__':
    unittest.main()
