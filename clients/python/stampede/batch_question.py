"""Many orders in one frame, and the retries of those that need one; no I/O, as question.py."""

from collections.abc import Mapping

import msgpack

from . import question as q
from .answers import NotConnected, OutcomeUnknown, StampedeError

ORDERS_MAX = 1000
BYTES_MAX = 256 * 1024
DEADLINE_BYTES = 15  # what a later try adds to each order
KEYS = ("item", "user", "qty", "request_id", "id")  # the arguments of `order`


def order_requests(orders):
    """The maps to send, of dicts with the arguments of `order`."""
    requests = [order_request(one) for one in orders]
    if len({request["id"] for request in requests}) < len(requests):
        raise ValueError("two orders of one batch have the same request_id")
    return requests


def order_request(one):
    """A word that is not understood could be the id, or the quantity: without it each try would buy
    once more, or another amount."""
    if not isinstance(one, Mapping):
        raise TypeError(f"an order is a dict with the arguments of `order`, not {one!r:.100}")
    for name in one:
        if name not in KEYS:
            words = ", ".join(KEYS)
            raise StampedeError("bad_request", f"an order has no {name!r}; it has {words}",
                                field=str(name))
    for name in ("item", "user"):
        if name not in one:
            raise StampedeError("bad_request", f"the order {dict(one)!r:.200} has no {name!r}",
                                field=name)
    return q.order_request(**one)


def frames_of(requests):
    """Cuts a list of orders into lists that one frame can hold."""
    part, size = [], 3
    for request in requests:
        length = len(msgpack.packb(request, use_bin_type=True)) + DEADLINE_BYTES
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
        self._advice = []  # what the last answers said of when to try again, in ms
        self._compose()

    def request_of(self, name):
        return msgpack.packb(self._requests[name], use_bin_type=True)

    def _compose(self):
        self._asked = list(self._open)
        self.frame = msgpack.packb(list(self._open.values()), use_bin_type=True)

    def frame_within(self, deadline_ms):
        return msgpack.packb([{**request, "deadline_ms": deadline_ms}
                              for request in self._open.values()], use_bin_type=True)

    def takes(self, message):
        if isinstance(message, dict):
            return self._takes_refusal(message)
        if not isinstance(message, list) or len(message) != len(self._asked) or not message:
            return False
        if any(one.get("id", name) != name for name, one in zip(self._asked, message)):
            return False
        for name, one in zip(self._asked, message):
            self._heard[name] = one
            if not one.get("retry"):
                del self._open[name]
        self._advice = [self._heard[name].get("retry_after_ms") for name in self._open]
        self._compose()
        return True

    def _takes_refusal(self, message):
        """Of the whole frame: a server that knows no batches, or smaller ones, or has no room."""
        if "id" in message or "code" not in message:
            return False
        if message.get("retry"):
            self._heard.update((name, message) for name in self._open)
            self._advice = [message.get("retry_after_ms")]
        else:
            self._refused = message
        return True

    def final(self):
        return self._refused is not None or not self._open

    def pause(self):
        self.answer = {"retry_after_ms": max(
            (ms for ms in self._advice if isinstance(ms, (int, float))), default=None)}
        return super().pause()

    def result(self, endpoint):
        """For each order its Answer, or the exception that `order` would have raised."""
        if not self.sent:
            return [NotConnected(endpoint, name, self.timeout) for name in self.ids]
        return [self._result_of(name) for name in self.ids]

    def _result_of(self, name):
        heard = self._heard.get(name)
        if name in self._open:
            if self._refused is None:
                return OutcomeUnknown(name, self.timeout, heard and heard.get("code"))
            heard = self._refused
        if "code" not in heard:
            return q.answer_of(heard)
        return StampedeError(heard["code"], heard.get("message", ""), request_id=name,
                             field=heard.get("field"), retry=bool(heard.get("retry")))
