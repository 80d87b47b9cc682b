#!/usr/bin/python3 -Es
"""Docs that are true, as far as a script can see it.

Usage: scripts/checks/check_docs.py [--self-test]
Links, their #anchors and paths of Markdown files lead somewhere; types and functions that docs/
names are there.
Files, folders and constants that a comment names are there, and no formatter has broken a ruler.
docs/architecture.md has one row for each room of cmake/rooms.txt, and its kind.
Exit: 0 true, 1 findings (each printed as file:line: what).
"""

import re
import subprocess
import sys
from pathlib import Path

import rooms

PROJECT = Path(__file__).resolve().parent.parent.parent
CODE = (".h", ".cpp")
SCRIPTS = (".py", ".sh")
NAMES = r"h|cpp|py|sh|md|toml|json|txt|sql|lua"

# Of other projects.
FOREIGN = {"stream_engine_base.cpp", "caf", "msgpack", "std", "rand"}
ARCHITECTURE = "docs/architecture.md"
# Made by a build or a run.
MADE = re.compile(r"^(build|run)/")

LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
CODE_SPAN = re.compile(r"`([^`]+)`")
PATH = re.compile(r"(?<![\w./<…:-])((?:\w[\w.-]*/)+[\w.*{},-]*)")
FILE_NAME = re.compile(rf"(?<![\w./*…<-])(\w[\w-]*\.(?:{NAMES}))\b(?!\w)")
CONSTANT = re.compile(r"\b(k[A-Z]\w+)\b")
# A type, a member of one, a call.
CODE_WORD = re.compile(r"^([A-Z][a-z]\w*|\w+(::\w+)+|\w+(?=\(\)))(\(\))?$")
SCOPE = re.compile(r"\b(?:class|struct|namespace) (?:\w+::)*(\w+)")
BROKEN_RULER = re.compile(r"^\s*// ?-+\s*$")


class Tree:
    """What there is to be named: files, folders, and words of the code."""

    def __init__(self, texts):
        self.texts = texts
        self.files = set(texts)
        self.folders = {parent.as_posix() for name in texts for parent in Path(name).parents}
        self.tops = {folder for folder in self.folders if "/" not in folder and folder != "."}
        self.bare = {name.rsplit(".", 1)[0] for name in texts}
        self.basenames = {Path(name).name for name in texts}
        self.words = set()
        self.members = {}  # words of the files that define a class or namespace, by its name
        for name, text in texts.items():
            if name.endswith(CODE):
                text = "\n".join(line.split("//")[0] for line in text.splitlines())
                words = set(re.findall(r"[A-Za-z_]\w*", text))
                self.words.update(words)
                for scope in SCOPE.findall(text):
                    self.members.setdefault(scope, set()).update(words)

    def has_word(self, span):
        """A name, or one with the class or namespace that is declared in the same file."""
        names = re.findall(r"\w+", span)
        known = self.members.get(names[-2], ()) if len(names) > 1 else self.words
        return names[-1] in known or names[0] in FOREIGN

    def has_path(self, path, folder="."):
        """Whether a path, seen from the project or from the folder, leads to something. A suffix
        may be missing, and {a,b} and * stand for what they do in a shell."""
        path = path.rstrip("/.,")
        braces = re.match(r"(.*)\{([^}]*)\}(.*)", path)
        if braces:
            return all(self.has_path(braces[1] + part + braces[3], folder)
                       for part in braces[2].split(","))
        for start in ("", folder + "/"):
            name = Path(start + path).as_posix()
            if name in self.files or name in self.folders or name in self.bare:
                return True
            if "*" in name:
                pattern = re.compile(re.escape(name).replace(r"\*", "[^/]*"))
                if any(pattern.match(one) for one in self.files):
                    return True
        return False


def missing_names(tree, text, folder="."):
    """Yields what a comment or a code span names that is not there."""
    for path in PATH.findall(text):
        top = path.split("/")[0]
        if top in tree.tops and not MADE.match(path) and not tree.has_path(path, folder):
            yield f"no file or folder {path}"
    for name in FILE_NAME.findall(text):
        if name not in tree.basenames and name not in FOREIGN:
            yield f"no file {name}"
    for word in CONSTANT.findall(text):
        if word not in tree.words:
            yield f"no constant {word}"


def comments(name, text):
    """Yields (line number, text) of what is said, not done."""
    for number, line in enumerate(text.splitlines(), 1):
        if name.endswith(CODE) and "//" in line:
            yield number, line.split("//", 1)[1]
        elif name.endswith(SCRIPTS) and re.match(r"\s*#(?!!)", line):
            yield number, line


def without_fences(text):
    """Yields (line number, line) outside of fenced blocks."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(text):
    """What a link may have behind its #: headings in small letters, gaps as hyphens."""
    for _, line in without_fences(text):
        heading = re.match(r"#+ (.*)", line)
        if heading:
            words = LINK.sub(lambda link: link[0][1:].split("]")[0], heading[1])
            yield re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")


def link_finding(tree, name, target):
    """What is wrong with a link of the file, or None."""
    target, _, anchor = target.partition("#")
    folder = Path(name).parent.as_posix()
    path = (PROJECT / folder / target).resolve() if target else PROJECT / name
    if target and (not path.is_relative_to(PROJECT) or not path.exists()):
        return f"a link to {target}, which is not there"
    text = tree.texts.get(path.relative_to(PROJECT).as_posix(), "")
    if anchor and path.suffix == ".md" and anchor not in set(anchors(text)):
        return f"a link to #{anchor}, which is no heading of {path.name}"
    return None


