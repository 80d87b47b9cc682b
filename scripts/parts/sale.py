#!/usr/bin/python3 -Es
"""Plays the buyers of a flash sale over ZeroMQ and judges the answers they get.

Each buyer orders one unit under a request id of its own, at a planned time, and asks again with the
same id until the answer is final, as a client should. Afterwards every id is
asked once more. What must never happen is counted: two different answers for one id, one order id
for two requests, more confirmed than there was stock.

Progress goes to stderr, one line a second; the result to stdout as one JSON object.
Exit: 0 all answered and consistent, 4 an inconsistency, 5 somebody got no answer in time.
"""

import argparse
import collections
import heapq
import json
import random
import sys
import time

import msgpack
import zmq

FINAL = ("confirmed", "rejected")


class Buyer:
    __slots__ = ("planned", "answer", "sent", "seconds")

    def __init__(self, planned):
        self.planned = planned
        self.answer = None
        self.sent = 0
        self.seconds = 0.0


class Sale:
    def __init__(self, options):
        self.options = options
        seed = options.seed if options.seed is not None else random.randrange(2**32)
        self.random = random.Random(seed)
        self.prefix = f"sale-{seed:x}-{time.time_ns() // 1_000_000:x}"
        step = options.seconds / max(1, options.buyers)
        self.buyers = {f"{self.prefix}-{n}": Buyer(n * step) for n in range(options.buyers)}
        self.due = [(buyer.planned, name) for name, buyer in self.buyers.items()]
        heapq.heapify(self.due)
        self.open = options.buyers
        self.faults = []
        self.counts = collections.Counter()
        self.left = None
        self.start = time.monotonic()
        self.shown = 0.0
        self.context = zmq.Context()
        self.socket = self.connect()

    def connect(self):
        socket = self.context.socket(zmq.DEALER)
        for option, value in ((zmq.LINGER, 0), (zmq.SNDHWM, 20000), (zmq.RCVHWM, 20000),
                              (zmq.HEARTBEAT_IVL, 1000), (zmq.HEARTBEAT_TIMEOUT, 3000),
                              (zmq.RECONNECT_IVL, 20), (zmq.RECONNECT_IVL_MAX, 200)):
            socket.setsockopt(option, value)
        for address in self.options.address:
            socket.connect(address)
        return socket

    def now(self):
        return time.monotonic() - self.start

    # --- sending ----------------------------------------------------------------------------------

    def send_due(self, request):
        """Sends what is due, at most 500 at a time, and plans the repetition of each."""
        now = self.now()
        for _ in range(500):
            if not self.due or self.due[0][0] > now:
                return
            _, name = heapq.heappop(self.due)
            buyer = self.buyers[name]
            if buyer.answer is not None:
                continue
            try:
                self.socket.send(msgpack.packb(request(name)), zmq.DONTWAIT)
            except zmq.Again:
                heapq.heappush(self.due, (now + 0.05, name))
                return
            self.counts["sent_again"] += 1 if buyer.sent else 0
            buyer.sent += 1
            heapq.heappush(self.due, (now + self.options.retry_s, name))

    def order(self, name):
        user = "user-" + name.rsplit("-", 1)[1]
        return {"op": "order", "id": name, "item": self.options.item, "user": user, "qty": 1}

    # --- answers ----------------------------------------------------------------------------------

    def take_answers(self):
        for _ in range(2000):
            try:
                frame = self.socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return
            answer = msgpack.unpackb(frame)
            buyer = self.buyers.get(answer.get("id"))
            if buyer is None:
                self.counts["foreign"] += 1
            elif answer.get("state") in FINAL:
                self.take_final(answer, buyer)
            elif "code" in answer:
                self.take_error(answer, buyer)

    def take_final(self, answer, buyer):
        essence = (answer["state"], str(answer.get("order_id", "")), answer.get("reason"))
        if answer.get("left") is not None and not answer.get("replayed"):
            self.left = answer["left"]
        if buyer.answer is None:
            buyer.answer = essence
            buyer.seconds = self.now() - buyer.planned
            self.counts[essence[0]] += 1
            self.open -= 1
        elif buyer.answer[:2] != essence[:2]:
            self.faults.append(f"{answer['id']}: first {buyer.answer}, then {essence}")

    def take_error(self, answer, buyer):
        self.counts["error " + str(answer["code"])] += 1
        if buyer.answer is None and not answer.get("retry"):
            buyer.answer = ("refused", "", answer["code"])
            self.open -= 1
            self.faults.append(f"{answer['id']}: refused: {answer['code']} {answer.get('message')}")
        elif buyer.answer is None:
            wait_s = answer.get("retry_after_ms", 100) / 1000 * (0.5 + self.random.random())
            heapq.heappush(self.due, (self.now() + wait_s, answer["id"]))

    # --- the two rounds ---------------------------------------------------------------------------

    def run_round(self, request, give_up_s):
        poller = zmq.Poller()
        poller.register(self.socket, zmq.POLLIN)
        end = self.now() + give_up_s
        while self.open and self.now() < end:
            self.send_due(request)
            wait_s = self.due[0][0] - self.now() if self.due else 0.1
            poller.poll(max(0, min(100, int(wait_s * 1000))))
            self.take_answers()
            self.show_progress()

    def ask_everyone_again(self):
        """The same id once more: the same answer, whatever was killed meanwhile."""
        firsts = {name: buyer.answer for name, buyer in self.buyers.items() if buyer.answer}
        latencies = {name: buyer.seconds for name, buyer in self.buyers.items()}
        counts = self.counts
        self.counts = collections.Counter()
        self.due = [(0.0, name) for name in firsts]
        heapq.heapify(self.due)
        self.open = len(firsts)
        for name in firsts:
            self.buyers[name].answer = None
        if not self.options.quiet:
            print("      everybody asks once more with the same id", file=sys.stderr, flush=True)
        self.options.quiet = True
        self.run_round(self.order, 60)
        for name, first in firsts.items():
            buyer = self.buyers[name]
            if buyer.answer is None:
                self.faults.append(f"{name}: no answer when asked again")
            elif buyer.answer[:2] != first[:2]:
                self.faults.append(f"{name}: first {first}, asked again {buyer.answer}")
            buyer.answer, buyer.seconds = first, latencies[name]
        self.counts = counts

    def show_progress(self):
        now = self.now()
        if now < self.shown + 1 or self.options.quiet:
            return
        self.shown = now
        left = "?" if self.left is None else f"{self.left:,}"
        print(f"      {int(now) // 60:02}:{int(now) % 60:02}  left {left}  confirmed "
              f"{self.counts['confirmed']:,}  rejected {self.counts['rejected']:,}  waiting "
              f"{sum(1 for b in self.buyers.values() if b.sent and b.answer is None):,}",
              file=sys.stderr, flush=True)

    def result(self):
        order_ids = [b.answer[1] for b in self.buyers.values()
                     if b.answer and b.answer[0] == "confirmed"]
        doubled = len(order_ids) - len(set(order_ids))
        if doubled:
            self.faults.append(f"{doubled} order ids were given to two requests")
        confirmed = len(order_ids)
        if self.options.stock is not None and confirmed > self.options.stock:
            self.faults.append(f"{confirmed} confirmed, but only {self.options.stock} in stock")
        times = sorted(b.seconds for b in self.buyers.values() if b.answer)
        at = lambda share: round(times[min(len(times) - 1, int(share * len(times)))] * 1e6)
        reasons = collections.Counter(b.answer[2] for b in self.buyers.values()
                                      if b.answer and b.answer[0] == "rejected")
        return {"buyers": len(self.buyers), "confirmed": confirmed,
                "rejected": sum(reasons.values()), "reasons": dict(reasons),
                "no_answer": sum(1 for b in self.buyers.values() if b.answer is None),
                "sent_again": self.counts["sent_again"],
                "errors": {name[6:]: n for name, n in self.counts.items() if name[:6] == "error "},
                "p50_us": at(0.5) if times else None, "p99_us": at(0.99) if times else None,
                "max_us": at(1) if times else None, "seconds": round(self.now(), 3),
                "faults": self.faults[:20], "fault_count": len(self.faults),
                "prefix": self.prefix}


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--address", action="append", help="webapp, may be repeated (default tcp://127.0.0.1:7101)")
    add("--item", type=int, required=True)
    add("--stock", type=int, help="units there were, to judge overselling")
    add("--buyers", type=int, default=20000, help="default %(default)s")
    add("--seconds", type=float, default=4, help="time over which they come (default %(default)s)")
    add("--retry-s", type=float, default=1.0, help="ask again after (default %(default)s)")
    add("--give-up-s", type=float, default=120, help="after the last came (default %(default)s)")
    add("--seed", type=int)
    add("--quiet", action="store_true", help="no progress lines")
    options = parser.parse_args(arguments)
    options.address = options.address or ["tcp://127.0.0.1:7101"]
    return options


def main(arguments):
    if sys.stdout is None:
        sys.exit("sale.py: stdout is closed")
    options = parse(arguments)
    sale = Sale(options)
    sale.run_round(sale.order, options.seconds + options.give_up_s)
    sale.ask_everyone_again()
    result = sale.result()
    print(json.dumps(result))
    if result["fault_count"]:
        return 4
    return 5 if result["no_answer"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
