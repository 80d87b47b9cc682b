#!/usr/bin/python3 -Es
"""Proves that the tests would find faults: plants each and looks whether a test fails.

Usage: scripts/checks/mutation_gate.py [--only NAME]... [--share N] [--list | --check]
           [--build-dir DIR]
The faults are the patches in test/mutations/ (its README tells their form). All go together into a
copy of the sources (build-mutations/), each behind a switch that exists only there; the copy is
built once: the simulator and the unit tests that the patches name. Then, fault by fault, its switch
is turned on and its seeds or its test case run until something fails. Without a switch nothing may.
  --only NAME      this fault; may be given again
  --share N        one part of N, of the faults by the program that catches them: another one with
                   each commit, all within N of them
  --list           the faults and what catches them, and nothing else
  --check          that all patches apply and have a switch and a catcher, and nothing else
  --build-dir DIR  where to copy to and to build
  --project DIR    whose sources and faults (default: those around this script)
Prints a line for each fault and `caught N/N`.
Exit: 0 all caught, 1 a patch is wrong (each named), 2 wrong use, 3 the build failed, 4 a fault
survived, or something fails without one.
"""

import argparse
import collections
import concurrent.futures
import os
import re
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("actors/", "config/", "storage/", "tools/", "transport/")
FAULTS = "test/mutations"
SIMULATOR = "stampede_sim"
HEAD = re.compile(r"Fault: (?P<fault>.+)\nCaught by: (?P<catcher>.+)\n")
SEEDS = re.compile(r"the simulator, (?P<seeds>\d+) seeds")
CASE = re.compile(r'(?P<program>\w+), "(?P<case>.+)"')
HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
SECONDS_MAX = 120  # of one run; what does not end in time is caught


class Unfit(Exception):
    """A patch that cannot be used, or that cannot be used together with another one."""


class Block:
    """Lines that a patch takes away, and those that it puts there, at one place of one file."""

    def __init__(self, at):
        self.at = at  # counted from 0
        self.taken = 0
        self.put = []


class Patch:
    """One planted fault: what it is, what must catch it, and its blocks by file."""

    def __init__(self, path, project):
        self.name = path.stem
        head, *parts = re.split(r"^--- ", path.read_text("utf-8"), flags=re.MULTILINE)
        found = HEAD.match(head)
        if not found:
            raise Unfit("it does not begin with `Fault: …` and `Caught by: …`, a line each")
        self.fault = found["fault"]
        self.read_catcher(found["catcher"])
        self.blocks = collections.defaultdict(list)
        for part in parts:
            name, blocks = read_file(part, project)
            self.blocks[name] += blocks
        self.check_switch()

    def read_catcher(self, text):
        seeds, case = SEEDS.fullmatch(text), CASE.fullmatch(text)
        if not seeds and not case:
            raise Unfit(f"`Caught by: {text}` is neither `the simulator, N seeds` nor"
                        ' `PROGRAM, "TEST CASE"`')
        self.seeds = int(seeds["seeds"]) if seeds else 0
        self.program = case["program"] if case else SIMULATOR
        self.case = case["case"] if case else ""

    def check_switch(self):
        put = [line for found in self.blocks.values() for block in found for line in block.put]
        switches = set(re.findall(r'\bplanted\("(\w*)"\)', "\n".join(put)))
        if switches != {self.name}:
            raise Unfit(f'its switch is not planted("{self.name}") but '
                        + (", ".join(sorted(switches)) or "missing"))


def read_file(part, project):
    """(file, blocks) of what follows one `--- ` of a patch."""
    names = re.match(r"a/(\S+).*\n\+\+\+ b/(\S+).*\n", part)
    if not names or names[1] != names[2]:
        raise Unfit("it makes, removes or renames a file")
    name = names[1]
    if not name.startswith(PRODUCT) or not name.endswith((".h", ".cpp")):
        raise Unfit(f"{name} is no source of the product")
    if not (project / name).is_file():
        raise Unfit(f"it does not apply: there is no {name}")
    lines = (project / name).read_text("utf-8").splitlines()
    return name, [block for hunk in hunks(part[names.end():])
                  for block in placed(hunk, lines, name)]


