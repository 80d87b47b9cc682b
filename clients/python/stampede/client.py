"""The blocking client."""

import os
import threading

import zmq

from . import question as q
from .answers import ClientBusy, items_of, stock_of
from .batch_question import BatchQuestion, frames_of, order_requests, results_of
from .question import Question


class Client:
    """Asks one webapp. May be used by several threads (one question at a time) and after a fork.

    `curve` are keys for a system with CURVE: (its public key, own public key, own secret key).
    `token` is the session's, for a system that asks who buys; another one may be set at any time,
    and a call may have its own.
    Every call blocks for at most its timeout, in seconds. Errors are `StampedeError` with `.code`;
    `OutcomeUnknown` (a TimeoutError) names the request id to ask again with.
    """

    def __init__(self, endpoint=q.DEFAULT_ENDPOINT, news_endpoint=None, curve=None, token=None):
        self.endpoint = endpoint
        self._news_endpoint = news_endpoint
        self._curve = curve
        self.token = token
        self._lock = threading.Lock()
        self._pid = None
        self._context = None
        self._socket = None
        self._inherited = None

    # --- asking -----------------------------------------------------------------------------------

    def order(self, item, user, qty=1, request_id=None, timeout=10.0, *, promo=None,
              valid_until_ms=None, first=None, ticket=None, token=None, id=None):
        """Buys, or learns that it cannot. The same request_id again never buys twice; `id`, its
        name in the protocol, is taken for it.

        `promo` is the offer that it is bought in; one that starts within the timeout is waited for,
        else that is NotStarted. After `valid_until_ms` (Unix time) nothing is bought. `first=True`
        says that this request_id was never sent before, which is so of an id that is made here.
        `ticket` is what `ticket` gave, which brings its promo and its id; who has one is told
        SoldOutForNow when nothing came back within the timeout. `token` is of this call's session,
        in place of the client's; NotLoggedIn when it is not taken."""
        request = q.order_request(item, user, qty, request_id, promo=promo, first=first, id=id,
                                  valid_until_ms=valid_until_ms, ticket=ticket, token=token)
        return q.answer_of(self._ask(Question(request, timeout)))

    def order_many(self, orders, timeout=10.0, *, token=None):
        """Buys many at once: `orders` are dicts with the arguments of `order`. Gives a list, for
        each order in its place its Answer, or the exception that `order` would have raised. What
        the server asks to be tried again is, alone, with its id, until the time is over."""
        deadline = q.deadline_in(timeout)
        token = self._token(token)
        results = []
        for part in frames_of(order_requests(orders), token):
            results += self._ask(BatchQuestion(part, deadline), token)
        return results_of(results)

    def get(self, request_id, timeout=10.0, *, token=None):
        """What became of an order; code `unknown_request` when it is not known (yet)."""
        return q.answer_of(self._ask(Question(q.get_request(request_id), timeout), token))

    def ticket(self, promo, user, id=None, timeout=10.0, *, token=None):
        """Leave for a user to order in a promo that needs it: a `Ticket`, the one that he has or a
        new one. Code `gate_closed` when all were given; SoldOutForNow when nothing is left to order
        with one."""
        question = Question(q.ticket_request(promo, user, id), timeout)
        return q.ticket_of(self._ask(question, token))

    def pay(self, order, amount_cents, id=None, timeout=10.0, *, token=None):
        """Pays the whole price of an order, named by its request id; a `Receipt`, whose fulfilment
        is "paid", or "refund_due" when it came too late. `id` is the payment's own: the same one
        again never pays twice. For callers whom the system trusts."""
        request = q.pay_request(order, amount_cents, id)
        return q.receipt_of(self._ask(Question(request, timeout), token))

    def cancel(self, order, user=None, timeout=10.0, *, token=None):
        """Gives an order that is not paid back, for the buyer who is named; a `Receipt`."""
        return q.receipt_of(self._ask(Question(q.cancel_request(order, user), timeout), token))

    def items(self, item=None, timeout=10.0):
        """All items, or the one asked for."""
        if item is not None:
            return items_of(self._ask(Question(q.items_request(item), timeout)))
        rows, following = [], 0
        while following is not None:
            answer = self._ask(Question(q.items_page(following), timeout))
            rows += items_of(answer)
            following = answer.get("next")
        return rows

    def ping(self, timeout=10.0):
        """"ready", "replaying", "draining" or "no_backend"."""
        return self._ask(Question({"op": "ping", "id": q.new_id()}, timeout))["state"]

    def stock(self, item, silence=10.0):
        """Yields the item's stock, now and whenever it changes, for ever.

        After `silence` seconds without news (present values are repeated) it connects anew and
        asks; yields are in order and never repeat.
        """
        seq = -1
        while True:
            with self._subscription(item) as subscription:
                snapshot = self.items(item)[0]
                if snapshot.seq > seq:
                    seq = snapshot.seq
                    yield stock_of(vars(snapshot))
                while subscription.poll(silence * 1000):
                    heard = q.news(subscription.recv_multipart())
                    if heard is None or int(heard[1]["seq"]) <= seq:
                        continue
                    seq = int(heard[1]["seq"])
                    yield stock_of(heard[1])

    def close(self):
        """Ends at once; may be called twice."""
        with self._lock:
            if self._pid == os.getpid():
                self._drop_socket()
                self._context.destroy(linger=0)
            self._pid = self._context = self._socket = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- inside -----------------------------------------------------------------------------------

    def _token(self, own):
        """The call's own, else the client's."""
        return q.checked_token(self.token if own is None else own)

    def _ask(self, question, token=None):
        question.token = self._token(token)
        # Another thread's question may take longer than this one has.
        if not self._lock.acquire(timeout=min(max(0.0, question.left()), threading.TIMEOUT_MAX)):
            question.unsent = ClientBusy
            return question.result(self.endpoint)
        try:
            self._ask_until_answered(question)
        except BaseException:
            # What is still to come of this question must not be taken for the next one's.
            self._drop_socket()
            raise
        finally:
            self._lock.release()
        return question.result(self.endpoint)

    def _ask_until_answered(self, question):
        self._open()
        while question.left() > 0:
            if not self._offer(question):
                break
            if not self._listen(question, q.now() + question.listen_for()):
                # A connection can be dead without saying so; a new one is cheap.
                question.was_silent()
                self._drop_socket()
                self._open()
            elif question.final():
                break
            else:
                self._rest(question.pause())

    def _open(self):
        # A context does not survive a fork: the child makes its own and never touches the parent's,
        # which is kept so that nothing destroys it here.
        if self._pid != os.getpid():
            self._inherited = (self._context, self._socket)
            self._pid, self._socket = os.getpid(), None
            self._context = zmq.Context()
        if self._socket is None:
            self._socket = q.open_dealer(self._context, self.endpoint, self._curve)

    def _drop_socket(self):
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None

    def _offer(self, question):
        frame = question.next_frame()
        while question.left() > 0:
            try:
                self._socket.send(frame, zmq.DONTWAIT)
                question.sent = True
                return True
            except zmq.Again:
                self._rest(min(q.OFFER_EVERY_S, max(0.0, question.left())))
        return False

    def _listen(self, question, until):
        while (left := until - q.now()) > 0:
            if not self._socket.poll(max(1, left * 1000)):
                continue
            if question.takes(q.unpack(self._socket.recv_multipart()[-1])):
                return True
        return False

    def _rest(self, seconds):
        """Waits; answers to earlier questions that come meanwhile are thrown away."""
        until = q.now() + seconds
        while (left := until - q.now()) > 0:
            if self._socket.poll(max(1, left * 1000)):
                self._socket.recv_multipart()

    def _subscription(self, item):
        with self._lock:
            self._open()
            endpoint = self._news_endpoint or q.news_endpoint(self.endpoint)
            return q.open_subscription(self._context, endpoint, item, self._curve)