def markdown_findings(tree, name, text):
    folder = Path(name).parent.as_posix()
    for number, line in without_fences(text):
        for target in LINK.findall(line):
            wrong = None if "://" in target else link_finding(tree, name, target)
            if wrong:
                yield number, wrong
        for span in CODE_SPAN.findall(line):
            for message in missing_names(tree, span, folder):
                yield number, message
            if folder.startswith("docs") and CODE_WORD.match(span) and not tree.has_word(span):
                yield number, f"no {span} in the code"


def room_findings(table, text):
    """Yields (line number, message) for the table of rooms in docs/architecture.md."""
    missing = dict(table)
    for number, line in enumerate(text.splitlines(), 1):
        row = re.match(r"\| `([\w/]+)` \|[^|]*\|([^|]*)\|([^|]*)\|$", line)
        if not row:
            continue
        room = missing.pop(row[1], None)
        if room is None:
            yield number, f"no room {row[1]} in cmake/rooms.txt, or for the second time"
            continue
        said = row[3].split(":")[0].strip() if ":" in row[3] else ""
        if said != room.kind:
            yield number, f"{row[1]} is {room.kind or 'not pure'}, not {said or 'any'}"
        for file in re.findall(r"`([\w.]+)`", row[2]):
            if not (PROJECT / room.path / file).is_file():
                yield number, f"no {file} in {room.path}"
    for path in missing:
        yield 1, f"no row for the room {path}"


def findings(tree):
    for name, text in sorted(tree.texts.items()):
        if name.endswith(".md"):
            for number, message in markdown_findings(tree, name, text):
                yield name, number, message
            continue
        for number, comment in comments(name, text):
            for message in missing_names(tree, comment, Path(name).parent.as_posix()):
                yield name, number, message
        if name.endswith(CODE):
            for number, line in enumerate(text.splitlines(), 1):
                if BROKEN_RULER.match(line):
                    yield name, number, "the rest of a ruler: shorten its text"


def read_tree():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, check=False)
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
    else:
        names = [path.relative_to(PROJECT).as_posix() for path in PROJECT.rglob("*")
                 if not re.match(r"(build|run|\.git)", path.relative_to(PROJECT).as_posix())]
    names = [name for name in names if (PROJECT / name).is_file()]
    read = (*CODE, *SCRIPTS, ".md")
    return Tree({name: (PROJECT / name).read_text(encoding="utf-8") if name.endswith(read) else ""
                 for name in names})


def self_test():
    ruler = "// " + "-" * 20
    tree = Tree({"a/b.h": "constexpr int kMax = 1; struct Known { int part(); };  // kMin is not\n",
                 "a/c/d.cpp": "", "docs/x.md": ""})
    cases = [
        ("a/b.h", "int a;  // see a/b.h and a/c/d, or d.cpp; at most kMax\n", 0),
        ("a/b.h", "// a/c/ and a/c/*.cpp and a/{b,c}\n", 0),
        ("a/b.h", "// see a/e.h\n", 1),
        ("a/b.h", "// a/c/*.py and a/{b,e}\n", 2),
        ("a/b.h", "// at most kMin, as e.h says\n", 2),
        ("a/b.h", 'load("a/e.h");\n', 0),
        ("a/b.h", ruler + "\n", 1),
        ("a/b.h", "// --- sockets " + "-" * 20 + "\n", 0),
        ("a/f.py", "# see a/e.h\nopen('a/e.h')\n", 1),
        ("docs/x.md", "`a/b.h` [x](x.md) `x.md` <https://a/e.h> `a/<k>`\n", 0),
        ("docs/x.md", "`a/e.h` [y](y.md)\n", 2),
        ("docs/x.md", "```\na/e.h\n```\n", 0),
        ("docs/x.md", "# A word, `so`\n[x](#a-word-so)\n", 0),
        ("docs/x.md", "# A word\n```\n# other\n```\n[x](#other) [y](#a-words)\n", 2),
        ("docs/x.md", "`Known::part` `Known` `Idempotency-Key` `part()` `a word`\n", 0),
        ("docs/x.md", "`Known::gone` `Gone` `gone()` `Gone::part`\n", 4),
    ]
    table = rooms.parse("room scripts/checks pure\nroom scripts/bench\nroom scripts")
    row = "| `scripts/checks` | looks | `rooms.py` | pure: std |\n"
    room_cases = [
        (row + "| `scripts/bench` | x | `goals.py` | a, b |\n| `scripts` | x | | any |\n", 0),
        (row + row + "| `scripts/bench` | x | `gone.py` | pure: std |\n", 4),
    ]
    wrong = 0
    for name, text, expected in cases:
        one = Tree({**tree.texts, name: text} if name not in tree.texts else tree.texts)
        one.texts = {name: text}
        found = [f for f in findings(one) if not f[2].startswith("a link to x.md")]
        if len(found) != expected:
            wrong += 1
            print(f"judged wrongly: {name}: {text[:60]!r}: {found}")
    for text, expected in room_cases:
        found = list(room_findings(table, text))
        if len(found) != expected:
            wrong += 1
            print(f"judged wrongly: {text!r}: {found}")
    print(f"{len(cases) + len(room_cases)} cases, {wrong} judged wrongly")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] in (["--help"], ["-h"]):
        print(__doc__.strip())
        return 0
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    tree = read_tree()
    found = list(findings(tree))
    table = rooms.parse((PROJECT / "cmake/rooms.txt").read_text(encoding="utf-8"))
    found += [(ARCHITECTURE, number, message)
              for number, message in room_findings(table, tree.texts[ARCHITECTURE])]
    for name, number, message in found:
        print(f"{name}:{number}: {message}")
    print(f"{len(tree.texts)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