def hunks(text):
    """Yields the hunks of one file: lists of lines that begin with ' ', '-' or '+'."""
    lines = iter(text.splitlines())
    for line in lines:
        head = HUNK.match(line)
        if not head:
            continue  # what stands between the files of a patch
        old, new = (int(count or 1) for count in head.groups())
        hunk = []
        while old > 0 or new > 0:
            hunk.append(next(lines, "") or " ")
            old -= hunk[-1][0] != "+"
            new -= hunk[-1][0] != "-"
        yield hunk


def placed(hunk, lines, name):
    """The blocks of a hunk, whose lines must stand in the file exactly so, and only once."""
    old = [line[1:] for line in hunk if line[0] != "+"]
    places = [at for at in range(len(lines) - len(old) + 1) if lines[at:at + len(old)] == old]
    if len(places) != 1:
        raise Unfit(f"it does not apply: `{'; '.join(line.strip() for line in old)[:80]}` stands in"
                    f" {len(places)} places of {name}")
    blocks = []
    at, before = places[0], " "
    for line in hunk:
        if line[0] != " " and (before == " " or (before == "+" and line[0] == "-")):
            blocks.append(Block(at))
        if line[0] == "+":
            blocks[-1].put.append(line[1:])
        elif line[0] == "-":
            blocks[-1].taken += 1
        at += line[0] != "+"
        before = line[0]
    return blocks


def composed(name, lines, patches):
    """The file's text with all patches in it; what two patches put at one place goes by name."""
    owners = {}  # line: (patch, whether it goes on changing what it changed above)
    before, instead = collections.defaultdict(list), {}
    for patch in patches:
        for block in patch.blocks.get(name, []):
            for at in range(block.at, block.at + block.taken):
                if at in owners:
                    raise Unfit(f"{patch.name} and {owners[at][0]} change the same line of {name}")
                owners[at] = patch.name, at > block.at
            if block.taken:
                instead[block.at] = block.put
            else:
                before[block.at].append((patch.name, block.put))
    text = [f'#include "{FAULTS}/planted.h"']
    for at in range(len(lines) + 1):
        owner, inside = owners.get(at, ("", False))
        if inside and before[at]:
            raise Unfit(f"{before[at][0][0]} puts lines among those that {owner} changes in {name}")
        text += [line for _, put in before[at] for line in put] + instead.get(at, [])
        text += lines[at:at + 1] if not owner else []
    return "\n".join(text) + "\n"


def read_all(project):
    """(patches, {file: its text with all of them}); prints what is wrong, then both are None."""
    patches, sources, wrong = [], {}, 0
    for path in sorted((project / FAULTS).glob("*.patch")):
        try:
            patches.append(Patch(path, project))
        except Unfit as why:
            wrong += 1
            print(f"{path.relative_to(project)}: {why}")
    for name in sorted({name for patch in patches for name in patch.blocks}):
        try:
            lines = (project / name).read_text("utf-8").splitlines()
            sources[name] = composed(name, lines, patches)
        except Unfit as why:
            wrong += 1
            print(f"{FAULTS}: {why}")
    if not patches and not wrong:
        wrong += 1
        print(f"{FAULTS}: there is no patch")
    return (None, None) if wrong else (patches, sources)


