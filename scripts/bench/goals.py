"""The rows of the benchmark's table: whose figures, how they are computed, floor and goal.

A point is a line of measure.py: a result of one side in one round. A row compares a figure of ours
with one of a peer in the same round, or stands alone against an absolute floor and goal.
"""

import statistics
from dataclasses import dataclass
from typing import Callable, Optional

AHEAD = 1.0  # the floor where no other is named
MIAOSHA_PER_SECOND = 8528  # what artemis-disruptor-miaosha publishes (4-core laptop of 2014)


@dataclass(frozen=True)
class Side:
    point: str
    side: str
    figure: Callable  # of its result; None when it cannot be counted


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    unit: str
    ours: Side
    peer: Optional[Side] = None     # none: an absolute figure
    floor: Optional[float] = None   # none: no promise is made about this peer
    goal: Optional[float] = None
    more: bool = True               # is more better?

    @property
    def peer_name(self):
        return self.peer.side if self.peer else None


def per_second(count, seconds):
    return count / seconds if seconds else None


def answers(result):
    return result["confirmed"] + result["rejected"] + result.get("sold_out_for_now", 0)


def answered(result):
    return per_second(answers(result), result["seconds"])


def offered(result):
    return per_second(result["offered"], result["seconds"])


def end_to_end(result):
    if not result.get("stored_seconds") or result["stored"] != result.get(
            "confirmed", result["stored"]):
        return None
    return per_second(result["offered"], max(result["stored_seconds"], result["seconds"]))


def drained(result):
    complete = result.get("rows") == result["confirmed"]
    return per_second(result["rows"], result["drain_seconds"]) if complete else None


def stored_meanwhile(result):
    return per_second(result["rows_during"], result["wall_seconds"])


def rows_inserted(result):
    return per_second(result["stored"], result["stored_seconds"])


def cpu_of_all(result):
    return sum(result["cpu_seconds"].values()) * 1e5 / result["offered"]


def cpu_of_peer(result):
    return result["cpu_s"] * 1e5 / result["offered"]


def chain(result):
    return result["chain_p50_us"] + result["sync_p50_us"]


def of(name):
    return lambda result: result[name]


def sold_out_flood(result):
    return answered(result) if result["confirmed"] == 1 else None


def with_tickets(result):
    """Every order had a ticket, and was bought or told that nothing is left."""
    whole = result["tickets"]["given"] == result["offered"] == answers(result)
    return answered(result) if whole else None


def tickets_given(result):
    return per_second(result["tickets"]["given"], result["tickets"]["seconds"])


def restart(database):
    return lambda result: result[database]["ready_seconds"]


def scanned(result):
    return per_second(result["answering"]["records"], result["answering"]["replay_seconds"])


def grown_by(before, after, count):
    """Few entries take less than the memory that was made ahead of them: nothing to be seen."""
    return (after - before) / count if before is not None and after > before else None


def bytes_of_id(result):
    return grown_by(result["rss_items_bytes"], result["rss_ids_bytes"], result["ids"])


def bytes_of_item(result):
    return grown_by(result.get("rss_empty_bytes"), result["rss_items_bytes"], result["items"])


def mine(point, figure):
    return Side(point, "stampede", figure)


def add_empty_memory(results):
    """What an item costs is known beside a system that has one item only."""
    empty = [r["rss_empty_bytes"] for r in results.get(("P10", "stampede"), {}).values()]
    for memory in results.get(("P11", "memory"), {}).values():
        memory["rss_empty_bytes"] = statistics.median(empty) if empty else None


def stored_rows(load, what):
    ours = mine(load, end_to_end)
    rows = [
        Row(load, f"end to end orders/s, {what} : Redis + drain", "/s", ours,
            Side(load, "redis", end_to_end), 1.75, 3.0),
        Row(load + "/tigerbeetle", f"end to end orders/s, {what} : TigerBeetle", "/s", ours,
            Side(load, "tigerbeetle", end_to_end), 1.0, 1.3),
        Row(load + "/nats", f"end to end orders/s, {what} : NATS JetStream + drain", "/s", ours,
            Side(load, "nats", end_to_end), AHEAD),
        Row(load + "/mariadb", f"end to end orders/s, {what} : MariaDB procedure", "/s", ours,
            Side(load, "mariadb", end_to_end), AHEAD)]
    return rows


