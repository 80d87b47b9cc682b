"""Buyers in any number, over several DEALER sockets, who remember every answer they ever got.

Two ways to use a Crowd:
  send(orders) once, then receive(): nobody asks again; every frame that comes is counted.
  run(source): orders come at a rate, everybody asks again with the same id until the answer is
  final; to be run in a thread while something is broken.
With batch=N orders go out in arrays of up to N.
A Sale is a Crowd that buys in a thread of its own until it is told to stop.
What must never happen is collected in `faults`: two different answers to one id, one order id for
two ids. A Crowd belongs to one thread at a time.
"""

import collections
import heapq
import threading
import time

import msgpack
import zmq

FINAL = ("confirmed", "rejected")
RATE = 800  # orders a second, of a Sale
OPTIONS = ((zmq.LINGER, 0), (zmq.SNDHWM, 50_000), (zmq.RCVHWM, 50_000),
           (zmq.RECONNECT_IVL, 20), (zmq.RECONNECT_IVL_MAX, 200), (zmq.HEARTBEAT_IVL, 1000),
           (zmq.HEARTBEAT_TIMEOUT, 3000))


def order(request_id, item=1, user=None, qty=1, **more):
    return {"op": "order", "id": request_id, "item": item, "user": user or f"user-{request_id}",
            "qty": qty, **more}


def essence(answer):
    """What must be the same in every answer to one id, for ever."""
    return answer.get("state"), answer.get("order_id"), answer.get("reason")


