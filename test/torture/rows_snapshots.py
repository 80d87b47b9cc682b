"""F26: snapshots and removed segments, with a crash in each step of making and removing."""

import json
import re

from rows import Row

# A snapshot for each of the rig's small segments, and no waiting before a segment may go.
SMALL = {"STAMPEDE_SNAPSHOT__EVERY_BYTES": "1", "STAMPEDE_LOG__RETAIN_S": "0"}
# The steps of a snapshot of this size, and of one segment's removal.
POINTS = (*(f"in_snapshot=kill@{n}" for n in range(1, 14)),
          *(f"in_retain=kill@{n}" for n in range(1, 5)))
STOCK = 1_000_000
STRIDE = 5  # the quick tier takes points of both kinds


def segments(trial):
    return sorted(path.name for path in trial.rig.log_dir.glob("*.seg"))


def f26(trial):
    point = POINTS[trial.number * STRIDE % len(POINTS)]
    trial.start(stock=STOCK, **SMALL)
    first = segments(trial)[0]
    trial.sell(rate=3000)
    trial.await_answers(100)
    trial.die_at("backend-1", point)
    trial.answered_again()
    trial.judge()
    snapshots_fit(trial)
    served_from_a_snapshot(trial)
    trial.note("removed" if segments(trial)[0] != first else "kept")


def snapshots_fit(trial):
    """The older snapshot and the log behind it give the newer one."""
    if len(list(trial.rig.log_dir.glob("snapshot-*-*"))) < 2:
        return
    done = trial.rig.stampede("--json", "snapshot", "verify")
    trial.expect(done.returncode == 0 and json.loads(done.stdout)["ok"],
                 f"snapshot verify: exit {done.returncode}: {done.stdout} {done.stderr}")


def served_from_a_snapshot(trial):
    """Once more from what is left on the disk: every answer and every row are the same."""
    trial.kill("backend-1")
    trial.rig.wait_ready()
    trial.judge()
    text = (trial.rig.run / "log" / "backend-1.log").read_text(encoding="utf-8", errors="replace")
    used = re.findall(r"replay\.done .* snapshot=(\S+)", text)[-1]
    trial.note("whole_log" if used == "none" else "from_snapshot")


ROWS = [
    Row("F26", "kill -9 in each step of a snapshot and of a segment's removal", f26,
        (5, 34, 1700), "all points x5 / x100 / x1000"),
]
