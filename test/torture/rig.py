"""What every trial stands on: real nodes on fresh directories, and one private MariaDB per worker.

A Rig makes its database once, with start_all.sh; for each trial it empties the tables, removes the
command log and starts supervisor and nodes anew, as its own children and without the guard (the rig
starts a supervisor again itself where a trial kills it). So a trial costs a second, not ten.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))

from by_hand import is_alive, stop_nodes, wait_end  # noqa: E402
from system import BINARY, PROJECT, System, eventually  # noqa: E402

FAULTS = Path(os.environ.get("STAMPEDE_FAULTS") or Path(BINARY).resolve().parent.parent / "faults")
TABLES = ("orders", "item", "promo", "stock_change", "lane", "meta")
SEGMENT_BYTES = 262144  # the smallest: many rotations, quickly made
SETTINGS = {"STAMPEDE_LOG__SEGMENT_BYTES": str(SEGMENT_BYTES)}


class Violation(AssertionError):
    """A promise was broken."""


class Rig:
    """Owner: one worker process. `close()` leaves no process and no file."""

    def __init__(self, announce=lambda system: None):
        """announce(system) comes before anything is started, for whoever has to clear away."""
        self.system = System()
        announce(self.system)
        self.run = self.system.run
        self.log_dir = self.run / "commandlog"
        self.children = []
        self.environment = {}  # of this trial, for nodes and tools
        self.system.start()
        stop_nodes(self.system)
        self.root = ["mariadb", "--no-defaults", "--user=root", "-N", "-B",
                     f"--socket={self.run}/db/mysql.sock"]

    def close(self):
        self.end_nodes()
        self.system.stop()

    # --- one trial's ground ----------------------------------------------------------------------

    def fresh(self):
        """No node, an empty log directory, empty tables, no trace of the trial before."""
        self.end_nodes()
        self.environment = {}
        self.let_database_go_on()
        shutil.rmtree(self.log_dir, ignore_errors=True)
        for pattern in ("*.exit", "*.lock", "*.clock", "log/*.log", "admin.sock", "torture.*",
                        "config.accepted.toml"):
            for path in self.run.glob(pattern):
                path.unlink()
        statements = "".join(f"DELETE FROM {table};" for table in TABLES)
        self.sql("SET GLOBAL read_only=0; DROP TRIGGER IF EXISTS torture; " + statements)

    def let_database_go_on(self):
        """Whatever the trial before did to it: it runs and answers."""
        pid = self.system.database_pid()
        if is_alive(pid):
            self.system.signal(pid, signal.SIGCONT)
        else:
            self.start_database()

    def start_database(self):
        """As start_all.sh starts it; the nodes are left alone."""
        parts = PROJECT / "scripts/parts"
        script = f'source "{parts}/lib.sh"; source "{parts}/private_db.sh"; '
        done = subprocess.run(["bash", "-c", "set -euo pipefail; " + script + "db_start"],
                              env=self.system.environment, capture_output=True, text=True,
                              timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"the database does not start: {done.stderr}")

    def sql(self, statement, database="stampede"):
        """Rows as lists of text, as the database's root."""
        done = subprocess.run([*self.root, database, "-e", statement], capture_output=True,
                              text=True, timeout=90, check=False)
        if done.returncode:
            raise RuntimeError(f"{statement}: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    # --- processes -------------------------------------------------------------------------------

    def spawn(self, name, *command, **environment):
        """A child; its words go to the run directory's log/NAME.log."""
        with open(self.run / "log" / f"{name}.log", "ab") as out:
            child = subprocess.Popen(list(map(str, command)), cwd=self.system.home, stdout=out,
                                     stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                     start_new_session=True,
                                     env=self.system.environment | SETTINGS | self.environment
                                     | environment)
        self.children.append(child)
        return child

    def node(self, role, *, prefix=(), index=1, **environment):
        """One node as a child, with a program before it (a tracer) or a preloaded object."""
        lock = self.run / f"{role}-{index}.lock"
        lock.unlink(missing_ok=True)
        child = self.spawn(f"{role}-{index}", *prefix, BINARY, "--run-dir", self.run, role,
                           "--index", index, **environment)
        # The supervisor adopts who holds the lock; before that it would start a second one.
        eventually(lambda: child.poll() is not None or (lock.exists() and lock.stat().st_size > 0),
                   20, 0.005)
        return child

    def supervisor(self, nodes="webapp=1,broker=1,backend=1", **environment):
        return self.spawn("supervisor", BINARY, "--run-dir", self.run, "supervisor", "--nodes",
                          nodes, **environment)

    def node_pids(self):
        """Every process of the binary on this run directory."""
        binary, mark = os.path.realpath(BINARY), str(self.run).encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                exe = os.readlink(entry / "exe").removesuffix(" (deleted)")
                if exe == binary and mark in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def end_nodes(self):
        """SIGKILL until none is left: the supervisor may start one while it dies."""
        for child in self.children:
            if child.poll() is None:
                child.kill()
        while pids := self.node_pids():
            for pid in pids:
                self.system.signal(pid, signal.SIGKILL)
            for pid in pids:
                eventually(lambda pid=pid: not is_alive(pid), 20, 0.002)
        for child in self.children:
            child.wait(20)
        self.children.clear()

    def stampede(self, *arguments, **options):
        """The command line on this trial's system; a CompletedProcess."""
        return self.system.stampede(*arguments, **options, **self.environment)

    # --- what the supervisor says ----------------------------------------------------------------

    def admin(self, request, seconds=35):
        """One request on admin.sock; {} while nobody answers."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(seconds)
                connection.connect(str(self.run / "admin.sock"))
                connection.sendall(json.dumps(request).encode() + b"\n")
                answer = b""
                while not answer.endswith(b"\n"):
                    if not (part := connection.recv(65536)):
                        return {}
                    answer += part
                return json.loads(answer)
        except OSError:
            return {}

    def must(self, request):
        answer = self.admin(request)
        if not answer or "error" in answer:
            raise RuntimeError(f"{request}: {answer}")
        return answer

    def nodes(self):
        """name → entry of the status; empty while there is no supervisor."""
        return {node["node"]: node for node in self.admin({"do": "status"}, 5).get("nodes", [])}

    def view(self, name):
        return self.nodes().get(name, {})

    def pid(self, name):
        return self.view(name).get("pid")

    def wait_pid(self, name, seconds=60):
        pid = eventually(lambda: self.pid(name), seconds)
        if not pid:
            raise Violation(f"{name} has no process for {seconds} s: {self.view(name)}")
        return pid

    def is_ready(self):
        nodes = self.nodes()
        return bool(nodes) and all(node["state"] == "ready" for node in nodes.values())

    def wait_ready(self, seconds=60):
        if not eventually(self.is_ready, seconds):
            raise Violation(f"not ready after {seconds} s: {self.nodes()}\n{self.system.logs()}")

    def wait_gone(self, name, pid, seconds=60):
        """Until the node has another process than `pid`, or none."""
        if not eventually(lambda: self.view(name).get("pid", pid) != pid, seconds):
            raise Violation(f"{name} lives on as process {pid} after {seconds} s")

    def ends(self):
        """How many processes the trial's supervisors saw end."""
        return len(self._ended(r"[a-z]+-\d+"))

    def exits(self, name):
        """How the supervisor saw the node's processes end, in order: 'exit 70', 'SIGKILL', …"""
        return self._ended(name)

    def _ended(self, name):
        path = self.run / "log" / "supervisor.log"
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return re.findall(rf"{name}: pid \d+ ended, ([^:;\n]+)", text)


def shim(name):
    """The path of a preloaded object or tracer; built by the target `faults`."""
    for path in (FAULTS / f"{name}.so", FAULTS / name):
        if path.exists():
            return str(path)
    raise FileNotFoundError(f"{FAULTS}/{name}: build the target `faults`, or set STAMPEDE_FAULTS")


def pause(seconds):
    """A pause of a trial's plan, never a wait for something."""
    time.sleep(seconds)


__all__ = ["BINARY", "PROJECT", "Rig", "SEGMENT_BYTES", "Violation", "eventually", "is_alive",
           "pause", "shim", "wait_end"]
