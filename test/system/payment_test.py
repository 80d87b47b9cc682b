#!/usr/bin/python3
"""Orders that need payment: paid, given back, expired, paid late; units and books go with them.

The backend is killed while payments race expiries, and all is read again from its log.
"""

import json
import random
import threading
import time
import unittest
import urllib.error
import urllib.request

from by_hand import (end_database, make_snapshot, must, start, start_database, stop_nodes,
                     wait_outcomes_logged)
from desk import JOURNAL, Desk
from system import SystemTest, eventually, seed

class Payments(SystemTest):
    def add_promo(self, system, hold_s, *flags, promo=7, item=1):
        must(system.stampede("promo", "add", promo, "--item", item, "--name", "Half",
                             "--price-cents", 500, "--starts", "now", "--ends", "+1h",
                             "--hold-s", hold_s, *flags), "promo add")

    def check_books(self, system):
        system.verify()
        for item, total, amount, moved in system.sql(JOURNAL):
            self.assertEqual(int(total) + int(moved), int(amount), f"item {item}")

    def test_paid_given_back_and_refused_by_name(self):
        system = self.start_system("1:Phone:10")
        self.add_promo(system, 3600)
        with Desk(system) as desk:
            bought = desk.order("a", qty=2)
            self.assertEqual((bought["state"], bought["fulfilment"], bought["unit_price_cents"]),
                             ("confirmed", "unpaid", 500))
            self.assertLess(abs(bought["pay_by"] - time.time() * 1000 - 3_600_000), 60_000)
            self.assertNotIn("fulfilment", desk.order("plain", promo=None))
            self.assertEqual(desk.pay("p0", "nobody", 1)["code"], "unknown_request")
            self.assertEqual(desk.pay("p0", "plain", 0)["code"], "not_payable")
            wrong = desk.pay("p0", "a", 999)
            self.assertEqual((wrong["code"], wrong["field"]), ("bad_request", "amount_cents"))
            paid = desk.pay("p1", "a", 1000)
            self.assertEqual((paid["order"], paid["order_id"], paid["fulfilment"]),
                             ("a", bought["order_id"], "paid"))
            self.assertEqual(desk.pay("p1", "a", 1000), paid)
            self.assertEqual(desk.pay("p2", "a", 1000)["code"], "already_paid")
            self.assertEqual(desk.pay("p1", "a", 1)["code"], "key_reused")
            self.assertEqual(desk.cancel("a")["code"], "not_cancellable")
            desk.order("b", qty=3, user="bob")
            self.assertEqual(desk.cancel("b", user="ann")["code"], "not_allowed")
            gone = desk.cancel("b", user="bob")
            self.assertEqual(gone["fulfilment"], "cancelled")
            self.assertEqual(desk.cancel("b", user="bob"), gone)
            self.assertEqual(desk.ask("get", "b")["fulfilment"], "cancelled")
            for fields, field in (({"order": "a"}, "amount_cents"), ({"amount_cents": 1}, "order"),
                                  ({"order": "a", "amount_cents": -1}, "amount_cents"),
                                  ({"order": "a b", "amount_cents": 1}, "order")):
                answer = desk.ask("pay", "odd", **fields)
                self.assertEqual((answer["code"], answer["field"]), ("bad_request", field))
        counted = {"paid": 1, "expired": 0, "cancelled": 1, "refund_due": 0}
        told = lambda: system.node("backend-1").get("payment") == counted
        self.assertTrue(eventually(told), system.status())
        self.check_books(system)
        self.assertEqual(
            system.sql("SELECT request_id, fulfilment, payment_id FROM orders ORDER BY 1"),
            [["a", "paid", "p1"], ["b", "cancelled", "NULL"], ["plain", "none", "NULL"]])
        self.assertEqual(system.sql("SELECT delta, reason FROM stock_change"),
                         [["3", "cancelled"]])
        self.assertEqual(system.number("SELECT amount FROM item"), 7)

    def test_a_backup_from_before_payments_whose_segments_are_gone_is_told(self):
        system = self.start_system("1:Phone:50", STAMPEDE_LOG__RETAIN_S=0, STAMPEDE_DB__LANES=1)
        self.add_promo(system, 3600)
        with Desk(system) as desk:
            for name, qty in (("a", 2), ("b", 3), ("c", 1)):
                desk.order(name, qty=qty)
            system.verify()
            columns = ("order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at,"
                       "promo_id,fulfilment,pay_by,payment_id,fulfilled_at,lsn")
            system.sql(f"CREATE TABLE backup AS SELECT {columns} FROM orders")
            desk.pay("pa", "a", 1000)
            desk.cancel("b")
        self.check_books(system)
        for life in range(4):
            wait_outcomes_logged(system)
            system.restart("backend-1")
            must(system.stampede("promo", "set", 7, "--limit-per-user", 50 + life), "promo set")
            system.verify()
            wait_outcomes_logged(system)
            make_snapshot(system)
        def gone():
            system.stampede("log", "snapshot")
            return system.report("log", "verify").get("speaks_from") is not None
        self.assertTrue(eventually(gone, 40, 0.5), system.report("log", "verify"))
        for change, word in (("UPDATE orders SET payment_id = 'x' WHERE request_id = 'a'",
                              "payment id"),
                             ("DELETE FROM stock_change", "stock_change")):
            with self.subTest(change):
                table = "orders" if "orders" in change else "stock_change"
                system.sql(f"CREATE TABLE whole AS SELECT * FROM {table}")
                system.sql(change)
                told = system.stampede("--json", "verify", "--wait", "5s")
                self.assertEqual(told.returncode, 4, told.stdout)
                self.assertIn(word, told.stdout)
                if table == "orders":
                    system.sql("UPDATE orders SET payment_id = 'pa' WHERE request_id = 'a'")
                else:
                    system.sql("INSERT INTO stock_change SELECT * FROM whole")
                system.sql("DROP TABLE whole")
        self.check_books(system)
        stop_nodes(system)
        whole = system.sql(f"SELECT {columns} FROM orders ORDER BY order_id")
        stock = system.sql("SELECT * FROM stock_change")
        for table in ("orders", "item", "promo", "stock_change", "lane", "meta"):
            system.sql(f"TRUNCATE TABLE {table}")
        system.sql(f"INSERT INTO orders({columns}) SELECT {columns} FROM backup")
        told = system.stampede("--json", "log", "replay", "--all")
        self.assertEqual(told.returncode, 4, told.stdout)
        report = json.loads(told.stdout)
        self.assertEqual((report["missing"], report["other_payments"], report["other_stock"]),
                         (0, 2, 1))
        self.assertRegex(str(report["violations"]), "is unpaid instead of paid.*newer backup")
        # A newer backup has them.
        system.sql("TRUNCATE TABLE orders")
        for row in whole:
            values = ", ".join("NULL" if one == "NULL" else f"'{one}'" for one in row)
            system.sql(f"INSERT INTO orders({columns}) VALUES({values})")
        for row in stock:
            system.sql("INSERT INTO stock_change VALUES(" +
                       ", ".join(f"'{one}'" for one in row) + ")")
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        start(system)
        self.check_books(system)

    def http(self, system, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(system.http + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def test_the_same_over_http(self):
        system = self.start_system("1:Phone:10")
        self.add_promo(system, 3600)
        with Desk(system) as desk:
            desk.order("a", qty=2)
            desk.order("b", user="bob")
        status, shown = self.http(system, "GET", "/v1/orders/a")
        self.assertEqual((status, shown["fulfilment"]), (200, "unpaid"))
        path = "/v1/orders/a/payments"
        wrong = self.http(system, "POST", path, {"id": "p", "amount_cents": 1})[1]
        self.assertEqual(wrong["field"], "amount_cents")
        payment = {"id": "p", "amount_cents": 1000}
        status, paid = self.http(system, "POST", path, payment)
        self.assertEqual((status, paid["order"], paid["fulfilment"]), (200, "a", "paid"))
        self.assertEqual(self.http(system, "POST", path, payment)[1], paid)
        status, again = self.http(system, "POST", path, {"id": "q", "amount_cents": 1000})
        self.assertEqual((status, again["code"]), (409, "already_paid"))
        self.assertEqual(self.http(system, "DELETE", "/v1/orders/b?user=ann")[0], 403)
        status, gone = self.http(system, "DELETE", "/v1/orders/b?user=bob")
        self.assertEqual((status, gone["fulfilment"]), (200, "cancelled"))
        self.assertEqual(self.http(system, "DELETE", "/v1/orders/x")[0], 404)
        self.assertNotIn("pay_by", self.http(system, "GET", "/v1/orders/b")[1])
        self.check_books(system)

    def test_unpaid_orders_expire_and_late_payments_find_units_or_none(self):
        system = self.start_system("1:Phone:10", STAMPEDE_BACKEND__HOLD_GRACE_S="0")
        self.add_promo(system, 2)
        with Desk(system) as desk:
            for name in ("a", "b"):
                desk.order(name, qty=5)
            self.assertEqual(desk.order("c")["reason"], "sold_out")
            self.assertTrue(eventually(
                lambda: desk.ask("get", "a")["fulfilment"] == "expired" and
                desk.ask("get", "b")["fulfilment"] == "expired"))
            self.assertEqual(desk.order("d", promo=None, qty=5)["left"], 5)
            self.assertEqual(desk.pay("p-a", "a", 2500)["fulfilment"], "paid")
            self.assertEqual(desk.pay("p-b", "b", 2500)["fulfilment"], "refund_due")
            self.assertEqual(desk.order("e", promo=None)["reason"], "sold_out")
        self.check_books(system)
        self.assertEqual(system.sql("SELECT delta, reason FROM stock_change ORDER BY lsn"),
                         [["5", "expired"], ["5", "expired"], ["-5", "late_payment"]])

    def test_all_of_it_survives_kills_and_an_absent_database(self):
        rng = random.Random(seed())
        system = self.start_system("1:Phone:100", STAMPEDE_BACKEND__HOLD_GRACE_S="1")
        self.add_promo(system, 3, "--limit-per-user", 5)
        told, stop = {}, threading.Event()

        def buyer(number):
            own = random.Random(rng.random())
            with Desk(system) as desk:
                for i in range(10_000):
                    if stop.is_set():
                        return
                    name, user = f"o{number}-{i}", f"user-{number}-{i // 4}"
                    answer = desk.order(name, user=user, qty=own.randint(1, 3))
                    if answer.get("fulfilment") != "unpaid":
                        continue
                    if own.random() < 0.3:
                        time.sleep(own.uniform(0, 4))
                    kind = own.random()
                    if kind < 0.5:
                        paid = desk.pay("p-" + name, name, 500 * answer["qty"])
                        told[name] = paid["fulfilment"]
                    elif kind < 0.7:
                        told[name] = desk.cancel(name, user=user).get("fulfilment")

        buyers = [threading.Thread(target=buyer, args=(n,)) for n in range(4)]
        for one in buyers:
            one.start()
        for round_number in range(3):
            time.sleep(rng.uniform(1, 3))
            if round_number == 1:
                end_database(system)
            system.wait_back("backend-1", system.kill9("backend-1"))
            if round_number == 1:
                start_database(system)
        stop.set()
        for one in buyers:
            one.join()
        with Desk(system) as desk:
            for name, fulfilment in told.items():
                if fulfilment in ("paid", "refund_due"):
                    self.assertEqual(desk.ask("get", name)["fulfilment"], fulfilment, name)
            self.assertTrue(eventually(lambda: system.number(
                "SELECT COUNT(*) FROM orders WHERE fulfilment = 'unpaid'") == 0))
        self.check_books(system)
        columns = ("SELECT order_id, fulfilment, payment_id, fulfilled_at, lsn FROM orders "
                   "ORDER BY 1")
        rows, moved = system.sql(columns), system.sql("SELECT * FROM stock_change ORDER BY lsn")
        self.assertGreater(len(moved), 0)
        make_snapshot(system)
        system.wait_back("backend-1", system.kill9("backend-1"))
        self.check_books(system)
        stop_nodes(system)
        for table in ("orders", "item", "promo", "stock_change", "lane", "meta"):
            system.sql(f"TRUNCATE TABLE {table}")
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        self.assertEqual(system.sql(columns), rows)
        self.assertEqual(system.sql("SELECT * FROM stock_change ORDER BY lsn"), moved)
        start(system)
        self.check_books(system)


if __name__ == "__main__":
    unittest.main(verbosity=2)
