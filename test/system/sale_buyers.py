#!/usr/bin/python3
"""Buyers of one promo with tickets, each with a manner of its own; a process of their own.

Usage: test/system/sale_buyers.py PLAN < told to end > OUTCOMES
PLAN is a JSON file: seed, first and number of buyers, promo, item, price_cents, starts, ends (Unix
seconds), the SF1 endpoints and HTTP ports of the webapps, hold_s and, where a session is needed,
`secret` (of the JWK that signs them). Prints a JSON line for each buyer: what it was told, by what.

Manners, drawn for each buyer: honest (asks for a ticket, waits for the start, orders until it has
an answer that counts, pays or leaves), early (orders before the start as well), late (after the end
only), twice (every question twice, to different webapps), greedy (goes on after a purchase), bare
(without a ticket), foreign (with the ticket of another one), forged (with one that it has changed).
A third asks over HTTP, the others over ZeroMQ. Whoever asks again, asks with the same id.
"""

import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import msgpack
import zmq
import zmq.asyncio

MANNERS = (("honest", 62), ("early", 8), ("late", 4), ("twice", 10), ("greedy", 6), ("bare", 4),
           ("foreign", 3), ("forged", 3))
PAY_SHARE = 0.6
ANSWER_S = 2.0
PATIENCE_S = 60.0  # of one question, over all its attempts
HTTP_THREADS = 24
# Nothing is known yet, or not now: the same question once more.
AGAIN = ("overloaded", "replaying", "draining", "no_backend", "deadline_passed", "internal",
         "queue_full", "timeout")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def session(secret, user, scope=None):
    """A JWT of that user, signed with the secret; an hour long."""
    claims = {"sub": user, "iat": int(time.time()), "exp": int(time.time()) + 3600}
    claims |= {"scope": scope} if scope else {}
    text = ".".join(base64url(json.dumps(part).encode())
                    for part in ({"alg": "HS256", "typ": "JWT", "kid": "sale"}, claims))
    mac = hmac.digest(base64.urlsafe_b64decode(secret + "=="), text.encode(), hashlib.sha256)
    return f"{text}.{base64url(mac)}"


class OverZeroMq:
    """Questions of many buyers over one socket to each webapp, paired by their ids."""

    def __init__(self, endpoints):
        context = zmq.asyncio.Context.instance()
        self.waiting = {}
        self.sockets = []
        for endpoint in endpoints:
            socket = context.socket(zmq.DEALER)
            socket.linger = 0
            socket.sndhwm = socket.rcvhwm = 0
            socket.connect(endpoint)
            self.sockets.append(socket)
            asyncio.ensure_future(self.hear(socket))

    async def hear(self, socket):
        while True:
            answer = msgpack.unpackb(await socket.recv())
            # A second ticket is answered with the first one's id; `asked` is the question's.
            future = self.waiting.pop(answer.get("asked", answer.get("id")), None)
            if future is not None and not future.done():
                future.set_result(answer)

    async def ask(self, webapp, message):
        """The answer, or None after ANSWER_S."""
        future = asyncio.get_running_loop().create_future()
        self.waiting[message["id"]] = future
        await self.sockets[webapp % len(self.sockets)].send(msgpack.packb(message))
        try:
            return await asyncio.wait_for(future, ANSWER_S)
        except asyncio.TimeoutError:
            self.waiting.pop(message["id"], None)
            return None


