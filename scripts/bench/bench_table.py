#!/usr/bin/python3 -Es
"""Turns the points of scripts/bench.sh into ratios, medians and ranges.

Usage: bench_table.py table POINTS OUT SCRATCH [KEY=VALUE...]   Markdown on stdout, JSON in OUT
       bench_table.py http POINTS TIMES ROWS STORED_US ROUND    adds P9's point
SCRATCH is where the servers kept their files, and has hdr/POINT-ROUND of `stampede bench --hdr`.
KEY missing.NAME=WHY is a peer that is not there, version.NAME=V a version.
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

from goals import ROWS, add_empty_memory

CURVES = ("P7", "P8")  # whose latencies are kept whole


def spread(values):
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "rounds": len(values), "values": values}


def together(one, other):
    """Two pieces of a load that was offered in turns with another one."""
    sums = lambda names, first, second: {name: first[name] + second[name] for name in names}
    counts = [name for name in ("offered", "confirmed", "rejected", "sold_out_for_now", "seconds")
              if name in one and name in other]
    both = {**one, **sums(counts, one, other)}
    if "tickets" in one:
        both["tickets"] = sums(("asked", "given", "seconds"), one["tickets"], other["tickets"])
    return both


def measured(lines):
    """{(point, side): {round: result}} of what ended well enough to be counted."""
    results = {}
    for line in lines:
        if line["result"] is None:
            continue
        rounds = results.setdefault((line["point"], line["side"]), {})
        before = rounds.get(line["round"])
        rounds[line["round"]] = together(before, line["result"]) if before else line["result"]
    # The same ceiling holds for a backlog and for a load, the published figure in every round.
    results.setdefault(("P5", "ceiling"), results.get(("P4", "ceiling"), {}))
    results[("P9", "published")] = results.get(("P9", "stampede"), {})
    add_empty_memory(results)
    return results


def figures(results, side):
    """{round: figure} of one side."""
    if side is None:
        return {}
    found = {r: side.figure(v) for r, v in results.get((side.point, side.side), {}).items()}
    again = results.get((side.point, side.side + "-again"), {})
    for r, value in ((r, side.figure(v)) for r, v in again.items()):
        found[r] = (found.get(r, value) + value) / 2
    return {r: v for r, v in found.items() if v is not None}


def met(row, value, bound):
    if bound is None:
        return None
    return value >= bound if row.more else value <= bound


def evaluate_row(row, results, missing):
    ours, peer = figures(results, row.ours), figures(results, row.peer)
    ratios = [ours[r] / peer[r] for r in sorted(ours) if peer.get(r)]
    entry = {"what": row.what, "unit": row.unit, "floor": row.floor, "goal": row.goal,
             "more_is_better": row.more, "peer_name": row.peer_name,
             "stampede": spread([ours[r] for r in sorted(ours)]),
             "peer": spread([peer[r] for r in sorted(peer)]), "ratio": spread(ratios)}
    if row.peer and row.peer_name in missing:
        entry["missing"] = f"{row.peer_name} ({missing[row.peer_name]})"
    counted = entry["ratio"] if row.peer else entry["stampede"]
    if counted:
        entry["floor_met"] = met(row, counted["median"], row.floor)
        entry["goal_met"] = met(row, counted["median"], row.goal)
    return entry


def evaluate(lines, missing=None):
    results = measured(lines)
    points = {row.name: evaluate_row(row, results, missing or {}) for row in ROWS}
    add_rows(points["P9"], list(results[("P9", "published")].values()))
    return points


def add_rows(entry, results):
    """P9 also asks that nothing is lost, and that all rows are there in time."""
    if not results:
        return
    entry["lost"] = max(r["answered"] - r["rows"] for r in results)
    entry["refused"] = max(r["refused"] for r in results)
    entry["stored_after"] = spread([r["stored_seconds"] / r["seconds"] for r in results])
    entry["floor_met"] = entry["floor_met"] and entry["lost"] == 0
    in_time = entry["stored_after"]["median"] <= 2 and entry["lost"] == 0
    entry["goal_met"] = entry["goal_met"] and in_time


# --- the table -----------------------------------------------------------------------------------

def number(value, unit):
    digits = 0 if unit in ("/s", "us", "bytes") else 2
    return f"{value:,.{digits}f}"


def shown(value, unit):
    if value is None:
        return "not measured"
    return (f"{number(value['median'], unit)} "
            f"({number(value['min'], unit)} .. {number(value['max'], unit)})")


def peer_shown(entry):
    if entry["peer_name"] is None:
        return "-"
    if entry["peer"] is None and "missing" in entry:
        return "missing: " + entry["missing"]
    return shown(entry["peer"], entry["unit"])


def bound_shown(entry, which):
    if entry[which] is None:
        return "-"
    unit = "x" if entry["peer_name"] else entry["unit"]
    text = f"{'>=' if entry['more_is_better'] else '<='} {number(entry[which], unit)}"
    verdict = entry.get(which + "_met")
    return text if verdict is None else text + (" met" if verdict else " not met")


def was_wanted(name, only):
    return only is None or re.match(r"P\d+", name)[0] in only.split(",")


def print_table(points, only=None):
    print("| point | what | Stampede | peer | ratio (min .. max) | floor | goal |")
    print("|---|---|---|---|---|---|---|")
    for name, entry in points.items():
        if not was_wanted(name, only):
            continue
        ratio = shown(entry["ratio"], "x") if entry["ratio"] else "-"
        print(f"| {name} | {entry['what']} | {shown(entry['stampede'], entry['unit'])} | "
              f"{peer_shown(entry)} | {ratio} | {bound_shown(entry, 'floor')} | "
              f"{bound_shown(entry, 'goal')} |")
    http = points["P9"]
    if "lost" in http:
        print(f"\nP9: lost {http['lost']} rows, refused {http['refused']}; all rows stored after "
              f"{shown(http['stored_after'], 'x')} x the request time (goal 2).")


# --- what it was measured on ---------------------------------------------------------------------

def disk_of(directory):
    """The file system that a directory lies on, and its device."""
    best = ("", "unknown", "unknown")
    where = str(Path(directory).resolve())
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, mount, kind = line.split()[:3]
        inside = where == mount or where.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[0]):
            best = (mount, device, kind)
    model = Path("/sys/class/block", Path(best[1]).name, "device/model")
    size = os.statvfs(where)
    return {"device": best[1], "filesystem": best[2],
            "model": model.read_text().strip() if model.exists() else "unknown",
            "size_gb": size.f_blocks * size.f_frsize // 10**9}


def machine(directory):
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal: *(\d+)", Path("/proc/meminfo").read_text())
    return {"cpu": cpu[1] if cpu else "unknown", "cores": os.cpu_count(),
            "memory_mb": int(memory[1]) // 1024, "kernel": platform.release(),
            "disk": disk_of(directory)}


def curves(scratch):
    """{point: {round: [[share, us]...]}} out of the HDR files."""
    found = {}
    for point in CURVES:
        for file in sorted(Path(scratch, "hdr").glob(point + "-*")):
            rows = [line.split() for line in file.read_text().splitlines()
                    if re.match(r"\s*\d", line)]
            found.setdefault(point, {})[file.name.partition("-")[2]] = [
                [float(row[1]), round(float(row[0]) * 1000, 1)] for row in rows]
    return found


def grouped_about(words):
    about = {"missing": {}, "versions": {}}
    for word in words:
        key, _, value = word.partition("=")
        group, _, name = key.partition(".")
        if group == "missing" and name:
            about["missing"][name] = value
        elif group == "version" and name:
            about["versions"][name] = value
        else:
            about[key] = value
    return about


def table(points_file, out, scratch, *words):
    lines = [json.loads(line) for line in Path(points_file).read_text().splitlines()]
    about = grouped_about(words)
    missing, package_versions = about.pop("missing"), about.pop("versions")
    points = evaluate(lines, missing)
    result = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
              "machine": machine(scratch), "about": about, "versions": package_versions,
              "missing": missing, "points": points, "latencies_us": curves(scratch),
              "rounds": lines}
    print_table(points, about.get("only"))
    here = result["machine"]
    print(f"\n{here['cpu']}, {here['cores']} cores, {here['memory_mb']} MB, "
          f"{here['disk']['filesystem']} on {here['disk']['device']}, kernel {here['kernel']}; " +
          ", ".join(f"{key} {value}" for key, value in about.items()) + f"; {result['time']}")
    print("versions: " + ", ".join(f"{k} {v}" for k, v in package_versions.items()))
    for name, why in missing.items():
        print(f"missing: {name} ({why})")
    Path(out).write_text(json.dumps(result, indent=1) + "\n")


def http(points_file, times, rows, stored_us, number_of_round):
    """wrk's own output has no room for this: start, end, answered, refused."""
    start, end, answered, refused = Path(times).read_text().split()
    seconds = (float(end) - float(start)) / 1e6
    result = {"answered": int(answered), "refused": int(refused), "seconds": seconds,
              "rows": int(rows), "stored_seconds": (float(stored_us) - float(start)) / 1e6}
    line = {"round": int(number_of_round), "point": "P9", "side": "stampede", "exit": 0,
            "result": result}
    with Path(points_file).open("a") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    {"table": table, "http": http}[sys.argv[1]](*sys.argv[2:])