P1 = mine("P1", answered)
ROWS = [
    Row("P1", "durable answers/s : Redis Lua, AOF always, 2 x 1000", "/s", P1,
        Side("P1", "redis", offered), 3.0, 5.0),
    Row("P1/nats", "durable answers/s : NATS JetStream, its answers not synced", "/s", P1,
        Side("P3-hot", "nats", offered), AHEAD),
    Row("P1/mariadb", "durable answers/s : MariaDB procedure", "/s", P1,
        Side("P3-hot", "mariadb", offered), AHEAD),
    Row("P2", "durable answers/s, batches of 64 : Redis Lua, 256 a call", "/s",
        mine("P2", answered), Side("P2", "redis", offered), 8.0, 20.0),
    Row("P2/tigerbeetle", "durable answers/s, batches of 64 : TigerBeetle", "/s",
        mine("P2", answered), Side("P2", "tigerbeetle", offered), 6.0, 15.0),
    *stored_rows("P3-hot", "one item"),
    *stored_rows("P3-uniform", "many items"),
    Row("P4-hot", "backlog rows/s, one item : INSERT alone, 2 connections", "/s",
        mine("P4-hot", drained), Side("P4", "ceiling", rows_inserted), 0.6, 0.9),
    Row("P4-uniform", "backlog rows/s, many items : INSERT alone, 2 connections", "/s",
        mine("P4-uniform", drained), Side("P4", "ceiling", rows_inserted), 0.6, 0.9),
    Row("P5", "rows/s under full load : INSERT alone, 2 connections", "/s",
        mine("P5", stored_meanwhile), Side("P5", "ceiling", rows_inserted), 0.25, 0.5),
    Row("P6-accept", "CPU s of 100,000 orders, accepting : Redis", "s", mine("P1", cpu_of_all),
        Side("P1", "redis", cpu_of_peer), 1 / 2, 1 / 3.5, False),
    Row("P6-stored", "CPU s of 100,000 orders, end to end : Redis + drain", "s",
        mine("P6", cpu_of_all), Side("P3-hot", "redis", cpu_of_peer), 1 / 1.6, 1 / 2.5, False),
    Row("P7", "one order in flight, p50 : bare chain + fdatasync", "us",
        mine("P7", of("p50_us")), Side("P7", "chain", chain), 2.0, 1.05, False),
    Row("P7/redis", "one order in flight, p50 : Redis, one hop", "us", mine("P7", of("p50_us")),
        Side("P7", "redis", of("p50_us")), more=False),
    Row("P8", "p99 with 2000 open : Redis 2 x 1000", "us", mine("P8", of("p99_us")),
        Side("P1", "redis", of("p99_us")), 1.0, 1 / 3, False),
    Row("P9", "HTTP orders/s, 300 connections : published 8,528", "/s",
        mine("P9", lambda r: per_second(r["answered"], r["seconds"])),
        Side("P9", "published", lambda r: MIAOSHA_PER_SECOND), 4.0, 10.0),
    Row("P10", "from a kill until it serves, all orders owed, database answers", "s",
        mine("P10", restart("answering")), None, 5.0, 1.0, False),
    Row("P10-hanging", "the same while the database takes connections and says nothing", "s",
        mine("P10", restart("hanging")), None, 5.0, 1.0, False),
    Row("P10-scan", "records/s read when starting", "/s", mine("P10", scanned), None, None, 2e6),
    Row("P11", "answers/s with all items and ids : one item and none", "/s",
        mine("P11", answered), mine("P11-one", answered), 0.7, 0.95),
    Row("P11-id", "bytes of memory for a remembered request id", "bytes",
        Side("P11", "memory", bytes_of_id), None, None, 64.0, False),
    Row("P11-item", "bytes of memory for an item, its name included", "bytes",
        Side("P11", "memory", bytes_of_item), None, None, 48.0, False),
    Row("P12", "answers/s, one unit for all : the load of P1, in turns", "/s",
        mine("P12", sold_out_flood), mine("P12-half", answered), 1.2, 1.5),
    Row("P13", "answers/s with promo, limit, time to pay, tickets : the load of P1, in turns",
        "/s", mine("P13", with_tickets), mine("P13-half", answered), 0.85, 0.95),
    Row("P13-tickets", "tickets given a second", "/s", mine("P13", tickets_given)),
]
