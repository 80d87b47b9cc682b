"""The client for asyncio."""

import asyncio
import os

import zmq
import zmq.asyncio

from . import question as q
from .answers import StampedeError, items_of, stock_of
from .batch_question import BatchQuestion, frames_of, order_requests, results_of
from .question import Question


UNCLEAR = object()  # a refusal that may be about this question, or about another one
ALONE_MAX = 16  # connections of those who ask again alone


def names_in(message):
    """The ids in an answer, or in a list of answers."""
    maps = message if isinstance(message, list) else [message]
    return {name for one in maps if isinstance(name := q.asked(one), str)}


class AsyncClient:
    """As `Client`, for one event loop: any number of questions may be open at once.

    Answers find their question by the request id, in whatever order they come.
    """

    def __init__(self, endpoint=q.DEFAULT_ENDPOINT, news_endpoint=None, curve=None, token=None):
        self.endpoint = endpoint
        self._news_endpoint = news_endpoint
        self._curve = curve
        self.token = token
        self._pid = None
        self._context = None
        self._socket = None
        self._inherited = None
        self._reader = None
        self._waiting = {}  # request id -> inboxes of those who asked, each with its question
        self._alone = None  # room for those who ask again alone
        self._left_open = False  # somebody stopped waiting for what this socket may still bring
        self._heard_at = 0.0
        self._opened_at = 0.0

    # --- asking -----------------------------------------------------------------------------------

    async def order(self, item, user, qty=1, request_id=None, timeout=10.0, *, promo=None,
                    valid_until_ms=None, first=None, ticket=None, token=None, id=None):
        request = q.order_request(item, user, qty, request_id, promo=promo, first=first, id=id,
                                  valid_until_ms=valid_until_ms, ticket=ticket, token=token)
        return q.answer_of(await self._ask(Question(request, timeout)))

    async def order_many(self, orders, timeout=10.0, *, token=None):
        """Buys many at once; see Client.order_many. Parts that need a frame each go together."""
        deadline = q.deadline_in(timeout)
        token = self._token(token)
        parts = await asyncio.gather(*(self._ask(BatchQuestion(part, deadline), token)
                                       for part in frames_of(order_requests(orders), token)))
        return results_of([result for part in parts for result in part])

    async def get(self, request_id, timeout=10.0, *, token=None):
        return q.answer_of(await self._ask(Question(q.get_request(request_id), timeout), token))

    async def ticket(self, promo, user, id=None, timeout=10.0, *, token=None):
        question = Question(q.ticket_request(promo, user, id), timeout)
        return q.ticket_of(await self._ask(question, token))

    async def pay(self, order, amount_cents, id=None, timeout=10.0, *, token=None):
        request = q.pay_request(order, amount_cents, id)
        return q.receipt_of(await self._ask(Question(request, timeout), token))

    async def cancel(self, order, user=None, timeout=10.0, *, token=None):
        question = Question(q.cancel_request(order, user), timeout)
        return q.receipt_of(await self._ask(question, token))

    async def items(self, item=None, timeout=10.0):
        if item is not None:
            return items_of(await self._ask(Question(q.items_request(item), timeout)))
        rows, following = [], 0
        while following is not None:
            answer = await self._ask(Question(q.items_page(following), timeout))
            rows += items_of(answer)
            following = answer.get("next")
        return rows

    async def ping(self, timeout=10.0):
        return (await self._ask(Question({"op": "ping", "id": q.new_id()}, timeout)))["state"]

    async def stock(self, item, silence=10.0):
        """Yields the item's stock, now and whenever it changes; see Client.stock."""
        seq = -1
        while True:
            subscription = self._subscription(item)
            try:
                snapshot = (await self.items(item))[0]
                if snapshot.seq > seq:
                    seq = snapshot.seq
                    yield stock_of(vars(snapshot))
                while await subscription.poll(silence * 1000):
                    heard = q.news(await subscription.recv_multipart())
                    if heard is None or int(heard[1]["seq"]) <= seq:
                        continue
                    seq = int(heard[1]["seq"])
                    yield stock_of(heard[1])
            finally:
                subscription.close(linger=0)

    async def close(self):
        if self._pid == os.getpid():
            await self._drop_socket()
            self._context.destroy(linger=0)
        self._pid = self._context = self._socket = self._reader = None

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    # --- inside -----------------------------------------------------------------------------------

    def _token(self, own):
        """The call's own, else the client's."""
        return q.checked_token(self.token if own is None else own)

    async def _ask(self, question, token=None):
        question.token = self._token(token)
        self._refuse_reuse(question)
        if self._is_in_use(question):
            await self._ask_alone(question)
        else:
            await self._ask_as_waiting(question)
        return question.result(self.endpoint)

    async def _ask_as_waiting(self, question):
        inbox, answered = asyncio.Queue(), False
        for name in question.ids:
            self._waiting.setdefault(name, []).append((inbox, question))
        try:
            answered = await self._ask_until_answered(question, inbox)
        finally:
            self._left_open = self._left_open or not answered
            for name in question.ids:
                self._waiting[name].remove((inbox, question))
                if not self._waiting[name]:
                    del self._waiting[name]

    def _refuse_reuse(self, question):
        """Answers are told apart by their id alone: the server's refusal of the second order would
        be taken for the first one's, which may be confirmed."""
        for name, other in self._beside(question):
            if question.op == other.op and question.content_of(name) != other.content_of(name):
                raise StampedeError("key_reused", f"another {question.op} with this id is open",
                                    request_id=name)

    def _is_in_use(self, question):
        """A payment may have the id of an order: a refusal could be of either."""
        return any({question.op, other.op} - {"order", "get"} and question.op != other.op
                   for _, other in self._beside(question))

    def _beside(self, question):
        return ((name, other) for name in question.ids
                for _, other in self._waiting.get(name, ()))

    async def _ask_until_answered(self, question, inbox):
        while question.left() > 0:
            if not await self._offer(question):
                return False
            sent_at = q.now()
            heard = await self._listen(question, inbox)
            if heard is UNCLEAR:
                await self._ask_alone(question)
                return False
            if not heard:
                question.was_silent()
                self._left_open = True
                await self._renew(sent_at)
            elif question.final():
                return True
            else:
                await asyncio.sleep(question.pause())
        return question.settled()

    async def _ask_alone(self, question):
        """Asks again on a connection of its own: it is known whose refusal comes there."""
        if self._alone is None:
            self._alone = asyncio.Semaphore(ALONE_MAX)
        try:
            await asyncio.wait_for(self._alone.acquire(), max(0.0, question.left()))
        except asyncio.TimeoutError:
            return
        try:
            async with AsyncClient(self.endpoint, curve=self._curve) as client:
                await client._ask_as_waiting(question)
        finally:
            self._alone.release()

    def _open(self):
        # A context does not survive a fork: the child makes its own and never touches the parent's,
        # which is kept so that nothing destroys it here.
        if self._pid != os.getpid():
            self._inherited = (self._context, self._socket, self._reader)
            self._pid, self._socket, self._reader = os.getpid(), None, None
            self._context = zmq.asyncio.Context()
        if self._socket is not None:
            return
        self._socket = q.open_dealer(self._context, self.endpoint, self._curve)
        self._opened_at = q.now()
        self._left_open = False
        self._reader = asyncio.create_task(self._read(self._socket))

    async def _drop_socket(self):
        socket, reader = self._socket, self._reader
        self._socket = self._reader = None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if socket is not None:
            socket.close(linger=0)

    async def _renew(self, sent_at):
        """A new socket, unless somebody else made one, or the old one has spoken meanwhile."""
        if self._opened_at < sent_at and self._heard_at < sent_at:
            await self._drop_socket()

    async def _read(self, socket):
        while True:
            message = q.unpack((await socket.recv_multipart())[-1])
            self._heard_at = q.now()
            if not message:
                continue
            names = names_in(message)
            askers = [asker for name in names for asker in self._waiting.get(name, ())]
            for inbox in {inbox for inbox, _ in askers}:
                inbox.put_nowait(message)
            if not names and "code" in (message[0] if isinstance(message, list) else message):
                self._pass_on_unnamed(message)

    def _pass_on_unnamed(self, refusal):
        """With one question open since the socket is there, it is about that one."""
        inboxes = {inbox for askers in self._waiting.values() for inbox, _ in askers}
        clear = len(inboxes) == 1 and not self._left_open
        for inbox in inboxes:
            inbox.put_nowait(refusal if clear else UNCLEAR)

    async def _offer(self, question):
        frame = question.next_frame()
        while question.left() > 0:
            self._open()
            try:
                await self._socket.send(frame, zmq.DONTWAIT)
                question.sent = True
                return True
            except zmq.Again:
                await asyncio.sleep(q.OFFER_EVERY_S)
        return False

    async def _listen(self, question, inbox):
        until = q.now() + question.listen_for()
        while (left := until - q.now()) > 0:
            try:
                message = await asyncio.wait_for(inbox.get(), left)
            except asyncio.TimeoutError:
                return False
            if message is UNCLEAR or question.takes(message):
                return UNCLEAR if message is UNCLEAR else True
        return False

    def _subscription(self, item):
        self._open()
        endpoint = self._news_endpoint or q.news_endpoint(self.endpoint)
        return q.open_subscription(self._context, endpoint, item, self._curve)
