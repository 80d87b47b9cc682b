#!/usr/bin/python3
"""What a running system answers over HTTP is what docs/openapi.yaml says: status, kind of contents
and every member, of each operation at least once, and of its refusals."""

import http.client
import json
import re
import unittest
import urllib.parse

import jsonschema
import yaml

from by_hand import must
from http_test import FORM, Browser
from system import PROJECT, System, SystemTest, eventually

DOCUMENT = yaml.safe_load((PROJECT / "docs/openapi.yaml").read_text(encoding="utf-8"))
OPERATIONS = {entry["operationId"]: (method.upper(), path, entry)
              for path, methods in DOCUMENT["paths"].items()
              for method, entry in methods.items() if method != "parameters"}
# What only systems with sessions or other pages answer; elsewhere it is 404.
ELSEWHERE = {"postAccount", "postSession", "endSession", "pageLogin", "pageOrder", "pageItem"}


class Asking(SystemTest):
    """Owner of one system, that all tests of a class ask."""

    system = None

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)
        self.browser = Browser(self.system.http_port)
        self.addCleanup(self.browser.connection.close)

    def resolved(self, node):
        while "$ref" in node:
            at = DOCUMENT
            for part in node["$ref"].removeprefix("#/").split("/"):
                at = at[part]
            node = at
        return node

    def check(self, operation, reply, status):
        """The reply is one that the operation may give; its body."""
        self.assertEqual(reply.status, status, f"{operation}: {reply.text}")
        responses = OPERATIONS[operation][2]["responses"]
        response = self.resolved(responses.get(str(status)) or responses["default"])
        if not reply.text:
            return None
        kind = reply.headers.get_content_type()
        self.assertIn(kind, response["content"], f"{operation} {status}")
        if not kind.endswith("json"):
            return reply.text
        schema = response["content"][kind]["schema"] | {"components": DOCUMENT["components"]}
        body = json.loads(reply.text)
        errors = [error.message for error in
                  jsonschema.Draft202012Validator(schema).iter_errors(body)]
        self.assertEqual(errors, [], f"{operation} {status}: {reply.text}")
        return body

    def ask(self, operation, status, body=None, query="", place=None, **headers):
        method, path, _ = OPERATIONS[operation]
        for name, value in (place or {}).items():
            path = path.replace(f"{{{name}}}", str(value))
        form = headers.get("Content_Type") == FORM["Content-Type"]
        text = urllib.parse.urlencode(body) if form else json.dumps(body) if body else None
        if text:
            headers.setdefault("Content_Type", "application/json")
        reply = self.browser.ask(method, path + query, text, **headers)
        return self.check(operation, reply, status)


