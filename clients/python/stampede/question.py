"""One question to the server and its retries, without any I/O: what both clients share."""

import math
import operator
import random
import re
import time
import uuid

import msgpack
import zmq

from .answers import (SESSION_CODES, Answer, NotConnected, OutcomeUnknown, Receipt, StampedeError,
                      Ticket, error_of, is_sold_out_for_now, named)

DEFAULT_ENDPOINT = "tcp://127.0.0.1:7101"

SILENCE_S = 1.0  # then the connection is taken for dead; doubles with every try up to
SILENCE_MAX_S = 4.0
PAUSE_S = 0.1  # before the next try when the server gives no advice
PAUSE_MAX_S = 5.0
START_LOOK_S = 30.0  # who waits for a promo looks so often whether it starts earlier by now
SOLD_OUT_LOOK_S = 0.5  # who has a ticket looks so often whether units came back
CURED_LOOK_S = 0.5  # beside a try without an answer: whether that one was decided after all
OFFER_EVERY_S = 0.02  # while there is no connection

# Codes after which the try before may still be decided.
LEFT_OPEN = ("deadline_passed", "internal")
# Nothing is decided, and what stood in the way may go: a try before that is still on its way may be
# confirmed then.
CURABLE = ("unpaid_limit", "closed", "promo_only", "unknown_item", "unknown_promo")
NEW_TOKEN = ("a try before had no answer; ask again with request_id={!r} and a new token, which "
             "never buys twice")
# Questions that decide nothing: no try of them can have bought anything.
LOOKS = ("get", "items", "ping", "ticket")
# What a request is about: under the same id the same. The rest is about the message.
CONTENT = ("op", "item", "user", "qty", "promo", "order", "amount_cents")
# A member that an answer to the op has, and no answer to another one with the same id.
ANSWERED = {"order": "state", "get": "state", "pay": "order", "cancel": "order", "items": "items",
            "ping": "state", "ticket": "ticket"}

# HEARTBEAT: a peer that died without a word is noticed. LINGER 0: the program can always end.
SOCKET_OPTIONS = (
    (zmq.LINGER, 0), (zmq.SNDHWM, 10_000), (zmq.RCVHWM, 100_000),
    (zmq.HEARTBEAT_IVL, 1000), (zmq.HEARTBEAT_TIMEOUT, 3000), (zmq.HEARTBEAT_TTL, 3000),
    (zmq.RECONNECT_IVL, 20), (zmq.RECONNECT_IVL_MAX, 1000), (zmq.MAXMSGSIZE, 1 << 21))

now = time.monotonic


def set_keys(socket, curve):
    """curve: (the system's public key, own public key, own secret key), or None."""
    if curve is not None:
        socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = (
            key.encode() if isinstance(key, str) else key for key in curve)


def open_dealer(context, endpoint, curve=None):
    socket = context.socket(zmq.DEALER)
    set_keys(socket, curve)
    for option, value in SOCKET_OPTIONS:
        socket.setsockopt(option, value)
    # What cannot be sent now must not be queued for a server that may never come back.
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.connect(endpoint)
    return socket


def open_subscription(context, endpoint, item, curve=None):
    # Without IMMEDIATE: the subscription is then on its way as soon as there is a connection, not
    # only when the program looks at the socket again.
    socket = context.socket(zmq.SUB)
    set_keys(socket, curve)
    for option, value in SOCKET_OPTIONS:
        socket.setsockopt(option, value)
    # SUB matches prefixes: without the last slash item 1 would bring item 10.
    socket.subscribe(f"stock/{item}/".encode())
    socket.connect(endpoint)
    return socket


def new_id():
    return uuid.uuid4().hex


def unpack(frame):
    """The map in a frame, or the list of maps, or None. Text is text, and no length is believed
    before it is seen."""
    try:
        value = msgpack.unpackb(frame, raw=False, strict_map_key=True, max_array_len=1000,
                                max_map_len=100)
    except (ValueError, msgpack.UnpackException):
        return None
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return value
    return value if isinstance(value, dict) else None


