"""The client that keeps its orders in a file until they have their answer."""

import os
import threading

from . import question as q
from .answers import OutcomeUnknown, SpoolError, StampedeError
from .batch_question import KEYS, order_requests
from .spool_file import SpoolFile
from .spool_format import Damaged
from .spool_orders import SpoolOrders
from .spool_sender import SpoolSender

ORDERS_MAX = 100_000
REWRITE_BYTES = 64 * 1024  # of what counts no more; then the file is written anew
SPOOLED_KEYS = tuple(name for name in KEYS if name not in ("first", "token"))


def spooled_requests(orders):
    """As they are sent, the first time like any other: who reads the file does not know."""
    return [{name: value for name, value in request.items() if name != "first"}
            for request in order_requests(orders, SPOOLED_KEYS)]


class SpooledClient:
    """Orders that survive: `order` returns when the order is on this machine's disk, and a thread
    asks the system, oldest first, until each has its final answer, through every outage of it and
    every crash of this program. The answers stay in the file, too, until they are taken.

    `path` is the spool's file: of one client at a time, made when there is none, mode 0600. May be
    used by several threads, and after a fork by the parent alone. Errors of the file are
    `SpoolError`, which name it; none of them loses an order that `order` has returned for.

    `token` is the session's, in the memory of this process alone. While a session is not taken its
    orders wait: another token may be set at any time.
    """

    def __init__(self, path, endpoint=q.DEFAULT_ENDPOINT, curve=None, orders_max=ORDERS_MAX,
                 token=None):
        self._pid = os.getpid()
        self._orders_max = orders_max
        self._changed = threading.Condition()
        self._orders = SpoolOrders(self)
        self._handed = set()  # ids that an iterator has given out
        self._stopped = None  # why nothing goes on
        self._trouble = None  # why nothing can be written just now
        self._rewrite_at = 0
        self._closing = False
        self._file = SpoolFile(path)
        try:
            self._load()
            self._sender = SpoolSender(endpoint, curve, self, q.checked_token(token))
            self._begin(self._orders.all.values())
            self._sender.start()
        except BaseException:
            self._file.close()
            raise

    @property
    def path(self):
        return self._file.path

    @property
    def token(self):
        """The session's, for a system that asks who buys."""
        return self._sender.token

    @token.setter
    def token(self, token):
        """Orders that wait for a session are asked again at once."""
        self._refuse_child()
        self._sender.set_token(q.checked_token(token))

    # --- ordering ---------------------------------------------------------------------------------

    def order(self, item, user, qty=1, request_id=None, valid_until_ms=None, *, promo=None,
              ticket=None, id=None):
        """Puts an order on the disk and returns it, a `SpooledOrder`. The same request_id again is
        the same order. After `valid_until_ms` (Unix time) it is not bought any more. One with a
        `ticket` is asked for until it has its answer or the ticket's promo has ended (`ended`),
        while all is sold out, too."""
        return self.order_many([{"item": item, "user": user, "qty": qty, "request_id": request_id,
                                 "valid_until_ms": valid_until_ms, "promo": promo,
                                 "ticket": ticket, "id": id}])[0]

    def order_many(self, orders):
        """Many with one write, all of them or none: `orders` are dicts with the arguments of
        `order`. Gives a list of `SpooledOrder`, in the same order."""
        requests = spooled_requests(orders)
        self._refuse_child()
        with self._changed:
            self._go_on()
            new = [request for request in requests if not self._knows(request)]
            self._refuse_too_many(len(new))
            if new:
                self._commit({"orders": new})
            spooled = [self._orders.all[request["id"]] for request in requests]
            self._begin(spooled)
            return spooled

    def orders(self):
        """All that the spool holds, oldest first: without an answer, or with one not yet taken."""
        self._refuse_child()
        with self._changed:
            return list(self._orders.all.values())

    # --- answers ----------------------------------------------------------------------------------

    def answers(self, timeout=None):
        """Yields the orders that have their answer, of this run and of those before it, as they
        come. One is forgotten when the loop comes back for the next; a program that ends before
        finds it again. Ends after `timeout` seconds without one (0: what is there now; None:
        never), and when the client is closed."""
        while (order := self._next_answer(timeout)) is not None:
            try:
                yield order
                self.forget(order)
            finally:
                if self._pid == os.getpid():  # in a child nobody gives the lock back
                    with self._changed:
                        self._handed.discard(order.id)

    def forget(self, *orders):
        """Their answers were taken: the spool keeps them no longer."""
        self._refuse_child()
        with self._changed:
            self._go_on()
            for order in orders:
                if not order.done():
                    raise StampedeError("bad_request", f"order {order.id} has no answer yet, and "
                                        "goes on", request_id=order.id)
            names = [order.id for order in orders if order.id in self._orders.answered]
            if names:
                self._commit({"taken": names})

    def flush(self, timeout=None):
        """Waits until every order has its answer; gives the number of those that have none."""
        self._refuse_child()
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self._orders.open(), timeout)
            if self._orders.open():
                self._go_on()
            return self._orders.open()

    def close(self):
        """Ends at once; may be called twice. What has no answer yet goes on when the spool is
        opened again."""
        if self._pid != os.getpid():
            return
        with self._changed:
            again, self._closing = self._closing, True
            self._stopped = self._stopped or SpoolError("spool_closed", self.path, "closed")
            self._changed.notify_all()
        if not again:
            self._sender.close()
            self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- inside -----------------------------------------------------------------------------------

    def _load(self):
        try:
            for record in self._file.records:
                self._orders.apply(record)
            for order in self._orders.all.values():
                order.left = True
        except Damaged as error:
            raise SpoolError("spool_damaged", self.path, f"damaged: {error}") from None
        self._file.rewrite(self._orders.records())

    def _refuse_child(self):
        if self._pid != os.getpid():
            raise SpoolError("spool_closed", self.path, f"opened by process {self._pid}, not by "
                             "its child; a spool belongs to one client of one process")

    def _go_on(self):
        if self._stopped is not None:
            raise self._stopped

    def _begin(self, orders):
        for order in orders:
            if not order.begun and not order.done():
                self._sender.begin(order)
                order.begun = True
        self._sender.wake()

    def _knows(self, request):
        order = self._orders.all.get(request["id"])
        if order is not None and q.content(order.request) != q.content(request):
            raise StampedeError("key_reused", "another order with this id is in the spool",
                                request_id=order.id)
        return order is not None

    def _refuse_too_many(self, count):
        held = len(self._orders.all)
        if count and held + count > self._orders_max:
            raise SpoolError("spool_full", self.path, f"holds {held} orders, {count} more are over "
                             f"orders_max = {self._orders_max}; {len(self._orders.answered)} of "
                             "them have an answer that was not taken")

    def _commit(self, record):
        """What the file has, this process knows, also when an interrupt comes between."""
        before = self._file.size
        try:
            self._file.append(record)
        finally:
            if self._file.size != before:
                self._orders.apply(record)
            if self._file.broken is not None:
                self._stop(self._file.broken)
        self._trouble = None
        if self._file.size > max(self._rewrite_at, REWRITE_BYTES + 2 * self._orders.bytes):
            self._rewrite()

    def _rewrite(self):
        """When it fails, what was to be written is written all the same."""
        self._rewrite_at = 0
        try:
            self._file.rewrite(self._orders.records())
        except SpoolError:
            self._rewrite_at = 2 * self._file.size
            if self._file.broken is not None:
                self._stop(self._file.broken)

    def _outcome_of(self, order, timeout):
        self._refuse_child()
        with self._changed:
            self._changed.wait_for(lambda: order.done() or self._stopped, timeout)
            if not order.done():
                self._go_on()
                heard = self._trouble or order.last_code
                raise OutcomeUnknown(order.id, timeout, heard, f"{self.path} keeps it, and it is "
                                     "asked for until it has its answer")
            return order.outcome

    def _next_answer(self, timeout):
        """None when there is none in time, or the client is closed."""
        self._refuse_child()
        with self._changed:
            free = lambda: next((order for name, order in self._orders.answered.items()
                                 if name not in self._handed), None)
            self._changed.wait_for(lambda: self._stopped or free(), timeout)
            if self._stopped is not None:
                if self._stopped.code == "spool_closed":
                    return None
                raise self._stopped
            if (order := free()) is not None:
                self._handed.add(order.id)
            return order

    # --- by the sender's thread -------------------------------------------------------------------

    def _record(self, record):
        with self._changed:
            self._commit(record)
            self._changed.notify_all()

    def _hear_trouble(self, error):
        self._trouble = str(error)

    def _stop(self, error):
        with self._changed:
            if not isinstance(error, SpoolError):
                reason, error = error, SpoolError("spool_failed", self.path, "nothing is asked any "
                                                  f"more after an unexpected {error!r}")
                error.__cause__ = reason
            self._stopped = self._stopped or error
            self._changed.notify_all()
