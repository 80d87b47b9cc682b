#!/usr/bin/python3
"""Clients that are connected, well-behaved and have nothing to ask; a process of their own.

Usage: test/system/idle_clients.py PORT COUNT PING-EVERY
COUNT connections to a webapp's ROUTER. Each answers PING; every second one sends one itself each
PING-EVERY seconds (0: none does) and wants its PONG. Says "ready" when all have shaken hands and,
when its input ends, as JSON: how many were lost, PINGs sent, PONGs heard.
"""

import heapq
import json
import select
import socket
import sys
import time

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
PING, PONG = b"\x04\x07\x04PING\x00\x00", b"\x04\x05\x04PONG"
AT_ONCE = 128  # handshakes
PATIENCE_S = 10


class Idle:
    def __init__(self, port, every):
        self.port, self.every = port, every
        self.peers, self.poll = {}, select.epoll()
        self.lost = self.pings = self.pongs = 0
        self.due = []  # (when, number) of those that send PINGs

    def shake_hands(self, count):
        """True when so many have heard the webapp's READY."""
        made = [socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
                for _ in range(count)]
        for peer in made:
            peer.sendall(GREETING + READY)
        for peer in made:
            heard = b""
            while b"\x05READY" not in heard:
                if not (part := peer.recv(4096)):
                    return False
                heard += part
            peer.setblocking(False)
            self.peers[peer.fileno()] = peer
            self.poll.register(peer, select.EPOLLIN)
            if self.every and len(self.peers) % 2:
                phase = self.every * (len(self.peers) % 997) / 997  # spread over the time
                heapq.heappush(self.due, (time.monotonic() + phase, peer.fileno()))
        return True

    def hear(self, number):
        peer = self.peers[number]
        try:
            heard = peer.recv(4096)
            if pings := heard.count(b"\x04PING"):
                peer.sendall(PONG * pings)
        except OSError:
            heard = b""
        self.pongs += heard.count(b"\x04PONG")
        if not heard:
            self.poll.unregister(number)
            self.peers.pop(number).close()
            self.lost += 1

    def send_pings(self):
        now = time.monotonic()
        while self.due and self.due[0][0] <= now:
            _, number = heapq.heappop(self.due)
            if number not in self.peers:
                continue
            try:
                self.peers[number].send(PING)
                self.pings += 1
            except OSError:
                continue  # heard of soon
            heapq.heappush(self.due, (now + self.every, number))

    def run(self):
        """Until standard input ends."""
        self.poll.register(sys.stdin, select.EPOLLIN)
        while True:
            for number, _ in self.poll.poll(0.05):
                if number == sys.stdin.fileno():
                    return
                self.hear(number)
            self.send_pings()


def main(arguments):
    if len(arguments) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    port, count, every = int(arguments[0]), int(arguments[1]), float(arguments[2])
    idle = Idle(port, every)
    while len(idle.peers) < count:
        if not idle.shake_hands(min(AT_ONCE, count - len(idle.peers))):
            print("a newcomer was turned away", flush=True)
            return 1
    print("ready", flush=True)
    idle.run()
    print(json.dumps({"lost": idle.lost, "pings": idle.pings, "pongs": idle.pongs}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