def copy(project, sources, to):
    """Makes `to` a copy of the project's files, those in `sources` as they stand there. Writes only
    what differs, so that a second build is short."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=project, stdout=subprocess.PIPE, check=True).stdout.decode("utf-8").split("\0")
    names = {name for name in listed if name and (project / name).is_file()}
    for name in sorted(names):
        target = to / name
        text = sources[name].encode("utf-8") if name in sources else (project / name).read_bytes()
        if not target.is_file() or target.read_bytes() != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text)
    for path in to.rglob("*"):
        if path.is_file() and path.relative_to(to).as_posix() not in names:
            path.unlink()


def build(sources, directory, programs):
    # A room at once: half the time of a build from nothing.
    for command in (["cmake", "-S", str(sources), "-B", str(directory), "-G", "Ninja",
                     "-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_UNITY_BUILD_BATCH_SIZE=0"],
                    ["ninja", "-C", str(directory), *programs]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)
        if done.returncode != 0:
            sys.stdout.write(done.stdout.decode("utf-8", "replace")[-4000:])
            return False
    return True


def run(command, switch):
    """(exit code, output); what does not end is killed."""
    try:
        done = subprocess.run(command, env=dict(os.environ, STAMPEDE_PLANTED=switch),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        return 1, f"it does not end within {SECONDS_MAX} s"
    return done.returncode, done.stdout.decode("utf-8", "replace")


def try_out(programs, patch, switch=""):
    """(failed, how): the catcher of a patch, with this switch on."""
    binary = str(programs / patch.program)
    if patch.program == SIMULATOR:
        command = [binary, "--seeds", str(patch.seeds), "--stop-at-first", "--no-shrink"]
        telling = r"violation: (seed=\d+ step=\d+ invariant=\w+: .*)"
    else:
        # A comma would part two names.
        command = [binary, "--no-colors", "--test-case=" + patch.case.replace(",", r"\,")]
        telling = r"TEST CASE:\s*(.*)"
    code, out = run(command, switch)
    if code == 0 and re.search(r"test cases: +0 ", out):
        return not switch, f"no test case is called so: {patch.case}"
    found = re.search(telling, out)
    how = found[1] if found else (out.strip().splitlines() or ["it ended"])[-1]
    return code != 0, f"{patch.program}: {how}"[:110]


def sound(programs, patches, pool):
    """Without a planted fault nothing fails: else "caught" would mean nothing."""
    catchers = {(patch.program, patch.case): patch
                for patch in sorted(patches, key=lambda patch: patch.seeds)}
    tries = pool.map(lambda patch: try_out(programs, patch), catchers.values())
    failures = [how for failed, how in tries if failed]
    for how in failures:
        print(f"fails without any fault: {how}")
    return not failures


def judge(programs, patches):
    """Runs all catchers, several at a time; prints a line each. The exit code."""
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        if not sound(programs, patches, pool):
            return 4
        tries = pool.map(lambda patch: try_out(programs, patch, patch.name), patches)
        caught = 0
        for patch, (failed, how) in zip(patches, tries):
            caught += failed
            print(f"{'caught  ' if failed else 'SURVIVED'} {patch.name:28} {how}", flush=True)
    print(f"caught {caught}/{len(patches)} in {time.monotonic() - began:.0f} s")
    return 0 if caught == len(patches) else 4


def arguments():
    if sys.argv[1:] in (["--help"], ["-h"]):
        print(__doc__.strip())
        sys.exit(0)
    parser = argparse.ArgumentParser(usage=re.search("Usage: (.*)", __doc__)[1], add_help=False)
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--share", type=int, default=1, metavar="N")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--build-dir", type=Path)
    parser.add_argument("--project", type=Path, default=PROJECT)
    options = parser.parse_args()
    options.build_dir = options.build_dir or options.project / "build-mutations"
    return options


def commits(project):
    """How many led here; 0 outside of a repository."""
    counted = subprocess.run(["git", "-C", project, "rev-list", "--count", "HEAD"],
                             capture_output=True, text=True, check=False)
    return int(counted.stdout) if counted.returncode == 0 else 0


def shared(patches, parts, turn):
    """Those of the turn's part: programs in turns, for what one takes to build is what it costs."""
    programs = sorted({patch.program for patch in patches})[turn % parts::parts]
    return [patch for patch in patches if patch.program in programs]


def main():
    options = arguments()
    patches, sources = read_all(options.project)
    if patches is None:
        return 1
    if options.share < 1:
        print("--share: 1 or more")
        return 2
    if options.list or options.check:
        for patch in patches if options.list else []:
            print(f"{patch.name:28} {patch.program:20} {patch.fault}")
        print(f"{len(patches)} faults")
        return 0
    unknown = set(options.only or []) - {patch.name for patch in patches}
    if unknown:
        print("no such fault:", ", ".join(sorted(unknown)))
        return 2
    chosen = [patch for patch in patches if not options.only or patch.name in options.only]
    if options.share > 1:
        turn = commits(options.project)
        chosen = shared(chosen, options.share, turn)
        print(f"part {turn % options.share + 1} of {options.share}: "
              f"{len(chosen)} of {len(patches)} faults", flush=True)
    scratch, directory = options.build_dir / "sources", options.build_dir / "build"
    copy(options.project, sources, scratch)
    if not build(scratch, directory, sorted({patch.program for patch in chosen})):
        return 3
    return judge(directory / "bin", chosen)


if __name__ == "__main__":
    sys.exit(main())
