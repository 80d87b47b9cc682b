#!/usr/bin/python3
"""Arrays of orders: one array of answers each, the same answers as alone, through crashes too."""

import itertools
import threading
import unittest

import msgpack
import zmq

from buyers import Crowd, essence, order
from system import SystemTest

from stampede import Client, StampedeError


class Arrays(SystemTest):
    def ask(self, system, orders, kind=zmq.DEALER, seconds=30):
        """One frame and the one frame that answers it; with REQ the socket checks the delimiter."""
        with zmq.Context() as context, context.socket(kind) as socket:
            socket.linger = 0
            socket.connect(system.zmq)
            socket.send(msgpack.packb(orders))
            self.assertTrue(socket.poll(seconds * 1000), "no answer")
            answer = msgpack.unpackb(socket.recv())
            self.assertFalse(socket.poll(50), "a second answer")
            return answer

    def test_every_rule_of_a_batch(self):
        system = self.start_system("1:Phone:600", "2:Watch:5")
        # The largest: every place its answer, and exactly the stock is sold.
        orders = [order(f"b{number}") for number in range(1000)]
        answers = self.ask(system, orders)
        self.assertEqual([one["id"] for one in answers], [one["id"] for one in orders])
        self.assertEqual([one["state"] for one in answers],
                         ["confirmed"] * 600 + ["rejected"] * 400)
        self.assertEqual([one["left"] for one in answers[:600]], [*range(599, -1, -1)])
        self.assertEqual({one["reason"] for one in answers[600:]}, {"sold_out"})

        # Once more, over REQ, in another order and with strangers between: the same answers.
        mixed = orders[990:] + [order("new", item=2)] + orders[:10]
        again = {one["id"]: one for one in self.ask(system, mixed, zmq.REQ)}
        self.assertEqual(again["new"]["state"], "confirmed")
        for first in answers[990:] + answers[:10]:
            self.assertEqual(essence(again[first["id"]]), essence(first))
            self.assertTrue(again[first["id"]]["replayed"])

        # One id twice in an array: bought once. No id: minted, each its own.
        twice = self.ask(system, [order("t", item=2), order("t", item=2),
                                  order("t", item=2, qty=2)])
        self.assertEqual(essence(twice[0]), essence(twice[1]))
        self.assertEqual((twice[0].get("replayed"), twice[1].get("replayed")), (None, True))
        self.assertEqual((twice[2]["code"], twice[2]["id"]), ("key_reused", "t"))
        minted = self.ask(system, [{"op": "order", "item": 2, "user": "ann"}] * 2)
        self.assertEqual(len({one["id"] for one in minted}), 2)
        with Client(system.zmq) as client:
            for one in minted:
                self.assertEqual(client.get(one["id"]).order_id, one["order_id"])

        # What is wrong is an error in its place.
        wrong = self.ask(system, [order("w1", item=404), order("w2", qty=6), order("w3", qty=0),
                                  {"op": "get", "id": "t"}, order("good", item=2, ack=True)])
        self.assertEqual([(one.get("code"), one.get("field")) for one in wrong],
                         [("unknown_item", "item"), ("bad_request", "qty"), ("bad_request", "qty"),
                          ("bad_request", "op"), (None, None)])
        self.assertEqual(wrong[4]["state"], "confirmed")
        self.assertEqual(self.ask(system, []), [])

        # A damaged frame decides nothing of what is whole in it.
        damaged = self.ask(system, [order("half", item=2), order("no good")])
        self.assertEqual((damaged["code"], "id" in damaged), ("bad_protocol", False))
        with Client(system.zmq) as client, self.assertRaises(StampedeError) as caught:
            client.get("half")
        self.assertEqual(caught.exception.code, "unknown_request")
        self.assertEqual(self.ask(system, orders + [order("b1000")])["code"], "too_large")
        self.assertEqual(self.ask(system, [order("x", pad="x" * 60_000)] * 5)["code"], "too_large")
        self.assertEqual(system.verify()["rows"], 605)

    def test_an_array_while_no_backend_serves_waits_for_its_deadline_and_settles_later(self):
        system = self.start_system("1:Phone:10", STAMPEDE_SUPERVISOR__MISSED_HEARTBEATS_MAX=240,
                                   STAMPEDE_SUPERVISOR__STALL_MS=60_000)
        backend = system.pid("backend-1")
        system.signal(backend, 19)
        self.addCleanup(system.signal, backend, 18)
        answers = self.ask(system, [order("a", deadline_ms=100), order("b", qty=0),
                                    order("c", deadline_ms=700)])
        self.assertEqual([one["id"] for one in answers], ["a", "b", "c"])
        for one in answers[0], answers[2]:
            self.assertIn(one["code"], ("deadline_passed", "no_backend"))
            self.assertTrue(one["retry"])
        system.signal(backend, 18)
        with Client(system.zmq) as client:
            results = client.order_many([{"item": 1, "user": f"user-{name}", "request_id": name}
                                         for name in ("a", "c")], timeout=30)
        self.assertTrue(all(one.confirmed for one in results), results)
        self.assertEqual(system.verify()["rows"], 2)

    def test_arrays_through_kills_of_every_node(self):
        system = self.start_system("1:Phone:3000", nodes="webapp=2,broker=1,backend=1")
        with Crowd(system.zmq, system.zmq_2, sockets=4, batch=64) as crowd:
            stop = threading.Event()
            endless = (order(f"c{number}") for number in itertools.count())
            source = iter(lambda: None if stop.is_set() else next(endless), None)
            runner = threading.Thread(target=lambda: crowd.run(source, rate=4000, seconds=120))
            runner.start()
            try:
                for name in ("backend-1", "broker-1", "webapp-1", "backend-1"):
                    system.wait_back(name, system.kill9(name))
            finally:
                stop.set()
                runner.join(150)
            self.assertFalse(runner.is_alive())
            self.assertEqual(crowd.faults, [])
            self.assertEqual(crowd.open(), 0, crowd.errors)
            self.assertGreater(crowd.arrays, 20)
            self.assertTrue(crowd.ask_all_again(), crowd.faults)
            self.assertEqual(crowd.faults, [])
            report = system.verify()
            self.assertEqual(report["rows"], len(crowd.confirmed()))
            rows = system.sql("SELECT request_id, order_id FROM orders")
            told = sorted((name, one["order_id"]) for name, one in crowd.confirmed().items())
            self.assertEqual(sorted(map(tuple, rows)), told)


if __name__ == "__main__":
    unittest.main(verbosity=2)
