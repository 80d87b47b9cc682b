"""The thread that asks for what is in a spool."""

import collections
import heapq
import math
import os
import random
import threading
import time

import zmq

from . import question as q
from .answers import SESSION_CODES, SpoolError
from .question import Question
from .spool_orders import kept

WINDOW = 500  # orders that are asked at a time
SETTLE_S = 10.0  # longer than any message waits in a webapp that was told no deadline
NO_ROOM_PAUSE_S = 1.0
# The system itself cannot decide now: nothing younger is asked either.
BUSY = ("overloaded", "replaying", "draining", "no_backend", "log_unavailable", "deadline_passed")


class Task:
    """An order that is on its way to its final answer."""

    def __init__(self, order):
        self.order = order
        self.question = None  # made when it is asked for the first time
        self.ready = False  # waits to be asked
        self.turn = math.inf  # when it is taken for unanswered, or asked again
        self.sent_at = 0.0
        self.pauses = 0
        self.settled = False
        self.unknown_since = None  # of a request that is no longer valid
        self.refused_since = None  # with a code that says nothing of the tries before
        self.open_before = order.sent  # a process before may have sent it
        self.held = False  # waits for a session
        self.token = None  # that was shown with it last

    def __lt__(self, other):
        return self.order.number < other.order.number


class SpoolSender:
    """Asks oldest first, until each order has its final answer; what it hears goes to the spool,
    which makes it durable before anybody is told.

    One thread owns the connection and all that is here; `begin`, `wake` and `close` may be called
    by others. An order is asked for again with its id whatever became of the try before, which
    never buys twice, and never with `first`. One whose `valid_until_ms` has passed is not sent any
    more: when it was never sent, that is its answer; when it may have been, the system is asked
    what became of it, until it is known to be nothing. One whose session is not taken is held: it
    is asked again with the next token; when its time passes before and no try of it is open, it is
    known to be nothing.
    """

    def __init__(self, endpoint, curve, spool, token=None):
        self._endpoint = endpoint
        self._curve = curve
        self.token = token
        self._spool = spool
        self._held = set()  # tasks that wait for a session
        self._new = collections.deque()
        self._ready = []  # heap of tasks, the oldest first
        self._turns = []  # heap of (time, task)
        self._expiries = []  # heap of (valid_until_ms, task)
        self._tasks = {}  # id → task, of those that were asked at least once
        self._asked = {}  # id → task, of those whose answer may still come on this connection
        self._answers = {}  # id → final answer, not in the file yet
        self._no_room_until = 0.0  # nothing is recorded or sent until then
        self._busy = 0  # times in a row that the system could not decide
        self._busy_until = 0.0  # nothing is sent until then
        self._alone = set()  # ids that are asked one by one: a refusal named none of them
        self._lonely = False  # never were two open on this connection
        self._opened_at = self._heard_at = 0.0
        self._context = self._socket = None
        self._closing = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._thread = threading.Thread(target=self._run, name="stampede-spool", daemon=True)

    # --- by other threads -------------------------------------------------------------------------

    def start(self):
        self._thread.start()

    def begin(self, order):
        self._new.append(order)

    def set_token(self, token):
        self.token = token
        self.wake()

    def wake(self):
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            pass  # it has more than enough to wake up for

    def close(self):
        """Ends at once: what has no answer yet stays in the spool."""
        self._closing = True
        self.wake()
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    # --- the thread -------------------------------------------------------------------------------

    def _run(self):
        try:
            self._context = zmq.Context()
            self._open()
            while not self._closing:
                self._take_new()
                self._let_go()
                self._expire()
                self._patiently(self._record)
                if q.now() >= self._busy_until:
                    self._patiently(self._send)
                self._wait()
                self._take_turns()
            self._patiently(self._record)
        except Exception as error:  # whatever it is: who waits for an answer must hear of it
            self._spool._stop(error)
        finally:
            if self._context is not None:
                self._context.destroy(linger=0)

    def _patiently(self, step):
        """A full disk passes; the same is tried again then."""
        if q.now() < self._no_room_until:
            return
        try:
            step()
        except SpoolError as error:
            if self._spool._file.broken:
                raise
            self._spool._hear_trouble(error)
            self._no_room_until = q.now() + NO_ROOM_PAUSE_S

    def _take_new(self):
        while self._new:
            task = Task(self._new.popleft())
            self._make_ready(task)
            if task.order.valid_until_ms is not None:
                heapq.heappush(self._expiries, (task.order.valid_until_ms, task))
        if len(self._expiries) > 1000 + 2 * (len(self._ready) + len(self._tasks)):
            self._expiries = [one for one in self._expiries if not one[1].settled]
            heapq.heapify(self._expiries)

    def _make_ready(self, task):
        if self._asked.pop(task.order.id, None) is not None:
            task.question.leave_open()
            task.refused_since = None
        task.turn = math.inf
        if not task.ready:
            task.ready = True
            heapq.heappush(self._ready, task)

    def _expire(self):
        now_ms = time.time() * 1000
        while self._expiries and self._expiries[0][0] < now_ms:
            task = heapq.heappop(self._expiries)[1]
            if task.settled:
                continue
            if task.order.sent and self._may_be_decided(task):
                task.open_before = True
                task.question = Question({"op": "get", "id": task.order.id}, math.inf)
                self._make_ready(task)
            else:
                self._settle(task, self._expired(task))

    def _may_be_decided(self, task):
        """Not when every try of it was refused for its session."""
        return not task.held or task.open_before or task.question.may_be_decided()

    def _may_be_confirmed(self, task):
        """A try before this one may. Whether a process before has sent one is only known of orders
        that end some day."""
        left = task.order.left and (task.open_before or task.order.valid_until_ms is None)
        return left or task.question.may_be_decided()

    def _expired(self, task):
        return {"code": "expired_request", "field": "valid_until_ms",
                "message": f"valid until {task.order.valid_until_ms}; nothing was ordered"}

    def _settle(self, task, answer):
        task.settled = True
        self._tasks.pop(task.order.id, None)
        self._asked.pop(task.order.id, None)
        self._alone.discard(task.order.id)
        self._held.discard(task)
        self._answers[task.order.id] = answer

    def _record(self):
        if self._answers:
            self._spool._record({"answers": self._answers})
            self._answers = {}

    # --- sending ----------------------------------------------------------------------------------

    def _window(self):
        """One by one while nobody knows whether anything would be decided."""
        return 1 if self._busy or self._alone else WINDOW

    def _is_connected(self):
        return bool(self._socket.getsockopt(zmq.EVENTS) & zmq.POLLOUT)

    def _wants_to_send(self):
        return bool(self._ready) and len(self._asked) < self._window()

    def _send(self):
        while self._wants_to_send() and self._is_connected():
            room = self._window() - len(self._asked)
            tasks = [heapq.heappop(self._ready) for _ in range(min(room, len(self._ready)))]
            tasks = [task for task in tasks if not task.settled]
            try:
                self._mark_sent(tasks)
            except SpoolError:
                for task in tasks:
                    heapq.heappush(self._ready, task)
                raise
            for task in tasks:
                task.ready = False
                self._ask(task)

    def _mark_sent(self, tasks):
        """Only of those that end some day does it matter."""
        names = [task.order.id for task in tasks
                 if task.order.valid_until_ms is not None and not task.order.sent]
        if names:
            self._spool._record({"sent": names})

    def _ask(self, task):
        if task.question is None:
            task.question = Question(task.order.request, math.inf)
        self._tasks[task.order.id] = task
        try:
            task.question.token = task.token = self.token
            self._socket.send(task.question.next_frame(), zmq.DONTWAIT)
        except zmq.Again:  # the connection went away just now
            self._make_ready(task)
            return
        self._asked[task.order.id] = task
        self._lonely = self._lonely and len(self._asked) == 1
        task.sent_at = q.now()
        self._turn_at(task, task.sent_at + task.question.listen_for())

    def _turn_at(self, task, moment):
        task.turn = moment
        heapq.heappush(self._turns, (moment, task))

    def _open(self):
        self._socket = q.open_dealer(self._context, self._endpoint, self._curve)
        self._lonely = True
        self._opened_at = q.now()

    def _renew(self):
        """A connection can be dead without saying so; a new one is cheap."""
        self._socket.close(linger=0)
        self._open()
        for task in list(self._asked.values()):
            self._make_ready(task)

    # --- waiting and hearing ----------------------------------------------------------------------

    def _wait(self):
        rests = [until for until in (self._busy_until, self._no_room_until) if until > q.now()]
        blocked = self._wants_to_send() and not rests
        poller = zmq.Poller()
        poller.register(self._wake_read, zmq.POLLIN)
        poller.register(self._socket, zmq.POLLIN | (zmq.POLLOUT if blocked else 0))
        ready = dict(poller.poll(self._wait_ms(rests)))
        if self._wake_read in ready:
            os.read(self._wake_read, 65536)
        if ready.get(self._socket, 0) & zmq.POLLIN:
            self._receive()

    def _wait_ms(self, rests):
        moments = rests + [self._turns[0][0]] if self._turns else rests
        seconds = [moment - q.now() for moment in moments]
        if self._expiries:  # by a clock that may be set
            seconds.append(min(1.0, self._expiries[0][0] / 1000 + 0.001 - time.time()))
        return max(1, math.ceil(min(seconds) * 1000)) if seconds else None

    def _receive(self):
        for _ in range(2 * WINDOW):
            try:
                message = q.unpack(self._socket.recv_multipart(zmq.DONTWAIT)[-1])
            except zmq.Again:
                return
            self._heard_at = q.now()
            if not isinstance(message, dict):
                continue
            if "id" in message:
                self._hear(self._tasks.get(str(message["id"])), message)
            elif "code" in message and self._hear_unnamed(message):
                return

    def _hear_unnamed(self, refusal):
        """With one question open since the connection is there, it is about that one. Else each is
        asked by itself. True when the connection is another one now."""
        if len(self._asked) == 1 and self._lonely:
            self._hear(next(iter(self._asked.values())), refusal)
            return False
        self._alone.update(self._asked)
        self._renew()
        return True

    def _hear(self, task, message):
        if task is None or not task.question.takes(message):
            return
        self._asked.pop(task.order.id, None)  # answered; what is ready already stays so
        code = message.get("code")
        task.order.last_code = code
        if code in SESSION_CODES:
            self._hold(task)
            return
        if code in q.CURABLE and self._may_be_confirmed(task):
            self._hear_refused(task, message)
            return
        if not task.question.final():
            self._hear_later(task, code in BUSY)
            return
        self._busy = 0
        if task.question.op == "get" and code == "unknown_request":
            self._hear_unknown(task)
        else:
            self._settle(task, kept(message))

    def _hold(self, task):
        """Until there is another token than the one that was not taken."""
        self._busy = 0
        self._alone.discard(task.order.id)
        task.turn = math.inf
        task.held = True
        self._held.add(task)

    def _let_go(self):
        for task in [one for one in self._held if one.token != self.token]:
            self._held.discard(task)
            task.held = False
            self._make_ready(task)

    def _hear_later(self, task, busy):
        self._alone.discard(task.order.id)
        if task.order.last_code == "not_started":
            self._rest(task, task.question.pause())
            return
        if not busy:
            task.pauses += 1
            self._rest(task, pause(task, task.pauses))
            return
        self._make_ready(task)
        if q.now() >= self._busy_until:  # else it is one more of those that were asked together
            self._busy += 1
            self._busy_until = q.now() + pause(task, self._busy)

    def _hear_unknown(self, task):
        """Not known *yet*: what was sent before it became too old may still be on its way. It is
        not when the system has answered all the time that a message may wait in it."""
        now = q.now()
        task.unknown_since = task.unknown_since or now
        if now - task.unknown_since >= SETTLE_S:
            self._settle(task, self._expired(task))
        else:
            self._rest(task, pause(task, 6))

    def _hear_refused(self, task, message):
        """No answer while a try before may still be on its way, and be confirmed; see above."""
        self._busy = 0
        self._alone.discard(task.order.id)
        now = q.now()
        task.refused_since = task.refused_since or now
        if now - task.refused_since >= SETTLE_S:
            self._settle(task, kept(message))
        else:
            self._rest(task, pause(task, 6))

    def _rest(self, task, seconds):
        self._asked.pop(task.order.id, None)
        self._turn_at(task, q.now() + seconds)

    def _take_turns(self):
        while self._turns and self._turns[0][0] <= q.now():
            moment, task = heapq.heappop(self._turns)
            if task.settled or task.turn != moment:
                continue
            if task.order.id in self._asked:
                self._take_silence(task)
            else:
                self._make_ready(task)

    def _take_silence(self, task):
        if max(self._opened_at, self._heard_at) >= task.sent_at:
            task.question.was_silent()
            self._make_ready(task)
            return
        for one in self._asked.values():
            one.question.was_silent()
        self._busy += 1
        self._renew()


def pause(task, times):
    """Seconds: what the server advises, and more with each time."""
    more = min(q.PAUSE_S * 2 ** min(times - 1, 10), q.PAUSE_MAX_S) * (1 + random.random() / 2)
    return max(task.question.pause(), more)
