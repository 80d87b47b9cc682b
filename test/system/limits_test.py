#!/usr/bin/python3
"""Limits of requests: who floods gets what the limit says and is told when to come again; whoever
keeps to it feels nothing, whatever the others do."""

import collections
import http.client
import json
import random
import threading
import time
import unittest

import msgpack
import zmq

from system import System, SystemTest, eventually, seed

PER_S, BURST = 5, 5
HONEST = 40
PER_MIN, BAN_S = 30, 600
MALLORY, ANN, BOB = "203.0.113.7", "203.0.113.8", "203.0.113.9"


def order(name, user):
    return {"op": "order", "id": name, "item": 1, "user": user, "qty": 1}


class Peer:
    """A DEALER that asks one thing at a time."""

    def __init__(self, test, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        test.addCleanup(self.socket.close, 0)

    def ask(self, request, seconds=30):
        self.socket.send(msgpack.packb(request))
        if not self.socket.poll(seconds * 1000):
            raise AssertionError(f"no answer to {request}")
        return msgpack.unpackb(self.socket.recv())

    def verdict(self, request):
        answer = self.ask(request)
        return answer.get("code") or answer.get("state") or "answered"


def ask_http(system, method, path, body=None, **headers):
    """(status, headers, what the JSON says)"""
    link = http.client.HTTPConnection("127.0.0.1", system.http_port, timeout=30)
    try:
        made = {name.replace("_", "-"): value for name, value in headers.items()}
        link.request(method, path, None if body is None else json.dumps(body), made)
        answer = link.getresponse()
        text = answer.read()
        return answer.status, answer.headers, json.loads(text) if text else {}
    finally:
        link.close()


class Users(SystemTest):
    def setUp(self):
        self.system = self.start_system("1:Phone:1000000", STAMPEDE_LIMITS__USER_PER_S=PER_S,
                                        STAMPEDE_LIMITS__USER_BURST=BURST)
        self.told = collections.Counter()
        self.waits = []
        self.stopped = threading.Event()

    def note(self, answer):
        verdict = answer.get("code") or answer.get("state")
        self.told[verdict] += 1
        if verdict == "rate_limited":
            self.waits.append((answer["retry_after_ms"], answer["retry"], answer["field"]))

    def flood(self, number):
        """Mallory, alone, in arrays and over HTTP by turns."""
        dice, peer = random.Random(self.seed + number), Peer(self, self.system.zmq)
        for round_ in range(1 << 20):
            if self.stopped.is_set():
                return
            name = f"m{number}-{round_}"
            way = dice.randrange(4)
            if way == 0:
                orders = [order(f"{name}-{n}", "mallory") for n in range(dice.randrange(1, 200))]
                for answer in peer.ask(orders):
                    self.note(answer)
            elif way == 1:
                body = [{"id": f"{name}-{n}", "item": 1, "user": "mallory"} for n in range(50)]
                for answer in ask_http(self.system, "POST", "/v1/orders", body)[2]:
                    self.note(answer)
            else:
                self.note(peer.ask(order(name, "mallory")))

    def buy(self, number, verdicts):
        """As fast as a user may."""
        peer, user = Peer(self, self.system.zmq), f"honest-{number}"
        for n in range(BURST):
            verdicts[number].append(peer.verdict(order(f"h{number}-{n}", user)))
        time.sleep(1.0 + 1 / PER_S)  # what that many tokens take, and a little
        for n in range(PER_S):
            verdicts[number].append(peer.verdict(order(f"H{number}-{n}", user)))

    def counted(self):
        return self.system.node("webapp-1")["counters"]["refused"].get("rate_limited", 0)

    def test_honest_users_feel_nothing_of_a_flooder(self):
        self.seed = seed()
        began = time.monotonic()
        flood = [threading.Thread(target=self.flood, args=(n,)) for n in range(2)]
        verdicts = collections.defaultdict(list)
        honest = [threading.Thread(target=self.buy, args=(n, verdicts)) for n in range(HONEST)]
        for thread in flood + honest:
            thread.start()
        for thread in honest:
            thread.join()
        self.stopped.set()
        for thread in flood:
            thread.join()
        took = time.monotonic() - began
        all_of_them = [verdict for some in verdicts.values() for verdict in some]
        self.assertEqual(all_of_them, ["confirmed"] * (HONEST * (BURST + PER_S)))
        self.assertEqual(set(self.told), {"confirmed", "rate_limited"}, self.told)
        self.assertGreaterEqual(self.told["confirmed"], BURST)
        self.assertLessEqual(self.told["confirmed"], BURST + PER_S * took + 1)
        for wait, retry, field in self.waits:
            self.assertTrue(1 <= wait <= 1000 / PER_S and retry is True and field == "user",
                            (wait, retry, field))
        self.assertTrue(eventually(lambda: self.counted() == self.told["rate_limited"], 20),
                        (self.counted(), self.told))

    def test_a_refused_order_may_come_again_with_its_id(self):
        peer = Peer(self, self.system.zmq)
        for n in range(BURST):
            self.assertEqual(peer.verdict(order(f"a{n}", "ann")), "confirmed")
        late = peer.ask(order("late", "ann"))
        while late.get("code") == "rate_limited":
            time.sleep(late["retry_after_ms"] / 1000)
            late = peer.ask(order("late", "ann"))
        self.assertEqual(late["state"], "confirmed")
        self.assertFalse(late.get("replayed"))
        status, headers, said = 0, {}, {}
        for n in range(2 * BURST):  # over the other door the same bucket
            status, headers, said = ask_http(self.system, "POST", "/v1/orders", {
                "id": f"b{n}", "item": 1, "user": "ann"}, Prefer="wait=5")
        self.assertEqual((status, said["code"], headers["Retry-After"]), (429, "rate_limited", "1"))
        status, _, said = ask_http(self.system, "DELETE", "/v1/orders/a0?user=ann")
        self.assertEqual((status, said["code"]), (429, "rate_limited"))


class Malformed(SystemTest):
    """Wrong requests are bounded as right ones are, by whichever door."""

    def setUp(self):
        self.system = self.start_system("1:Phone:1000", STAMPEDE_LIMITS__USER_PER_S=1,
                                        STAMPEDE_LIMITS__USER_BURST=BURST,
                                        STAMPEDE_LIMITS__ADDRESS_PER_MIN=60)

    def test_a_flood_of_wrong_orders_uses_up_what_right_ones_would(self):
        peer, wrong = Peer(self, self.system.zmq), order("w", "mallory") | {"qty": 0}
        told = [peer.verdict(wrong) for _ in range(BURST + 1)]
        self.assertEqual(told, ["bad_request"] * BURST + ["rate_limited"])
        told = collections.Counter(answer["code"] for answer in peer.ask(
            [order(f"w{n}", "mal2") | {"qty": 0} for n in range(BURST + 3)]))
        self.assertEqual(told["bad_request"], BURST)
        self.assertEqual(told["rate_limited"], 3)
        body = {"item": 1, "user": "mal3", "qty": 0}
        statuses = [ask_http(self.system, "POST", "/v1/orders", body)[0] for _ in range(BURST + 1)]
        self.assertEqual(statuses, [400] * BURST + [429])
        said = ask_http(self.system, "POST", "/v1/orders", [body | {"user": "mal4"}] * 7)[2]
        self.assertEqual([one["code"] for one in said],
                         ["bad_request"] * BURST + ["rate_limited"] * 2)
        self.assertEqual(peer.verdict(order("good", "ann")), "confirmed")
        told = collections.Counter(answer["code"] for answer in peer.ask(
            [order(f"v{n}", f"many-{n}") | {"qty": 0} for n in range(60)]))
        self.assertEqual(set(told), {"bad_request", "rate_limited"})
        self.assertLess(told["bad_request"], 40)
        late = peer.ask(order("late", "bob"))
        self.assertEqual((late["code"], late["field"]), ("rate_limited", "address"))


class Addresses(SystemTest):
    def get(self, hops, path="/v1/orders/none", **more):
        return ask_http(self.system, "GET", path, X_Forwarded_For=hops, **more)[0]

    def test_an_address_over_its_limit_is_banned_and_no_other(self):
        self.system = self.start_system(
            "1:Phone:1000", STAMPEDE_LIMITS__ADDRESS_PER_MIN=PER_MIN,
            STAMPEDE_LIMITS__ADDRESS_BAN_S=BAN_S, STAMPEDE_WEBAPP__PROXIES="127.0.0.1")
        self.assertEqual([self.get(MALLORY) for _ in range(PER_MIN)], [404] * PER_MIN)
        status, headers, said = ask_http(self.system, "POST", "/v1/orders", {"no": "order"},
                                         X_Forwarded_For=f"{ANN}, {MALLORY}")
        self.assertEqual((status, said["code"], said["field"]), (429, "rate_limited", "address"))
        self.assertTrue(BAN_S - 60 <= int(headers["Retry-After"]) <= BAN_S)
        self.assertEqual(self.get(f"{ANN}, {MALLORY}, 127.0.0.1"), 429)
        self.assertEqual(self.get(MALLORY, "/nowhere"), 429)
        self.assertEqual(self.get(MALLORY, "/healthz"), 200)
        self.assertEqual(self.get(MALLORY, "/readyz"), 200)
        self.assertEqual(self.get(f"{MALLORY}, {ANN}"), 404)
        # An array is as many requests as it has orders, and those over the limit are refused alone.
        body = [{"id": f"a{n}", "item": 1, "user": f"u{n}"} for n in range(PER_MIN + 5)]
        _, _, said = ask_http(self.system, "POST", "/v1/orders", body, X_Forwarded_For=BOB)
        self.assertEqual([entry.get("state") or entry["code"] for entry in said],
                         ["confirmed"] * PER_MIN + ["rate_limited"] * 5)
        self.assertEqual([entry["status"] for entry in said[PER_MIN:]], [429] * 5)
        self.doors()
        self.assertEqual(self.get(ANN), 404)

    def doors(self):
        """Over tcp a peer's own address counts, on both doors; a Unix socket has none."""
        tcp = Peer(self, self.system.zmq)
        local = Peer(self, f"ipc://{self.system.run}/sock/clients-1")
        for n in range(PER_MIN):
            self.assertEqual(tcp.verdict({"op": "get", "id": f"n{n}"}), "unknown_request")
        answer = tcp.ask({"op": "order", "id": "x", "item": "wrong"})
        self.assertEqual((answer["id"], answer["code"]), ("x", "rate_limited"))
        self.assertEqual(tcp.ask({"op": "ping", "id": "p"})["state"], "ready")
        self.assertEqual(ask_http(self.system, "GET", "/v1/items")[0], 429)
        for n in range(3 * PER_MIN):
            self.assertEqual(local.verdict(order(f"l{n}", "ann")), "confirmed")


class Mistakes(SystemTest):
    def test_wrong_values_are_named(self):
        system = System()
        self.addCleanup(system.stop)
        for key, value in (("LIMITS__USER_PER_S", "-1"), ("LIMITS__USER_PER_S", "2.5"),
                           ("LIMITS__USER_PER_S", "1000001"), ("LIMITS__USER_BURST", "0"),
                           ("LIMITS__ADDRESS_PER_MIN", "many"), ("LIMITS__ADDRESS_BAN_S", "86401"),
                           ("LIMITS__ADDRESS_BAN_S", "5"), ("WEBAPP__PROXIES", "10.0.0.0/33"),
                           ("WEBAPP__PROXIES", "proxy.example"), ("WEBAPP__PROXIES", "10.1.1.1:80"),
                           ("LIMITS__ADDRESS_PER_H", "5")):
            with self.subTest(key=key, value=value):
                done = system.stampede("webapp", **{f"STAMPEDE_{key}": value})
                self.assertEqual(done.returncode, 78, done.stderr)
                named = key.replace("__", ".").lower()
                self.assertTrue(f"STAMPEDE_{key}" in done.stderr or named in done.stderr,
                                done.stderr)


if __name__ == "__main__":
    unittest.main()
