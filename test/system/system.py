"""One whole Stampede system for a test: own directory, own ports, own database, own end.

    from system import System, SystemTest

    class Something(SystemTest):
        def test_an_outcome(self):
            system = self.start_system("1:Phone:100", STAMPEDE_DB__LANES="4")
            system.kill9("backend-1")
            system.wait_ready()
            system.verify()

The binary comes from STAMPEDE_BIN (CTest sets it), else build/bin/stampede. The seed of everything
random comes from STAMPEDE_TEST_SEED, else from the clock; `seed()` prints it. STAMPEDE_KEEP=1 keeps
the directory of a system. Needs only Python's own library; clients: buyers.py.
"""

import atexit
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = PROJECT / "scripts"
BINARY = os.environ.get("STAMPEDE_BIN") or str(PROJECT / "build" / "bin" / "stampede")
sys.path.insert(0, str(PROJECT / "clients" / "python"))

# A developer's own STAMPEDE_… must not leak into the tests; test.sh knows its processes by a mark.
ENVIRONMENT = {key: value for key, value in os.environ.items()
               if not key.startswith("STAMPEDE_") or key == "STAMPEDE_TEST_RUN"}


def seed():
    """The seed of this run, printed so that the run can be repeated."""
    value = int(os.environ.get("STAMPEDE_TEST_SEED") or time.time_ns() // 1000 % 1_000_000)
    print(f"seed {value} (repeat: STAMPEDE_TEST_SEED={value})", file=sys.stderr, flush=True)
    return value


def eventually(condition, seconds=30.0, pause=0.02):
    """Asks until it is true; the last value, true or not. Passing tests do not wait it out."""
    until = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < until:
        time.sleep(pause)
    return value


def is_stopped(task):
    """Whether a thread, given by its directory in /proc, is stopped (or has ended)."""
    try:
        return (task / "stat").read_text().rsplit(")", 1)[1].split()[0] in "TtXZ"
    except (FileNotFoundError, ProcessLookupError):
        return True


_held = {}  # base: the lock of its ports


def _is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def _is_ours(base):
    """From now on until this process ends, unless another test that runs beside it has it."""
    if base in _held:
        return True
    lock = (Path(tempfile.gettempdir()) / f"stampede-ports-{base}").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return False
    atexit.register(lock.close)
    _held[base] = lock
    return True


def _are_free(base):
    offsets = [*range(22), 50, 101, 102, 150, 201, 202, 250]  # three webapps
    return all(_is_free(base + offset) for offset in offsets)


def free_port_base():
    """Below the range from which the kernel takes the ports of outgoing connections."""
    for base in random.SystemRandom().sample(range(10000, 32000, 300), 70):
        if _is_ours(base) and _are_free(base):
            return base
    raise RuntimeError("no free range of ports between 10000 and 32000")


class System:
    """Owner: one test. Starts nothing until `start()`; `stop()` leaves no process and no file."""

    def __init__(self, **environment):
        self.home = Path(tempfile.mkdtemp(prefix="st-", dir="/tmp"))
        self.run = self.home / "run"
        self.base = free_port_base()
        self._name_ports()
        self.environment = ENVIRONMENT | {
            "STAMPEDE_RUN_DIR": str(self.run), "STAMPEDE_BIN": BINARY,
            "STAMPEDE_NET__PORT_BASE": str(self.base),
            "STAMPEDE_WEBAPP__HTTP": f"127.0.0.1:{self.http_port}",
            # Of every start again, and several systems share the machine.
            "STAMPEDE_BACKEND__ORDERS_AHEAD_MAX": "20000",
            # Tests look at an item right behind what changed it; edge_test.py holds copies.
            "STAMPEDE_WEBAPP__ITEMS_MAX": "0",
        } | {key: str(value) for key, value in environment.items()}

    def _name_ports(self):
        self.http_port = self.base + 50
        self.http = f"http://127.0.0.1:{self.http_port}"
        self.zmq = f"tcp://127.0.0.1:{self.base + 1}"
        self.zmq_2 = f"tcp://127.0.0.1:{self.base + 101}"  # of a second webapp, if any
        self.zmq_3 = f"tcp://127.0.0.1:{self.base + 201}"
        self.news = f"tcp://127.0.0.1:{self.base + 2}"
        self.health = f"http://127.0.0.1:{self.base}"

    def free_ports(self):
        """The base, another one if a stranger took a port of it since: for a start long after."""
        if not _are_free(self.base):
            self.base = free_port_base()
            self._name_ports()
            self.environment |= {"STAMPEDE_NET__PORT_BASE": str(self.base),
                                 "STAMPEDE_WEBAPP__HTTP": f"127.0.0.1:{self.http_port}"}
        return self.base

    # --- scripts and the command line -------------------------------------------------------------

    def script(self, name, *arguments, timeout=180, **environment):
        """Runs scripts/NAME on this system; a CompletedProcess with text output."""
        return self._run([SCRIPTS / name, *map(str, arguments)], timeout, environment)

    def stampede(self, *arguments, timeout=90, **environment):
        """Runs the command line on this system; a CompletedProcess with text output."""
        command = [BINARY, "--run-dir", str(self.run), *map(str, arguments)]
        return self._run(command, timeout, environment)

    def report(self, *arguments, **options):
        """The --json report of a command as a Python value, whatever its exit code."""
        done = self.stampede("--json", *arguments, **options)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"no JSON report from {arguments}, exit {done.returncode}: "
                                 f"{done.stdout} {done.stderr}") from None

    def _run(self, command, timeout, environment):
        return subprocess.run(command, env=self.environment | environment, cwd=self.home,
                              capture_output=True, text=True, timeout=timeout, check=False)

    def popen(self, *arguments, **environment):
        """The command line on this system, running beside the test. The caller waits for it."""
        return subprocess.Popen([BINARY, "--run-dir", str(self.run), *map(str, arguments)],
                                env=self.environment | environment, cwd=self.home, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    # --- start, state, end ------------------------------------------------------------------------

    def start(self, *items, nodes=None, arguments=()):
        """Returns when it is ready; items as ID:NAME:STOCK. Goes on with a halted system."""
        words = [word for item in items for word in ("--item", item)]
        words += ["--nodes", nodes] if nodes else []
        done = self.script("start_all.sh", *words, *arguments)
        if done.returncode:
            raise AssertionError(f"start_all.sh: exit {done.returncode}\n{done.stdout}{done.stderr}"
                                 + self.logs())
        return self

    def try_start(self, *arguments, timeout=180):
        """start_all.sh, for starts that are expected to be refused; a CompletedProcess."""
        return self.script("start_all.sh", *arguments, timeout=timeout)

    def status(self):
        return self.report("status")

    def node(self, name):
        """The node's part of the status, or an empty map while the supervisor does not answer."""
        try:
            nodes = self.status().get("nodes", [])
        except AssertionError:
            return {}
        return next((node for node in nodes if node["node"] == name), {})

    def pid(self, name):
        """Process id, None while the node is down."""
        return self.node(name).get("pid") or None

    def pids(self):
        """All nodes' process ids, to see afterwards that none died."""
        return {node["node"]: node["pid"] for node in self.status()["nodes"]}

    def database_pid(self):
        """The private MariaDB's process id."""
        words = (self.run / "db" / "server.pid").read_text(encoding="ascii").split()
        return int(words[0])

    def memory(self, name):
        """Resident bytes."""
        pages = Path(f"/proc/{self.pid(name)}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def kill9(self, name):
        """SIGKILL to the node; returns its process id. Waits for one that is just down."""
        pid = eventually(lambda: self.pid(name))
        if not pid:
            raise AssertionError(f"{name} has no process\n{self.logs()}")
        self.signal(pid, signal.SIGKILL)
        return pid

    @staticmethod
    def signal(pid, number):
        """SIGSTOP has stopped every thread on return: a busy machine takes its time."""
        try:
            os.kill(pid, number)
            while number == signal.SIGSTOP and not all(is_stopped(task) for task in
                                                       Path(f"/proc/{pid}/task").iterdir()):
                time.sleep(0.001)
        except (ProcessLookupError, FileNotFoundError):
            pass

    def wait_back(self, name, old_pid, seconds=30):
        """Until the node is ready in another process than `old_pid`."""
        def is_back():
            node = self.node(name)
            return node.get("state") == "ready" and node.get("pid") not in (None, 0, old_pid)
        if not eventually(is_back, seconds):
            raise AssertionError(f"{name} is not back after {seconds} s: {self.node(name)}\n"
                                 + self.logs())

    def restart(self, name):
        """kill -9 and back."""
        self.wait_back(name, self.kill9(name))
        self.wait_ready()

    def wait_ready(self, seconds=30):
        done = self.stampede("health", "--wait", f"{seconds}s", timeout=seconds + 30)
        if done.returncode:
            raise AssertionError(f"not ready after {seconds} s: {done.stderr}\n{self.logs()}")

    def halt(self, now=False):
        """stop_all.sh; the directory stays, `start()` goes on with it."""
        done = self.script("stop_all.sh", *(["--now"] if now else []))
        if done.returncode:
            raise AssertionError(f"stop_all.sh: exit {done.returncode}\n{done.stderr}{self.logs()}")
        return done

    def stop(self, now=True):
        """Ends everything that was started here and removes the directory."""
        try:
            done = self.script("stop_all.sh", *(["--now"] if now else []))
            if done.returncode:
                raise AssertionError(f"stop_all.sh: exit {done.returncode}\n{done.stderr}")
        finally:
            left = self.processes()
            for pid in left:
                self.signal(pid, signal.SIGCONT)
                self.signal(pid, signal.SIGKILL)
            self._keep_reports()
            if not os.environ.get("STAMPEDE_KEEP"):
                shutil.rmtree(self.home, ignore_errors=True)
        if left:
            raise AssertionError(f"stop_all.sh left processes behind: {left}")

    def _keep_reports(self):
        """Logs with a sanitizer's report go where scripts/sanitize.sh counts them."""
        directory = os.environ.get("STAMPEDE_REPORTS")
        for log in (self.run / "log").glob("*.log") if directory else ():
            text = log.read_bytes()
            if b"runtime error:" in text or b"Sanitizer: " in text:
                shutil.copy(log, Path(directory) / f"{self.home.name}-{log.name}")

    def processes(self):
        """pid → command line of every process that works on this system's directory."""
        found = {}
        mark = str(self.run).encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark in line:
                found[int(entry.name)] = line.replace(b"\0", b" ").decode(errors="replace")
        return found

    # --- judgement --------------------------------------------------------------------------------

    def sql(self, statement):
        """Rows as lists of text, as the database's root."""
        done = self.script("sql.sh", "-N", "-B", "-e", statement)
        if done.returncode:
            raise AssertionError(f"sql.sh: exit {done.returncode}: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def number(self, statement):
        """The one number that a SELECT brings."""
        return int(self.sql(statement)[0][0])

    def verify(self, wait="60s"):
        """`stampede verify` must be green; its report."""
        done = self.stampede("--json", "verify", "--wait", wait, timeout=150)
        if done.returncode:
            raise AssertionError(f"verify: exit {done.returncode}\n{done.stdout}{done.stderr}"
                                 + self.logs())
        return json.loads(done.stdout)

    def logs(self, lines=15):
        """The ends of all nodes' logs, for a failure's message."""
        parts = []
        for path in sorted((self.run / "log").glob("*.log")):
            text = path.read_text(encoding="utf-8", errors="replace").splitlines()
            parts.append(f"--- {path.name}\n" + "\n".join(text[-lines:]))
        return "\n".join(parts)


class SystemTest(unittest.TestCase):
    """A test with systems that are always ended; shows their logs when it fails."""

    def new_system(self, **environment):
        """A system that is not started yet."""
        system = System(**environment)
        self.addCleanup(system.stop)
        self.addCleanup(self._show_logs_of_a_failure, system)
        return system

    def start_system(self, *items, nodes=None, **environment):
        return self.new_system(**environment).start(*items, nodes=nodes)

    def _show_logs_of_a_failure(self, system):
        result = self._outcome.result
        if any(test is self for test, _ in result.failures + result.errors) or (
                not self._outcome.success):
            print(f"\n{self.id()} failed; {system.run}\n{system.logs()}", file=sys.stderr)
