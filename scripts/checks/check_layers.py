#!/usr/bin/python3 -Es
"""Proves cmake/rooms.txt, the table of the rooms and their doors, from the #include lines.

Usage: scripts/checks/check_layers.py [--self-test]
Every file lies in a room; it includes only its own room, the doors' and the libraries of the table,
and headers are followed: what a header brings along counts for everybody who includes it. Files of
pure and deterministic rooms name no clock, thread, socket or source of randomness, and reach no
system header that has one. A door, a library or an exception that nobody needs is a breach too,
and so is a circle.
--self-test plants a CAF include, a socket include, an impure header of our own, a clock, a source
of randomness and their disguises in every file of every pure and deterministic room, a door and a
library without need in every room, and takes every door away; each must be found.
Exit: 0 kept, 1 a breach (each printed as file:line: what).
"""

import re
import sys
from functools import lru_cache
from pathlib import Path

import rooms as table

PROJECT = Path(__file__).resolve().parent.parent.parent
TABLE = "cmake/rooms.txt"
FOLDERS = ("actors", "config", "storage", "tools", "transport", "web")
OUR_PREFIXES = tuple(folder + "/" for folder in FOLDERS)

# Headers of third parties by the name used in the table. What is in none of them is the standard
# library's or the system's.
LIBRARIES = {
    "boost": r"boost/",
    "caf": r"caf/",
    "cjose": r"cjose/",
    "cli11": r"CLI/",
    "doctest": r"doctest/",
    "isal": r"(isa-l|crc\.h)",
    "json": r"nlohmann/",
    "msgpack": r"msgpack",
    "mysql": r"(mysql|cppconn/|mariadb)",
    "prometheus": r"prometheus/",
    "sodium": r"sodium",
    "spdlog": r"(spdlog|fmt)/",
    "toml": r"toml\+\+/",
    "zmq": r"zmq",
}
# These compute; all others wait, listen or speak.
PURE_LIBRARIES = {"cjose", "isal", "json", "msgpack", "sodium"}

# The part of the standard library that neither waits nor asks the machine for anything.
PURE_HEADERS = set("""
algorithm any array bit bitset cassert cctype cerrno cfloat charconv chrono cinttypes climits cmath
compare concepts coroutine cstddef cstdint cstdlib cstring cwchar deque exception expected
forward_list functional initializer_list iterator limits list map memory memory_resource new numbers
numeric optional queue ranges ratio set span stack stdexcept string string_view system_error tuple
type_traits typeinfo typeindex unordered_map unordered_set utility valarray variant vector version
""".split())
# A deterministic room may share what it counts with the thread that shows it.
DETERMINISTIC_HEADERS = PURE_HEADERS | {"atomic", "cstdio"}  # snprintf

CALL = r"(?<![\w.>:])(?:std\s*::\s*|::\s*)?"  # not a member, not another namespace's
NAMED_AS_VALUE = r"(?<!\w)(?:std\s*::|(?<![\w>])::|&)\s*"
IMPURE = [
    (r"\b(syscall|_*rd(tsc|rand|seed)\w*|__builtin_(ia32_rd\w+|readcyclecounter)"
     r"|__TIME__|__DATE__|__TIMESTAMP__)\b", "what no reader of the words can follow"),
    (rf"{NAMED_AS_VALUE}(time|clock|s?rand|random)\b(?!\s*::)", "a clock or randomness, by name"),
    (r"\b(system|steady|high_resolution|utc|tai|gps|file)_clock\b"
     r"|\b(clock_gettime|clock_getres|gettimeofday|timespec_get|ftime|__rdtscp?|_rdtsc)\b"
     rf"|{CALL}(time|clock|times)\s*\(", "a clock: pass the time in"),
    (r"\b(random_device|mt19937(_64)?|minstd_rand0?|default_random_engine|ranlux\w+|knuth_b"
     r"|getrandom|getentropy|arc4random\w*|[dlm]rand48|randombytes\w*|\w+_keygen)\b"
     rf"|{CALL}s?(rand|random)(_r)?\s*\(", "randomness: pass the value in"),
    (r"\bstd\s*::\s*(jthread|thread|async|mutex|condition_variable|future|promise|this_thread)\b"
     r"|\bpthread_\w+|\bthread_local\b", "a thread: whoever owns the thread calls in"),
    (rf"{CALL}(socket|accept4?|listen|recv(from|msg)?|send(to|msg)|epoll_\w+|p?poll|p?select"
     r"|getaddrinfo|u?sleep|nanosleep)\s*\("
     r"|\bzmq_\w+\s*\(", "a socket: return the effect as data"),
    (rf"{CALL}(fopen|openat|fsync|fdatasync|pread|pwrite|unlink|getenv|secure_getenv|fork|execve?)"
     r"\s*\(|(?<!\w)(std\s*)?::\s*(open|exit|_exit|abort|system|printf|fprintf)\s*\("
     r"|\bstd\s*::\s*(ifstream|ofstream|fstream|filesystem)\b",
     "files and the process are the shell's: return the effect as data"),
]
SQL = re.compile(r'"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP)\s+[A-Za-z`*(]')
SQL_ROOM = "storage/mysql"
INCLUDE = re.compile(r'\s*#\s*(?:include(?:_next)?|import|embed)\b\s*(.*)')
NAMED = re.compile(r'([<"])([^>"]+)[>"]')


