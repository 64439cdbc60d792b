"""kill -9 of PostgreSQL with all its processes under write load: nothing acknowledged is lost, nothing is done twice
under one key, every change has its audit row, and the server goes on by itself."""
import collections
import os
import statistics
import time
import unittest

from support import Case, on_every_worker
from support.dependencies import RECOVERY, Crowd, Services, Stand

DEATHS = int(os.environ.get('DEATHS', '20'))
MORE = 8                # changes acknowledged between two deaths


class PostgresDeath(Case):
    def test_under_write_load_nothing_acknowledged_is_lost(self):
        services = Services(fsync='on', full_page_writes='on').start()
        self.addCleanup(services.finish)
        with Stand(services.postgres, services.redis) as stand:
            with Crowd(stand.server, writers=8) as crowd:
                took = [self.die(services.postgres, crowd) for _ in range(DEATHS)]
                crowd.until(len(crowd.made) + 30, 30)
            self.assertEqual(set(on_every_worker(stand.server, crowd.me.token, 'startups')), {200})
            writes = collections.Counter(e.code or e.status for e in crowd.events if e.kind == 'write')
            print(f'\n{DEATHS} deaths: {len(crowd.made)} creations acknowledged, {writes["commit_unknown"]} outcomes '
                  f'unknown, {crowd.retries} repetitions, first change p50 {statistics.median(took) * 1000:.0f} ms, '
                  f'max {max(took) * 1000:.0f} ms after the return; {dict(writes)}', flush=True)
            self.assertGreater(crowd.retries, DEATHS, 'nobody has noticed')
            crowd.assert_sane(self)
            self.assertLess(max(took), RECOVERY)
            self.assertEqual([line for line in stand.server.lines() if line.get('event') == 'worker.ended'], [])

    def die(self, postgres, crowd):
        """Seconds from its return until the first change that was asked for after it is acknowledged."""
        crowd.until(len(crowd.made) + MORE, 20)
        postgres.kill()
        postgres.start()
        back = time.monotonic()
        until = back + 15
        seen = len(crowd.events)
        while True:
            for event in crowd.events[seen:]:
                if event.kind == 'write' and event.status in (200, 201) and event.ended > back:
                    return event.ended - back
            seen = max(seen, len(crowd.events) - 50)
            self.assertLess(time.monotonic(), until, 'no change after its return')
            time.sleep(0.01)


if __name__ == '__main__':
    unittest.main()
