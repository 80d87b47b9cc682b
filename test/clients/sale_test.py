#!/usr/bin/python3
"""Promos, payments and first tries, by both clients: what is decided, what is not, and what is only
a webapp's own word."""

import asyncio
import itertools
import time
import unittest
from unittest import mock

from fake_webapp import FakeWebapp, confirmed, refused, row
from stampede import (AsyncClient, Client, NotLoggedIn, NotStarted, OutcomeUnknown, SoldOutForNow,
                      StampedeError, Ticket, question)

UNDECIDED = ("ended", "unknown_promo", "promo_only", "closed", "expired_request", "unpaid_limit",
             "ticket_required", "ticket_invalid", "ticket_expired", "gate_closed", "not_allowed")

SESSION_CODES = ("not_logged_in", "session_expired", "session_replaced")


def ticket_of(request):
    return {"id": request["id"], "ticket": "t1.x.y", "promo": 7, "item": 1,
            "expires_at": 1767225660000}


def nothing_left(request):
    """What the backend says to who has a ticket."""
    return refused(request, "sold_out", True)


def sold_out(request):
    """What a webapp says by itself."""
    return {"id": request["id"], "code": "sold_out", "edge": True, "retry": True}


def rejected(request):
    return {"id": request["id"], "state": "rejected", "reason": "sold_out", "item": 1, "qty": 1,
            "stored": False}


def receipt(request, fulfilment):
    return {"id": request["id"], "order": request["order"], "order_id": "1099511627777",
            "fulfilment": fulfilment, "at": 1767225600000}


def in_turn(*answers):
    """A script that answers so, one question after the other."""
    left = iter(answers)
    return lambda request: [answer(request) if callable(answer) else answer
                            for answer in next(left)]


