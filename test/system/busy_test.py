#!/usr/bin/python3
"""The end of a process that was killed while other programs keep all processors busy: it is soon
gone, however little of it was in a hurry, and what is told is the kill.
"""

import contextlib
import os
import subprocess
import time
import unittest
from pathlib import Path

from system import SystemTest, eventually


class Kills(SystemTest):
    def test_a_killed_backend_ends_beside_busy_programs_and_the_kill_is_what_is_told(self):
        system = self.start_system("1:Phone:100")
        for _ in range(4):
            time.sleep(2)  # its thread of snapshots has looked, and waits
            with self.busy_processors():
                time.sleep(0.3)
                pid = system.kill9("backend-1")
                self.assertTrue(eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 5,
                                           pause=0.01), "it is still there")
            system.wait_back("backend-1", pid)
            self.assertEqual(system.node("backend-1")["last_exit"], "SIGKILL")

    @contextlib.contextmanager
    def busy_processors(self):
        loops = [subprocess.Popen(["/usr/bin/python3", "-c", "while True: pass"])
                 for _ in range(os.cpu_count())]
        try:
            yield
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()


if __name__ == "__main__":
    unittest.main()
