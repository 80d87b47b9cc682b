"""Many orders in one frame, and the retries of those that need one; no I/O, as question.py."""

import msgpack

from . import question as q
from .answers import NotConnected, OutcomeUnknown, StampedeError

ORDERS_MAX = 1000
BYTES_MAX = 256 * 1024


def order_requests(orders):
    """The maps to send, of dicts with the arguments of `order`."""
    requests = [q.order_request(one["item"], one["user"], one.get("qty", 1), one.get("request_id"))
                for one in orders]
    if len({request["id"] for request in requests}) < len(requests):
        raise ValueError("two orders of one batch have the same request_id")
    return requests


def frames_of(requests):
    """Cuts a list of orders into lists that one frame can hold."""
    part, size = [], 3
    for request in requests:
        length = len(msgpack.packb(request, use_bin_type=True))
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
        self._open = {request["id"]: request for request in requests}
        self._asked = []  # ids in the frame that was made last
        self._heard = {}  # id → the last map that was heard about it
        self._refused = None  # the frame was, whole
        self._compose()

    def _compose(self):
        self._asked = list(self._open)
        self.frame = msgpack.packb(list(self._open.values()), use_bin_type=True)

    def takes(self, message):
        if isinstance(message, dict):
            if "id" in message or message.get("retry") or "code" not in message:
                return False
            self._refused = message  # a server that knows no batches, or smaller ones
            return True
        if not isinstance(message, list) or [one.get("id") for one in message] != self._asked:
            return False
        for one in message:
            self._heard[one["id"]] = one
            if not one.get("retry"):
                del self._open[one["id"]]
        self._compose()
        return True

    def final(self):
        return self._refused is not None or not self._open

    def pause(self):
        advice = [self._heard[name].get("retry_after_ms") for name in self._open]
        self.answer = {"retry_after_ms": max((ms for ms in advice if isinstance(ms, (int, float))),
                                             default=None)}
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
