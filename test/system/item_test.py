#!/usr/bin/python3
"""Items and their rules from the command line to the database and back.

Changed, closed and opened for later orders; the backend is killed in the middle and reads all of it
again from its log, and judges no order a second time.
"""

import json
import unittest
import urllib.error
import urllib.request

from by_hand import end_database, make_snapshot, must, start, start_database, stop_nodes
from payment_test import Desk
from system import SystemTest, eventually

COLUMNS = ("id, name, price_cents, total, amount, limit_per_user, max_qty, description, image_url, "
           "hold_s, hold_low_s, low_stock_percent, unpaid_per_user_max, sale, open, sold")


class Items(SystemTest):
    def item(self, system, *words):
        return json.loads(must(system.stampede("--json", "item", *words), "item").stdout)

    def shown(self, system, item=1):
        return self.item(system, "show", item)

    def row(self, system, item=1):
        return system.sql(f"SELECT {COLUMNS} FROM item WHERE id = {item}")[0]

    def http(self, system, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            system.http + path, data,
            headers={"Content-Type": "application/json", "Prefer": "wait=20"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def buy_http(self, system, name, **more):
        return self.http(system, "/v1/orders", {"id": name, "item": 1, "user": "ann", "qty": 1,
                                                **more})

    def test_terms_are_set_shown_and_stored(self):
        system = self.start_system("1:Phone:10")
        text = "A phone, 手机, 'quoted'; --"
        changed = self.item(system, "set", 1, "--name", "Telephone", "--price-cents", 1200,
                            "--description", text, "--image-url", "https://shop.example/1.png",
                            "--limit-per-user", 4, "--max-qty", 3, "--request-id", "set-1")
        self.assertTrue(changed["changed"])
        again = self.item(system, "set", 1, "--name", "Telephone", "--price-cents", 1200,
                          "--description", text, "--image-url", "https://shop.example/1.png",
                          "--limit-per-user", 4, "--max-qty", 3, "--request-id", "set-1")
        self.assertEqual(again["lsn"], changed["lsn"])
        self.assertFalse(self.item(system, "set", 1, "--max-qty", 3)["changed"])
        other = system.stampede("item", "set", 1, "--max-qty", 2, "--request-id", "set-1")
        self.assertEqual(other.returncode, 1)
        shown = self.shown(system)
        self.assertEqual((shown["name"], shown["description"], shown["max_qty"], shown["state"]),
                         ("Telephone", text, 3, "open"))
        with Desk(system) as desk:
            one = desk.ask("items", "i-1", item=1)["items"][0]
            self.assertEqual((one["description"], one["image_url"], one["sale"], one["sold"]),
                             (text, "https://shop.example/1.png", "always", 0))
            page = desk.ask("items", "i-2")["items"][0]
            self.assertNotIn("description", page)
            self.assertEqual(page["name"], "Telephone")
            self.assertEqual(desk.order("a", promo=None, qty=3)["unit_price_cents"], 1200)
            wrong = desk.order("b", promo=None, qty=4)
            self.assertEqual((wrong["code"], wrong["field"]), ("bad_request", "qty"))
        one = self.http(system, "/v1/items/1")[1]
        self.assertEqual((one["description"], one["state"]), (text, "open"))
        self.assertNotIn("description", self.http(system, "/v1/items")[1]["items"][0])
        system.verify()
        self.assertEqual(self.row(system),
                         ["1", "Telephone", "1200", "10", "7", "4", "3", text,
                          "https://shop.example/1.png", "0", "0", "0", "0", "always", "1", "3"])
        for nothing in (("--description", ""), ("--description=", "--name=Other")):
            self.item(system, "set", 1, "--description", text)
            self.item(system, "set", 1, *nothing)
            self.assertNotIn("description", self.http(system, "/v1/items/1")[1])
        self.assertEqual(self.shown(system)["name"], "Other")

    def test_a_status_behind_a_change_has_it(self):
        system = self.start_system()
        for item in range(1, 6):
            self.item(system, "add", item, "--name", f"Item {item}", "--stock", item)
            self.assertEqual([row["left"] for row in system.status()["items"]],
                             list(range(1, item + 1)))
        self.item(system, "close", 2)
        self.assertEqual(system.status()["items"][1]["state"], "closed")

    def test_what_is_wrong_is_named_and_changes_nothing(self):
        system = self.start_system("1:Phone:10")
        before = self.shown(system)
        for flags in (("--description", "x" * 4001), ("--description", "a\nb"),
                      ("--image-url", "x" * 501), ("--hold-s", 86401), ("--hold-s", -1),
                      ("--hold-low-s", 86401), ("--low-stock-percent", 101), ("--max-qty", 0),
                      ("--max-qty", 1001), ("--sale", "never"), ("--name", ""), ("--name=",),
                      ("--unpaid-per-user-max", -1), ("--stock", 5)):
            done = system.stampede("item", "set", 1, *flags)
            self.assertEqual(done.returncode, 2, flags)
            self.assertIn(flags[0].rstrip("="), done.stdout + done.stderr)
        for words in (("set", 9, "--hold-s", 5), ("close", 9), ("open", 9), ("show", 9)):
            done = system.stampede("item", *words)
            self.assertEqual(done.returncode, 1, words)
        self.assertEqual(self.shown(system), before)
        longest = "y" * 4000
        self.assertTrue(self.item(system, "set", 1, "--description", longest)["changed"])
        self.assertTrue(eventually(lambda: self.row(system)[7] == longest))

    def test_rules_are_judged_in_their_order_and_decide_nothing(self):
        system = self.start_system("1:Phone:100")
        must(system.stampede("promo", "add", 7, "--item", 1, "--name", "Half", "--price-cents", 500,
                             "--starts", "now", "--ends", "+1h"), "promo add")
        self.item(system, "close", 1)
        self.assertEqual(self.shown(system)["state"], "closed")
        status, answer = self.buy_http(system, "a")
        self.assertEqual((status, answer["code"]), (409, "closed"))
        with Desk(system) as desk:
            refused = desk.order("a", promo=7, qty=99)
            self.assertEqual((refused["code"], refused["retry"]), ("closed", False))
            self.assertEqual(desk.ask("items", "i", item=1)["items"][0]["state"], "closed")
            self.item(system, "open", 1)
            self.item(system, "set", 1, "--sale", "promo_only")
            self.assertEqual(desk.order("a", promo=None)["code"], "promo_only")
            self.assertEqual(self.buy_http(system, "a")[1]["code"], "promo_only")
            self.assertEqual(desk.order("a")["state"], "confirmed")  # the same id, undecided before
            self.item(system, "set", 1, "--sale", "always", "--hold-s", 600,
                      "--unpaid-per-user-max", 3)
            self.assertEqual(desk.order("b", promo=None, qty=2)["fulfilment"], "unpaid")
            refused = desk.order("c", promo=None, qty=2)
            self.assertEqual((refused["code"], refused["retry"]), ("unpaid_limit", False))
            self.assertEqual(self.buy_http(system, "c", qty=2)[0], 409)
            self.assertEqual(desk.order("bob", promo=None, user="bob", qty=3)["state"],
                             "confirmed")
            price = desk.ask("get", "b").get("unit_price_cents", 0)
            self.assertEqual(desk.pay("p", "b", 2 * price)["fulfilment"], "paid")
            self.assertEqual(desk.order("c", promo=None, qty=2)["state"], "confirmed")
            self.assertEqual(desk.cancel("c", user="ann")["fulfilment"], "cancelled")
            self.assertEqual(desk.order("d", promo=None, qty=3)["state"], "confirmed")
        system.verify()
        self.assertEqual(system.sql("SELECT request_id, fulfilment FROM orders ORDER BY 1"),
                         [["a", "none"], ["b", "paid"], ["bob", "unpaid"], ["c", "cancelled"],
                          ["d", "unpaid"]])

    def test_holds_are_shorter_while_little_is_left(self):
        system = self.start_system("1:Phone:10")
        self.item(system, "set", 1, "--hold-s", 3600, "--hold-low-s", 60, "--low-stock-percent", 50)
        with Desk(system) as desk:
            held = [desk.order(f"o{i}", promo=None, user=f"u{i}", qty=2)["pay_by"]
                    for i in range(4)]
        now = desk_time(system)
        self.assertTrue(all(one > now + 1_800_000 for one in held[:3]), held)
        self.assertLess(held[3], now + 600_000)
        system.verify()
        self.assertEqual(system.number("SELECT COUNT(*) FROM orders WHERE fulfilment = 'unpaid'"),
                         4)

    def test_all_of_it_survives_kills_a_snapshot_and_an_absent_database(self):
        system = self.start_system("1:Phone:10", STAMPEDE_BACKEND__HOLD_GRACE_S="600")
        must(system.stampede("item", "add", 2, "--name", "Watch", "--stock", 5, "--hold-s", 600,
                             "--description", "new", "--sale", "promo_only"), "item add")
        self.item(system, "set", 1, "--hold-s", 600, "--unpaid-per-user-max", 2, "--description",
                  "held")
        with Desk(system) as desk:
            self.assertEqual(desk.order("a", promo=None, qty=2)["fulfilment"], "unpaid")
            end_database(system)
            system.wait_back("backend-1", system.kill9("backend-1"))
            self.assertEqual(desk.order("b", promo=None)["code"], "unpaid_limit")
            self.item(system, "stock", 1, "+5")
            self.item(system, "close", 1)
            self.item(system, "set", 2, "--image-url", "https://shop.example/2.png")
            system.wait_back("backend-1", system.kill9("backend-1"))
            self.assertEqual(desk.order("a", promo=None, qty=2)["fulfilment"], "unpaid")
            self.assertEqual(desk.order("b", promo=None, user="bob")["code"], "closed")
            self.assertEqual(desk.order("w", promo=None, item=2)["code"], "promo_only")
            start_database(system)
            shown = [self.shown(system, item) for item in (1, 2)]
            self.item(system, "stock", 1, "-3")
            system.verify()
            rows = [self.row(system, item) for item in (1, 2)]
            self.assertEqual(rows[0][3:5] + rows[0][14:], ["12", "10", "0", "2"])
            journal = system.sql("SELECT lsn, item_id, delta, reason FROM stock_change ORDER BY 1")
            self.assertEqual([row[2:] for row in journal], [["5", "add"], ["-3", "add"]])
            self.assertEqual(system.sql("SELECT COUNT(*) FROM stock_journal WHERE delta > 0"),
                             [["0"]])
            make_snapshot(system)
            system.wait_back("backend-1", system.kill9("backend-1"))
            self.assertEqual(desk.order("b", promo=None, user="bob")["code"], "closed")
            self.item(system, "open", 1)
            self.assertEqual(desk.order("b", promo=None)["code"], "unpaid_limit")
            self.item(system, "close", 1)
        self.assertEqual(self.shown(system, 2), shown[1])
        system.verify()
        stop_nodes(system)
        for table in ("orders", "item", "promo", "stock_change", "lane", "meta"):
            system.sql(f"TRUNCATE TABLE {table}")
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        self.assertEqual([self.row(system, item) for item in (1, 2)], rows)
        self.assertEqual(
            system.sql("SELECT lsn, item_id, delta, reason FROM stock_change ORDER BY 1"), journal)
        start(system)
        system.verify()


def desk_time(system):
    with urllib.request.urlopen(system.http + "/v1/items", timeout=20) as answer:
        return json.load(answer)["server_time"]


if __name__ == "__main__":
    unittest.main(verbosity=2)
