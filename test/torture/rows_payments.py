"""F27, F28: a payment provider that repeats, reorders and delays; clocks that step over a window
and over the time to pay."""

import json
import queue
import threading
import time
import urllib.error
import urllib.request

from rig import Violation, eventually, pause
from rows import Row
from rows_nodes import HOUR_NS, NodesClock

from desk import JOURNAL, UNDECIDED, Desk

HELD_ITEM, PROMO, PRICE = 2, 7, 500
NO_GRACE = {"STAMPEDE_BACKEND__HOLD_GRACE_S": "0"}
SECOND_NS = 10**9


class HeldSale:
    """An item that is sold in a promo with a time to pay, beside the crowd's: who has how much."""

    def __init__(self, trial, stock, hold_s, starts_in_s=0, lasts_s=600):
        self.trial = trial
        self.bought = {}  # request id -> qty
        self.desk = trial.close_later(Desk(trial.rig.system))
        trial.rig.must({"do": "item_put", "request_id": f"{trial.name}-held", "item": HELD_ITEM,
                        "name": "Watch", "total": stock, "limit_per_user": 0, "max_qty": 5})
        trial.rig.must({"do": "promo_add", "request_id": f"{trial.name}-promo", "promo": PROMO,
                        "item": HELD_ITEM, "name": "Half", "price_cents": PRICE,
                        "starts_in_ms": starts_in_s * 1000,
                        "ends_in_ms": (starts_in_s + lasts_s) * 1000, "hold_s": hold_s})

    def order(self, name, qty=1):
        return self.desk.order(name, promo=PROMO, user=f"u-{name}", item=HELD_ITEM, qty=qty)

    def buy(self, count, qty=1):
        for _ in range(count):
            name = f"{self.trial.name}-h{len(self.bought)}"
            told = self.order(name, qty)
            self.trial.expect(told.get("state") == "confirmed" and
                              told.get("fulfilment") == "unpaid", f"{name}: {told}")
            self.bought[name] = qty

    def refused_with(self, code):
        told = self.order(f"{self.trial.name}-refused")
        self.trial.expect(told.get("code") == code, f"{code} was expected: {told}")

    def now_is(self, fulfilment):
        """The orders that are so, as the system says them."""
        return [name for name in self.bought
                if self.desk.ask("get", name).get("fulfilment") == fulfilment]

    def none_expires(self):
        pause(1.0)
        expired = self.now_is("expired")
        self.trial.expect(not expired, f"expired before their time: {expired[:3]}")

    def all_expire(self):
        if not eventually(lambda: not self.now_is("unpaid"), 60, 0.2):
            raise Violation(f"still unpaid: {self.now_is('unpaid')[:3]}")

    def judge(self):
        """Each order has its row, each expiry one row of the journal, and the units add up."""
        expect, sql = self.trial.expect, self.trial.rig.sql
        rows = {row[0]: row[1:] for row in sql(
            "SELECT request_id, order_id, qty, fulfilment, payment_id FROM orders "
            f"WHERE item_id = {HELD_ITEM} AND promo_id = {PROMO}")}
        expect(set(rows) == set(self.bought), f"rows {len(rows)}, bought {len(self.bought)}")
        moved = sql("SELECT order_id, reason, COUNT(*), SUM(delta) FROM stock_change "
                    f"WHERE item_id = {HELD_ITEM} GROUP BY order_id, reason")
        for order, reason, times, units in moved:
            expect(times == "1", f"order {order} {reason} {times} times: {units} units")
        went_back = {row[0] for row in moved if row[1] == "expired"}
        for name, (order, qty, fulfilment, _) in rows.items():
            expect(int(qty) == self.bought[name], f"{name} has {qty} units")
            expect(fulfilment != "expired" or order in went_back, f"{name} kept its units")
            expect(fulfilment != "unpaid", f"{name} is unpaid")
        for item, total, amount, units in sql(JOURNAL):
            expect(int(total) + int(units) == int(amount),
                   f"item {item}: total {total}, journal {units}, amount {amount}")
        return rows


# --- F27 -----------------------------------------------------------------------------------------

HOLD_S = 2


