"""What an operator does by hand to one system of a test: nodes stopped while the database runs, the
database stopped, killed and started again, one backend in the foreground on a log directory of
choice, and a look whether a directory was touched.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from system import BINARY, eventually


def epoch_of(lsn):
    """lsn = epoch << 40 | counter; an order's id is the lsn of its decision."""
    return int(lsn) >> 40


def is_alive(pid):
    """Not ended, and no zombie that nobody has collected yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_end(pid, seconds=40):
    if not eventually(lambda: not is_alive(pid), seconds, 0.005):
        raise AssertionError(f"process {pid} does not end within {seconds} s")


def must(done, what):
    """The CompletedProcess of a command that has to succeed."""
    if done.returncode:
        raise AssertionError(f"{what}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def make_snapshot(system):
    """`log snapshot`, again while the backend makes one of its own (exit 6)."""
    made = []
    eventually(lambda: made.append(system.stampede("log", "snapshot"))
               or made[-1].returncode != 6, 60, 0.2)
    must(made[-1], "log snapshot")


# --- nodes ---------------------------------------------------------------------------------------

def start(system, *items, **environment):
    """start_all.sh with more environment (STAMPEDE_FAILPOINTS); the database may run."""
    words = [word for item in items for word in ("--item", item)]
    done = system.script("start_all.sh", *words, **environment)
    if done.returncode:
        raise AssertionError(f"start_all.sh: exit {done.returncode}\n{done.stdout}{done.stderr}"
                             f"{system.logs()}")


def stop_nodes(system):
    """Drains and ends all nodes; the database goes on."""
    guard = int((system.run / "guard.pid").read_text(encoding="ascii").split()[0])
    system.signal(guard, signal.SIGTERM)
    wait_end(guard)
    (system.run / "guard.pid").unlink()


def kill_nodes(system, pids):
    """SIGKILL to the guard, the supervisor and every node, in this order; the database goes on.
    `pids` is System.pids(): a supervisor that stands still cannot be asked."""
    guard = int((system.run / "guard.pid").read_text(encoding="ascii").split()[0])
    nodes = [pid for name, pid in pids.items() if pid and name != "supervisor-1"]
    for pid in [guard, pids["supervisor-1"], *nodes]:
        system.signal(pid, signal.SIGKILL)
        wait_end(pid)
    (system.run / "guard.pid").unlink()


def log_text(system, name):
    """All that a node has said since the system was made."""
    return (system.run / "log" / f"{name}.log").read_text(encoding="utf-8", errors="replace")


def replays(text):
    """One map of numbers for each `replay.done` line in a backend's log."""
    lines = [line for line in text.splitlines() if "replay.done" in line]
    return [{name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}
            for line in lines]


def waits_for_operator(system, name, seconds=30):
    """The text that `status` gives for a node that waits for the operator, '' if it never does."""
    def reason():
        node = system.node(name)
        return node.get("last_exit") if node.get("state") == "waiting_operator" else ""
    return eventually(reason, seconds) or ""


# --- the operator's socket ------------------------------------------------------------------------

def admin(system, request):
    """One request on admin.sock."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(35)
        connection.connect(str(system.run / "admin.sock"))
        connection.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(connection.makefile().readline())


def arm_next_starts(system, *points, node="backend-1"):
    """Each for one of the next processes, in this order."""
    for point in points:
        answer = admin(system, {"do": "failpoints", "node": node, "arm": point,
                                "next_start": True})
        if answer != {"ok": True}:
            raise AssertionError(answer)


# --- database ------------------------------------------------------------------------------------

def end_database(system, number=signal.SIGTERM):
    pid = system.database_pid()
    system.signal(pid, number)
    wait_end(pid)


def start_database(system):
    """start_all.sh starts what is missing, here only the database."""
    must(system.script("start_all.sh"), "start_all.sh")


def end_sessions(system, which):
    """Ends the database's sessions that `which`, a condition on the process list, chooses.

    A full server keeps one connection for root, and not at once for the next one.
    """
    def ended():
        listed = system.script("sql.sh", "-N", "-B", "-e",
                               f"SELECT id FROM information_schema.processlist WHERE {which}")
        if listed.returncode:
            return False
        ends = "".join(f"KILL {number};" for number in listed.stdout.split())
        # One may have ended by itself: 1094, and on to the next.
        return "1040" not in system.script("sql.sh", "--force", "-e", ends or "DO 0").stderr
    if not eventually(ended):
        raise AssertionError(f"the sessions with {which} could not be ended")


def tables(system):
    """All rows that belong to the sale."""
    return (system.sql("SELECT * FROM item ORDER BY id"),
            system.sql("SELECT * FROM orders ORDER BY order_id"))


# --- log directories -----------------------------------------------------------------------------

def log_dir(system):
    return system.run / "commandlog"


def state_of(directory):
    """name → (bytes, hash) of every file; None when there is no directory."""
    if not directory.exists():
        return None
    return {path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(directory.iterdir())}


def wait_outcomes_logged(system):
    """Rows are in the database some milliseconds before the log says so (`verify` asks the former).
    From here on a backend without orders leaves its log as it is."""
    owed = lambda: system.report("log", "replay", "--dry-run")["would_apply"]
    if not eventually(lambda: owed() == 0, pause=0.1):
        raise AssertionError(f"the log still owes {owed()} commands\n{system.logs()}")


# The database belongs to no start and no place: a copy of the log may take it.
GIVE_FREE = "UPDATE lane SET owner = 0, place = 0"


def copy_of(directory, name):
    """A fresh copy beside it, without what another test may have left under that name."""
    copy = directory.parent / name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory, copy)
    return copy


def segments(directory):
    return sorted(directory.glob("*.seg"))


def formats_of(directory):
    """(format, feature level) of each segment, by its header."""
    heads = [segment.read_bytes()[8:12] for segment in segments(directory)]
    return [(int.from_bytes(head[:2], "little"), int.from_bytes(head[2:], "little"))
            for head in heads]


def batches_of(segment):
    """(offset, length) of every batch in a segment file, by the batch headers alone."""
    data, at, found = segment.read_bytes(), 4096, []
    while data[at:at + 4] in (b"BATC", b"BAT2"):
        length = int.from_bytes(data[at + 4:at + 8], "little")
        found.append((at, length))
        at += length
    return found


# --- one backend in the foreground ---------------------------------------------------------------

class Backend:
    """`stampede backend` as a child of the test. Its words go to a file, stderr included."""

    def __init__(self, system, *arguments, run=None, **environment):
        self.path = system.home / f"foreground-{time.monotonic_ns()}.log"
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(
                [BINARY, "--run-dir", str(run or system.run), "backend", *arguments],
                env=system.environment | environment, cwd=system.home, stdout=out,
                stderr=subprocess.STDOUT)

    def text(self):
        return self.path.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, words, seconds=20):
        """Until it said so, or ended; True if it said so."""
        eventually(lambda: words in self.text() or self.process.poll() is not None, seconds)
        return words in self.text()

    def wait(self, seconds=20):
        return self.process.wait(seconds)

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]
