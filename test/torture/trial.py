"""One trial: nodes, retrying clients with a recorded history, a fault, recovery, the judgement.

    trial.start()                 # nodes ready, one item for sale
    trial.sell(300, rate=1500)    # buyers in a thread
    …the fault…
    trial.judge()                 # the sale ends; raises Violation when a promise was broken
"""

import contextlib
import json
import random
import threading
from dataclasses import dataclass, field

from rig import Violation, eventually, is_alive, pause

from buyers import Crowd, order  # noqa: I001  (rig.py makes test/system importable)

ITEM = 1
FINAL_S = 120  # generous: the machine may be busy


@dataclass
class Counts:
    """What a row's summary line adds up."""
    trials: int = 0
    crashes: int = 0
    checked: int = 0  # confirmed orders compared with the database
    lost: int = 0
    doubled: int = 0
    oversold: int = 0
    notes: dict = field(default_factory=dict)  # further counts, by name

    def add(self, other):
        for name in ("trials", "crashes", "checked", "lost", "doubled", "oversold"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, value in other.notes.items():
            self.notes[name] = self.notes.get(name, 0) + value


class Trial:
    def __init__(self, rig, row, number, seed, tier):
        self.rig = rig
        self.number = number
        self.tier = tier
        self.name = f"{row}-{seed}-{number}"
        self.random = random.Random(self.name)
        self.counts = Counts(trials=1)
        self.stock = 0
        self.crowd = None
        self._stop = threading.Event()
        self._thread = None
        self._outcome = []
        self._closing = contextlib.ExitStack()

    def note(self, name, value=1):
        self.counts.notes[name] = self.counts.notes.get(name, 0) + value

    def close_later(self, thing):
        """A context manager that ends with the trial."""
        return self._closing.enter_context(thing)

    # --- nodes -----------------------------------------------------------------------------------

    def start(self, stock=None, nodes="webapp=1,broker=1,backend=1", ready=True, **environment):
        """Fresh ground, supervisor and nodes, ready, with one item whose stock will run out."""
        self.rig.fresh()
        self.begin(stock, nodes, ready, **environment)

    def begin(self, stock=None, nodes="webapp=1,broker=1,backend=1", ready=True, **environment):
        """As start(), on ground that the caller has made fresh (nodes of his own may run)."""
        self.rig.supervisor(nodes, **environment)
        self.nodes = nodes
        if ready:
            self.rig.wait_ready()
            self.add_item(stock or self.random.randint(150, 900))

    def add_item(self, stock, limit=0):
        self.stock = stock
        # Asked again until it is durable: the backend may be dying at this very moment.
        request = {"do": "item_put", "request_id": f"{self.name}-item", "item": ITEM,
                   "name": "Phone", "total": stock, "limit_per_user": limit, "max_qty": 5}
        if not eventually(lambda: self.rig.admin(request).get("ok"), FINAL_S):
            raise Violation(f"no item could be added: {self.rig.admin(request)}")

    def again_with(self, first=lambda: None):
        """All nodes die and start anew on the same log; before the supervisor, first()."""
        self.counts.crashes += len(self.rig.node_pids())
        self.rig.end_nodes()
        first()
        self.rig.supervisor(self.nodes)

    def kill(self, *names):
        """kill -9 of all of them at one moment; the supervisor's role is taken by the rig."""
        pids = {name: self.rig.wait_pid(name) for name in names}
        for pid in pids.values():
            self.rig.system.signal(pid, 9)
        for name, pid in pids.items():
            if name == "supervisor-1":
                eventually(lambda pid=pid: not is_alive(pid), 20, 0.002)
                self.rig.supervisor(self.nodes)
                self.counts.crashes += 1  # the others are in the supervisor's log
        return pids

    def arm(self, node, text, next_start=False):
        """A failpoint, in the running process or in the one that follows it."""
        self.rig.must({"do": "failpoints", "node": node, "arm": text, "next_start": next_start})

    def die_at(self, node, text):
        """Armed in the running node; the sale goes on until that process is gone."""
        pid = self.rig.wait_pid(node)
        self.arm(node, text)
        self.rig.wait_gone(node, pid)

    # --- clients ---------------------------------------------------------------------------------

    def sell(self, orders=None, rate=1500, addresses=None, prefix="o"):
        """Buyers in a thread: so many, or without end until the judgement."""
        self.crowd = self.crowd or Crowd(*(addresses or [self.rig.system.zmq]), retry_s=0.5)
        self._stop.clear()
        self._outcome.clear()
        source = self._orders(orders, prefix)
        self._thread = threading.Thread(target=lambda: self._outcome.append(
            self.crowd.run(source, rate=rate, seconds=FINAL_S)))
        self._thread.start()

    def sell_past(self, point, rate):
        """Buyers whose orders make the backend pass `point`."""
        # The log is sealed when nothing came for 10 ms.
        self.sell(rate=20 if point == "before_seal" else rate)

    def _orders(self, count, prefix):
        number = 0
        while not self._stop.is_set() and (count is None or number < count):
            number += 1
            yield order(f"{self.name}-{prefix}{number}", ITEM, f"u{number % 97}",
                        1 + number * 7919 % 3)

    def await_answers(self, count, seconds=60):
        """Until so many orders have a final answer; the fault shall meet work."""
        if not eventually(lambda: len(self.crowd.answers) >= count, seconds, 0.002):
            raise Violation(f"only {len(self.crowd.answers)} of {count} answers after {seconds} s: "
                            f"{dict(self.crowd.errors)} {self.rig.nodes()}")

    def answered_again(self, more=20, seconds=60):
        """Until so many further orders were answered: the system serves again."""
        self.await_answers(len(self.crowd.answers) + more, seconds)

    def some_time(self, low, high):
        pause(self.random.uniform(low, high))

    def no_new_orders(self):
        """Those that are open go on asking."""
        self._stop.set()

    def end_sale(self):
        """No new orders; returns when everybody has a final answer."""
        self._stop.set()
        if self._thread is None:
            return
        self._thread.join(FINAL_S + 90)
        alive, self._thread = self._thread.is_alive(), None
        if alive or self._outcome != [True]:
            raise Violation(f"{self.crowd.open()} orders without a final answer; codes "
                            f"{dict(self.crowd.errors)}; {self.rig.nodes()}")

    # --- judgement -------------------------------------------------------------------------------

    def judge(self):
        """Everybody final, the same answers again, and the books: memory, log, tables, buyers."""
        self.end_sale()
        self.rig.wait_ready()
        self.counts.crashes += self.rig.ends()
        if not self.crowd.ask_all_again(FINAL_S):
            raise Violation("; ".join(self.crowd.faults[:3]))
        done = self.rig.stampede("--json", "verify", "--wait", "90s", timeout=180)
        report = json.loads(done.stdout) if done.stdout.startswith("{") else {}
        for name in ("lost", "doubled", "oversold"):
            setattr(self.counts, name, report.get(name, 0))
        if done.returncode:
            raise Violation(f"verify: exit {done.returncode}: {done.stdout} {done.stderr}")
        self._compare(self.rig.sql("SELECT request_id, order_id, user_id, qty FROM orders "
                                   f"WHERE item_id = {ITEM}"))
        log = self.rig.stampede("--json", "log", "verify")
        if log.returncode:
            raise Violation(f"log verify: exit {log.returncode}: {log.stdout} {log.stderr}")
        if self.crowd.faults or self.crowd.refused:
            raise Violation("; ".join(self.crowd.faults[:3]) or f"refused: {self.crowd.refused}")

    def _compare(self, rows):
        """What the buyers were told against what is in the table: neither more nor less."""
        told = {name: [one["order_id"], self.crowd.orders[name]["user"],
                       str(self.crowd.orders[name]["qty"])]
                for name, one in self.crowd.confirmed().items()}
        stored = {row[0]: row[1:] for row in rows}
        self.counts.checked = len(told)
        self.counts.lost += len(told.keys() - stored.keys())
        self.counts.doubled += len(rows) - len(stored) + len(stored.keys() - told.keys())
        sold = sum(int(row[3]) for row in rows)
        self.counts.oversold += max(0, sold - self.stock)
        left = int(self.rig.sql(f"SELECT amount FROM item WHERE id = {ITEM}")[0][0])
        if told != stored or sold + left != self.stock:
            raise Violation(f"{len(told)} orders told, {len(rows)} rows; lost "
                            f"{sorted(told.keys() - stored.keys())[:3]}, unknown "
                            f"{sorted(stored.keys() - told.keys())[:3]}; stock {self.stock}, sold "
                            f"{sold}, left {left}")

    def expect(self, condition, message):
        if not condition:
            raise Violation(message)

    def close(self):
        try:
            self._closing.close()
            self.rig.end_nodes()
        finally:
            self.give_up()
            if self.crowd is not None:
                self.crowd.close()

    def give_up(self):
        """After a failure: the buyers' thread has no reason to wait out its time."""
        self._stop.set()
        while self._thread is not None and self._thread.is_alive():
            for name in list(self.crowd.orders):
                self.crowd.answers.setdefault(name, {"state": "given up"})
            self._thread.join(0.5)
        self._thread = None
