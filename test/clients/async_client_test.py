#!/usr/bin/python3
"""The asyncio client's promises, against a webapp that drops, delays, doubles and restarts."""

import asyncio
import unittest

from fake_webapp import FakeWebapp, confirmed, refused, row, unnamed
from stampede import AsyncClient, NotConnected, OutcomeUnknown, StampedeError


class Asking(unittest.IsolatedAsyncioTestCase):
    async def test_many_questions_at_once_find_their_answers_in_any_order(self):
        held = []

        def script(request):
            held.append(confirmed(request, request["user"]))
            if len(held) < 50:
                return []
            answers, held[:] = held[::-1], []
            return answers

        with FakeWebapp(script) as webapp:
            async with AsyncClient(webapp.endpoint) as client:
                answers = await asyncio.gather(*(client.order(1, str(n)) for n in range(200)))
        self.assertEqual([answer.order_id for answer in answers], [str(n) for n in range(200)])

    async def test_the_same_id_asked_twice_at_once_answers_both(self):
        with FakeWebapp(lambda request: [confirmed(request)]) as webapp:
            async with AsyncClient(webapp.endpoint) as client:
                answers = await asyncio.gather(
                    *(client.order(1, "ann", request_id="mine") for _ in range(3)))
        self.assertEqual({answer.order_id for answer in answers}, {"1099511627777"})

    async def test_retries_keep_the_id(self):
        count = []

        def script(request):
            count.append(1)
            return [refused(request, "replaying", True, 20) if len(count) < 3
                    else confirmed(request)]

        with FakeWebapp(script) as webapp:
            async with AsyncClient(webapp.endpoint) as client:
                self.assertTrue((await client.order(1, "ann")).confirmed)
        self.assertEqual(len(webapp.requests), 3)
        self.assertEqual(len({request["id"] for request in webapp.requests}), 1)

    async def test_a_code_is_an_exception(self):
        with FakeWebapp(lambda request: [refused(request, "key_reused", False)]) as webapp:
            async with AsyncClient(webapp.endpoint) as client:
                with self.assertRaises(StampedeError) as caught:
                    await client.order(1, "ann", request_id="mine")
        self.assertEqual((caught.exception.code, caught.exception.request_id),
                         ("key_reused", "mine"))

    async def test_a_final_no_is_that_no_at_once_named_or_not(self):
        calls = (lambda client: client.order(1, "ann"), lambda client: client.get("mine"),
                 lambda client: client.items(), lambda client: client.items(1),
                 lambda client: client.ping(), lambda client: anext(client.stock(1)))
        for code in ("bad_protocol", "too_large", "of_a_later_version"):
            for call in calls:
                with FakeWebapp(lambda request: [unnamed(code)]) as webapp:
                    async with AsyncClient(webapp.endpoint) as client:
                        with self.assertRaises(StampedeError) as caught:
                            await call(client)
                self.assertNotIsInstance(caught.exception, OutcomeUnknown)
                self.assertEqual(caught.exception.code, code)
                self.assertEqual(len(webapp.requests), 1)

    async def test_whose_no_it_was_among_many_is_found_out_by_asking_alone(self):
        def script(request):
            if request["op"] == "get":
                return [unnamed("too_large")]
            return [confirmed(request)] if len(ids) > 1 else ids.append(request["id"]) or []

        ids = []
        with FakeWebapp(script) as webapp:
            async with AsyncClient(webapp.endpoint) as client:
                held = asyncio.create_task(client.order(1, "ann", request_id="held"))
                while not ids:
                    await asyncio.sleep(0.01)
                ids.append("next")
                with self.assertRaises(StampedeError) as caught:
                    await client.get("odd")
                answer = await held
        self.assertEqual((caught.exception.code, caught.exception.request_id),
                         ("too_large", "odd"))
        self.assertNotIsInstance(caught.exception, OutcomeUnknown)
        self.assertEqual((answer.id, answer.state), ("held", "confirmed"))

    async def test_a_no_to_a_question_that_was_broken_off_is_not_the_next_ones(self):
        def script(request):
            return [] if request["user"] == "stopped" else [unnamed(), confirmed(request)] if (
                len(webapp.requests) == 2) else [confirmed(request)]

        with FakeWebapp(script) as webapp:
            async with AsyncClient(webapp.endpoint) as client:
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.order(1, "stopped"), 0.2)
                self.assertTrue((await client.order(1, "ann")).confirmed)

    async def test_another_order_under_an_id_that_is_open_is_refused_at_once(self):
        with FakeWebapp(lambda request: [(confirmed(request))]) as webapp:
            async with AsyncClient(webapp.endpoint) as client:
                first = asyncio.create_task(client.order(1, "ann", request_id="mine"))
                await asyncio.sleep(0)
                with self.assertRaises(StampedeError) as caught:
                    await client.order(2, "ann", request_id="mine")
                self.assertTrue((await first).confirmed)
        self.assertEqual(caught.exception.code, "key_reused")

    async def test_a_timeout_says_unknown_and_does_not_stop_others(self):
        script = (lambda request: [] if request["user"] == "lost" else [confirmed(request)])
        with FakeWebapp(script) as webapp:
            async with AsyncClient(webapp.endpoint) as client:
                lost = asyncio.create_task(client.order(1, "lost", timeout=0.4))
                for _ in range(5):
                    self.assertTrue((await client.order(1, "ann")).confirmed)
                with self.assertRaises(OutcomeUnknown) as caught:
                    await lost
        self.assertIn(caught.exception.request_id, str(caught.exception))

    async def test_nobody_listening_is_told_apart(self):
        with FakeWebapp(lambda request: []) as webapp:
            endpoint = webapp.endpoint
        async with AsyncClient(endpoint) as client:
            with self.assertRaises(NotConnected):
                await client.ping(timeout=0.2)

    async def test_a_restarted_webapp_is_found_again(self):
        webapp = FakeWebapp(lambda request: [])
        async with AsyncClient(webapp.endpoint) as client:
            asking = asyncio.create_task(client.order(1, "ann", request_id="mine"))
            while not webapp.requests:
                await asyncio.sleep(0.01)
            webapp.stop()
            with FakeWebapp(lambda request: [confirmed(request)], port=webapp.port):
                self.assertTrue((await asking).confirmed)

    async def test_a_cancelled_question_leaves_the_client_usable(self):
        script = (lambda request: [] if request["user"] == "lost" else [confirmed(request)])
        with FakeWebapp(script) as webapp:
            async with AsyncClient(webapp.endpoint) as client:
                asking = asyncio.create_task(client.order(1, "lost"))
                while not webapp.requests:
                    await asyncio.sleep(0.01)
                asking.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await asking
                self.assertTrue((await client.order(1, "ann")).confirmed)

    async def test_items_get_and_ping(self):
        def script(request):
            if request["op"] == "items":
                return [{"id": request["id"], "items": [row(1, 5, 9)]}]
            if request["op"] == "ping":
                return [{"id": request["id"], "state": "ready", "proto": 1}]
            return [confirmed(request)]

        with FakeWebapp(script) as webapp:
            async with AsyncClient(webapp.endpoint) as client:
                self.assertEqual((await client.items())[0].name, "Phone")
                self.assertEqual(await client.ping(), "ready")
                self.assertTrue((await client.get("mine")).confirmed)

    async def test_stock_begins_with_a_snapshot_and_passes_over_old_news(self):
        with FakeWebapp(lambda r: [{"id": r["id"], "items": [row(1, 5, 100)]}]) as webapp:
            async with AsyncClient(webapp.endpoint) as client:
                stock = client.stock(1)
                self.assertEqual((await anext(stock)).left, 5)
                while not webapp.subscribed.is_set():
                    await asyncio.sleep(0.01)
                for left, seq in ((9, 99), (4, 101), (4, 101)):
                    webapp.publish("stock/1/", {"item": 1, "left": left, "total": 10,
                                                "seq": str(seq), "ts": 1})
                webapp.publish("stock/1/", {"item": 1, "left": 3, "total": 10, "seq": "102"})
                self.assertEqual((await anext(stock)).left, 4)
                self.assertEqual((await anext(stock)).left, 3)
                await stock.aclose()


if __name__ == "__main__":
    unittest.main(verbosity=2)
