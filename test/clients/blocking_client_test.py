#!/usr/bin/python3
"""The blocking client's promises, against a webapp that drops, delays, doubles and restarts."""

import os
import signal
import threading
import time
import unittest

from fake_webapp import FakeWebapp, confirmed, refused, row, unnamed
from stampede import Client, ClientBusy, NotConnected, OutcomeUnknown, StampedeError


class Asking(unittest.TestCase):
    def ask(self, script, **arguments):
        with FakeWebapp(script) as webapp, Client(webapp.endpoint) as client:
            try:
                return client.order(1, "ann", **arguments), webapp
            except StampedeError as error:
                return error, webapp

    def test_an_order_is_answered(self):
        answer, webapp = self.ask(lambda request: [confirmed(request)], qty=2)
        self.assertTrue(answer.confirmed)
        self.assertEqual(answer.order_id, "1099511627777")
        self.assertEqual(answer.qty, 2)
        self.assertFalse(answer.stored)
        request = webapp.requests[0]
        self.assertEqual((request["op"], request["item"], request["user"]), ("order", 1, "ann"))
        self.assertRegex(request["id"], "^[A-Za-z0-9_-]{1,64}$")
        self.assertEqual(len(webapp.frames[0]), 1, "one frame a request")

    def test_a_rejection_is_an_answer_not_an_error(self):
        rejected = {"state": "rejected", "reason": "sold_out", "item": 1, "qty": 1, "stored": False}
        answer, _ = self.ask(lambda request: [{"id": request["id"], **rejected}])
        self.assertFalse(answer.confirmed)
        self.assertEqual(answer.reason, "sold_out")

    def test_keys_of_later_versions_are_ignored(self):
        answer, _ = self.ask(lambda request: [confirmed(request, fulfilment="sent")])
        self.assertTrue(answer.confirmed)

    def test_a_code_is_an_exception_with_code_and_field(self):
        error, webapp = self.ask(
            lambda request: [{**refused(request, "bad_request", False), "field": "qty"}])
        self.assertEqual((error.code, error.field, error.retry), ("bad_request", "qty", False))
        self.assertEqual(len(webapp.requests), 1)

    def test_a_malformed_id_is_refused_before_anything_is_sent(self):
        for request_id in ("", "a b", "x" * 65, "\u00e9"):
            error, webapp = self.ask(lambda request: [], request_id=request_id)
            self.assertEqual(error.code, "bad_protocol")
            self.assertEqual(webapp.requests, [])

    def test_the_id_is_taken_under_its_name_in_the_protocol(self):
        answer, webapp = self.ask(lambda request: [confirmed(request)], id="mine")
        self.assertEqual((answer.id, webapp.requests[0]["id"]), ("mine", "mine"))

    def test_a_final_no_is_that_no_at_once_named_or_not(self):
        calls = (lambda client: client.order(1, "ann"), lambda client: client.get("mine"),
                 lambda client: client.items(), lambda client: client.items(1),
                 lambda client: client.ping(), lambda client: next(client.stock(1)))
        for code in ("bad_protocol", "too_large", "unknown_op", "of_a_later_version"):
            for call in calls:
                for answer in (lambda request: unnamed(code),
                               lambda request: {"id": request["id"], **unnamed(code)}):
                    with FakeWebapp(lambda request: [answer(request)]) as webapp:
                        with Client(webapp.endpoint) as client:
                            with self.assertRaises(StampedeError) as caught:
                                call(client)
                    self.assertNotIsInstance(caught.exception, OutcomeUnknown)
                    self.assertEqual(caught.exception.code, code)
                    self.assertEqual(len(webapp.requests), 1)

    def test_that_an_id_is_unknown_is_no_answer_to_an_order(self):
        count = []

        def script(request):
            count.append(1)
            return [refused(request, "unknown_request", True, 10) if len(count) == 1
                    else confirmed(request)]

        self.assertTrue(self.ask(script)[0].confirmed)

    def test_the_end_of_a_question_that_was_broken_off_is_not_the_next_ones(self):
        def script(request):
            return [] if request["user"] == "stopped" else [confirmed(request)]

        with FakeWebapp(script) as webapp, Client(webapp.endpoint) as client:
            interrupted = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
            with self.assertRaises(KeyboardInterrupt):
                interrupted.start()
                client.order(1, "stopped")
            interrupted.join()
            first = client._socket
            self.assertTrue(client.order(1, "ann").confirmed)
        self.assertIsNone(first, "a new connection brings nothing old")

    def test_queued_nonsense_and_foreign_answers_are_passed_over(self):
        answer, _ = self.ask(lambda request: [
            {**confirmed(request, "1"), "id": "somebody-else"}, b"\xc1", b"\x93\x01\x02\x03",
            {"id": request["id"], "state": "queued"}, confirmed(request, "2")])
        self.assertEqual(answer.order_id, "2")

    def test_retries_keep_the_id_and_heed_the_advice(self):
        times = []

        def script(request):
            times.append(time.monotonic())
            return [refused(request, "overloaded", True, 100) if len(times) < 4
                    else confirmed(request)]

        answer, webapp = self.ask(script)
        self.assertTrue(answer.confirmed)
        self.assertEqual(len({request["id"] for request in webapp.requests}), 1)
        self.assertEqual(len(times), 4)
        for earlier, later in zip(times, times[1:]):
            self.assertGreaterEqual(later - earlier, 0.095)

    def test_silence_is_answered_by_asking_again_with_the_same_id(self):
        count = []

        def script(request):
            count.append(1)
            return [] if len(count) == 1 else [confirmed(request)]

        answer, webapp = self.ask(script, request_id="mine")
        self.assertTrue(answer.confirmed)
        self.assertEqual([request["id"] for request in webapp.requests], ["mine", "mine"])

    def test_a_timeout_says_unknown_and_names_the_id(self):
        error, webapp = self.ask(lambda request: [], timeout=0.3)
        self.assertIsInstance(error, OutcomeUnknown)
        self.assertIsInstance(error, TimeoutError)
        self.assertEqual(error.request_id, webapp.requests[0]["id"])
        self.assertIn(error.request_id, str(error))
        self.assertIn("unknown", str(error))

    def test_retry_codes_to_the_end_are_unknown_too_and_named(self):
        error, _ = self.ask(lambda request: [refused(request, "no_backend", True, 20)], timeout=0.3)
        self.assertIsInstance(error, OutcomeUnknown)
        self.assertEqual(error.code, "no_backend")

    def test_the_reason_is_heard_when_the_webapp_waits_as_long_as_it_is_let(self):
        def script(request):
            if "deadline_ms" not in request:  # 5 s: the client has a new connection by then
                return []
            threading.Event().wait(request["deadline_ms"] / 1000)
            return [refused(request, "no_backend", True, 10)]

        for timeout in (0.6, 3):
            error, _ = self.ask(script, timeout=timeout)
            self.assertIsInstance(error, OutcomeUnknown)
            self.assertEqual(error.code, "no_backend")

    def test_nobody_listening_is_told_apart(self):
        with FakeWebapp(lambda request: []) as webapp:
            endpoint = webapp.endpoint
        start = time.monotonic()
        with Client(endpoint) as client, self.assertRaises(NotConnected) as caught:
            client.order(1, "ann", timeout=0.3)
        self.assertIsInstance(caught.exception, ConnectionError)
        self.assertLess(time.monotonic() - start, 5)

    def test_a_late_answer_to_an_earlier_order_is_not_taken_for_this_one(self):
        held = []

        def script(request):
            if request["user"] == "late":
                held.append(confirmed(request, "1"))
                return []
            return [*held, confirmed(request, "2")]

        with FakeWebapp(script) as webapp, Client(webapp.endpoint) as client:
            with self.assertRaises(OutcomeUnknown):
                client.order(1, "late", timeout=0.2)
            self.assertEqual(client.order(1, "ann").order_id, "2")

    def test_answers_that_come_twice_do_no_harm(self):
        with FakeWebapp(lambda request: [confirmed(request, request["user"])] * 2) as webapp:
            with Client(webapp.endpoint) as client:
                for user in ("1", "2", "3"):
                    self.assertEqual(client.order(1, user).order_id, user)


