#!/usr/bin/python3 -Es
"""Runs one command of the benchmark and adds what it cost to a file of points.

Usage: measure.py --points FILE --round N --point NAME --side NAME [options] -- COMMAND...
  --cpu NAME=PID     adds that process's CPU seconds; may be given several times
  --stopped PID      that process stands still (SIGSTOP) while the command runs
  --rows SOCKET DB   counts the rows of DB.orders: those that came while the command ran and, with
                     --stored, the time until every confirmed order is one
  --timeout S        for the command and for the rows, each (default 300)
The command prints JSON; the point is that, with wall_seconds, cpu_seconds {name: seconds} (the
command itself is "command"), rows_during, rows, stored_seconds (from the command's start) and
drain_seconds (from SIGCONT).
Exit: that of the command; 5 when rows are missing, 1 when there was no JSON.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LOOK_EVERY_S = 0.01


def cpu_seconds(pid):
    """proc(5): utime and stime are the 12th and 13th value after the name in brackets."""
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


class Rows:
    """One connection to the private database, by its own command-line client."""

    def __init__(self, socket, schema):
        self.client = subprocess.Popen(
            ["mariadb", "--no-defaults", "--user=root", "--socket=" + socket, "-N", "-B",
             "--unbuffered", schema],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.last_before = self.number("SELECT COALESCE(MAX(order_id),0) FROM orders")
        self.written_before = self.written()

    def number(self, sql):
        self.client.stdin.write(sql + ";\n")
        line = self.client.stdout.readline()
        if not line:
            raise RuntimeError("the database does not answer: " + sql)
        return int(line.split()[-1])

    def written(self):
        """Cheap, but of all tables and not yet committed: at least as many as there are rows."""
        return self.number("SHOW GLOBAL STATUS LIKE 'Handler_write'")

    def count(self):
        return self.number(f"SELECT COUNT(*) FROM orders WHERE order_id>{self.last_before}")

    def wait_for(self, expected, timeout):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if self.written() - self.written_before >= expected:
                count = self.count()
                if count >= expected:
                    return count
            time.sleep(LOOK_EVERY_S)
        return self.count()

    def close(self):
        self.client.stdin.close()
        self.client.wait(timeout=10)


def run(command, timeout):
    """(exit code, JSON or None, wall seconds, CPU seconds of the command)."""
    before = os.times()
    start = time.monotonic()
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout, check=False)
        code, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        code, out, err = 5, "", f"{command[0]}: nothing after {timeout} s"
    wall = time.monotonic() - start
    after = os.times()
    cpu = (after.children_user - before.children_user +
           after.children_system - before.children_system)
    try:
        result = json.loads(out)
    except ValueError:
        result = None
    if code != 0 or result is None:
        print("\n".join(err.splitlines()[-3:]), file=sys.stderr)
    return code, result, wall, cpu


def append_point(points, round_number, point, side, code, result):
    line = {"round": round_number, "point": point, "side": side, "exit": code, "result": result}
    with open(points, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def measure(args):
    watched = dict(word.split("=", 1) for word in args.cpu)
    rows = Rows(*args.rows) if args.rows else None
    before = {name: cpu_seconds(pid) for name, pid in watched.items()}
    if args.stopped:
        os.kill(args.stopped, signal.SIGSTOP)
    start = time.monotonic()
    try:
        code, result, wall, own = run(args.command, args.timeout)
    finally:
        if args.stopped:
            os.kill(args.stopped, signal.SIGCONT)
    if result is None:
        return code or 1, None
    continued = time.monotonic()
    result["wall_seconds"] = wall
    if rows:
        result["rows_during"] = rows.count() if not args.stopped else 0
    if rows and args.stored:
        result["rows"] = rows.wait_for(result["confirmed"], args.timeout)
        result["stored_seconds"] = time.monotonic() - start
        result["drain_seconds"] = time.monotonic() - continued
        if result["rows"] != result["confirmed"]:
            code = code or 5
    result["cpu_seconds"] = {name: cpu_seconds(pid) - before[name]
                             for name, pid in watched.items()} | {"command": own}
    if rows:
        rows.close()
    return code, result


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("--points", "--point", "--side"):
        parser.add_argument(name, required=True)
    parser.add_argument("--round", type=int, required=True)
    parser.add_argument("--cpu", action="append", default=[])
    parser.add_argument("--stopped", type=int)
    parser.add_argument("--rows", nargs=2)
    parser.add_argument("--stored", action="store_true")
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    args.command = args.command[1:] if args.command[:1] == ["--"] else args.command
    code, result = measure(args)
    append_point(args.points, args.round, args.point, args.side, code, result)
    return code


if __name__ == "__main__":
    sys.exit(main())
