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

    @property
    def confirmed(self) -> bool:
        return self.state == "confirmed"


@dataclass(frozen=True)
class Item:
    item: int
    name: str
    price_cents: int
    total: int
    left: int
    seq: int  # position of its last change
    state: str


@dataclass(frozen=True)
class Stock:
    item: int
    left: int
    total: int
    seq: int


class StampedeError(Exception):
    """An error code instead of an answer. `code` is one of the contract's codes."""

    def __init__(self, code, message="", request_id=None, field=None, retry=False):
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.request_id = request_id
        self.field = field
        self.retry = retry  # asking again with the same id can help


class OutcomeUnknown(StampedeError, TimeoutError):
    """No final answer in time. The order may have been confirmed: ask again with the same id."""

    def __init__(self, request_id, seconds, last_code=None, advice=None):
        heard = f"; last heard: {last_code}" if last_code else ""
        advice = advice or f"ask again with request_id={request_id!r}, which never buys twice"
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


def item_of(values):
    return named(Item, {**values, "seq": int(values["seq"])})


def stock_of(values):
    return named(Stock, {**values, "seq": int(values["seq"])})
