#!/usr/bin/python3
"""Proves that the tests would find faults: plants each and looks whether a test fails.

Usage: scripts/checks/mutation_gate.py [--build-dir DIR] [--seeds N] [--only NAME] [--no-build]
                                       [--list]
Builds the program's core and its simulation once with -DSTAMPEDE_MUTATIONS=ON (build-mutations/),
then runs, for each planted fault, seeds of the simulation until one fails, or the unit test that
is named for it where the fault lies outside what the simulation sees.
Prints a line for each fault and `caught N/N`.
Exit: 0 all caught, 2 wrong use, 3 the build failed, 4 a fault survived, or a test fails without
one.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent

# name: (what is wrong, test binary or None for the simulation)
FAULTS = {
    "ack_before_sync": ("the log says durable without fdatasync", None),
    "ignore_sync_error": ("a failed fdatasync counts as done", None),
    "retry_sync": ("fdatasync is called again after it failed", None),
    "trust_tail": ("recovery trusts the last batch without writing it once more", None),
    "no_dir_sync": ("a new segment's name is not synced", None),
    "name_before_sync": ("a segment gets its name before its bytes are synced", None),
    "header_unchecked": ("a segment header's checksum is not looked at", None),
    "cut_at_bad_crc": ("the log is cut at the first bad checksum, whatever follows", None),
    "dedupe_lost_at_recovery": ("confirmed request ids are forgotten by a restart", None),
    "rejections_lost_at_recovery": ("rejected request ids are forgotten by a restart", None),
    "limit_lost_at_recovery": ("what users bought is forgotten by a restart", None),
    "amounts_not_handed_over": ("recovery hands orders over, but not amounts", None),
    "optm_is_terminal": ("OPTM settles a command whatever came of its successor",
                         "storage_replay_test"),
    "serve_before_import": ("a first start that was cut short is not finished", None),
    "wiped_log_accepted": ("an empty log beside a database that has one is begun anew", None),
    "old_log_accepted": ("a log that is behind the database is taken", None),
    "old_database_accepted": ("a database that is behind the log's EXEC is taken", None),
    "witness_too_low": ("the lane's witness is behind what it wrote", None),
    "snapshot_named_before_sync": ("a snapshot gets its name before its bytes are synced", None),
    "one_snapshot_is_enough": ("segments that only the newest snapshot stands for are removed",
                               None),
    "no_fence": ("a lane writes whatever epoch owns the database", None),
    "no_lsn_guard": ("an amount is written whatever newer one is there", "sim_test"),
    "guard_first": ("the guard column is assigned before the value it guards", None),
    "exec_before_commit": ("EXEC is logged without a COMMIT", None),
    "guess_commit": ("a COMMIT whose answer is lost counts as done", None),
    "exec_names_the_range": ("EXEC of an amount names all lsns between the merged ones", None),
    "exec_one_too_far": ("EXEC of orders names one lsn too many", None),
    "older_amount_wins": ("of two amounts of an item the older is written under the newer lsn",
                          None),
    "stored_too_early": ("`stored` is said before the row is there", None),
    "answer_before_durable": ("answers leave before their decisions are durable", None),
    "oversell": ("one unit more is sold than there is", None),
    "key_reuse_ignored": ("an id with other content gets the first one's answer", None),
    "backlog_unlimited": ("orders are taken though the backlog is full", None),
    "credit_unlimited": ("the broker forwards beyond the window", None),
    "reply_on_stale_epoch": ("the broker passes results of an older epoch on",
                             "actors_broker_core_test"),
    "webapp_takes_stale_epoch": ("a webapp takes results of an older epoch",
                                 "actors_webapp_core_test"),
    "never_sent_again": ("a webapp never repeats a batch that is not answered",
                         "actors_webapp_core_test"),
}


def planted():
    """The names that the product's sources hold."""
    names = set()
    for folder in ("storage", "actors", "transport", "config"):
        for path in (PROJECT / folder).rglob("*.cpp"):
            names |= set(re.findall(r'config::mutation\("(\w+)"\)', path.read_text("utf-8")))
    return names


def run(command, timeout, fault=""):
    environment = dict(os.environ, STAMPEDE_MUTATION=fault)
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return 1, "it does not end"
    return done.returncode, done.stdout.decode("utf-8", "replace")


def build(directory, targets):
    commands = [["cmake", "-S", str(PROJECT), "-B", str(directory), "-G", "Ninja",
                 "-DSTAMPEDE_MUTATIONS=ON"],
                ["ninja", "-C", str(directory), *targets]]
    for command in commands:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)
        if done.returncode != 0:
            sys.stdout.write(done.stdout.decode("utf-8", "replace")[-4000:])
            return False
    return True


def simulate(binary, seeds, fault=""):
    """(caught, how): the first seed that fails."""
    code, out = run([str(binary), "--seeds", str(seeds), "--stop-at-first", "--no-shrink"], 120,
                    fault)
    found = re.search(r"violation: (seed=\d+ step=\d+ invariant=\w+: .*)", out)
    return code != 0, found.group(1) if found else out.strip().splitlines()[-1][:100]


def unit(binary, fault=""):
    code, out = run([str(binary), "--no-colors"], 120, fault)
    found = re.search(r"TEST CASE:\s*(.*)", out)
    if code == 0:
        return False, ""
    how = found.group(1) if found else (out.strip().splitlines() or ["it ended"])[-1]
    return True, f"{binary.name}: {how}"[:110]


def check(options, fault=""):
    binary = FAULTS[fault][1] if fault else None
    bin_dir = options.build_dir / "bin"
    return unit(bin_dir / binary, fault) if binary else simulate(
        bin_dir / "stampede_sim", options.seeds, fault)


def sound(options, tests):
    """Without a planted fault nothing fails: else "caught" would mean nothing."""
    caught, how = check(options)
    if caught:
        print(f"a seed fails without any fault: {how}")
        return False
    for test in tests:
        caught, how = unit(options.build_dir / "bin" / test)
        if caught:
            print(f"a test fails without any fault: {how}")
            return False
    return True


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build-dir", type=Path, default=PROJECT / "build-mutations")
    parser.add_argument("--seeds", type=int, default=2000, help="at most, for each (2000)")
    parser.add_argument("--only", action="append", choices=sorted(FAULTS), metavar="NAME")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--list", action="store_true", help="the faults, and nothing else")
    return parser.parse_args()


def main():
    options = arguments()
    if options.list:
        for name, (what, test) in FAULTS.items():
            print(f"{name:28} {test or 'simulation':20} {what}")
        return 0
    if planted() != set(FAULTS):
        print("planted and listed faults differ:", sorted(planted() ^ set(FAULTS)))
        return 2
    chosen = options.only or list(FAULTS)
    tests = sorted({FAULTS[name][1] for name in chosen if FAULTS[name][1]})
    if not options.no_build and not build(options.build_dir, ["stampede_sim", *tests]):
        return 3
    began = time.monotonic()
    if not sound(options, tests):
        return 4
    survivors = 0
    for name in chosen:
        caught, how = check(options, name)
        survivors += not caught
        print(f"{'caught  ' if caught else 'SURVIVED'} {name:28} {how}", flush=True)
    print(f"caught {len(chosen) - survivors}/{len(chosen)} in {time.monotonic() - began:.0f} s")
    return 4 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