class Crowd:
    def __init__(self, *addresses, sockets=4, retry_s=1.0, batch=1):
        self.retry_s = retry_s
        self.batch = batch
        self.arrays = 0  # of answers
        self.context = zmq.Context()
        self.poller = zmq.Poller()
        self.sockets = []
        for number in range(sockets):
            socket = self.context.socket(zmq.DEALER)
            for option, value in OPTIONS:
                socket.setsockopt(option, value)
            socket.connect(addresses[number % len(addresses)])
            self.sockets.append(socket)
            self.poller.register(socket, zmq.POLLIN)
        self.orders = {}  # id → the order's map
        self.answers = {}  # id → its first final answer
        self.frames = collections.Counter()  # id → final answers that came
        self.errors = collections.Counter()  # code → how often
        self.refused = {}  # id → answer with a code that is not to be asked again
        self.faults = []
        self.sent_again = 0
        self._owner = {}  # order id → request id
        self._due = []
        self._turn = {}  # id → when it is asked again; other entries of _due are out of date
        self._tries = collections.Counter()
        self._pending = []  # ids for the next array

    def close(self):
        self.context.destroy(linger=0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- once -------------------------------------------------------------------------------------

    def greet(self, seconds=20):
        """A ping and its answer on every connection, so that all of them are open."""
        for socket in self.sockets:
            socket.send(msgpack.packb({"op": "ping"}))
            if not socket.poll(seconds * 1000):
                raise AssertionError("no answer to a ping")
            socket.recv()

    def send(self, orders):
        """All of them, spread over the sockets, without reading an answer."""
        for number, one in enumerate(orders):
            self.orders.setdefault(one["id"], one)
            if self.batch == 1:
                self.sockets[number % len(self.sockets)].send(msgpack.packb(one))
            elif number % self.batch == 0:
                socket = self.sockets[number // self.batch % len(self.sockets)]
                socket.send(msgpack.packb(orders[number:number + self.batch]))

    def receive(self, done, seconds):
        """Takes what comes until done() or the time is over; returns done()."""
        until = time.monotonic() + seconds
        while not done() and time.monotonic() < until:
            self._take(100)
        return done()

    def receive_all(self, seconds=60):
        """Until every order has its final answer."""
        return self.receive(lambda: len(self.answers) + len(self.refused) >= len(self.orders),
                            seconds)

    # --- until it is final ------------------------------------------------------------------------

    def run(self, source, rate=None, seconds=120):
        """Orders of `source` (an iterator, may go on until somebody ends it) at `rate` a second;
        everybody asks again until final. Returns True when nobody waits any more, False when
        somebody does `seconds` after the source's end."""
        start, begun, ended = time.monotonic(), 0, False
        until = start + seconds
        while (now := time.monotonic()) < until:
            if not ended:
                until = now + seconds
            wanted = 500 if rate is None else min(500, int((now - start) * rate) + 1 - begun)
            for _ in range(max(0, wanted)):
                one = None if ended else next(source, None)
                if one is None:
                    ended = True
                    break
                begun += 1
                self.orders[one["id"]] = one
                self._ask(one["id"], now)
            if ended and len(self.answers) + len(self.refused) >= len(self.orders):
                return True
            # Not all that are due at once: who never reads his answers would choke on them.
            for _ in range(500):
                if not self._due or self._due[0][0] > now:
                    break
                turn, name = heapq.heappop(self._due)
                if self._turn[name] != turn:
                    continue
                if name not in self.answers and name not in self.refused:
                    self.sent_again += 1
                    self._ask(name, now)
            self._flush()
            self._take(5)
        return False

    def ask_all_again(self, seconds=60):
        """Every order once more, with the same content: the same answer, or a fault."""
        before, self.answers, self.frames = self.answers, {}, collections.Counter()
        missing, self._due = [], []
        if not self.run(iter(list(self.orders.values())), rate=20_000, seconds=seconds):
            missing = [name for name in self.orders if name not in self.answers]
            self.faults.append(f"{len(missing)} ids without an answer, asked again: {missing[:3]}")
        for name, first in before.items():
            again = self.answers.get(name)
            if again is not None and essence(again) != essence(first):
                self.faults.append(f"{name}: first {first}, asked again {again}")
        self.answers = before
        return not missing

    # --- results ----------------------------------------------------------------------------------

    def confirmed(self):
        return {name: one for name, one in self.answers.copy().items()
                if one["state"] == "confirmed"}

    def reasons(self):
        return collections.Counter(one.get("reason") for one in self.answers.values()
                                   if one["state"] == "rejected")

    def open(self):
        return len(self.orders) - len(self.answers) - len(self.refused)

    # --- inside -----------------------------------------------------------------------------------

    def _ask(self, name, now):
        self._tries[name] += 1
        self._ask_again_at(now + self.retry_s, name)
        if self.batch == 1:
            self._send(name, msgpack.packb(self.orders[name]))
            return
        self._pending.append(name)
        if len(self._pending) == self.batch:
            self._flush()

    def _flush(self):
        names, self._pending = self._pending, []
        if names:
            self._send(names[0], msgpack.packb([self.orders[name] for name in names]))

    def _send(self, name, frame):
        # Another connection each time, as a client that opened a new one.
        socket = self.sockets[(len(name) + hash(name) + self._tries[name]) % len(self.sockets)]
        try:
            socket.send(frame, zmq.DONTWAIT)
        except zmq.Again:
            pass  # its turn comes again after retry_s

    def _ask_again_at(self, turn, name):
        """One turn per order: an answer that says "later" moves it, it does not add another."""
        self._turn[name] = turn
        heapq.heappush(self._due, (turn, name))

    def _take(self, wait_ms):
        for socket, _ in self.poller.poll(wait_ms):
            for _ in range(1000):
                try:
                    frame = socket.recv(zmq.DONTWAIT)
                except zmq.Again:
                    break
                answer = msgpack.unpackb(frame)
                if isinstance(answer, list):
                    self.arrays += 1
                for one in answer if isinstance(answer, list) else [answer]:
                    self._judge(one)

    def _judge(self, answer):
        name = answer.get("id")
        if name not in self.orders:
            self.faults.append(f"an answer to nobody: {answer}")
        elif answer.get("state") in FINAL:
            self._judge_final(name, answer)
        elif "code" in answer:
            self.errors[answer["code"]] += 1
            if not answer.get("retry"):
                self.refused[name] = answer
            else:
                pause = answer.get("retry_after_ms", 100) / 1000
                self._ask_again_at(time.monotonic() + pause, name)

    def _judge_final(self, name, answer):
        self.frames[name] += 1
        first = self.answers.setdefault(name, answer)
        if essence(first) != essence(answer):
            self.faults.append(f"{name}: first {first}, then {answer}")
        if answer["state"] == "confirmed":
            owner = self._owner.setdefault(answer.get("order_id"), name)
            if owner != name:
                self.faults.append(f"order id {answer['order_id']}: for {owner} and for {name}")


class Sale:
    """Retrying buyers in a thread; `stop()` waits until everybody has a final answer."""

    def __init__(self, crowd, item, name, rate=RATE):
        self.crowd = crowd
        self.end = threading.Event()
        self.outcome = []
        source = self.orders(item, name)
        self.thread = threading.Thread(
            target=lambda: self.outcome.append(crowd.run(source, rate=rate, seconds=150)))
        self.thread.start()

    def orders(self, item, name):
        number = 0
        while not self.end.is_set():
            number += 1
            yield order(f"{name}-{number}", item, f"u{number % 5000}", 1 + number % 3)

    def stop(self):
        self.end.set()
        self.thread.join(160)
        return self.outcome == [True]
