"""F29: webapps whose copies of the stock are out of date. The news are lost, webapps stand still
for longer than a copy may be used, the backend dies, and the item is sold out, comes back and is
sold out again, several times. What a webapp says by itself must stay within what it may say, nobody
may be told a binding no while there is something for him, and every unit is sold."""

import collections
import random
import signal
import sys
import threading
import time

import msgpack
import zmq

from rig import PROJECT, Violation, eventually, pause
from rows import Row

from desk import JOURNAL, UNDECIDED

sys.path.insert(0, str(PROJECT / "clients" / "python"))

from stampede import Client  # noqa: E402

ITEM = 2
REFRESH_S = 0.4
UNUSED_S = 5 * REFRESH_S  # a copy that could not be refreshed for so long is not used
# For a busy machine; with it a webapp that waits for UNUSED_S instead of asking would be found.
SLACK_S = 1.2
STOPPED_S = 0.2  # then a process that was sent SIGSTOP stands still for certain
SILENCE_S = 1.0
FINAL_S = 60
WEBAPPS = ("webapp-1", "webapp-2", "webapp-3")
BUYERS = 6
EDGE = {"code": "sold_out", "edge": True, "retry": True}


class Window:
    """One buyer's connections, one to each webapp. Belongs to one thread."""

    def __init__(self, system):
        self.context = zmq.Context()
        self.sockets = []
        self.firsts = [set() for _ in WEBAPPS]  # ids that were called new there, without an answer
        for endpoint in (system.zmq, system.zmq_2, system.zmq_3):
            socket = self.context.socket(zmq.DEALER)
            for option, value in ((zmq.LINGER, 0), (zmq.RECONNECT_IVL, 20),
                                  (zmq.RECONNECT_IVL_MAX, 200)):
                socket.setsockopt(option, value)
            socket.connect(endpoint)
            self.sockets.append(socket)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.destroy(linger=0)

    def ask(self, place, request, seconds=SILENCE_S):
        """The next answer to this id from there, maybe to a try before; None: silence."""
        if request.get("first"):
            self.firsts[place].add(request["id"])
        self.sockets[place].send(msgpack.packb(request))
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.sockets[place].poll(max(1, int(left * 1000))):
                answer = msgpack.unpackb(self.sockets[place].recv())
                if answer.get("id") == request["id"]:
                    return answer
        return None

    def may_be_edge(self, place, name):
        """Once for each message that called the id new."""
        known = name in self.firsts[place]
        self.firsts[place].discard(name)
        return known


