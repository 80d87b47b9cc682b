#!/usr/bin/python3 -Es
"""Reads and writes a system's own configuration, <run>/stampede.toml, for the scripts.

While a system runs there, `get` reads what it has accepted, <run>/config.accepted.toml, instead;
a variable of the environment that says something else is passed over, with a line on stderr.

Usage: scripts/parts/settings.py FILE get KEY [DEFAULT]
       scripts/parts/settings.py FILE set [--like SHOWN] [KEY=VALUE]...
KEY is section.key or dev. `set` keeps what the file holds, adds STAMPEDE_<SECTION>__<KEY> of the
environment, then the arguments, and writes the file anew; KEY= removes the key. Values are judged
by the program that reads them, not here; SHOWN is what its `--json config show` printed: a key that
is a text there is one, whatever it looks like.
Exit: 0 done, 1 the file is no TOML, 2 wrong use.
"""

import fcntl
import json
import os
import re
import sys
import tomllib
from pathlib import Path

HEAD = """\
# This system's configuration, written by scripts/start_all.sh; your changes are kept.
# Every key, its unit and bounds: config/README.md in the sources.
"""


def is_locked(path):
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def in_force(path):
    """The file that counts: of a system that runs the accepted text, which no edit reaches."""
    accepted = path.parent / "config.accepted.toml"
    runs = accepted.exists() and any(map(is_locked, path.parent.glob("*-*.lock")))
    return accepted if runs else path


def read(path):
    """The file's values as {"section.key": value}; empty when there is no file."""
    if not path.exists():
        return {}
    values = {}
    for name, value in tomllib.loads(path.read_text(encoding="utf-8")).items():
        if isinstance(value, dict):
            values.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            values[name] = value
    return values


def from_environment():
    for name, text in os.environ.items():
        if re.fullmatch(r"STAMPEDE_[A-Z0-9]+__[A-Z0-9_]+", name):
            yield name.removeprefix("STAMPEDE_").replace("__", ".", 1).lower(), text
        elif name == "STAMPEDE_DEV":
            yield "dev", text


def text_keys(shown):
    """The keys whose values are texts, by what the program says of all of them."""
    return {one["key"] for one in json.loads(Path(shown).read_text(encoding="utf-8"))["keys"]
            if isinstance(one["value"], str)}


def typed(text, is_text):
    if is_text:
        return text
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


def in_toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + re.sub(r"[\x00-\x1f]", lambda hit: f"\\u{ord(hit[0]):04x}", escaped) + '"'
    return str(value)


def write(path, values):
    lines = [HEAD]
    lines += [f"{name} = {in_toml(value)}" for name, value in values.items() if "." not in name]
    for section in sorted({name.split(".", 1)[0] for name in values if "." in name}):
        lines.append(f"\n[{section}]")
        lines += [f"{name.split('.', 1)[1]} = {in_toml(value)}"
                  for name, value in sorted(values.items()) if name.startswith(section + ".")]
    fresh = path.with_suffix(".toml.new")
    fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
    fresh.replace(path)


def found(key, value, *, runs):
    """What counts of a key's value and the variable of the same key."""
    text = in_toml(value) if isinstance(value, bool) else str(value)
    said = dict(from_environment()).get(key, text)
    if runs and said != text:
        name = "STAMPEDE_" + key.upper().replace(".", "__")
        counts = f"{key} = {text}" if text else f"the usual {key}"
        print(f"settings.py: {name} is passed over: the system runs with {counts}",
              file=sys.stderr)
        return text
    return said


def main(arguments):
    if arguments in (["--help"], ["-h"]):
        print(__doc__.strip())
        return 0
    if len(arguments) < 2 or arguments[1] not in ("get", "set"):
        print("settings.py: see --help", file=sys.stderr)
        return 2
    path = Path(arguments[0])
    if arguments[1] == "get":
        path = in_force(path)
    try:
        values = read(path)
    except tomllib.TOMLDecodeError as problem:
        print(f"settings.py: {path}: no valid TOML: {problem}; correct or remove it",
              file=sys.stderr)
        return 1
    if arguments[1] == "get":
        key, default = [*arguments[2:], ""][:2]
        print(found(key, values.get(key, default), runs=path != Path(arguments[0])))
        return 0
    given = arguments[2:]
    texts = text_keys(given[1]) if given[:1] == ["--like"] else set()
    values.update((key, typed(text, key in texts)) for key, text in from_environment())
    for argument in given[2:] if given[:1] == ["--like"] else given:
        key, _, text = argument.partition("=")
        values[key] = typed(text, key in texts)
    write(path, {key: value for key, value in values.items() if value != ""})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
