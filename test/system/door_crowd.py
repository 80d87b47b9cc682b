#!/usr/bin/python3
"""Connections that keep the places at a door busy; a process of their own.

Usage: test/system/door_crowd.py PLACE CONNECTIONS WORDS
PLACE: HOST:PORT, or the path of a unix socket. Each of CONNECTIONS says WORDS, again whenever it
has said and heard all, and comes again when it is ended. Says "ready" when all are connected and,
when its input ends, how much it heard and how often it was ended.
"""

import resource
import selectors
import socket
import sys

HEARD_AT_ONCE = 1 << 16


class Crowd:
    def __init__(self, place, connections, words):
        self.place, self.words = place, words
        self.selector = selectors.DefaultSelector()
        self.unsaid = {}
        self.heard = self.ended = 0
        for _ in range(connections):
            self.connect()

    def connect(self):
        host, _, port = self.place.rpartition(":")
        peer = socket.socket(socket.AF_INET if host else socket.AF_UNIX)
        try:
            peer.connect((host, int(port)) if host else self.place)
        except OSError:  # no place in the queue: at the next turn
            peer.close()
            return
        peer.setblocking(False)
        self.unsaid[peer] = self.words
        self.selector.register(peer, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def use(self, peer, events):
        try:
            if events & selectors.EVENT_READ:
                heard = len(peer.recv(HEARD_AT_ONCE))
                if heard == 0:
                    raise ConnectionResetError
                self.heard += heard
                if not self.unsaid[peer] and self.words:
                    self.unsaid[peer] = self.words
                    self.selector.modify(peer, selectors.EVENT_READ | selectors.EVENT_WRITE)
            if events & selectors.EVENT_WRITE:
                self.unsaid[peer] = self.unsaid[peer][peer.send(self.unsaid[peer]):]
                if not self.unsaid[peer]:
                    self.selector.modify(peer, selectors.EVENT_READ)
        except BlockingIOError:
            pass
        except OSError:
            self.ended += 1
            self.selector.unregister(peer)
            del self.unsaid[peer]
            peer.close()
            self.connect()

    def run(self):
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, events in self.selector.select(0.1):
                if key.fileobj is sys.stdin:
                    return
                self.use(key.fileobj, events)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(sys.argv[1], int(sys.argv[2]), sys.argv[3].encode())
    crowd.run()
    print(f"{crowd.heard} bytes heard, {crowd.ended} times ended")
