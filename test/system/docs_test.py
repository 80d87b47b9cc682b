#!/usr/bin/python3
"""The commands of README.md, docs/getting-started.md and docs/everyday.md do what stands there:
each `sh` block is run, in order, on one system (everyday.md: on one of its own), and the `text`
block behind it is compared with what was printed. One shell runs all blocks of a document, as that
of a reader who types it does: what a block exports, or where it goes, stands for those behind it.
Blocks that are not run are `console`, each with its reason here. In the documents' place for ports
and program stand this system's own.

Compared are the lines that are shown, in their order, numbers and ids taken as equal to any other;
a shown line may be a part of what was printed."""

import os
import re
import select
import signal
import subprocess
import unittest
import urllib.request
from pathlib import Path

from by_hand import must
from system import BINARY, PROJECT, SystemTest, eventually

FIRST = ("README.md", "docs/getting-started.md")
EVERYDAY = "docs/everyday.md"
RUN = (*FIRST, EVERYDAY)
SHOWN_ONLY = sorted({"README.zh-CN.md"} | {
    path.relative_to(PROJECT).as_posix() for path in (PROJECT / "docs").rglob("*.md")} - set(RUN))
# (file, how the block begins; empty: each one of the file): why it is not run here.
NOT_RUN = {
    ("README.md", "$ scripts/test.sh"): "runs all tests, this one too",
    ("README.zh-CN.md", "$ scripts/test.sh"): "the same",
    ("docs/getting-started.md", "$ scripts/demo.sh"): "half a minute; system_scripts runs it",
    ("docs/getting-started.md", "$ scripts/torture.sh --only F5"):
        "minutes each; the matrix' rows and system tests of their own run them",
    ("docs/deployment.md", "# apt install"): "changes the machine; test/package runs it in a root "
                                             "directory of its own",
    ("docs/deployment.md", "# mariadb"): "needs a database server of the machine",
    ("docs/deployment.md", "# systemctl"): "needs a running systemd",
    ("docs/deployment.md", "# runuser"): "needs the system's user stampede",
    ("docs/deployment.md", "$ stampede bench"): "a measurement, for a quiet machine",
}
# Blocks in other words than a shell's.
OTHERS = {"text", "python", "toml", "json", "yaml", "sql"}


def blocks_of(name):
    """(language, text, line number) of each fenced block."""
    text = (PROJECT / name).read_text(encoding="utf-8")
    for hit in re.finditer(r"^```(\S*)\n(.*?)^```$", text, re.M | re.S):
        yield hit[1], hit[2], text[:hit.start()].count("\n") + 1


def as_pattern(line):
    """A regular expression for a shown line: numbers, ids and gaps may be others."""
    parts = []
    for part in re.split(r"([0-9a-f]{32}|\d[\d,.]*|\s+)", line.strip()):
        if re.fullmatch(r"[0-9a-f]{32}", part):
            parts.append("[0-9a-f]{32}")
        elif re.fullmatch(r"\d[\d,.]*", part):
            parts.append(r"\d[\d,.]*")
        elif part.isspace():
            parts.append(r"\s+")
        else:
            parts.append(re.escape(part))
    return "".join(parts)


def missing_lines(shown, printed):
    """The shown lines that are not in what was printed, behind the one before."""
    at = 0
    for line in filter(str.strip, shown.splitlines()):
        hit = re.compile(as_pattern(line)).search(printed, at)
        if hit:
            at = hit.end()
        else:
            yield line


