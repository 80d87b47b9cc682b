#!/usr/bin/python3
"""The package in a root directory of its own, as root: installed, its unit's ExecStart run with a
service manager's socket of the test, sold, upgraded while it sells, stopped by ExecStop, removed,
purged. Of the long tier, skipped without STAMPEDE_ROOT:

    STAMPEDE_ROOT=new   mmdebstrap fetches a Debian 12 for about a minute
    STAMPEDE_ROOT=DIR   one that is there, with the packages; it is changed
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT / "test/system"))

# pylint: disable=wrong-import-position
from buyers import Crowd, Sale  # noqa: E402
from system import System, eventually  # noqa: E402

NEEDS = ("mmdebstrap", "dh_builddeb", "fakeroot")
MISSING = [name for name in NEEDS if not shutil.which(name)]
GIVEN = os.environ.get("STAMPEDE_ROOT")
STATE = "var/lib/stampede"
# What the scripts of the package need, and who makes users where no systemd is.
BESIDE = ("systemd-standalone-sysusers", "systemd-standalone-tmpfiles", "mariadb-server-core",
          "mariadb-client", "python3-zmq", "python3-msgpack", "curl")


def must(*command, **options):
    done = subprocess.run(list(map(str, command)), text=True, stdout=subprocess.PIPE, check=False,
                          stderr=subprocess.STDOUT, timeout=600, **options)
    if done.returncode:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


class Manager:
    """A service manager's socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        os.chmod(path, 0o666)
        self.words = []

    def heard(self):
        """Everything that was told since the beginning."""
        try:
            while True:
                self.words.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return self.words


