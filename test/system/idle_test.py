#!/usr/bin/python3
"""Many well-behaved idle clients beside a sale: they stay, they cost next to nothing, others are
served as before.

STAMPEDE_IDLE_CLIENTS: how many (default 2,000; the long form is 10,000).
STAMPEDE_IDLE_ROUNDS: of a sale with and one without them, in turn (default 1; from 3 on the
latencies of both are held against each other).
STAMPEDE_IDLE_PING_S: every second client sends a PING so often (default 10).
"""

import json
import os
import resource
import statistics
import subprocess
import time
import unittest
from pathlib import Path

from system import System, SystemTest

CLIENTS = int(os.environ.get("STAMPEDE_IDLE_CLIENTS", "2000"))
ROUNDS = int(os.environ.get("STAMPEDE_IDLE_ROUNDS", "1"))
PING_S = os.environ.get("STAMPEDE_IDLE_PING_S", "10")
IDLE = Path(__file__).resolve().parent / "idle_clients.py"
QUIET_S = 5
SHARE_MAX = 0.10  # of a processor, all nodes together
RATIO_MAX = 1.2   # of the p99 with and without


class Idle(SystemTest):
    @classmethod
    def setUpClass(cls):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if limit < CLIENTS + 500:
            raise unittest.SkipTest(f"only {limit} descriptors are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Phone:1000000000")

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)

    def begin_idle(self):
        idle = subprocess.Popen(["/usr/bin/python3", str(IDLE), str(self.system.base + 1),
                                 str(CLIENTS), PING_S], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        self.addCleanup(idle.kill)
        self.assertEqual(idle.stdout.readline(), "ready\n")
        return idle

    def end_idle(self, idle):
        """Each is still connected, and heard all its PONGs but those that are on their way."""
        said, _ = idle.communicate(timeout=30)
        counts = json.loads(said)
        self.assertEqual(counts["lost"], 0)
        self.assertGreaterEqual(counts["pongs"], counts["pings"] * 0.98 - 50)
        return counts

    def cpu_seconds(self):
        """Of all nodes together."""
        used = 0
        for pid in self.system.pids().values():
            words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            used += int(words[11]) + int(words[12])
        return used / os.sysconf("SC_CLK_TCK")

    def quiet_share(self):
        before, begin = self.cpu_seconds(), time.monotonic()
        time.sleep(QUIET_S)
        return (self.cpu_seconds() - before) / (time.monotonic() - begin)

    def sale(self):
        """(p99 in ms, orders a second) of a closed loop that never rests."""
        report = self.system.report("bench", "--closed", "--window", 256, "--duration", "4s")
        self.assertEqual((report["no_answer"], report["errors"]), (0, 0), report)
        return report["p99_us"] / 1000, report["confirmed"] / report["seconds"]

    def test_idle_clients_beside_a_sale(self):
        pids = self.system.pids()
        self.sale()  # every buffer has had its use
        alone, beside, quiet, idling, grown = [], [], [], [], []
        for number in range(ROUNDS):
            for with_them in (False, True) if number % 2 else (True, False):
                if not with_them:
                    quiet.append(self.quiet_share())
                    alone.append(self.sale())
                    continue
                memory = self.system.memory("webapp-1")
                idle = self.begin_idle()
                idling.append(self.quiet_share())
                grown.append(self.system.memory("webapp-1") - memory)
                beside.append(self.sale())
                counts = self.end_idle(idle)
        share = statistics.median(idling) - statistics.median(quiet)
        p99, p99_beside = (statistics.median(one for one, _ in side) for side in (alone, beside))
        rate, rate_beside = (statistics.median(one for _, one in side) for side in (alone, beside))
        print(f"\n{CLIENTS} idle clients, {ROUNDS} rounds, {counts['pings']} PINGs in the last: "
              f"{share * 100:.1f} % of a processor; p99 {p99:.2f} ms without, {p99_beside:.2f} ms "
              f"with them (×{p99_beside / p99:.2f}); {rate:,.0f} and {rate_beside:,.0f} orders a "
              f"second; the webapp grew by {max(grown) / 2**20:.0f} MiB", flush=True)
        self.assertEqual(self.system.pids(), pids)
        self.system.verify()
        if "STAMPEDE_REPORTS" in os.environ:
            return  # a sanitizer is slower
        self.assertLess(share, SHARE_MAX)
        if ROUNDS >= 3:
            self.assertLess(p99_beside / p99, RATIO_MAX)


if __name__ == "__main__":
    unittest.main(verbosity=2)
