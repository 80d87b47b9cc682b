#!/usr/bin/python3 -Es
"""House style as a test: what a formatter and a compiler do not see.

Usage: scripts/checks/tidy.py [--self-test]
Looks for long lines, long functions, leftovers, banned calls, refused file names, sources that no
CMakeLists.txt builds and tests that none registers.
Exit: 0 tidy, 1 findings (each printed as file:line: what).
"""

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
CODE = (".h", ".cpp", ".py", ".sh")
LINE_MAX = 100
FUNCTION_MAX = 70
# Spelled in halves, so that this file does not find itself.
LEFTOVERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
REFUSED_NAMES = re.compile(r"(^|_)(util|utils|common|helper|helpers|manager|base)(_|$)")

# (pattern, files it applies to, files it does not apply to, what instead)
BANNED = [
    (r"\.detach\(\)", r"\.(h|cpp)$", r"^$", "join the thread; its end must be seen"),
    (r"\bsleep_for\b|\bsleep_until\b|\busleep\(|\btime\.sleep\(", r"^test/.*\.(h|cpp|py)$",
     r"^test/(support|system|bench|torture|faults)/", "wait for the event itself, with a deadline"),
    (r"\bstd::system\(|(?<!\w)::system\(|(?<![\w.>:])system\((\"|\w+\.c_str)", r"\.(h|cpp)$",
     r"^$", "posix_spawn with an argument list"),
    (r"\bzmq_[a-z_]+\(|#include\s*<zmq\.(h|hpp)>", r"\.(h|cpp)$",
     r"^(transport|test/(transport|bench))/", "transport/zmq/sockets.h"),
    (r"\bspawn(_functor|_class|_impl|_in_groups?)?\s*[<(]|\bmake_actor\b"
     r"|\bstd::(jthread|async)\b|\bstd::thread\b(?!::id)|\bpthread_create\b",
     r"^(actors|transport/port)/.*\.(h|cpp)$", r"^actors/node/",
     "NodeRuntime::spawn_actor, _loop, _task or _work: its end must be seen"),
    (r"\b(strcpy|strcat|sprintf|gets)\(", r"\.(h|cpp)$", r"^$", "std::string or snprintf"),
    (r"#\s*if\s+0\b", r"\.(h|cpp)$", r"^$", "delete the code; git keeps it"),
    (r"\busing namespace std\b", r"\.(h|cpp)$", r"^$", "write std::"),
    (r"\bmsgpack::unpack\((?!.*unpack_limit)[^;]*\);", r"\.(h|cpp)$", r"^test/",
     "pass an unpack_limit: foreign data must not choose the depth"),
    (r"\b(mutation|planted)\(", r"^(actors|config|storage|tools|transport)/.*\.(h|cpp)$", r"^$",
     "a patch in test/mutations"),
]

SCOPE = re.compile(r"^(template\s*<.*>\s*)?(inline\s+)?"
                   r"(namespace|class|struct|enum|union|extern)\b", re.S)
FUNCTION_END = re.compile(r"(\)|\}|\b(const|noexcept|override|final|mutable|try)|"
                          r"->\s*[\w:<>*&, ]+)$")
NOT_CODE = re.compile(r"//[^\n]*|/\*.*?\*/|R\"(\w*)\(.*?\)\1\"|\"(?:\\.|[^\"\\\n])*\"|"
                      r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S)


def files():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, check=False)
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
    else:
        names = [path.relative_to(PROJECT).as_posix() for path in PROJECT.rglob("*")
                 if not re.match(r"(build|run|\.git)", path.relative_to(PROJECT).as_posix())]
    return sorted({name for name in names if (PROJECT / name).is_file()})


def blank(hit):
    """Keeps the line breaks and a trace of a literal, so that lines stay where they are."""
    return ("\"\"" if hit[0][0] in "\"R'" else "") + "\n" * hit[0].count("\n")


def opens_function(header):
    header = header.strip()
    return "(" in header and not SCOPE.match(header) and bool(FUNCTION_END.search(header))


