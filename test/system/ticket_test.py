#!/usr/bin/python3
"""Promos that need tickets: who gets one, how many there are, what an order may do with one.

The backend and a webapp are killed while tickets are given: there are as many as the gate lets
through, not one more and not one less, and every confirmed order has its own.
"""

import base64
import json
import os
import random
import threading
import time
import unittest
import urllib.error
import urllib.request

import msgpack
import zmq

from by_hand import make_snapshot, must, start, stop_nodes
from system import SystemTest, eventually, seed

UNDECIDED = ("overloaded", "replaying", "draining", "no_backend", "deadline_passed", "internal")


class Window:
    """Asks one webapp over SF1 until there is an answer that is not to be asked again."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.socket = None
        self.connect()

    def connect(self):
        self.close()
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(self.endpoint)

    def close(self):
        if self.socket is not None:
            self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, op, name, seconds=60, **more):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.socket.send(msgpack.packb({"op": op, "id": name, **more}))
            answer = self._answer_to(name, 1.5)
            if answer is None:
                self.connect()
            elif answer.get("code") not in UNDECIDED:
                return answer
        raise AssertionError(f"no answer to {op} {name}")

    def _answer_to(self, name, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.socket.poll(int(left * 1000)):
                answer = msgpack.unpackb(self.socket.recv())
                if name in (answer.get("id"), answer.get("asked")):
                    return answer
        return None

    def ticket(self, name, user="ann", promo=7):
        return self.ask("ticket", name, promo=promo, user=user)

    def order(self, name, user="ann", ticket=None, promo=7, item=1, **more):
        if ticket is not None:
            more["ticket"] = ticket
        return self.ask("order", name, item=item, user=user, promo=promo, **more)


class Tickets(SystemTest):
    def add_promo(self, system, *flags, promo=7, item=1, ends="+1h"):
        must(system.stampede("promo", "add", promo, "--item", item, "--name", "Half",
                             "--price-cents", 500, "--starts", "now", "--ends", ends,
                             "--ticket", *flags), "promo add")

    def shown(self, system, promo=7):
        told = must(system.stampede("--json", "promo", "show", promo), "promo show")
        return json.loads(told.stdout)

    def test_a_ticket_is_given_shown_and_used_once(self):
        system = self.start_system("1:Phone:10")
        self.add_promo(system, "--gate-factor", 1)
        row = self.shown(system)
        self.assertEqual((row["ticket"], row["gate_factor"], row["granted"]), ("required", 1, 0))
        with Window(system.zmq) as window:
            items = window.ask("items", "i", item=1)["items"]
            self.assertEqual(items[0]["promo"]["ticket"], "required")
            self.assertEqual(window.order("o")["code"], "ticket_required")
            given = window.ticket("t-1")
            self.assertEqual((given["id"], given["promo"], given["item"]), ("t-1", 7, 1))
            self.assertNotIn("asked", given)
            self.assertEqual(given["expires_at"], row["ends_at_ms"])
            self.assertEqual(window.ticket("t-1"), given)
            self.assertEqual(window.ticket("t-2"), {**given, "asked": "t-2"})
            ticket = given["ticket"]
            self.assertEqual(window.order("t-1")["code"], "ticket_required")
            for wrong in ({"ticket": ticket[:-1]}, {"ticket": "t1." + ticket}, {"ticket": "x"},
                          {"user": "bob", "ticket": ticket}, {"name": "t-2", "ticket": ticket}):
                with self.subTest(wrong):
                    answer = window.order(wrong.get("name", "t-1"), wrong.get("user", "ann"),
                                          wrong["ticket"])
                    self.assertEqual((answer["code"], answer["field"], answer["retry"]),
                                     ("ticket_invalid", "ticket", False))
            bought = window.order("t-1", ticket=ticket)
            self.assertEqual((bought["state"], bought["unit_price_cents"]), ("confirmed", 500))
            for again in (ticket, "t1.forged.x", None):
                self.assertTrue(window.order("t-1", ticket=again)["replayed"])
            self.assertEqual(window.ticket("t-1")["code"], "key_reused")
            second = window.ticket("t-3")
            self.assertEqual(second["id"], "t-3")
            self.assertEqual(window.order("t-3", ticket=ticket)["code"], "ticket_invalid")
            self.assertEqual(window.order("t-3", ticket=second["ticket"])["state"], "confirmed")
        self.assertEqual(self.shown(system)["granted"], 2)
        self.assertTrue(eventually(lambda: system.node("backend-1").get("tickets")
                                   == {"granted": 2}), system.status())
        system.verify()
        self.assertEqual(system.sql("SELECT ticket, gate_factor, granted FROM promo"),
                         [["required", "1", "2"]])

    def test_other_promos_windows_and_limits(self):
        system = self.start_system("1:Phone:10", "2:Case:10")
        self.add_promo(system, "--limit-per-user", 1, ends="+8s")
        self.add_promo(system, promo=8, item=2)
        must(system.stampede("promo", "add", 9, "--item", 1, "--name", "Later", "--price-cents", 1,
                             "--starts", "+1h", "--ends", "+2h", "--ticket"), "promo add")
        with Window(system.zmq) as window:
            self.assertEqual(window.ticket("x", promo=77)["code"], "unknown_promo")
            later = window.ticket("x", promo=9)
            self.assertEqual(later["code"], "not_started")
            self.assertTrue(later["retry"])
            self.assertLess(abs(later["retry_after_ms"] - 3_540_000), 30_000)
            mine, other = window.ticket("a"), window.ticket("b", promo=8)
            self.assertEqual(window.order("a", ticket=other["ticket"])["code"], "ticket_invalid")
            self.assertEqual(window.order("b", ticket=mine["ticket"], promo=8, item=2)["code"],
                             "ticket_invalid")
            over = window.order("a", ticket=mine["ticket"], qty=2)
            self.assertEqual(over["reason"], "limit_reached")
            fresh = window.ticket("c")
            self.assertEqual(window.order("c", ticket=fresh["ticket"])["state"], "confirmed")
            self.assertEqual(window.ticket("d")["code"], "limit_reached")
            kept = window.ticket("e", user="bob")
            told = system.stampede("promo", "set", 7, "--ticket=none")
            self.assertNotEqual(told.returncode, 0)
            self.assertIn("ticket", told.stdout + told.stderr)
            # Its window is moved: the ticket's own time is not.
            must(system.stampede("promo", "set", 7, "--ends", "+30m"), "promo set")
            while time.time() * 1000 < kept["expires_at"] + 50:
                time.sleep(0.05)
            expired = window.order("e", user="bob", ticket=kept["ticket"])
            self.assertEqual((expired["code"], expired["field"]), ("ticket_expired", "ticket"))
            self.assertEqual(window.order("c", ticket=fresh["ticket"])["state"], "confirmed")
            self.assertEqual(window.ticket("f", user="bob")["id"], "f")
            must(system.stampede("promo", "end", 7), "promo end")
            self.assertEqual(window.ticket("g", user="bob")["code"], "ended")
            self.assertEqual(window.order("c", ticket="t1.x.y")["state"], "confirmed")
        system.verify()

    def test_the_gate_grows_with_the_stock_and_sold_out_is_not_for_good(self):
        system = self.start_system("1:Phone:2")
        self.add_promo(system, "--gate-factor", 2)
        with Window(system.zmq) as window:
            given = [window.ticket(f"t{n}", f"u{n}") for n in range(4)]
            closed = window.ticket("t4", "u4")
            self.assertEqual((closed["code"], closed["retry"]), ("gate_closed", False))
            told = system.stampede("promo", "set", 7, "--gate-factor", 1)
            self.assertNotEqual(told.returncode, 0)
            self.assertIn("--gate-factor", told.stdout + told.stderr)
            for n in range(2):
                self.assertEqual(window.order(f"t{n}", f"u{n}", given[n]["ticket"])["state"],
                                 "confirmed")
            waiting = window.order("t2", "u2", given[2]["ticket"])
            self.assertEqual((waiting["code"], waiting["retry"]), ("sold_out", True))
            self.assertNotIn("state", waiting)
            self.assertEqual(window.ticket("t4", "u4")["code"], "gate_closed")
            must(system.stampede("item", "stock", 1, "+1"), "item stock")
            self.assertEqual(window.order("t2", "u2", given[2]["ticket"])["state"], "confirmed")
            self.assertEqual(window.ticket("t4", "u4")["code"], "sold_out")
            must(system.stampede("item", "stock", 1, "+1"), "item stock")
            for n in range(4, 8):
                self.assertEqual(window.ticket(f"t{n}", f"u{n}")["id"], f"t{n}")
            self.assertEqual(window.ticket("t8", "u8")["code"], "gate_closed")
        system.verify()

    def http(self, system, method, path, body=None, **headers):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json",
                   **{name.replace("_", "-"): text for name, text in headers.items()}}
        request = urllib.request.Request(system.http + path, data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def test_the_same_over_http(self):
        system = self.start_system("1:Phone:3")
        self.add_promo(system, "--gate-factor", 1)
        path = "/v1/promos/7/tickets"
        status, given = self.http(system, "POST", path, {"user": "ann", "id": "t-1"})
        self.assertEqual((status, given["id"], given["promo"], given["item"]), (201, "t-1", 7, 1))
        status, minted = self.http(system, "POST", path, {"user": "bob"})
        self.assertEqual(status, 201)
        self.assertRegex(minted["id"], "^[0-9a-f]{32}$")
        status, again = self.http(system, "POST", path, {"user": "bob"}, Idempotency_Key="t-9")
        self.assertEqual((again["id"], again["asked"]), (minted["id"], "t-9"))
        order = {"item": 1, "user": "ann", "promo": 7}
        wait = {"Prefer": "wait=5"}
        self.assertEqual(self.http(system, "POST", "/v1/orders", {**order, "id": "o"}, **wait)[0],
                         403)
        # Without an id it is the ticket's.
        status, bought = self.http(system, "POST", "/v1/orders",
                                   {**order, "ticket": given["ticket"]}, **wait)
        self.assertEqual((status, bought["id"]), (201, "t-1"))
        orders = [{**order, "user": "bob", "ticket": minted["ticket"]},
                  {**order, "user": "bob", "ticket": given["ticket"], "id": "o"}]
        status, answers = self.http(system, "POST", "/v1/orders", orders)
        self.assertEqual((answers[0]["state"], answers[0]["id"]), ("confirmed", minted["id"]))
        self.assertEqual(answers[1]["code"], "ticket_invalid")
        self.assertEqual(self.http(system, "POST", path, {"user": "carl"})[0], 201)
        status, closed = self.http(system, "POST", path, {"user": "dora"})
        self.assertEqual((status, closed["code"]), (409, "gate_closed"))
        self.assertEqual(self.http(system, "POST", "/v1/promos/77/tickets", {"user": "a"})[0], 404)
        self.assertEqual(self.http(system, "GET", "/v1/items/1")[1]["promo"]["ticket"], "required")
        system.verify()

    def test_another_systems_ticket_is_foreign_and_a_lost_key_is_made_anew(self):
        system = self.start_system("1:Phone:10")
        self.add_promo(system)
        key = system.run / "ticket.key"
        self.assertEqual(os.stat(key).st_mode & 0o777, 0o600)
        with Window(system.zmq) as window:
            given = window.ticket("t-1")
            stop_nodes(system)
            key.unlink()
            start(system)
            anew = window.ticket("t-1")
            self.assertEqual({**anew, "ticket": given["ticket"]}, given)
            self.assertNotEqual(anew["ticket"], given["ticket"])
            self.assertEqual(window.order("t-1", ticket=given["ticket"])["code"], "ticket_invalid")
            payload = base64.urlsafe_b64decode(given["ticket"].split(".")[1] + "==")
            self.assertIn(b"annt-1", payload)
            self.assertEqual(window.order("t-1", ticket=anew["ticket"])["state"], "confirmed")

    def test_exactly_as_many_as_the_gate_lets_through_whatever_is_killed(self):
        rng = random.Random(seed())
        system = self.start_system("1:Phone:60", nodes="webapp=2,broker=1,backend=1")
        self.add_promo(system, "--gate-factor", 2, "--limit-per-user", 1)
        gate, users = 120, 200
        ports = [system.zmq, system.zmq_2]
        tickets, closed, bought, others, lock = {}, [], {}, [], threading.Lock()
        todo = list(range(users))
        rng.shuffle(todo)

        def buyer(number):
            own = random.Random(rng.random())
            windows = [Window(port) for port in ports]
            while True:
                with lock:
                    if not todo:
                        break
                    user = todo.pop()
                name = f"u{user}"
                given = own.choice(windows).ticket(f"t{user}-{own.random()}".replace(".", "_"),
                                                   name)
                if "ticket" not in given:
                    with lock:
                        closed.append((name, given["code"]))
                    continue
                # Again, of whichever webapp: the same.
                again = own.choice(windows).ticket(f"again-{user}", name)
                with lock:
                    if (again.get("id"), again.get("ticket")) != (given["id"], given["ticket"]):
                        others.append((given, again))
                    tickets[name] = given
                if own.random() < 0.3:
                    answer = own.choice(windows).order(given["id"], name, given["ticket"])
                    with lock:
                        bought[given["id"]] = answer
                time.sleep(own.uniform(0, 0.05))
            for window in windows:
                window.close()

        buyers = [threading.Thread(target=buyer, args=(n,)) for n in range(6)]
        for one in buyers:
            one.start()
        for node in ("backend-1", "webapp-2", "backend-1"):
            time.sleep(rng.uniform(0.2, 1.0))
            system.wait_back(node, system.kill9(node))
        for one in buyers:
            one.join()
        self.assertEqual(others, [])
        self.assertEqual(len(tickets) + len(closed), users)
        sold_out = any(code == "sold_out" for _, code in closed)
        if not sold_out:
            self.assertEqual(len(tickets), gate)
        self.assertLessEqual({code for _, code in closed}, {"gate_closed", "sold_out"})
        self.assertEqual(self.shown(system)["granted"], len(tickets))
        with Window(ports[0]) as window:
            if not sold_out:
                self.assertEqual(window.ticket("one-more", "somebody")["code"], "gate_closed")
            confirmed = [name for name, answer in bought.items()
                         if answer.get("state") == "confirmed"]
            for name in confirmed[:20]:
                user = next(u for u, given in tickets.items() if given["id"] == name)
                self.assertTrue(window.order(name, user, "t1.x.y")["replayed"])
        system.verify()
        ids = {given["id"] for given in tickets.values()}
        rows = [row[0] for row in system.sql("SELECT request_id FROM orders")]
        self.assertEqual(set(rows), set(confirmed))
        self.assertLessEqual(set(rows), ids)
        self.assertEqual(system.number("SELECT granted FROM promo"), len(tickets))
        # The same from a snapshot, and written again from the log.
        make_snapshot(system)
        system.wait_back("backend-1", system.kill9("backend-1"))
        live = next(user for user, given in tickets.items() if given["id"] not in bought)
        with Window(ports[0]) as window:
            given = window.ticket("x", live)
            self.assertEqual(given["ticket"], tickets[live]["ticket"])
            self.assertEqual(window.order(given["id"], live, given["ticket"]).get("state"),
                             "confirmed" if len(confirmed) < 60 else None)
        system.verify()
        stop_nodes(system)
        for table in ("orders", "item", "promo", "stock_change", "lane", "meta"):
            system.sql(f"TRUNCATE TABLE {table}")
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        self.assertEqual(system.number("SELECT granted FROM promo"), len(tickets))
        start(system)
        system.verify()

    def test_wrong_terms_are_named(self):
        system = self.start_system("1:Phone:10")
        self.add_promo(system)
        for flags in (("--ticket=maybe",), ("--gate-factor", "-1"), ("--gate-factor", "1000001"),
                      ("--gate-factor", "x")):
            with self.subTest(flags):
                told = system.stampede("promo", "set", 7, *flags)
                self.assertEqual(told.returncode, 2, told.stderr)
                self.assertIn(flags[0].split("=")[0], told.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
