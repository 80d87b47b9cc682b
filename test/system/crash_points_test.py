#!/usr/bin/python3
"""A backend that dies at each crash point, with clients that ask again and clients that never do.

The table of outcomes is POINTS. Two lists are run: in the first the webapp dies together with the
backend, so that nobody but the client can ask again; in the second everything else lives and the
client simply waits. The supervisor gives STAMPEDE_FAILPOINTS to a node's first start only.
"""

import dataclasses
import signal
import unittest

import msgpack
import zmq

from buyers import OPTIONS
from by_hand import epoch_of, start, stop_nodes, wait_end
from system import SystemTest, eventually

from stampede import Client, StampedeError


@dataclasses.dataclass
class Point:
    where: str  # a started backend's first log batch is its EPOCH record, the second our order
    durable: bool  # the order is in the log when the process dies
    rows: set  # how many rows of it the database may hold at that moment
    answered: bool = False  # the client may have been told before the crash

    def __str__(self):
        return self.where


POINTS = (
    Point("received=kill@1", False, {0}),
    Point("decided=kill@1", False, {0}),
    Point("before_log=kill@2", False, {0}),
    Point("after_write=kill@2", True, {0}),
    Point("after_log=kill@2", True, {0}),
    Point("in_db=kill@1", True, {0}, answered=True),
    Point("in_db=kill@2", True, {0, 1}, answered=True),
    Point("after_db=kill@1", True, {0, 1}, answered=True),
)
STOCK = 100


class CrashPoints(SystemTest):
    def arm(self, system, point):
        """The nodes start anew with the point armed; nothing is owed. Returns the epoch."""
        stop_nodes(system)
        start(system, STAMPEDE_FAILPOINTS=point.where)
        claimed = lambda: system.status().get("database", {}).get("state") == "ok"
        self.assertTrue(eventually(claimed), system.status().get("database"))
        return system.number("SELECT MAX(epoch) FROM lane")

    def rows_of(self, system, name):
        return system.sql("SELECT request_id, order_id FROM orders WHERE request_id = "
                          f"'{name}'")

    # --- nobody but the client asks again ---------------------------------------------------------

    def test_an_order_is_there_after_the_crash_exactly_if_it_was_logged(self):
        system = self.start_system(f"1:Phone:{STOCK}")
        for number, point in enumerate(POINTS):
            with self.subTest(str(point)):
                self.crash_with_the_webapp(system, point, f"gone-{number}")
                self.check_books(system, number + 1)

    def crash_with_the_webapp(self, system, point, name):
        epoch = self.arm(system, point)
        told = self.crash(system, point, name)
        with Client(system.zmq) as client:
            # First as a client that never asks again leaves it …
            if point.durable:
                kept = client.get(name)
                self.assertEqual((kept.state, epoch_of(kept.order_id)), ("confirmed", epoch))
                self.assertTrue(eventually(lambda: client.get(name).stored),
                                "a logged order is not stored though nobody asked")
                system.verify()
            else:
                with self.assertRaises(StampedeError) as caught:
                    client.get(name)
                self.assertEqual(caught.exception.code, "unknown_request")
                system.verify()
                self.assertEqual(self.rows_of(system, name), [])
            # … then who asks again gets the one true answer: the logged order, or a new one.
            late = client.order(1, "ann", 1, request_id=name, timeout=20)
            self.assertEqual(epoch_of(late.order_id), epoch if point.durable else epoch + 1)
            self.assertEqual(late.replayed, point.durable)
        if told:
            self.assertEqual((told["state"], told["order_id"]), ("confirmed", late.order_id))
        self.assertTrue(eventually(lambda: self.rows_of(system, name)))
        self.assertEqual(self.rows_of(system, name), [[name, late.order_id]])

    def crash(self, system, point, name):
        """One order into the armed backend; returns the answer, if one came. The supervisor stands
        still meanwhile: what is dead stays dead until we have looked."""
        pids = system.pids()
        context = zmq.Context()
        socket = context.socket(zmq.DEALER)
        try:
            for option, value in OPTIONS:
                socket.setsockopt(option, value)
            socket.connect(system.zmq)
            socket.send(msgpack.packb({"op": "ping"}))
            self.assertEqual(msgpack.unpackb(socket.recv())["state"], "ready")
            system.signal(pids["supervisor-1"], signal.SIGSTOP)
            socket.send(msgpack.packb({"op": "order", "id": name, "item": 1, "user": "ann"}))
            wait_end(pids["backend-1"], 20)
            self.assertIn(len(self.rows_of(system, name)), point.rows)
            system.signal(pids["webapp-1"], signal.SIGKILL)
            wait_end(pids["webapp-1"])
            told = msgpack.unpackb(socket.recv()) if socket.poll(0) else None
        finally:
            system.signal(pids["supervisor-1"], signal.SIGCONT)
            context.destroy(linger=0)
        if not point.answered:
            self.assertIsNone(told, "an answer left before its record was durable")
        for node in ("backend-1", "webapp-1"):
            system.wait_back(node, pids[node])
        system.wait_ready()
        return told

    # --- only the backend dies --------------------------------------------------------------------

    def test_a_client_that_waits_gets_one_order_whatever_the_point(self):
        system = self.start_system(f"1:Phone:{STOCK}")
        with Client(system.zmq) as client:
            for number, point in enumerate(POINTS):
                with self.subTest(str(point)):
                    epoch, name = self.arm(system, point), f"waits-{number}"
                    pid = system.pid("backend-1")
                    answer = client.order(1, "ann", 1, request_id=name, timeout=30)
                    self.assertEqual(answer.state, "confirmed")
                    wait_end(pid)
                    system.wait_back("backend-1", pid)
                    self.assertEqual(epoch_of(answer.order_id),
                                     epoch if point.durable else epoch + 1)
                    again = client.order(1, "ann", 1, request_id=name, timeout=20)
                    self.assertEqual(again.order_id, answer.order_id)
                    self.check_books(system, number + 1)

    def check_books(self, system, bought):
        """Memory, log and database agree, and the rows are exactly what was bought."""
        report = system.verify()
        self.assertEqual((report["confirmed"], report["rows"]), (bought, bought))
        self.assertEqual(system.sql("SELECT (SELECT COUNT(*) FROM orders), "
                                    "(SELECT amount FROM item)"),
                         [[str(bought), str(STOCK - bought)]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
