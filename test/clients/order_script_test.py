#!/usr/bin/python3
"""The ten lines without the package: they buy, and ask again with the same id."""

import ast
import subprocess
import unittest
from pathlib import Path

from fake_webapp import FakeWebapp, confirmed, refused

SCRIPT = Path(__file__).resolve().parents[2] / "clients" / "python" / "order.py"


def called(*arguments):
    return subprocess.run(["/usr/bin/python3", SCRIPT, *arguments], timeout=60,
                          capture_output=True, text=True, check=False)


def run(webapp, status=0, flags=()):
    done = called("ann", webapp.endpoint, *flags)
    if done.returncode != status:
        raise AssertionError(f"exit {done.returncode} instead of {status}: {done.stderr}")
    return ast.literal_eval(done.stdout)


class OrderScript(unittest.TestCase):
    def test_it_buys(self):
        with FakeWebapp(lambda request: [confirmed(request)]) as webapp:
            self.assertEqual(run(webapp)["state"], "confirmed")
            self.assertEqual(webapp.requests[0]["user"], "ann")

    def test_it_asks_again_with_the_same_id_after_silence_and_after_advice(self):
        count = []

        def script(request):
            count.append(1)
            if len(count) == 1:
                return []
            return [refused(request, "replaying", True, 50) if len(count) == 2
                    else confirmed(request)]

        with FakeWebapp(script) as webapp:
            self.assertEqual(run(webapp)["state"], "confirmed")
        self.assertEqual(len(webapp.requests), 3)
        self.assertEqual(len({request["id"] for request in webapp.requests}), 1)

    def test_what_was_not_bought_is_no_success(self):
        rejected = {"state": "rejected", "reason": "sold_out", "item": 1, "qty": 1, "stored": False}
        with FakeWebapp(lambda request: [{"id": request["id"], **rejected}]) as webapp:
            self.assertEqual(run(webapp, 8)["reason"], "sold_out")
        with FakeWebapp(lambda request: [refused(request, "unknown_item", False)]) as webapp:
            self.assertEqual(run(webapp, 1)["code"], "unknown_item")
        with FakeWebapp(lambda request: [refused(request, "no_backend", True, 1)]) as webapp:
            self.assertEqual(run(webapp, 5, ["--wait", "0.5"])["code"], "no_backend")

    def test_who_is_turned_away_behind_a_try_without_an_answer_may_have_bought(self):
        for code in ("not_logged_in", "session_expired", "session_replaced", "not_allowed"):
            count = []

            def script(request, code=code, count=count):
                count.append(1)
                return [refused(request, code, False)] if len(count) > 1 else []

            with FakeWebapp(script) as webapp:
                said = run(webapp, 5)
            self.assertEqual(said["code"], code)
            self.assertEqual(len(webapp.requests), 2)
            with FakeWebapp(lambda request, code=code: [refused(request, code, False)]) as webapp:
                self.assertEqual(run(webapp, 1)["code"], code)

    def test_what_is_asked_is_what_the_flags_say(self):
        plain = {"op": "order", "item": 1, "user": "ann"}
        for flags, wanted, ends, status in (
                ([], plain | {"first": True}, "confirmed", 0),
                (["--id", "a"], plain | {"id": "a", "first": False}, "confirmed", 0),
                (["--item", "2", "--qty", "3", "--promo", "7", "--valid-until-ms", "9"],
                 plain | {"item": 2, "qty": 3, "promo": 7, "valid_until_ms": 9, "first": True},
                 "confirmed", 0),
                (["--id", "a", "--get"], {"op": "get", "id": "a"}, "rejected", 8),
                (["--id", "a", "--pay", "0"],
                 {"op": "pay", "id": "a", "order": "a", "amount_cents": 0}, "paid", 0),
                (["--id", "a", "--pay", "5"],
                 {"op": "pay", "id": "a", "order": "a", "amount_cents": 5}, "refund_due", 8),
                (["--id", "a", "--cancel"],
                 {"op": "cancel", "id": "a", "order": "a", "user": "ann"}, "cancelled", 0)):
            member = "fulfilment" if "order" in wanted else "state"
            with FakeWebapp(lambda request: [{"id": request["id"], member: ends}]) as webapp:
                run(webapp, status, flags)
                request = webapp.requests[0]
            self.assertEqual(request, {"id": request["id"]} | wanted)

    def test_flags_and_words_come_in_any_order(self):
        with FakeWebapp(lambda request: [confirmed(request)]) as webapp:
            for words in (["ann", "--item", "2", webapp.endpoint, "--promo", "7"],
                          ["--item", "2", "--promo", "7", "ann", webapp.endpoint],
                          ["--item", "2", "ann", "--promo", "7", webapp.endpoint]):
                done = called(*words)
                self.assertEqual(done.returncode, 0, done.stderr)
            asked = [(one["user"], one["item"], one["promo"]) for one in webapp.requests]
        self.assertEqual(asked, [("ann", 2, 7)] * 3)
        self.assertEqual(called("ann", "tcp://127.0.0.1:1", "more").returncode, 2)

    def test_what_is_no_endpoint_is_named_at_once(self):
        for flags in ([], ["--promo", "7", "--ticket"]):
            for wrong in ("bogus", "ftp://x", "tcp:bogus", "tcp://127.0.0.1", "http://x:8080"):
                done = called("ann", wrong, *flags)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertIn(f"'{wrong}' is no endpoint", done.stderr)
                self.assertNotIn("Traceback", done.stderr)

    def test_a_first_time_is_said_once_and_a_webapps_own_no_is_not_the_end(self):
        count = []

        def script(request):
            count.append(1)
            return [confirmed(request) if len(count) == 2 else
                    {"id": request["id"], "code": "sold_out", "edge": True, "retry": True}]

        with FakeWebapp(script) as webapp:
            self.assertEqual(run(webapp)["state"], "confirmed")
        self.assertEqual([request.get("first") for request in webapp.requests], [True, None])

    def with_ticket(self, script, status=0, flags=()):
        with FakeWebapp(script) as webapp:
            answer = run(webapp, status, ["--promo", "7", "--ticket", *flags])
        return answer, webapp.requests

    def test_a_ticket_is_fetched_before_and_the_order_has_its_id_and_item(self):
        def script(request):
            if request["op"] == "ticket":
                # What comes twice is not taken for the order's answer.
                return [{"id": request["id"], "ticket": "t1.x", "promo": 7, "item": 3}] * 2
            return [confirmed(request)]
        answer, (asked, order) = self.with_ticket(script)
        self.assertEqual(asked, {"op": "ticket", "id": order["id"], "promo": 7, "user": "ann"})
        self.assertEqual(order, {"op": "order", "id": answer["id"], "item": 3, "user": "ann",
                                 "promo": 7, "ticket": "t1.x", "first": True})

    def test_an_older_ticket_brings_its_own_id(self):
        def script(request):
            if request["op"] == "ticket":
                return [{"id": "older", "asked": request["id"], "ticket": "t1.x", "promo": 7,
                         "item": 1}]
            return [confirmed(request)]
        answer, (_, order) = self.with_ticket(script)
        self.assertEqual((answer["id"], order["id"], order["first"]), ("older", "older", False))

    def test_with_an_id_that_is_decided_no_ticket_is_asked_for(self):
        answer, requests = self.with_ticket(lambda r: [confirmed(r)], flags=["--id", "a"])
        self.assertEqual((answer["state"], [one["op"] for one in requests]),
                         ("confirmed", ["get"]))
        answers = {"get": lambda r: refused(r, "unknown_request", True),
                   "ticket": lambda r: {"id": r["id"], "ticket": "t1.x", "promo": 7, "item": 1},
                   "order": confirmed}
        _, requests = self.with_ticket(lambda r: [answers[r["op"]](r)], flags=["--id", "a"])
        self.assertEqual([(one["op"], one["id"]) for one in requests],
                         [("get", "a"), ("ticket", "a"), ("order", "a")])

    def test_without_a_ticket_nothing_is_ordered_and_it_is_said_why(self):
        for code, retry, status in (("gate_closed", False, 1), ("sold_out", True, 5)):
            with FakeWebapp(lambda r: [refused(r, code, retry)]) as webapp:
                done = called("ann", webapp.endpoint, "--promo", "7", "--ticket", "--wait", "0.5")
                self.assertEqual(done.returncode, status, done.stderr)
            self.assertEqual(ast.literal_eval(done.stdout)["code"], code)
            self.assertIn(f"no ticket, so nothing was ordered: {code}: no", done.stderr)
            self.assertEqual({one["op"] for one in webapp.requests}, {"ticket"})
        for flags in (["--ticket"], ["--promo", "7", "--ticket", "--id", "a", "--get"]):
            done = called("ann", *flags)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--ticket", done.stderr)

    def test_a_start_is_waited_for_no_longer_than_it_is_let(self):
        with FakeWebapp(lambda r: [refused(r, "not_started", True, 3_600_000)]) as webapp:
            self.assertEqual(run(webapp, 5)["code"], "not_started")
        with FakeWebapp(lambda r: [refused(r, "unknown_request", True)]) as webapp:
            self.assertEqual(run(webapp, 5, ["--id", "a", "--get"])["code"], "unknown_request")
            self.assertEqual(len(webapp.requests), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
