#!/usr/bin/env python3
"""prefetch_test.py PROGRAM BUILD_TYPE: these functions still ask for memory ahead.

GCC takes a function that only prefetches for one without effect and drops the calls of it; a core
that waits for each line costs a third more processor an order, which no count of instructions
shows.
"""

import collections
import subprocess
import sys

SKIPPED = 77
# How many at the least: an index has two, one of them for while it is small.
FUNCTIONS = {"BackendCore::prefetch_prepared(": 9, "TicketTable::prefetch_ticket(": 2,
             "DecidedRequests::prefetch_ahead(": 2, "Projection::add(": 1,
             "KnownTickets::prefetch(": 1}


def prefetching_functions(program):
    command = ["objdump", "--disassemble", "--demangle", "--no-show-raw-insn", program]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    function, found = "", collections.Counter()
    for line in listing.splitlines():
        if line.endswith(">:"):
            function = line
        elif "\tprefetch" in line:
            found[function] += 1
    return found


def main():
    program, build_type = sys.argv[1:]
    if build_type != "Release":
        print(f"only an optimised build is looked at, not {build_type}")
        return SKIPPED
    found = prefetching_functions(program)
    most = {name: max((count for function, count in found.items() if name in function), default=0)
            for name in FUNCTIONS}
    missing = [name for name, least in FUNCTIONS.items() if most[name] < least]
    for name in missing:
        print(f"stampede::actors::{name}…) has {most[name]} prefetches of {FUNCTIONS[name]}")
    print(f"{len(FUNCTIONS) - len(missing)} of {len(FUNCTIONS)} functions prefetch")
    return 1 if missing else 0


sys.exit(main())