def long_functions(text):
    """Yields (line number, length) of C++ functions that are too long.

    Relies on clang-format: what opens a body ends its line with a brace.
    """
    depth = 0
    function = None  # (depth outside, first line) of the function that is being read
    scopes = []      # depths outside of the namespaces and classes around
    header, first = "", None
    for number, line in enumerate(NOT_CODE.sub(blank, text).splitlines(), 1):
        line = "" if line.lstrip().startswith("#") else line.rstrip()
        for at, char in enumerate(line):
            if function is None and not header.strip():
                first = number
            if char == "{":
                if at == len(line) - 1 and function is None:
                    if opens_function(header):
                        function = (depth, first)
                    elif SCOPE.match(header.strip()):
                        scopes.append(depth)
                        header = ""
                        depth += 1
                        continue
                depth += 1
            elif char == "}":
                depth -= 1
                if function and function[0] == depth:
                    if number - function[1] + 1 > FUNCTION_MAX:
                        yield function[1], number - function[1] + 1
                    function, header = None, ""
                    continue
                if scopes and scopes[-1] == depth:
                    scopes.pop()
                    header = ""
                    continue
            if function is None:
                outside = scopes[-1] + 1 if scopes else 0
                ends = char == ";" or (char == "}" and at == len(line) - 1)
                header = "" if ends and depth == outside else header + char
        if function is None:
            header = re.sub(r"\b(public|protected|private):$", "", header.strip()) + " "


def text_findings(name, text):
    """Yields (line number, message) for what one file shows by itself."""
    stem = Path(name).stem
    if Path(name).suffix in CODE and REFUSED_NAMES.search(stem):
        yield 1, f"refused file name '{stem}': name the role or the thing"
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if Path(name).suffix in CODE and len(line) > LINE_MAX:
            yield number, f"{len(line)} columns; at most {LINE_MAX}"
        if LEFTOVERS.search(line):
            yield number, "leftover: do it, or say it in an issue"
        if line != line.rstrip() and Path(name).suffix in CODE:
            yield number, "trailing space"
        code = line if name.endswith((".py", ".sh")) else line.split("//")[0]
        for pattern, where, but, instead in BANNED:
            if re.search(where, name) and not re.search(but, name) and re.search(pattern, code):
                yield number, f"banned: {code.strip()[:60]}; instead: {instead}"
    if name.endswith((".h", ".cpp")):
        for number, length in long_functions(text):
            yield number, f"function of {length} lines; at most {FUNCTION_MAX}"
    if name.endswith(".h") and "#pragma once" not in text:
        yield 1, "no #pragma once"


def unbuilt(names, cmake):
    """Yields (name, message) for sources and tests that nothing would build or run."""
    for name in names:
        path = Path(name)
        if path.suffix == ".cpp" and not mentioned(path, cmake):
            yield name, "in no CMakeLists.txt"
        is_test = re.search(r"^test/(.*/)?(test_\w+|\w+_test)\.(py|sh)$", name)
        if is_test and not mentioned(path, cmake):
            yield name, "a test that no CMakeLists.txt registers"


def mentioned(path, cmake):
    """True when the CMakeLists.txt of the file's folder, or one above it, names the file, or when
    another one names it with its folder."""
    with_folder = re.compile(r"/" + re.escape(f"{path.parent.name}/{path.name}") + r"($|[\s\")])")
    if any(with_folder.search(text) for text in cmake.values()):
        return True
    folder = path.parent
    while True:
        text = cmake.get(folder.as_posix(), "")
        relative = path.relative_to(folder).as_posix()
        if re.search(r"(^|[\s/\"(])" + re.escape(relative) + r"($|[\s\")])", text):
            return True
        if folder == folder.parent:
            return False
        folder = folder.parent