class Provider:
    """Tells of each payment once, twice or five times, soon, late or far too late, in any order, on
    three ways at once; of some before the order, under a second id, or with a wrong amount."""

    def __init__(self, trial, orders):
        self.trial = trial
        self.told = {}  # payment -> answers
        self.wrong = set()
        self._notices = queue.PriorityQueue()
        self._lock = threading.Lock()
        self._faults = []
        rng, now = trial.random, time.monotonic()
        for name in orders:
            for payment, amount in self._payments_of(name, rng):
                for _ in range(rng.choice((1, 1, 2, 5))):
                    due = now + rng.uniform(0, 2.5 * HOLD_S)
                    self._notices.put((due, rng.random(), payment, name, amount))
        ways = [self._over_sf1, self._over_sf1, self._over_http]
        self._threads = [threading.Thread(target=self._run, args=(way,)) for way in ways]
        for thread in self._threads:
            thread.start()

    def _payments_of(self, name, rng):
        kind = rng.random()
        if kind < 0.15:
            return  # he never pays
        yield f"p-{name}", PRICE
        if kind < 0.3:
            yield f"q-{name}", PRICE
        elif kind < 0.4:
            self.wrong.add(f"w-{name}")
            yield f"w-{name}", PRICE + 1

    def _run(self, way):
        try:
            with Desk(self.trial.rig.system) as desk:
                while True:
                    due, _, payment, name, amount = self._notices.get_nowait()
                    pause(max(0.0, due - time.monotonic()))
                    answer = way(desk, payment, name, amount)
                    with self._lock:
                        self.told.setdefault(payment, []).append(answer)
        except queue.Empty:
            pass
        except Exception as error:  # of a thread: told by wait()
            self._faults.append(error)

    @staticmethod
    def _over_sf1(desk, payment, name, amount):
        return desk.pay(payment, name, amount)

    def _over_http(self, _, payment, name, amount):
        body = json.dumps({"id": payment, "amount_cents": amount}).encode()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            request = urllib.request.Request(
                f"{self.trial.rig.system.http}/v1/orders/{name}/payments", body,
                {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                answer = json.load(error)
                if answer.get("code") not in UNDECIDED:
                    return answer
            except (OSError, ValueError):
                pass
            pause(0.1)
        raise Violation(f"no answer to {payment} over HTTP")

    def wait(self):
        for thread in self._threads:
            thread.join()
        if self._faults:
            raise Violation(f"{self._faults[0]!r}")

    def taken(self):
        """payment -> what its order became by it; each answer to a payment must say the same."""
        taken = {}
        for payment, answers in self.told.items():
            said = {(one.get("fulfilment"), one.get("at"), one.get("code")) for one in answers}
            self.trial.expect(len(said) == 1, f"{payment} was answered in two ways: {answers}")
            fulfilment, _, code = said.pop()
            if payment in self.wrong:
                self.trial.expect(code == "bad_request", f"a wrong amount: {answers[0]}")
            elif code is None:
                self.trial.expect(fulfilment in ("paid", "refund_due"), f"{payment}: {answers[0]}")
                taken[payment] = fulfilment
            else:
                self.trial.expect(code == "already_paid", f"{payment}: {answers[0]}")
        return taken


def f27(trial):
    """Payments race expiries and each other while nodes die and returned units are sold again."""
    count = {"quick": 60, "long": 200, "release": 500}[trial.tier]
    trial.start(**NO_GRACE)
    trial.sell(rate=200)
    sale = HeldSale(trial, count, HOLD_S, lasts_s=3600)
    early = sale.desk.pay(f"p-{trial.name}-h0", f"{trial.name}-h0", PRICE)
    trial.expect(early.get("code") == "unknown_request", f"paid before it was ordered: {early}")
    sale.buy(count)
    provider = Provider(trial, list(sale.bought))
    for number in range(2):
        trial.some_time(0.2, 1.5)
        trial.kill("backend-1" if number == 0 else trial.random.choice(
            ("backend-1", "broker-1", "webapp-1")))
        for again in range(5):  # who comes for what was given back
            sale.desk.order(f"{trial.name}-{number}-{again}", promo=None, item=HELD_ITEM)
    provider.wait()
    sale.all_expire()
    trial.judge()
    rows, taken = sale.judge(), provider.taken()
    for name, (_, _, fulfilment, payment) in rows.items():
        his = {one: what for one, what in taken.items() if one[2:] == name}
        trial.expect(len(his) <= 1, f"{name} was paid twice: {his}")
        tried = any(one in provider.told for one in (f"p-{name}", f"q-{name}"))
        trial.expect(bool(his) == tried, f"{name}: a payment was never taken, it is {fulfilment}")
        if his:
            trial.expect(his == {payment: fulfilment},
                         f"{name} is {fulfilment} by {payment}: {his}")
        else:
            trial.expect(fulfilment == "expired", f"{name} is {fulfilment} and was never paid")
    trial.counts.checked += len(rows)
    trial.note("notices", sum(map(len, provider.told.values())))
    trial.note("refunds_due", sum(what == "refund_due" for what in taken.values()))


# --- F28 -----------------------------------------------------------------------------------------

def clock_alarm(trial):
    """What the status says of a step that nobody has accepted; None: there is none."""
    return trial.rig.view("backend-1").get("clock")


def expect_alarm(trial, seconds):
    """Of so many seconds, told by status and by health."""
    def told():
        alarm = clock_alarm(trial)
        return alarm and abs(alarm["ahead_s"] - seconds) < 5
    if not eventually(told, 20):
        raise Violation(f"no alarm of {seconds} s: {clock_alarm(trial)}")
    health = trial.rig.stampede("--json", "health", "--wait", "20s")
    trial.expect(health.returncode == 0 and "clock accept" in health.stdout, health.stdout)


def expect_no_alarm(trial):
    if not eventually(lambda: trial.rig.view("backend-1").get("clock", 0) is None, 20):
        raise Violation(f"an alarm that should not be: {clock_alarm(trial)}")


def accept(trial, name):
    """Twice with one id: the same answer, and nothing more."""
    flags = ("--json", "clock", "accept", "--request-id", f"{trial.name}-{name}")
    answers = [trial.rig.stampede(*flags) for _ in range(2)]
    trial.expect(all(one.returncode == 0 for one in answers) and
                 answers[0].stdout == answers[1].stdout and
                 json.loads(answers[0].stdout)["changed"], str(answers))
    expect_no_alarm(trial)


def restart_backend(trial):
    trial.kill("backend-1")
    trial.rig.wait_ready()


def forward(trial, clock):
    """Over the window's end and over pay_by: as if nothing were, until the operator accepts it."""
    sale = HeldSale(trial, 1000, hold_s=300)
    sale.buy(20, qty=2)
    clock.step_to(HOUR_NS)
    expect_alarm(trial, 3600)
    sale.buy(10)
    sale.none_expires()
    restart_backend(trial)
    expect_alarm(trial, 3600)
    sale.buy(5)
    sale.none_expires()
    name = next(iter(sale.bought))
    paid = sale.desk.pay(f"pay-{name}", name, 2 * PRICE)
    trial.expect(paid.get("fulfilment") == "paid", f"in time: {paid}")
    accept(trial, "right")
    sale.all_expire()
    trial.expect(sale.now_is("paid") == [name], "what was paid stays so")
    sale.refused_with("ended")
    return sale


def back_and_forth(trial, clock):
    """Back it only delays; and forth again is a step forward like any other."""
    sale = HeldSale(trial, 1000, hold_s=300)
    sale.buy(20)
    clock.step_to(-HOUR_NS)
    sale.buy(10)
    expect_no_alarm(trial)
    restart_backend(trial)
    sale.buy(5)
    sale.none_expires()
    clock.step_to(0)
    expect_alarm(trial, 3600)
    sale.buy(5)
    accept(trial, "back")
    sale.buy(5)
    sale.none_expires()
    clock.step_to(HOUR_NS)
    accept(trial, "forth")
    sale.all_expire()
    sale.refused_with("ended")
    return sale


def over_the_start(trial, clock):
    """A promo does not begin by a step that is put right; small steps are followed."""
    sale = HeldSale(trial, 1000, hold_s=300, starts_in_s=600, lasts_s=7200)
    sale.refused_with("not_started")
    clock.step_to(HOUR_NS)
    expect_alarm(trial, 3600)
    sale.refused_with("not_started")
    clock.step_to(2 * SECOND_NS)
    expect_no_alarm(trial)
    sale.refused_with("not_started")
    clock.step_to(HOUR_NS)
    expect_alarm(trial, 3598)
    accept(trial, "begin")
    sale.buy(20)
    clock.step_to(HOUR_NS + 8 * SECOND_NS)
    pause(0.5)
    expect_no_alarm(trial)
    sale.none_expires()
    restart_backend(trial)
    clock.step_to(HOUR_NS + 310 * SECOND_NS)
    expect_alarm(trial, 302)
    sale.none_expires()
    accept(trial, "due")
    sale.all_expire()
    return sale


KINDS = (forward, back_and_forth, over_the_start)


def f28(trial):
    kind = KINDS[trial.number % len(KINDS)]
    clock = NodesClock(trial, **NO_GRACE)
    trial.sell(rate=200)
    trial.await_answers(40)
    sale = kind(trial, clock)
    trial.answered_again(20)
    trial.judge()
    trial.counts.checked += len(sale.judge())
    trial.note(kind.__name__)


ROWS = [
    Row("F27", "payment provider repeats, reorders, delays", f27, (2, 20, 500), "all / all / all"),
    Row("F28", "clock steps over a window and over pay_by", f28, (3, 15, 300), "all / all / all"),
]
