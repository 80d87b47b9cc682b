"""F1 to F4: kill -9 of everything, everywhere."""

import json
import re
import subprocess

from rig import BINARY, Violation, eventually, shim
from rows import Row

NODES = ("webapp-1", "broker-1", "backend-1", "supervisor-1")
# Calls of the backend that change something outside, from its start to the end of a sale of about
# 100 orders; orders go on coming until the call is reached.
CALLS_OF_A_RUN = 700


def crash_points():
    """name → True when it is a point of the start; as `stampede chaos list` has them."""
    listed = subprocess.run([BINARY, "--json", "chaos", "list"], capture_output=True, text=True,
                            check=True, timeout=20).stdout
    return {point["point"]: point["at"] == "start" for point in json.loads(listed)["points"]}


def crash_at_start(trial, points):
    """The backend dies in the sale, then at each of its next starts at a named point."""
    for point in points:
        trial.arm("backend-1", f"{point}=kill@1", next_start=True)
    before = len(trial.rig.exits("backend-1"))
    trial.kill("backend-1")
    deaths = before + 1 + len(points)
    if not eventually(lambda: len(trial.rig.exits("backend-1")) >= deaths, 60):
        raise Violation(f"{points} were not all passed: {trial.rig.exits('backend-1')}")


def f1(trial):
    points = crash_points()
    point = sorted(points)[trial.number % len(points)]
    # What the lanes pass needs orders that are confirmed: the stock must not run out before.
    lanes = point in ("db_begin", "db_exec", "in_db", "after_db", "lane_done")
    trial.start(stock=100_000 if lanes else None)
    trial.sell_past(point, rate=1500)
    trial.await_answers(60)
    if points[point]:
        crash_at_start(trial, [point])
    else:
        trial.die_at("backend-1", f"{point}=kill@{trial.random.randint(1, 20)}")
    if trial.random.random() < 0.3:  # then only the client can ask again
        trial.kill("webapp-1")
    trial.answered_again()
    trial.judge()
    trial.expect(trial.counts.crashes > 0, f"{point} was never passed")


def f2(trial):
    """Spread evenly over the run: trial k of n kills at a random call of its k-th part."""
    share = CALLS_OF_A_RUN / max(1, F2.count(trial.tier))
    nth = int(share * (trial.number + trial.random.random())) + 1
    counter = trial.rig.run / "torture.calls"
    trial.rig.fresh()
    backend = trial.rig.node("backend", prefix=(shim("kill_at_syscall"), nth, counter))
    trial.begin()
    trial.sell(rate=1000)
    if not eventually(lambda: backend.poll() is not None, 60):
        raise Violation(f"call {nth} was not reached within a minute of orders")
    trial.answered_again()
    trial.judge()


def f3(trial):
    trial.start(nodes="webapp=2,broker=1,backend=1")
    nodes = (*NODES, "webapp-2")
    trial.sell(addresses=[trial.rig.system.zmq, trial.rig.system.zmq_2])
    for _ in range(2):
        trial.some_time(0.02, 0.4)
        trial.kill(*trial.random.sample(nodes, trial.random.randint(1, 4)))
    trial.rig.wait_ready()
    trial.answered_again()
    trial.judge()


def f4(trial):
    starts = sorted(name for name, at_start in crash_points().items()
                    if at_start and not name.startswith("spare_"))
    trial.start()
    trial.sell()
    trial.await_answers(80)
    nested = [trial.random.choice(starts) for _ in range(trial.random.randint(2, 5))]
    crash_at_start(trial, nested)
    trial.answered_again()
    trial.judge()
    replays(trial)


def replays(trial):
    """A crash in the middle of a recovery changes nothing: once more, and nothing is owed."""
    before = rows_of(trial)
    trial.kill("backend-1")
    trial.rig.wait_ready()
    trial.expect(trial.rig.stampede("verify", "--wait", "60s").returncode == 0, "verify")
    trial.expect(rows_of(trial) == before, "the second replay changed rows")
    text = (trial.rig.run / "log" / "backend-1.log").read_text(encoding="utf-8", errors="replace")
    owed = re.findall(r"replay\.done .*?applied=(\d+)", text)
    trial.expect(owed and owed[-1] == "0", f"owed at the starts: {owed}")


def rows_of(trial):
    return trial.rig.sql("SELECT * FROM orders ORDER BY order_id; SELECT * FROM item ORDER BY id")


F2 = Row("F2", "kill -9 of the backend before its N-th outside call", f2, (12, 140, 700),
         "every 50th / every 5th / every one")
ROWS = [
    Row("F1", "kill -9 at each crash point of chaos list", f1, (29, 116, 29000),
        "25 points x4 / x100 / x1000"),
    F2,
    Row("F3", "kill -9 of 1 to 4 nodes at once, at random, twice", f3, (10, 100, 10000),
        "50 / 2000 / 10000"),
    Row("F4", "2 to 5 crashes in a row inside the recovery", f4, (4, 40, 5000),
        "20 / 500 / 5000"),
]
