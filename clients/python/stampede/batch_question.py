"""Many orders in one frame, and the retries of those that need one; no I/O, as question.py."""

from collections.abc import Mapping

import msgpack

from . import question as q
from .answers import NotConnected, OutcomeUnknown, StampedeError

ORDERS_MAX = 1000
BYTES_MAX = 256 * 1024
DEADLINE_BYTES = 15  # what a later try adds to each order
# The arguments of `order`
KEYS = ("item", "user", "qty", "promo", "valid_until_ms", "first", "request_id", "id", "ticket",
        "token")


def order_requests(orders, keys=KEYS):
    """The maps to send, of dicts with the arguments of `order`."""
    requests = [order_request(one, keys) for one in orders]
    if len({request["id"] for request in requests}) < len(requests):
        raise ValueError("two orders of one call have the same request_id")
    return requests


def order_request(one, keys):
    """A word that is not understood could be the id, or the quantity: without it each try would buy
    once more, or another amount."""
    if not isinstance(one, Mapping):
        raise TypeError(f"an order is a dict with the arguments of `order`, not {one!r:.100}")
    for name in one:
        if name not in keys:
            words = ", ".join(keys)
            raise StampedeError("bad_request", f"an order has no {name!r}; it has {words}",
                                field=str(name))
    for name in ("item", "user"):
        if name not in one:
            raise StampedeError("bad_request", f"the order {dict(one)!r:.200} has no {name!r}",
                                field=name)
    return q.order_request(**one)


def frames_of(requests, token=None):
    """Cuts a list of orders into lists that one frame can hold, each with the token."""
    part, size = [], 3
    shown = 0 if token is None else len(token.encode()) + 9
    for request in requests:
        length = len(msgpack.packb(request, use_bin_type=True)) + DEADLINE_BYTES + shown
        if part and (len(part) == ORDERS_MAX or size + length > BYTES_MAX):
            yield part
            part, size = [], 3
        part.append(request)
        size += length
    if part:
        yield part


def results_of(results):
    """Nothing of it all was sent: that is no list of answers."""
    if results and all(isinstance(one, NotConnected) for one in results):
        raise results[0]
    return results


class BatchQuestion(q.Question):
    """As Question, of orders that are asked together. What is final is never asked again."""

    def __init__(self, requests, deadline):
        self.timeout = deadline - q.now()
        super().__init__(requests[0], self.timeout)
        self.ids = [request["id"] for request in requests]
        self._requests = {request["id"]: request for request in requests}
        self._open = dict(self._requests)
        self._asked = []  # ids in the frame that was made last
        self._heard = {}  # id → the last map that was heard about it
        self._refused = None  # the frame was, whole

    def content_of(self, name):
        return q.content(self._requests[name])

    def _message(self, again, more):
        self._asked = list(self._open)
        return [q.wire(request, again, more) for request in self._open.values()]

    def takes(self, message):
        if isinstance(message, dict):
            return self._takes_refusal(message)
        if not isinstance(message, list) or len(message) != len(self._asked) or not message:
            return False
        if any(one.get("id", name) != name for name, one in zip(self._asked, message)):
            return False
        for name, one in zip(self._asked, message):
            self._heard[name] = one
            self._hear(one)
            if self._is_final(one):
                del self._open[name]
        return True

    def _takes_refusal(self, message):
        """Of the whole frame: a server that knows no batches, or smaller ones, or has no room."""
        if "id" in message or "code" not in message:
            return False
        if message.get("retry"):
            self._heard.update((name, message) for name in self._open)
        else:
            self._refused = message
        return True

    def final(self):
        return self._refused is not None or not (
            self._open or any(map(self._waits_for_units, self._heard.values())))

    def settled(self):
        return self.final()

    def pause(self):
        """As the one that waits longest, but for those whose promo starts before."""
        if not self._open:
            return self.rest_of_it()
        heard = [self._heard[name] for name in self._open]
        starts = [one for one in heard if one.get("code") == "not_started"]
        others = [one for one in heard if one.get("code") != "not_started"]
        slowest = [max(others, key=q.advised)] if others else []
        return min(self._pause_after(one) for one in starts + slowest)

    def result(self, endpoint):
        """For each order its Answer, or the exception that `order` would have raised."""
        if not self.sent:
            return [self.unsent(endpoint, name, self.timeout) for name in self.ids]
        return [self._result_of(name) for name in self.ids]

    def _result_of(self, name):
        heard = self._heard.get(name)
        if name in self._open and not (heard and self._is_final(heard)):
            if self._refused is None:
                return OutcomeUnknown(name, self.timeout, q.last_code(heard))
            heard = self._refused
        return q.answer_of(heard) if "code" not in heard else self._error_of(heard, name)
