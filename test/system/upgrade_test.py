#!/usr/bin/python3
"""A running system goes on as another program, under load: nothing lost, nothing doubled, buyers
wait less than two seconds, and nodes of two programs never run side by side; whoever is killed
meanwhile, it ends up as a whole with one program. A program that does not fit is refused by name.

The other program is a copy of this one under another version. STAMPEDE_UPGRADE=base begins with the
program of the commit in test/upgrade/base instead, which is built first (minutes), or with that of
STAMPEDE_UPGRADE_FROM=PATH. STAMPEDE_TEST_SEED=N repeats the moments of the kills.
"""

import contextlib
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

from buyers import Crowd, Sale
from by_hand import must
from system import BINARY, PROJECT, SystemTest, eventually, seed

PAUSE_MAX_S = 2.0
RATE = 1500  # orders a second
NODES = ("webapp-1", "webapp-2", "broker-1", "backend-1")
VERSION, OTHER_VERSION = b"0.1.0\0", b"0.1.9\0"


def file_of(pid):
    """What tells one program from another; None when there is no such process."""
    try:
        found = os.stat(f"/proc/{pid}/exe")
    except OSError:
        return None
    return found.st_dev, found.st_ino


def base_program():
    """The program of the commit in test/upgrade/base, or None: the test takes a copy."""
    given = os.environ.get("STAMPEDE_UPGRADE_FROM")
    if given or os.environ.get("STAMPEDE_UPGRADE") != "base":
        return given and Path(given)
    commit = (PROJECT / "test/upgrade/base").read_text(encoding="ascii").split()[0]
    tree = PROJECT / "build" / f"upgrade-{commit[:12]}"
    if not (tree / "build/bin/stampede").exists():
        tree.mkdir(parents=True, exist_ok=True)
        sources = subprocess.run(["git", "-C", PROJECT, "archive", commit], check=True,
                                 stdout=subprocess.PIPE).stdout
        subprocess.run(["tar", "-x", "-C", tree], check=True, input=sources)
        subprocess.run(["cmake", "-S", tree, "-B", tree / "build", "-G", "Ninja",
                        "-DCMAKE_BUILD_TYPE=Release"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["ninja", "-C", tree / "build", "stampede"], check=True,
                       stdout=subprocess.DEVNULL)
    return tree / "build/bin/stampede"


class TimedCrowd(Crowd):
    """Knows the longest time in which nobody got a final answer."""

    last, pause = None, 0.0

    def _judge_final(self, name, answer):
        now = time.monotonic()
        self.pause = max(self.pause, now - (self.last or now))
        self.last = now
        super()._judge_final(name, answer)


class Watch(threading.Thread):
    """Looks all the time which programs the nodes run; `mixed` is what it saw of two at once."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self.files = [run / f"{name}.lock" for name in NODES]
        self.end = threading.Event()
        self.mixed = []
        self.looks = 0
        self.start()

    def look(self):
        found = {}
        for file in self.files:
            words = file.read_text(encoding="ascii").split()
            program = file_of(words[0]) if words else None
            if program:
                found[file.stem] = program
        return found

    def run(self):
        while not self.end.wait(0.003):
            found = self.look()
            self.looks += 1
            if len(set(found.values())) > 1 and len(set(self.look().values())) > 1:
                self.mixed.append(found)

    def stop(self):
        self.end.set()
        self.join()


class UpgradeCase(SystemTest):
    def copy(self, system, name, *changes):
        """The program under test, under another name and with some bytes changed."""
        path = system.home / name
        contents = Path(BINARY).read_bytes()
        for before, after in changes:
            self.assertIn(before, contents)
            contents = contents.replace(before, after)
        path.write_bytes(contents)
        path.chmod(0o755)
        return path

    def start_on(self, *items, nodes="webapp=2"):
        """A system on the older program; the list of that and the newer one."""
        system = self.new_system()
        old = base_program() or self.copy(system, "stampede-old", (VERSION, OTHER_VERSION))
        system.environment["STAMPEDE_BIN"] = str(old)
        system.start(*items, nodes=nodes)
        return system, [old, self.copy(system, "stampede-next")]

    def guard(self, system):
        """Its process, or None."""
        return next((pid for pid, words in system.processes().items()
                     if " supervisor " in words and " --guard " in f"{words} "), None)

    def programs(self, system):
        """Of supervisor, nodes, and the guard if there is one."""
        pids = {*system.pids().values(), self.guard(system)} - {None}
        return {file_of(pid) for pid in pids}

    def stat(self, path):
        found = os.stat(path)
        return found.st_dev, found.st_ino


class UnderLoad(UpgradeCase):
    def setUp(self):
        self.random = random.Random(seed())

    def upgrade(self, system, program, kill):
        """`stampede upgrade`; `kill` is called at some moment while it is under way."""
        going = system.popen("--json", "upgrade", "--binary", program)
        if kill:
            before = system.pid("supervisor-1")
            eventually(lambda: file_of(before) in (None, self.stat(program)), 5, 0.002)
            # A pause of the plan: the kill shall meet any moment.
            time.sleep(self.random.uniform(0, 0.6))
            kill(system)
        out, err = going.communicate(timeout=90)
        return going.returncode, (out + err).strip()

    def settled(self, system):
        return system.stampede("health").returncode == 0 and len(self.programs(system)) == 1

    def step(self, system, crowd, programs, kill=None, maybe_back=False):
        """An upgrade under load to the other one of the two programs, which are exchanged then."""
        then, answered, watch = self.programs(system), len(crowd.answers), Watch(system.run)
        crowd.pause = 0.0
        code, said = self.upgrade(system, programs[1], kill)
        ended = eventually(lambda: self.settled(system), 30, 0.1)
        self.assertTrue(eventually(lambda: len(crowd.answers) > answered + RATE))
        watch.stop()
        print(f"  exit {code}, longest pause {crowd.pause:.2f} s, {watch.looks:,} looks, {said}",
              flush=True, file=sys.stderr)
        self.assertTrue(ended, (said, system.status(), self.programs(system)))
        self.assertEqual(watch.mixed, [])
        now = self.programs(system)
        if not maybe_back or now != then:
            self.assertEqual(now, {self.stat(programs[1])}, said)
            programs.reverse()
        if not maybe_back:
            self.assertEqual(code, 0, said)
        return crowd.pause

    @contextlib.contextmanager
    def sale(self, system):
        with TimedCrowd(system.zmq, system.zmq_2) as crowd:
            sale = Sale(crowd, 1, "up", rate=RATE)
            self.assertTrue(eventually(lambda: len(crowd.answers) > RATE))
            try:
                yield crowd
            finally:
                ended = sale.stop()
            self.assertTrue(ended, crowd.open())
            self.assertEqual((crowd.faults, crowd.refused), ([], {}))
            report = system.verify()
            confirmed = len(crowd.confirmed())
            self.assertEqual((report["confirmed"], report["rows"]), (confirmed, confirmed))
            self.assertTrue(crowd.ask_all_again(60), crowd.faults[:3])
            self.assertEqual(crowd.faults, [])

    def kills(self):
        """Whom, and whether all may be as before then. The guard last: it does not come again."""
        return ((lambda system: system.kill9("backend-1"), False),
                (lambda system: system.kill9("supervisor-1"), True),
                (self.kill_guard, False))

    def kill_guard(self, system):
        os.kill(eventually(lambda: self.guard(system)), signal.SIGKILL)

    def test_an_upgrade_is_a_short_pause_whoever_is_killed_meanwhile(self):
        system, programs = self.start_on("1:Phone:1000000")
        begun = system.pids()
        with self.sale(system) as crowd:
            self.assertLess(self.step(system, crowd, programs), PAUSE_MAX_S)
            self.check_versions(system)
            self.assertEqual(system.pid("supervisor-1") == begun["supervisor-1"],
                             base_program() is None)
            if base_program() is None:
                for kill, maybe_back in self.kills():
                    self.step(system, crowd, programs, kill, maybe_back)

    def check_versions(self, system):
        """The status names them, and the same program again changes nothing."""
        self.assertEqual({node["version"] for node in system.status()["nodes"]}, {"0.1.0"})
        before = system.pids()
        self.assertFalse(system.report("upgrade")["changed"])
        self.assertEqual(system.pids(), before)

    @unittest.skipUnless(base_program(), "of the long tier: STAMPEDE_UPGRADE=base")
    def test_from_the_base_whoever_is_killed_meanwhile(self):
        for kill, maybe_back in self.kills():
            system, programs = self.start_on("1:Phone:1000000")
            with self.sale(system) as crowd:
                self.step(system, crowd, programs, kill, maybe_back)


class Refused(UpgradeCase):
    def test_a_program_that_does_not_fit_is_refused_and_nothing_is_touched(self):
        system, (_, program) = self.start_on("1:Phone:10", nodes="webapp=1")
        before = system.pids(), self.programs(system)
        says = system.home / "says"

        def wrapper(text):
            says.write_text("#!/bin/sh\n" + text, encoding="ascii")
            says.chmod(0o755)

        def refused(*words):
            done = system.stampede("upgrade", "--binary", says)
            self.assertEqual(done.returncode, 6, done.stdout + done.stderr)
            for word in (*words, "Nothing was changed"):
                self.assertIn(word, done.stderr)
            self.assertEqual((system.pids(), self.programs(system)), before)

        judge = f'exec {program} "$@"\n'
        for member, now, then in (("proto", 1, 2), ("log", 2, 1), ("schema", 3, 4)):
            wrapper(f'{program} "$@" | sed \'s/"{member}":{now}/"{member}":{then}/\'\n')
            refused(f"{member}: the system runs with {now}, the new program has {then}")
        wrapper("echo no such library >&2; exit 127\n")
        refused("exit 127: no such library")
        wrapper("exit 0\n")
        refused("cannot run this system")
        says.write_bytes(b"\x7fELF" + bytes(60))
        refused("Exec format error")
        says.unlink()
        refused("No such file")
        says.write_text(judge, encoding="ascii")
        says.chmod(stat.S_IRUSR)
        refused("Permission denied")
        # The program itself, which finds a text that it does not take.
        other = system.home / "other"
        other.mkdir(mode=0o700)
        text = (system.run / "config.accepted.toml").read_text(encoding="utf-8")
        (other / "config.accepted.toml").write_text(text + "[bogus]\nx = 1\n", encoding="utf-8")
        wrapper(f'shift 2; exec {program} --run-dir {other} "$@"\n')
        refused("bogus")
        wrapper(judge)
        must(system.stampede("upgrade", "--binary", says), "upgrade by a script")
        self.assertEqual(self.programs(system), {self.stat(program)})
        must(system.stampede("order", 1, "--user", "ann"), "order")
        system.verify()


if __name__ == "__main__":
    unittest.main()
