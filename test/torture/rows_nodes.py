"""F10, F17 to F21, F25: nodes that stand still, die in storms, meet their twins; clocks; a soak."""

import collections
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

from rig import BINARY, Violation, eventually, is_alive, pause, shim
from rows import Row

NODES = ("webapp-1", "broker-1", "backend-1", "supervisor-1")


def stop_for(trial, pid, seconds):
    trial.rig.system.signal(pid, signal.SIGSTOP)
    pause(seconds)
    trial.rig.system.signal(pid, signal.SIGCONT)


def f10(trial):
    """SIGSTOP of a node: short, it goes on; longer than the supervisor allows, it is replaced."""
    longest = {"quick": 3.5, "long": 6.0, "release": 30.0}[trial.tier]
    trial.start()
    trial.sell()
    trial.await_answers(60)
    node = NODES[trial.number % len(NODES)]
    stop_for(trial, trial.rig.wait_pid(node), trial.random.uniform(0.1, longest))
    trial.rig.wait_ready()
    trial.answered_again()
    trial.judge()


def f17(trial):
    """The broker dies, or stands still, three times under full load; webapps join a new one."""
    trial.start(stock=100_000)
    trial.sell(rate=6000)
    for _ in range(3):
        trial.answered_again(300)
        if trial.random.random() < 0.7:
            trial.kill("broker-1")
        else:
            stop_for(trial, trial.rig.wait_pid("broker-1"), trial.random.uniform(0.05, 1.0))
        trial.answered_again(50)
    trial.judge()


# --- F18 -----------------------------------------------------------------------------------------

HOUR_NS = 3600 * 10**9
FROZEN = -2**63
YEAR_2038 = 2**31 * 10**9


def clock_jumps():
    return {"-1 h": -HOUR_NS, "+1 h": HOUR_NS, "-1 ns": -1, "2038": YEAR_2038 - time.time_ns(),
            "frozen": FROZEN}


class NodesClock:
    """The wall clock of a trial's nodes, on fresh ground; the tools keep the true one."""

    def __init__(self, trial, **environment):
        trial.rig.fresh()
        self._file = trial.rig.run / "torture.clock"
        self._file.write_bytes(struct.pack("q", 0))
        trial.rig.environment = {"LD_PRELOAD": shim("wall_clock"),
                                 "WALL_CLOCK_FILE": str(self._file)}
        trial.begin(**environment)
        trial.rig.environment = {}

    def step_to(self, nanoseconds):
        """So far from the true time, for all nodes at one moment."""
        with open(self._file, "r+b", buffering=0) as clock:
            clock.write(struct.pack("q", nanoseconds))


def f18(trial):
    """All nodes see the jump at one moment; then back, and a backend killed in between."""
    name, jump = list(clock_jumps().items())[trial.number % 5]
    clock = NodesClock(trial)
    trial.sell()
    trial.await_answers(60)
    clock.step_to(jump)
    trial.answered_again(40)
    trial.kill("backend-1")
    trial.rig.wait_ready()
    trial.answered_again(40)
    clock.step_to(0)
    trial.answered_again(40)
    trial.judge()
    trial.note(f"jump_{name.replace(' ', '')}")


# --- F19 -----------------------------------------------------------------------------------------

