#!/usr/bin/python3
"""A system from a checkout by somebody who is not root, owns nothing of the checkout and may not
write in it: started, sold with kills by the demo, stopped; every process and every file is his.

The test that runs as root becomes him: a user that only a mount namespace of the test's own knows,
in which the checkout lies below /mnt. One that is an ordinary user is he himself.
"""

import os
import subprocess
import unittest
from pathlib import Path

from system import BINARY, PROJECT, System, SystemTest

ROOT = os.geteuid() == 0
USER, NAME = (54_321, "shopkeeper") if ROOT else (os.geteuid(), "")
CHECKOUT = Path("/mnt") if ROOT else PROJECT
# As root: the checkout and his names are there in this namespace alone; then he goes on as himself.
BECOME = """
mount --bind "$1" /mnt && mount -o remount,bind,ro /mnt
for file in passwd group; do mount --bind "$2/$file" /etc/$file; done
cd "$2/home"
exec setpriv --reuid="$3" --regid="$3" --clear-groups --no-new-privs -- "${@:4}"
"""


class OthersSystem(System):
    """Of the user; everything that starts or asks it does so as he."""

    def __init__(self):
        super().__init__()
        self.names = self.home
        own = self.home / "home"
        own.mkdir()
        if ROOT:
            os.chmod(self.home, 0o755)
            for file, line in (("passwd", f"{NAME}:x:{USER}:{USER}::{own}:/bin/sh\n"),
                               ("group", f"{NAME}:x:{USER}:\n")):
                known = Path("/etc", file).read_text(encoding="utf-8")
                (self.home / file).write_text(known + line, encoding="utf-8")
            os.chown(own, USER, USER)
        self.run = own / "run"
        self.environment |= {"STAMPEDE_RUN_DIR": str(self.run), "HOME": str(own),
                             "STAMPEDE_BIN": self.there(BINARY), "TMPDIR": str(own)}

    @staticmethod
    def there(path):
        """Where he finds a file of the checkout."""
        path = Path(path)
        inside = path.is_relative_to(PROJECT)
        return str(CHECKOUT / path.relative_to(PROJECT)) if inside else str(path)

    def _run(self, command, timeout, environment):
        command = [self.there(command[0]), *command[1:]]
        if ROOT:
            command = ["unshare", "--mount", "--", "/bin/bash", "-ec", BECOME, "become", PROJECT,
                       self.names, str(USER), *command]
        return subprocess.run(command, env=self.environment | environment, cwd="/",
                              capture_output=True, text=True, timeout=timeout, check=False)


class OrdinaryUser(SystemTest):
    def test_he_starts_sells_through_kills_and_stops(self):
        system = OthersSystem()
        self.addCleanup(system.stop)
        self.addCleanup(self._show_logs_of_a_failure, system)
        system.start("1:Phone:100")
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in system.processes()}
        self.assertEqual((len(system.processes()) > 4, owners), (True, {USER}))
        demo = system.script("demo.sh", timeout=200)
        self.assertEqual((demo.returncode, demo.stdout.splitlines()[-1:]), (0, ["PASS"]),
                         demo.stdout + demo.stderr)
        system.verify()
        stopped = system.halt()
        self.assertIn("database up to date", stopped.stdout)
        self.assertEqual(system.processes(), {})
        files = list(system.run.rglob("*"))
        self.assertGreater(len(files), 20)
        self.assertEqual({path.lstat().st_uid for path in files}, {USER})
        open_ = [path for path in files if not path.is_symlink() and path.stat().st_mode & 0o002]
        self.assertEqual(open_, [], "what everybody may write")

    @unittest.skipUnless(ROOT, "what he may not write in is made by root")
    def test_he_has_no_rights_but_his_own(self):
        system = OthersSystem()
        self.addCleanup(system.stop)
        done = system._run(["/usr/bin/id", "-un"], 20, {})  # pylint: disable=protected-access
        self.assertEqual((done.returncode, done.stdout), (0, f"{NAME}\n"), done.stderr)
        for path in CHECKOUT / "build", Path("/etc"), Path("/var/lib"):
            done = system._run(  # pylint: disable=protected-access
                ["/usr/bin/touch", str(path / "his")], 20, {})
            self.assertNotEqual(done.returncode, 0, path)


if __name__ == "__main__":
    unittest.main()
