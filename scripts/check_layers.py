#!/usr/bin/python3
"""Proves who may include whom: the table of the design, read from the #include lines.

Usage: scripts/check_layers.py [--self-test]
Exit: 0 kept, 1 a breach (each printed as file:line: what, and what instead).
"""

import fnmatch
import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
FOLDERS = ("config", "transport", "storage", "actors", "tools")

# Headers of third parties by the name used below. What is in none of them is std or the system.
LIBRARIES = {
    "caf": r"caf/",
    "zmq": r"zmq",
    "msgpack": r"msgpack",
    "mysql": r"(mysql|cppconn/|mariadb)",
    "boost": r"boost/",
    "spdlog": r"(spdlog|fmt)/",
    "cli11": r"CLI/",
    "json": r"nlohmann/",
    "toml": r"toml\+\+/",
    "sodium": r"sodium",
    "isal": r"(isa-l|crc\.h)",
    "doctest": r"doctest/",
}

PURE_ACTORS = ("actors/*_core.*", "actors/order_book*", "actors/messages*", "actors/codes*",
               "actors/restart_policy*", "actors/sf1*")
# What the pure files include: the above, and any actors' header that itself keeps this rule.
PURE_THIRD_PARTIES = {"msgpack", "sodium"}
# Formats count as pure: bytes and numbers, no I/O.
PURE_HEADERS = ("storage/byte_buffer.h", "storage/command.h", "storage/msgpack_tokens.h",
                "storage/msgpack_cursor.h", "storage/msgpack_writer.h", "storage/lsn.h",
                "storage/result.h", "storage/log_format.h",
                "storage/snapshot_format.h", "storage/snapshot_entries.h", "transport/envelope.h",
                "transport/frame.h", "config/invariant.h", "config/mutation.h")
LOG_FILES = ("storage/log_*", "storage/append_file*", "storage/crc32c*")

# (files, third parties they may include, project headers they may include); the first row that
# matches a file counts.
RULES = [
    (("config/config.cpp",), {"toml"}, ("config/*",)),
    (("config/*",), set(), ("config/*",)),
    (("transport/port.*", "transport/port_loop.*"), {"zmq", "caf", "spdlog"},
     ("transport/*", "config/*")),
    (("transport/*",), {"zmq"}, ("transport/*", "config/*")),
    (LOG_FILES, {"isal"}, (*LOG_FILES, "storage/lsn.h", "storage/result.h", "config/*")),
    (("storage/mysql_session.*",), {"mysql", "spdlog"}, ("storage/*", "config/*")),
    (("storage/*",), {"msgpack", "sodium"}, ("storage/*", "config/*")),
    (PURE_ACTORS, PURE_THIRD_PARTIES, (*PURE_ACTORS, *PURE_HEADERS, "pure actors")),
    (("actors/main.cpp",), {"cli11", "spdlog"}, ("actors/*", "tools/*", "storage/*", "config/*")),
    (("actors/*",), {"caf", "boost", "json", "msgpack", "spdlog", "sodium"},
     ("actors/*", "transport/*", "storage/*", "config/*")),
    (("tools/*",), {"msgpack", "json", "spdlog", "sodium", "cli11"},
     ("tools/*", *PURE_ACTORS, "pure actors", "actors/snapshot_builder.h", "transport/*",
      "storage/*", "config/*")),
]

# These bring CAF along, so a folder without CAF must not include them.
BRINGS_CAF = ("transport/port.h", "transport/port_loop.h")

IMPURE = [
    (r"#include\s*<(thread|random|fstream|mutex|unistd\.h|time\.h|ctime)>",
     "the core is handed time, randomness and effects from outside"),
    (r"_clock::now|clock_gettime|gettimeofday|\btime\(\s*(nullptr|NULL|0)", "pass `now` in"),
    (r"\b(getenv|rand|random_device|getrandom)\b", "pass the value in"),
]
SQL = re.compile(r'"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP)\s+[A-Za-z`*(]')
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def library_of(header):
    for library, pattern in LIBRARIES.items():
        if re.match(pattern, header):
            return library
    return None


def is_pure(header):
    """True when an actors' header includes, directly or not, only what a pure core may."""
    path = PROJECT / header
    if not header.startswith("actors/") or not path.is_file():
        return False
    for line in path.read_text(encoding="utf-8").splitlines():
        include = INCLUDE.match(line)
        inner = include.group(2) if include else None
        if inner is None or matches(inner, PURE_HEADERS) or inner == header:
            continue
        if inner.startswith(FOLDERS) and "/" in inner:
            if not is_pure(inner):
                return False
        elif library_of(inner) not in {None, *PURE_THIRD_PARTIES}:
            return False
    return True


