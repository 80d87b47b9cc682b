#!/usr/bin/python3
"""/v1/events of a real system: the present values first, then changes, four times a second at most;
through a kill of the backend; a thousand listeners (STAMPEDE_EVENT_STREAMS=10000 for the long run),
what they cost, and what one costs that does not read. GET of an order waits for its decision.
"""

import json
import os
import resource
import select
import selectors
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

from system import SystemTest, eventually

from stampede import Client

STREAMS = int(os.environ.get("STAMPEDE_EVENT_STREAMS", "1000"))


class Listener:
    """One connection to /v1/events, read whenever somebody asks."""

    def __init__(self, port, items, method="GET", headers="", address="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), 20, (address, 0))
        self.socket.sendall(f"{method} /v1/events?items={items} HTTP/1.1\r\nHost: localhost\r\n"
                            f"{headers}\r\n".encode())
        self.text = b""

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def read(self):
        """What there is; False at the end."""
        got = self.socket.recv(65536)
        self.text += got
        return bool(got)

    def take(self):
        """The events that are whole; what follows them is kept."""
        whole, mark, self.text = self.text.rpartition(b"\n\n")
        return [json.loads(line[6:]) for line in (whole + mark).split(b"\n")
                if line.startswith(b"data: ")]

    def until(self, wanted, seconds=20):
        """All events up to the first that is wanted."""
        seen = []
        self.socket.settimeout(0.2)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if not self.read():
                    break
            except TimeoutError:
                pass
            seen += self.take()
            if any(wanted(event) for event in seen):
                return seen
        raise AssertionError(f"not among {seen}, {self.text}")


def answer_of(url, headers=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}),
                                    timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


