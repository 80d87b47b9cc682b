"""F5 to F9: the disk forgets, tears, fails or is full."""

import os
import re
import subprocess
from pathlib import Path

from rig import BINARY, Violation, eventually, shim
from rows import Row
from small_disk import SmallDisk

LOG_TESTS = Path(BINARY).resolve().parent / "storage_log_test"


# --- F5: power cuts ------------------------------------------------------------------------------

def disk_shim(trial, **wishes):
    trial.report = trial.rig.run / "torture.disk"
    trial.report.unlink(missing_ok=True)
    return {"LD_PRELOAD": shim("disk_shim"), "DISK_SHIM_DIR": str(trial.rig.log_dir),
            "DISK_SHIM_REPORT": str(trial.report),
            "DISK_SHIM_SEED": str(trial.random.randint(1, 2**31))} | {
                f"DISK_SHIM_{name}": str(value) for name, value in wishes.items()}


def said(trial):
    return trial.report.read_text(encoding="ascii").splitlines() if trial.report.exists() else []


def has_cut(trial):
    return any(line.startswith("cut") for line in said(trial))


def f5(trial):
    """In turn: while orders come, and in the recovery after a crash."""
    if trial.number % 3 == 2:
        return cut_in_recovery(trial)
    trial.rig.fresh()
    # A start takes 9 calls below the log's directory, each batch two, a rotation seven.
    trial.rig.node("backend", **disk_shim(trial, CUT_AT=trial.random.randint(10, 160)))
    trial.begin()
    trial.sell(rate=1000)
    if not eventually(lambda: has_cut(trial), 60):
        raise Violation(f"no cut: {said(trial)}")
    trial.answered_again()
    trial.judge()
    trial.note("power_cuts")


def cut_in_recovery(trial):
    trial.start()
    trial.sell()
    trial.await_answers(80)
    trial.again_with(lambda: trial.rig.node(
        "backend", **disk_shim(trial, CUT_AT=trial.random.randint(1, 14))))
    trial.rig.wait_ready()
    trial.answered_again()
    trial.judge()
    trial.note("power_cuts" if has_cut(trial) else "beyond_the_recovery")


# --- F6, F7: exhaustive, in the unit tests -------------------------------------------------------

def log_cases(trial, *cases):
    """Runs cases of storage_log_test; its assertions are the trials."""
    checked = 0
    for case in cases:
        done = subprocess.run([str(LOG_TESTS), f"--test-case={case}"], capture_output=True,
                              text=True, timeout=600, check=False,
                              env=os.environ | {"STAMPEDE_TEST_SEED": str(trial.random.randint(
                                  1, 10**6))})
        found = re.search(r"assertions:\s*(\d+)", done.stdout)
        if done.returncode or not found or re.search(r"test cases:\s*0 ", done.stdout):
            raise Violation(f"storage_log_test '{case}': {done.stdout[-2000:]}")
        checked += int(found[1])
    trial.note("assertions", checked)


def f6(trial):
    log_cases(trial, "a last batch torn at any byte*", "a last batch with holes*",
              "garbage behind the last batch*")


def f7(trial):
    log_cases(trial, "every flipped bit*", "random damage*", "a sealed batch*",
              "missing*doubled*foreign*", "a batch that is whole but*")


# --- F8: errors ----------------------------------------------------------------------------------

CALLS = ("write", "fdatasync", "fsync", "rename", "open")


def f8(trial):
    """In turn each kind of call; the n-th of it fails, from the first of the start on."""
    call = CALLS[trial.number % len(CALLS)]
    few = call in ("rename", "fsync", "open")
    nth = trial.random.randint(1, 8 if few else 40)
    trial.rig.fresh()
    backend = trial.rig.node("backend", **disk_shim(trial, FAIL=f"{call}@{nth}"))
    trial.begin()
    trial.sell(rate=1000)
    trial.await_answers(60)
    failed = lambda: any(line.startswith("failed") for line in said(trial))
    if eventually(failed, 15):
        # The error may have met the spare segment, which is only tried again later.
        if eventually(lambda: backend.poll() is not None, 2):
            trial.expect(backend.returncode == 74, f"{call}@{nth}: exit {backend.returncode}")
            trial.note("exit_74")
        else:
            trial.note("spare_only")
    else:
        trial.note("beyond_the_run")
    trial.answered_again()
    trial.expect(not any(line.startswith("again") for line in said(trial)),
                 f"synced again after a failure: {said(trial)}")
    trial.judge()


# --- F9: full ------------------------------------------------------------------------------------

# A quarter of a segment is the reserve: it has to hold the orders that are in flight.
F9_SEGMENT_BYTES = 1 << 20


def f9(trial):
    """Full while orders come: `overloaded` before the wall; freed: goes on in the same process."""
    trial.rig.fresh()
    disk = trial.close_later(SmallDisk(trial.rig.run / "smalldisk", 10 * F9_SEGMENT_BYTES))
    trial.rig.environment = {"STAMPEDE_LOG__DIR": str(disk.place / "commandlog"),
                             "STAMPEDE_LOG__SEGMENT_BYTES": str(F9_SEGMENT_BYTES)}
    trial.begin(stock=1_000_000)
    trial.sell(rate=2500)
    trial.await_answers(100)
    pid = trial.rig.wait_pid("backend-1")
    disk.fill()
    told = eventually(lambda: trial.crowd.errors["overloaded"] > 20, 90)
    trial.no_new_orders()
    if not told:
        raise Violation(f"nobody was told overloaded: {dict(trial.crowd.errors)} "
                        f"{trial.rig.view('backend-1')}")
    trial.expect(trial.rig.wait_pid("backend-1") == pid, "the backend ended on a full disk")
    open_ones = trial.crowd.open()
    trial.expect(open_ones > 0, "orders were taken although the log has no room")
    disk.free()
    trial.answered_again(open_ones)
    trial.expect(trial.rig.wait_pid("backend-1") == pid, "the backend was restarted")
    trial.judge()


ROWS = [
    Row("F5", "power cut at a random disk call, recovery included", f5, (12, 120, 50000),
        "50 / 5000 / 50000"),
    Row("F6", "last batch torn at every byte, holes, garbage (unit)", f6, (1, 1, 1),
        "all offsets / all offsets / all offsets"),
    Row("F7", "every bit flipped, segments mixed up (unit)", f7, (1, 3, 20),
        "every bit + 2*10^5 / every bit + 10^6 / every bit + 10^7", limit_s=600),
    Row("F8", "EIO on the n-th write, fdatasync, fsync, rename, open", f8, (10, 80, 2000),
        "all n <= 200 / all / all"),
    Row("F9", "disk full while orders come, then freed", f9, (2, 20, 1000), "10 / 100 / 1000"),
]
