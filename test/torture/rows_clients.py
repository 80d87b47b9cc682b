"""F15, F16, F22, F43: messages spoiled between the nodes, clients that do not read, partitions, a
client that is killed with orders in its spool."""

import socket
import sys
from pathlib import Path

import msgpack
import zmq
import zmq.auth

from rig import pause
from rows import Row
from rows_strangers import of_tier, system_test

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "faults"))

from message_relay import Relay, Spoiler  # noqa: E402
from tcp_proxy import TcpProxy  # noqa: E402

from system import free_port_base  # noqa: E402

# Offsets of the broker's sockets, and how the node on the other side is connected to them.
WEBAPP_HOPS = (("push", 11), ("sub", 14))
BACKEND_HOPS = (("pull", 12), ("push", 13))
CONTROL = (20, 21)  # the supervisor's, which are left alone


def other_base(trial):
    """A second range of ports, for the relays in front of the broker."""
    while (base := free_port_base()) == trial.rig.system.base:
        pass
    return base


def system_key(trial):
    """The file with the system's keys, without which its nodes do not talk over tcp."""
    file = trial.rig.run / "system.key"
    if not file.exists():
        done = trial.rig.system.stampede("keys", "new", file)
        trial.expect(done.returncode == 0, done.stderr)
    return file


def start_behind(trial, role, base, **environment):
    """Supervisor and broker on the system's ports; the node `role` believes they are on `base`."""
    trial.rig.environment = {"STAMPEDE_NET__MODE": "tcp",
                             "STAMPEDE_CURVE__KEY_FILE": str(system_key(trial))}
    trial.rig.node(role, STAMPEDE_NET__PORT_BASE=str(base), **environment)
    trial.begin()


def control_proxies(trial, base):
    """The nodes' talk with the supervisor, untouched."""
    for offset in CONTROL:
        trial.close_later(TcpProxy(("127.0.0.1", trial.rig.system.base + offset), base + offset))


def addresses(trial):
    """The webapp's door that asks for no keys."""
    return [f"ipc://{trial.rig.run}/sock/clients-1"]


# --- F15 -----------------------------------------------------------------------------------------

def f15(trial):
    """Until so many messages were spoiled; then all pass, and everything has to come together."""
    role = ("webapp", "backend")[trial.number % 2]
    wanted = {"quick": 600, "long": 3000, "release": 10**6}[trial.tier]
    share = trial.random.uniform(0.01, 0.3)
    chances = {name: share * trial.random.random()
               for name in ("duplicate", "drop", "reorder", "damage")}
    trial.rig.fresh()
    base, theirs = other_base(trial), trial.rig.system.base
    control_proxies(trial, base)
    hops = [(kind, base + offset, theirs + offset)
            for kind, offset in (WEBAPP_HOPS if role == "webapp" else BACKEND_HOPS)]
    relay = trial.close_later(Relay(
        hops, lambda number: Spoiler(f"{trial.name}-{number}", **chances),
        zmq.auth.load_certificate(system_key(trial))))
    relay.on = False
    start_behind(trial, role, base)
    trial.sell(rate=1000, addresses=addresses(trial))
    trial.await_answers(40)
    relay.on = True
    messages = lambda: sum(one.counts["messages"] for one in relay.spoilers)
    while messages() < wanted:
        trial.answered_again(5, 90)
    relay.on = False
    for spoiler in relay.spoilers:
        for name, count in spoiler.counts.items():
            trial.note(name, count)
    trial.judge()


# --- F16 -----------------------------------------------------------------------------------------

class Deaf:
    """Clients that ask or subscribe and never read; connections that never say a word."""

    def __init__(self, trial):
        system = trial.rig.system
        self.context = zmq.Context()
        self.sockets = []
        for _ in range(5):
            news = self._socket(zmq.SUB, system.news)
            news.setsockopt(zmq.SUBSCRIBE, b"")
            asker = self._socket(zmq.DEALER, system.zmq)
            for _ in range(2000):
                asker.send(msgpack.packb({"op": "items", "limit": 500}), zmq.DONTWAIT)
        count = {"quick": 300, "long": 2000, "release": 10_000}[trial.tier]
        self.idle = [socket.create_connection(("127.0.0.1", system.http_port))
                     for _ in range(count)]
        for one in self.idle[::2]:  # half of them ask and do not read
            one.sendall(b"GET /v1/items HTTP/1.1\r\nHost: localhost\r\n\r\n")
        trial.note("idle_connections", count)

    def _socket(self, kind, address):
        one = self.context.socket(kind)
        for option, value in ((zmq.LINGER, 0), (zmq.RCVHWM, 1), (zmq.SNDHWM, 5000)):
            one.setsockopt(option, value)
        one.connect(address)
        self.sockets.append(one)
        return one

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.idle:
            one.close()
        self.context.destroy(linger=0)


