"""Who orders, pays and gives back over SF1, one thing after the other, until he is answered; and
what the stock journal has to say at the end."""

import time

import msgpack
import zmq

JOURNAL = ("SELECT i.id, i.total, i.amount, COALESCE(SUM(j.delta), 0) FROM item i "
           "LEFT JOIN stock_journal j ON j.item_id = i.id GROUP BY i.id, i.total, i.amount")
UNDECIDED = ("overloaded", "replaying", "draining", "no_backend", "deadline_passed", "internal")


class Desk:
    """Asks over SF1 until there is an answer that is not to be asked again."""

    def __init__(self, system):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(system.zmq)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, op, name, seconds=60, **more):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.socket.send(msgpack.packb({"op": op, "id": name, **more}))
            answer = self._answer_to(name, 1.5)
            if answer is not None and answer.get("code") not in UNDECIDED:
                return answer
        raise AssertionError(f"no answer to {op} {name}")

    def _answer_to(self, name, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.socket.poll(int(left * 1000)):
                answer = msgpack.unpackb(self.socket.recv())
                if answer.get("id") == name:
                    return answer
        return None

    def order(self, name, promo=7, user="ann", item=1, qty=1):
        return self.ask("order", name, item=item, user=user, qty=qty,
                        **({} if promo is None else {"promo": promo}))

    def pay(self, payment, order, amount_cents):
        return self.ask("pay", payment, order=order, amount_cents=amount_cents)

    def cancel(self, order, **more):
        return self.ask("cancel", "c-" + order, order=order, **more)