def library_of(header):
    for library, pattern in LIBRARIES.items():
        if re.match(pattern, header):
            return library
    return None


def without_comments(text):
    """The same lines with the comments blank."""
    def blank(match):
        return match.group(0) if match[0][0] == '"' else re.sub(r"[^\n]", " ", match[0])
    text = re.sub(r"\\\n", "", text).replace("%:", "#")  # as the compiler joins and reads it
    text = re.sub(r'R"([^()\s]*)\(.*?\)\1"', lambda raw: '""' + "\n" * raw[0].count("\n"), text,
                  flags=re.DOTALL)
    text = re.sub(r"""(?<!\w)'(?:\\.|[^'\\\n])+'""", "' '", text)
    return re.sub(r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/|//[^\n]*', blank, text, flags=re.DOTALL)


class Sources:
    """The files of the rooms and what they include; `planted` adds a last line to some of them."""

    def __init__(self, planted=None, table_text=None):
        self.planted = {name: parse_lines(line) for name, line in (planted or {}).items()}
        self.rooms = parsed(table_text) if table_text else parsed(read(TABLE))
        self.new_edges = any(header and is_ours(header)
                             for lines in self.planted.values() for _, _, header, _ in lines)

    def files(self):
        return all_files()

    def lines(self, name):
        """(number, code, header or None, quoted) of each line of a file."""
        lines = lines_on_disk(name)
        if name not in self.planted:
            return lines
        return lines + [(len(lines) + 1, *rest) for _, *rest in self.planted[name]]

    def exists(self, name):
        return name in all_files()

    def reached(self, name):
        """Files that `name` includes, directly or not, with the line that leads there."""
        return reached_from(self, name) if self.new_edges else reached_on_disk(name)


def reached_from(sources, name):
    found = {}
    queue = [(name, 0)]
    while queue:
        file, line = queue.pop()
        for number, _, header, _ in sources.lines(file):
            if header and is_ours(header) and sources.exists(header):
                if header not in found and header != name:
                    found[header] = line or number
                    queue.append((header, line or number))
    return found


@lru_cache(maxsize=None)
def reached_on_disk(name):
    return reached_from(Sources(), name)


def parse_lines(text):
    result = []
    for number, code in enumerate(without_comments(text).splitlines(), 1):
        include = INCLUDE.match(code)
        if not include:
            result.append((number, code, None, False))
            continue
        named = NAMED.match(include.group(1))
        result.append((number, code, named.group(2) if named else "", named and named[1] == '"'))
    return result


@lru_cache(maxsize=2)
def parsed(table_text):
    return table.parse(table_text)


@lru_cache(maxsize=None)
def read(name):
    return (PROJECT / name).read_text(encoding="utf-8")


@lru_cache(maxsize=None)
def lines_on_disk(name):
    return parse_lines(read(name))


@lru_cache(maxsize=1)
def all_files():
    return tuple(path.relative_to(PROJECT).as_posix() for folder in FOLDERS
                 for path in sorted((PROJECT / folder).rglob("*"))
                 if path.suffix in (".h", ".cpp", ".hpp", ".cc", ".c", ".ipp"))


def include_breach(sources, room, header, quoted):
    if header == "":
        return "an include that no reader of the file can follow"
    if header.startswith("test/"):
        return f"{header}: nothing outside test/ may need it"
    if is_ours(header):
        place = table.room_of(sources.rooms, header)
        if not sources.exists(header) or place is None:
            return f"{header} is in no room"
        if place is room or place.path in room.doors or header in room.doors:
            return None
        return f"{header}: {room.path} has no door to {place.path}"
    if quoted:
        return f'"{header}": name it from the root of the project'
    library = library_of(header)
    if library and library not in room.libraries:
        return f"<{header}>: {library} is not for {room.path}"
    return None


def system_header_breach(room, name, header):
    if room.kind == "" or library_of(header) or (name, header) in room.allows:
        return None
    if header in (PURE_HEADERS if room.kind == "pure" else DETERMINISTIC_HEADERS):
        return None
    return f"<{header}> is not for a {room.kind} room"


def is_ours(header):
    return header.startswith(OUR_PREFIXES)


def file_breaches(sources, name, since=1):
    """Yields (line, message) for one file, or for its lines from `since` on."""
    room = table.room_of(sources.rooms, name)
    if room is None:
        yield 1, f"lies in no room of {TABLE}"
        return
    for number, code, header, quoted in sources.lines(name)[since - 1:]:
        if header is not None:
            message = include_breach(sources, room, header, quoted)
            if message is None and header and not is_ours(header):
                message = system_header_breach(room, name, header)
            if message:
                yield number, message
        elif room.kind:
            yield from word_breaches(room, name, number, code)
        if room.path != SQL_ROOM and SQL.search(code):
            yield number, f"SQL text belongs to {SQL_ROOM}"
    if since == 1 or sources.new_edges:
        yield from reached_breaches(sources, room, name)


def word_breaches(room, name, number, code):
    if re.search(r'\b(asm|__asm__)\b(?!\s*volatile\s*\(""\))', code):
        yield number, f"not in a {room.kind} room: assembly"
    code = re.sub(r'"(\\.|[^"\\])*"', '""', code)
    if (name, "mutex") in room.allows:
        code = code.replace("std::mutex", "")
    for pattern, what in IMPURE:
        if re.search(pattern, code):
            yield number, f"not in a {room.kind} room: {what}"


def reached_breaches(sources, room, name, among=None):
    """What headers (`among`: of these alone) bring along counts as if the file included it."""
    allowed = {header for _, header in room.allows}
    opened = {door for strict in sources.rooms.values() if strict.kind
              for door in strict.doors}
    for file, line in sources.reached(name).items():
        if among is not None and file not in among:
            continue
        place = table.room_of(sources.rooms, file)
        if room.kind and place and not place.kind and file not in opened:
            yield line, f"{file} is brought along; it lies in no strict room"
        for _, _, header, _ in sources.lines(file):
            if not header or is_ours(header):
                continue
            library = library_of(header)
            if library and library not in room.libraries:
                yield line, f"{file} brings <{header}> along; {library} is not for {room.path}"
            elif room.kind and not library and header not in allowed:
                if place and (file, header) in place.allows:
                    continue
                message = system_header_breach(room, file, header)
                if message and (room.kind == "pure" or header in WAITING_HEADERS):
                    yield line, f"{file} brings it along: {message}"


# What a deterministic room must not even reach: its files and the database come in through seams,
# whose headers may name the system's types.
WAITING_HEADERS = {"thread", "mutex", "shared_mutex", "condition_variable", "future", "semaphore",
                   "latch", "barrier", "stop_token", "random", "ctime", "time.h", "sys/time.h",
                   "sys/socket.h", "netinet/in.h", "poll.h", "sys/epoll.h", "sys/random.h"}


PURE_PLACES = re.compile(r".*/core|actors/(sale|protocol|memory)")
STRICTNESS = ["", "deterministic", "pure"]


def weaker(room, than):
    return STRICTNESS.index(room.kind) < STRICTNESS.index(than.kind)


def table_breaches(sources):
    """Doors, libraries and exceptions without need, unknown places, impure libraries, circles."""
    used = {path: set() for path in sources.rooms}
    held = {path: [] for path in sources.rooms}
    for name in sources.files():
        room = table.room_of(sources.rooms, name)
        if room:
            used[room.path] |= needs(name)
            held[room.path].append(name)
    for room in sources.rooms.values():
        if PURE_PLACES.fullmatch(room.path) and room.kind != "pure":
            yield f"{room.path}: a folder of this name is pure"
        for door in room.doors:
            if door in sources.rooms and weaker(sources.rooms[door], room):
                yield f"{room.path}: its door {door} is not {room.kind}; name its headers"
            if table.place_of(door) not in sources.rooms:
                yield f"{room.path}: its door {door} leads nowhere"
            elif door not in used[room.path]:
                yield f"{room.path}: nobody needs its door {door}"
            elif door.endswith(".h") and table.place_of(door) in room.doors:
                yield f"{room.path}: its door {door} is part of another one"
        for library in room.libraries:
            if library not in used[room.path]:
                yield f"{room.path}: nobody needs its library {library}"
            if room.kind and library not in PURE_LIBRARIES:
                yield f"{room.path}: {library} is not for a {room.kind} room"
        for exception in room.allows:
            if exception not in used[room.path]:
                yield f"{room.path}: nobody needs the exception {exception[0]} <{exception[1]}>"
        listed = read(f"{room.path}/CMakeLists.txt")
        for name in held[room.path]:
            if (name.endswith(".cpp")
                    and not re.search(rf"(?<!\w){re.escape(Path(name).name)}\b", listed)):
                yield f"{name} is compiled by nobody"
        if not held[room.path]:
            yield f"{room.path}: there is no such room"
    yield from circles({room.path: [table.place_of(door) for door in room.doors]
                        for room in sources.rooms.values()}, "rooms")
    yield from circle_of_headers()


@lru_cache(maxsize=None)
def needs(name):
    """Doors (rooms and headers), libraries and exceptions that one file needs."""
    sources = Sources()
    found = set()
    for _, _, header, _ in sources.lines(name):
        if not header:
            continue
        found.add((name, header))
        if is_ours(header):
            found |= {header, str(Path(header).parent)}
    for file in (name, *sources.reached(name)):
        found |= {library_of(header) for _, _, header, _ in sources.lines(file) if header}
    return found


@lru_cache(maxsize=1)
def circle_of_headers():
    return list(circles({name: [header for _, _, header, _ in lines_on_disk(name)
                                if header and is_ours(header)] for name in all_files()}, "headers"))


def circles(graph, what):
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for following in graph.get(node, []):
            circle = visit(following)
            if circle:
                return circle
        path.pop()
        done.add(node)
        return None

    for node in graph:
        circle = visit(node)
        if circle:
            yield f"a circle of {what}: {' -> '.join(circle)}"
            return


def breaches(sources):
    for message in table_breaches(sources):
        yield f"{TABLE}: {message}"
    for name in sources.files():
        for line, message in file_breaches(sources, name):
            yield f"{name}:{line}: {message}"


# --- self-test -----------------------------------------------------------------------------------

PLANTS = {
    "an include in another spelling": ["%:include <random>", "#import <caf/all.hpp>"],
    "code behind a literal": ["char q = '\"'; using C = std::chrono::steady_clock; char r = '\"';",
                              'auto q = R"(")"; using C = std::chrono::steady_clock;'],
    "what leaves no symbol": ["const auto t = __builtin_ia32_rdtsc();", 'asm("rdtsc");',
                              "const char* made = __TIME__;", "auto clock_of = &::time;"],
    "CAF": ["#include <caf/all.hpp>", "#include <caf/actor.hpp>"],
    "a socket": ["#include <zmq.hpp>", "#include <sys/socket.h>", "#include <poll.h>",
                 "const int fd = ::socket(AF_INET, SOCK_STREAM, 0);"],
    "an impure header of our own": ['#include "transport/zmq/sockets.h"',
                                    '#include "config/process/throughput.h"',
                                    '#include "actors/node/steady_actor.h"',
                                    '#include "storage/disk/posix_file.h"'],
    "a clock": ["const auto now = std::chrono::steady_clock::now();",
                "using Clock = std::chrono::system_clock;", "const auto now = ::time(nullptr);",
                "const auto now = std::time(nullptr);", "clock_gettime(CLOCK_MONOTONIC, &now);",
                "#include <ctime>"],
    "randomness": ["#include <random>", "const auto seed = std::random_device{}();",
                   "const int die = rand() % 6;", "randombytes_buf(key.data(), key.size());"],
    "a thread": ["#include <thread>", "std::thread worker(run);", "#include <future>"],
}


def planted(name, plant):
    """True when the check finds the plant at the end of the file, the rest being as it is."""
    line = len(lines_on_disk(name)) + 1
    sources = Sources({name: plant})
    return any(number == line for number, _ in file_breaches(sources, name, since=line))


def follows_headers():
    """An impure include in each header that a pure room reaches is found in that room, too."""
    sources = Sources()
    for name in sources.files():
        users = [file for file in sources.files() if name in reached_on_disk(file)
                 and table.room_of(sources.rooms, file).kind]
        for plant in ("#include <caf/all.hpp>", "#include <thread>"):
            changed = Sources({name: plant})
            for file in users:
                room = table.room_of(changed.rooms, file)
                found = reached_breaches(changed, room, file, {name})
                if not any(name in message for _, message in found):
                    yield f"{plant} in {name} is not found from {file}"


def table_plants(text):
    """Tables that are wrong in one room: (what, text, the room)."""
    rooms = list(table.parse(text).values())
    for room in rooms:
        head = re.search(rf"^room {re.escape(room.path)}( \w+)?$", text, re.MULTILINE)
        before, head, after = text[:head.start()], head[0], text[head.end():]
        block, *rest = after.split("\n\n", 1)
        other = next(other for other in rooms
                     if other is not room and other.path not in map(table.place_of, room.doors))
        yield (f"the needless door {room.path} -> {other.path}",
               f"{before}{head}\n  doors {other.path}{after}", room.path)
        unused = next(name for name in ("isal", "toml") if name not in room.libraries)
        yield (f"the needless library {unused} of {room.path}",
               f"{before}{head}\n  libraries {unused}{after}", room.path)
        for door in room.doors:
            closed = re.sub(rf"(?<= ){re.escape(door)}(?=\s|$)", "", block, count=1)
            yield (f"{room.path} without its door {door}",
                   before + head + "\n\n".join([closed, *rest]), room.path)


def breaches_of(sources, room):
    """What the table itself breaks, and the files of one room."""
    for name in sources.files():
        if table.room_of(sources.rooms, name) is sources.rooms.get(room):
            yield from file_breaches(sources, name)
    yield from table_breaches(sources)


def without_empty(text):
    return re.sub(r"(?m)^  (doors|libraries)\s*\n", "", text + "\n")


def self_test():
    sources = Sources()
    wrong, cases = [], 0
    for name in sources.files():
        if not table.room_of(sources.rooms, name).kind:
            continue
        for kind, plants in PLANTS.items():
            for plant in plants:
                cases += 1
                if not planted(name, plant):
                    wrong.append(f"{kind} in {name}: {plant}")
        cases += 1
        if planted(name, "// no std::chrono::steady_clock::now() in here"):
            wrong.append(f"a comment in {name} counts as code")
    wrong += follows_headers()
    for what, text, room in table_plants(read(TABLE)):
        cases += 1
        if not any(breaches_of(Sources(table_text=without_empty(text)), room)):
            wrong.append(what)
    for case in wrong:
        print(f"not found: {case}")
    print(f"{cases} cases, {len(wrong)} not found")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] in (["--help"], ["-h"]):
        print(__doc__.strip())
        return 0
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    found = list(breaches(Sources()))
    for message in found:
        print(message)
    sources = Sources()
    print(f"{len(sources.rooms)} rooms, {len(sources.files())} files, {len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
