#!/usr/bin/python3
"""One request id, one answer: through repetitions, crashes and restocks."""

import threading
import unittest

from buyers import Crowd, essence, order
from system import SystemTest, eventually  # makes clients/python importable, too

from stampede import Client, StampedeError


class RequestIds(SystemTest):
    def ask_100_times(self, crowd, one):
        """A hundred equal requests at once over four connections; the set of their answers."""
        seen = []
        judge = crowd._judge_final
        crowd._judge_final = lambda name, answer: (seen.append(answer), judge(name, answer))
        crowd.send([one] * 100)
        self.assertTrue(crowd.receive(lambda: len(seen) >= 100, 30), f"{len(seen)} answers")
        crowd._judge_final = judge
        return seen

    def code_of(self, client, **what):
        with self.assertRaises(StampedeError) as caught:
            client.order(**what)
        return caught.exception.code

    def test_an_id_sent_100_times_before_during_and_after_a_crash_is_one_order(self):
        system = self.start_system("1:Phone:100", "2:Watch:100")
        with Crowd(system.zmq) as crowd, Client(system.zmq) as client:
            one = order("same", user="ann", qty=2)
            first = self.ask_100_times(crowd, one)
            self.assertEqual(len({essence(answer) for answer in first}), 1)
            self.assertEqual(first[0]["state"], "confirmed")

            # While the backend dies and comes back, with a client that asks until it knows.
            answers = []
            asker = threading.Thread(target=lambda: answers.extend(
                client.order(1, "ann", 2, request_id="same", timeout=30) for _ in range(100)))
            asker.start()
            old = system.kill9("backend-1")
            asker.join(60)
            self.assertFalse(asker.is_alive(), "the client did not get its 100 answers")
            system.wait_back("backend-1", old)
            self.assertEqual({one.order_id for one in answers}, {first[0]["order_id"]})

            # The webapp remembers answers too: without its memory, the backend's is asked.
            system.restart("webapp-1")
            after = self.ask_100_times(crowd, one)
            self.assertEqual({essence(answer) for answer in first + after}, {essence(first[0])})
            self.assertTrue(all(answer["replayed"] for answer in after))
            self.assertEqual(crowd.faults, [])

            for what in (dict(item=1, user="ann", qty=1), dict(item=1, user="bob", qty=2),
                         dict(item=2, user="ann", qty=2)):
                with self.subTest(what):
                    self.assertEqual(self.code_of(client, request_id="same", **what), "key_reused")
            self.assertEqual(client.get("same").order_id, first[0]["order_id"])
        system.verify()
        self.assertEqual(system.sql("SELECT order_id, request_id, user_id, qty FROM orders"),
                         [[first[0]["order_id"], "same", "ann", "2"]])
        self.assertEqual(system.sql("SELECT id, amount FROM item ORDER BY id"),
                         [["1", "98"], ["2", "100"]])

    def test_key_reused_is_told_without_the_webapps_memory_too(self):
        system = self.start_system("1:Phone:100")
        with Client(system.zmq) as client:
            kept = client.order(1, "ann", 1, request_id="kept")
            for name in ("webapp-1", "backend-1"):
                system.restart(name)
                self.assertEqual(self.code_of(client, item=1, user="ann", qty=2,
                                              request_id="kept"), "key_reused")
                self.assertEqual(client.order(1, "ann", 1, request_id="kept").order_id,
                                 kept.order_id)

    def test_a_rejected_id_stays_rejected_after_a_crash_and_a_restock(self):
        system = self.start_system("1:Phone:1")
        with Client(system.zmq) as client:
            self.assertTrue(client.order(1, "ann", request_id="winner").confirmed)
            late = client.order(1, "bob", request_id="late")
            self.assertEqual((late.state, late.reason), ("rejected", "sold_out"))
            system.restart("backend-1")
            system.restart("webapp-1")
            done = system.stampede("item", "stock", 1, "+10")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(client.items(1)[0].left, 10)
            for _ in range(2):
                again = client.order(1, "bob", request_id="late")
                self.assertEqual((again.state, again.reason), ("rejected", "sold_out"))
                system.restart("backend-1")
                system.restart("webapp-1")
            self.assertTrue(client.order(1, "bob", request_id="new-try").confirmed)
            self.assertEqual(client.get("late").state, "rejected")
        report = system.verify()
        self.assertEqual((report["confirmed"], report["rows"]), (2, 2))
        self.assertEqual(system.sql("SELECT total, amount FROM item"), [["11", "9"]])

    def test_the_limit_per_user_counts_what_was_bought_before_a_crash(self):
        system = self.start_system()
        done = system.stampede("item", "add", 7, "--name", "Lamp", "--stock", 100,
                               "--limit-per-user", 3)
        self.assertEqual(done.returncode, 0, done.stderr)
        with Client(system.zmq) as client:
            self.assertTrue(client.order(7, "ann", 2).confirmed)
            system.restart("backend-1")
            over = client.order(7, "ann", 2, request_id="over")
            self.assertEqual((over.state, over.reason), ("rejected", "limit_reached"))
            self.assertTrue(client.order(7, "ann", 1).confirmed)
            system.restart("backend-1")
            self.assertEqual(client.order(7, "ann", 1).reason, "limit_reached")
            self.assertEqual(client.order(7, "ann", 2, request_id="over").reason, "limit_reached")
            self.assertTrue(client.order(7, "bob", 3).confirmed)
            stored = lambda: client.get(client.order(7, "eve", 1, request_id="eve").id).stored
            self.assertTrue(eventually(stored), "`stored` never became true")
        system.verify()
        self.assertEqual(system.sql("SELECT user_id, SUM(qty) FROM orders GROUP BY 1 ORDER BY 1"),
                         [["ann", "3"], ["bob", "3"], ["eve", "1"]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