class Events(SystemTest):
    def test_values_changes_and_a_kill(self):
        system = self.start_system("1:Phone:100", "2:Lamp:7")
        with Client(system.zmq) as client, Listener(system.http_port, "2,1") as listener:
            first = listener.until(lambda event: event["item"] == 1)
            self.assertEqual({event["item"]: (event["left"], event["state"]) for event in first},
                             {1: (100, "open"), 2: (7, "open")})
            self.assertEqual(set(first[0]), {"item", "seq", "left", "state", "ts"})
            self.assertLess(abs(first[0]["ts"] / 1000 - time.time()), 60)
            began = time.monotonic()
            for number in range(60):
                client.order(1, f"user-{number}")
                time.sleep(0.02)
            seen = listener.until(lambda event: event["left"] == 40)
            passed = time.monotonic() - began
            self.assertLessEqual(len(seen), 4 * passed + 2)
            lefts = [event["left"] for event in seen]
            self.assertEqual(lefts, sorted(lefts, reverse=True))
            client.order(2, "ann", 5)
            client.order(2, "bob", 2)
            listener.until(lambda event: event["item"] == 2 and event["state"] == "sold_out")

            system.restart("backend-1")
            client.order(1, "carl")
            listener.until(lambda event: event["item"] == 1 and event["left"] == 39)
            # Who comes again hears the present values, whatever it heard last.
            with Listener(system.http_port, "1", headers="Last-Event-ID: 5\r\n") as again:
                self.assertEqual(again.until(lambda _: True)[0]["left"], 39)
                self.assertIn(b"retry: ", again.text or b"retry: ")

        base = f"{system.http}/v1/events"
        for query, field in (("", "items"), ("?items=", "items"), ("?items=1,x", "items"),
                             ("?items=1&items=2", "items")):
            status, problem = answer_of(base + query)
            self.assertEqual((status, problem["code"], problem["field"]),
                             (400, "bad_request", field), query)
        status, problem = answer_of(base + "?items=1,99")
        self.assertEqual((status, problem["code"]), (404, "unknown_item"))
        self.assertIn("99", problem["title"] + problem.get("detail", ""))
        self.show_waits_for_the_decision(system)

    def show_waits_for_the_decision(self, system):
        """GET of an order that is open while the backend is stopped."""
        backend = system.pid("backend-1")
        system.signal(backend, 19)
        body = json.dumps({"item": 1, "user": "ann", "id": "mine"}).encode()
        request = urllib.request.Request(f"{system.http}/v1/orders", data=body,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            self.assertEqual(answer.status, 202)
        url = f"{system.http}/v1/orders/mine"
        began = time.monotonic()
        self.assertEqual(answer_of(url)[1]["state"], "queued")
        self.assertLess(time.monotonic() - began, 0.9)
        began = time.monotonic()
        self.assertEqual(answer_of(url, {"Prefer": "wait=1"})[1]["state"], "queued")
        self.assertGreaterEqual(time.monotonic() - began, 0.9)
        waiting = subprocess.Popen([sys.executable, "-c", f"""
import urllib.request
print(urllib.request.urlopen(urllib.request.Request({url!r}, headers={{"Prefer": "wait=25"}}),
                             timeout=40).read().decode())"""], stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
        system.signal(backend, 18)
        out, _ = waiting.communicate(timeout=40)
        self.assertEqual(json.loads(out)["state"], "confirmed")
        self.assertLess(time.monotonic() - began, 20)


class Crowd(SystemTest):
    """Many listeners of one item that changes all the time."""

    def test_many_listeners_hear_it_soon_and_cost_little(self):
        descriptors = 2 * STREAMS + 500
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptors, hard), hard))
        system = self.start_system("1:Phone:1000000", STAMPEDE_WEBAPP__EVENTS_MAX=str(STREAMS + 1))
        before = system.memory("webapp-1")
        listeners = [Listener(system.http_port, "1") for _ in range(STREAMS)]
        self.addCleanup(lambda: [listener.close() for listener in listeners])
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", system.http_port))
        deaf.sendall(b"GET /v1/events?items=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.addCleanup(deaf.close)
        streams = lambda: self.counters(system).get("stampede_event_streams", 0)
        self.assertTrue(eventually(lambda: streams() == STREAMS + 1, 30), streams())
        # One more is too many, and takes the place of none; buyers are served.
        with Listener(system.http_port, "1") as refused:
            self.assertTrue(eventually(lambda: not refused.read() or b"\r\n\r\n" in refused.text))
            self.assertIn(b" 503 ", refused.text)
        self.assertEqual(answer_of(f"{system.http}/v1/items/1")[0], 200)

        lates, slowest = self.listen(system, listeners)
        used = system.memory("webapp-1") - before
        lates.sort()
        p50, p99 = lates[len(lates) // 2], lates[len(lates) * 99 // 100]
        print(f"{STREAMS} listeners: {len(lates)} events, {p50:.0f} ms at p50, {p99:.0f} ms at p99,"
              f" {used / 2**20:.1f} MiB of the webapp, an order {slowest * 1000:.0f} ms at most",
              file=sys.stderr)
        self.assertLess(used, 200 * 2**20)
        self.assertLess(p99, 2_000)
        self.assertGreater(len(lates), STREAMS * 4)  # in four seconds

    def listen(self, system, listeners):
        """(milliseconds from each event's ts to its reading, the slowest order's seconds)."""
        selector = selectors.DefaultSelector()
        for listener in listeners:
            listener.socket.setblocking(False)
            selector.register(listener, selectors.EVENT_READ)
        lates, slowest = [], 0.0
        per_listener = dict.fromkeys(listeners, 0)
        with Client(system.zmq) as client:
            began = time.monotonic()
            for number in range(10_000):
                asked = time.monotonic()
                if asked - began > 4:
                    break
                client.order(1, f"user-{number}")
                slowest = max(slowest, time.monotonic() - asked)
                for key, _ in selector.select(0.01):
                    self.assertTrue(key.fileobj.read())
                    now = time.time() * 1000
                    for event in key.fileobj.take():
                        per_listener[key.fileobj] += 1
                        if per_listener[key.fileobj] > 1:  # the first is as old as it is
                            lates.append(now - event["ts"])
            passed = time.monotonic() - began
        self.assertLessEqual(max(per_listener.values()), 4 * passed + 3)
        return lates, slowest

    @staticmethod
    def counters(system):
        text = urllib.request.urlopen(system.health + "/metrics", timeout=10).read().decode()
        found = {}
        for line in text.splitlines():
            name, _, value = line.rpartition(" ")
            if not line.startswith("#"):
                name = name.partition("{")[0]
                found[name] = found.get(name, 0) + float(value)
        return found


class Shares(SystemTest):
    def test_an_address_that_has_all_streams_gives_one_to_a_newcomer(self):
        system = self.start_system("1:Phone:100", STAMPEDE_WEBAPP__EVENTS_MAX="6")
        listeners = [Listener(system.http_port, "1") for _ in range(6)]
        self.addCleanup(lambda: [listener.close() for listener in listeners])
        for listener in listeners:
            listener.until(lambda event: event["item"] == 1)
        with Listener(system.http_port, "1", address="127.0.0.2") as newcomer:
            self.assertTrue(newcomer.until(lambda event: event["item"] == 1))
            ended, _, _ = select.select(listeners, [], [], 10)
            self.assertEqual([listener.read() for listener in ended], [False])
            with Listener(system.http_port, "1") as refused:
                self.assertTrue(eventually(
                    lambda: not refused.read() or b"\r\n\r\n" in refused.text))
                self.assertIn(b" 503 ", refused.text)


if __name__ == "__main__":
    unittest.main()