class Sale:
    """The tests of both; call(endpoint, name, …) is theirs."""

    def ask(self, script, name, *arguments, **named):
        with FakeWebapp(script) as webapp:
            try:
                return self.call(webapp.endpoint, name, *arguments, **named), webapp.requests
            except StampedeError as error:
                return error, webapp.requests

    def test_an_order_in_a_promo_and_its_answer(self):
        answer, requests = self.ask(
            lambda request: [confirmed(request, unit_price_cents=500, promo=7, pay_by=1767225600000,
                                       fulfilment="unpaid")],
            "order", 1, "ann", request_id="mine", promo=7, valid_until_ms=1767225660000)
        self.assertEqual(requests, [{"op": "order", "id": "mine", "item": 1, "user": "ann",
                                     "qty": 1, "promo": 7, "valid_until_ms": 1767225660000}])
        self.assertEqual((answer.promo, answer.unit_price_cents, answer.fulfilment, answer.pay_by),
                         (7, 500, "unpaid", 1767225600000))
        plain, _ = self.ask(lambda request: [confirmed(request)], "order", 1, "ann")
        self.assertEqual((plain.promo, plain.unit_price_cents, plain.fulfilment, plain.pay_by),
                         (None, 0, "none", None))

    def test_wrong_values_are_refused_by_name_before_anything_is_sent(self):
        for field, wrong in (("promo", {"promo": "7"}), ("promo", {"promo": -1}),
                             ("promo", {"promo": 1 << 63}), ("first", {"first": 1}),
                             ("valid_until_ms", {"valid_until_ms": 0}),
                             ("valid_until_ms", {"valid_until_ms": time.time()})):
            error, requests = self.ask(lambda request: [], "order", 1, "ann", **wrong)
            self.assertEqual((error.code, error.field, requests), ("bad_request", field, []))
        for name, field, arguments in (("pay", "order", ("a b", 1)), ("pay", "order", (None, 1)),
                                       ("pay", "amount_cents", ("a", -1)),
                                       ("pay", "amount_cents", ("a", 9.99)),
                                       ("pay", "id", ("a", 1, "p 1")), ("cancel", "order", ("",)),
                                       ("cancel", "user", ("a", "")), ("cancel", "user", ("a", 7))):
            error, requests = self.ask(lambda request: [], name, *arguments)
            self.assertEqual((error.field, requests), (field, []), (name, arguments))

    def test_only_the_first_try_of_a_new_id_is_called_so(self):
        again = in_turn([], [lambda request: refused(request, "overloaded", True, 1)], [confirmed])
        _, requests = self.ask(again, "order", 1, "ann")
        self.assertEqual([request.get("first") for request in requests], [True, None, None])
        for named, first in (({"id": "a"}, None), ({"id": "a", "first": True}, True),
                             ({"first": False}, None), ({"request_id": "a"}, None)):
            _, requests = self.ask(lambda request: [confirmed(request)], "order", 1, "ann", **named)
            self.assertEqual(requests[0].get("first"), first, named)

    def test_a_webapps_own_sold_out_is_asked_for_again_without_first(self):
        for decided in (confirmed, rejected):
            answer, requests = self.ask(in_turn([sold_out], [sold_out], [decided]), "order", 1,
                                        "ann")
            self.assertEqual(answer.state, decided(requests[0])["state"])
            self.assertEqual([request.get("first") for request in requests], [True, None, None])
            self.assertEqual(len({request["id"] for request in requests}), 1)

    def test_a_webapps_own_sold_out_is_never_the_end(self):
        for said in (sold_out, lambda request: {**sold_out(request), "retry": False}):
            error, _ = self.ask(lambda request: [said(request)], "order", 1, "ann", timeout=0.5)
            self.assertIsInstance(error, OutcomeUnknown)
            self.assertEqual(error.code, "no_answer")
        answer, _ = self.ask(in_turn([rejected]), "get", "mine")
        self.assertEqual(answer.reason, "sold_out")

    def test_what_was_not_decided_is_an_error_with_its_code_and_not_asked_again(self):
        for code in UNDECIDED:
            error, requests = self.ask(lambda request: [refused(request, code, False)], "order", 1,
                                       "ann", promo=7)
            self.assertEqual((type(error), error.code, error.retry), (StampedeError, code, False))
            self.assertEqual(len(requests), 1)

    def test_a_start_within_the_time_is_waited_for_with_the_same_id(self):
        times = []

        def script(request):
            times.append(time.monotonic())
            return [confirmed(request) if len(times) == 3
                    else refused(request, "not_started", True, 400 if len(times) == 1 else 5)]

        answer, requests = self.ask(script, "order", 1, "ann", promo=7)
        self.assertTrue(answer.confirmed)
        self.assertEqual(len({request["id"] for request in requests}), 1)
        self.assertGreaterEqual(times[1] - times[0], 0.395)

    def test_a_start_beyond_the_time_is_told_at_once(self):
        begin = time.monotonic()
        error, requests = self.ask(
            lambda request: [refused(request, "not_started", True, 3_600_000)], "order", 1, "ann",
            promo=7, timeout=60)
        self.assertLess(time.monotonic() - begin, 30)
        self.assertEqual((type(error), error.code, error.retry, error.retry_after_ms),
                         (NotStarted, "not_started", True, 3_600_000))
        self.assertEqual((len(requests), error.request_id), (1, requests[0]["id"]))

    def test_a_start_that_is_brought_forward_is_not_slept_through(self):
        question.START_LOOK_S, kept = 0.05, question.START_LOOK_S
        self.addCleanup(setattr, question, "START_LOOK_S", kept)
        early = in_turn([lambda request: refused(request, "not_started", True, 50_000)],
                        [confirmed])
        self.assertTrue(self.ask(early, "order", 1, "ann", promo=7, timeout=60)[0].confirmed)

    def test_beside_a_try_without_an_answer_not_started_leaves_it_open(self):
        error, requests = self.ask(
            in_turn([], *itertools.repeat([lambda request: refused(request, "not_started", True,
                                                                   3_600_000)], 9)),
            "order", 1, "ann", promo=7, timeout=2)
        self.assertIsInstance(error, OutcomeUnknown)
        self.assertEqual(error.code, "not_started")
        self.assertGreaterEqual(len(requests), 2)

    def test_a_try_that_was_not_decided_in_time_is_left_open_too(self):
        for code in ("deadline_passed", "internal"):
            error, requests = self.ask(
                in_turn([lambda request: refused(request, code, True, 1)],
                        [lambda request: refused(request, "not_started", True, 3_600_000)]),
                "order", 1, "ann", promo=7, timeout=0.5)
            self.assertIsInstance(error, OutcomeUnknown)
            self.assertEqual((error.code, len(requests)), ("not_started", 2))

    @mock.patch.object(question, "CURED_LOOK_S", 0.05)
    def test_beside_a_try_without_an_answer_what_may_be_cured_leaves_it_open(self):
        for code in question.CURABLE:
            again = [lambda request, code=code: refused(request, code, False)]
            error, requests = self.ask(
                in_turn([lambda request: refused(request, "internal", True, 1)],
                        *itertools.repeat(again, 99)), "order", 1, "ann", timeout=0.3)
            self.assertIsInstance(error, OutcomeUnknown, code)
            self.assertEqual((error.code, error.retry), (code, True))
            self.assertIn(requests[0]["id"], str(error))
            self.assertEqual(len({request["id"] for request in requests}), 1)
            answer, requests = self.ask(
                in_turn([lambda request: refused(request, "internal", True, 1)], again,
                        [confirmed]), "order", 1, "ann")
            self.assertTrue(answer.confirmed)
            self.assertEqual(len(requests), 3)

    def test_in_a_batch_too_what_may_be_cured_leaves_it_open(self):
        count = itertools.count()

        def script(batch):
            if next(count) == 0:
                return [[refused(batch[0], "internal", True, 1), confirmed(batch[1])]]
            return [[refused(batch[0], "unpaid_limit", False)]]

        (error, answer), _ = self.ask(script, "order_many", [{"item": 1, "user": "ann"}] * 2,
                                      timeout=0.3)
        self.assertIsInstance(error, OutcomeUnknown)
        self.assertEqual((error.code, answer.confirmed), ("unpaid_limit", True))

    def test_a_ticket_is_asked_for_and_ordered_with(self):
        given = lambda request: {"id": request["id"], "ticket": "t1.x.y", "promo": 7, "item": 1,
                                 "expires_at": 1767225660000}
        again = in_turn([], [lambda request: refused(request, "no_backend", True, 1)], [given])
        ticket, requests = self.ask(again, "ticket", 7, "ann")
        self.assertEqual(ticket, Ticket(requests[0]["id"], "t1.x.y", 7, 1, 1767225660000))
        for request in requests:
            self.assertEqual({name: request[name] for name in request if name != "deadline_ms"},
                             {"op": "ticket", "id": ticket.id, "promo": 7, "user": "ann"})
        older, _ = self.ask(
            lambda request: [{**given(request), "id": "older", "asked": request["id"]}],
            "ticket", 7, "ann", id="mine")
        self.assertEqual(older.id, "older")
        answer, requests = self.ask(lambda request: [confirmed(request, promo=7)],
                                    "order", 1, "ann", ticket=older)
        self.assertEqual(answer.id, "older")
        self.assertEqual(requests, [{"op": "order", "id": "older", "item": 1, "user": "ann",
                                     "qty": 1, "promo": 7, "ticket": "t1.x.y"}])
        _, requests = self.ask(lambda request: [confirmed(request, promo=7)], "order", 1, "ann",
                               promo=7, request_id="a", ticket="t1.x.y")
        self.assertEqual((requests[0]["id"], requests[0]["ticket"]), ("a", "t1.x.y"))
        for field, named in (("request_id", {"ticket": "t1.x.y"}),
                             ("ticket", {"ticket": "", "request_id": "a"}),
                             ("ticket", {"ticket": 7, "request_id": "a"})):
            error, requests = self.ask(lambda request: [], "order", 1, "ann", **named)
            self.assertEqual((error.code, error.field, requests), ("bad_request", field, []))
        error, requests = self.ask(lambda request: [refused(request, "gate_closed", False)],
                                   "ticket", 7, "ann")
        self.assertEqual((error.code, len(requests)), ("gate_closed", 1))

    def looking_often(self):
        question.SOLD_OUT_LOOK_S, kept = 0.01, question.SOLD_OUT_LOOK_S
        self.addCleanup(setattr, question, "SOLD_OUT_LOOK_S", kept)

    def test_units_that_come_back_within_the_time_go_to_the_ticket(self):
        self.looking_often()
        with_ticket = {"request_id": "t-1", "promo": 7, "ticket": "t1.x.y"}
        answer, requests = self.ask(in_turn([nothing_left], [nothing_left], [confirmed]),
                                    "order", 1, "ann", **with_ticket)
        self.assertTrue(answer.confirmed)
        self.assertEqual([(one["id"], one["ticket"]) for one in requests],
                         [("t-1", "t1.x.y")] * 3)
        ticket, _ = self.ask(in_turn([nothing_left], [ticket_of]), "ticket", 7, "ann")
        self.assertEqual(ticket.ticket, "t1.x.y")

    def test_sold_out_for_now_ends_as_what_it_is(self):
        for name, arguments, named in (
                ("order", (1, "ann"), {"request_id": "t-1", "promo": 7, "ticket": "t1.x.y"}),
                ("ticket", (7, "ann"), {"id": "t-1"})):
            begin = time.monotonic()
            error, requests = self.ask(lambda request: [nothing_left(request)], name, *arguments,
                                       **named, timeout=1.5)
            self.assertEqual((type(error), error.code, error.retry, error.request_id),
                             (SoldOutForNow, "sold_out", True, "t-1"))
            self.assertGreater(len(requests), 1)
            self.assertGreaterEqual(time.monotonic() - begin, 1.5)
            begin = time.monotonic()
            error, requests = self.ask(lambda request: [nothing_left(request)], name, *arguments,
                                       **named, timeout=0.4)
            self.assertEqual((type(error), len(requests)), (SoldOutForNow, 1))
            self.assertTrue(0.4 <= time.monotonic() - begin < 10)
        error, _ = self.ask(lambda request: [refused(request, "sold_out", False)], "order", 1,
                            "ann")
        self.assertEqual((type(error), error.code), (StampedeError, "sold_out"))

    def test_no_call_ends_before_its_time_without_an_answer(self):
        for script in (lambda request: [],
                       lambda request: [refused(request, "overloaded", True, 5)],
                       lambda request: [refused(request, "replaying", True, 300)],
                       in_turn([], *itertools.repeat([nothing_left], 99))):
            begin = time.monotonic()
            error, _ = self.ask(script, "order", 1, "ann", request_id="t-1", promo=7,
                                ticket="t1.x.y", timeout=1.2)
            self.assertGreaterEqual(time.monotonic() - begin, 1.2)
            self.assertIs(type(error), OutcomeUnknown)

    def test_beside_a_try_that_may_be_decided_sold_out_for_now_leaves_it_open(self):
        self.looking_often()
        script = lambda: in_turn([lambda request: refused(request, "deadline_passed", True, 1)],
                                 *itertools.repeat([nothing_left], 99))
        error, _ = self.ask(script(), "order", 1, "ann", request_id="t-1", ticket="t1.x.y",
                            timeout=0.5)
        self.assertEqual((type(error), error.code), (OutcomeUnknown, "sold_out"))
        # To ask for a ticket decides nothing that could be lost.
        error, _ = self.ask(script(), "ticket", 7, "ann", timeout=0.5)
        self.assertEqual(type(error), SoldOutForNow)

    def test_tickets_of_a_batch_end_each_as_what_it_is(self):
        self.looking_often()
        asked = []

        def script(batch):
            asked.append([one["id"] for one in batch])
            return [[confirmed(one) if one["id"] == "a" or one["id"] == "b" and len(asked) > 2
                     else nothing_left(one) for one in batch]]

        orders = [{"item": 1, "user": "u", "id": name, "promo": 7, "ticket": f"t1.{name}"}
                  for name in "abc"]
        begin = time.monotonic()
        results, _ = self.ask(script, "order_many", orders, timeout=0.5)
        self.assertEqual([getattr(one, "state", None) or type(one) for one in results],
                         ["confirmed", "confirmed", SoldOutForNow])
        self.assertGreaterEqual(time.monotonic() - begin, 0.5)
        self.assertEqual(asked[:4], [list("abc"), list("bc"), list("bc"), ["c"]])

    def test_a_call_may_have_its_own_session(self):
        answers = {"order": confirmed, "get": rejected, "ticket": ticket_of,
                   "pay": lambda request: receipt(request, "paid"),
                   "cancel": lambda request: receipt(request, "cancelled")}
        for name, arguments in (("order", (1, "ann")), ("get", ("a",)), ("ticket", (7, "ann")),
                                ("pay", ("a", 1)), ("cancel", ("a",))):
            for token in (None, "s.x.y"):
                _, requests = self.ask(lambda request: [answers[request["op"]](request)], name,
                                       *arguments, token=token)
                self.assertEqual([one.get("token") for one in requests], [token], name)
            for wrong in ("", 7, "x" * 4097, "half of a pair: \ud800"):
                error, requests = self.ask(lambda request: [], name, *arguments, token=wrong)
                self.assertEqual((error.code, error.field, requests), ("bad_request", "token", []))
            for wrong in (None, "1", True, float("nan")):
                error, requests = self.ask(lambda request: [], name, *arguments, timeout=wrong)
                self.assertEqual((error.code, error.field, requests),
                                 ("bad_request", "timeout", []))
                self.assertIn("timeout is a number of seconds", str(error))
        error, requests = self.ask(lambda request: [], "order_many", [{"item": 1, "user": "ann"}],
                                   timeout=None)
        self.assertEqual((error.field, requests), ("timeout", []))
        error, requests = self.ask(lambda request: [], "order", 1, "ann", request_id="a", promo=7,
                                   ticket="\udfff")
        self.assertEqual((error.code, error.field, requests), ("bad_request", "ticket", []))
        orders = [{"item": 1, "user": "ann"}, {"item": 1, "user": "bob", "token": "s.bob"}]
        _, requests = self.ask(lambda batch: [[confirmed(one) for one in batch]], "order_many",
                               orders, token="s.all")
        self.assertEqual([one["token"] for one in requests[0]], ["s.all", "s.bob"])

    def test_a_session_that_is_not_taken_is_an_error_of_its_own_that_keeps_the_id(self):
        for code in SESSION_CODES:
            for name, arguments in (("order", (1, "ann")), ("ticket", (7, "ann")), ("get", ("a",)),
                                    ("pay", ("a", 1)), ("cancel", ("a",))):
                error, requests = self.ask(lambda request: [refused(request, code, False)], name,
                                           *arguments)
                self.assertEqual((type(error), error.code, error.retry, error.request_id),
                                 (NotLoggedIn, code, False, requests[0]["id"]))
                self.assertEqual(len(requests), 1)
            results, _ = self.ask(lambda batch: [[refused(batch[0], code, False),
                                                  confirmed(batch[1])]],
                                  "order_many", [{"item": 1, "user": "u"}] * 2)
            self.assertEqual((type(results[0]), results[1].state), (NotLoggedIn, "confirmed"))

    def test_beside_a_try_without_an_answer_a_session_that_is_over_leaves_it_open(self):
        expired = lambda request: refused(request, "session_expired", False)
        late = lambda request: refused(request, "deadline_passed", True, 1)
        for name, arguments in (("order", (1, "ann")), ("pay", ("a", 1)), ("cancel", ("a",))):
            error, requests = self.ask(in_turn([late], [expired]), name, *arguments)
            self.assertEqual((type(error), error.code, error.request_id),
                             (OutcomeUnknown, "session_expired", requests[0]["id"]))
            self.assertIn("new token", str(error))
        error, _ = self.ask(in_turn([late], [expired]), "get", "a")
        self.assertEqual(type(error), NotLoggedIn)

    def test_a_payment_keeps_its_id_and_has_a_receipt(self):
        script = in_turn([], [lambda request: refused(request, "no_backend", True, 1)],
                         [lambda request: receipt(request, "paid")])
        paid, requests = self.ask(script, "pay", "mine", 1000, id="p-1")
        self.assertEqual((paid.id, paid.order, paid.order_id, paid.fulfilment, paid.at),
                         ("p-1", "mine", "1099511627777", "paid", 1767225600000))
        for request in requests:
            self.assertEqual({name: request[name] for name in request if name != "deadline_ms"},
                             {"op": "pay", "id": "p-1", "order": "mine", "amount_cents": 1000})
        made, requests = self.ask(in_turn([], [lambda request: receipt(request, "refund_due")]),
                                  "pay", "mine", 1)
        self.assertEqual((made.fulfilment, made.id), ("refund_due", requests[0]["id"]))
        self.assertEqual(len({request["id"] for request in requests}), 1)

    def test_a_cancellation_names_its_buyer_or_nobody(self):
        for user, more in (("ann", {"user": "ann"}), (None, {})):
            gone, requests = self.ask(lambda request: [receipt(request, "cancelled")], "cancel",
                                      "mine", user)
            self.assertEqual(gone.fulfilment, "cancelled")
            self.assertEqual(requests, [{"op": "cancel", "id": gone.id, "order": "mine", **more}])

    def test_refused_payments_are_errors_at_once(self):
        for name, arguments in (("pay", ("mine", 1)), ("cancel", ("mine",))):
            for code, retry in (("already_paid", False), ("not_payable", False),
                                ("not_cancellable", False), ("key_reused", False),
                                ("unknown_request", True), ("bad_request", False)):
                error, requests = self.ask(lambda request: [refused(request, code, retry)], name,
                                           *arguments)
                self.assertEqual((error.code, len(requests)), (code, 1))

    def test_a_payment_without_an_answer_says_how_to_go_on(self):
        error, _ = self.ask(lambda request: [], "pay", "mine", 1, timeout=0.3)
        self.assertIsInstance(error, OutcomeUnknown)
        self.assertIn("never pays twice", str(error))

    def test_answers_to_another_kind_of_question_are_passed_over(self):
        paid, _ = self.ask(
            lambda request: [confirmed({**request, "item": 1, "qty": 1}),
                             {**receipt(request, "paid"), "order": "another"},
                             {"id": request["id"], "items": []}, receipt(request, "paid")],
            "pay", "mine", 1, id="mine")
        self.assertEqual((paid.fulfilment, paid.order), ("paid", "mine"))
        answer, _ = self.ask(
            lambda request: [{**receipt({**request, "order": "x"}, "paid")}, confirmed(request)],
            "order", 1, "ann")
        self.assertTrue(answer.confirmed)

    def test_items_have_their_promo(self):
        promo = {"id": 7, "name": "Half", "price_cents": 50, "starts_at": 5, "ends_at": 9,
                 "state": "running", "more": 1}
        items, _ = self.ask(
            lambda request: [{"id": request["id"], "server_time": 6, "items": [
                {**row(1, 5, 9), "sold": 5, "promo": promo}, row(2, 5, 9)]}], "items")
        self.assertEqual([item.server_time for item in items], [6, 6])
        self.assertEqual((items[0].sold, items[0].promo.id, items[0].promo.price_cents,
                          items[0].promo.starts_at, items[0].promo.ends_at, items[0].promo.state),
                         (5, 7, 50, 5, 9, "running"))
        self.assertIsNone(items[1].promo)

    def test_a_batch_waits_for_starts_within_its_time_and_asks_for_nothing_twice(self):
        asked = []

        def script(batch):
            asked.append([(one["user"], one.get("first")) for one in batch])
            return [[self.batch_answer(one, len(asked)) for one in batch]]

        orders = [{"item": 1, "user": user, "promo": 7}
                  for user in ("ann", "edge", "soon", "ended", "late")]
        orders.append({"item": 1, "user": "own", "id": "o"})
        results, _ = self.ask(script, "order_many", orders, timeout=20)
        self.assertEqual([getattr(one, "state", None) or one.code for one in results],
                         ["confirmed", "confirmed", "confirmed", "ended", "not_started",
                          "confirmed"])
        self.assertEqual((type(results[4]), results[4].retry_after_ms), (NotStarted, 3_600_000))
        self.assertEqual(asked[0], [("ann", True), ("edge", True), ("soon", True), ("ended", True),
                                    ("late", True), ("own", None)])
        self.assertEqual(asked[1], [("edge", None), ("soon", None)])
        self.assertEqual(asked[2:], [[("soon", None)]])

    @staticmethod
    def batch_answer(one, times):
        if one["user"] == "edge" and times == 1:
            return sold_out(one)
        if one["user"] == "soon" and times < 3:
            return refused(one, "not_started", True, 20)
        if one["user"] == "late":
            return refused(one, "not_started", True, 3_600_000)
        return refused(one, "ended", False) if one["user"] == "ended" else confirmed(one)