class OverHttp:
    """The same over HTTP: a connection for each thread and webapp."""

    def __init__(self, ports):
        self.ports = ports
        self.threads = ThreadPoolExecutor(HTTP_THREADS)

    async def ask(self, webapp, message):
        loop = asyncio.get_running_loop()
        port = self.ports[webapp % len(self.ports)]
        return await loop.run_in_executor(self.threads, self.exchange, port, dict(message))

    @staticmethod
    def request(message):
        """(method, path, body) of an operation."""
        kind, name = message.pop("op"), message["id"]
        if kind == "ticket":
            return "POST", f"/v1/promos/{message.pop('promo')}/tickets", message
        if kind == "order":
            return "POST", "/v1/orders", message
        if kind == "pay":
            return "POST", f"/v1/orders/{message.pop('order')}/payments", message
        return "GET", f"/v1/orders/{name}", None

    def exchange(self, port, message):
        token = message.pop("token", None)
        first = message.pop("first", False)
        method, path, body = self.request(message)
        headers = {"Content-Type": "application/json", "Prefer": "wait=2"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Stampede-First": "1"} if first else {}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S + 2)
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return None if answer.get("state") == "queued" else answer


class Buyer:
    def __init__(self, plan, number, way):
        self.plan, self.way = plan, way
        self.rng = random.Random(plan["seed"] * 1_000_003 + number)
        names, weights = zip(*MANNERS)
        self.manner = self.rng.choices(names, weights)[0]
        self.user, self.number = f"buyer-{number}", number
        self.token = session(plan["secret"], self.user) if plan.get("secret") else None
        self.told = {"user": self.user, "manner": self.manner, "tickets": [], "orders": {},
                     "codes": {}, "faults": []}

    async def ask(self, op, name, until=None, **more):
        """Asks until there is an answer that is not to be asked again, at webapps in turns."""
        message = {"op": op, "id": name} | ({"token": self.token} if self.token else {}) | more
        until = until or time.time() + PATIENCE_S
        webapp = self.rng.randrange(3)
        while True:
            answer = await self.way.ask(webapp, message)
            webapp += 1
            code = (answer or {}).get("code", "")
            if answer is not None and code not in AGAIN:
                self.told["codes"][code] = self.told["codes"].get(code, 0) + bool(code)
                return answer
            if time.time() > until:
                raise TimeoutError(f"{self.user}: no answer to {op} {name}: {answer}")
            await asyncio.sleep(0.05 + self.rng.random() * 0.2)

    async def ticket(self, name):
        """A ticket, or None when there is none for this buyer (any more)."""
        user = {} if self.token else {"user": self.user}
        while time.time() < self.plan["ends"]:
            answer = await self.ask("ticket", name, promo=self.plan["promo"], **user)
            if "ticket" in answer:
                self.told["tickets"].append(answer["id"])
                return answer
            if not answer.get("retry"):
                return None
            await asyncio.sleep(0.2 + self.rng.random() * 0.5)
        return None

    async def order(self, name, until, **more):
        """Orders until the answer counts, or until that time; the last answer."""
        user = {} if self.token else {"user": self.user}
        first = True
        while True:
            said = {"first": True} if first else {}
            answer = await self.ask("order", name, item=self.plan["item"],
                                    promo=self.plan["promo"], **user, **said, **more)
            first = False
            if "state" in answer or not answer.get("retry") or time.time() > until:
                return answer
            wait = answer.get("retry_after_ms", 0) / 1000 or 0.2 + self.rng.random() * 0.4
            await asyncio.sleep(min(wait, 2.0))

    async def buy(self, ticket):
        """True: bought, and paid or left."""
        name, mac = ticket["id"], ticket["ticket"]
        answer = await self.order(name, self.plan["ends"], ticket=mac)
        self.told["orders"][name] = answer
        if answer.get("state") != "confirmed":
            return False
        if self.manner == "twice":
            again = await self.order(name, self.plan["ends"], ticket=mac)
            if again.get("order_id") != answer["order_id"]:
                self.told["faults"].append(f"{name}: {answer}, then {again}")
        if self.rng.random() < PAY_SHARE:
            await asyncio.sleep(self.rng.random() * self.plan["hold_s"] * 1.2)
            await self.pay(name)
        return True

    async def pay(self, name):
        token = {"token": self.plan["service"]} if self.token else {}
        paid = await self.ask("pay", "p-" + name, order=name,
                              amount_cents=self.plan["price_cents"], **token)
        self.told["orders"][name]["fulfilment"] = paid.get("fulfilment", paid.get("code"))

    def expect(self, answer, *codes):
        if answer.get("code") not in codes:
            self.told["faults"].append(f"{self.manner}: {answer} is not {codes}")

    async def run(self):
        try:
            await getattr(self, self.manner)()
        except Exception as error:  # pylint: disable=broad-except
            self.told["faults"].append(repr(error))
        return self.told

    async def until(self, moment):
        await asyncio.sleep(max(0.0, moment - time.time()))

    async def honest(self):
        await self.until(self.plan["starts"] - self.rng.random() * 3)
        ticket = await self.ticket(f"t-{self.number}")
        if ticket is None:
            return
        await self.until(self.plan["starts"] + self.rng.expovariate(1.0))
        await self.buy(ticket)

    async def early(self):
        ticket = await self.ticket(f"t-{self.number}")
        if ticket is None:
            return
        if time.time() < self.plan["starts"] - 0.5:
            self.expect(await self.order(ticket["id"], 0, ticket=ticket["ticket"]), "not_started")
        await self.buy(ticket)

    async def late(self):
        await self.until(self.plan["ends"] + 0.5)
        self.expect(await self.order(f"late-{self.number}", 0, ticket="t1.AA.AA"),
                    "ended", "ticket_invalid")

    async def twice(self):
        await self.until(self.plan["starts"] - self.rng.random() * 3)
        one = await self.ticket(f"t-{self.number}")
        other = await self.ticket(f"s-{self.number}")
        if one and other and one["id"] != other["id"]:
            self.told["faults"].append(f"two tickets: {one}, {other}")
        if one or other:
            await self.buy(one or other)

    async def greedy(self):
        await self.until(self.plan["starts"] - self.rng.random())
        for turn in range(4):
            ticket = await self.ticket(f"t-{self.number}-{turn}")
            if ticket is None or not await self.buy(ticket):
                return

    async def bare(self):
        await self.until(self.plan["starts"] + self.rng.random() * 5)
        self.expect(await self.order(f"bare-{self.number}", 0), "ticket_required", "sold_out")

    async def foreign(self):
        await self.until(self.plan["starts"] - 1)
        ticket = await self.ticket(f"t-{self.number}")
        if ticket is None:
            return
        await self.until(self.plan["starts"] + self.rng.random())
        self.user, kept = f"thief-{self.number}", self.token
        if self.token:
            self.token = session(self.plan["secret"], self.user)
        self.expect(await self.order(ticket["id"], 0, ticket=ticket["ticket"]), "ticket_invalid")
        self.user, self.token = f"buyer-{self.number}", kept

    async def forged(self):
        await self.until(self.plan["starts"] - 1)
        ticket = await self.ticket(f"t-{self.number}")
        if ticket is None:
            return
        await self.until(self.plan["starts"] + self.rng.random())
        text = ticket["ticket"]
        at = self.rng.randrange(3, len(text) - 1)
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]
        self.expect(await self.order(ticket["id"], 0, ticket=changed), "ticket_invalid")


async def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    ways = OverZeroMq(plan["endpoints"]), OverHttp(plan["http_ports"])
    numbers = range(plan["first"], plan["first"] + plan["buyers"])
    buyers = [Buyer(plan, n, ways[n % 3 == 0]) for n in numbers]
    for told in await asyncio.gather(*(buyer.run() for buyer in buyers)):
        print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
