"""What is in a spool: orders without an answer, and answers that were not taken yet. No I/O."""

from .answers import Answer, StampedeError, error_of, named
from .spool_format import Damaged

RECORD_ORDERS = 1000  # in one line of a file that is written anew
KEPT = ("code", "message", "field", *Answer.__dataclass_fields__)


def kept(answer):
    """What is kept of a server's map: what an `Answer` or a `StampedeError` is made of."""
    return {name: value for name, value in answer.items()
            if name in KEPT and isinstance(value, (str, int, type(None)))}


def outcome_of(answer, request_id):
    """An Answer, or the error that the server's code stands for."""
    return named(Answer, answer) if "code" not in answer else error_of(answer, request_id)


class SpooledOrder:
    """One order in a spool. `outcome` is None until it has its final answer: an `Answer`, or the
    `StampedeError` that the server's code stands for. Stays readable after it was forgotten."""

    def __init__(self, request, number, spool):
        self.request = request
        self.number = number  # its place among all: lower is older
        self.begun = False  # somebody asks for it
        self.left = False  # by a process before
        self.sent = False  # may have been, before this process or by it; kept of those that expire
        self.answer = None  # the map that is in the file
        self.outcome = None
        self.last_code = None  # what the server said last without deciding: of a session that is
        # not taken `session_expired` and the like, of a ticket without units left `sold_out`
        self._spool = spool

    id = property(lambda self: self.request["id"])
    item = property(lambda self: self.request["item"])
    user = property(lambda self: self.request["user"])
    qty = property(lambda self: self.request["qty"])
    promo = property(lambda self: self.request.get("promo"))
    ticket = property(lambda self: self.request.get("ticket"))
    valid_until_ms = property(lambda self: self.request.get("valid_until_ms"))

    def done(self):
        return self.outcome is not None

    def result(self, timeout=None):
        """Its Answer, as soon as there is one, or raises its StampedeError; OutcomeUnknown after
        `timeout` seconds. The spool keeps both until they are taken."""
        outcome = self._spool._outcome_of(self, timeout)
        if isinstance(outcome, StampedeError):
            raise outcome
        return outcome

    def __repr__(self):
        return f"<SpooledOrder {self.id}: {self.outcome or 'no final answer yet'}>"


class SpoolOrders:
    """Changed by records alone, by those of a file as by those of a moment ago: what a process
    knows is what the next one will read."""

    def __init__(self, spool=None):
        self.all = {}  # id → SpooledOrder, in the order in which they were given
        self.answered = {}  # those with an answer, in the order of the answers
        self.bytes = 0  # about what records() makes
        self._spool = spool
        self._given = 0

    def open(self):
        return len(self.all) - len(self.answered)

    def apply(self, record):
        try:
            for request in record.get("orders", ()):
                self._add(request)
            for name in record.get("sent", ()):
                self.all[name].sent = True
            for name, answer in record.get("answers", {}).items():
                self._answer(self.all[name], answer)
            for name in record.get("taken", ()):
                self._remove(self.answered[name])
        except (KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"a line speaks of what is not there ({error!r})") from None

    def _add(self, request):
        if self.all.setdefault(request["id"], None) is not None:
            raise Damaged(f"order {request['id']} was given twice")
        self.all[request["id"]] = SpooledOrder(request, self._given, self._spool)
        self._given += 1
        self.bytes += len(str(request))

    def _answer(self, order, answer):
        order.answer, order.outcome = answer, outcome_of(answer, order.id)
        self.answered[order.id] = order
        self.bytes += len(str(answer))

    def _remove(self, order):
        del self.all[order.id], self.answered[order.id]
        self.bytes -= len(str(order.request)) + len(str(order.answer))

    def records(self):
        """The same in as few lines as there may be."""
        orders = list(self.all.values())
        for at in range(0, len(orders), RECORD_ORDERS):
            part = orders[at:at + RECORD_ORDERS]
            yield {"orders": [order.request for order in part],
                   "sent": [order.id for order in part if order.sent]}
        answered = list(self.answered.values())
        for at in range(0, len(answered), RECORD_ORDERS):
            yield {"answers": {order.id: order.answer for order in answered[at:at + RECORD_ORDERS]}}