def self_test():
    long_one = "void f() {\n" + "  g();\n" * 70 + "}\n"
    cases = [
        ("a/b.cpp", "int f() { return 1; }\n", 0),
        ("a/b.cpp", "x" * 101 + "\n", 1),
        ("a/b.cpp", "x" * 100 + "\n", 0),
        ("a/b.cpp", long_one, 1),
        ("a/b.cpp", "void f() {\n" + "  g();\n" * 68 + "}\n", 0),
        ("a/b.cpp", "class A {\n" + "  int g();\n" * 90 + "};\n", 0),
        ("a/b.cpp", "class A {\n  void f(int a,\n         int b) {\n" + "    g();\n" * 70 +
         "  }\n};\n", 1),
        ("a/b.cpp", "namespace a {\n" + "int g();\n" * 90 + "}\n", 0),
        ("a/b.cpp", "A::A(int a)\n    : a_(a), b_{1} {\n" + "  g();\n" * 20 + "}\n" +
         "int g();\n" * 90, 0),
        ("a/b.cpp", "A::A(int a)\n    : a_(a), b_{1} {\n" + "  g();\n" * 70 + "}\n", 1),
        ("a/b.cpp", "const int a[] = {\n" + "  1,\n" * 90 + "};\n", 0),
        ("a/b.cpp", "TEST_CASE(\"a {\") {\n" + "  g('{');\n" * 60 + "}\n" * 1, 0),
        ("a/b.cpp", "class A {\n public:\n  A() {\n  }\n" + "  int f() { return 1; }\n" * 90 +
         " void g() {\n  }\n private:\n  int a_{1};\n};\n", 0),
        ("a/b.cpp", "// TO" "DO later\n", 1),
        ("a/b.cpp", "worker.detach();\n", 1),
        ("a/b.cpp", "std::system(\"ls\");\n", 1),
        ("a/b.cpp", "actor_system system(config);\n", 0),
        ("storage/b.cpp", "zmq_ctx_new();\n", 1),
        ("transport/b.cpp", "zmq_ctx_new();\n", 0),
        ("actors/b.cpp", "#include <zmq.hpp>\n", 1),
        ("actors/b.cpp", "node.system().spawn<Lane, caf::detached>(a);\n", 1),
        ("actors/b.cpp", "home_system().spawn<caf::detached>([] {});\n", 1),
        ("actors/b.cpp", "self->spawn(lane);\n", 1),
        ("actors/b.cpp", "system.spawn_functor<caf::detached>(a, b, c);\n", 1),
        ("actors/b.cpp", "caf::make_actor<Lane>(1, a, b);\n", 1),
        ("actors/b.h", "#pragma once\nstd::thread thread_;\n", 1),
        ("actors/b.h", "#pragma once\nstd::jthread thread_;\n", 1),
        ("actors/b.cpp", "auto f = std::async(g);\n", 1),
        ("transport/port/b.cpp", "system.spawn<PortActor>(a);\n", 1),
        ("actors/node/b.cpp", "system_.spawn<Lane, caf::detached>(a);\n", 0),
        ("actors/b.cpp", "node.spawn_actor<Lane>({\"lane-1\"}, a);\n", 0),
        ("actors/b.cpp", "node.spawn_task<Claimer>(\"claim\", a);\n", 0),
        ("actors/b.cpp", "node.spawn_work(\"spare\", [] {});\n", 0),
        ("actors/b.cpp", "::posix_spawn(&pid, path, a, b, c, d);\n", 0),
        ("actors/b.h", "#pragma once\nstd::thread::id home_;\n", 0),
        ("test/storage/a_test.cpp", "std::this_thread::sleep_for(1s);\n", 1),
        ("storage/b.cpp", "if (config::mutation(\"no_fence\")) return;\n", 1),
        ("actors/b.h", "#pragma once\nif (planted(\"no_fence\")) return;\n", 1),
        ("test/mutations/planted.h", "#pragma once\ninline bool planted(int);\n", 0),
        ("storage/string_util.h", "#pragma once\n", 1),
        ("storage/mysql/database.h", "#pragma once\n", 0),
        ("storage/a.h", "int a;\n", 1),
    ]
    wrong = 0
    for name, text, expected in cases:
        found = list(text_findings(name, text))
        if len(found) != expected:
            wrong += 1
            print(f"judged wrongly: {name}: {text[:60]!r}: {found}")
    cmake = {"a": "add_library(x b.cpp)", "test": "", ".": ""}
    unbuilt_names = [name for name, _ in unbuilt(["a/b.cpp", "a/c.cpp", "test/x_test.py"], cmake)]
    wrong += unbuilt_names != ["a/c.cpp", "test/x_test.py"]
    print(f"{len(cases) + 1} cases, {wrong} judged wrongly")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] in (["--help"], ["-h"]):
        print(__doc__.strip())
        return 0
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    names = files()
    cmake = {Path(name).parent.as_posix(): (PROJECT / name).read_text(encoding="utf-8")
             for name in names if Path(name).name == "CMakeLists.txt"}
    findings = [(name, 1, message) for name, message in unbuilt(names, cmake)]
    for name in names:
        if Path(name).suffix in (*CODE, ".md", ".txt", ".toml", ".cmake"):
            text = (PROJECT / name).read_text(encoding="utf-8", errors="replace")
            findings += [(name, line, message) for line, message in text_findings(name, text)]
    for name, line, message in findings:
        print(f"{name}:{line}: {message}")
    print(f"{len(names)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
