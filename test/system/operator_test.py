#!/usr/bin/python3
"""The operator's doors: a command is executed and hears its own answer, whatever dies meanwhile."""

import time
import unittest

from by_hand import admin, arm_next_starts
from system import SystemTest, eventually


class OperatorDoors(SystemTest):
    def replay_slowly(self, system):
        """The backend is killed and replays for some seconds."""
        arm_next_starts(system, "in_replay=slow")
        system.kill9("backend-1")
        self.assertTrue(eventually(lambda: system.node("backend-1")["state"] == "replaying"))

    def next_supervisor(self, system):
        pid = system.kill9("supervisor-1")
        self.assertTrue(eventually(lambda: system.pid("supervisor-1") not in (None, 0, pid)))

    def test_a_command_never_hears_the_answer_to_an_earlier_supervisors(self):
        system = self.start_system("1:Phone:100")
        self.next_supervisor(system)  # from here on commands are numbered from 1
        system.wait_ready()
        for _ in range(30):
            system.stampede("order", 1, "--user", "ann")
        self.replay_slowly(system)
        waiting = system.popen("item", "stock", 1, "+5", "--request-id", "op-a")
        time.sleep(1)  # the backend has it, and replays
        self.assertEqual(system.node("backend-1")["state"], "replaying")
        self.next_supervisor(system)
        waiting.communicate(timeout=60)
        system.wait_ready(60)
        total = self.total(system)
        done = system.stampede("item", "stock", 1, "+1000", "--request-id", "op-b")
        self.assertEqual((done.returncode, self.total(system)), (0, total + 1000), done.stdout)
        again = system.stampede("item", "stock", 1, "+5", "--request-id", "op-a")
        self.assertEqual((again.returncode, self.total(system)), (0, 1105), again.stdout)
        system.verify()

    @staticmethod
    def total(system):
        return admin(system, {"do": "items"})["items"][0]["total"]


if __name__ == "__main__":
    unittest.main()
