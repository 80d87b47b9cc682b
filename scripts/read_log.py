#!/usr/bin/python3 -Es
"""Prints a command log as JSON lines, one per command, rejection and outcome record.

Reads the files as storage/log_format.md and storage/commands/command.h describe them, with
nothing but struct and msgpack: any language can do the same. Changes nothing and may run beside a
backend.
It does not tell a torn end from damage; `stampede log verify` does.

usage: read_log.py DIR    (exit 74: the log cannot be read, or the output not be written)
"""
import json
import os
import pathlib
import re
import signal
import struct
import sys

import msgpack

BATCH = struct.Struct("<4sIIIQQQQIIqII")  # magic … pid, zero: 72 bytes
RECORD = struct.Struct("<IBBH")
TYPES = {1: "EMIT", 2: "EXEC", 3: "FAIL", 4: "OPTM", 5: "SEAL", 7: "EPOCH", 8: "REJECT",
         9: "HA", 10: "HASH", 11: "CONFIG", 12: "CLAIM", 13: "REVOKE"}
DECISIONS = (1, 8, 11, 12, 13)
COMMANDS = {
    1: ("OrderInsert", "request_id item user qty unit_price_cents decided_at_us"),
    2: ("ItemAmountUpdate", "item amount"),
    3: ("ItemPut", "request_id item name price_cents total limit_per_user max_qty content_hash"),
    4: ("PromoPut", "request_id promo item name price_cents starts_at_ms ends_at_ms limit_per_user "
        "ticket gate_factor hold_s hold_low_s low_stock_percent unpaid_per_user_max content_hash "
        "decided_at_us"),
    5: ("TicketGrant", "promo item granted user ticket expires_at_ms decided_at_us"),
    6: ("OrderUpdate", "order item fulfilment action_id amount_cents decided_at_us"),
    7: ("StockChange", "item delta reason order decided_at_us"),
}
SALE = {  # the array behind the arguments, where a command has one
    1: "promo pay_by_ms counted",
    3: "decided_at_us description image_url hold_s hold_low_s low_stock_percent "
       "unpaid_per_user_max promo_only closed",
}
REASONS = {1: "sold_out", 2: "limit_reached"}


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def batches(directory):
    """Yields (first lsn, records, count). A closed segment ends where its successor says."""
    files = [path.read_bytes() for path in sorted(pathlib.Path(directory).glob("*.seg"))]
    ends = [struct.unpack_from("<Q", data, 88)[0] for data in files[1:]]
    held = None
    if files:  # the first segment there is says where it goes on; older ones may have been removed
        expected, previous = *struct.unpack_from("<Q", files[0], 64), *struct.unpack_from(
            "<I", files[0], 80)
    for data, end in zip(files, ends + [sys.maxsize]):
        at = 4096
        while at < min(end, len(data)) and data[at:at + 4] in (b"BATC", b"BAT2"):
            head = BATCH.unpack_from(data, at)
            if head[4] != expected or head[3] != previous or head[1] > len(data) - at:
                break
            if held:
                yield held
            frame = data[at:at + head[1]]
            held = (head[6], frame[72:], head[8])
            chained_by = head[2] if head[0] == b"BATC" else head[12]
            expected, previous, at = expected + 1, chained_by, at + head[1]
    # Each batch vouches for the one before it; the last one has only its own checksums.
    if held and whole(frame):
        yield held


def whole(frame):
    """Whether the checksums of a batch are right."""
    format_1 = frame[:4] == b"BATC"
    covered = frame if format_1 else frame[:72]
    if crc32c(covered[:8] + bytes(4) + covered[12:]) != struct.unpack_from("<I", frame, 8)[0]:
        return False
    before, stream = struct.unpack_from("<I", frame, 12)[0], struct.unpack_from("<I", frame, 68)[0]
    same = frame[24:32] + frame[16:24] + frame[32:40] + frame[48:52] + frame[72:]
    return format_1 or crc32c(same, before) == stream


def records(directory):
    """Yields (type, lsn or None, payload)."""
    for lsn, data, count in batches(directory):
        at = 0
        for _ in range(count):
            length, kind, _, _ = RECORD.unpack_from(data, at)
            decision = kind in DECISIONS
            if kind < 128:
                yield kind, lsn if decision else None, data[at + 8:at + 8 + length]
            lsn += decision
            at += 8 + length


def command(position, lsn, fields):
    name, arguments = COMMANDS[fields[0]]
    names = arguments.split()
    rest = fields[1 + len(names):]  # format 1: perhaps an id; 2: perhaps sale, then id or nil
    own_id = (rest[-1] if rest else None) or f"{lsn}.{position}"
    values = {n: v for n, v in zip(names, fields[1:]) if v is not None}
    sale = rest[0] if len(rest) == 2 and rest[0] else []
    values.update((n, v) for n, v in zip(SALE.get(fields[0], "").split(), sale) if v is not None)
    if "content_hash" in values:
        values["content_hash"] = f"{values['content_hash']:016x}"
    return {"type": "EMIT", "lsn": lsn, "command": name, "id": own_id, **values}


def rejected_user(fields):
    """Format 2 says who was refused, as a hash; 0: not known."""
    return {"user_hash": f"{fields[5]:016x}"} if len(fields) > 5 and fields[5] else {}


def lines(directory):
    for kind, lsn, payload in records(directory):
        fields = msgpack.unpackb(payload, unicode_errors="replace")
        text = f"{lsn >> 40}.{lsn & (1 << 40) - 1}" if lsn else None
        if kind == 1:
            yield from (command(i, text, fields[i]) for i in range(len(fields)))
        elif kind == 8:
            yield {"type": "REJECT", "lsn": text, "request_id_hash": fields[0].hex(),
                   "content_hash": f"{fields[1]:016x}", "item": fields[2], "qty": fields[3],
                   "reason": REASONS[fields[4]], **rejected_user(fields)}
        elif kind in (2, 3, 4):
            yield {"type": TYPES[kind], "lane": fields[0], "command": COMMANDS[fields[1]][0],
                   "position": fields[2], "numbers": fields[3],
                   **({"tries": fields[4]} if len(fields) > 4 else {})}
        else:
            yield {"type": TYPES[kind]}


def shown(text):
    """JSON escapes C0 alone; the other control characters reach no terminal either."""
    return re.sub(r"[\x7f-\x9f]", lambda hit: f"\\u{ord(hit[0]):04x}", text)


if __name__ == "__main__":
    if sys.stdout is None:
        sys.exit("read_log.py: stdout is closed")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        sys.exit(0)
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        for line in lines(sys.argv[1]):
            print(shown(json.dumps(line, ensure_ascii=False)))
        sys.stdout.flush()
    except OSError as failure:
        print(f"read_log.py: {failure}", file=sys.stderr)
        # What is left in the buffer would be tried again, and told as a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(74)
