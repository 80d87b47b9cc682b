#!/usr/bin/python3
"""Turns the points of scripts/bench.sh into ratios, medians and ranges.

Usage: bench_table.py table POINTS OUT [KEY=VALUE...]   Markdown on stdout, JSON in OUT
       bench_table.py http POINTS TIMES ROWS STORED_US ROUND   adds P9's point
Exit: 0.
"""

import json
import os
import platform
import re
import statistics
import sys
import time
from pathlib import Path

MIAOSHA_PER_SECOND = 8528  # what artemis-disruptor-miaosha publishes (4-core laptop of 2014)

# Point -> (what, unit of both sides, floor, goal, more is better).
GOALS = {
    "P1": ("durable answers/s : Redis Lua, AOF always, 2 x 1000", "/s", 2.0, 5.0, True),
    "P3-hot": ("end to end orders/s, one item : Redis + drain", "/s", 1.75, 3.0, True),
    "P3-uniform": ("end to end orders/s, 10,000 items : Redis + drain", "/s", 1.75, 3.0, True),
    "P7": ("one order in flight, p50 : bare chain + fdatasync", "us", 2.0, 1.05, False),
    "P8": ("p99 with 2000 open : Redis 2 x 1000", "us", 1.0, 1 / 3, False),
    "P9": ("HTTP orders/s, 300 connections : published 8,528", "/s", 4.0, 10.0, True),
}


def per_second(count, seconds):
    return count / seconds if seconds else None


def ours(point, result):
    """The figure of Stampede for a point; nothing when it was not measured."""
    if point == "P1":
        return per_second(result["offered"] - result["no_answer"], result["seconds"])
    if point.startswith("P3"):
        if not result.get("stored_seconds") or result["stored"] != result["confirmed"]:
            return None
        return per_second(result["offered"], max(result["stored_seconds"], result["seconds"]))
    if point == "P7":
        return result["p50_us"]
    if point == "P8":
        return result["p99_us"]
    return per_second(result["answered"], result["seconds"])


def theirs(point, result):
    if point == "P1":
        return per_second(result["offered"], result["seconds"])
    if point.startswith("P3"):
        return per_second(result["offered"], max(result["stored_seconds"], result["seconds"]))
    if point == "P7":
        return result["chain_p50_us"] + result["sync_p50_us"]
    return result["p99_us"]


def spread(values):
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "rounds": len(values)}


def measured(lines):
    """{(point, side): {round: result}} of what ended well enough to be counted."""
    results = {}
    for line in lines:
        if line["result"] is not None:
            results.setdefault((line["point"], line["side"]), {})[line["round"]] = line["result"]
    return results


def evaluate(lines):
    results = measured(lines)
    points = {}
    for point, (what, unit, floor, goal, more) in GOALS.items():
        mine = {r: ours(point, v) for r, v in results.get((point, "stampede"), {}).items()}
        mine = {r: v for r, v in mine.items() if v}
        # Redis' latency is that of the run that measures its rate.
        peer_of = {"P7": ("P7", "chain"), "P8": ("P1", "redis")}.get(point, (point, "redis"))
        peer = {r: theirs(point, v) for r, v in results.get(peer_of, {}).items()}
        for r, again in results.get((point, "chain-again"), {}).items():
            peer[r] = (peer.get(r, theirs(point, again)) + theirs(point, again)) / 2
        if point == "P9":
            peer = {r: MIAOSHA_PER_SECOND for r in mine}
        ratios = [mine[r] / peer[r] for r in mine if peer.get(r)]
        entry = {"what": what, "unit": unit, "floor": floor, "goal": goal,
                 "stampede": spread(list(mine.values())), "peer": spread(list(peer.values())),
                 "ratio": spread(ratios)}
        if ratios:
            ratio = entry["ratio"]["median"]
            entry["floor_met"] = ratio >= floor if more else ratio <= floor
            entry["goal_met"] = ratio >= goal if more else ratio <= goal
        if point == "P9":
            add_rows(entry, list(results.get(("P9", "stampede"), {}).values()))
        points[point] = entry
    return points


def add_rows(entry, results):
    """P9 also asks that nothing is lost, and that all rows are there in time."""
    if not results:
        return
    entry["lost"] = max(r["answered"] - r["rows"] for r in results)
    entry["refused"] = max(r["refused"] for r in results)
    entry["stored_after"] = spread([r["stored_seconds"] / r["seconds"] for r in results])
    entry["floor_met"] = entry.get("floor_met", False) and entry["lost"] == 0
    in_time = entry["stored_after"]["median"] <= 2 and entry["lost"] == 0
    entry["goal_met"] = entry.get("goal_met", False) and in_time


def shown(value, unit):
    if value is None:
        return "missing"
    digits = 0 if unit in ("/s", "us") else 2
    low, high = value["min"], value["max"]
    return f"{value['median']:,.{digits}f} ({low:,.{digits}f} .. {high:,.{digits}f})"


def print_table(points):
    print("| point | what | Stampede | peer | ratio (min .. max) | floor | goal |")
    print("|---|---|---|---|---|---|---|")
    for name, point in points.items():
        sign = ">=" if GOALS[name][4] else "<="
        def verdict(of):
            if f"{of}_met" not in point or point["ratio"] is None:
                return f"{sign} {point[of]:.2f}"
            return f"{sign} {point[of]:.2f} {'met' if point[f'{of}_met'] else 'not met'}"
        print(f"| {name} | {point['what']} | {shown(point['stampede'], point['unit'])} | "
              f"{shown(point['peer'], point['unit'])} | {shown(point['ratio'], 'x')} | "
              f"{verdict('floor')} | {verdict('goal')} |")
    http = points["P9"]
    if "lost" in http:
        print(f"\nP9: lost {http['lost']} rows, refused {http['refused']}; all rows stored after "
              f"{shown(http['stored_after'], 'x')} x the request time (goal 2).")


def machine():
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal: *(\d+)", Path("/proc/meminfo").read_text())
    return {"cpu": cpu[1] if cpu else "unknown", "cores": os.cpu_count(),
            "memory_mb": int(memory[1]) // 1024, "kernel": platform.release()}


def table(points_file, out, *words):
    lines = [json.loads(line) for line in Path(points_file).read_text().splitlines()]
    about = dict(word.split("=", 1) for group in words for word in group.split())
    points = evaluate(lines)
    result = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": machine(),
              "about": about, "points": points, "rounds": lines}
    print_table(points)
    here = result["machine"]
    described = ", ".join(f"{key} {value}" for key, value in about.items())
    print(f"\n{here['cpu']}, {here['cores']} cores, {here['memory_mb']} MB, "
          f"kernel {here['kernel']}; {described}; {result['time']}")
    Path(out).write_text(json.dumps(result, indent=2) + "\n")


def http(points_file, times, rows, stored_us, number):
    """wrk's own output has no room for this: start, end, answered, refused."""
    start, end, answered, refused = Path(times).read_text().split()
    seconds = (float(end) - float(start)) / 1e6
    result = {"answered": int(answered), "refused": int(refused), "seconds": seconds,
              "rows": int(rows), "stored_seconds": (float(stored_us) - float(start)) / 1e6}
    line = {"round": int(number), "point": "P9", "side": "stampede", "exit": 0, "result": result}
    with Path(points_file).open("a") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    {"table": table, "http": http}[sys.argv[1]](*sys.argv[2:])
