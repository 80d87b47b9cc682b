#!/usr/bin/python3 -Es
"""P10: orders that the database does not have, a killed backend, and the time until it serves.

Usage: recovery.py --points FILE --round N --status URL --database PID --log FILE -- COMMAND...
The database stands still (SIGSTOP) while COMMAND, a bench without drain, runs, while the backend is
killed (SIGKILL) and while it starts again ("hanging"): every order must come out of the command
log. Then the database goes on and the backend is killed at once a second time ("answering"), when
nearly all is still owed; the scan is timed there, since the first start also waits for a
connection.
Serving means that URL (the supervisor's /status) calls a new backend ready. --log is what backend-1
says; its replay.done line has the records and the milliseconds of the scan.
Exit: that of the command; 5 when the backend does not come back.
"""

import argparse
import json
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from measure import append_point, run

STEADY_BYTES, STEADY_EVERY_S, STEADY_LOOKS = 1 << 20, 2, 10
BACK_WITHIN_S = 120
LOOK_EVERY_S = 0.01
DONE = re.compile(r"replay\.done .*records=(\d+) applied=(\d+).* dur_ms=(\d+) snapshot=(\S+)")


def backend(url):
    """(pid, state) of backend-1, or (None, None)."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            status = json.load(answer)
    except (OSError, urllib.error.URLError, ValueError):
        return None, None
    for node in status["nodes"]:
        if node["node"] == "backend-1":
            return node.get("pid"), node.get("state")
    return None, None


def resident_bytes(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+) kB", text)[1]) * 1024


def steady_bytes(pid):
    """The same once it stands still: what orders will take is made ahead while nobody buys."""
    before, now = 0, resident_bytes(pid)
    for _ in range(STEADY_LOOKS):
        if abs(now - before) < STEADY_BYTES:
            break
        time.sleep(STEADY_EVERY_S)
        before, now = now, resident_bytes(pid)
    return now


def kill_and_wait(args):
    """Kills the backend; what the new one read and how long it took, or None."""
    killed, _ = backend(args.status)
    said_before = args.log.stat().st_size
    os.kill(killed, signal.SIGKILL)
    start = time.monotonic()
    while time.monotonic() - start < BACK_WITHIN_S:
        pid, state = backend(args.status)
        if pid not in (None, killed) and state == "ready":
            seconds = time.monotonic() - start
            with args.log.open("rb") as log:
                log.seek(said_before)
                said = DONE.search(log.read().decode(errors="replace"))
            records, applied, dur_ms, snapshot = said.groups()
            return {"ready_seconds": seconds, "replay_seconds": int(dur_ms) / 1000,
                    "records": int(records), "owed": int(applied), "snapshot": snapshot}
        time.sleep(LOOK_EVERY_S)
    print("the backend did not come back", file=sys.stderr)
    return None


def measure(args):
    pid, _ = backend(args.status)
    empty_bytes = steady_bytes(pid)
    os.kill(args.database, signal.SIGSTOP)
    try:
        code, load, _, _ = run(args.command, 300)
        if load is None:
            return code or 1, None
        full_bytes = resident_bytes(pid)
        hanging = kill_and_wait(args)
    finally:
        os.kill(args.database, signal.SIGCONT)
    answering = kill_and_wait(args) if hanging else None
    if answering is None:
        return 5, None
    return code, {"load": load, "hanging": hanging, "answering": answering,
                  "rss_empty_bytes": empty_bytes, "rss_full_bytes": full_bytes}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("--points", "--status"):
        parser.add_argument(name, required=True)
    parser.add_argument("--round", type=int, required=True)
    parser.add_argument("--database", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    args.command = args.command[1:] if args.command[:1] == ["--"] else args.command
    code, result = measure(args)
    append_point(args.points, args.round, "P10", "stampede", code, result)
    return code


if __name__ == "__main__":
    sys.exit(main())