def f16(trial):
    seconds = {"quick": 10, "long": 120, "release": 3600}[trial.tier]
    trial.start(stock=100_000)
    pids = sorted(trial.rig.node_pids())
    trial.close_later(Deaf(trial))
    before = trial.rig.system.memory("backend-1")
    trial.sell(rate=1500)
    pause(seconds)
    trial.answered_again(200)
    trial.expect(sorted(trial.rig.node_pids()) == pids, "a node ended because of deaf clients")
    grown = (trial.rig.system.memory("backend-1") - before) >> 20
    trial.expect(grown < 64, f"the backend grew by {grown} MiB")
    trial.judge()


# --- F22 -----------------------------------------------------------------------------------------

def cut_database(trial):
    proxy = trial.close_later(TcpProxy(str(trial.rig.run / "db" / "mysql.sock")))
    trial.begin(STAMPEDE_DB__URL=f"mysql://stampede@127.0.0.1:{proxy.port}/stampede")
    return [proxy], None


def cut_node(trial, role, hops):
    base, theirs = other_base(trial), trial.rig.system.base
    control_proxies(trial, base)
    proxies = [trial.close_later(TcpProxy(("127.0.0.1", theirs + offset), base + offset))
               for _, offset in hops]
    start_behind(trial, role, base)
    return proxies, addresses(trial)


def misbehave(trial, proxies):
    """One kind of partition on some of the connections, both ways or one, for a while."""
    chosen = proxies if trial.random.random() < 0.5 else [trial.random.choice(proxies)]
    kind = trial.random.choice(("partition", "up", "down", "reset", "delay", "cut"))
    trial.note(kind)
    for proxy in chosen:
        if kind == "partition":
            proxy.partition()
        elif kind in ("up", "down"):
            proxy.hold(kind)
        elif kind == "reset":
            proxy.reset()
        elif kind == "delay":
            proxy.delay = trial.random.uniform(0.01, 0.3)
        else:
            proxy.cut_after(trial.random.randrange(2000))
    trial.some_time(0.2, 3.0)
    for proxy in chosen:
        proxy.delay = 0.0
        proxy.heal()


def f22(trial):
    trial.rig.fresh()
    kind = trial.number % 3
    if kind == 0:
        proxies, where = cut_database(trial)
    elif kind == 1:
        proxies, where = cut_node(trial, "webapp", WEBAPP_HOPS)
    else:
        proxies, where = cut_node(trial, "backend", BACKEND_HOPS)
    trial.sell(rate=1000, addresses=where)
    trial.await_answers(40)
    for _ in range(3):
        misbehave(trial, proxies)
        trial.answered_again(20, 90)
    trial.judge()


# --- F43 -----------------------------------------------------------------------------------------

def f43(trial):
    """A system of its own; 0: at every call."""
    system_test(trial, "spool_test.py", "Spool", SPOOL_KILLS=of_tier(trial, 8, 0, 0),
                SPOOL_OUTAGE_S=of_tier(trial, 3, 10, 60))


ROWS = [
    Row("F15", "messages doubled, reordered, dropped, damaged", f15, (4, 20, 20),
        "10^4 messages / 10^6 / 10^7", limit_s=3600),
    Row("F16", "subscribers, askers, HTTP readers that do not read", f16, (1, 1, 1),
        "60 s / 10 min / 1 h", limit_s=4000),
    Row("F22", "partitions webapp-broker, broker-backend, backend-db", f22, (9, 45, 3000),
        "10 / 500 / 3000"),
    Row("F43", "the spooled client killed before its N-th outside call; system away", f43,
        (1, 1, 1), "8 calls, 3 s / all, 10 s / all, 60 s", limit_s=3000),
]
