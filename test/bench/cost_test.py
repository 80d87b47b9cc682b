#!/usr/bin/python3
"""What an order may cost on the hot path: instructions, allocations, bytes. Counts, not times.

Usage: cost_test.py HOT_PATH_COST LIMITS.json [BUILD_TYPE]
HOT_PATH_COST is the program that runs the path (micro/hot_path_cost.cpp). The limits hold for the
compiler and options of a Release build on Debian 12; another BUILD_TYPE is skipped. A figure more
than the margin above its measured value fails; one as far below is a reason to write a new value
into the table, with the commit that earned it.
Exit: 0 within the limits, 1 not, 77 skipped (another build type; or no valgrind: then allocations
and bytes are checked, instructions are not).
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
COUNTED = "*measured_rounds*"  # the function in which callgrind collects


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=240, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n"
                 f"{done.stdout}{done.stderr}")
    return done


def arguments_of(case):
    return [case["batch"], case["orders"], *(["promo"] if case.get("promo") else [])]


def instructions_per_order(program, case):
    with tempfile.TemporaryDirectory() as folder:
        done = run("valgrind", "--tool=callgrind", f"--callgrind-out-file={Path(folder) / 'out'}",
                   "--collect-atstart=no", f"--toggle-collect={COUNTED}", program,
                   *arguments_of(case))
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if collected is None or int(collected[1]) == 0:
        sys.exit(f"callgrind collected nothing in {COUNTED}:\n{done.stderr}")
    return int(collected[1]) / case["orders"]


def measure(program, case, with_instructions):
    figures = json.loads(run(program, *arguments_of(case)).stdout)
    again = json.loads(run(program, *arguments_of(case)).stdout)
    if figures != again:
        sys.exit(f"two runs of the same work differ: {figures} {again}")
    if with_instructions:
        figures["instructions"] = instructions_per_order(program, case)
    return figures


def judge(name, key, measured, limit, margin):
    """One line of the table; False when the figure is over its limit."""
    over = measured > limit * (1 + margin)
    note = "TOO MUCH" if over else "ok"
    if measured < limit * (1 - margin):
        note = "ok, and low enough for a new value in the table"
    print(f"{name:12} {key:16} {measured:10.2f} measured {limit:10.2f} in the table   {note}")
    return not over


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__)
        return 2
    if len(sys.argv) == 4 and sys.argv[3] not in ("", "Release"):
        print(f"skipped: the limits are for a Release build, this is {sys.argv[3]}")
        return SKIPPED
    table = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    margin = table["margin_percent"] / 100
    valgrind = shutil.which("valgrind") is not None
    good = True
    for name, case in table["cases"].items():
        figures = measure(sys.argv[1], case, valgrind)
        for key, limit in case["limits"].items():
            if key in figures:
                good &= judge(name, key, figures[key], limit, margin)
    if not good:
        print(f"an order costs over {table['margin_percent']} % more than {sys.argv[2]} says: find "
              "out why (callgrind_annotate), or write the new price down with its reason")
        return 1
    if not valgrind:
        print("skipped: instructions; valgrind is not installed (scripts/install_deps.sh does)")
        return SKIPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