def include_breach(name, header, third_parties, own_headers):
    if library_of(header) == "doctest":
        return "doctest belongs to test/"
    if header.startswith(FOLDERS) and "/" in header:
        if header in BRINGS_CAF and "caf" not in third_parties:
            return f"{header} brings CAF along; only actors may"
        if matches(header, own_headers) or ("pure actors" in own_headers and is_pure(header)):
            return None
        return f"{header} is not for this layer"
    if header.startswith("test/"):
        return f"{header}: nothing outside test/ may need it"
    library = library_of(header)
    if library and library not in third_parties:
        allowed = ", ".join(sorted(third_parties)) or "std alone"
        return f"<{header}> ({library}) is not for this layer; it has {allowed}"
    return None


def breaches(name, text):
    """Yields (line number, message) for one file of the project."""
    rule = next((rule for rule in RULES if matches(name, rule[0])), None)
    if rule is None:
        return
    pure = matches(name, ("actors/*_core.*", "actors/order_book*", "actors/restart_policy*"))
    for number, line in enumerate(text.splitlines(), 1):
        include = INCLUDE.match(line)
        if include:
            message = include_breach(name, include.group(2), rule[1], rule[2])
            if message:
                yield number, message
        code = line.split("//")[0]
        if pure:
            for pattern, instead in IMPURE:
                if re.search(pattern, code):
                    yield number, f"not in a pure core: {instead}"
        if name.startswith("actors/") and SQL.search(code):
            yield number, "SQL text belongs to storage/command_sql"


def sources():
    for folder in FOLDERS:
        for path in sorted((PROJECT / folder).rglob("*")):
            if path.suffix in (".h", ".cpp"):
                yield path.relative_to(PROJECT).as_posix(), path.read_text(encoding="utf-8")


def self_test():
    must_breach = [
        ("transport/frame.h", '#include "storage/lsn.h"'),
        ("transport/frame.cpp", "#include <caf/all.hpp>"),
        ("transport/frame.cpp", "#include <mysql_driver.h>"),
        ("storage/log_writer.cpp", '#include "storage/command.h"'),
        ("storage/log_writer.cpp", "#include <msgpack.hpp>"),
        ("storage/command.cpp", "#include <zmq.hpp>"),
        ("storage/replay.cpp", '#include "actors/messages.h"'),
        ("storage/replay.cpp", "#include <mysql_driver.h>"),
        ("actors/order_book.cpp", "#include <caf/all.hpp>"),
        ("actors/order_book.cpp", "auto t = std::chrono::steady_clock::now();"),
        ("actors/backend_core.h", '#include "transport/sockets.h"'),
        ("actors/backend_core.h", "#include <random>"),
        ("actors/backend.cpp", "#include <zmq.hpp>"),
        ("actors/lane.cpp", 'run("SELECT 1 FROM item");'.replace("1 FROM", "id FROM")),
        ("tools/bench.cpp", "#include <caf/all.hpp>"),
        ("tools/bench.cpp", '#include "actors/backend.h"'),
        ("tools/bench.cpp", '#include "transport/port.h"'),
        ("config/config.h", "#include <toml++/toml.h>"),
        ("storage/log_reader.cpp", "#include <doctest/doctest.h>"),
    ]
    must_pass = [
        ("transport/port.cpp", "#include <caf/blocking_actor.hpp>\n#include <zmq.hpp>"),
        ("storage/log_writer.cpp", '#include <vector>\n#include "storage/lsn.h"'),
        ("storage/mysql_session.cpp", "#include <cppconn/driver.h>"),
        ("actors/backend_core.cpp", '#include <chrono>\n#include "storage/command.h"'),
        ("actors/order_book.cpp", "// no std::chrono::steady_clock::now() in here"),
        ("actors/backend.cpp", '#include "transport/port.h"\n#include <caf/all.hpp>'),
        ("tools/bench.cpp", '#include "actors/messages.h"\n#include "transport/sockets.h"'),
        ("config/config.cpp", "#include <toml++/toml.h>"),
    ]
    wrong = [case for case in must_breach if not list(breaches(*case))]
    wrong += [case for case in must_pass if list(breaches(*case))]
    for name, text in wrong:
        print(f"judged wrongly: {name}: {text!r}")
    print(f"{len(must_breach) + len(must_pass)} cases, {len(wrong)} judged wrongly")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] in (["--help"], ["-h"]):
        print(__doc__.strip())
        return 0
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    found = 0
    count = 0
    for name, text in sources():
        count += 1
        for line, message in breaches(name, text):
            found += 1
            print(f"{name}:{line}: {message}")
    print(f"{count} files, {found} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
