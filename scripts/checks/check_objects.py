#!/usr/bin/python3 -Es
"""Proves from the compiled rooms that pure and deterministic ones ask the machine for nothing.

Usage: scripts/checks/check_objects.py ROOM=ARCHIVE...
Looks at the symbols that each archive leaves to others. Each must be defined in such a room, be
declared in a header that is a door of the room, or be on the list below: memory, strings, the C++
runtime, and libraries that only compute. So a clock, a socket, a file, a thread or a source of
randomness is found however it was written.
Exit: 0 none, 1 a symbol too many (each printed with its room), 2 wrong use.
"""

import re
import subprocess
import sys

import check_layers
import rooms as table

ALLOWED = re.compile(r"""
    _Z(n|d)[wal]                          # operator new and delete
  | _ZSt(?!4c(out|err|in)|4clog|ls|rs)    # namespace std
  | _ZNK?St(?!6chrono|6thread|13random_device|10filesystem|\d+basic_[io]?f|18condition_variable
            |8ios_base4Init)
  | _ZT[VIS]                              # type information
  | __cxa_(?!atexit|thread_atexit) | __gxx_personality | _Unwind | _GLOBAL_OFFSET_TABLE_
  | __(stack_chk_fail|libc_single_threaded|dso_handle)$
  | (__)?(mem(cpy|move|set|cmp|chr|rchr)|str(len|cmp|ncmp|chr))(_chk)?$ | (__)?snprintf(_chk)?$
  | crypto_(shorthash|generichash|auth_hmacsha256|verify_16) | bcmp$
  | sodium_(memcmp|base64|bin2base64)
  | crc32_iscsi | cjose_jw[ks]_
  | strto(d|ll|ull)$ | localeconv$ | floor$ | round$ | __errno_location$  # of numbers
""", re.VERBOSE)
# The lock of record_memory.h, and the one file that asks for pages (cmake/rooms.txt, allows).
LOCK = {"pthread_mutex_lock", "pthread_mutex_unlock"}
PAGES = {"mmap", "munmap", "madvise"}


def symbols(archive, kind):
    """Names that an archive defines, or leaves undefined."""
    listed = subprocess.run(["nm", kind, archive], capture_output=True, text=True, check=True)
    return {line.split()[-1] for line in listed.stdout.splitlines() if len(line.split()) > 1}


def declared_behind_doors(room, name):
    """True when a single header that the room may include declares the function or its class."""
    plain = subprocess.run(["c++filt", name], capture_output=True, text=True, check=True).stdout
    words = re.split(r"::", re.split(r"[(<]", plain.strip(), maxsplit=1)[0])
    words = [word for word in words if word not in ("stampede", "actors", "config", "storage",
                                                    "transport", "detail")]
    headers = [door for door in room.doors if door.endswith(".h")]
    return any(re.search(rf"\b{re.escape(words[0])}\b", check_layers.read(header))
               for header in headers if words)


def too_many(room, archive, own):
    allowed = own | LOCK | (PAGES if room.path == "actors/memory" else set())
    for name in sorted(symbols(archive, "--undefined-only") - allowed):
        ours = "8stampede" in name and declared_behind_doors(room, name)
        if not ours and not ALLOWED.match(name):
            yield name


def main():
    pairs = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    if len(pairs) != len(sys.argv) - 1 or not pairs:
        print(__doc__.strip())
        return 2
    strict = [room for room in table.parse(check_layers.read(check_layers.TABLE)).values()
              if room.kind]
    own = set().union(*(symbols(pairs[room.path], "--defined-only") for room in strict))
    found = [f"{room.path}: {name}" for room in strict
             for name in too_many(room, pairs[room.path], own)]
    print("\n".join([*found, f"{len(strict)} rooms, {len(found)} symbols too many"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
