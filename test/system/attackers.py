#!/usr/bin/python3
"""Attackers for hostile_long_test.py, each a process of its own.

Usage: test/system/attackers.py KIND PORT-BASE SOCKETS COUNT SEED
SOCKETS is the directory of the nodes' sockets, PORT-BASE that of the clients' ports.
Sends COUNT malformed things and prints how many were sent. None of them is a request that a
stranger may make: what decides an order, or a well-formed message between nodes, is not among them.
  clients      msgpack maps with wrong, changed, doubled, deep or cut values, at a webapp's ROUTER
  nodes        frames that are no envelope, bodies that are no body, at the nodes' PULL sockets
  connections  ZMTP 1, 2 and 3 greetings and frames, half, wrong or huge, at every port
  strangers    the same and whole handshakes with what follows, by the million: many at once, none
               waits for an answer
  topics       subscriptions without end at every publisher
  resets       connections that fill a node's queue with frames and PINGs, then reset
  http         requests that were changed, cut, doubled and piled up, at the port PORT-BASE
"""

import collections
import random
import select
import socket
import struct
import sys
import time

import msgpack
import zmq

# What attackers' orders ask for: an item that is not there decides nothing.
NO_ITEM = 2**62 + 0x1234567890
ENVELOPE = struct.Struct("<4sBBHIIQQQQQQ")
WORK, RESULT, HELLO = 1, 2, 4


# --- what is sent --------------------------------------------------------------------------------

