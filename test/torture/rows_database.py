"""F12 to F14: the database ends, stands still, refuses, deadlocks, loses answers."""

import contextlib
import random
import signal
import subprocess
import sys
from pathlib import Path

from rig import Violation, eventually, is_alive, pause, wait_end
from rows import Row
from small_disk import SmallDisk

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "faults"))

from tcp_proxy import TcpProxy  # noqa: E402


ROOM_TO_GROW = 64 << 20  # bytes

# --- F12 -----------------------------------------------------------------------------------------

def end_server(trial, number=signal.SIGTERM):
    pid = trial.rig.system.database_pid()
    trial.rig.system.signal(pid, number)
    wait_end(pid, 60)


def end_database(trial, number):
    end_server(trial, number)
    trial.note("database_ends")
    trial.answered_again(50)  # orders go on without it
    trial.some_time(0.0, 1.0)
    trial.rig.start_database()


def restart_gracefully(trial):
    end_database(trial, signal.SIGTERM)


def kill_it(trial):
    end_database(trial, signal.SIGKILL)


def stop_it(trial):
    longest = {"quick": 3.0, "long": 15.0, "release": 60.0}[trial.tier]
    pid = trial.rig.system.database_pid()
    trial.rig.system.signal(pid, signal.SIGSTOP)
    trial.answered_again(50)
    pause(trial.random.uniform(0.5, longest))
    trial.rig.system.signal(pid, signal.SIGCONT)


def make_read_only(trial):
    trial.rig.sql("SET GLOBAL read_only=1")
    trial.answered_again(50)
    trial.some_time(0.2, 1.5)
    trial.rig.sql("SET GLOBAL read_only=0")


def end_connections(trial):
    """Each session is ended under the lanes, again and again."""
    for _ in range(5):
        ids = trial.rig.sql("SELECT id FROM information_schema.processlist WHERE user='stampede'")
        for (number,) in ids:
            subprocess.run([*trial.rig.root, "-e", f"KILL {number}"], capture_output=True,
                           check=False, timeout=20)
        trial.answered_again(20)


@contextlib.contextmanager
def database_on_small_disk(trial):
    """The server's files as they are, moved to a disk with little room to grow; at the end back.
    Without holes: the redo log has its place, so that it is the tables that find none."""
    data = trial.rig.run / "db" / "data"
    aside = trial.rig.run / "db" / "data.aside"
    end_server(trial)
    data.rename(aside)
    try:
        size = sum(path.stat().st_size for path in aside.rglob("*"))
        with SmallDisk(data, size + ROOM_TO_GROW) as disk:
            subprocess.run(["cp", "-a", "--sparse=never", f"{aside}/.", data], check=True)
            trial.rig.start_database()
            try:
                yield disk
            finally:
                end_server(trial)
    finally:
        data.rmdir()
        aside.rename(data)


def fill_its_disk(trial):
    """No room for a further row: orders go on, the rows wait; then there is room again."""
    disk = trial.close_later(database_on_small_disk(trial))
    trial.answered_again(50)
    disk.fill()
    log = trial.rig.run / "log" / "backend-1.log"
    told = lambda: " is full" in log.read_text(encoding="utf-8", errors="replace")
    pid = trial.rig.system.database_pid()
    # A server may try for a minute before it says so.
    if not eventually(lambda: told() or not is_alive(pid), 150):
        raise Violation("the lanes were never told that the database's disk is full")
    trial.answered_again(200)
    trial.note("full_disks")
    disk.free()
    if answers_or_ends(trial, pid):
        return
    trial.note("servers_ended")  # by themselves, with files that they may not find room for
    trial.rig.start_database()


def answers_or_ends(trial, pid):
    """True: the server writes again. False: it is gone. One that ends takes its time."""
    def writes():
        with contextlib.suppress(RuntimeError):
            trial.rig.sql("CREATE OR REPLACE TABLE probe (one INT); DROP TABLE probe")
            return True
    eventually(lambda: not is_alive(pid) or writes(), 60)
    return is_alive(pid)


OUTAGES = (restart_gracefully, kill_it, stop_it, make_read_only, end_connections, fill_its_disk)


def f12(trial):
    outage = OUTAGES[trial.number % len(OUTAGES)]
    trial.start(stock=100_000)
    trial.sell()
    trial.await_answers(60)
    outage(trial)
    trial.answered_again()
    trial.judge()


# --- F13 -----------------------------------------------------------------------------------------

# Codes that say nothing about one row: tried again for ever. 2006 and 2013 come with F12 and F14.
TRANSIENT = (1021, 1030, 1040, 1047, 1053, 1105, 1114, 1158, 1205, 1213, 1290, 1317, 1836, 1927)


