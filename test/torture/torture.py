#!/usr/bin/python3
"""The fault matrix: real processes, real clients, a real database, and a fault in each trial.

Prints a line per row: trials, crashes, confirmed orders checked, lost, doubled, oversold. A trial
that breaks a promise keeps its directory and prints the command that repeats it. The same seed
gives the same plan; which request a fault meets is up to the machine.
Exit: 0 all kept, 4 a promise was broken, 2 wrong use, 1 the test itself could not be run.
"""

import argparse
import collections
import json
import multiprocessing
import os
import queue
import shutil
import signal
import subprocess
import sys
import time
import traceback
import xml.etree.ElementTree as xml
from pathlib import Path

import rows
from trial import Counts

HERE = Path(__file__).resolve().parent
FAILURES_KEPT = 5  # of one row; further trials of it are not begun


class TooLong(Exception):
    """A trial has used up its time."""


def on_alarm(*_):
    raise TooLong("the trial hangs")


# --- a worker ------------------------------------------------------------------------------------

def keep(trial, out, problem):
    """What is needed to look at a failed trial: logs, command log, history, the reason."""
    place = Path(out) / "failed" / trial.name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    log_dir = trial.rig.environment.get("STAMPEDE_LOG__DIR", trial.rig.log_dir)
    for source in (trial.rig.run / "log", Path(log_dir), trial.rig.run / "stampede.toml"):
        name = source.name
        if source.is_dir():
            shutil.copytree(source, place / name)
        elif source.exists():
            shutil.copy(source, place / name)
    (place / "problem.txt").write_text(problem, encoding="utf-8")
    trial.give_up()
    if trial.crowd is not None:
        history = {"orders": trial.crowd.orders, "answers": trial.crowd.answers,
                   "faults": trial.crowd.faults, "errors": dict(trial.crowd.errors)}
        (place / "history.json").write_text(json.dumps(history, indent=1), encoding="utf-8")
    return str(place)


def run_trial(rig, row, number, options):
    """(counts, problem or '', place of the evidence, seconds)."""
    from trial import Trial
    begin, problem, place = time.monotonic(), "", ""
    trial = Trial(rig, row.name, number, options.seed, options.tier)
    signal.signal(signal.SIGALRM, on_alarm)
    try:
        try:
            signal.alarm(row.limit_s)
            row.run(trial)
        finally:
            signal.alarm(0)
    except Exception:  # whatever it is, the trial failed and is reported
        problem = traceback.format_exc()
        place = keep(trial, options.out, problem)
    finally:
        trial.close()
    return trial.counts, problem, place, time.monotonic() - begin


