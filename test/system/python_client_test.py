#!/usr/bin/python3
"""The Python clients in a sale on a real system: promos, payments and what is not decided, by each
of them; and buyers who pay and give back beside whom webapp, broker and backend are killed, each
once and at moments the seed says. Told and stored are compared order by order.
"""

import ast
import asyncio
import random
import subprocess
import time
import unittest

from by_hand import must
from system import PROJECT, SystemTest, eventually, seed

from stampede import (AsyncClient, Client, NotStarted, OutcomeUnknown, SpooledClient,
                      StampedeError)

SCRIPT = PROJECT / "clients" / "python" / "order.py"
STOCK = 1_000_000
PATIENCE_S = 90.0  # longer than any pause of a system that is being killed


def now_ms():
    return time.time_ns() // 1_000_000


class ClientTest(SystemTest):
    def add_promo(self, system, promo, *flags, item=1, starts="now", ends="+1h"):
        must(system.stampede("promo", "add", promo, "--item", item, "--name", f"Promo {promo}",
                             "--price-cents", 500, "--starts", starts, "--ends", ends, *flags),
             "promo add")

    def refused(self, call, *arguments, **named):
        with self.assertRaises(StampedeError) as caught:
            call(*arguments, **named)
        self.assertNotIsInstance(caught.exception, OutcomeUnknown)
        return caught.exception


class Calls(ClientTest):
    def test_promos_payments_and_what_is_not_decided(self):
        system = self.start_system("1:Phone:10", "2:Watch:10")
        self.add_promo(system, 7, "--hold-s", 3600, "--limit-per-user", 3)
        self.add_promo(system, 8, item=2, starts="+2h", ends="+3h")
        with Client(system.zmq) as client:
            phone, watch = client.items()
            self.assertEqual((phone.promo.id, phone.promo.state, phone.promo.price_cents),
                             (7, "running", 500))
            self.assertEqual((watch.promo.id, watch.promo.state), (8, "coming"))
            self.assertTrue(7_000_000 < watch.promo.starts_at - watch.server_time <= 7_200_000)
            self.buy_and_pay(client)
            self.meet_refusals(client)
        system.verify()
        self.assertEqual(
            system.sql("SELECT request_id, promo_id, fulfilment, payment_id FROM orders "
                       "ORDER BY 1"),
            [["a", "7", "paid", "p-a"], ["b", "7", "cancelled", "NULL"],
             ["plain", "NULL", "none", "NULL"]])
        self.assertEqual(system.number("SELECT amount FROM item WHERE id = 1"), 7)

    def buy_and_pay(self, client):
        bought = client.order(1, "ann", 2, id="a", promo=7, first=True)
        self.assertEqual((bought.state, bought.promo, bought.unit_price_cents, bought.fulfilment),
                         ("confirmed", 7, 500, "unpaid"))
        self.assertLess(abs(bought.pay_by - now_ms() - 3_600_000), 120_000)
        self.assertEqual(client.order(1, "bob", id="b", promo=7).fulfilment, "unpaid")
        self.assertEqual(client.order(1, "ann", id="plain").fulfilment, "none")
        self.assertEqual(self.refused(client.pay, "a", 999).field, "amount_cents")
        paid = client.pay("a", 1000, id="p-a")
        self.assertEqual((paid.order, paid.order_id, paid.fulfilment),
                         ("a", bought.order_id, "paid"))
        self.assertEqual(client.pay("a", 1000, id="p-a"), paid)
        self.assertEqual(self.refused(client.pay, "a", 1000).code, "already_paid")
        self.assertEqual(self.refused(client.cancel, "a").code, "not_cancellable")
        self.assertEqual(self.refused(client.cancel, "b", "ann").code, "not_allowed")
        self.assertEqual(client.cancel("b", "bob").fulfilment, "cancelled")
        self.assertEqual([client.get(name).fulfilment for name in ("a", "b", "plain")],
                         ["paid", "cancelled", "none"])

    def meet_refusals(self, client):
        self.assertEqual(client.order(1, "ann", 2, promo=7).reason, "limit_reached")
        early = self.refused(client.order, 2, "ann", promo=8, id="early")
        self.assertIsInstance(early, NotStarted)
        self.assertTrue(7_000_000 < early.retry_after_ms <= 7_200_000)
        self.assertEqual(self.refused(client.order, 2, "ann", promo=7).code, "unknown_promo")
        self.assertEqual(self.refused(client.order, 1, "ann", valid_until_ms=1, id="late").code,
                         "expired_request")
        self.assertEqual(self.refused(client.pay, "nobody", 1).code, "unknown_request")
        self.assertEqual(self.refused(client.pay, "plain", 0).code, "not_payable")
        for name in ("early", "late"):  # nothing was decided
            self.assertEqual(self.refused(client.get, name).code, "unknown_request")

    def test_each_client_waits_for_the_start_and_meets_the_end(self):
        system = self.start_system("1:Phone:100")
        self.add_promo(system, 7, starts="+1h", ends="+2h")
        path = system.home / "orders.spool"
        with SpooledClient(path, system.zmq) as spool:
            early = spool.order(1, "spool", request_id="s", promo=7)
            self.assertTrue(eventually(lambda: early.last_code == "not_started"))
        must(system.stampede("promo", "set", 7, "--starts", "+3s"), "promo set")
        with SpooledClient(path, system.zmq) as spool, Client(system.zmq) as client:
            answers = [asyncio.run(self.buy_at_the_start(system)),
                       client.order(1, "ann", id="c", promo=7, timeout=60)]
            answers.append(spool.orders()[0].result(60))
            self.assertEqual([(one.state, one.promo, one.unit_price_cents) for one in answers[:1]],
                             [("confirmed", 7, 500)])
            self.assertEqual({one.state for one in answers}, {"confirmed"})
            must(system.stampede("promo", "end", 7), "promo end")
            for order in (lambda: client.order(1, "eve", promo=7),
                          lambda: spool.order(1, "eve", promo=7).result(60)):
                self.assertEqual(self.refused(order).code, "ended")
        system.verify()
        self.assertEqual(system.number("SELECT COUNT(*) FROM orders o JOIN promo p ON p.id = "
                                       "o.promo_id WHERE o.decided_at >= p.starts_at AND "
                                       "o.decided_at < p.ends_at"), 3)

    async def buy_at_the_start(self, system):
        async with AsyncClient(system.zmq) as client:
            return await client.order(1, "bob", promo=7, timeout=60)

    def test_the_script_without_the_package(self):
        system = self.start_system("1:Phone:10")
        self.add_promo(system, 7, "--hold-s", 3600)

        def run(status, *flags):
            done = subprocess.run(["/usr/bin/python3", SCRIPT, "ann", system.zmq, *flags],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (status, ""), done.stdout)
            return ast.literal_eval(done.stdout)

        bought = run(0, "--promo", "7")
        again = run(0, "--promo", "7", "--id", bought["id"])
        self.assertEqual((again["order_id"], again["replayed"]), (bought["order_id"], True))
        self.assertEqual(run(0, "--id", bought["id"], "--get")["fulfilment"], "unpaid")
        self.assertEqual(run(0, "--id", bought["id"], "--pay", "500")["fulfilment"], "paid")
        self.assertEqual(run(0, "--id", bought["id"], "--pay", "500")["fulfilment"], "paid")
        self.assertEqual(run(1, "--id", bought["id"], "--cancel")["code"], "not_cancellable")
        other = run(0, "--promo", "7")
        self.assertEqual(run(0, "--id", other["id"], "--cancel")["fulfilment"], "cancelled")
        self.assertEqual(run(1, "--valid-until-ms", "1")["code"], "expired_request")
        self.assertEqual(run(5, "--id", "nobody", "--get")["code"], "unknown_request")
        system.verify()