def checked_id(request_id, field="id"):
    """The server refuses a malformed id without naming it, so nobody could match the answer."""
    if not isinstance(request_id, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", request_id):
        raise StampedeError("bad_protocol", "a request id is 1 to 64 characters of A-Z a-z 0-9 _ -",
                            request_id=request_id, field=field)
    return request_id


def chosen_id(request_id, other):
    """The id that the caller gave, under whichever of its two names, else a new one."""
    if None not in (request_id, other) and request_id != other:
        raise StampedeError("bad_request", "request_id and id differ", request_id=request_id,
                            field="id")
    given = other if request_id is None else request_id
    return new_id() if given is None else checked_id(given)


def number(name, value, low=0):
    """What the wire has no form for never reaches the server, which judges the rest."""
    try:
        whole = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = None
    if whole is None or not low <= whole < 1 << 63:
        raise StampedeError("bad_request", f"{name} is a whole number from {low}, not {value!r}",
                            field=name)
    return whole


def is_text(value):
    """Half of a surrogate pair has no form on the wire."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def deadline_in(timeout):
    """Of the monotonic clock; math.inf is for ever."""
    try:
        seconds = math.nan if isinstance(timeout, (bool, str, bytes)) else float(timeout)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if math.isnan(seconds):
        raise StampedeError("bad_request", f"timeout is a number of seconds, not {timeout!r:.100}",
                            field="timeout")
    return now() + seconds


def buyer(user):
    text = user.decode("utf-8", "surrogateescape") if isinstance(user, bytes) else user
    if not isinstance(text, str) or not 1 <= len(text.encode("utf-8", "surrogatepass")) <= 64 or (
            re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", text)):
        raise StampedeError("bad_request", "a user is 1 to 64 bytes of text without control "
                            f"characters, not {user!r:.100}", field="user")
    return text


def ticket_text(ticket, request_id):
    """A ticket is good for an order of its own id alone."""
    text = ticket.ticket if isinstance(ticket, Ticket) else ticket
    if not is_text(text) or not text:
        raise StampedeError("bad_request", "a ticket is a Ticket or its text, not "
                            f"{ticket!r:.100}", request_id=request_id, field="ticket")
    if request_id is None:
        raise StampedeError("bad_request", "an order with a ticket's text has the ticket's id",
                            field="request_id")
    return text


def order_request(item, user, qty=1, request_id=None, *, promo=None, valid_until_ms=None,
                  first=None, ticket=None, token=None, id=None):
    """`first` is what the caller knows of an id of his own; one that is made here is new. A Ticket
    brings its id and its promo. `token` is this order's own."""
    if isinstance(ticket, Ticket):
        request_id = ticket.id if request_id is None and id is None else request_id
        promo = ticket.promo if promo is None else promo
    if first is None:
        first = request_id is None and id is None
    if not isinstance(first, bool):
        raise StampedeError("bad_request", f"first is True or False, not {first!r}", field="first")
    request = {"op": "order", "id": chosen_id(request_id, id), "item": number("item", item),
               "user": buyer(user), "qty": number("qty", qty, low=1)}
    if promo is not None:
        request["promo"] = number("promo", promo)
    if ticket is not None:
        request["ticket"] = ticket_text(ticket, id if request_id is None else request_id)
    if valid_until_ms is not None:
        request["valid_until_ms"] = number("valid_until_ms", valid_until_ms, low=1)
    if token is not None:
        request["token"] = checked_token(token)
    return request | ({"first": True} if first else {})


def checked_token(token):
    """Of a session; None: nobody's."""
    if token is not None and (not is_text(token) or not 1 <= len(token.encode()) <= 4096):
        raise StampedeError("bad_request", "a token is a text of 1 to 4096 bytes", field="token")
    return token


def get_request(request_id):
    return {"op": "get", "id": checked_id(request_id)}


def pay_request(order, amount_cents, id=None):
    return {"op": "pay", "id": new_id() if id is None else checked_id(id),
            "order": checked_id(order, "order"),
            "amount_cents": number("amount_cents", amount_cents)}


def cancel_request(order, user=None):
    request = {"op": "cancel", "id": new_id(), "order": checked_id(order, "order")}
    return request | ({} if user is None else {"user": buyer(user)})


def ticket_request(promo, user, id=None):
    return {"op": "ticket", "id": new_id() if id is None else checked_id(id),
            "promo": number("promo", promo), "user": buyer(user)}


def items_request(item):
    return {"op": "items", "id": new_id(), "item": number("item", item)}


def items_page(begin):
    return {"op": "items", "id": new_id(), "from": begin, "limit": 500}


def content(request):
    return {name: request[name] for name in CONTENT if name in request}


def wire(request, again, more):
    """What is sent of a request. `first` is for a first try: behind an answer that was lost, or one
    that a webapp gave by itself, comes a question that is decided."""
    sent = {name: value for name, value in request.items() if name != "first" or not again}
    return {**more, **sent}  # its own token, where it has one


def news_endpoint(endpoint):
    """The news come from the port after the clients' one."""
    match = re.fullmatch(r"(tcp://.+:)(\d+)", endpoint)
    if match is None:
        raise ValueError(f"{endpoint} is no tcp://HOST:PORT; pass news_endpoint")
    return f"{match[1]}{int(match[2]) + 1}"


def news(parts):
    """(topic, map) of a news message, or None."""
    values = unpack(parts[1]) if len(parts) == 2 else None
    return (parts[0], values) if isinstance(values, dict) else None


class Question:
    """Knows when to send, how long to wait, and when an answer is final.

    The id is made once and kept through all retries. All times are of the monotonic clock.
    """

    def __init__(self, request, timeout):
        self.id = request["id"]
        self.ids = [self.id]
        self.op = request["op"]
        self._request = request
        self._tried = False
        self._unanswered = False  # what was sent before may still be on its way
        self.timeout = timeout
        self.deadline = deadline_in(timeout)
        self.sent = False
        self.unsent = NotConnected  # why, if it never was
        self.answer = None  # the last map that was heard about it
        self.token = None  # of the session that asks; shown with every try
        self._silence = SILENCE_S

    def next_frame(self):
        """What to send now. A webapp that cannot decide says why when the message's own time is
        over, so from the second try on (and in an only one) that ends before ours does."""
        again, self._tried = self._tried, True
        ms = int(self.listen_for() * 1000)
        alone = ms < 2 or not (again or self.left() <= self._silence)
        more = {} if alone else {"deadline_ms": ms - min(ms // 4, 250)}
        if self.token is not None:
            more["token"] = self.token
        return msgpack.packb(self._message(again, more), use_bin_type=True)

    def _message(self, again, more):
        return wire(self._request, again, more)

    def content_of(self, _):
        """What is asked under an id, comparable."""
        return content(self._request)

    def left(self):
        return self.deadline - now()

    def listen_for(self):
        """How long to wait for an answer to what was just sent."""
        return max(0.0, min(self._silence, self.left()))

    def was_silent(self):
        self._unanswered = True
        self._silence = min(self._silence * 2, SILENCE_MAX_S)

    def takes(self, message):
        """True when this map is about the question and more than 'queued'. A refusal that names no
        id is about the one question that is open: who has several open does not pass it on."""
        if not isinstance(message, dict) or asked(message, self.id) != self.id:
            return False
        if "code" not in message and not self._answers(message):
            return False
        if self.op == "get" and message.get("code") == "key_reused":
            return False  # of an order with this id that goes on beside it
        self._hear(message)
        self.answer = message
        return True

    def _hear(self, answer):
        self._unanswered = self._unanswered or answer.get("code") in LEFT_OPEN

    def leave_open(self):
        """What was sent last may still be on its way, and nobody waits for its answer."""
        self._unanswered = True

    def may_be_decided(self):
        """Whether a try that had no answer may have been, or may yet be."""
        return self._unanswered and self.op not in LOOKS

    def _answers(self, message):
        """Whether a map without a code is an answer to this op, and more than 'queued'."""
        if "id" not in message or ANSWERED[self.op] not in message:
            return False
        if self.op in ("pay", "cancel"):
            return message["order"] == self._request["order"]
        return message.get("state") != "queued"

    def final(self):
        return self._is_final(self.answer) and not self._waits_for_units(self.answer)

    def settled(self):
        """Nothing that was sent is still to be answered."""
        return self.answer is not None and self.final()

    def _waits_for_units(self, answer):
        """There may be no time for another look, but the caller's time is not over."""
        return is_sold_out_for_now(answer) and self.left() > 0

    def _is_final(self, answer):
        """Asking again can change the answer only when the server says so. That an id is not known
        yet is no reason to ask for ever, but for an order."""
        if answer.get("code") == "unknown_request":
            return self.op != "order"
        if answer.get("code") == "not_started" and not self._unanswered:
            return advised(answer) + PAUSE_S >= self.left()
        if is_sold_out_for_now(answer) and not self.may_be_decided():
            return 1.5 * advised(answer) + PAUSE_S >= self.left()
        if answer.get("code") in CURABLE and self.may_be_decided():
            return False
        return not (answer.get("retry") or answer.get("edge"))

    def pause(self):
        """Before the next try, or what is left when there is none."""
        if self._is_final(self.answer) and self._waits_for_units(self.answer):
            return self.rest_of_it()
        return self._pause_after(self.answer)

    def rest_of_it(self):
        """Until the time is over for certain: no timer ends it a little early."""
        return max(0.0, self.left()) + 0.001

    def _pause_after(self, answer):
        """Seconds until the next try: the server's advice and up to half of it more, so that
        clients which were turned away together do not come back together. A start is not missed
        for that."""
        seconds = advised(answer)
        if answer.get("code") == "not_started":
            seconds = min(seconds, START_LOOK_S) + random.random() * PAUSE_S
        else:
            seconds = min(seconds, PAUSE_MAX_S) * (1 + random.random() / 2)
        return max(0.0, min(seconds, self.left()))

    def result(self, endpoint):
        """The final answer's map, or the exception that stands for it."""
        if self.settled():
            if "code" not in self.answer:
                return self.answer
            raise self._error_of(self.answer, self.id)
        if not self.sent:
            raise self.unsent(endpoint, self.id, self.timeout)
        raise OutcomeUnknown(self.id, self.timeout, last_code(self.answer), op=self.op)

    def _error_of(self, answer, name):
        """Without a session nobody is told what became of the try before."""
        if answer["code"] in SESSION_CODES and self.may_be_decided():
            return OutcomeUnknown(name, self.timeout, answer["code"], NEW_TOKEN.format(name))
        return error_of(answer, name)


def asked(message, otherwise=None):
    """The id of the question that a map answers: an older ticket's own is another one."""
    return message.get("asked", message.get("id", otherwise))


def advised(answer):
    """How long the server says to wait, in seconds."""
    ms = answer.get("retry_after_ms")
    if isinstance(ms, (int, float)):
        return max(ms / 1000, 0.001)
    if answer.get("code") in CURABLE:
        return CURED_LOOK_S
    return SOLD_OUT_LOOK_S if is_sold_out_for_now(answer) else PAUSE_S


def last_code(answer):
    """Why nothing is decided. What a webapp says by itself is no reason."""
    return answer.get("code") if answer and not answer.get("edge") else None


def answer_of(values):
    return named(Answer, values)


def receipt_of(values):
    return named(Receipt, values)


def ticket_of(values):
    return named(Ticket, values)