def work(options, tasks, results):
    """One worker: a rig, and trials until there are none. Says what it begins, and its result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from rig import Rig
    rig = Rig(lambda system: results.put((os.getpid(), system, None)))
    try:
        known = {row.name: row for row in rows.all_rows()}
        while (task := tasks.get()) is not None:
            name, number = task
            results.put((os.getpid(), task, None))
            results.put((os.getpid(), task, run_trial(rig, known[name], number, options)))
    finally:
        rig.close()


class Workers:
    """Processes that run trials; one that dies in a trial (its client library may) is replaced."""

    def __init__(self, options, todo):
        self.options = options
        self.context = multiprocessing.get_context("fork")
        self.tasks, self.results = self.context.Queue(), self.context.Queue()
        self.at_work = {}  # process → the task it has begun and not ended
        self.systems = {}  # process → its rig's system
        count = min(options.workers, len(todo))
        for task in todo + [None] * count:
            self.tasks.put(task)
        for _ in range(count):
            self.begin_one()

    def begin_one(self):
        worker = self.context.Process(target=work, args=(self.options, self.tasks, self.results))
        worker.start()
        self.at_work[worker] = None

    def all_results(self):
        """Yields (task, result of run_trial); result None when the worker died in it."""
        while self.at_work:
            try:
                pid, task, result = self.results.get(timeout=1)
            except queue.Empty:
                yield from self.dead_ones()
                continue
            worker = next(one for one in self.at_work if one.pid == pid)
            if not isinstance(task, tuple):
                self.systems[worker] = task
                continue
            self.at_work[worker] = task if result is None else None
            if result is not None:
                yield task, result

    def end_all(self):
        """When the run itself is ended: nothing of it stays behind."""
        for worker in list(self.at_work):
            worker.kill()
            worker.join(20)
            if worker in self.systems:
                clear_away(self.systems[worker])

    def dead_ones(self):
        for worker, task in list(self.at_work.items()):
            if worker.is_alive():
                continue
            del self.at_work[worker]
            if worker.exitcode and worker in self.systems:
                clear_away(self.systems[worker])
            if task is not None or worker.exitcode:
                yield task or ("worker", 0), None
            if task is not None:
                self.begin_one()


def clear_away(system):
    """What a worker that died has left running."""
    for pid in system.processes():
        system.signal(pid, signal.SIGKILL)
    system.stop()


# --- the whole -----------------------------------------------------------------------------------

class Report:
    def __init__(self, options, chosen):
        self.options = options
        self.rows = {row.name: row for row in chosen}
        self.counts = collections.defaultdict(Counts)
        self.seconds = collections.Counter()
        self.failures = collections.defaultdict(list)
        self.left = {row.name: self.planned(row) for row in chosen}

    def planned(self, row):
        return 1 if self.options.trial is not None else row.count(self.options.tier)

    def repeat(self, name, number):
        return (f"scripts/torture.sh --tier {self.options.tier} --seed {self.options.seed} "
                f"--only {name} --trial {number}")

    def take(self, name, number, counts, problem, place, seconds):
        if name not in self.rows:
            print(f"{name}: {problem}", file=sys.stderr)
            self.failures[name].append((number, problem, place))
            return
        self.counts[name].add(counts)
        self.seconds[name] += seconds
        if problem:
            self.failures[name].append((number, problem, place))
            lines = problem.strip().splitlines()
            said = next((line for line in lines if "Violation: " in line), lines[-1])
            print(f"{name} trial {number} FAILED: {said[:600]}\n"
                  f"  evidence: {place}\n  repeat:   {self.repeat(name, number)}",
                  file=sys.stderr, flush=True)
        self.left[name] -= 1
        if self.left[name] == 0:
            print(self.line(name), flush=True)

    def line(self, name):
        row, counts = self.rows[name], self.counts[name]
        asked = dict(zip(rows.TIERS, row.asked.split(" / ")))[self.options.tier]
        notes = "".join(f" {key} {value:,}" for key, value in sorted(counts.notes.items()))
        return (f"{name:<4} {row.about:<52} trials {counts.trials:>4} (goal {asked}) crashes "
                f"{counts.crashes:>5} checked {counts.checked:>7,} lost {counts.lost} doubled "
                f"{counts.doubled} oversold {counts.oversold} {self.seconds[name]:>5.0f} s "
                f"{'FAIL' if self.failures[name] else 'PASS'}{notes}")

    def failed(self):
        return any(self.failures.values())

    def write_junit(self, path):
        suite = xml.Element("testsuite", name=f"torture-{self.options.tier}",
                            tests=str(len(self.rows)),
                            failures=str(sum(bool(one) for one in self.failures.values())))
        for name, row in self.rows.items():
            case = xml.SubElement(suite, "testcase", classname="torture", name=name,
                                  time=f"{self.seconds[name]:.1f}")
            for number, problem, place in self.failures[name]:
                failure = xml.SubElement(case, "failure", message=f"trial {number}, {place}; "
                                         f"repeat: {self.repeat(name, number)}")
                failure.text = problem
            xml.SubElement(case, "system-out").text = self.line(name)
        xml.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)

    def summary(self):
        total = Counts()
        for counts in self.counts.values():
            counts.notes.clear()
            total.add(counts)
        return (f"seed {self.options.seed} tier {self.options.tier}: {total.trials:,} trials, "
                f"{total.crashes:,} crashes, {total.checked:,} confirmed orders checked, lost "
                f"{total.lost}, doubled {total.doubled}, oversold {total.oversold}")


def plan(options, chosen):
    """Longest trials first, then row by row, so that the workers end together."""
    numbers = lambda row: range(row.count(options.tier)) if options.trial is None else [
        options.trial]
    by_length = sorted(chosen, key=lambda row: -row.limit_s)
    return [(row.name, number) for row in by_length for number in numbers(row)]


def run(options, chosen):
    report = Report(options, chosen)
    died = (Counts(), "the test's own process died; its words are above", "", 0.0)
    workers = Workers(options, plan(options, chosen))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for (name, number), result in workers.all_results():
            report.take(name, number, *(result or died))
    except (KeyboardInterrupt, SystemExit):
        workers.end_all()
        raise
    report.write_junit(Path(options.out) / "torture.xml")
    print(report.summary())
    return report


def in_own_mounts():
    """A full disk needs a small tmpfs: done in a mount namespace, so that nothing is left."""
    if os.environ.get("TORTURE_OWN_MOUNTS") or shutil.which("unshare") is None:
        return
    os.environ["TORTURE_OWN_MOUNTS"] = "1"
    flags = ["-m"] if os.geteuid() == 0 else ["-Urm"]
    os.execvp("unshare", ["unshare", *flags, sys.executable, __file__, *sys.argv[1:]])


class Help(argparse.RawDescriptionHelpFormatter):
    """Spelled as the other scripts spell it."""

    def add_usage(self, usage, actions, groups, prefix=None):
        super().add_usage(usage, actions, groups, "Usage: " if prefix is None else prefix)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/torture.sh", description=__doc__,
                                     formatter_class=Help)
    add = parser.add_argument
    add("--tier", choices=rows.TIERS, default="quick", help="how many trials (default %(default)s)")
    add("--seed", type=int, default=None, help="repeats a plan (default: from the clock)")
    add("--only", default="", metavar="F1,F7", help="these rows alone")
    add("--trial", type=int, default=None, help="this trial of the row alone")
    add("--workers", type=int, default=2, help="systems side by side (default %(default)s)")
    add("--out", default="", metavar="DIR", help="evidence and torture.xml (default: a new one "
        "below /tmp)")
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = int(os.environ.get("STAMPEDE_TEST_SEED") or time.time_ns() // 1000 % 10**6)
    options.out = options.out or f"/tmp/torture-{options.seed}-{os.getpid()}"
    Path(options.out).mkdir(parents=True, exist_ok=True)
    return parser, options


def fuzz(options):
    """A minute of every fuzz target, when a longer tier is run whole. False: one of them failed."""
    if options.tier == "quick" or options.only:
        return True
    command = [HERE.parent.parent / "scripts" / "fuzz.sh", "--seconds", "60"]
    return subprocess.run(command, check=False).returncode == 0


def main(arguments):
    parser, options = parse(arguments)
    in_own_mounts()
    chosen = rows.all_rows()
    if options.only:
        wanted = options.only.split(",")
        unknown = set(wanted) - {row.name for row in chosen}
        if unknown:
            parser.error(f"no such row: {', '.join(sorted(unknown))}; there are "
                         f"{', '.join(row.name for row in chosen)}")
        chosen = [row for row in chosen if row.name in wanted]
    print(f"seed {options.seed}, tier {options.tier}, {options.workers} workers, evidence and "
          f"torture.xml in {options.out}", flush=True)
    fuzzed = fuzz(options)
    failed = run(options, chosen).failed() or not fuzzed
    print("FAIL" if failed else "PASS")
    return 4 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