def ends_with(trial, codes, *command, **environment):
    """A start that is to be refused; its exit code and what it said."""
    done = subprocess.run([BINARY, *map(str, command)], capture_output=True, text=True, timeout=60,
                          env=trial.rig.system.environment | environment, check=False)
    trial.expect(done.returncode in codes, f"{command}: exit {done.returncode}, not {codes}: "
                 f"{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def second_backend(trial):
    """On the same run directory, and on the same log from another one: 75, nothing touched."""
    pid = trial.rig.wait_pid("backend-1")
    run = trial.rig.run
    ends_with(trial, (75,), "--run-dir", run, "backend")
    ends_with(trial, (75,), "--run-dir", run, "backend", "--index", 2)
    other = trial.rig.system.home / "other"
    other.mkdir(mode=0o700, exist_ok=True)
    ends_with(trial, (75,), "--run-dir", other, "backend", STAMPEDE_LOG__DIR=str(trial.rig.log_dir),
              STAMPEDE_DB__URL=f"mysql://stampede@localhost/stampede?socket={run}/db/mysql.sock",
              STAMPEDE_DB__PASSWORD_FILE=str(run / "db.password"))
    trial.expect(trial.rig.wait_pid("backend-1") == pid, "the first backend was disturbed")


def stale_files(trial):
    """Everybody dies; the locks name somebody else; sockets lie there."""
    trial.counts.crashes += len(trial.rig.node_pids())
    trial.rig.end_nodes()
    for name in ("webapp-1", "broker-1", "backend-1", "supervisor-1"):
        (trial.rig.run / f"{name}.lock").write_text(f"{os.getpid()} 1 1\n", encoding="ascii")
    for path in (trial.rig.run / "sock").iterdir():
        trial.expect(path.is_socket(), f"{path} is no socket")
    trial.rig.supervisor()
    trial.rig.wait_ready()


def unwritable_log(trial):
    """A log directory that may not be written is an I/O error that names it, not a wiped log."""
    trial.rig.end_nodes()
    moved = trial.rig.log_dir.with_name("moved")
    trial.rig.log_dir.rename(moved)
    trial.rig.log_dir.write_text("a file, no directory", encoding="ascii")
    text = ends_with(trial, (74,), "--run-dir", trial.rig.run, "backend")
    trial.expect(str(trial.rig.log_dir) in text, f"the directory is not named: {text}")
    trial.rig.log_dir.unlink()
    moved.rename(trial.rig.log_dir)
    trial.rig.supervisor()
    trial.rig.wait_ready()


def f19(trial):
    trial.start()
    trial.sell()
    trial.await_answers(60)
    for step in (second_backend, stale_files, unwritable_log):
        step(trial)
        trial.note("situations")
    trial.answered_again()
    trial.judge()


# --- F20, F21 ------------------------------------------------------------------------------------

def f20(trial):
    """The supervisor dies, alone or with a child, or stops: nodes serve, never two copies."""
    trial.start()
    trial.sell()
    trial.await_answers(60)
    before = {name: trial.rig.wait_pid(name) for name in NODES}
    kind = trial.number % 3
    if kind == 0:
        trial.kill("supervisor-1")
    elif kind == 1:
        trial.kill("supervisor-1", trial.random.choice(NODES[:3]))
        trial.counts.crashes += 1
    else:
        stop_for(trial, before["supervisor-1"], trial.random.uniform(0.3, 3.0))
    trial.answered_again(100)
    trial.rig.wait_ready()
    pids = sorted(trial.rig.node_pids())
    known = sorted(node["pid"] for node in trial.rig.nodes().values())
    trial.expect(pids == known, f"processes {pids}, known to the supervisor {known}")
    if kind != 1:
        kept = all(trial.rig.pid(name) == before[name] for name in NODES[:3])
        trial.expect(kept, f"nodes did not live on: {before}, {trial.rig.nodes()}")
    trial.judge()


def f21(trial):
    """A record that kills replay; then a backend that dies at each start: ever longer waits, and
    service as soon as it lives."""
    deaths = 6
    trial.start()
    trial.sell(rate=300)
    trial.await_answers(40)
    poison(trial)
    trial.answered_again()
    before = len(trial.rig.exits("backend-1"))
    begin, used = time.monotonic(), cpu_seconds(trial)
    for _ in range(deaths):
        trial.arm("backend-1", "log_locked=kill", next_start=True)
    trial.kill("backend-1")
    if not eventually(lambda: len(trial.rig.exits("backend-1")) > before + deaths, 90):
        raise Violation(f"{trial.rig.exits('backend-1')} {trial.rig.view('backend-1')}")
    seconds = time.monotonic() - begin
    # 0.1 + 0.2 + … + 3.2 s of back-off before the sixth death; a storm would take a tenth of it.
    trial.expect(seconds > 3, f"{deaths} restarts within {seconds:.1f} s: no back-off")
    share = (cpu_seconds(trial) - used) / seconds
    trial.expect(share < 0.5, f"the storm took {share:.0%} of a core")
    trial.rig.wait_ready()
    trial.answered_again()
    trial.judge()


def poison(trial):
    """A confirmed order's record kills each replay: it is parked, all else serves; then retried."""
    name = f"{trial.name}-o{trial.random.randint(1, 20)}"
    order_id = int(trial.crowd.answers[name]["order_id"])
    lsn = f"{order_id >> 40}.{order_id & (1 << 40) - 1}"
    end = trial.random.choice(("abort", "throw"))
    for _ in range(3):  # the third start does not look at it any more
        trial.arm("backend-1", f"replay_record:{lsn}={end}", next_start=True)
    before = len(trial.rig.exits("backend-1"))
    trial.kill("backend-1")
    if not eventually(lambda: len(trial.rig.exits("backend-1")) >= before + 3, 90):
        raise Violation(f"{trial.rig.exits('backend-1')} {trial.rig.view('backend-1')}")
    trial.rig.wait_ready()
    deaths = trial.rig.exits("backend-1")[before:]
    trial.expect(len(deaths) == 3, f"the poison record was met again: {deaths}")
    parked = trial.rig.admin({"do": "status"})["log"]["parked"]
    trial.expect([one["lsn"] for one in parked] == [lsn], f"{lsn} is poison, parked are {parked}")
    beside = trial.rig.admin({"do": "item_put", "request_id": f"{trial.name}-beside", "item": 2,
                              "name": "Pad", "total": 5, "limit_per_user": 0, "max_qty": 5})
    trial.expect(beside.get("ok"), f"nothing else can be decided: {beside}")
    checked = trial.rig.stampede("verify", "--wait", "60s")
    trial.expect(checked.returncode == 4 and lsn in checked.stdout, f"verify: {checked.stdout}")
    pid = trial.rig.wait_pid("backend-1")
    trial.expect(trial.rig.stampede("log", "retry").returncode == 0, "log retry")
    trial.rig.wait_gone("backend-1", pid)
    trial.rig.wait_ready()
    trial.note("parked")


def cpu_seconds(trial):
    """Of the supervisor."""
    words = Path(f"/proc/{trial.rig.wait_pid('supervisor-1')}/stat").read_text(
        encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


# --- F25 -----------------------------------------------------------------------------------------

def soak_event(trial):
    """One random fault; returns its name."""
    kind = trial.random.randrange(6)
    node = trial.random.choice(NODES[:3])
    if kind == 0:
        trial.kill(node)
    elif kind == 1:
        stop_for(trial, trial.rig.wait_pid(node), trial.random.uniform(0.05, 1.5))
    elif kind == 2:
        trial.kill("supervisor-1")
    elif kind == 3:
        database = trial.rig.system.database_pid()
        stop_for(trial, database, trial.random.uniform(0.2, 2.0))
    elif kind == 4:
        database = trial.rig.system.database_pid()
        trial.rig.system.signal(database, signal.SIGKILL)
        eventually(lambda: not is_alive(database), 20)
        trial.rig.start_database()
    else:
        trial.kill("backend-1", "webapp-1")
    return ("kill", "stop", "supervisor", "db_stop", "db_kill", "two")[kind]


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def f25(trial):
    seconds = {"quick": 60, "long": 900, "release": 86_400}[trial.tier]
    trial.start(stock=10**9, nodes="webapp=1,broker=1,backend=1")
    trial.sell(rate=400)
    trial.await_answers(100)
    done, until = collections.Counter(), time.monotonic() + seconds
    first = None
    while time.monotonic() < until:
        done[soak_event(trial)] += 1
        trial.rig.wait_ready()
        trial.answered_again(100, 90)
        files = max(open_files(trial.rig.wait_pid(name)) for name in NODES)
        first = first or files
        trial.expect(files <= first + 64, f"open files grew from {first} to {files}")
        trial.some_time(1.0, 8.0)
    trial.note("events", sum(done.values()))
    memory = trial.rig.system.memory("backend-1") >> 20
    trial.expect(memory < 512, f"the backend has {memory} MiB")
    trial.note("backend_MiB", memory)
    trial.judge()


ROWS = [
    Row("F10", "SIGSTOP of each node, then SIGCONT", f10, (8, 40, 3000), "20 / 500 / 3000"),
    Row("F17", "broker killed or stopped under full load, 3 times", f17, (4, 24, 3000),
        "20 / 500 / 3000"),
    Row("F18", "wall clock -1 h, +1 h, -1 ns, 2038, frozen", f18, (5, 20, 500), "5 / 5 / 500"),
    Row("F19", "two backends, stale locks and sockets, bad log directory", f19, (1, 5, 100),
        "all / all / all x100"),
    Row("F20", "supervisor killed, with a child, or stopped", f20, (6, 36, 2000),
        "10 / 300 / 2000"),
    Row("F21", "poison record; restart storm: six deaths at the start", f21, (1, 6, 100),
        "3 / 20 / 100"),
    Row("F25", "soak: a random fault every few seconds", f25, (1, 1, 1),
        "2 min / 1 h / 24 h", limit_s=90_000),
]
