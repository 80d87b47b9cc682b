"""What a program gets back: answers, items, errors."""

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Answer:
    """What became of an order. The state is final; the same id gets the same answer for ever."""

    id: str
    state: str  # "confirmed" or "rejected"
    order_id: Optional[str] = None  # text: above 2^53 some readers lose digits
    reason: Optional[str] = None  # of a rejection: "sold_out", "limit_reached"
    item: Optional[int] = None
    qty: Optional[int] = None
    left: Optional[int] = None  # after this decision; absent in a repeated answer
    stored: bool = False  # the order's row is in the database
    replayed: bool = False  # decided before; nothing was bought twice
    unit_price_cents: int = 0
    promo: Optional[int] = None  # that it was bought in
    fulfilment: str = "none"  # no payment needed; unpaid, paid, expired, cancelled, refund_due
    pay_by: Optional[int] = None  # Unix time in ms; of one that is unpaid

    @property
    def confirmed(self) -> bool:
        return self.state == "confirmed"


@dataclass(frozen=True)
class Receipt:
    """What became of a payment or a cancellation; the same one again gets the same answer."""

    id: str  # the payment's own
    order: str  # the order's request id
    order_id: str
    fulfilment: str  # "paid", "refund_due": the units were gone; "cancelled"
    at: int  # Unix time in ms


@dataclass(frozen=True)
class Ticket:
    """Leave for one user to order once in one promo, under the ticket's id. A user who asks again
    gets the same one while it is good."""

    id: str  # the request id of the order that may use it
    ticket: str
    promo: int
    item: int
    expires_at: int  # Unix time in ms


@dataclass(frozen=True)
class Promo:
    """An offer of an item for some time at its own price. Times are Unix time in ms."""

    id: int
    name: str
    price_cents: int
    starts_at: int
    ends_at: int
    state: str  # "coming", "running"
    ticket: str = "none"  # "required": an order needs one


@dataclass(frozen=True)
class Item:
    item: int
    name: str
    price_cents: int
    total: int
    left: int
    seq: int  # position of its last change
    state: str
    sold: int = 0
    promo: Optional[Promo] = None  # that is running, else the next to start
    server_time: int = 0  # when this was so, by the clock that a promo's times go by


@dataclass(frozen=True)
class Stock:
    item: int
    left: int
    total: int
    seq: int


class StampedeError(Exception):
    """An error code instead of an answer: nothing was decided by this attempt, nothing bought.

    `code` is one of the contract's codes: of an order that comes too late `ended` or
    `expired_request`, of a promo that there is not `unknown_promo`, … The system does not remember
    it; the same id may be sent again when what stood in the way is gone.
    """

    def __init__(self, code, message="", request_id=None, field=None, retry=False,
                 retry_after_ms=None):
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.request_id = request_id
        self.field = field
        self.retry = retry  # asking again with the same id can help
        self.retry_after_ms = retry_after_ms


class NotStarted(StampedeError):
    """The promo has not started, and does not within the time of the call. `retry_after_ms` says
    how long it is until then; the same id may be sent again."""


class SoldOutForNow(StampedeError):
    """Nothing was left for this ticket, or to give a ticket for, all the time of the call. Nothing
    was decided: units that come back can still go to who has a ticket, until its promo ends. The
    same id may be sent again, with its ticket; a system that is asked later says `ended`."""


class NotLoggedIn(StampedeError):
    """The session's token was not taken: `not_logged_in` (none, or none of the system's),
    `session_expired` or `session_replaced`. Nothing was decided; the same call with the same id
    (`request_id`) may be repeated with a new token."""


ADVICE = {"pay": "pay again with this id, which never pays twice",
          "cancel": "cancel again, or look with get",
          "ticket": "ask again: a user never gets two at a time"}
SESSION_CODES = ("not_logged_in", "session_expired", "session_replaced")


class OutcomeUnknown(StampedeError, TimeoutError):
    """No final answer in time. The order may have been confirmed: ask again with the same id."""

    def __init__(self, request_id, seconds, last_code=None, advice=None, op="order"):
        heard = f"; last heard: {last_code}" if last_code else ""
        advice = advice or ADVICE.get(op) or (
            f"ask again with request_id={request_id!r}, which never buys twice")
        super().__init__(
            last_code or "no_answer",
            f"no final answer to request {request_id} within {seconds:g} s{heard}. Its outcome is "
            f"unknown: {advice}", request_id=request_id, retry=True)


class NotConnected(StampedeError, ConnectionError):
    """Nobody listened all the time: this call sent nothing."""

    def __init__(self, endpoint, request_id, seconds):
        super().__init__(
            "no_connection",
            f"no connection to {endpoint} within {seconds:g} s; request {request_id} was not sent",
            request_id=request_id, retry=True)


class ClientBusy(StampedeError, TimeoutError):
    """Another thread's call had the client all the time: this one sent nothing."""

    def __init__(self, endpoint, request_id, seconds):
        super().__init__(
            "client_busy",
            f"this client of {endpoint} was busy with another thread's call for {seconds:g} s; "
            f"request {request_id} was not sent: give each thread a client of its own",
            request_id=request_id, retry=True)


class SpoolError(StampedeError, OSError):
    """The file of a spool cannot be used, or has no room. `code`: spool_in_use, spool_foreign,
    spool_version, spool_damaged, spool_io (with `errno`), spool_full, spool_closed or
    spool_failed."""

    def __init__(self, code, path, message, number=None):
        super().__init__(code, f"{path}: {message}")
        self.path = path
        self.errno = number


def named(kind, values):
    """Builds a dataclass of the members of a map that it knows; later versions may send more."""
    known = kind.__dataclass_fields__
    return kind(**{name: value for name, value in values.items() if name in known})


def kind_of(values):
    """The class of the error that a map with a code stands for."""
    if values["code"] == "not_started":
        return NotStarted
    if is_sold_out_for_now(values):
        return SoldOutForNow
    return NotLoggedIn if values["code"] in SESSION_CODES else StampedeError


def is_sold_out_for_now(values):
    """Of the backend's own word alone: a webapp's (`edge`) is no reason for anything."""
    return values.get("code") == "sold_out" and bool(values.get("retry")) and (
        not values.get("edge"))


def error_of(values, request_id):
    """The error that a map with a code stands for."""
    kind = kind_of(values)
    return kind(values["code"], values.get("message", ""), request_id=request_id,
                field=values.get("field"), retry=bool(values.get("retry")),
                retry_after_ms=values.get("retry_after_ms"))


def item_of(values, server_time=0):
    promo = values.get("promo")
    return named(Item, {**values, "seq": int(values["seq"]), "server_time": server_time,
                        "promo": named(Promo, promo) if promo else None})


def items_of(answer):
    return [item_of(row, answer.get("server_time", 0)) for row in answer["items"]]


def stock_of(values):
    return named(Stock, {**values, "seq": int(values["seq"])})