@unittest.skipIf(MISSING or os.geteuid(), f"needs root and {', '.join(MISSING or NEEDS)}")
@unittest.skipUnless(GIVEN, "of the long tier: STAMPEDE_ROOT=new")
class PackageRoot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(shutil.rmtree, cls.system.home, ignore_errors=True)
        must(PROJECT / "scripts/package.sh", "--output", cls.system.home,
                    env=cls.system.environment)
        cls.deb = next(cls.system.home.glob("stampede_*.deb"))
        cls.root = cls.system.home / "root" if GIVEN == "new" else Path(GIVEN)
        if not cls.root.is_dir():
            needs = must("dpkg-deb", "-f", cls.deb, "Depends")
            libraries = re.findall(r"\b(lib[\w.+-]+)", needs)
            must("mmdebstrap", "--variant=apt",
                 "--include=" + ",".join((*libraries, *BESIDE, "procps", "python3")),
                 "bookworm", cls.root)
        # As the installer of a machine writes it; the database's wants to know who localhost is.
        (cls.root / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="ascii")
        must("mount", "--bind", "/proc", cls.root / "proc")
        cls.addClassCleanup(must, "umount", cls.root / "proc")

    # --- inside -----------------------------------------------------------------------------------

    def inside(self, *command, user="root", **environment):
        words = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                 "DEBIAN_FRONTEND=noninteractive",
                 *(f"{name}={value}" for name, value in environment.items())]
        return ["chroot", f"--userspec={user}", self.root, *words, *command]

    def dpkg(self, *arguments):
        return must(*self.inside("dpkg", *arguments))

    def unit(self):
        """The unit's settings; the last of each name, Environment as a map."""
        text = (self.root / "lib/systemd/system/stampede.service").read_text(encoding="utf-8")
        pairs = re.findall(r"^(\w+)=(.*)$", text, re.M)
        environment = dict(value.split("=", 1) for name, value in pairs if name == "Environment")
        return dict(pairs) | {"Environment": environment}

    def tool(self, *arguments):
        unit = self.unit()
        return must(*self.inside("stampede", *arguments, user=unit["User"], **unit["Environment"]))

    def of_unit(self, name, **environment):
        unit = self.unit()
        return self.inside(*shlex.split(unit[name]), user=unit["User"],
                           **unit["Environment"], **environment)

    def nodes(self):
        """pid of each process that was started from within the root directory."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.readlink(entry / "root") == str(self.root):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
        return {pid: line for pid, line in found.items() if b"stampede" in line}

    # --- the steps --------------------------------------------------------------------------------

    def install(self):
        self.dpkg("--install", self.moved(self.deb))
        self.assertEqual(self.nodes(), {}, "installing started something")
        state = self.root / STATE
        people = (self.root / "etc/passwd").read_text(encoding="utf-8")
        uid = int(re.search(r"^stampede:[^:]*:(\d+):", people, re.M)[1])
        self.assertEqual((state.stat().st_mode & 0o777, state.stat().st_uid), (0o700, uid))

    def moved(self, deb):
        shutil.copy(deb, self.root / "tmp")
        return f"/tmp/{deb.name}"

    def configure(self):
        file = self.root / "etc/stampede/stampede.toml"
        text = file.read_text(encoding="utf-8")
        text = text.replace("port_base = 7100", f"port_base = {self.system.base}")
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.system.http_port}")
        file.write_text(text, encoding="utf-8")

    def start(self):
        """The database, then what the unit starts; the process and what the manager heard."""
        unit = self.unit()
        script = "/usr/share/stampede/scripts/start_all.sh"
        must(*self.inside(script, "--db-only", user=unit["User"], **unit["Environment"]))
        manager = Manager(self.root / STATE / "notify")
        self.addCleanup(manager.socket.close)
        process = subprocess.Popen(list(map(str, self.of_unit(
            "ExecStart", NOTIFY_SOCKET=f"/{STATE}/notify"))), start_new_session=True)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        begin = time.monotonic()
        self.assertTrue(eventually(manager.heard, 30), "nothing told")
        self.assertTrue(manager.heard()[0].startswith("READY=1\nSTATUS="), manager.heard())
        self.assertLess(time.monotonic() - begin, 30)
        last = eventually(lambda: manager.heard()[-1].endswith("STATUS=ready"), 60)
        self.assertTrue(last, manager.heard())
        return process, manager

    def upgrade(self):
        """The next version, while it sells: the same program under another version."""
        tree = self.system.home / "next"
        must("dpkg-deb", "-R", self.deb, tree)
        control = tree / "DEBIAN/control"
        version = must("dpkg-deb", "-f", self.deb, "Version").strip()
        control.write_text(control.read_text(encoding="utf-8").replace(
            f"Version: {version}", "Version: 99"), encoding="utf-8")
        program = tree / "usr/bin/stampede"
        program.write_bytes(program.read_bytes().replace(b"0.1.0\0", b"0.1.9\0"))
        deb = self.system.home / "stampede_99_amd64.deb"
        must("dpkg-deb", "--root-owner-group", "-b", tree, deb)
        before = set(self.nodes())
        self.tool("item", "add", "2", "--name", "Pad", "--stock", "1000000")
        with Crowd(self.system.zmq) as crowd:
            sale = Sale(crowd, 2, "up")
            self.assertTrue(eventually(lambda: len(crowd.answers) > 1000))
            said = self.dpkg("--install", self.moved(deb))
            self.assertIn("upgraded from 0.1.0 to 0.1.9", said)
            answered = len(crowd.answers)
            self.assertTrue(eventually(lambda: len(crowd.answers) > answered + 1000))
            self.assertTrue(sale.stop(), crowd.open())
            self.assertEqual((crowd.faults, crowd.refused), ([], {}))
        status = json.loads(self.tool("--json", "status"))
        self.assertEqual({node["version"] for node in status["nodes"]}, {"0.1.9"})
        self.assertEqual(len(before & set(self.nodes())), 3,
                         "guard, supervisor and database go on")

    def stop(self, process, manager):
        must(*self.of_unit("ExecStop"))
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(self.nodes(), {})
        self.assertTrue(any("STOPPING=1" in word for word in manager.heard()), manager.heard())

    def test_a_life(self):
        self.install()
        self.configure()
        process, manager = self.start()
        self.tool("item", "add", "1", "--name", "Phone", "--stock", "10")
        order = ("order", "1", "--user", "ann", "--request-id", "r-1")
        self.assertIn("confirmed", self.tool(*order))
        self.upgrade()
        self.assertIn(str(self.system.base), (self.root / "etc/stampede/stampede.toml").read_text(
            encoding="utf-8"), "the operator's file was overwritten")
        self.assertIn("bought twice", self.tool(*order))
        self.tool("verify", "--wait", "30s")
        self.stop(process, manager)
        self.dpkg("--remove", "stampede")
        self.assertFalse((self.root / "usr/bin/stampede").exists())
        self.assertTrue((self.root / "etc/stampede/stampede.toml").exists())
        said = self.dpkg("--purge", "stampede")
        self.assertFalse((self.root / "etc/stampede").exists())
        self.assertIn("is left: it holds the log", said)
        self.assertTrue((self.root / STATE / "commandlog").is_dir())


if __name__ == "__main__":
    unittest.main()
