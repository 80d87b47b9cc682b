#!/usr/bin/python3
"""Fail-stop: an exception in any actor of any node ends its process with 70, and the sale goes on.

The names come from the running nodes (`actors` in `status --json`); no list of them is kept here.
The exception is thrown by the failpoint `actor:NAME`, which every actor passes in its own thread,
when it begins and whenever it turns to its mail.
"""

import re
import signal
import time
import unittest

from by_hand import admin, arm_next_starts, end_database, log_dir, log_text, start_database
from system import SystemTest, eventually

from stampede import Client


# Deaths on purpose, so no back-off; many heartbeats, so that no actor is missed that lives for a
# moment.
QUICK = {"STAMPEDE_SUPERVISOR__RESTART_BACKOFF_MAX_MS": "100",
         "STAMPEDE_SUPERVISOR__HEARTBEAT_MS": "20",
         "STAMPEDE_SUPERVISOR__MISSED_HEARTBEATS_MAX": "100"}


class FailStop(SystemTest):
    # --- what a node says of itself ---------------------------------------------------------------

    def actors(self, system, node="backend-1"):
        return set(system.node(node).get("actors", []))

    def all_actors(self, system):
        """(node, actor) of everything that lives now."""
        system.wait_ready()
        return [(node["node"], actor) for node in system.status()["nodes"]
                for actor in node["actors"]]

    def settled(self, system):
        """The same, once those have left that live for a moment."""
        looks = [None]

        def as_before():
            looks.append(self.all_actors(system))
            return looks[-1] == looks[-2] and system.status()["database"]["state"] == "ok"
        self.assertTrue(eventually(as_before, pause=0.5), looks)
        return looks[-1]

    def lasting(self, system):
        """The backend's, once settled."""
        return {actor for node, actor in self.settled(system) if node == "backend-1"}

    def wait_for(self, system, node, wanted):
        """The names, once `wanted` of them is true."""
        if not eventually(lambda: wanted(self.actors(system, node))):
            self.fail(f"{node} has {self.actors(system, node)}\n{system.logs()}")
        return self.actors(system, node)

    # --- exceptions -------------------------------------------------------------------------------

    def guard_said(self, system):
        return log_text(system, "supervisor").count("the supervisor ended (exit 70)")

    def check_end(self, system, node, actor):
        """What `status` says of the process that was before."""
        said = system.node(node)["last_exit"]
        self.assertRegex(said, r"^exit 70: actor \S")
        self.assertRegex(said, rf"actor [^:]*\b{re.escape(actor)}\b[^:]* threw: "
                               rf"failpoint actor:{re.escape(actor)}$")

    def throw_in(self, system, node, actor):
        """In the process that runs."""
        system.wait_ready()
        before, guard = system.node(node), self.guard_said(system)
        answer = admin(system, {"do": "failpoints", "node": node, "arm": f"actor:{actor}=throw"})
        self.assertEqual(answer, {"ok": True})
        system.wait_back(node, before["pid"])
        if node == "supervisor-1":
            self.assertEqual(self.guard_said(system), guard + 1)
            self.assertRegex(log_text(system, "supervisor").rsplit("(exit 70)", 1)[0],
                             rf"exit 70: actor {actor} threw: failpoint actor:{actor}\n[^\n]*$")
            return
        self.assertEqual(system.node(node)["restarts"], before["restarts"] + 1)
        self.check_end(system, node, actor)

    def throw_at_begin(self, system, node, actor):
        """In the next process, when the actor begins there."""
        # A start that finds an unused spare makes none; it is expendable.
        for spare in log_dir(system).glob("*spare*"):
            spare.unlink()
        before = system.node(node)["restarts"]
        arm_next_starts(system, f"actor:{actor}=throw", node=node)
        pid = system.kill9(node)
        if not eventually(lambda: system.node(node).get("restarts", 0) >= before + 2, 60):
            self.fail(f"{actor} of {node} did not end it: {system.node(node)}\n{system.logs()}")
        system.wait_back(node, pid)
        self.check_end(system, node, actor)

    # --- tests ------------------------------------------------------------------------------------

    def test_an_exception_in_any_actor_that_lives_ends_its_process(self):
        system = self.start_system("1:Phone:1000", **QUICK)
        every = self.settled(system)
        self.assertEqual({node for node, _ in every},
                         {"supervisor-1", "backend-1", "broker-1", "webapp-1"})
        with Client(system.zmq) as client:
            for number, (node, actor) in enumerate(every):
                self.throw_in(system, node, actor)
                self.assertEqual(client.order(1, f"u{number}", 1).state, "confirmed")
        self.assertEqual(sorted(self.settled(system)), sorted(every))
        system.verify()
        print(f"  thrown in {every}")

    def test_an_exception_in_any_actor_as_it_begins_ends_its_process(self):
        system = self.start_system("1:Phone:1000", **QUICK)
        lasting = self.lasting(system)
        short = self.short_lived(system) - lasting
        self.assertGreaterEqual(len(short), 4, short)  # those that this test knows how to meet
        with Client(system.zmq) as client:
            for number, actor in enumerate(sorted(short | lasting)):
                self.throw_at_begin(system, "backend-1", actor)
                self.assertEqual(client.order(1, f"u{number}", 1).state, "confirmed")
            for node in ("broker-1", "webapp-1"):
                for actor in sorted(self.actors(system, node)):
                    self.throw_at_begin(system, node, actor)
        self.wait_for(system, "backend-1", lambda names: names == lasting)
        system.verify()
        print(f"  thrown in {sorted(short)} and {sorted(lasting)}")

    def short_lived(self, system):
        """The names that a backend has while it starts, hangs and does without its database."""
        seen = set()
        arm_next_starts(system, "replayed=hang")
        pid = system.kill9("backend-1")
        seen |= self.wait_for(system, "backend-1", lambda names: "core" in names and
                              "log" not in names)
        system.signal(system.database_pid(), signal.SIGSTOP)
        try:
            for spare in log_dir(system).glob("*spare*"):
                spare.unlink()
            arm_next_starts(system, "spare_create=hang")
            pid = system.kill9("backend-1")

            def serves():
                seen.update(self.actors(system))
                return system.node("backend-1").get("pid") not in (None, pid) and (
                    system.node("backend-1")["state"] == "ready")
            self.assertTrue(eventually(serves, 60), system.logs())
            # It hangs where it makes the spare, and a heartbeat tells of it.
            seen |= self.wait_for(system, "backend-1", lambda names: "spare" in names)
        finally:
            system.signal(system.database_pid(), signal.SIGCONT)
        pid = system.kill9("backend-1")
        system.wait_back("backend-1", pid)
        return seen

    def test_an_exception_in_a_claim_that_waits_for_the_database_ends_the_backend(self):
        system = self.start_system("1:Phone:1000", **QUICK)
        lasting = self.lasting(system)
        end_database(system)
        with Client(system.zmq) as client:
            system.wait_back("backend-1", system.kill9("backend-1"))
            waiting = self.actors(system) - lasting
            time.sleep(1)  # who asked the database at the start has gone by then
            waiting &= self.actors(system)
            self.assertTrue(waiting)
            for actor in waiting:
                self.throw_in(system, "backend-1", actor)
                pid = system.pid("backend-1")
                done = system.stampede("chaos", "kill", "backend", "--actor", actor)
                self.assertEqual(done.returncode, 0, done.stderr)
                system.wait_back("backend-1", pid)
                self.assertRegex(system.node("backend-1")["last_exit"],
                                 rf"^exit 70: actor {actor} ended: killed$")
            self.assertEqual(client.order(1, "ann", 1).state, "confirmed")
        start_database(system)
        self.wait_for(system, "backend-1", lambda names: names == lasting)
        system.verify()

    def test_single_actors_of_the_supervisor_are_killed_by_name(self):
        system = self.start_system("1:Phone:1000", **QUICK)
        nodes = {name: pid for name, pid in system.pids().items() if name != "supervisor-1"}
        done = system.stampede("chaos", "kill", "supervisor", "--actor", "nobody")
        self.assertEqual(done.returncode, 2)
        for actor in self.actors(system, "supervisor-1"):
            self.assertIn(actor, done.stderr)
        for number, actor in enumerate(sorted(self.actors(system, "supervisor-1")), 1):
            pid = system.pid("supervisor-1")
            done = system.stampede("chaos", "kill", "supervisor", "--actor", actor)
            self.assertEqual(done.returncode, 0, done.stderr)
            system.wait_back("supervisor-1", pid)
            self.assertEqual(self.guard_said(system), number)
        system.wait_ready()
        self.assertEqual({name: pid for name, pid in system.pids().items()
                          if name != "supervisor-1"}, nodes)

    def test_an_exception_in_what_guards_a_system_with_keys_ends_its_process(self):
        plain = self.start_system(**QUICK)
        usual = set(self.settled(plain))
        system = self.new_system(**QUICK)
        key = system.home / "system.key"
        self.assertEqual(system.stampede("keys", "new", key).returncode, 0)
        system.environment |= {"STAMPEDE_NET__MODE": "tcp", "STAMPEDE_CURVE__KEY_FILE": str(key)}
        system.start()
        guards = set(self.settled(system)) - usual
        self.assertEqual({node for node, _ in guards}, {node for node, _ in usual})
        for node, actor in sorted(guards):
            self.throw_in(system, node, actor)
        self.assertEqual(set(self.settled(system)) - usual, guards)
        print(f"  thrown in {sorted(guards)}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