class Copies:
    """The item, what the buyers were told of it, and what the webapps may still believe."""

    def __init__(self, trial):
        self.trial = trial
        self.told = {}  # id -> its first binding answer
        self.left_alone = set()  # ids to which a webapp alone has said no; nobody asks them again
        self.faults = []
        self.counts = collections.Counter()
        self.total = self.number = 0
        self.lost_news = False
        self.none_left = False  # nothing is left, and nothing comes back before all have answers
        self.right_from = float("inf")  # a running webapp knows of the units that came back
        self.stopped = {}  # place -> when it stood still, in this turn
        self.lock = threading.Lock()
        self.old = []  # ids with an answer, to be asked again

    # --- what is said -----------------------------------------------------------------------------

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def hear_edge(self, window, place, request, answer, sent_at):
        if answer != {"id": request["id"], **EDGE}:
            self.fault(f"a webapp's own word has another form: {answer}")
        if not window.may_be_edge(place, request["id"]):
            self.fault(f"{WEBAPPS[place]} turned {request} away by itself: {answer}")
        with self.lock:
            self.counts["edge"] += 1
            self.counts["edge_behind_time"] += not self.none_left
        if self.none_left:
            return
        stopped_at = self.stopped.get(place)
        if stopped_at is not None and sent_at > stopped_at + STOPPED_S:
            self.fault(f"{WEBAPPS[place]} stood still for more than {UNUSED_S} s and used its copy "
                       f"{time.monotonic() - stopped_at:.2f} s after it stopped")
        elif sent_at > self.right_from:
            self.fault(f"{WEBAPPS[place]} says sold out {sent_at - self.right_from:.2f} s after it "
                       "should know better")

    def hear_final(self, request, answer):
        essence = lambda one: (one.get("state"), one.get("order_id"), one.get("reason"))
        with self.lock:
            known = self.told.setdefault(request["id"], answer)
            if known is answer:
                self.old.append(request)
                self.counts[answer["state"]] += 1
        if essence(known) != essence(answer):
            self.fault(f"{request['id']}: first {known}, then {answer}")
        elif known is answer and self.none_left and answer["state"] == "confirmed":
            self.fault(f"sold though nothing was left: {answer}")
        elif known is answer and not self.none_left and answer["state"] == "rejected":
            self.fault(f"a binding no while there was a unit for everybody: {request} {answer}")

    # --- buyers -----------------------------------------------------------------------------------

    def request(self, first):
        with self.lock:
            self.number += 1
            name = f"{self.trial.name}-c{self.number}"
        return {"op": "order", "id": name, "item": ITEM, "user": f"u-{name}", "qty": 1,
                **({"first": True} if first else {})}

    def try_once(self, window, place, request):
        """A binding answer, "edge", or None: to be asked again with the same id."""
        sent_at = time.monotonic()
        answer = window.ask(place, request)
        if answer is None:
            return None
        if answer.get("edge"):
            self.hear_edge(window, place, request, answer, sent_at)
            return "edge"
        if "state" in answer:
            self.hear_final(request, answer)
            return answer
        if answer.get("code") not in UNDECIDED:
            self.fault(f"{request} is refused: {answer}")
            return answer
        pause(0.05)
        return None

    def buy(self, window, rng, first, believes):
        """Until there is a binding answer. Who believes a webapp's own word gives the id up; when
        there is something for him, he comes again as somebody new, at the same webapp. The others
        ask again without `first`."""
        request, place = self.request(first), rng.randrange(len(WEBAPPS))
        until = time.monotonic() + FINAL_S
        while time.monotonic() < until:
            said = self.try_once(window, place, request)
            if isinstance(said, dict):
                return
            if said == "edge" and believes and "first" in request:  # it was sent once
                with self.lock:
                    self.left_alone.add(request["id"])
                if self.none_left:
                    return
                request = self.request(first=True)
                pause(0.01)
            else:
                request = {name: value for name, value in request.items() if name != "first"}
                place = rng.randrange(len(WEBAPPS))
        self.fault(f"{request['id']} has no final answer after {FINAL_S} s")

    def ask_again(self, window, rng):
        """Somebody who has an answer; some say that their id was new, which is not true."""
        with self.lock:
            request = rng.choice(self.old) if self.old else None
        if request is not None:
            lie = {"first": True} if rng.random() < 0.3 else {}
            self.try_once(window, rng.randrange(len(WEBAPPS)), {**request, "first": False} | lie)

    def crowd(self, count, believe):
        """So many buyers, each of one unit, a few at a time, and repeats between them."""
        todo = list(range(count))
        seeds = [self.trial.random.random() for _ in range(BUYERS)]

        def work(own_seed):
            rng = random.Random(own_seed)
            try:
                with Window(self.trial.rig.system) as window:
                    while not self.faults:
                        with self.lock:
                            if not todo:
                                return
                            todo.pop()
                        self.buy(window, rng, rng.random() < 0.7, believe and rng.random() < 0.7)
                        if rng.random() < 0.5:
                            self.ask_again(window, rng)
                        pause(rng.uniform(0, 0.02))
            except Exception as error:  # of a thread: told by wait()
                self.fault(repr(error))

        threads = [threading.Thread(target=work, args=(one,)) for one in seeds]
        for thread in threads:
            thread.start()
        return threads

    def wait(self, threads):
        for thread in threads:
            thread.join()
        if self.faults:
            raise Violation("; ".join(self.faults[:3]))

    # --- turns ------------------------------------------------------------------------------------

    def begin(self, units):
        self.trial.rig.must({"do": "item_put", "request_id": f"{self.trial.name}-copies",
                             "item": ITEM, "name": "Watch", "total": units, "limit_per_user": 0,
                             "max_qty": 5})
        self.total = units
        self.right_from = time.monotonic() + REFRESH_S + SLACK_S
        self.wait(self.crowd(units, believe=True))

    def restock(self, units, name):
        request = {"do": "stock_change", "request_id": f"{self.trial.name}-{name}", "item": ITEM,
                   "delta": units}
        if not eventually(lambda: self.trial.rig.admin(request).get("ok"), FINAL_S):
            raise Violation(f"no stock came back: {self.trial.rig.admin(request)}")
        self.total += units

    def sold_out(self, count):
        """More buyers than there is: all are told no, by whomever."""
        self.none_left, self.stopped = True, {}
        with Window(self.trial.rig.system) as window:
            eventually(lambda: all(self.is_turned_away(window, place)
                                   for place in range(len(WEBAPPS))), 10)
        self.wait(self.crowd(count, believe=True))

    def is_turned_away(self, window, place):
        request = self.request(first=True)
        said = self.try_once(window, place, request)
        if said == "edge":
            self.left_alone.add(request["id"])
        elif said is None:
            self.wait_for(window, request)
        return said == "edge"

    def wait_for(self, window, request):
        """What was asked and not answered is asked until it is: it could buy later."""
        again = {name: value for name, value in request.items() if name != "first"}
        if not eventually(lambda: isinstance(self.try_once(window, 0, again), dict), FINAL_S):
            raise Violation(f"no answer to {again}")

    def turn(self, number, units, stop, kill):
        """Something comes back while webapps stand still and the backend dies, and is sold."""
        rng, rig = self.trial.random, self.trial.rig
        places = rng.sample(range(len(WEBAPPS)), rng.randint(1, 2)) if stop else []
        pids = {place: rig.wait_pid(WEBAPPS[place]) for place in places}
        if kill == "before":
            self.kill_backend()
        for pid in pids.values():
            rig.system.signal(pid, signal.SIGSTOP)
        stopped_at = time.monotonic()
        self.right_from = float("inf")
        self.stopped = dict.fromkeys(places, stopped_at)
        self.none_left = False
        try:
            self.restock(units, f"turn-{number}")
            self.right_from = time.monotonic() + REFRESH_S + SLACK_S
            buyers = self.crowd(units, believe=True)
            if kill == "behind":
                pause(rng.uniform(0, 0.1))
                self.right_from = float("inf")
                self.kill_backend()
                self.right_from = time.monotonic() + REFRESH_S + SLACK_S
            if stop:
                longer = rng.uniform(0.2, 0.8)
                pause(max(0.0, stopped_at + UNUSED_S + longer - time.monotonic()))
        finally:
            for pid in pids.values():
                rig.system.signal(pid, signal.SIGCONT)
        self.wait(buyers)
        for place, pid in pids.items():
            self.trial.expect(rig.pid(WEBAPPS[place]) == pid, f"{WEBAPPS[place]} was replaced")

    def lose_news(self, next_start=False):
        self.lost_news = True
        self.trial.arm("backend-1", "news=on", next_start)

    def kill_backend(self):
        if self.lost_news:
            self.lose_news(next_start=True)
        pid = self.trial.kill("backend-1")["backend-1"]
        self.trial.rig.wait_gone("backend-1", pid)
        if not eventually(lambda: self.trial.rig.view("backend-1").get("state") == "ready", FINAL_S,
                          0.02):
            raise Violation(f"no backend: {self.trial.rig.view('backend-1')}")

    # --- judgement --------------------------------------------------------------------------------

    def judge(self):
        """Who was told yes has the units, all of them; nobody else has any; and it stays so."""
        sql, expect = self.trial.rig.sql, self.trial.expect
        bought = {name: one["order_id"] for name, one in self.told.items()
                  if one["state"] == "confirmed"}
        rows = dict(sql(f"SELECT request_id, order_id FROM orders WHERE item_id = {ITEM}"))
        expect(rows == bought, f"{len(bought)} told, {len(rows)} rows; not there "
               f"{sorted(bought.keys() - rows.keys())[:3]}, nobody's "
               f"{sorted(rows.keys() - bought.keys())[:3]}")
        expect(not self.left_alone & rows.keys(), "bought though a webapp had said no alone")
        expect(len(rows) == self.total, f"{self.total} units, {len(rows)} sold")
        amount = sql(f"SELECT amount FROM item WHERE id = {ITEM}")
        expect(amount == [["0"]], f"left in the table: {amount}")
        for item, total, left, units in sql(JOURNAL):
            expect(int(total) + int(units) == int(left),
                   f"journal of {item}: {total} {units} {left}")
        self.ask_everybody()
        self.trial.counts.checked += len(rows)

    def ask_everybody(self):
        """On every webapp the same as before, and of who was left alone nothing is known."""
        for endpoint in (self.trial.rig.system.zmq, self.trial.rig.system.zmq_2,
                         self.trial.rig.system.zmq_3):
            with Client(endpoint) as client:
                orders = [{name: one[name] for name in ("id", "item", "user", "qty")}
                          for one in self.old]
                for one, now in zip(orders, client.order_many(orders, timeout=FINAL_S)):
                    first = self.told[one["id"]]
                    self.trial.expect(
                        (getattr(now, "state", None), getattr(now, "order_id", None))
                        == (first["state"], first.get("order_id")), f"{one}: first {first}: {now}")


