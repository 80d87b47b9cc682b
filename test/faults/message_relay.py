"""Stands between two nodes in net.mode = tcp and spoils the messages that pass.

Each hop binds where the node behind it connects, connects to where the other node binds, and passes
whole ZeroMQ messages; with the system's keys, by which both nodes take it for one of their own.
`spoil(message) -> [messages]` decides what comes out.

    ("push", 9111, 7111)      # PUSH of the node -> PULL that the broker binds
    ("pull", 9112, 7112)      # PULL of the node <- PUSH that the broker binds
    ("sub", 9114, 7114)       # SUB of the node <- XPUB that the broker binds; spoiled downwards

One thread for all hops of a Relay; each hop has a Spoiler of its own, which counts what it did.
"""

import collections
import random
import threading

import zmq


class Spoiler:
    """Duplicates, reorders, drops, truncates, inflates and scrambles; everything by chance."""

    def __init__(self, seed, duplicate=0.0, drop=0.0, reorder=0.0, damage=0.0, window=1000):
        self.random = random.Random(seed)
        self.chances = {"duplicate": duplicate, "drop": drop, "reorder": reorder, "damage": damage}
        self.window = window
        self.kept = []  # held back to come later, out of order
        self.counts = collections.Counter()

    def __call__(self, parts):
        self.counts["messages"] += 1
        out = [parts]
        if self._happens("drop"):
            out = []
        elif self._happens("duplicate"):
            out = [parts] * self.random.choice((2, 2, 3, 10, 100))
        elif self._happens("damage"):
            out = [self._damaged(parts)]
        elif self._happens("reorder") and len(self.kept) < self.window:
            self.kept.append(parts)
            out = []
        if self.kept and self.random.random() < 0.3:
            out.append(self.kept.pop(self.random.randrange(len(self.kept))))
        return out

    def late(self):
        """What was held back and would otherwise never come."""
        kept, self.kept = self.kept, []
        return kept

    def _happens(self, what):
        happens = self.random.random() < self.chances[what]
        self.counts[what] += happens
        return happens

    def _damaged(self, parts):
        at = self.random.randrange(len(parts))
        body = parts[at]
        kind = self.random.randrange(4)
        if kind == 0:
            body = body[:self.random.randrange(len(body) + 1)]
        elif kind == 1:
            body = body + bytes(self.random.choice((1, 65537, 2_000_000)))
        elif kind == 2:
            body = self.random.randbytes(self.random.randrange(300))
        else:
            return parts + [body] if self.random.random() < 0.5 else parts[:at]
        return [*parts[:at], body, *parts[at + 1:]]


class Relay:
    OPTIONS = ((zmq.LINGER, 0), (zmq.SNDHWM, 10_000), (zmq.RCVHWM, 10_000),
               (zmq.RECONNECT_IVL, 20), (zmq.RECONNECT_IVL_MAX, 200))

    def __init__(self, hops, spoiler, keys):
        """`hops`: (kind, port of ours, port of theirs); spoiler(number) makes the one of a hop;
        `keys`: (public, secret) of the system."""
        self.keys = keys
        self.spoilers = [spoiler(number) for number in range(len(hops))]
        self.on = True  # False: messages pass untouched
        self._end = threading.Event()
        self._context = zmq.Context()
        self._pairs = [self._pair(*hop) for hop in hops]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _socket(self, kind, verb, port):
        socket = self._context.socket(kind)
        for option, value in self.OPTIONS:
            socket.setsockopt(option, value)
        socket.curve_publickey, socket.curve_secretkey = self.keys
        if verb == "bind":
            socket.curve_server = True
        else:
            socket.curve_serverkey = self.keys[0]
        getattr(socket, verb)(f"tcp://127.0.0.1:{port}")
        return socket

    def _pair(self, kind, ours, theirs):
        """(from, to, spoiled): messages flow from the first to the second."""
        if kind == "push":
            return (self._socket(zmq.PULL, "bind", ours), self._socket(zmq.PUSH, "connect", theirs),
                    None)
        if kind == "pull":
            return (self._socket(zmq.PULL, "connect", theirs), self._socket(zmq.PUSH, "bind", ours),
                    None)
        news = self._socket(zmq.XSUB, "connect", theirs)
        readers = self._socket(zmq.XPUB, "bind", ours)
        return news, readers, readers

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(20)
        self._context.destroy(linger=0)

    def _run(self):
        poller = zmq.Poller()
        for source, _, back in self._pairs:
            poller.register(source, zmq.POLLIN)
            if back is not None:
                poller.register(back, zmq.POLLIN)
        while not self._end.is_set():
            ready = dict(poller.poll(20))
            for (source, target, back), spoil in zip(self._pairs, self.spoilers):
                if source in ready:
                    self._move(source, target, spoil)
                if back is not None and back in ready:
                    source.send_multipart(back.recv_multipart())  # a subscription, untouched
                if not ready:
                    for parts in spoil.late():
                        self._send(target, parts)

    def _move(self, source, target, spoil):
        for _ in range(200):
            try:
                parts = source.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            for out in (spoil(parts) if self.on else [parts]):
                self._send(target, out)

    @staticmethod
    def _send(target, parts):
        try:
            if parts:
                target.send_multipart(parts, zmq.DONTWAIT)
        except zmq.Again:
            pass  # a full queue drops, which is one of the faults