class Session:
    """A second session at the database, which holds locks until it ends."""

    def __init__(self, trial):
        self.process = subprocess.Popen(
            [*trial.rig.root, "-n", "stampede"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)

    def run(self, statement):
        """Returns when it was executed."""
        self.process.stdin.write(statement + "; SELECT 'done';\n")
        self.process.stdin.flush()
        while (line := self.process.stdout.readline()) and line.strip() != "done":
            pass

    def send(self, statement):
        self.process.stdin.write(statement + ";\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()
        self.process.stdout.close()


def lock_wait(trial):
    """The item's row and a lane's are held until the lanes give up waiting (1205), twice."""
    trial.rig.sql("SET GLOBAL innodb_lock_wait_timeout=1")
    trial.close_later(Undo(trial, "SET GLOBAL innodb_lock_wait_timeout=50"))
    end_connections(trial)  # new sessions take the new limit
    with Session(trial) as other:
        other.run("BEGIN; SELECT * FROM item FOR UPDATE; SELECT * FROM lane FOR UPDATE")
        pause(2.5)


def deadlock(trial):
    """Locks in the opposite order. Our session has written more, so the lane is the victim."""
    with Session(trial) as other:
        for _ in range(4):
            other.run("BEGIN; UPDATE item SET name=CONCAT(name, ''); "
                      "INSERT INTO schema_version SELECT seq, 'torture', NOW() "
                      "FROM seq_1000_to_1400; SELECT * FROM item FOR UPDATE")
            trial.some_time(0.05, 0.2)
            other.run("SELECT * FROM lane FOR UPDATE")
            other.run("ROLLBACK")


class Undo:
    def __init__(self, trial, statement):
        self.trial, self.statement = trial, statement

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.trial.rig.sql(self.statement)


def refuse_with(trial, code):
    """A trigger answers every insert with the code, for a while."""
    trial.rig.sql("CREATE TRIGGER torture BEFORE INSERT ON orders FOR EACH ROW "
                  f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO={code}, MESSAGE_TEXT='torture'")
    trial.answered_again(50)
    if not eventually(lambda: str(code) in backend_log(trial), 30):
        raise Violation(f"code {code} never reached a lane")
    trial.rig.sql("DROP TRIGGER torture")


def backend_log(trial):
    return (trial.rig.run / "log" / "backend-1.log").read_text(encoding="utf-8", errors="replace")


def f13(trial):
    trial.start(stock=100_000)
    trial.sell(rate=800)
    trial.await_answers(40)
    kind = trial.number % (len(TRANSIENT) + 2)
    if kind == 0:
        lock_wait(trial)
    elif kind == 1:
        deadlock(trial)
    else:
        refuse_with(trial, TRANSIENT[kind - 2])
    trial.note("codes")
    trial.answered_again()
    trial.judge()
    trial.expect("ALARM" not in backend_log(trial), "a command failed for a transient code")


# --- F14 -----------------------------------------------------------------------------------------

class CommitCutter:
    """Cuts the connection `skip` bytes after the begin of a COMMIT, or of the answer to it."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.cuts = 0
        self.answer_of = {}
        self.on = False
        self.waiting = False

    def __call__(self, direction, data):
        if not self.on:
            return None
        if direction == "up" and data[5:11] == b"COMMIT":
            if self.random.random() < 0.5:
                self.cuts += 1
                return self.random.randrange(len(data) + 1)
            self.waiting = True
        elif direction == "down" and self.waiting:
            self.waiting = False
            self.cuts += 1
            return self.random.randrange(len(data) + 1)
        return None


def f14(trial):
    trial.rig.fresh()
    cutter = CommitCutter(trial.name)
    proxy = trial.close_later(TcpProxy(str(trial.rig.run / "db" / "mysql.sock"), on_bytes=cutter))
    trial.begin(stock=100_000, STAMPEDE_DB__URL=f"mysql://stampede@127.0.0.1:{proxy.port}/stampede")
    trial.sell(rate=800)
    trial.await_answers(40)
    cutter.on = True
    if not eventually(lambda: cutter.cuts >= 10, 60):
        raise Violation(f"only {cutter.cuts} cuts")
    cutter.on = False
    trial.note("cuts", cutter.cuts)
    trial.answered_again()
    trial.judge()


ROWS = [
    Row("F12", "database restarted, killed, stopped, read-only, full, sessions cut", f12,
        (6, 36, 1000), "5 / 200 / 1000"),
    Row("F13", "lock wait, deadlock, and 14 transient codes", f13, (16, 48, 16_000),
        "each x20 / each x200 / each x1000"),
    Row("F14", "connection cut at any byte of a COMMIT or its answer", f14, (5, 30, 3000),
        "100 / 2000 / all bytes"),
]