class Living(unittest.TestCase):
    def test_a_restarted_webapp_is_found_again(self):
        webapp = FakeWebapp(lambda request: [])
        outcome = []
        client = Client(webapp.endpoint)
        asking = threading.Thread(
            target=lambda: outcome.append(client.order(1, "ann", request_id="mine")))
        asking.start()
        while not webapp.requests:
            threading.Event().wait(0.01)
        webapp.stop()
        with FakeWebapp(lambda request: [confirmed(request)], port=webapp.port) as second:
            asking.join()
            self.assertEqual(second.requests[0]["id"], "mine")
        client.close()
        self.assertTrue(outcome[0].confirmed)

    def test_threads_may_share_a_client(self):
        with FakeWebapp(lambda request: [confirmed(request, request["user"])]) as webapp:
            with Client(webapp.endpoint) as client:
                wrong = []

                def buy(user):
                    for _ in range(20):
                        if client.order(1, user).order_id != user:
                            wrong.append(user)

                threads = [threading.Thread(target=buy, args=(str(n),)) for n in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        self.assertEqual(wrong, [])

    def test_a_call_does_not_wait_longer_for_another_threads_than_its_timeout(self):
        asked = threading.Event()

        def never(request):
            asked.set()
            return []
        with FakeWebapp(never) as webapp, Client(webapp.endpoint) as client:
            def wait_long():
                with self.assertRaises(OutcomeUnknown):
                    client.order(1, "ann", timeout=3)
            other = threading.Thread(target=wait_long)
            other.start()
            self.assertTrue(asked.wait(10))
            began = time.monotonic()
            with self.assertRaises(ClientBusy) as raised:
                client.order(1, "bob", timeout=0.3, request_id="mine")
            one, = client.order_many([{"item": 1, "user": "bob"}], timeout=0.1)
            self.assertLess(time.monotonic() - began, 2)
            self.assertIsInstance(one, ClientBusy)
            self.assertEqual((raised.exception.code, raised.exception.retry), ("client_busy", True))
            self.assertIn("request mine was not sent", str(raised.exception))
            other.join()
            self.assertEqual({request["user"] for request in webapp.requests}, {"ann"})

    def test_a_forked_child_makes_its_own_connection(self):
        with FakeWebapp(lambda request: [confirmed(request)]) as webapp:
            client = Client(webapp.endpoint)
            self.assertTrue(client.order(1, "ann").confirmed)
            child = os.fork()
            if child == 0:
                good = False
                try:
                    good = client.order(1, "child", timeout=5).confirmed
                finally:
                    os._exit(0 if good else 1)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
            self.assertTrue(client.order(1, "ann").confirmed)
            client.close()

    def test_closing_with_something_unsent_does_not_hang(self):
        client = Client("tcp://127.0.0.1:1")
        with self.assertRaises(NotConnected):
            client.ping(timeout=0.1)
        start = time.monotonic()
        client.close()
        client.close()
        self.assertLess(time.monotonic() - start, 2)


class Looking(unittest.TestCase):
    def test_get_answers_at_once_also_when_unknown(self):
        with FakeWebapp(lambda request: [refused(request, "unknown_request", True)]) as webapp:
            with Client(webapp.endpoint) as client:
                with self.assertRaises(StampedeError) as caught:
                    client.get("nobody")
        self.assertEqual(caught.exception.code, "unknown_request")
        self.assertEqual(len(webapp.requests), 1)
        self.assertEqual(webapp.requests[0], {"op": "get", "id": "nobody"})

    def test_items_follows_the_pages(self):
        def script(request):
            if request["from"] == 0:
                return [{"id": request["id"], "items": [row(1, 5, 9), row(2, 5, 9)], "next": 3}]
            return [{"id": request["id"], "items": [row(3, 5, 9)]}]

        with FakeWebapp(script) as webapp, Client(webapp.endpoint) as client:
            self.assertEqual([item.item for item in client.items()], [1, 2, 3])

    def test_ping_tells_the_state(self):
        with FakeWebapp(lambda r: [{"id": r["id"], "state": "replaying", "proto": 1}]) as webapp:
            with Client(webapp.endpoint) as client:
                self.assertEqual(client.ping(), "replaying")

    def test_stock_begins_with_a_snapshot_and_passes_over_old_news(self):
        with FakeWebapp(lambda r: [{"id": r["id"], "items": [row(1, 5, 100)]}]) as webapp:
            with Client(webapp.endpoint) as client:
                stock = client.stock(1)
                self.assertEqual(next(stock).left, 5)
                self.assertTrue(webapp.subscribed.wait(5))
                for left, seq in ((9, 99), (5, 100), (4, 101), (4, 101), (6, 98), (3, 2**53 + 1)):
                    webapp.publish("stock/1/", {"item": 1, "left": left, "total": 10,
                                                "seq": str(seq), "ts": 1})
                webapp.publish("stock/10/", {"item": 10, "left": 1, "total": 1, "seq": "999"})
                self.assertEqual(next(stock).left, 4)
                last = next(stock)
                self.assertEqual((last.left, last.seq, last.item), (3, 2**53 + 1, 1))
                stock.close()

    def test_stock_asks_again_after_silence(self):
        left = [5]

        def script(request):
            left[0] -= 1
            return [{"id": request["id"], "items": [row(1, left[0], 100 - left[0])]}]

        with FakeWebapp(script) as webapp, Client(webapp.endpoint) as client:
            stock = client.stock(1, silence=0.1)
            self.assertEqual([next(stock).left for _ in range(3)], [4, 3, 2])
            stock.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
