#!/usr/bin/env python3
"""prefetch_test.py PROGRAM BUILD_TYPE: these functions still ask for memory ahead.

GCC takes a function that only prefetches for one without effect and drops the calls of it; a core
that waits for each line costs a third more processor an order, which no count of instructions
shows.
"""

import subprocess
import sys

SKIPPED = 77
FUNCTIONS = ["OrderBook::keys(", "BackendCore::prepare(", "OrderBook::user_keys(",
             "TicketTable::prefetch_ticket(", "DecidedRequests::prefetch_ahead(",
             "Projection::add(", "KnownTickets::prefetch("]


def prefetching_functions(program):
    command = ["objdump", "--disassemble", "--demangle", "--no-show-raw-insn", program]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    function, found = "", set()
    for line in listing.splitlines():
        if line.endswith(">:"):
            function = line
        elif "\tprefetch" in line:
            found.add(function)
    return found


def main():
    program, build_type = sys.argv[1:]
    if build_type != "Release":
        print(f"only an optimised build is looked at, not {build_type}")
        return SKIPPED
    found = prefetching_functions(program)
    missing = [name for name in FUNCTIONS if not any(name in function for function in found)]
    for name in missing:
        print(f"stampede::actors::{name}…) prefetches nothing")
    print(f"{len(FUNCTIONS) - len(missing)} of {len(FUNCTIONS)} functions prefetch")
    return 1 if missing else 0


sys.exit(main())
