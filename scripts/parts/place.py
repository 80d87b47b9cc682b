#!/usr/bin/python3 -Es
"""Judges whether a run directory is to be believed: config/settings/trusted_place.h, for scripts.

Usage: scripts/parts/place.py RUN
Nothing that lies where another user owns or may write is ours, whatever it is called. What lies
above these scripts is trusted as they are.
Exit: 0 trusted (also when it is not there yet), 1 not, with the reason; 2 wrong use.
"""

import os
import stat
import sys

LINKS_MAX = 40
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def is_ours(about):
    return about.st_uid in (0, os.geteuid())


def distrust_directory(place, about, is_end):
    """Why not, or None."""
    program = os.path.realpath(__file__)
    if not is_end and program.startswith(place.rstrip("/") + "/"):
        return None
    if not is_ours(about) or (is_end and about.st_uid != os.geteuid()):
        return f"{place} belongs to another user ({about.st_uid}), who could put anything there; " \
               "choose another place"
    if about.st_mode & OTHERS_WRITE and (is_end or not about.st_mode & stat.S_ISVTX):
        return f"{place} may be written by other users; look at what lies there, then chmod " \
               "go-w, or choose another place"
    return None


def distrust(path):
    """Why `path` is not to be believed, or None. Walks as the system does, links as they stand."""
    names = [name for name in os.path.abspath(path).split("/") if name]
    directory, links = "/", 0
    while names:
        name = names.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            directory = os.path.dirname(directory)
            continue
        place = os.path.join(directory, name)
        try:
            about = os.lstat(place)
        except OSError:
            return None  # what is made here is ours
        if stat.S_ISLNK(about.st_mode):
            links += 1
            if not is_ours(about):
                return f"the link {place} belongs to another user ({about.st_uid})"
            if links > LINKS_MAX:
                return f"{place} is a link that leads nowhere"
            target = os.readlink(place)
            names[:0] = target.split("/")
            directory = "/" if target.startswith("/") else directory
            continue
        wrong = distrust_directory(place, about, not any(names))
        if wrong:
            return wrong
        directory = place
    return None


def main(arguments):
    if arguments in (["--help"], ["-h"]):
        print(__doc__.strip())
        return 0
    if len(arguments) != 1:
        print("place.py: see --help", file=sys.stderr)
        return 2
    wrong = distrust(arguments[0])
    if wrong:
        print(wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
