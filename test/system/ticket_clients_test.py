#!/usr/bin/python3
"""The Python clients with tickets and sessions on a real system: what ends as *sold out for now*,
what a spool keeps of it across crashes of the system, and orders whose session is over: told with
their id, bought with the next token, lost by nobody."""

import ast
import asyncio
import json
import shutil
import subprocess
import time
import unittest

import tokens
from by_hand import must
from system import PROJECT, System, SystemTest, eventually

from stampede import (AsyncClient, Client, NotLoggedIn, OutcomeUnknown, SoldOutForNow,
                      SpooledClient, StampedeError)

SOON = 60
KEY = tokens.Key("HS256", "hs")


def add_promo(system, promo, *rules):
    must(system.stampede("promo", "add", promo, "--item", 1, "--name", "Half", "--price-cents", 500,
                         "--starts", "now", "--ends", "+1h", "--ticket", *rules), "promo add")


def restock(system, units):
    must(system.stampede("item", "stock", 1, f"+{units}"), "item stock")


class CommandLines(SystemTest):
    """What stands in the clients' folders buys in a promo that needs tickets."""

    def setUp(self):
        self.system = self.start_system("1:Phone:2")
        add_promo(self.system, 7, "--gate-factor", 5)

    def run_it(self, words, exit_code):
        done = subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, exit_code, done.stdout + done.stderr)
        return done

    def judge(self, command, read):
        with_promo = [*command("ann"), "--promo", 7]
        self.assertIn("ticket_required", str(self.run_it(with_promo, 1)))
        bought = read(self.run_it([*with_promo, "--ticket"], 0).stdout)
        self.assertEqual((bought["state"], bought["promo"], bought["unit_price_cents"]),
                         ("confirmed", 7, 500))
        self.run_it([*command("bob"), "--promo", 7, "--ticket"], 0)
        refused = self.run_it([*command("eve"), "--promo", 7, "--ticket", *self.short], 5)
        self.assertIn("no ticket, so nothing was ordered", refused.stderr)
        self.assertIn("sold_out", str(refused))
        for wrong in (["--ticket"], ["--promo", "x"]):
            self.run_it([*command("eve"), *wrong], 2)
        self.system.verify()

    def test_order_py(self):
        self.short = ["--wait", 1]
        self.judge(lambda user: [PROJECT / "clients" / "python" / "order.py", user,
                                 self.system.zmq], ast.literal_eval)

    @unittest.skipUnless(shutil.which("node"), "node is not there")
    def test_order_mjs(self):
        self.short = []
        self.judge(lambda user: [PROJECT / "clients" / "js" / "order.mjs", user,
                                 self.system.http], json.loads)


class Tickets(SystemTest):
    def setUp(self):
        self.system = self.start_system("1:Phone:1")
        add_promo(self.system, 7)

    def told(self, call, *arguments, **named):
        with self.assertRaises(StampedeError) as caught:
            call(*arguments, **named)
        return caught.exception

    def test_sold_out_for_now_and_what_comes_back_by_each_client(self):
        system = self.system
        with Client(system.zmq) as client:
            held = {user: client.ticket(7, user) for user in ("ann", "bob", "eve", "dan")}
            self.assertEqual(client.ticket(7, "bob"), held["bob"])
            self.assertEqual(client.order(1, "ann", ticket=held["ann"]).id, held["ann"].id)
            error = self.told(client.order, 1, "bob", ticket=held["bob"], timeout=1.5)
            self.assertEqual((type(error), error.retry, error.request_id),
                             (SoldOutForNow, True, held["bob"].id))
            self.assertEqual(self.told(client.get, held["bob"].id).code, "unknown_request")
            self.assertIs(type(self.told(client.ticket, 7, "one-more", timeout=1)), SoldOutForNow)
            both = [{"item": 1, "user": user, "ticket": held[user]} for user in ("bob", "eve")]
            self.assertEqual([type(one) for one in client.order_many(both, timeout=1)],
                             [SoldOutForNow] * 2)
            restock(system, 1)
            self.assertTrue(client.order(1, "bob", ticket=held["bob"]).confirmed)

        async def later():
            async with AsyncClient(system.zmq) as client:
                with self.assertRaises(SoldOutForNow):
                    await client.order(1, "eve", ticket=held["eve"], timeout=1)
                waits = asyncio.create_task(client.order(1, "eve", ticket=held["eve"],
                                                         timeout=SOON))
                await asyncio.sleep(0.7)
                await asyncio.to_thread(restock, system, 1)
                return await waits

        self.assertEqual(asyncio.run(later()).id, held["eve"].id)
        must(system.stampede("promo", "end", 7), "promo end")
        with Client(system.zmq) as client:
            self.assertEqual(self.told(client.order, 1, "dan", ticket=held["dan"]).code, "ended")
            self.assertTrue(client.order(1, "ann", ticket=held["ann"]).replayed)
        system.verify()

    def test_a_spool_holds_an_order_until_there_is_something_or_the_promo_has_ended(self):
        system, path = self.system, self.system.home / "orders.spool"
        with Client(system.zmq) as client:
            held = [client.ticket(7, f"u{n}") for n in range(4)]
        with SpooledClient(path, system.zmq) as spool:
            orders = spool.order_many([{"item": 1, "user": f"u{n}", "ticket": ticket}
                                       for n, ticket in enumerate(held)])
            self.assertTrue(orders[0].result(SOON).confirmed)
            self.assertTrue(eventually(lambda: all(one.last_code == "sold_out"
                                                   for one in orders[1:]), SOON))
        system.wait_back("backend-1", system.kill9("backend-1"))
        with SpooledClient(path, system.zmq) as spool:
            self.assertEqual(spool.flush(2), 3)
            with self.assertRaises(OutcomeUnknown):
                spool.orders()[1].result(0)
            restock(system, 2)
            self.assertTrue(eventually(lambda: spool.flush(0) == 1, SOON))
            must(system.stampede("promo", "end", 7), "promo end")
            self.assertEqual(spool.flush(SOON), 0)
            ends = [getattr(one.outcome, "state", None) or one.outcome.code
                    for one in spool.orders()]
        self.assertEqual((ends.count("confirmed"), ends.count("ended")), (3, 1), ends)
        system.verify()
        self.assertEqual(system.number("SELECT COUNT(*) FROM orders"), 3)
        self.assertEqual(system.number("SELECT amount FROM item WHERE id = 1"), 0)