TURNS = (("stop", None), (None, "before"), ("stop", "behind"), (None, None), ("stop", "before"),
         (None, "behind"))


def f29(trial):
    """Sold out, back, sold out again, while copies are out of date."""
    turns = {"quick": 3, "long": 6, "release": 12}[trial.tier]
    trial.start(nodes="webapp=3,broker=1,backend=1",
                STAMPEDE_WEBAPP__ITEMS_REFRESH_MS=str(int(REFRESH_S * 1000)),
                STAMPEDE_WEBAPP__ITEMS_MAX="1000",
                # Who stands still goes on with what it has, and is not replaced.
                STAMPEDE_SUPERVISOR__MISSED_HEARTBEATS_MAX="1000")
    trial.sell(rate=150)
    copies = Copies(trial)
    if trial.number % 2 == 0:  # else they come, and are as stale as the machine makes them
        copies.lose_news()
    copies.begin(trial.random.randint(10, 30))
    for number in range(turns):
        copies.sold_out(trial.random.randint(20, 60))
        stop, kill = TURNS[(trial.number + number) % len(TURNS)]
        copies.turn(number, trial.random.randint(10, 60), stop, kill)
    copies.sold_out(20)
    trial.judge()
    copies.judge()
    for name, count in sorted(copies.counts.items()):
        trial.note(name, count)


ROWS = [
    Row("F29", "webapps with stale copies, sold out and back", f29, (2, 20, 500),
        "all / all / all"),
]
