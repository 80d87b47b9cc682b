#!/usr/bin/python3
"""Subscribers that take all they can get; a process of their own, raw ZMTP.

Usage: test/system/greedy.py PORT CONNECTIONS TOPICS KIND MANNER SEED
CONNECTIONS to a publisher, each of which subscribes to TOPICS topics at once, and comes again with
others as soon as it is ended. KIND of topics:
  made-up   stock/<item>/ of items that nobody sells
  near      the same, of items that follow each other
  long      240 random bytes
  repeated  made-up, each three times
  churn     made-up, each joined and left
MANNER:
  stay      and read what comes
  deaf      subscribe to all news as well, and read nothing
  leave     end as soon as all is said
  together  all of them end at the same moment, each half second
Says "ready" when each has subscribed once and, when its input ends, as JSON: how often it
subscribed, how often it was cut.
"""

import json
import random
import resource
import selectors
import socket
import struct
import sys
import time

HELLO = (b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32) +
         b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB")
RESET = struct.pack("ii", 1, 0)
TOGETHER_S = 0.5


def frame(data):
    return bytes((0, len(data))) + data


class Greedy:
    def __init__(self, port, connections, topics, kind, manner, number):
        self.port, self.topics, self.kind, self.manner = port, topics, kind, manner
        self.rng = random.Random(number)
        self.selector = selectors.DefaultSelector()
        self.unsent = {}
        self.greeting = set()  # those that have not been greeted
        self.deaf = set()  # kept open
        self.subscribed = self.cut = 0
        for _ in range(connections):
            self.connect()

    def topic(self, number):
        if self.kind == "long":
            return self.rng.randbytes(240)
        if self.kind == "near":
            return b"stock/%d/" % (self.rng.randrange(1 << 20) * 1000 + number)
        return b"stock/%d/" % self.rng.randrange(1 << 30, 1 << 48)

    def wishes(self):
        said = [frame(b"\1stock/")] if self.manner == "deaf" else []
        for number in range(self.topics):
            topic = self.topic(number)
            said += [frame(b"\1" + topic)] * (3 if self.kind == "repeated" else 1)
            if self.kind == "churn":
                said.append(frame(b"\0" + topic))
        self.subscribed += self.topics
        return b"".join(said)

    def connect(self):
        peer = socket.socket()
        peer.setblocking(False)
        if self.manner == "deaf":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect_ex(("127.0.0.1", self.port))
        self.unsent[peer] = memoryview(HELLO)
        self.greeting.add(peer)
        self.selector.register(peer, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def end(self, peer):
        self.unsent.pop(peer, None)
        self.greeting.discard(peer)
        self.selector.unregister(peer)
        if self.rng.random() < 0.5:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.close()
        self.connect()

    def say(self, peer):
        left = self.unsent.get(peer)
        if left is None:
            return
        left = left[peer.send(left):]
        if left:
            self.unsent[peer] = left
            return
        del self.unsent[peer]
        if peer not in self.greeting and self.manner == "leave":
            self.end(peer)
            return
        if peer not in self.greeting and self.manner == "deaf":
            self.deaf.add(peer)
            self.selector.unregister(peer)
            return
        self.selector.modify(peer, selectors.EVENT_READ)

    def hear(self, peer):
        if not peer.recv(65536):
            raise ConnectionResetError
        if peer in self.greeting:
            self.greeting.remove(peer)
            self.unsent[peer] = memoryview(self.wishes())
            self.selector.modify(peer, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def use(self, peer, events):
        try:
            if events & selectors.EVENT_READ:
                self.hear(peer)
            if events & selectors.EVENT_WRITE:
                self.say(peer)
        except BlockingIOError:
            pass
        except OSError:
            self.cut += 1
            self.end(peer)

    def end_together(self):
        for key in list(self.selector.get_map().values()):
            if key.fileobj is not sys.stdin:
                self.end(key.fileobj)

    def run(self):
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        said_ready, next_end = False, time.monotonic() + TOGETHER_S
        began = time.monotonic()
        while True:
            for key, events in self.selector.select(0.1):
                if key.fileobj is sys.stdin:
                    return
                self.use(key.fileobj, events)
            if self.manner == "together" and time.monotonic() > next_end:
                self.end_together()
                next_end = time.monotonic() + TOGETHER_S
            quiet = not self.unsent and not self.greeting
            # Those that are not read, or that come again and again, are never quiet.
            if not said_ready and (quiet or time.monotonic() > began + 1):
                print("ready", flush=True)
                said_ready = True


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    greedy = Greedy(*map(int, sys.argv[1:4]), sys.argv[4], sys.argv[5], sys.argv[6])
    greedy.run()
    print(json.dumps({"subscribed": greedy.subscribed, "cut": greedy.cut}))
