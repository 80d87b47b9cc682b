#!/usr/bin/python3
"""How many webapps run is changed while they sell: new ones serve, those beyond finish what they
have taken; it outlives supervisor and guard, and ends with the system."""

import json
import signal
import socket
import unittest

from buyers import Crowd, Sale
from by_hand import must
from system import SystemTest, eventually

from stampede import Client

ALL = {"broker": 1, "backend": 1}


class Nodes(SystemTest):
    def counts(self, system, *words):
        done = must(system.stampede("--json", "nodes", *words), words)
        return json.loads(done.stdout)

    def names(self, system):
        return sorted(name for name in system.pids() if name.startswith("webapp"))

    def refused(self, system, *words, code):
        before = system.pids()
        done = system.stampede("nodes", *words)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertEqual(system.pids(), before)
        return done.stderr

    def test_webapps_come_and_go_while_they_sell(self):
        system = self.start_system("1:Phone:1000000")
        self.assertEqual(self.counts(system), {"webapp": 1} | ALL)
        first = system.pids()
        with Crowd(system.zmq, system.zmq_2, system.zmq_3, sockets=6) as crowd:
            sale = Sale(crowd, 1, "nodes", rate=600)
            self.assertEqual(self.counts(system, "webapp=3"), {"webapp": 3} | ALL)
            self.assertEqual(self.names(system), ["webapp-1", "webapp-2", "webapp-3"])
            with Client(system.zmq_3) as client:
                self.assertEqual(client.order(1, "ann").state, "confirmed")
            # Whoever comes next goes on with it.
            system.wait_back("supervisor-1", system.kill9("supervisor-1"))
            system.wait_ready()
            self.assertEqual(self.counts(system), {"webapp": 3} | ALL)
            must(system.stampede("stop", "webapp-2"), "stop")
            self.assertEqual(self.counts(system, "webapp=1,broker=1"), {"webapp": 1} | ALL)
            self.assertEqual(self.names(system), ["webapp-1"])
            now = system.pids()
            self.assertEqual({name: now[name] for name in first if name != "supervisor-1"},
                             {name: pid for name, pid in first.items() if name != "supervisor-1"})
            # One that was stopped before it was not wanted runs when it is wanted again.
            self.assertEqual(self.counts(system, "webapp=2"), {"webapp": 2} | ALL)
            self.assertEqual(system.node("webapp-2")["state"], "ready")
            self.end_in_the_middle(system)
            self.assertEqual(self.counts(system, "webapp=3"), {"webapp": 3} | ALL)
            self.assertTrue(sale.stop(), crowd.open())
            self.assertEqual((crowd.faults, crowd.refused), ([], {}))
            report = system.verify()
            self.assertEqual(report["confirmed"], len(crowd.confirmed()) + 1)
        system.halt(now=True)
        system.start()
        self.assertEqual(self.names(system), ["webapp-1"])

    def end_in_the_middle(self, system):
        """A supervisor that dies before a surplus webapp has ended: the next one ends it."""
        webapp = system.pid("webapp-2")
        system.signal(webapp, signal.SIGSTOP)
        fewer = system.popen("nodes", "webapp=1", "--wait", "0s")
        self.assertEqual(fewer.wait(30), 5)
        fewer.communicate()
        self.assertTrue(system.node("webapp-2")["retired"])
        self.assertEqual(system.stampede("restart", "webapp-2").returncode, 2)
        system.wait_back("supervisor-1", system.kill9("supervisor-1"))
        system.signal(webapp, signal.SIGCONT)
        self.assertTrue(eventually(lambda: self.names(system) == ["webapp-1"], 20))

    def test_what_cannot_be_is_refused_and_nothing_changes(self):
        system = self.start_system("1:Phone:10")
        for wrong in ("webapp=17", "webapp", "shop=1", "webapp=-1", "webapp=1,"):
            self.assertIn(f"{wrong}: give a list like",
                          self.refused(system, wrong, code=2))
        self.assertIn("broker=0: the system runs 1, and only webapps change",
                      self.refused(system, "webapp=2,broker=0", code=6))
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", system.base + 102))
            taken.listen()
            self.assertIn(f"port {system.base + 102} on 127.0.0.1, of webapp-2",
                          self.refused(system, "webapp=2", code=6))
        # The script says the same, and does the same.
        refused = system.try_start("--nodes", "backend=0")
        self.assertEqual(refused.returncode, 6, refused.stderr)
        self.assertIn("webapp=2,broker=1,backend=1",
                      must(system.try_start("--nodes", "webapp=2"), "start_all.sh").stdout)
        self.assertEqual(self.counts(system), {"webapp": 2} | ALL)
        must(system.stampede("stop", "webapp-1"), "stop")
        looked = system.stampede("doctor").stdout
        self.assertIn(f":{system.base + 101} is held by webapp-2", looked)
        self.assertNotIn(f":{system.base + 1} ", looked)
        must(system.stampede("start", "webapp-1"), "start")
        self.assertEqual(self.counts(system, "webapp=0"), {"webapp": 0} | ALL)
        self.assertEqual(self.counts(system, "webapp=1"), {"webapp": 1} | ALL)
        must(system.stampede("order", 1, "--user", "ann"), "order")


if __name__ == "__main__":
    unittest.main()
