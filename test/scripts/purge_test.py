#!/usr/bin/python3
"""What a purge of the package removes, and that no command log is among it, wherever it lies below
the run directory. The package as a whole: package_root_test.py."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
SCRIPT = PROJECT / "packaging/debian/stampede.postrm"
SEGMENT = "0000000000000001-0000000000000001.seg"
SANDBOX = ("unshare", "--mount", "--map-root-user")  # mounts that end with their command


def can_mount():
    done = subprocess.run([*SANDBOX, "mount", "-t", "tmpfs", "none", "/mnt"], check=False,
                          stderr=subprocess.DEVNULL)
    return done.returncode == 0


class Purge(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.state = self.root / "var/lib/stampede"
        (self.state / "log").mkdir(parents=True)
        (self.state / "log/webapp-1.log").write_text("x\n", encoding="ascii")

    def purge(self, word="purge", before="true"):
        """As dpkg calls it, on a root directory of the test's own."""
        self.assertIn("state=$DPKG_ROOT/", SCRIPT.read_text(encoding="utf-8"))
        words = [*SANDBOX] if before != "true" else []
        done = subprocess.run([*words, "sh", "-c", f'{before} && exec sh "$0" {word}', SCRIPT],
                              env={"PATH": os.environ["PATH"], "DPKG_ROOT": str(self.root)},
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def test_a_state_without_a_log_goes(self):
        self.assertEqual(self.purge("remove"), "")
        self.assertTrue(self.state.is_dir())
        self.assertEqual(self.purge(), "")
        self.assertFalse(self.state.exists())
        self.assertEqual(self.purge(), "")

    def test_a_log_stays_wherever_it_lies(self):
        for place in "commandlog", "orders", "fast/disk", "old-20261201T000000Z/commandlog":
            with self.subTest(place):
                segment = self.state / place / SEGMENT
                segment.parent.mkdir(parents=True)
                segment.write_text("sold", encoding="ascii")
                self.assertIn("is left: it holds the log", self.purge())
                self.assertEqual(segment.read_text(encoding="ascii"), "sold")
                self.assertTrue((self.state / "log/webapp-1.log").exists())
                segment.unlink()
                segment.parent.rmdir()

    def test_the_usual_place_of_a_log_stays_though_it_is_empty(self):
        (self.state / "commandlog").mkdir()
        self.assertIn("is left", self.purge())
        self.assertTrue((self.state / "commandlog").is_dir())

    def test_a_run_directory_that_is_a_link_is_looked_through(self):
        disk = self.root / "disk"
        self.state.rename(disk)
        (disk / SEGMENT).write_text("sold", encoding="ascii")
        self.state.symlink_to(disk)
        self.assertIn("is left", self.purge())
        self.assertTrue(self.state.is_symlink() and (disk / SEGMENT).exists())

    @unittest.skipUnless(can_mount(), "no mounts of one's own here")
    def test_a_log_on_a_disk_that_is_mounted_there_stays(self):
        (self.state / "disk").mkdir()
        mounted = f"mount -t tmpfs none {self.state}/disk"
        self.assertIn("is left", self.purge(before=f"{mounted} && touch {self.state}/disk/1-1.seg"))
        self.assertTrue((self.state / "log/webapp-1.log").exists())


if __name__ == "__main__":
    unittest.main()
