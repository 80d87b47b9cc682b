"""The table of the rooms, cmake/rooms.txt, as Python sees it. CMake reads the same file."""

import re
from dataclasses import dataclass, field

KINDS = ("", "pure", "deterministic")


@dataclass
class Room:
    path: str
    kind: str = ""
    libraries: list = field(default_factory=list)
    doors: list = field(default_factory=list)  # rooms, or single headers
    allows: list = field(default_factory=list)  # (file, header)


def parse(text):
    """Rooms by path, in the order of the table. Raises ValueError naming the line."""
    rooms = {}
    room = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        word, *rest = words
        if word == "room" and len(rest) == 2 and rest[1] in KINDS[1:] and rest[0] not in rooms:
            room = rooms[rest[0]] = Room(rest[0], rest[1])
        elif word == "room" and len(rest) == 1 and rest[0] not in rooms:
            room = rooms[rest[0]] = Room(rest[0])
        elif word in ("libraries", "doors") and room and rest:
            getattr(room, word).extend(rest)
        elif word == "allows" and room and len(rest) >= 2:
            room.allows += [(rest[0], header.strip("<>")) for header in rest[1:]]
        else:
            raise ValueError(f"line {number} is not understood: {line!r}")
    return rooms


def room_of(rooms, file):
    """The room that a file lies in: rooms are folders, not trees."""
    return rooms.get(file.rpartition("/")[0])


def place_of(door):
    """The room that a door leads to."""
    return re.sub(r"/[^/]+\.h$", "", door)