class Shell:
    """One bash for all blocks of a document; it ends with the first block that fails."""

    def __init__(self, home, environment):
        self.files = [home / f"block.{part}" for part in ("sh", "out", "err")]
        # pylint: disable-next=consider-using-with
        self.bash = subprocess.Popen(
            ["/bin/bash", "-euo", "pipefail"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment, cwd=PROJECT, text=True, start_new_session=True)

    def run(self, script, seconds=120):
        """(exit status, what was printed, what was told on stderr)."""
        block, out, err = self.files
        block.write_text(script, encoding="utf-8")
        self.bash.stdin.write(f"{{ source '{block}'; }} >'{out}' 2>'{err}' </dev/null; echo\n")
        self.bash.stdin.flush()
        if not select.select([self.bash.stdout], [], [], seconds)[0]:
            raise AssertionError(f"after {seconds} s not at its end:\n{script}")
        status = 0 if self.bash.stdout.readline() else self.bash.wait(10)
        return status, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")

    def end(self):
        if self.bash.poll() is None:
            os.killpg(self.bash.pid, signal.SIGKILL)
        self.bash.wait(10)
        self.bash.stdin.close()
        self.bash.stdout.close()


def metrics_of(system):
    with urllib.request.urlopen(system.health + "/metrics", timeout=10) as page:
        return page.read().decode()


class Documents(SystemTest):
    places = {}  # what a document says, in its only place: what gives that of this test

    def test_each_block_says_what_it_is(self):
        not_run = set()
        for name in (*RUN, *SHOWN_ONLY):
            for language, text, line in blocks_of(name):
                where = f"{name}:{line}"
                if language == "console":
                    begun = [key for key in NOT_RUN if key[0] == name and text.startswith(key[1])]
                    self.assertEqual(len(begun), 1, f"{where}: a console block without a reason")
                    not_run.add(begun[0])
                elif language == "sh":
                    run = name in RUN or name == "README.zh-CN.md"
                    self.assertTrue(run, f"{where}: nobody runs this block")
                else:
                    self.assertIn(language, OTHERS, where)
        there = {key for key in NOT_RUN if key[0] in SHOWN_ONLY or key[0] in RUN}
        self.assertEqual(there, not_run, "reasons for blocks that are not there")

    def test_the_judge_sees_what_differs(self):
        self.assertEqual(list(missing_lines("left 3\nOK", "a\nleft 1,299\nOK at 7")), [])
        self.assertEqual(list(missing_lines("OK\nleft 3", "left 3\nOK")), ["left 3"])
        self.assertEqual(list(missing_lines("lost 0 ok", "lost 0 BAD")), ["lost 0 ok"])

    def run_block(self, shell, system, text, where):
        base = system.base
        ports = {"8080": system.http_port, "7100": base, "7101": base + 1, "7102": base + 2}
        script = re.sub(r"(localhost|127\.0\.0\.1):(8080|710[012])\b",
                        lambda hit: f"{hit[1]}:{ports[hit[2]]}", text)
        script = script.replace("build/bin/stampede", BINARY)
        if "/metrics" in text:  # nodes tell them once a second; readers are slower than this
            self.assertTrue(eventually(lambda: "stampede_answers" in metrics_of(system)))
        for shown in [shown for shown in self.places if shown in script]:
            script = script.replace(shown, self.places.pop(shown)())
        status, printed, told = shell.run(script)
        self.assertEqual(status, 0, f"{where}\n{printed}{told}")
        return printed

    def test_the_commands_print_what_is_shown(self):
        system = self.new_system()
        self.assertGreater(sum(self.run_document(system, name) for name in FIRST), 12)

    def run_document(self, system, name):
        """How many blocks were run."""
        ran, printed = 0, None
        shell = Shell(system.home, system.environment)
        self.addCleanup(shell.end)
        for language, text, line in blocks_of(name):
            where = f"{name}:{line}\n{text}"
            if language == "sh":
                printed = self.run_block(shell, system, text, where)
                ran += 1
            elif language == "text" and printed is not None:
                shown = text.replace("run/db/", f"{system.run}/db/")
                self.assertEqual(list(missing_lines(shown, printed)), [],
                                 f"{where}\nprinted:\n{printed}")
                printed = None
            else:
                printed = None
        shell.end()
        self.assertEqual(self.places, {}, f"not in {name}")
        return ran

    def test_one_shell_runs_all_blocks(self):
        system = self.new_system()
        shell = Shell(system.home, system.environment)
        self.addCleanup(shell.end)
        self.assertEqual(shell.run("export CARRIED=on; PLAIN=too; cd /\necho one; echo two >&2"),
                         (0, "one\n", "two\n"))
        self.assertEqual(shell.run('( export CARRIED=off )\necho "$CARRIED $PLAIN $PWD"'),
                         (0, "on too /\n", ""))
        self.assertEqual(shell.run("echo seen\n( exit 7 )\necho unseen"), (7, "seen\n", ""))

    def test_everyday_tasks(self):
        """The second system of the page has ports of its own here; when it has ended, its database
        is the page's other server."""
        system, second = self.new_system(), self.new_system()
        second.run = Path(f"{system.run}-2")
        second.environment["STAMPEDE_RUN_DIR"] = str(second.run)
        tools = system.home / "bin"
        tools.mkdir()
        (tools / "stampede").symlink_to(BINARY)
        system.environment |= {"PATH": f"{tools}:{os.environ['PATH']}"}
        self.places = {
            "PORT_BASE=7300": lambda: f"PORT_BASE={second.free_ports()}",
            "127.0.0.1:8090": lambda: f"127.0.0.1:{second.http_port}",
            "/run/mysqld/mysqld.sock":
                lambda: self.other_database(second, Path(f"{system.run}.password"))}
        self.assertGreater(self.run_document(system, EVERYDAY), 18)
        self.assertEqual(system.processes(), second.processes(), "of the first one")

    def other_database(self, other, password_file):
        """Started, with an empty database and a user; its socket."""
        self.assertEqual(other.processes(), {})
        must(other.script("start_all.sh", "--db-only"), "start_all.sh --db-only")
        other.sql("CREATE DATABASE shop CHARACTER SET utf8mb4; CREATE USER shop@localhost "
                  "IDENTIFIED BY 'secret'; GRANT ALL ON shop.* TO shop@localhost")
        password_file.write_text("secret\n", encoding="ascii")
        password_file.chmod(0o600)
        return f"{other.run}/db/mysql.sock"


if __name__ == "__main__":
    unittest.main()
