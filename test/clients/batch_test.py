#!/usr/bin/python3
"""order_many of both clients: places kept, only what needs it asked again, nothing lost."""

import asyncio
import unittest

from fake_webapp import FakeWebapp, confirmed, refused
from stampede import AsyncClient, Client, NotConnected, OutcomeUnknown, StampedeError


def buyers(count, **more):
    return [{"item": 1, "user": f"u{number}", "request_id": f"r{number}", **more}
            for number in range(count)]


class Batches:
    """The tests of both; order_many(endpoint, orders, …) is theirs."""

    def ask(self, script, orders, **arguments):
        with FakeWebapp(script) as webapp:
            return self.order_many(webapp.endpoint, orders, **arguments), webapp

    def test_each_order_gets_its_answer_in_its_place(self):
        results, webapp = self.ask(
            lambda batch: [[confirmed(one, order_id=one["user"]) for one in batch]], buyers(3))
        self.assertEqual([one.id for one in results], ["r0", "r1", "r2"])
        self.assertEqual([one.order_id for one in results], ["u0", "u1", "u2"])
        self.assertEqual(len(webapp.requests), 1)
        self.assertEqual([len(parts) for parts in webapp.frames], [1])
        self.assertEqual(webapp.requests[0][2],
                         {"op": "order", "id": "r2", "item": 1, "user": "u2", "qty": 1})

    def test_ids_are_minted_and_kept_through_retries(self):
        orders = [{"item": 1, "user": "ann"}, {"item": 1, "user": "ann", "qty": 2}]
        asked = []

        def script(batch):
            asked.append([one["id"] for one in batch])
            return [] if len(asked) == 1 else [[confirmed(one) for one in batch]]

        results, _ = self.ask(script, orders)
        self.assertEqual(asked[0], asked[1])
        self.assertEqual(len(set(asked[0])), 2)
        self.assertEqual([one.qty for one in results], [1, 2])

    def test_an_error_of_one_is_its_result_and_the_others_have_theirs(self):
        results, webapp = self.ask(
            lambda batch: [[{**refused(one, "bad_request", False), "field": "qty"}
                            if one["id"] == "r1" else confirmed(one) for one in batch]], buyers(3))
        self.assertTrue(results[0].confirmed and results[2].confirmed)
        self.assertIsInstance(results[1], StampedeError)
        self.assertEqual((results[1].code, results[1].field, results[1].request_id),
                         ("bad_request", "qty", "r1"))
        self.assertEqual(len(webapp.requests), 1)

    def test_only_what_may_be_retried_is_asked_again(self):
        asked = []

        def script(batch):
            asked.append([one["id"] for one in batch])
            return [[refused(one, "overloaded", True, 20)
                     if one["id"] in ("r1", "r3") and len(asked) == 1 else confirmed(one)
                     for one in batch]]

        results, _ = self.ask(script, buyers(5))
        self.assertEqual(asked, [["r0", "r1", "r2", "r3", "r4"], ["r1", "r3"]])
        self.assertEqual([one.id for one in results], [f"r{number}" for number in range(5)])
        self.assertTrue(all(one.confirmed for one in results))

    def test_foreign_and_broken_arrays_are_passed_over(self):
        def script(batch):
            good = [confirmed(one) for one in batch]
            return [good[:1], list(reversed(good)), [1, 2], b"\x92\xc0", [], good, good]

        results, _ = self.ask(script, buyers(2))
        self.assertEqual([one.id for one in results], ["r0", "r1"])

    def test_what_stays_open_is_unknown_and_named(self):
        results, _ = self.ask(
            lambda batch: [[confirmed(one) if one["id"] == "r0"
                            else refused(one, "no_backend", True, 50) for one in batch]],
            buyers(2), timeout=0.5)
        self.assertTrue(results[0].confirmed)
        self.assertIsInstance(results[1], OutcomeUnknown)
        self.assertEqual((results[1].request_id, results[1].code), ("r1", "no_backend"))

    def test_a_refusal_of_the_whole_frame_is_every_orders_error(self):
        results, webapp = self.ask(
            lambda batch: [{"code": "bad_protocol", "message": "no", "retry": False}], buyers(2))
        self.assertEqual([one.code for one in results], ["bad_protocol"] * 2)
        self.assertEqual(len(webapp.requests), 1)

    def test_a_list_longer_than_a_frame_is_cut(self):
        sizes = []

        def script(batch):
            sizes.append(len(batch))
            return [[confirmed(one) for one in batch]]

        results, _ = self.ask(script, buyers(2001))
        self.assertEqual(sorted(sizes), [1, 1000, 1000])
        self.assertEqual([one.id for one in results], [f"r{number}" for number in range(2001)])
        self.assertEqual(self.ask(script, [])[0], [])
        _, webapp = self.ask(script, [{"item": 1, "user": "u", "request_id": f"{n:064}"}
                                      for n in range(1000)])
        self.assertTrue(all(len(parts[0]) <= 256 * 1024 for parts in webapp.frames))

    def test_wrong_lists_are_refused_before_anything_is_sent(self):
        for orders, error in ((buyers(1) * 2, ValueError),
                              ([{"item": 1, "user": "u", "request_id": "a b"}], StampedeError),
                              ([{"user": "u"}], StampedeError), ([{"item": 1}], StampedeError),
                              ([["item", 1]], TypeError), (["item"], TypeError),
                              (buyers(1, id="other"), StampedeError)):
            with self.subTest(orders), self.assertRaises(error):
                self.ask(lambda batch: self.fail("sent"), orders)

    def test_unknown_keys_are_refused_before_anything_is_sent(self):
        for name in ("quantity", "ID", "Id", "requestId", "user_id", "timeout", "op", "", 1):
            orders = [*buyers(1), {"item": 1, "user": "ann", name: "x"}]
            with self.subTest(name), self.assertRaises(StampedeError) as caught:
                self.ask(lambda batch: self.fail("sent"), orders)
            self.assertEqual((caught.exception.code, caught.exception.field),
                             ("bad_request", str(name)))

    def test_values_that_the_wire_has_no_form_for_are_refused_before_anything_is_sent(self):
        for name, value in (("item", 1.5), ("item", "1"), ("item", -1), ("item", 1 << 63),
                            ("item", None), ("item", True), ("qty", 2.0), ("qty", 0),
                            ("user", 7), ("user", ""), ("user", "x" * 65), ("user", "a\nb"),
                            ("user", b"\xff"), ("user", "\udc80"), ("user", None)):
            order = {"item": 1, "user": "ann", name: value}
            with self.subTest(order), self.assertRaises(StampedeError) as caught:
                self.ask(lambda batch: self.fail("sent"), [order])
            self.assertEqual((caught.exception.code, caught.exception.field), ("bad_request", name))
        for request_id in ("", "a b", 7, b"x", 1.5):
            with self.subTest(request_id), self.assertRaises(StampedeError) as caught:
                self.ask(lambda batch: self.fail("sent"),
                         [{"item": 1, "user": "ann", "id": request_id}])
            self.assertEqual(caught.exception.field, "id")

    def test_the_id_is_taken_under_both_its_names(self):
        for names in (("id",), ("request_id",), ("id", "request_id")):
            order = {"item": 1, "user": "ann", **{name: "mine" for name in names}}
            results, webapp = self.ask(
                lambda batch: [[confirmed(one) for one in batch]], [order])
            self.assertEqual((results[0].id, webapp.requests[0][0]["id"]), ("mine", "mine"))
        both = {"item": 1, "user": "ann", "id": "a", "request_id": "b"}
        with self.assertRaises(StampedeError):
            self.ask(lambda batch: self.fail("sent"), [both])

    def test_answers_without_an_id_stand_in_their_place(self):
        refusal = {"code": "bad_request", "message": "no", "retry": False, "field": "qty"}
        results, webapp = self.ask(lambda batch: [[refusal, confirmed(batch[1])]], buyers(2))
        self.assertEqual((results[0].code, results[0].request_id), ("bad_request", "r0"))
        self.assertTrue(results[1].confirmed)
        self.assertEqual(len(webapp.requests), 1)

    def test_a_frame_that_is_refused_for_now_is_asked_again(self):
        asked = []

        def script(batch):
            asked.append([one["id"] for one in batch])
            return [{"code": "overloaded", "message": "no", "retry": True, "retry_after_ms": 20}
                    if len(asked) == 1 else [confirmed(one) for one in batch]]

        results, _ = self.ask(script, buyers(2))
        self.assertEqual(asked, [["r0", "r1"]] * 2)
        self.assertTrue(all(one.confirmed for one in results))

    def test_nobody_there_says_that_nothing_was_sent(self):
        with self.assertRaises(NotConnected):
            self.order_many("tcp://127.0.0.1:9", buyers(2), timeout=0.3)


class Blocking(Batches, unittest.TestCase):
    def order_many(self, endpoint, orders, **arguments):
        with Client(endpoint) as client:
            return client.order_many(orders, **arguments)


class Asyncio(Batches, unittest.TestCase):
    def order_many(self, endpoint, orders, **arguments):
        async def run():
            async with AsyncClient(endpoint) as client:
                return await client.order_many(orders, **arguments)
        return asyncio.run(run())

    def test_batches_and_single_orders_mix_on_one_connection(self):
        def script(request):
            if isinstance(request, dict):
                return [confirmed(request)]
            return [[confirmed(one) for one in request]]

        async def run(endpoint):
            async with AsyncClient(endpoint) as client:
                return await asyncio.gather(
                    client.order_many(buyers(3)), client.order(1, "ann", request_id="single"),
                    client.order_many([{"item": 2, "user": "bob", "request_id": "x"}]))

        with FakeWebapp(script) as webapp:
            many, single, other = asyncio.run(run(webapp.endpoint))
        self.assertEqual([one.id for one in many], ["r0", "r1", "r2"])
        self.assertEqual((single.id, other[0].id), ("single", "x"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
