#!/usr/bin/python3
"""HTTP as the contract's table says it, row by row, and the miaosha plan's own requests."""

import http.client
import json
import re
import signal
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from system import System, SystemTest, eventually

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    def json(self):
        return json.loads(self.text)


class Browser:
    """One connection that is kept alive."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)

    def ask(self, method, path, body=None, **headers):
        words = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, words)
        return Reply(self.connection.getresponse())

    def get(self, path):
        return self.ask("GET", path)

    def order(self, body, **headers):
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return self.ask("POST", "/v1/orders", text, Content_Type="application/json", **headers)


class Http(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Phone:10000000", "2:Watch:1", "3:Lamp:100", "4:Cup:20")

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)
        self.browser = Browser(self.system.http_port)
        self.addCleanup(self.browser.connection.close)

    def problem(self, reply, status, code, field=None):
        """RFC 9457, with the contract's code and, where there is one, the member's name."""
        self.assertEqual(reply.status, status, reply.text)
        self.assertEqual(reply.headers.get_content_type(), "application/problem+json")
        body = reply.json()
        self.assertEqual((body["code"], body["status"]), (code, status))
        self.assertIn("title", body)
        if field:
            self.assertEqual(body["field"], field)
        return body

    # --- POST /v1/orders --------------------------------------------------------------------------

    def test_an_order_is_queued_and_its_location_tells_the_outcome(self):
        reply = self.browser.order({"item": 1, "user": "ann", "qty": 2}, Idempotency_Key='"q1"')
        self.assertEqual((reply.status, reply.json()), (202, {"id": "q1", "state": "queued"}))
        self.assertEqual(reply.headers["Location"], "/v1/orders/q1")
        def outcome():
            shown = self.browser.get(reply.headers["Location"])
            known = shown.status == 200 and shown.json()["state"] == "confirmed"
            return known and shown.json()
        answer = eventually(outcome)
        self.assertTrue(answer, "never decided")
        self.assertEqual((answer["id"], answer["item"], answer["qty"]), ("q1", 1, 2))
        self.assertIsInstance(answer["order_id"], str)
        self.assertTrue(eventually(lambda: self.browser.get("/v1/orders/q1").json()["stored"]))

    def test_a_client_that_waits_gets_201_then_200(self):
        first = self.browser.order({"item": 1, "user": "ann"}, Idempotency_Key="w1",
                                   Prefer="wait=10")
        self.assertEqual(first.status, 201, first.text)
        body = first.json()
        self.assertEqual((body["state"], body["qty"]), ("confirmed", 1))
        self.assertEqual(first.headers["Location"], "/v1/orders/w1")
        again = self.browser.order({"item": 1, "user": "ann"}, Idempotency_Key='"w1"',
                                   Prefer="wait=10")
        self.assertEqual(again.status, 200, again.text)
        self.assertEqual((again.json()["order_id"], again.json()["replayed"]),
                         (body["order_id"], True))

    def test_the_id_may_be_a_member_too_but_not_another_one(self):
        order = {"id": "m1", "item": 1, "user": "ann"}
        self.assertEqual(self.browser.order(order, Prefer="wait=10").json()["id"], "m1")
        same = self.browser.order(order, Prefer="wait=10", Idempotency_Key="m1")
        self.assertEqual((same.status, same.json()["id"]), (200, "m1"))
        self.problem(self.browser.order(order, Idempotency_Key="m2"), 400, "bad_request", "id")

    def test_without_an_id_one_is_minted(self):
        ids = {self.browser.order({"item": 1, "user": "ann"}).json()["id"] for _ in range(20)}
        self.assertEqual(len(ids), 20)
        self.assertTrue(all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", one) for one in ids))

    def test_the_wait_that_ran_out_is_a_202_and_the_order_lives_on(self):
        backend = self.system.pid("backend-1")
        self.system.signal(backend, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            reply = self.browser.order({"item": 1, "user": "ann"}, Idempotency_Key="late",
                                       Prefer="wait=1")
            waited = time.monotonic() - begin
        finally:
            self.system.signal(backend, signal.SIGCONT)
        self.assertEqual((reply.status, reply.json()["state"]), (202, "queued"))
        self.assertEqual(reply.headers["Location"], "/v1/orders/late")
        self.assertGreater(waited, 0.8)
        state = lambda: self.browser.get("/v1/orders/late").json().get("state") == "confirmed"
        self.assertTrue(eventually(state), "it was lost")

    def test_a_no_of_the_business_is_409_with_its_reason(self):
        self.assertEqual(self.browser.order({"item": 2, "user": "ann"}, Prefer="wait=10",
                                            Idempotency_Key="last-one").status, 201)
        for _ in range(2):
            body = self.problem(self.browser.order({"item": 2, "user": "bob"}, Prefer="wait=10",
                                                   Idempotency_Key="none-left"), 409, "sold_out")
            self.assertEqual(body["reason"], "sold_out")
        shown = self.browser.get("/v1/orders/none-left")
        self.assertEqual((shown.status, shown.json()["state"], shown.json()["reason"]),
                         (200, "rejected", "sold_out"))

    # --- an array of orders -----------------------------------------------------------------------

    def orders(self, *orders, status=200, **headers):
        reply = self.browser.order(list(orders), **headers)
        self.assertEqual(reply.status, status, reply.text)
        return reply.json()

    def stored(self, prefix):
        rows = lambda: self.system.sql("SELECT request_id, order_id, user_id, qty FROM orders "
                                       f"WHERE request_id LIKE '{prefix}%'")
        return {row[0]: row[1:] for row in rows()}

    def test_an_array_is_answered_by_one_in_its_order(self):
        """Good and bad ones, a repeat and another order under the same id, each in its place."""
        first = self.orders({"id": "ar-0", "item": 1, "user": "ann", "qty": 2},
                            {"id": "ar-1", "item": 999, "user": "ann"},
                            {"id": "ar-2", "item": 1, "user": "ann", "colour": "red"},
                            {"id": "ar-0", "item": 1, "user": "ann", "qty": 2},
                            {"id": "ar-0", "item": 1, "user": "bob", "qty": 2},
                            {"id": "ar-3", "item": 1},
                            {"id": "ar-4", "item": 1, "user": "ann", "qty": 6},
                            {"item": 1, "user": "ann"},
                            {"id": "ar-5", "item": 1, "user": "eve"})
        told = [(one.get("id"), one.get("state") or (one["code"], one["status"], one["retry"],
                                                     one.get("field"))) for one in first]
        minted = first[7]["id"]
        self.assertRegex(minted, "[0-9a-f]{32}")
        bad = ("bad_request", 400, False)
        self.assertEqual(told, [("ar-0", "confirmed"),
                                ("ar-1", ("unknown_item", 404, False, "item")),
                                ("ar-2", bad + ("colour",)), ("ar-0", "confirmed"),
                                ("ar-0", ("key_reused", 422, False, None)),
                                ("ar-3", bad + ("user",)), ("ar-4", bad + ("qty",)),
                                (minted, "confirmed"), ("ar-5", "confirmed")])
        same = [{name: one[name] for name in ("order_id", "item", "qty")} for one in first[:4:3]]
        self.assertEqual(same[0], same[1])
        self.assertTrue(first[3]["replayed"])
        self.assertTrue(eventually(lambda: len(self.stored("ar-")) == 2))
        self.assertEqual(self.stored("ar-"), {"ar-0": [first[0]["order_id"], "ann", "2"],
                                              "ar-5": [first[8]["order_id"], "eve", "1"]})

    def test_an_array_of_a_thousand_and_again(self):
        orders = [{"id": f"th-{n}", "item": 1, "user": "u"} for n in range(1000)]
        first = self.orders(*orders, Prefer="wait=20")
        self.assertEqual([one["id"] for one in first], [one["id"] for one in orders])
        self.assertEqual({one["state"] for one in first}, {"confirmed"})
        again = self.orders(*orders, Prefer="wait=20")
        self.assertEqual([one["order_id"] for one in again], [one["order_id"] for one in first])
        self.assertTrue(all(one["replayed"] for one in again))
        self.assertTrue(eventually(lambda: len(self.stored("th-")) == 1000))

    def test_a_no_of_the_business_stands_in_its_place(self):
        answers = self.orders(*({"id": f"no-{n}", "item": 4, "user": "a", "qty": 5}
                                for n in range(9)))
        self.assertEqual([one["state"] for one in answers], ["confirmed"] * 4 + ["rejected"] * 5)
        rejected = answers[4:]
        self.assertEqual({(one["code"], one["status"], one["reason"]) for one in rejected},
                         {("sold_out", 409, "sold_out")})

    def test_an_array_that_is_refused_decides_nothing(self):
        good = {"id": "none-0", "item": 1, "user": "ann"}
        many = [{"id": f"none-{n}", "item": 1, "user": "u"} for n in range(1001)]
        large = [{"id": f"none-{n}", "item": 1, "user": "u" * 64} for n in range(700)]
        for body, status, code, field, words in (
                ("[]", 400, "bad_request", None, "must hold an order"),
                ([good, [good]], 400, "bad_request", None, "place 1"),
                ([good, None], 400, "bad_request", None, "place 1"),
                ([[good]], 400, "bad_request", None, "place 0"),
                ([good, {**good, "id": "no good"}], 400, "bad_request", "id", "place 1"),
                ([good, {**good, "id": 7}], 400, "bad_request", "id", "place 1"),
                (json.dumps([good])[:-1], 400, "bad_request", None, "JSON"),
                (many, 413, "too_large", None, "1000"),
                (large, 413, "too_large", None, "64 KiB"),
                (json.dumps(good) + " " * 5000, 413, "too_large", None, "4 KiB")):
            with self.subTest(str(body)[:60]):
                reply = self.browser_again().order(body)
                problem = self.problem(reply, status, code, field)
                self.assertIn(words, problem.get("detail", problem["title"]))
        for key in "k1", "":
            self.problem(self.browser.order([good], Idempotency_Key=key), 400, "bad_request",
                         "Idempotency-Key")
        self.problem(self.browser.get("/v1/orders/none-0"), 404, "unknown_request")
        self.assertEqual(self.stored("none-"), {})

    def test_an_array_that_waits_in_vain_is_told_so_and_its_ids_settle_it(self):
        orders = [{"id": f"wait-{n}", "item": 1, "user": "ann"} for n in range(3)]
        backend = self.system.pid("backend-1")
        self.system.signal(backend, signal.SIGSTOP)
        try:
            late = self.orders(*orders, Prefer="wait=1")
        finally:
            self.system.signal(backend, signal.SIGCONT)
        self.assertEqual([one["id"] for one in late], [one["id"] for one in orders])
        self.assertEqual({one["retry"] for one in late}, {True}, late)
        def settled():
            again = self.orders(*orders, Prefer="wait=10")
            return all("order_id" in one for one in again)
        self.assertTrue(eventually(settled))
        self.assertTrue(eventually(lambda: len(self.stored("wait-")) == 3))

    def test_other_content_under_the_same_id_is_422(self):
        self.browser.order({"item": 1, "user": "ann"}, Idempotency_Key="r1", Prefer="wait=10")
        for other in ({"item": 1, "user": "bob"}, {"item": 1, "user": "ann", "qty": 2},
                      {"item": 3, "user": "ann"}):
            self.problem(self.browser.order(other, Idempotency_Key="r1", Prefer="wait=10"),
                         422, "key_reused")

    def test_unknown_things_are_404(self):
        self.problem(self.browser.get("/v1/orders/never-heard"), 404, "unknown_request")
        self.problem(self.browser.get("/v1/items/999"), 404, "unknown_item")
        self.problem(self.browser.order({"item": 999, "user": "ann"}, Prefer="wait=10"),
                     404, "unknown_item")

    def test_a_bad_order_is_400_and_names_the_member(self):
        for body, field in (({"item": 1, "user": "ann", "colour": "red"}, "colour"),
                            ({"item": 1}, "user"), ({"user": "ann"}, "item"),
                            ({"item": "1", "user": "ann"}, "item"),
                            ({"item": -1, "user": "ann"}, "item"),
                            ({"item": 1 << 63, "user": "ann"}, "item"),
                            ({"item": 1.5, "user": "ann"}, "item"),
                            ({"item": 1, "user": ""}, "user"),
                            ({"item": 1, "user": "a" * 65}, "user"),
                            ({"item": 1, "user": "a\nb"}, "user"),
                            ({"item": 1, "user": None}, "user"),
                            ({"item": 1, "user": "ann", "qty": 0}, "qty"),
                            ({"item": 1, "user": "ann", "qty": 1001}, "qty"),
                            ({"item": 1, "user": "ann", "qty": True}, "qty"),
                            ({"item": 1, "user": "ann", "id": "a b"}, "id"),
                            ({"item": 1, "user": "ann", "id": "a" * 65}, "id")):
            with self.subTest(body):
                self.problem(self.browser.order(body, Prefer="wait=5"), 400, "bad_request", field)
        over = self.browser.order({"item": 1, "user": "ann", "qty": 6}, Prefer="wait=10")
        self.problem(over, 400, "bad_request", "qty")

    def test_a_body_that_is_no_order_is_400(self):
        for body in ("", "{", "[]", "null", '"text"', '{"item":1,"user":"ann"} x', b"\xff\xfe",
                     b'{"item":1,"user":"\xff"}', '{"item":1,"item":2,"user":"ann"}',
                     '{"item":1,"user":{"name":"ann"}}', "[" * 2000):
            with self.subTest(body):
                self.problem(self.browser.order(body), 400, "bad_request")
        bad = self.browser.order({"item": 1, "user": "ann"}, Idempotency_Key="no good")
        self.problem(bad, 400, "bad_request")

    def test_json_is_taken_whatever_curl_calls_it_but_not_as_a_known_other_type(self):
        order = json.dumps({"item": 1, "user": "ann"})
        for kind in FORM["Content-Type"], "text/plain", "application/octet-stream":
            reply = self.browser.ask("POST", "/v1/orders", order, Content_Type=kind)
            self.assertEqual(reply.status, 202, (kind, reply.text))
        for kind in "application/xml", "multipart/form-data; boundary=x", "text/html":
            reply = self.browser.ask("POST", "/v1/orders", order, Content_Type=kind)
            self.assertEqual(reply.status, 415, (kind, reply.text))

    def test_too_much_is_413_or_431(self):
        self.problem(self.browser.order(json.dumps({"item": 1, "user": "ann"}) + " " * 5000),
                     413, "too_large")
        line = Browser(self.system.http_port).get("/v1/orders/" + "a" * 3000)
        self.assertIn(line.status, (413, 414, 431))
        head = Browser(self.system.http_port).ask("GET", "/healthz", X_Long="a" * 9000)
        self.assertIn(head.status, (413, 431))
        self.assertEqual(self.browser_again().get("/healthz").status, 200)

    def browser_again(self):
        browser = Browser(self.system.http_port)
        self.addCleanup(browser.connection.close)
        return browser

    # --- the rest ---------------------------------------------------------------------------------

    def test_items_are_listed_page_by_page_with_the_servers_time(self):
        page = self.browser.get("/v1/items?from=0&limit=2").json()
        self.assertEqual([row["item"] for row in page["items"]], [1, 2])
        self.assertEqual(page["next"], 3)
        rest = self.browser.get(f"/v1/items?from={page['next']}").json()
        self.assertEqual(rest["items"][0]["item"], 3)
        self.assertNotIn("next", rest)
        one = self.browser.get("/v1/items/3").json()
        for member in ("item", "name", "price_cents", "total", "left", "seq", "state"):
            self.assertIn(member, one)
        self.assertEqual((one["name"], one["total"], one["left"]), ("Lamp", 100, 100))
        self.assertIn("server_time", page)
        for query, field in (("from=x", "from"), ("limit=0", "limit"), ("limit=501", "limit")):
            self.problem(self.browser.get("/v1/items?" + query), 400, "bad_request", field)

    def test_paths_and_methods_that_do_not_exist(self):
        self.assertEqual(self.browser.get("/nothing").status, 404)
        self.assertEqual(self.browser.get("/v1/orders").status, 405)
        self.assertEqual(self.browser.ask("DELETE", "/v1/items/1").status, 405)

    def test_health_of_the_webapp_and_of_every_node(self):
        for path in "/healthz", "/readyz", "/version":
            self.assertEqual(self.browser.get(path).status, 200, path)
        supervisor = Browser(self.system.base)
        self.addCleanup(supervisor.connection.close)
        self.assertEqual(supervisor.get("/readyz").status, 200)
        for node in "webapp-1", "broker-1", "backend-1":
            for path in "/healthz", "/readyz", "/version":
                reply = supervisor.get(f"{path}?node={node}")
                self.assertEqual(reply.status, 200, (path, node, reply.text))

    def test_zz_without_a_backend_alive_but_not_ready(self):
        """Runs last: the backend is stopped for a moment."""
        backend = self.system.pid("backend-1")
        self.system.signal(backend, signal.SIGSTOP)
        self.system.signal(backend, signal.SIGKILL)
        reply = eventually(lambda: (seen := self.browser.get("/readyz")).status == 503 and seen, 10)
        self.assertTrue(reply, "ready although the backend died")
        self.assertEqual(self.browser.get("/healthz").status, 200)
        self.assertTrue(eventually(lambda: self.browser.get("/readyz").status == 200, 30))

    # --- miaosha ----------------------------------------------------------------------------------

    def miaosha_result(self, request_id):
        return self.browser.get(f"/miaosha/order-result?requestId={request_id}")

    def test_miaosha_order_and_result(self):
        reply = self.browser.ask("POST", "/miaosha/order", "itemId=1", **{"Content_Type":
                                 FORM["Content-Type"]})
        self.assertEqual(reply.status, 200)
        body = reply.json()
        self.assertEqual(set(body), {"id", "itemId", "userId"})
        self.assertEqual((body["itemId"], body["userId"]), (1, body["id"]))
        done = eventually(lambda: self.miaosha_result(body["id"]).text)
        self.assertEqual(json.loads(done), {"requestId": body["id"], "success": True,
                                            "errorMessage": None})
        unknown = self.miaosha_result("never-heard")
        self.assertEqual((unknown.status, unknown.text), (200, ""))
        self.problem(self.browser.ask("POST", "/miaosha/order", "item=1"), 400, "bad_request")

    def test_300_keep_alive_connections_of_wrk_order_and_every_accepted_order_is_decided(self):
        before = self.system.report("verify", "--wait", "30s")
        script = Path(__file__).resolve().parent / "miaosha.lua"
        ran = subprocess.run(["wrk", "-t2", "-c300", "-d3s", "--timeout", "10s", "-s", script,
                              f"{self.system.http}/miaosha/order"],
                             capture_output=True, text=True, timeout=60, check=False)
        said = re.search(r"MIAOSHA answered=(\d+) wrong=(\d+) connect=(\d+) read=(\d+) write=(\d+) "
                         r"timeout=(\d+) id=(\S+)", ran.stdout)
        self.assertTrue(said, ran.stdout + ran.stderr)
        answered, *faults = map(int, said.groups()[:6])
        self.assertEqual(faults, [0, 0, 0, 0, 0], ran.stdout)
        self.assertGreater(answered, 300)
        after = self.system.verify()
        # wrk ends with a request open on each connection: those may be orders, too.
        rows = after["rows"] - before["rows"]
        self.assertLessEqual(answered, rows)
        self.assertLessEqual(rows, answered + 300)
        self.assertEqual(json.loads(self.miaosha_result(said[7]).text)["success"], True)

    def test_every_accepted_miaosha_order_is_one_row_or_a_plain_no(self):
        """The same, counted exactly: 300 connections, 3,000 orders, 1,000 units."""
        done = self.system.stampede("item", "add", 51, "--name", "Rush", "--stock", 1000)
        self.assertEqual(done.returncode, 0, done.stderr)
        def buy(_):
            browser, ids = Browser(self.system.http_port), []
            for _ in range(10):
                reply = browser.ask("POST", "/miaosha/order", "itemId=51",
                                    Content_Type=FORM["Content-Type"])
                ids.append(reply.json()["id"] if reply.status == 200 else reply.text)
            results = [eventually(lambda one=one: browser.get(
                f"/miaosha/order-result?requestId={one}").text) for one in ids]
            browser.connection.close()
            return zip(ids, results)
        with ThreadPoolExecutor(300) as pool:
            told = {name: json.loads(text) for part in pool.map(buy, range(300))
                    for name, text in part}
        self.assertEqual(len(told), 3000)
        won = sorted(name for name, one in told.items() if one["success"])
        lost = [one["errorMessage"] for one in told.values() if not one["success"]]
        self.assertEqual((len(won), set(lost)), (1000, {"sold_out"}))
        self.system.verify()
        rows = self.system.sql("SELECT request_id FROM orders WHERE item_id = 51")
        self.assertEqual(sorted(row[0] for row in rows), won)


if __name__ == "__main__":
    unittest.main(verbosity=2)