def mutated(rng, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            data[at:at + 1] = rng.randbytes(1)
        elif kind == 1:
            data[at:at] = rng.randbytes(rng.randrange(1, 4))
        elif kind == 2:
            del data[at:at + rng.randrange(1, 4)]
        else:
            del data[at:]
    return bytes(data)


def deep(rng):
    return rng.choice([b"\x91", b"\x81\xa1a", b"\x81\x91"]) * rng.randrange(1, 20_000)


def declared(rng):
    """Few bytes that declare much."""
    head = rng.choice([b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9"])
    return rng.choice([b"", b"\x81\xa2op", b"\x82\xa2id\xa1x\xa4user"]) + head + rng.choice(
        [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x10\x00\x00"]) + rng.randbytes(4)


def client_frame(rng):
    dice = rng.random()
    if dice < 0.15:
        return rng.randbytes(rng.randrange(300))
    if dice < 0.20:
        return declared(rng)
    if dice < 0.22:
        return deep(rng)
    order = {"op": rng.choice(["order", "get", "items", "ping", "", "ORDER", 1]),
             "id": rng.choice([f"x{rng.getrandbits(30)}", "", "a b", "x" * 65, None, 7]),
             "item": rng.choice([NO_ITEM, 0, 2**63, 2**64 - 1, "1", None, -1, [1], 1.5]),
             "user": rng.choice(["eve", "", "\0", "é" * 40, 5, {}, "x" * 70_000]
                                if dice < 0.25 else ["eve", "", "\0", "é" * 40, 5, {}]),
             "qty": rng.choice([1, 0, -1, 2**40, "1", None, True])}
    packed = msgpack.packb(order)
    return packed if dice < 0.5 else mutated(rng, packed)


def envelope(rng, kind):
    """Almost one: wrong magic, version, kind, reserved bytes or size."""
    values = [b"STP1", kind, 1, 0, rng.randrange(5), rng.randrange(5), rng.getrandbits(64),
              rng.getrandbits(64), rng.getrandbits(64), rng.getrandbits(64), rng.getrandbits(64), 0]
    wrong = rng.randrange(5)
    if wrong == 0:
        values[0] = rng.choice([b"STP0", b"stp1", b"\0\0\0\0"])
    elif wrong == 1:
        values[1] = rng.choice([0, 8, 255])
    elif wrong == 2:
        values[2] = rng.choice([0, 2, 255])
    elif wrong == 3:
        values[11] = rng.getrandbits(63) + 1
    packed = ENVELOPE.pack(*values)
    return packed if wrong != 4 else packed[:rng.randrange(64)] + b"x" * rng.choice([0, 65])


def node_parts(rng, offset):
    dice = rng.random()
    if dice < 0.3:
        return [rng.randbytes(rng.randrange(100)) for _ in range(rng.randrange(1, 6))]
    if dice < 0.35:
        return [b"x"] * rng.randrange(10, 60)
    if dice < 0.6 and offset == 11:
        # A true envelope of a webapp that is not there, and a body that is none.
        good = ENVELOPE.pack(b"STP1", WORK, 1, 0, rng.randrange(1, 4), 9, rng.getrandbits(63) + 1,
                             rng.randrange(1, 100), 0, 0, 0, 0)
        return [good, rng.choice([rng.randbytes(rng.randrange(200)), deep(rng), declared(rng)])]
    if dice < 0.6 and offset == 20:
        good = ENVELOPE.pack(b"STP1", 6, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0)
        report = msgpack.packb({"node": rng.choice(["webapp-1", "nobody", 5]), "pid": rng.choice(
            [1, "x", 2**40]), "phase": rng.choice([1, "x", -1]), "replies": rng.choice([1, [1]])})
        if rng.random() < 0.02:
            return [good, rng.choice([deep(rng), b"\x91" * 2_000_000, b"\x81\xa1a" * 600_000])]
        return [good, rng.choice([report, mutated(rng, report)])]
    return [envelope(rng, rng.choice([WORK, RESULT, HELLO, 5, 6])), client_frame(rng)]


def greeting(rng):
    """ZMTP of any version, half, wrong, or whole and then nonsense."""
    def v1():
        return bytes([rng.choice([1, 0, 255])]) + rng.randbytes(rng.randrange(20))

    def v2():
        return b"\xff" + bytes(7) + b"\x01\x7f\x01" + bytes([rng.randrange(12)])

    def v3(mechanism=b"NULL"):
        return (b"\xff" + bytes(8) + b"\x7f\x03" + bytes([rng.randrange(3)])
                + mechanism.ljust(20, b"\0") + bytes(32))

    ready = b"\x04\x26\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"
    huge = rng.choice([b"\x02", b"\x03", b"\x06", b"\x02"]) + rng.choice(
        [b"\xff" * 8, b"\x7f" + b"\xff" * 7, struct.pack(">Q", 2**31), struct.pack(">Q", 2**24)])
    return rng.choice([
        lambda: v3()[:rng.randrange(64)],
        lambda: v3() + ready[:rng.randrange(len(ready))],
        lambda: v3() + mutated(rng, ready),
        lambda: v3() + ready + huge + rng.randbytes(50),
        lambda: v3() + ready + b"\x04\x05\x04PING" + rng.randbytes(5),
        lambda: v3() + ready + rng.randbytes(200),
        lambda: v3(b"PLAIN") + b"\x04\x0d\x05HELLO\x01a\x01b",
        lambda: v3(b"CURVE") + b"\x04\xc8\x05HELLO" + rng.randbytes(194),
        lambda: v3(rng.randbytes(20)) + ready,
        lambda: v2() + b"\x00\x00" + rng.randbytes(60),
        lambda: v2() + b"\x00\x00" + huge,
        lambda: v1() + rng.randbytes(100),
        lambda: b"\x01\x00" + b"\xff" + b"\xff" * 8 + rng.randbytes(50),
        lambda: rng.randbytes(rng.randrange(300)),
        lambda: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        lambda: b"",
    ])()


# --- how it is sent ------------------------------------------------------------------------------

class Doors:
    """Where a system listens: the clients' ports, and the unix sockets between its nodes."""

    NAMES = {11: "requests_in", 12: "requests_out", 13: "results_in", 14: "results_out",
             20: "reports", 21: "wanted"}

    def __init__(self, base, sockets):
        self.base = int(base)
        self.sockets = sockets

    def url(self, offset):
        if offset in self.NAMES:
            return f"ipc://{self.sockets}/{self.NAMES[offset]}"
        return f"tcp://127.0.0.1:{self.base + offset}"

    def connect(self, offset):
        """A bare connection."""
        if offset not in self.NAMES:
            return socket.create_connection(("127.0.0.1", self.base + offset), 10)
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(10)
        made.connect(f"{self.sockets}/{self.NAMES[offset]}")
        return made


def peer(context, kind, doors, offset):
    made = context.socket(kind)
    made.linger = 500
    made.sndhwm = 0  # or the attacker's own library would drop what comes too fast
    made.sndtimeo = 5000
    made.connect(doors.url(offset))
    return made


def attack_clients(rng, doors, count):
    context = zmq.Context()
    dealer = peer(context, zmq.DEALER, doors, 1)
    answers = 0
    for sent in range(count):
        frame = client_frame(rng)
        parts = [frame]
        if rng.random() < 0.1:
            parts = [b""] * rng.randrange(3) + [frame] * rng.randrange(1, 4)
        dealer.send_multipart(parts)
        while dealer.poll(0):
            dealer.recv_multipart()
            answers += 1
        if sent % 5000 == 4999:  # a new connection now and then, the old one with what it owes
            dealer.close()
            dealer = peer(context, zmq.DEALER, doors, 1)
    context.destroy(500)
    return count if answers else 0


def attack_nodes(rng, doors, count):
    context = zmq.Context()
    pushers = {offset: peer(context, zmq.PUSH, doors, offset) for offset in (11, 13, 20)}
    for sent in range(count):
        offset = (11, 13, 20)[sent % 3]
        pushers[offset].send_multipart(node_parts(rng, offset))
    context.destroy(5000)
    return count


def attack_connections(rng, doors, count):
    kept = []
    for sent in range(count):
        connection = doors.connect(rng.choice([1, 2, 11, 12, 13, 14, 20, 21]))
        connection.settimeout(1)
        try:
            connection.sendall(greeting(rng))
        except OSError:
            pass
        kept.append(connection)
        if len(kept) > rng.randrange(1, 100):
            kept.pop(rng.randrange(len(kept))).close()
        if sent % 100 == 99:
            time.sleep(0.01)
    for connection in kept:
        connection.close()
    return count


def after_handshake(rng):
    """What a client sends at once that has not read what the node says."""
    null = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    kind = rng.choice([b"DEALER", b"REQ", b"SUB", b"PUSH", b"ROUTER", b"PAIR"])
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    frame = client_frame(rng)[:60_000]
    said = rng.choice([
        b"", b"\x00" + bytes([min(255, len(frame))]) + frame[:255],
        b"\x02" + struct.pack(">Q", len(frame)) + frame, b"\x01\x00" * rng.randrange(1, 200),
        b"\x04\x07\x04PING\x00\x01", b"\x00\x0a\x01" + rng.randbytes(9),
        b"\x04\x0b\x09SUBSCRIBEx", b"\x02" + struct.pack(">Q", 2**20) + rng.randbytes(2000)])
    return null + b"\x04" + bytes([len(ready)]) + ready + said


class Strangers:
    """Connections of one process: a batch is made at once, is told something, and goes in time."""

    BATCH, KEPT_MAX, PATIENCE_MS = 64, 3000, 2000

    def __init__(self, rng, doors):
        self.rng, self.doors = rng, doors
        self.words = [(greeting if number % 3 else after_handshake)(rng) for number in range(6000)]
        self.kept, self.kept_max = collections.deque(), self.KEPT_MAX

    def begin(self):
        """A connection that is being made; None when a node's queue is full just now."""
        offset = self.rng.choice((1, 1, 1, 2, 2, 11, 12, 13, 14, 20, 21))
        inner = offset in Doors.NAMES
        made = socket.socket(socket.AF_UNIX if inner else socket.AF_INET)
        made.setblocking(False)
        try:
            made.connect(f"{self.doors.sockets}/{Doors.NAMES[offset]}" if inner else
                         ("127.0.0.1", self.doors.base + offset))
        except BlockingIOError:  # over TCP: it is on its way
            if inner:
                made.close()
                return None
        return made

    def batch(self):
        """How many connections were made and told something."""
        begun = [made for made in (self.begin() for _ in range(self.BATCH)) if made is not None]
        waiting = select.poll()
        for made in begun:
            waiting.register(made, select.POLLOUT)
        by_number, told = {made.fileno(): made for made in begun}, 0
        while by_number and (ready := waiting.poll(self.PATIENCE_MS)):
            for number, _ in ready:
                made = by_number.pop(number)
                waiting.unregister(number)
                try:
                    made.send(self.rng.choice(self.words))
                    told += 1
                except OSError:
                    pass  # the node has closed it: a connection all the same
                self.kept.append(made)
        for made in by_number.values():
            made.close()
        if self.rng.random() < 0.02:  # now more than a node lets in, now few
            self.kept_max = self.rng.randrange(self.KEPT_MAX)
        while len(self.kept) > self.kept_max:
            self.leave(self.kept.popleft())
        return told

    def leave(self, made):
        how = self.rng.random()
        try:
            if how < 0.6:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how < 0.7:
                made.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        made.close()


def attack_strangers(rng, doors, count):
    strangers, made = Strangers(rng, doors), 0
    while made < count:
        told = strangers.batch()
        made += told
        if told == 0:
            time.sleep(0.01)
    return count


def attack_topics(rng, doors, count):
    context = zmq.Context()
    publishers = [peer(context, zmq.SUB, doors, offset) for offset in (2, 14, 21)]
    for sent in range(count):
        topic = rng.choice([b"stock/%d/" % rng.getrandbits(40), rng.randbytes(rng.randrange(1, 30)),
                            b"result/webapp-%d/" % rng.getrandbits(20)])
        if topic.startswith(b"result/webapp-1/"):
            continue
        publishers[sent % 3].subscribe(topic)
    time.sleep(1)
    context.destroy(0)
    return count


def flood_and_reset(connection, kind, seconds):
    null = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    flood = memoryview((b"\x00\x01x" * 50 + b"\x04\x07\x04PING\x00\x00") * 2000)
    with connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(null + b"\x04" + bytes([len(ready)]) + ready)
        connection.recv(64, socket.MSG_WAITALL)
        connection.setblocking(False)
        until, at = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            try:
                at = (at + connection.send(flood[at:])) % len(flood)
            except BlockingIOError:
                time.sleep(0.0005)


def attack_resets(rng, doors, count):
    kinds = [(1, b"DEALER"), (2, b"SUB"), (11, b"PUSH"), (13, b"PUSH"), (20, b"PUSH")]
    for sent in range(count):
        offset, kind = kinds[sent % len(kinds)]
        try:
            flood_and_reset(doors.connect(offset), kind, rng.uniform(0.02, 0.2))
        except ConnectionError:
            pass  # the node closed it
    return count


def http_request(rng):
    """One that is whole, but asks for nothing that is there."""
    order = b'{"item":%d,"user":"eve"}' % NO_ITEM
    form = b"itemId=%d" % NO_ITEM
    part = b'--b\r\nContent-Disposition: form-data; name="itemId"\r\n\r\n1x\r\n--b--\r\n'
    lines = [rng.choice([b"Host: localhost", b"Host: 127.0.0.1:1", b"Host: evil.example",
        b"Host:"])]
    lines += rng.sample([
        b"Prefer: respond-async, wait=0", b'Prefer: wait="1', b"Expect: 100-continue",
        b"Connection: close",
        b"Connection: keep-alive, x", b"Origin: null", b"Sec-Fetch-Site: cross-site",
        b"Idempotency-Key: a b",
        b"Content-Type: application/json", b"Content-Type: multipart/form-data; boundary=b",
        b"Accept: */*",
        b"Content-Type: application/x-www-form-urlencoded", b"Content-Encoding: gzip",
        b"Upgrade: h2c",
        b"X: " + b"x" * rng.randrange(9000)], rng.randrange(4))
    body = rng.choice([b"", order, form, part, rng.randbytes(rng.randrange(5000))])
    if rng.random() < 0.2:
        lines.append(b"Transfer-Encoding: chunked")
        body = b"%x;a=b\r\n" % len(body) + body + b"\r\n0\r\nT: x\r\n\r\n" if body else b"0\r\n\r\n"
    elif body:
        lines.append(b"Content-Length: %d" % len(body))
    method = rng.choice([b"GET", b"HEAD", b"POST", b"POST", b"OPTIONS", b"PUT", b"get", b"CONNECT"])
    target = rng.choice([
        b"/v1/orders", b"/miaosha/order", b"/v1/items?from=1&limit=500", b"/v1/items/x",
        b"/status", b"*",
        b"/healthz?node=%zz", b"/readyz", b"/v1/orders/%61", b"http://localhost/version", b"/"
        + b"a" * 2500,
        b"/miaosha/order-result?requestId=x", b"/%00", b"//"])
    version = rng.choice([b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.9"])
    return b"\r\n".join([method + b" " + target + b" " + version, *lines, b"", body])


def attack_http(rng, doors, count):
    kept = []
    for _ in range(count):
        data = b"".join(http_request(rng) for _ in range(rng.choice([1, 1, 1, 2, 20])))
        data = data if rng.random() < 0.3 else mutated(rng, data)
        connection = socket.create_connection(("127.0.0.1", doors.base), 30)
        connection.settimeout(0)
        try:
            connection.send(data)
            if rng.random() < 0.3:
                connection.recv(65536)
        except OSError:
            pass
        kept.append(connection)
        if len(kept) > rng.randrange(1, 200):  # some are left open, some read, some reset
            gone = kept.pop(rng.randrange(len(kept)))
            if rng.random() < 0.3:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.close()
    for connection in kept:
        connection.close()
    return count


def main(arguments):
    attacks = {"http": attack_http, "clients": attack_clients, "nodes": attack_nodes,
               "connections": attack_connections, "strangers": attack_strangers,
               "topics": attack_topics, "resets": attack_resets}
    if len(arguments) != 5 or arguments[0] not in attacks:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    doors, (count, seed) = Doors(*arguments[1:3]), map(int, arguments[3:])
    rng = random.Random(f"{arguments[0]} {seed}")
    print(attacks[arguments[0]](rng, doors, count))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