class Orders(Asking):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Phone:1000", "2:Watch:1", "3:Lamp:100")
        for words in (("item", "set", 3, "--price-cents", 500, "--hold-s", 900),
                      ("promo", "add", 7, "--item", 1, "--name", "Half", "--price-cents", 100,
                       "--starts", "now", "--ends", "+1h", "--ticket", "--gate-factor", 5)):
            must(cls.system.stampede(*words), " ".join(map(str, words)))

    def order(self, status, order, **headers):
        return self.ask("postOrder", status, order, Prefer="wait=10", **headers)

    def test_orders(self):
        self.order(201, {"id": "a", "item": 1, "user": "ann"})
        self.order(200, {"id": "a", "item": 1, "user": "ann"})
        self.order(422, {"id": "a", "item": 1, "user": "bob"})
        self.ask("postOrder", 202, {"id": "b", "item": 1, "user": "ann"})
        self.ask("getOrder", 200, place={"id": "a"})
        self.ask("getOrder", 404, place={"id": "nobody"})
        self.order(201, {"item": 2, "user": "ann"})
        self.order(409, {"id": "c", "item": 2, "user": "bob"})
        self.ask("getOrder", 200, place={"id": "c"})
        self.order(409, {"id": "d", "item": 2, "user": "cid"}, Stampede_First="1")
        self.order(404, {"item": 99, "user": "ann"})
        self.order(400, {"item": 1, "user": "ann", "colour": "red"})
        self.order(400, {"item": 1, "user": "ann", "qty": 0})
        entries = self.order(200, [{"id": "e", "item": 1, "user": "ann"},
                                   {"id": "f", "item": 99, "user": "ann"},
                                   {"id": "g", "item": 2, "user": "ann"},
                                   {"id": "h", "item": "x", "user": "ann"}])
        self.assertEqual(len(entries), 4)

    def test_payments(self):
        for name in ("p", "q"):
            self.order(201, {"id": name, "item": 3, "user": "ann"})
        self.ask("payOrder", 200, {"id": "pay-1", "amount_cents": 500}, place={"id": "p"})
        self.order(201, {"id": "r", "item": 3, "user": "ann"})
        self.ask("payOrderForDemo", 200, {"id": "pay-3", "amount_cents": 500}, place={"id": "r"})
        self.ask("payOrder", 409, {"id": "pay-2", "amount_cents": 500}, place={"id": "p"})
        self.ask("cancelOrder", 403, query="?user=bob", place={"id": "q"})
        self.ask("cancelOrder", 200, query="?user=ann", place={"id": "q"})
        self.ask("cancelOrder", 409, query="?user=ann", place={"id": "p"})
        self.ask("getOrder", 200, place={"id": "q"})

    def test_tickets(self):
        ticket = self.ask("postTicket", 201, {"id": "t", "user": "ann"}, place={"promo": 7})
        self.ask("postTicket", 404, {"user": "ann"}, place={"promo": 8})
        order = {"id": "t", "item": 1, "user": "ann", "promo": 7}
        self.order(403, order)
        self.order(201, order | {"ticket": ticket["ticket"]})

    def test_items(self):
        def shown():
            return self.ask("getItem", 200, place={"item": 1}).get("promo")
        self.assertTrue(eventually(shown), "no promo at item 1")
        self.ask("listItems", 200)
        self.assertEqual(self.ask("listItems", 200, query="?limit=1")["next"], 2)
        self.ask("listItems", 400, query="?limit=x")
        self.ask("getItem", 404, place={"item": 99})

    def test_pages(self):
        self.ask("getShop", 200)
        self.assertIn("<html", self.ask("getPage", 200))

    def test_events(self):
        self.ask("getEvents", 404, query="?items=99")
        connection = http.client.HTTPConnection("127.0.0.1", self.system.http_port, timeout=20)
        self.addCleanup(connection.close)
        connection.request("GET", "/v1/events?items=1")
        stream = connection.getresponse()
        kind = stream.headers.get_content_type()
        told = OPERATIONS["getEvents"][2]["responses"]["200"]
        self.assertEqual((stream.status, [kind]), (200, list(told["content"])))
        line = next(line for line in stream if line.startswith(b"data:"))
        schema = DOCUMENT["components"]["schemas"]["Event"] | {"components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(json.loads(line.removeprefix(b"data:")))

    def test_other_shapes(self):
        made = self.ask("postMiaoshaOrder", 200, {"itemId": 1}, Content_Type=FORM["Content-Type"])
        self.ask("postMiaoshaOrder", 400, {"itemId": "x"}, Content_Type=FORM["Content-Type"])
        query = f"?requestId={made['id']}"
        self.assertTrue(eventually(lambda: self.ask("getMiaoshaResult", 200, query=query)))

    def test_health(self):
        self.ask("getHealth", 200)
        self.ask("getReady", 200)
        self.ask("getVersion", 200)

    def test_what_is_not_there(self):
        for operation in ELSEWHERE:
            self.ask(operation, 404)

    def test_each_operation_is_asked_in_this_file(self):
        source = (PROJECT / "test/system/openapi_test.py").read_text(encoding="utf-8")
        asked = set(re.findall(r'\bask\("(\w+)", 20[0-4]', source))
        self.assertEqual(asked | {"postOrder", "getEvents"}, set(OPERATIONS))


class Sessions(Asking):
    """Where sessions, built-in accounts and the other pages are on."""

    @classmethod
    def setUpClass(cls):
        cls.system = System(STAMPEDE_AUTH__MODE="required", STAMPEDE_WEBAPP__COMPAT="true")
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Phone:1000")

    def test_accounts_and_sessions(self):
        account = {"user": "ann", "password": "right horse"}
        self.ask("postAccount", 201, account | {"phone": "13800000001"})
        self.ask("postAccount", 409, account)
        self.ask("postAccount", 400, {"user": "bob", "password": "short"})
        self.ask("postSession", 401, account | {"password": "wrong horse"})
        session = self.ask("postSession", 201, account)
        bearer = {"Authorization": f"Bearer {session['token']}"}
        self.ask("postOrder", 401, {"item": 1})
        self.ask("postOrder", 201, {"item": 1}, Prefer="wait=10", **bearer)
        self.ask("endSession", 204, **bearer)
        self.ask("endSession", 401, **bearer)

    def test_other_pages(self):
        form = {"Content_Type": FORM["Content-Type"]}
        self.ask("postAccount", 201, {"user": "eve", "password": "right horse",
                                      "phone": "13800000002"})
        login = {"telphone": "13800000002", "password": "right horse"}
        token = self.ask("pageLogin", 200, login, **form)["data"]
        order = {"itemId": 1, "amount": 1, "promoId": "", "token": token}
        self.assertEqual(self.ask("pageOrder", 200, order, **form)["code"], 200)
        self.assertEqual(self.ask("pageItem", 200, query="?id=1")["code"], 200)
        self.assertEqual(self.ask("pageItem", 200, query="?id=9")["code"], 20001)


if __name__ == "__main__":
    unittest.main()
