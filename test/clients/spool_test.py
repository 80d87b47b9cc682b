#!/usr/bin/python3
"""The spooled client's promises, against a webapp that is away, drops, delays and turns away; and
across ends of the process that used the spool."""

import collections
import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

from fake_webapp import FakeWebapp, confirmed, refused, unnamed
from stampede import (OutcomeUnknown, SpooledClient, SpoolError, StampedeError, Ticket,
                      spool_format, spool_sender, spooled_client)

FORK = multiprocessing.get_context("fork")
PYTHON = str(Path(__file__).resolve().parents[2] / "clients" / "python")
NOBODY_THERE = "tcp://127.0.0.1:1"
SOON = 20.0  # long, for a busy machine; nothing waits it out


def now_ms():
    return int(time.time() * 1000)


def until(condition, seconds=SOON):
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        threading.Event().wait(0.01)
    return value


def ids(webapp):
    """The ids that it was asked for, each once, in the order of the first time."""
    return list(dict.fromkeys(request["id"] for request in webapp.requests))


class SpoolTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="spool-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = self.folder / "orders.spool"

    def webapp(self, script=lambda request: [confirmed(request)], port=None):
        webapp = FakeWebapp(script, port)
        self.addCleanup(webapp.stop)
        return webapp

    def open(self, endpoint=NOBODY_THERE, **more):
        spool = SpooledClient(self.path, getattr(endpoint, "endpoint", endpoint), **more)
        self.addCleanup(spool.close)
        return spool

    def left_by_a_crash(self, *orders, endpoint=NOBODY_THERE, then=lambda spool: None):
        """A process that orders, does `then`, and ends without closing anything."""
        def crash():
            spool = SpooledClient(self.path, getattr(endpoint, "endpoint", endpoint))
            spool.order_many(orders)
            then(spool)
            os._exit(7)

        process = FORK.Process(target=crash)
        process.start()
        process.join()
        self.assertEqual(process.exitcode, 7)

    @staticmethod
    def refused_once(spool):
        until(lambda: spool.orders()[0].last_code)

    def short_pauses(self):
        return mock.patch.object(spool_sender.q, "PAUSE_S", 0.01)

    def records(self):
        return spool_format.records_of(self.path.read_bytes())


