"""A webapp that a test plays: a ROUTER in a thread that answers as a script says."""

import sys
import threading
from pathlib import Path

import msgpack
import zmq

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python"))


def confirmed(request, order_id="1099511627777", **more):
    return {"id": request["id"], "state": "confirmed", "order_id": order_id,
            "item": request.get("item"), "qty": request.get("qty"), "left": 7, "stored": False,
            **more}


def refused(request, code, retry, retry_after_ms=None):
    answer = {"id": request["id"], "code": code, "message": "no", "retry": retry}
    if retry_after_ms is not None:
        answer["retry_after_ms"] = retry_after_ms
    return answer


def unnamed(code="bad_protocol", **more):
    """A refusal that does not say of which request."""
    return {"code": code, "message": "no", "retry": False, **more}


def row(item, left, seq, name="Phone"):
    return {"item": item, "name": name, "price_cents": 100, "total": 10, "left": left,
            "seq": str(seq), "state": "open"}


class FakeWebapp:
    """script(request) gives the maps that are sent back, or (seconds, map) to send one later.

    With news=True the next port is an XPUB; publish() sends to it.
    """

    def __init__(self, script, port=None, news=False):
        self.script = script
        self.requests = []
        self.frames = []
        self.subscribed = threading.Event()
        self._news = news
        self._stop = threading.Event()
        self._to_publish = []
        self._lock = threading.Lock()
        self._bound = threading.Event()
        self.port = port
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        if not self._bound.wait(10):
            raise RuntimeError("the fake webapp did not come up")

    @property
    def endpoint(self):
        return f"tcp://127.0.0.1:{self.port}"

    def publish(self, topic, values):
        with self._lock:
            self._to_publish.append([topic.encode(), msgpack.packb(values)])

    def stop(self):
        self._stop.set()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _bind(self, context):
        router = context.socket(zmq.ROUTER)
        router.linger = 0
        xpub = context.socket(zmq.XPUB)
        xpub.linger = 0
        if self.port is not None:
            router.bind(self.endpoint)
            if self._news:
                xpub.bind(f"tcp://127.0.0.1:{self.port + 1}")
            return router, xpub
        for _ in range(50):
            port = router.bind_to_random_port("tcp://127.0.0.1")
            try:
                xpub.bind(f"tcp://127.0.0.1:{port + 1}")
            except zmq.ZMQError:
                router.unbind(router.last_endpoint)
                continue
            self.port = port
            return router, xpub
        raise RuntimeError("no two free ports side by side")

    def _run(self):
        context = zmq.Context()
        router, xpub = self._bind(context)
        self._bound.set()
        poller = zmq.Poller()
        poller.register(router, zmq.POLLIN)
        poller.register(xpub, zmq.POLLIN)
        while not self._stop.is_set():
            ready = dict(poller.poll(5))
            if router in ready:
                self._answer(router)
            if xpub in ready and xpub.recv()[:1] == b"\x01":
                self.subscribed.set()
            with self._lock:
                waiting, self._to_publish = self._to_publish, []
            for parts in waiting:
                xpub.send_multipart(parts)
        router.close()
        xpub.close()
        context.term()

    def _answer(self, router):
        peer, *parts = router.recv_multipart()
        self.frames.append(parts)
        request = msgpack.unpackb(parts[-1])
        self.requests.append(request)
        for answer in self.script(request):
            frame = answer if isinstance(answer, bytes) else msgpack.packb(answer)
            router.send_multipart([peer, *parts[:-1], frame])