class Sessions(SystemTest):
    def setUp(self):
        self.system = System()
        self.addCleanup(self.system.stop)
        self.addCleanup(self._show_logs_of_a_failure, self.system)
        keys = self.system.home / "shop.jwks"
        keys.write_text(tokens.key_set(KEY), encoding="ascii")
        keys.chmod(0o600)
        self.system.environment |= {"STAMPEDE_AUTH__MODE": "required",
                                    "STAMPEDE_AUTH__KEYS_FILE": str(keys)}
        self.system.start("1:Phone:100")
        self.good, self.over = KEY.token("ann"), KEY.token("ann", -60)

    def test_an_order_is_repeated_with_the_next_token(self):
        with Client(self.system.zmq) as client:
            for token, code in ((None, "not_logged_in"), ("x.y.z", "not_logged_in"),
                                (self.over, "session_expired")):
                with self.assertRaises(NotLoggedIn) as caught:
                    client.order(1, "ann", token=token)
                self.assertEqual(caught.exception.code, code)
            name = caught.exception.request_id
            self.assertTrue(client.order(1, "ann", request_id=name, token=self.good).confirmed)
            self.assertTrue(client.get(name, token=self.good).confirmed)
            client.token = self.over
            results = client.order_many([{"item": 1, "user": "ann"},
                                         {"item": 1, "user": "ann", "token": self.good}])
            self.assertEqual((type(results[0]), results[1].state), (NotLoggedIn, "confirmed"))

        async def later():
            async with AsyncClient(self.system.zmq, token=self.over) as client:
                with self.assertRaises(NotLoggedIn) as caught:
                    await client.order(1, "ann")
                client.token = self.good
                return await client.order(1, "ann", request_id=caught.exception.request_id)

        self.assertTrue(asyncio.run(later()).confirmed)
        self.system.verify()
        self.assertEqual(self.system.number("SELECT COUNT(*) FROM orders"), 3)

    def test_a_spool_waits_for_a_session_and_what_is_too_late_is_not_bought(self):
        with SpooledClient(self.system.home / "orders.spool", self.system.zmq,
                           token=self.over) as spool:
            orders = spool.order_many([{"item": 1, "user": "ann"} for _ in range(50)])
            late = spool.order(1, "ann", valid_until_ms=int(time.time() * 1000) + 2000)
            self.assertTrue(eventually(lambda: all(one.last_code == "session_expired"
                                                   for one in [*orders, late]), SOON))
            with self.assertRaises(StampedeError) as caught:
                late.result(SOON)
            self.assertEqual(caught.exception.code, "expired_request")
            self.assertEqual(spool.flush(0), 50)
            spool.token = self.good
            self.assertEqual(spool.flush(SOON), 0)
            self.assertTrue(all(one.result(0).confirmed for one in orders))
        self.system.verify()
        self.assertEqual(self.system.number("SELECT COUNT(*) FROM orders"), 50)


if __name__ == "__main__":
    unittest.main(verbosity=2)