class Ordering(SpoolTest):
    def test_an_order_is_answered(self):
        webapp = self.webapp()
        order = self.open(webapp).order(1, "ann", 2, request_id="mine")
        self.assertEqual((order.id, order.item, order.user, order.qty), ("mine", 1, "ann", 2))
        answer = order.result(SOON)
        self.assertTrue(answer.confirmed and order.done())
        self.assertEqual((answer.order_id, answer.qty), ("1099511627777", 2))
        self.assertEqual(webapp.requests[0], {"op": "order", "id": "mine", "item": 1,
                                              "user": "ann", "qty": 2})

    def test_it_returns_when_the_order_is_in_the_file(self):
        order = self.open().order(1, "ann", valid_until_ms=now_ms() + 10**6)
        self.assertFalse(order.done())
        self.assertEqual(self.records(), [{"orders": [order.request]}])

    def test_many_are_one_write_all_or_none(self):
        spool = self.open()
        with self.assertRaises(StampedeError) as caught:
            spool.order_many([{"item": 1, "user": "ann"}, {"item": 1, "user": "ann", "qty": 0}])
        self.assertEqual((caught.exception.field, spool.orders()), ("qty", []))
        for wrong in ([{"item": 1, "user": "a", "id": "x"}] * 2, [7]):
            with self.assertRaises((ValueError, TypeError)):
                spool.order_many(wrong)
        orders = spool.order_many([{"item": 1, "user": f"u{n}"} for n in range(1500)])
        self.assertEqual([order.user for order in orders], [f"u{n}" for n in range(1500)])
        self.assertEqual(len(self.records()), 1)

    def test_wrong_values_are_refused_by_name_before_anything_is_written(self):
        spool = self.open()
        for field, wrong in (("qty", {"qty": 1.5}), ("user", {"user": ""}), ("item", {"item": -1}),
                             ("id", {"request_id": "a b"}),
                             ("valid_until_ms", {"valid_until_ms": 0}),
                             ("valid_until_ms", {"valid_until_ms": time.time()})):
            with self.assertRaises(StampedeError) as caught:
                spool.order(**{"item": 1, "user": "ann", **wrong})
            self.assertEqual(caught.exception.field, field)
        self.assertEqual(self.records(), [])

    def test_the_same_id_is_the_same_order_and_other_content_is_refused(self):
        spool = self.open()
        order = spool.order(1, "ann", request_id="mine", valid_until_ms=now_ms() + 10**6)
        self.assertIs(spool.order(1, "ann", id="mine"), order)
        with self.assertRaises(StampedeError) as caught:
            spool.order(1, "ann", 2, request_id="mine")
        self.assertEqual((caught.exception.code, spool.orders()), ("key_reused", [order]))

    def test_final_codes_are_outcomes_and_their_field_is_kept(self):
        def script(request):
            return [{**refused(request, "bad_request", False), "field": "qty", "more": 1.5}]

        spool = self.open(self.webapp(script))
        order = spool.order(1, "ann")
        for _ in range(2):
            with self.assertRaises(StampedeError) as caught:
                order.result(SOON)
            self.assertEqual((caught.exception.code, caught.exception.field,
                              caught.exception.request_id), ("bad_request", "qty", order.id))
            spool.close()
            spool = self.open()
            order, = spool.orders()

    def test_threads_may_share_it(self):
        spool = self.open(self.webapp(lambda request: [confirmed(request, request["user"])]))
        wrong = []

        def buy(user):
            for _ in range(20):
                if spool.order(1, user).result(SOON).order_id != user:
                    wrong.append(user)

        threads = [threading.Thread(target=buy, args=(str(n),)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertEqual(len({order.id for order in spool.answers(0)}), 80)

    def test_orders_max_is_told_and_ends_with_what_is_taken(self):
        spool = self.open(self.webapp(), orders_max=3)
        spool.order_many([{"item": 1, "user": "ann"}] * 3)
        self.assertEqual(spool.flush(SOON), 0)
        with self.assertRaises(SpoolError) as caught:
            spool.order(1, "ann")
        self.assertEqual(caught.exception.code, "spool_full")
        self.assertIn("orders_max = 3; 3 of them", str(caught.exception))
        self.assertIn(str(self.path), str(caught.exception))
        spool.forget(*spool.orders())
        spool.order(1, "ann")


class Asking(SpoolTest):
    def test_nothing_is_ever_called_a_first_try(self):
        webapp = self.webapp()
        spool = self.open(webapp)
        spool.order(1, "ann").result(SOON)
        spool.order_many([{"item": 1, "user": "ann", "id": "mine"}])[0].result(SOON)
        self.assertEqual(["first" in request for request in webapp.requests], [False, False])
        with self.assertRaises(StampedeError) as caught:
            spool.order_many([{"item": 1, "user": "ann", "first": True}])
        self.assertEqual(caught.exception.field, "first")

    def test_a_webapps_own_sold_out_is_no_answer(self):
        count = []

        def script(request):
            count.append(1)
            return [confirmed(request) if len(count) == 3 else
                    {"id": request["id"], "code": "sold_out", "edge": True, "retry": True}]

        with self.short_pauses():
            self.assertTrue(self.open(self.webapp(script)).order(1, "ann").result(SOON).confirmed)
        self.assertEqual(len(count), 3)

    def test_a_start_is_waited_for_and_not_missed_by_backing_off(self):
        times = []

        def script(request):
            times.append(time.monotonic())
            return [confirmed(request) if len(times) == 12 else
                    refused(request, "not_started", True, 10)]

        order = self.open(self.webapp(script)).order(1, "ann", promo=7)
        self.assertTrue(order.result(SOON).confirmed)
        self.assertEqual(order.promo, 7)

    def test_the_same_order_in_another_promo_is_another_one(self):
        spool = self.open()
        order = spool.order(1, "ann", request_id="mine", promo=7)
        self.assertIs(spool.order(1, "ann", request_id="mine", promo=7), order)
        for promo in (None, 8):
            with self.assertRaises(StampedeError) as caught:
                spool.order(1, "ann", request_id="mine", promo=promo)
            self.assertEqual(caught.exception.code, "key_reused")

    def test_an_answer_in_a_promo_is_kept_whole(self):
        more = {"promo": 7, "unit_price_cents": 500, "fulfilment": "unpaid", "pay_by": 2 ** 41}
        spool = self.open(self.webapp(lambda request: [confirmed(request, **more)]))
        self.assertTrue(spool.order(1, "ann", promo=7).result(SOON))
        spool.close()
        answer = self.open().orders()[0].result()
        self.assertEqual({name: getattr(answer, name) for name in more}, more)

    def test_after_an_outage_the_oldest_come_first(self):
        away = self.webapp()
        away.stop()
        spool = self.open(away)
        wanted = [spool.order(1, f"u{n}").id for n in range(30)]
        spool.close()
        spool = self.open(away)
        wanted += [spool.order(1, f"u{n}").id for n in range(30, 60)]
        webapp = self.webapp(port=away.port)
        self.assertEqual(spool.flush(SOON), 0)
        self.assertEqual(ids(webapp), wanted)

    def test_nothing_younger_is_asked_while_the_system_cannot_decide(self):
        for code in spool_sender.BUSY:
            tries = collections.Counter()

            def script(request):
                tries[request["id"]] += 1
                if tries.total() > 5:
                    return [confirmed(request)]
                return [refused(request, code, True, 20)]

            webapp = self.webapp(script)
            with self.short_pauses(), SpooledClient(self.folder / code, webapp.endpoint) as spool:
                first = spool.order(1, "ann")
                self.assertTrue(until(lambda: tries[first.id] >= 2))
                wanted = [first.id] + [spool.order(1, "bob").id for _ in range(20)]
                self.assertEqual(spool.flush(SOON), 0)
            self.assertEqual(ids(webapp), wanted)
            self.assertEqual(tries[first.id], 6)

    def test_one_that_has_to_wait_holds_up_nobody(self):
        begun = threading.Event()

        def script(request):
            if request["user"] == "early" and not begun.is_set():
                return [refused(request, "not_started", True, 30)]
            return [confirmed(request)]

        spool = self.open(self.webapp(script))
        early = spool.order(1, "early")
        self.assertTrue(spool.order(1, "ann").result(SOON).confirmed)
        with self.assertRaises(OutcomeUnknown) as caught:
            early.result(0.1)
        self.assertEqual(caught.exception.code, "not_started")
        self.assertIn(str(self.path), str(caught.exception))
        begun.set()
        self.assertTrue(early.result(SOON).confirmed)

    def test_retries_back_off(self):
        times = []

        def script(request):
            times.append(time.monotonic())
            return [refused(request, "overloaded", True) if len(times) < 5 else confirmed(request)]

        self.assertTrue(self.open(self.webapp(script)).order(1, "ann").result(SOON).confirmed)
        pauses = [later - earlier for earlier, later in zip(times, times[1:])]
        for pause, least in zip(pauses, (0.1, 0.2, 0.4, 0.8)):
            self.assertGreaterEqual(pause, least - 0.005)

    def test_silence_is_answered_by_asking_again_with_the_same_id(self):
        count = collections.Counter()

        def script(request):
            count[request["id"]] += 1
            return [] if count.total() < 4 else [confirmed(request)]

        webapp = self.webapp(script)
        spool = self.open(webapp)
        orders = spool.order_many([{"item": 1, "user": f"u{n}"} for n in range(10)])
        self.assertEqual(spool.flush(SOON), 0)
        self.assertEqual(ids(webapp), [order.id for order in orders])

    def test_a_restarted_webapp_is_found_again(self):
        first = self.webapp(lambda request: [])
        spool = self.open(first)
        order = spool.order(1, "ann")
        self.assertTrue(until(lambda: first.requests))
        first.stop()
        second = self.webapp(port=first.port)
        self.assertTrue(order.result(SOON).confirmed)
        self.assertEqual(second.requests[0]["id"], order.id)

    def test_answers_to_nobody_twice_or_nonsense_do_no_harm(self):
        def script(request):
            return [{**confirmed(request), "id": "somebody-else"}, b"\xc1", b"\x93\x01\x02\x03",
                    {"id": [1], "state": "confirmed"}, {"id": request["id"], "state": "queued"},
                    confirmed(request, request["user"]), confirmed(request, "x")]

        spool = self.open(self.webapp(script))
        for user in ("1", "2", "3"):
            self.assertEqual(spool.order(1, user).result(SOON).order_id, user)

    def test_a_refusal_that_names_none_of_many_is_the_one_it_is_about(self):
        def script(request):
            return [unnamed("of_a_later_version") if request["user"] == "u7" else
                    confirmed(request)]

        spool = self.open(self.webapp(script))
        orders = spool.order_many([{"item": 1, "user": f"u{n}"} for n in range(20)])
        self.assertEqual(spool.flush(60), 0)
        self.assertEqual([order.user for order in orders if not getattr(order.outcome, "confirmed",
                                                                        False)], ["u7"])
        self.assertEqual(orders[7].outcome.code, "of_a_later_version")

    def test_a_hundred_thousand_wait_without_being_asked_for(self):
        tries = collections.Counter()

        def script(request):
            tries[request["id"]] += 1
            return [refused(request, "no_backend", True, 10)]

        spool = self.open(self.webapp(script))
        spool.order_many([{"item": 1, "user": f"u{n}"} for n in range(20_000)])
        self.assertTrue(until(lambda: tries.total() >= spool_sender.WINDOW + 3))
        self.assertLessEqual(len(tries), spool_sender.WINDOW)


class Tickets(SpoolTest):
    """An order with a ticket is asked for until it has its answer or its promo has ended."""

    TICKET = Ticket("t-1", "t1.x.y", 7, 1, 2 ** 41)

    def ended_by(self, end):
        """What becomes of an order for which nothing is left for a while, also when the program
        ends meanwhile."""
        answers, later = [], []

        def script(request):
            answers.append(request)
            if spool:
                later.append(request)
            return [end(request) if len(later) > 3 else refused(request, "sold_out", True, 1)]

        spool = []
        webapp = self.webapp(script)
        with self.short_pauses():
            self.left_by_a_crash({"item": 1, "user": "ann", "ticket": self.TICKET},
                                 endpoint=webapp, then=self.refused_once)
            spool.append(self.open(webapp))
            order, = spool[0].orders()
            try:
                outcome = order.result(SOON)
            except StampedeError as error:
                outcome = error
        self.assertEqual((order.id, order.promo, order.ticket), ("t-1", 7, "t1.x.y"))
        self.assertEqual(len(later), 4)
        for request in answers:
            self.assertEqual((request["id"], request["promo"], request["ticket"]),
                             ("t-1", 7, "t1.x.y"))
        return outcome

    def test_units_that_come_back_go_to_it(self):
        self.assertTrue(self.ended_by(confirmed).confirmed)

    def test_it_ends_with_its_promo(self):
        ended = self.ended_by(lambda request: refused(request, "ended", False))
        self.assertEqual((ended.code, ended.retry), ("ended", False))

    def test_while_all_is_sold_out_it_says_so_and_holds_up_nobody(self):
        def script(request):
            return [refused(request, "sold_out", True) if "ticket" in request else
                    confirmed(request)]

        spool = self.open(self.webapp(script))
        waits = spool.order(1, "ann", ticket=self.TICKET)
        self.assertTrue(spool.order(1, "bob").result(SOON).confirmed)
        with self.assertRaises(OutcomeUnknown) as caught:
            waits.result(0.1)
        self.assertEqual((caught.exception.code, waits.last_code), ("sold_out", "sold_out"))

    def test_a_tickets_text_needs_its_id(self):
        spool = self.open()
        with self.assertRaises(StampedeError) as caught:
            spool.order(1, "ann", promo=7, ticket="t1.x.y")
        self.assertEqual((caught.exception.field, spool.orders()), ("request_id", []))
        order = spool.order(1, "ann", promo=7, ticket="t1.x.y", id="t-1")
        self.assertIs(spool.order(1, "ann", ticket=self.TICKET), order)


class Sessions(SpoolTest):
    """A session that is not taken is no answer: its orders wait for another one."""

    def script(self, good="new", code="session_expired"):
        def answer(request):
            if request.get("token") == good:
                return [confirmed(request)]
            return [refused(request, code, False)]
        return answer

    def test_orders_wait_for_a_token_that_is_taken(self):
        for code in ("not_logged_in", "session_expired", "session_replaced"):
            webapp = self.webapp(self.script(code=code))
            path = self.folder / code
            with SpooledClient(path, webapp.endpoint, token="old") as spool:
                orders = spool.order_many([{"item": 1, "user": "ann"}] * 20)
                self.assertTrue(until(lambda: all(one.last_code == code for one in orders)))
                with self.assertRaises(OutcomeUnknown) as caught:
                    orders[0].result(0.3)
                self.assertEqual(caught.exception.code, code)
                self.assertEqual(len(webapp.requests), 20)  # not asked again with the same
                spool.token = "old too"
                self.assertTrue(until(lambda: len(webapp.requests) == 40))
                self.assertEqual(spool.flush(0.1), 20)
                spool.token = "new"
                self.assertEqual((spool.token, spool.flush(SOON)), ("new", 0))
                self.assertTrue(all(one.result(0).confirmed for one in orders))
            self.assertEqual(len(webapp.requests), 60)

    def test_they_wait_across_an_end_of_the_program_and_no_token_is_in_the_file(self):
        webapp = self.webapp(self.script())
        self.left_by_a_crash({"item": 1, "user": "ann", "id": "a"}, endpoint=webapp,
                             then=self.refused_once)
        spool = self.open(webapp, token="secret-token")
        order, = spool.orders()
        self.assertTrue(until(lambda: order.last_code == "session_expired"))
        spool.close()
        self.assertNotIn(b"secret-token", self.path.read_bytes())
        spool = self.open(webapp, token="new")
        self.assertTrue(spool.orders()[0].result(SOON).confirmed)

    def test_a_token_that_is_set_before_the_refusal_of_the_old_one_came_is_used(self):
        held = []

        def script(request):
            if request.get("token") == "new":
                return [confirmed(request)]
            spool.token = "new"
            held.append(request["id"])
            return [refused(request, "session_expired", False)]

        webapp = self.webapp(script)
        spool = self.open(webapp, token="old")
        self.assertTrue(spool.order(1, "ann").result(SOON).confirmed)
        self.assertEqual(len(held), 1)

    def test_wrong_tokens_are_refused(self):
        spool = self.open()
        for wrong in ("", 7, "x" * 4097):
            with self.assertRaises(StampedeError) as caught:
                spool.token = wrong
            self.assertEqual(caught.exception.field, "token")
        with self.assertRaises(StampedeError) as caught:
            spool.order_many([{"item": 1, "user": "ann", "token": "x"}])
        self.assertEqual((caught.exception.field, spool.orders()), ("token", []))

    def test_one_that_was_refused_for_its_session_alone_expires(self):
        webapp = self.webapp(self.script())
        order = self.open(webapp, token="old").order(1, "ann", valid_until_ms=now_ms() + 400)
        with self.assertRaises(StampedeError) as caught:
            order.result(SOON)
        self.assertEqual((caught.exception.code, len(webapp.requests)), ("expired_request", 1))

    def test_one_that_may_be_decided_is_kept_until_a_session_can_ask(self):
        count = collections.Counter()

        def script(request):
            count[request["op"]] += 1
            if request.get("token") == "new":
                return [confirmed(request)]
            if request["op"] == "order" and count["order"] == 1:
                return [refused(request, "internal", True, 1)]
            return [refused(request, "session_expired", False)]

        with self.short_pauses():
            spool = self.open(self.webapp(script), token="old")
            order = spool.order(1, "ann", valid_until_ms=now_ms() + 500)
            self.assertTrue(until(lambda: count["get"]))
            self.assertEqual(spool.flush(0.3), 1)
            self.assertEqual((count["order"], count["get"]), (2, 1))
            spool.token = "new"
            self.assertTrue(order.result(SOON).confirmed)
        self.assertEqual((count["order"], count["get"]), (2, 2))


class MayBeConfirmed(SpoolTest):
    """A code that may be cured is no answer while a try before may still be confirmed."""

    def setUp(self):
        super().setUp()
        for name, value in (("SETTLE_S", 0.5), ("q.PAUSE_S", 0.01), ("q.CURED_LOOK_S", 0.05)):
            holder = spool_sender.q if name.startswith("q.") else spool_sender
            patch = mock.patch.object(holder, name.removeprefix("q."), value)
            patch.start()
            self.addCleanup(patch.stop)

    def refused_after(self, first, times):
        """`first` once, then `closed` so often, then it is bought."""
        count = collections.Counter()

        def script(request):
            count["all"] += 1
            if count["all"] == 1:
                return first(request)
            return [refused(request, "closed", False) if count["all"] <= times + 1
                    else confirmed(request)]
        return self.webapp(script)

    def test_it_is_asked_again_until_it_is_known(self):
        for first in (lambda request: [refused(request, "internal", True, 1)], lambda request: []):
            path = self.folder / f"spool-{id(first)}"
            webapp = self.refused_after(first, 2)
            with SpooledClient(path, webapp.endpoint) as spool:
                self.assertTrue(spool.order(1, "ann").result(SOON).confirmed)
            self.assertEqual(len(ids(webapp)), 1)

    def test_it_is_the_answer_when_the_system_has_said_so_for_long(self):
        webapp = self.refused_after(lambda request: [refused(request, "internal", True, 1)], 10**6)
        begin = time.monotonic()
        with self.assertRaises(StampedeError) as caught:
            self.open(webapp).order(1, "ann").result(SOON)
        self.assertEqual(caught.exception.code, "closed")
        self.assertGreaterEqual(time.monotonic() - begin, 0.5)

    def test_with_no_try_before_it_is_the_answer_at_once(self):
        webapp = self.webapp(lambda request: [refused(request, "closed", False)])
        with self.assertRaises(StampedeError) as caught:
            self.open(webapp).order(1, "ann").result(SOON)
        self.assertEqual((caught.exception.code, len(webapp.requests)), ("closed", 1))

    def test_a_process_before_may_have_sent_it(self):
        webapp = self.refused_after(lambda request: [refused(request, "closed", False)], 1)
        self.left_by_a_crash({"item": 1, "user": "ann", "id": "a"})
        self.assertTrue(self.open(webapp).orders()[0].result(SOON).confirmed)
        self.assertEqual(len(webapp.requests), 3)

    def test_one_that_ends_is_known_not_to_have_been_sent(self):
        webapp = self.webapp(lambda request: [refused(request, "closed", False)])
        self.left_by_a_crash({"item": 1, "user": "ann", "id": "a",
                              "valid_until_ms": now_ms() + 10**6})
        with self.assertRaises(StampedeError) as caught:
            self.open(webapp).orders()[0].result(SOON)
        self.assertEqual((caught.exception.code, len(webapp.requests)), ("closed", 1))


class Validity(SpoolTest):
    def test_it_is_on_the_wire_and_an_answer_is_an_answer(self):
        webapp = self.webapp()
        valid = now_ms() + 10**6
        self.assertTrue(self.open(webapp).order(1, "ann", valid_until_ms=valid)
                        .result(SOON).confirmed)
        self.assertEqual(webapp.requests[0]["valid_until_ms"], valid)

    def expired(self, order):
        with self.assertRaises(StampedeError) as caught:
            order.result(SOON)
        self.assertEqual((caught.exception.code, caught.exception.field, caught.exception.retry),
                         ("expired_request", "valid_until_ms", False))
        self.assertIn(str(order.valid_until_ms), str(caught.exception))

    def test_one_that_was_never_sent_is_told_without_the_system(self):
        away = self.webapp()
        away.stop()
        spool = self.open(away)
        late = spool.order(1, "ann", valid_until_ms=now_ms() + 200)
        past = spool.order(1, "ann", valid_until_ms=1)
        good = spool.order(1, "ann", valid_until_ms=now_ms() + 10**6)
        spool.close()
        spool = self.open(away)
        found = {order.id: order for order in spool.orders()}
        self.expired(found[late.id])
        self.expired(found[past.id])
        webapp = self.webapp(port=away.port)
        self.assertTrue(found[good.id].result(SOON).confirmed)
        self.assertEqual(ids(webapp), [good.id])
        self.assertEqual([order.id for order in spool.answers(0)], [past.id, late.id, good.id])

    def asked_what_became(self, answers, settle_s=0.3):
        """An order that was sent, unanswered, and became too old; `answers`, to each `get`."""
        def script(request):
            if request["op"] == "order":
                return []
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            return [{**answer, "id": request["id"]}]

        webapp = self.webapp(script)
        with self.short_pauses(), mock.patch.object(spool_sender, "SETTLE_S", settle_s), (
                SpooledClient(self.path, webapp.endpoint)) as spool:
            order = spool.order(1, "ann", valid_until_ms=now_ms() + 300)
            try:
                return order.result(SOON), webapp
            except StampedeError as error:
                return error, webapp

    def test_one_that_may_have_been_sent_is_asked_for(self):
        answer, webapp = self.asked_what_became([confirmed({"id": "x"})])
        self.assertTrue(answer.confirmed)
        self.assertEqual([request["op"] for request in webapp.requests], ["order", "get"])

    def test_unknown_is_no_answer_before_it_was_unknown_for_a_while(self):
        unknown = refused({"id": "x"}, "unknown_request", True)
        answer, webapp = self.asked_what_became([unknown, confirmed({"id": "x"})], settle_s=60)
        self.assertTrue(answer.confirmed)
        answer, webapp = self.asked_what_became([unknown])
        self.assertEqual(answer.code, "expired_request")
        asked = [request["op"] for request in webapp.requests]
        self.assertGreaterEqual(asked.count("get"), 2)
        self.assertEqual(asked, ["order"] + ["get"] * asked.count("get"))

    def test_what_a_process_before_may_have_sent_is_asked_for(self):
        silent = self.webapp(lambda request: [])
        order = {"item": 1, "user": "ann", "id": "mine", "valid_until_ms": now_ms() + 1000}
        self.left_by_a_crash(order, endpoint=silent,
                             then=lambda spool: until(lambda: spool.orders()[0].sent))
        until(lambda: now_ms() > order["valid_until_ms"])
        webapp = self.webapp()
        self.assertTrue(next(self.open(webapp).answers(SOON)).result(0).confirmed)
        self.assertEqual([request["op"] for request in webapp.requests], ["get"])


class Answers(SpoolTest):
    def test_they_stay_until_they_are_taken(self):
        webapp = self.webapp()
        self.left_by_a_crash({"item": 1, "user": "ann", "id": "a"}, endpoint=webapp,
                             then=lambda spool: spool.flush(SOON))
        for _ in range(3):  # seen, not taken
            with self.open() as spool:
                self.assertEqual([order.id for order in spool.orders()], ["a"])
                self.assertTrue(spool.orders()[0].result(0).confirmed)
        with self.open() as spool:
            self.assertEqual([order.id for order in spool.answers(0)], ["a"])
            self.assertEqual((list(spool.answers(0)), spool.orders()), ([], []))
        self.assertEqual(self.open().orders(), [])
        self.assertEqual(len(webapp.requests), 1)

    def test_one_that_was_not_dealt_with_comes_again(self):
        spool = self.open(self.webapp())
        spool.order_many([{"item": 1, "user": "ann", "id": name} for name in "abc"])
        spool.flush(SOON)
        for order in spool.answers(0):
            if order.id == "b":
                break
        with self.assertRaises(ZeroDivisionError):
            for order in spool.answers(0):
                self.assertEqual(order.id, "b")
                1 / 0
        self.assertEqual([order.id for order in spool.answers(0)], ["b", "c"])

    def test_they_come_in_the_order_of_the_answers_across_processes(self):
        held = {}

        def script(request):
            held[request["id"]] = confirmed(request)
            return [held.pop(name) for name in "cab"] if len(held) == 3 else []

        spool = self.open(self.webapp(script))
        spool.order_many([{"item": 1, "user": "ann", "id": name} for name in "abc"])
        spool.flush(SOON)
        spool.close()
        self.assertEqual([order.id for order in self.open().answers(0)], list("cab"))

    def test_two_who_take_never_get_the_same(self):
        spool = self.open(self.webapp())
        orders = spool.order_many([{"item": 1, "user": "ann"}] * 200)
        taken = []
        threads = [threading.Thread(target=lambda: taken.extend(spool.answers(1)))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(order.id for order in taken), sorted(order.id for order in orders))

    def test_what_has_no_answer_is_not_forgotten(self):
        spool = self.open()
        order = spool.order(1, "ann")
        with self.assertRaises(StampedeError):
            spool.forget(order)
        self.assertEqual(spool.flush(0), 1)
        self.assertEqual(list(spool.answers(0.05)), [])

    def test_the_order_goes_on_after_the_end_of_the_process(self):
        self.left_by_a_crash(*({"item": 1, "user": "ann", "id": f"o{n}"} for n in range(50)))
        webapp = self.webapp()
        spool = self.open(webapp)
        self.assertEqual(spool.flush(SOON), 0)
        self.assertEqual(ids(webapp), [f"o{n}" for n in range(50)])
        spool.order_many([{"item": 1, "user": "ann", "id": f"o{n}"} for n in range(60)])
        self.assertEqual(spool.flush(SOON), 0)
        self.assertEqual(ids(webapp), [f"o{n}" for n in range(60)])
        self.assertEqual(len(webapp.requests), 60)


class Order(SpoolTest):
    """Everything is in the file before it is told or sent."""

    def test_an_order_is_in_the_file_before_it_is_sent(self):
        path, found = self.path, []

        def script(request):
            found.append(request["id"].encode() in path.read_bytes())
            return [confirmed(request)]

        spool = self.open(self.webapp(script))
        for _ in range(5):
            spool.order(1, "ann").result(SOON)
        self.assertEqual(found, [True] * 5)

    def test_that_it_was_sent_is_in_the_file_before_it_is_if_it_can_expire(self):
        path, found = self.path, []

        def script(request):
            found.append({"sent": [request["id"]]} in spool_format.records_of(path.read_bytes()))
            return [confirmed(request)]

        spool = self.open(self.webapp(script))
        spool.order(1, "ann").result(SOON)
        spool.order(1, "ann", valid_until_ms=now_ms() + 10**6).result(SOON)
        self.assertEqual(found, [False, True])

    def test_an_answer_is_in_the_file_before_it_is_told(self):
        spool = self.open(self.webapp())
        for _ in range(20):
            order = spool.order(1, "ann")
            order.result(SOON)
            self.assertTrue(any(order.id in record.get("answers", ()) for record in self.records()))


class TheFile(SpoolTest):
    def test_it_does_not_grow_with_what_is_over(self):
        spool = self.open(self.webapp())
        largest = 0
        for _ in range(40):
            spool.order_many([{"item": 1, "user": "ann"}] * 100)
            spool.flush(SOON)
            spool.forget(*spool.orders())
            largest = max(largest, self.path.stat().st_size)
        self.assertLess(largest, 2 * spooled_client.REWRITE_BYTES)

    def test_a_rewriting_in_between_loses_nothing(self):
        with mock.patch.object(spooled_client, "REWRITE_BYTES", 1000):
            spool = self.open(self.webapp())
            wanted, got = set(), []
            for _ in range(60):
                orders = spool.order_many([{"item": 1, "user": "a"}] * 5)
                wanted.update(order.id for order in orders)
                got += [order.id for order in spool.answers(0)]
            while spool.orders():
                got += [order.id for order in spool.answers(0.1)]
        self.assertEqual((len(got), set(got)), (300, wanted))

    def test_a_full_disk_is_told_and_everything_goes_on_afterwards(self):
        webapp = self.webapp()
        spool = self.open(webapp)
        full = OSError(errno.ENOSPC, "full")
        with mock.patch("stampede.spool_file.write_all", side_effect=full):
            with self.assertRaises(SpoolError) as caught:
                spool.order(1, "ann")
            self.assertEqual((caught.exception.code, caught.exception.errno),
                             ("spool_io", errno.ENOSPC))
            self.assertIn(f"{self.path}: no room", str(caught.exception))
        self.assertEqual(spool.orders(), [])
        self.assertTrue(spool.order(1, "ann").result(SOON).confirmed)

    def test_an_answer_without_room_for_it_is_told_when_there_is(self):
        free = threading.Event()
        write_all = spooled_client.SpoolFile.append

        def append(file, record):
            if "answers" in record and not free.is_set():
                raise SpoolError("spool_io", file.path, "no room: full", errno.ENOSPC)
            write_all(file, record)

        with mock.patch.object(spooled_client.SpoolFile, "append", append):
            order = self.open(self.webapp()).order(1, "ann")
            self.assertTrue(until(lambda: order.last_code is None and order._spool._trouble))
            with self.assertRaises(OutcomeUnknown) as caught:
                order.result(0.05)
            self.assertIn("no room", str(caught.exception))
            free.set()
            self.assertTrue(order.result(SOON).confirmed)

    def test_after_a_failed_sync_everybody_is_told_and_nothing_is_lost(self):
        spool = self.open(self.webapp(lambda request: []))
        order = spool.order(1, "ann", request_id="a")
        waits = []

        def wait():
            try:
                order.result()
            except SpoolError as error:
                waits.append(error.errno)

        waiting = threading.Thread(target=wait)
        waiting.start()
        with mock.patch("os.fsync", side_effect=OSError(errno.EIO, "I/O")):
            with self.assertRaises(SpoolError):
                spool.order(1, "ann")
        for call in (lambda: spool.order(1, "ann"), lambda: spool.forget(), lambda: spool.flush(1),
                     lambda: next(spool.answers())):
            with self.assertRaises(SpoolError) as caught:
                call()
            self.assertEqual(caught.exception.errno, errno.EIO)
        waiting.join(SOON)
        self.assertEqual(waits, [errno.EIO])
        spool.close()
        self.assertIn("a", [order.id for order in self.open().orders()])

    def test_lines_that_contradict_each_other_are_damage(self):
        order = {"op": "order", "id": "a", "item": 1, "user": "ann", "qty": 1}
        for records in ([{"orders": [order, order]}], [{"sent": ["a"]}], [{"answers": {"a": {}}}],
                        [{"orders": [order]}, {"taken": ["a"]}], [{"orders": [{}]}], [[]],
                        [{"orders": 7}]):
            self.path.write_bytes(spool_format.HEAD + b"".join(map(spool_format.line_of, records)))
            self.path.chmod(0o600)
            with self.assertRaises(SpoolError) as caught:
                self.open()
            self.assertEqual(caught.exception.code, "spool_damaged", records)
            self.assertIn(str(self.path), str(caught.exception))

    def test_a_torn_end_loses_only_what_nobody_was_told(self):
        self.left_by_a_crash(*({"item": 1, "user": "ann", "id": f"o{n}"} for n in range(3)))
        with open(self.path, "ab") as file:
            file.write(spool_format.line_of({"orders": [{"id": "torn"}]})[:-1])
        self.assertEqual([order.id for order in self.open().orders()], ["o0", "o1", "o2"])


class Ending(SpoolTest):
    def test_a_closed_client_says_so(self):
        webapp = self.webapp()
        spool = self.open(webapp)
        answered = spool.order(1, "ann")
        answered.result(SOON)
        spool.close()
        spool.close()
        for call in (lambda: spool.order(1, "ann"), lambda: spool.forget(answered)):
            with self.assertRaises(SpoolError) as caught:
                call()
            self.assertEqual(caught.exception.code, "spool_closed")
            self.assertIn(str(self.path), str(caught.exception))
        self.assertEqual(list(spool.answers()), [])
        self.assertTrue(answered.result().confirmed)

    def test_closing_is_prompt_and_ends_every_wait(self):
        for script in (lambda request: [], lambda request: [refused(request, "no_backend", True)]):
            webapp = self.webapp(script)
            spool = self.open(webapp)
            order = spool.order(1, "ann")
            self.assertTrue(until(lambda: webapp.requests))
            said = []

            def wait(call):
                try:
                    said.append(call())
                except SpoolError as error:
                    said.append(error.code)

            waiting = [threading.Thread(target=wait, args=(call,)) for call in
                       (order.result, spool.flush, lambda: list(spool.answers()))]
            for thread in waiting:
                thread.start()
            start = time.monotonic()
            spool.close()
            self.assertLess(time.monotonic() - start, 5)
            for thread in waiting:
                thread.join(SOON)
            self.assertEqual(sorted(map(str, said)), ["[]", "spool_closed", "spool_closed"])
            self.assertEqual(self.open().orders()[0].id, order.id)
            self.path = self.folder / "second"

    def test_a_program_that_forgets_to_close_ends_all_the_same(self):
        script = ("import sys; from stampede import SpooledClient\n"
                  "spool = SpooledClient(sys.argv[1], sys.argv[2])\n"
                  "print(spool.order(1, 'ann', request_id='a').id)")
        for endpoint in (NOBODY_THERE, self.webapp(lambda request: []).endpoint):
            done = subprocess.run([sys.executable, "-c", script, self.path, endpoint], timeout=60,
                                  capture_output=True, text=True, check=False,
                                  env={"PYTHONPATH": PYTHON})
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "a\n", ""))
        self.assertEqual([order.id for order in self.open().orders()], ["a"])

    def test_a_child_is_refused_and_keeps_nothing(self):
        spool = self.open(self.webapp())
        order = spool.order(1, "ann")
        ours, theirs = FORK.Pipe()

        def child():
            said = []
            for call in (lambda: spool.order(1, "x"), lambda: spool.flush(), spool.orders,
                         order.result, lambda: list(spool.answers()), lambda: spool.forget(order)):
                try:
                    said.append(call())
                except SpoolError as error:
                    said.append(error.code)
            spool.close()
            theirs.send(said)

        process = FORK.Process(target=child)
        process.start()
        self.assertEqual(ours.recv(), ["spool_closed"] * 6)
        process.join()
        self.assertTrue(order.result(SOON).confirmed)
        self.assertEqual(len(spool.orders()), 1)

    def test_what_nobody_thought_of_in_the_thread_is_told(self):
        with mock.patch.object(spool_sender.q, "open_dealer", side_effect=RuntimeError("odd")):
            spool = self.open()
            self.assertTrue(until(lambda: spool._stopped))
        with self.assertRaises(SpoolError) as caught:
            spool.order(1, "ann")
        self.assertIn("odd", str(caught.exception))


if __name__ == "__main__":
    unittest.main(verbosity=2)
