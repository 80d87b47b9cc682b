#!/usr/bin/python3
"""Buyers that send as many orders as are taken, and read what is answered; a process of their own.

Usage: test/system/flood.py ENDPOINT CONNECTIONS ORDERS
ENDPOINT tcp://... of a webapp, or http://HOST:PORT. Over each of CONNECTIONS, arrays of ORDERS
orders (HTTP: one order) without waiting for answers (HTTP: with). Says "ready" when the first
answer came and, when its input ends, as JSON: how many arrays were answered, how many orders in
them were decided, how many refused with which code.
"""

import collections
import json
import resource
import selectors
import socket
import sys
import time

import msgpack
import zmq

from buyers import order

ARRAYS = 64  # different ones
UNSENT = 50  # arrays a connection


class Flood:
    def __init__(self):
        self.told = collections.Counter()
        self.ready = False

    def hear(self, what, count=1):
        self.told[what] += count
        if not self.ready:
            print("ready", flush=True)
            self.ready = True


class Zmq(Flood):
    def __init__(self, endpoint, connections, orders):
        super().__init__()
        start = f"{time.time_ns():x}"
        self.bodies = [msgpack.packb([order(f"{start}-{n}-{i}") for i in range(orders)])
                       for n in range(ARRAYS)]
        self.context = zmq.Context(io_threads=1)
        self.poller = zmq.Poller()
        for _ in range(connections):
            peer = self.context.socket(zmq.DEALER)
            peer.linger, peer.sndhwm, peer.rcvhwm = 0, UNSENT, 100_000
            peer.connect(endpoint)
            self.poller.register(peer, zmq.POLLIN | zmq.POLLOUT)
        self.poller.register(sys.stdin, zmq.POLLIN)

    def use(self, peer, turn):
        try:
            for n in range(UNSENT):
                peer.send(self.bodies[(turn + n) % ARRAYS], zmq.DONTWAIT)
        except zmq.Again:
            pass
        try:
            while True:
                answers = msgpack.unpackb(peer.recv(zmq.DONTWAIT))
                if isinstance(answers, dict):
                    self.hear(answers.get("code", "?"))
                    continue
                self.hear("arrays")
                codes = collections.Counter(a.get("code") or a.get("state") for a in answers)
                for code, count in codes.items():
                    self.told[code] += count
        except zmq.Again:
            pass

    def run(self):
        turn = 0
        while True:
            for peer, _ in self.poller.poll(100):
                if peer == sys.stdin.fileno():
                    return self.context.destroy(0)
                self.use(peer, turn)
                turn += 1


class Http(Flood):
    def __init__(self, endpoint, connections):
        super().__init__()
        host, port = endpoint.removeprefix("http://").split(":")
        self.address, self.number = (host, int(port)), 0
        self.start = f"{time.time_ns():x}"
        self.selector = selectors.DefaultSelector()
        for _ in range(connections):
            self.connect()

    def connect(self):
        peer = socket.create_connection(self.address, 10)
        self.selector.register(peer, selectors.EVENT_READ)
        self.ask(peer)

    def ask(self, peer):
        self.number += 1
        body = json.dumps({"item": 1, "user": "ann"})
        peer.sendall(
            f"POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=2\r\n"
            f"Idempotency-Key: {self.start}-{self.number}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode())

    def use(self, peer):
        try:
            heard = peer.recv(65536)
            if not heard:
                raise ConnectionResetError
            self.hear(heard[9:12].decode())
            self.ask(peer)
        except OSError:
            self.selector.unregister(peer)
            peer.close()
            self.connect()

    def run(self):
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select(1):
                if key.fileobj is sys.stdin:
                    return
                self.use(key.fileobj)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    where, number = sys.argv[1], int(sys.argv[2])
    if where.startswith("http:"):
        flood = Http(where, number)
    else:
        flood = Zmq(where, number, int(sys.argv[3]))
    flood.run()
    print(json.dumps(flood.told))
