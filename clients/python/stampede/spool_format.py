"""The bytes of a spool file, without any I/O: a head, then a line for every write.

    stampede-spool 1       \\n                   the head: 24 bytes, with the version of the format
    LENGTH CHECK CHECKSUM {"orders":[…]}  \\n    8 hex digits each: the JSON's length, the CRC-32 of
                                              LENGTH, that of the JSON

A line is ASCII without a zero byte, ends with its only line end and is padded to a multiple of 8
bytes. So what a crash leaves of the last write (a piece of a line, or sectors of zeros in it) is
told from a line in which a byte was changed: the first was promised to nobody and is passed over,
the second is an error.

A line's object has some of these, done in this order: `orders`: maps as they are sent, in the order
in which they were given; `sent`: ids that may have been sent; `answers`: id → what became of it;
`taken`: ids of which the caller has taken the answer.
"""

import json
import re
import zlib

VERSION = 1
HEAD = b"stampede-spool 1       \n"
WORD = 8  # every line begins at a multiple of it, and so does every sector of a disk
EMPTY = bytes(WORD)
MEASURE = re.compile(rb"([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8}) ")
MEASURE_BYTES = 27


class Foreign(ValueError):
    """The bytes are no spool at all."""


class Later(ValueError):
    """The head names a version that is not known here."""


class Damaged(ValueError):
    """Something was changed that a crash does not change."""


def line_of(record):
    body = json.dumps(record, separators=(",", ":")).encode("ascii")
    body += b" " * (-(MEASURE_BYTES + len(body) + 1) % WORD)
    length = b"%08x" % len(body)
    return b"%s %08x %08x %s\n" % (length, zlib.crc32(length), zlib.crc32(body), body)


def records_of(data):
    """The objects of all whole lines. What a crash has left of the last one is passed over."""
    if HEAD.startswith(data):
        return []  # nothing, or a head that was never finished
    check_head(data[:len(HEAD)])
    records, at = [], len(HEAD)
    while at < len(data):
        record, end = whole_line(data, at)
        if record is None:
            if not is_left_by_a_crash(data[at:]):
                raise Damaged(f"the line at byte {at} is not as it was written")
            break
        records.append(record)
        at = end
    return records


def check_head(head):
    found = re.fullmatch(rb"stampede-spool ([1-9][0-9]*) *\n", head)
    if found is None:
        raise Foreign("it does not begin as a spool does")
    if int(found[1]) != VERSION:
        raise Later(f"it has format {int(found[1])}, of a later version than this client, which "
                    f"knows format {VERSION}")


def whole_line(data, at):
    """(object, position behind the line), or (None, None) when the line is not as it was made."""
    length, checksum = measure_of(data, at)
    end = at + MEASURE_BYTES + (length or 0)
    body = data[at + MEASURE_BYTES:end]
    if length is None or data[end:end + 1] != b"\n" or zlib.crc32(body) != checksum:
        return None, None
    return json.loads(body), end + 1


def measure_of(data, at=0):
    """(length of the JSON, its checksum), or (None, None) when a line does not begin so."""
    measure = MEASURE.match(data, at)
    if measure is None or zlib.crc32(measure[1]) != int(measure[2], 16):
        return None, None
    return int(measure[1], 16), int(measure[3], 16)


def is_left_by_a_crash(rest):
    """Of bytes from the beginning of a line: whether they are what is left of the last write."""
    end = rest.find(b"\n")
    if 0 <= end < len(rest) - 1:
        return False  # there was a write after it, so it was whole
    if any(rest[at:at + WORD] == EMPTY for at in range(0, len(rest), WORD)):
        return True
    length, _ = measure_of(rest)
    needed = MEASURE_BYTES + (0 if length is None else length + 1)
    return end < 0 and len(rest) < needed