class Blocking(Sale, unittest.TestCase):
    def call(self, endpoint, name, *arguments, **named):
        with Client(endpoint) as client:
            return getattr(client, name)(*arguments, **named)


class Asyncio(Sale, unittest.TestCase):
    def call(self, endpoint, name, *arguments, **named):
        async def run():
            async with AsyncClient(endpoint) as client:
                return await getattr(client, name)(*arguments, **named)
        return asyncio.run(run())

    def test_a_payment_with_the_id_of_an_open_order_is_told_apart(self):
        async def run(webapp):
            async with AsyncClient(webapp.endpoint) as client:
                order = asyncio.create_task(client.order(1, "ann", id="same"))
                payments = [asyncio.create_task(client.pay("same", 1, id="same"))
                            for _ in range(2)]
                return await asyncio.gather(order, *payments, return_exceptions=True)

        def script(request):
            if request["op"] == "pay":
                return [refused(request, "not_payable", False)]
            return [] if len(webapp.requests) < 3 else [confirmed(request)]

        with FakeWebapp(script) as webapp:
            order, *payments = asyncio.run(run(webapp))
        self.assertTrue(order.confirmed)
        self.assertEqual([payment.code for payment in payments], ["not_payable"] * 2)

    def test_another_payment_under_an_open_id_is_refused_here(self):
        async def run(webapp):
            async with AsyncClient(webapp.endpoint) as client:
                first = asyncio.create_task(client.pay("a", 1, id="p", timeout=1))
                while not webapp.requests:
                    await asyncio.sleep(0.01)
                with self.assertRaises(StampedeError) as caught:
                    await client.pay("a", 2, id="p")
                with self.assertRaises(OutcomeUnknown):
                    await first
                return caught.exception.code

        with FakeWebapp(lambda request: []) as webapp:
            self.assertEqual(asyncio.run(run(webapp)), "key_reused")

    def test_when_it_is_valid_does_not_make_it_another_order(self):
        async def run(webapp):
            async with AsyncClient(webapp.endpoint) as client:
                return await asyncio.gather(
                    client.order(1, "ann", id="a", first=True, valid_until_ms=1),
                    client.order(1, "ann", id="a", valid_until_ms=2),
                    client.order(1, "ann", id="a"))

        with FakeWebapp(lambda request: [confirmed(request)]) as webapp:
            self.assertEqual(len(asyncio.run(run(webapp))), 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
