#!/usr/bin/python3 -Es
"""Finds what runs of one system by looking at processes, whatever became of its files.

Usage: scripts/parts/processes.py RUN
A line for each of this user's processes that belong to the run directory RUN, also when it was
removed: NAME PID START, with NAME guard, database, or a node's (webapp-1), and START its clock
ticks since boot, for a pid alone may have been given away.
Exit: 0 it looked (also when nothing runs), 1 it could not, 2 wrong use.
"""

import os
import re
import sys
from pathlib import Path

ROLES = ("supervisor", "webapp", "broker", "backend")
DATABASES = ("mariadbd", "mysqld", "mariadbd-safe", "mysqld_safe")
WITH_VALUE = ("--config", "--run-dir")
LOCK = re.compile(r"((?:supervisor|webapp|broker|backend)-\d+)\.lock(?: \(deleted\))?")


def started(process):
    """Clock ticks since boot, or None for what only waits to be reaped."""
    fields = (process / "stat").read_text(errors="replace").rsplit(")", 1)[1].split()
    return None if fields[0] in "ZX" else fields[19]


def words_of(process):
    return [os.fsdecode(word) for word in (process / "cmdline").read_bytes().split(b"\0")[:-1]]


def variable(process, name):
    for entry in (process / "environ").read_bytes().split(b"\0"):
        if entry.startswith(name.encode() + b"="):
            return os.fsdecode(entry.partition(b"=")[2])
    return None


def owner(process):
    """Its effective user; who owns the entry in /proc is another one for what leaves no core."""
    for line in (process / "status").read_text(errors="replace").splitlines():
        if line.startswith("Uid:"):
            return int(line.split()[2])
    return None


def is_run(process, place, run):
    """`place` as the process means it: relative to where it stands."""
    if not os.path.isabs(place):
        place = os.path.join(os.readlink(process / "cwd"), place)
    return os.path.realpath(place) == run


def node_by_words(process, run):
    """(name, index given) by what it was called with: one that begins holds no lock yet."""
    words = words_of(process)
    if not words or "stampede" not in os.path.basename(words[0]):
        return None
    place, role, index, rest = None, None, "1", iter(words[1:])
    for word in rest:
        flag, given, value = word.partition("=")
        if flag in WITH_VALUE or flag == "--index":
            value = value if given else next(rest, "")
            place = value if flag == "--run-dir" else place
            index = value if flag == "--index" else index
        elif role is None and not word.startswith("-"):
            role = word
    if role not in ROLES:
        return None
    place = place or variable(process, "STAMPEDE_RUN_DIR") or "run"
    if not is_run(process, place, run):
        return None
    return "guard" if "--guard" in words else f"{role}-{index}"


def node_by_lock(process, run):
    """By the lock that it holds, under a name that may be gone."""
    for descriptor in (process / "fd").iterdir():
        target = Path(os.readlink(descriptor))
        name = LOCK.fullmatch(target.name)
        if name and str(target.parent) == run:
            return name[1]
    return None


def database(process, run):
    words = words_of(process)
    if words and os.path.basename(words[0]) in DATABASES:
        if f"--datadir={run}/db/data" in words:
            return "database"
    return None


def name_of(process, run):
    for look in (node_by_words, database, node_by_lock):
        try:
            name = look(process, run)
        except OSError:  # it ended meanwhile, or does not let itself be looked at
            continue
        if name:
            return name
    return None


def running(run):
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            start = started(process) if owner(process) == os.geteuid() else None
        except OSError:
            continue
        name = start and name_of(process, run)
        if name:
            yield name, process.name, start


def main(arguments):
    if arguments in (["--help"], ["-h"]):
        print(__doc__.strip())
        return 0
    if len(arguments) != 1:
        print("processes.py: see --help", file=sys.stderr)
        return 2
    for found in sorted(running(os.path.realpath(arguments[0]))):
        print(*found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
