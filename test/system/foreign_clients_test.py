#!/usr/bin/python3
"""Clients that are none of this project's, as people have them: curl; Node with zeromq and either
msgpack library, through DEALER, REQ and SUB; pyzmq with asyncio. Each buys for real from what
docs/protocol.md says, and afterwards the books have exactly what it was told.

With STAMPEDE_CLIENTS=long also jeromq, the Ruby and PHP examples in a crowd, and the load tools ab,
hey, h2load, wrk and JMeter with 300 threads, whose own count of answers is held against the rows:
scripts/install_deps.sh --long-clients. What is not installed is skipped, and named.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

import msgpack
import zmq
import zmq.asyncio

from system import PROJECT, System, SystemTest

HERE = Path(__file__).resolve().parent
NODE = shutil.which("node")
MODULES = PROJECT / "clients" / "js" / "node_modules"
# Debian's is 0.3.6, which speaks ZMTP 2.0; another one may be named.
JEROMQ = os.environ.get("STAMPEDE_JEROMQ", "/usr/share/java/jeromq.jar")
MSGPACK = "/usr/share/java/msgpack-core.jar"
JMETER = "/usr/share/jmeter/bin/ApacheJMeter.jar"
WIDE = 5_000_000_000  # an item whose number has more than 32 bits


def setUpModule():  # pylint: disable=invalid-name
    Foreign.system = System()
    unittest.addModuleCleanup(Foreign.system.stop)
    Foreign.system.start("1:Phone:1000000", "2:Lamp:1000000", f"{WIDE}:Watch:1000000")


class Foreign(SystemTest):
    """One system for all; each has users of its own."""

    system = None
    maxDiff = None

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)

    def run_program(self, *words, timeout=120, text=None):
        done = subprocess.run([str(word) for word in words], input=text, capture_output=True,
                              text=True, timeout=timeout, check=False)
        self.assertEqual(done.returncode, 0, f"{words}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def judge(self, user, told):
        """The rows of a user are what he was told: {request id: order id}."""
        self.system.verify()
        rows = dict(self.system.sql("SELECT request_id, order_id FROM orders "
                                    f"WHERE user_id = '{user}'"))
        self.assertEqual(rows, told)


class Curl(Foreign):
    def curl(self, *words):
        return json.loads(self.run_program("curl", "-sS", "--max-time", 20, *words))

    def test_it_buys_asks_again_and_lists(self):
        order = ("-H", "Prefer: wait=5", "-H", "Idempotency-Key: curl-1",
                 "-d", '{"item":1,"user":"curl"}', f"{self.system.http}/v1/orders")
        first, again = self.curl(*order), self.curl(*order)
        self.assertEqual((first["state"], first["order_id"]), ("confirmed", again["order_id"]))
        self.assertTrue(again["replayed"])
        many = self.curl("-H", "Prefer: wait=5", "--json", json.dumps(
            [{"id": f"curl-m{at}", "item": 1, "user": "curl"} for at in range(50)]),
                         f"{self.system.http}/v1/orders")
        seen = self.curl(f"{self.system.http}/v1/orders/curl-1")
        self.assertEqual(seen["order_id"], first["order_id"])
        self.judge("curl", {one["id"]: one["order_id"] for one in (first, *many)})
        items = self.curl(f"{self.system.http}/v1/items")["items"]
        self.assertEqual([one["item"] for one in items], [1, 2, WIDE])

    def test_it_hears_the_stock_as_it_changes(self):
        done = subprocess.run(["curl", "-sSN", "--max-time", "2",
                               f"{self.system.http}/v1/events?items=1"], capture_output=True,
                              text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 28, done.stderr)  # it listens until its time is over
        self.assertIn('"item":1,', done.stdout)


@unittest.skipUnless(NODE and (MODULES / "msgpackr").is_dir(),
                     "no node or clients/js/node_modules; scripts/install_deps.sh --clients")
class Node(Foreign):
    def test_dealer_req_and_sub_with_msgpack(self):
        self.buy("msgpack", WIDE)

    def test_dealer_req_and_sub_with_msgpackr(self):
        self.buy("msgpackr", WIDE)

    def buy(self, codec, item):
        said = json.loads(self.run_program(NODE, HERE / "frames.mjs", codec, self.system.zmq,
                                           self.system.news, item))
        self.assertEqual({one.get("state", one.get("code")) for one in said["answers"]},
                         {"confirmed"}, said["answers"][:2])
        told = {one["id"]: one["order_id"] for one in said["answers"]}
        self.assertEqual(len(told), 50)
        self.assertEqual((said["again"]["order_id"], said["again"]["replayed"]),
                         (told[f"{codec}-r9"], True))
        lefts = [one["left"] for one in said["news"]]
        self.assertEqual((lefts[0] - lefts[-1], lefts), (50, sorted(lefts, reverse=True)))
        self.assertEqual({one["item"] for one in said["news"]}, {item})
        self.judge(codec, told)


class Asyncio(Foreign):
    def test_fifty_tasks_of_one_dealer_and_a_subscriber(self):
        told = asyncio.run(self.buy())
        self.judge("asyncio", told)

    async def buy(self):
        with zmq.asyncio.Context() as context:
            news = context.socket(zmq.SUB)
            news.setsockopt(zmq.LINGER, 0)
            news.connect(self.system.news)
            news.subscribe("stock/2/")
            before = await self.heard(news)
            dealer = context.socket(zmq.DEALER)
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.connect(self.system.zmq)
            open_ = {f"async-{at}": asyncio.get_running_loop().create_future() for at in range(50)}
            reader = asyncio.create_task(self.read(dealer, open_))
            await asyncio.gather(*(self.order(dealer, name) for name in open_))
            answers = await asyncio.wait_for(asyncio.gather(*open_.values()), 20)
            await reader
            while await self.heard(news) > before - 50:
                pass
            news.close()
            dealer.close()
        self.assertEqual({one["state"] for one in answers}, {"confirmed"})
        return {one["id"]: one["order_id"] for one in answers}

    @staticmethod
    async def order(dealer, name):
        await dealer.send(msgpack.packb({"op": "order", "id": name, "item": 2, "user": "asyncio"}))

    @staticmethod
    async def read(dealer, waiting):
        while not all(one.done() for one in waiting.values()):
            answer = msgpack.unpackb(await dealer.recv())
            waiting[answer["id"]].set_result(answer)

    @staticmethod
    async def heard(news):
        """Units left."""
        _, frame = await asyncio.wait_for(news.recv_multipart(), 20)
        return msgpack.unpackb(frame)["left"]


# --- the long tier --------------------------------------------------------------------------------

def needs(*files):
    """For a test of the long tier that is run with these programs and jars."""
    if os.environ.get("STAMPEDE_CLIENTS") != "long":
        return unittest.skip("STAMPEDE_CLIENTS=long runs it")
    missing = [file for file in files if not (shutil.which(file) or Path(file).exists())]
    return unittest.skipIf(missing, f"no {', '.join(missing)}; "
                                    "scripts/install_deps.sh --long-clients")


class Languages(Foreign):
    @needs("javac", JEROMQ, MSGPACK)
    def test_jeromq_with_dealer_req_and_sub(self):
        said = self.run_program("java", "-cp", f"{JEROMQ}:{MSGPACK}", HERE / "java" / "frames.java",
                                self.system.zmq, self.system.news, WIDE).splitlines()
        answers = [line.split() for line in said[:-1]]
        self.assertEqual({state for _, state, _ in answers}, {"confirmed"})
        before, after = map(int, said[-1].split()[1:])
        self.assertEqual((len(answers), before - after), (50, 50))
        self.judge("jeromq", {name: order for name, _, order in answers})

    @needs("ruby")
    def test_a_crowd_in_ruby(self):
        self.crowd("order.rb", "ruby")

    @needs("php")
    def test_a_crowd_in_php(self):
        self.crowd("order.php", "php")

    def crowd(self, script, program):
        """40 buyers of one name, eight at a time."""
        told = {}
        for _ in range(5):
            buyers = [subprocess.Popen(
                [program, PROJECT / "clients" / "examples" / script, program,
                 f"127.0.0.1:{self.system.http_port}"], stdout=subprocess.PIPE, text=True)
                for _ in range(8)]
            for buyer in buyers:
                said = json.loads(buyer.communicate(timeout=60)[0])
                self.assertEqual((buyer.returncode, said["state"]), (0, "confirmed"))
                told[said["id"]] = said["order_id"]
        self.assertEqual(len(told), 40)
        self.judge(program, told)


class LoadTools(Foreign):
    """What each tool counts as answered is what the table has, to the row."""

    ORDERS = 20_000
    FORM = "application/x-www-form-urlencoded"

    def setUp(self):
        super().setUp()
        self.before = self.rows()
        self.body = self.system.home / "body"
        self.body.write_text("itemId=1", encoding="ascii")
        self.url = f"{self.system.http}/miaosha/order"

    def rows(self):
        self.system.verify()
        return self.system.number("SELECT COUNT(*) FROM orders WHERE item_id = 1")

    def judge_count(self, answered, rate, more=0):
        rows = self.rows() - self.before
        print(f"{self.id().rpartition('.')[2]}: {answered} answered, {rows} rows, {rate:.0f}/s",
              flush=True)
        self.assertTrue(answered <= rows <= answered + more, (answered, rows, more))

    def number(self, pattern, said):
        found = re.search(pattern, said, re.M)
        self.assertTrue(found, said)
        return float(found[1]) if "." in found[1] else int(found[1])

    @needs("ab")
    def test_ab_keeps_100_connections(self):
        said = self.run_program("ab", "-q", "-k", "-n", self.ORDERS, "-c", 100, "-p", self.body,
                                "-T", self.FORM, self.url)
        # Answers differ in length by their order's number, which ab counts as a failure of length.
        self.assertNotRegex(said, "Non-2xx|Connect: [1-9]|Receive: [1-9]|Exceptions: [1-9]")
        self.assertEqual(self.number(r"^Complete requests: +(\d+)", said), self.ORDERS)
        self.judge_count(self.number(r"^Keep-Alive requests: +(\d+)", said),
                         self.number(r"^Requests per second: +([\d.]+)", said))

    @needs("hey")
    def test_hey_keeps_100_connections(self):
        said = self.run_program("hey", "-n", self.ORDERS, "-c", 100, "-m", "POST", "-T", self.FORM,
                                "-d", "itemId=1", self.url)
        self.assertNotIn("Error distribution", said)
        self.assertEqual(re.findall(r"\[(\d+)\]\s+\d+ responses", said), ["200"])
        self.judge_count(self.number(r"\[200\]\s+(\d+) responses", said),
                         self.number(r"Requests/sec:\s+([\d.]+)", said))

    @needs("h2load")
    def test_h2load_keeps_100_connections_of_http_1(self):
        said = self.run_program("h2load", "--h1", "-n", self.ORDERS, "-c", 100, "-t", 2, "-d",
                                self.body, "-H", f"Content-Type: {self.FORM}", self.url)
        self.assertEqual(self.number(r"(\d+) failed", said), 0, said)
        self.judge_count(self.number(r"^status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", said),
                         self.number(r"^finished in .*, ([\d.]+) req/s", said))

    @needs("wrk")
    def test_wrk_keeps_300_connections(self):
        said = self.run_program("wrk", "-t2", "-c300", "-d5s", "--timeout", "10s", "-s",
                                HERE / "miaosha.lua", self.url)
        self.assertIn("wrong=0 connect=0 read=0 write=0 timeout=0", said)
        # It ends with a request open on each connection.
        self.judge_count(self.number(r"answered=(\d+)", said),
                         self.number(r"^Requests/sec: +([\d.]+)", said), 300)

    @needs("javac", JMETER)
    def test_jmeter_with_the_plan_of_300_threads(self):
        said = self.run_program("java", "-Djava.awt.headless=true", "-cp",
                                f"{JMETER}:/usr/share/jmeter/lib/ext/*",
                                HERE / "java" / "jmeter_plan.java", self.system.http_port, 60)
        self.assertEqual(self.number(r"^JMETER answered=\d+ wrong=(\d+)", said), 0, said)
        answered = self.number(r"^JMETER answered=(\d+)", said)
        self.assertEqual(answered, 300 * 60)
        self.judge_count(answered, answered / self.number(r"seconds=([\d.]+)", said))


if __name__ == "__main__":
    unittest.main(verbosity=2)