class Kills(ClientTest):
    def test_nothing_is_lost_or_doubled_whatever_dies(self):
        chance = random.Random(seed())
        system = self.start_system(f"1:Phone:{STOCK}")
        self.add_promo(system, 7, "--hold-s", 3600)
        told = asyncio.run(self.sell(system, chance))
        system.verify()
        rows = {name: tuple(rest) for name, *rest in system.sql(
            "SELECT request_id, order_id, COALESCE(promo_id, 0), fulfilment, "
            "COALESCE(payment_id, '') FROM orders")}
        self.assertEqual(rows, told)
        self.assertEqual(system.number("SELECT COUNT(DISTINCT payment_id) FROM orders"),
                         sum(1 for row in told.values() if row[3]))
        print(f"{len(told)} orders, 3 kills, 0 lost, 0 doubled")

    async def sell(self, system, chance):
        """Buyers until each node was killed once; id → what they were told in the end."""
        told, self.ended = {}, False
        async with AsyncClient(system.zmq) as client:
            buyers = [asyncio.create_task(self.buy(client, number, random.Random(chance.random()),
                                                   told)) for number in range(8)]
            for node in chance.sample(("webapp-1", "broker-1", "backend-1"), 3):
                before = len(told)
                while len(told) < before + 20:
                    await self.pause(buyers, 0.02)
                await self.pause(buyers, chance.random())
                pid = await asyncio.to_thread(system.kill9, node)
                await asyncio.to_thread(system.wait_back, node, pid, 60)
            self.ended = True
            await asyncio.gather(*buyers)
        return told

    async def pause(self, buyers, seconds):
        await asyncio.sleep(seconds)
        for one in buyers:
            if one.done():
                await one  # its error

    async def buy(self, client, number, chance, told):
        for i in range(10_000):
            if self.ended:
                return
            name, kind = f"o{number}-{i}", chance.random()
            promo = 7 if kind < 0.8 else None
            bought = await client.order(1, name, id=name, promo=promo, first=True,
                                        timeout=PATIENCE_S)
            self.assertEqual(bought.state, "confirmed")
            told[name] = (bought.order_id, str(promo or 0), bought.fulfilment, "")
            if kind < 0.4:
                paid = await client.pay(name, 500, id=name, timeout=PATIENCE_S)
                told[name] = (paid.order_id, "7", paid.fulfilment, name)
            elif kind < 0.6:
                gone = await client.cancel(name, name, timeout=PATIENCE_S)
                told[name] = (gone.order_id, "7", gone.fulfilment, "")
            await asyncio.sleep(0.005)


if __name__ == "__main__":
    unittest.main(verbosity=2)
