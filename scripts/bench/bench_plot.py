#!/usr/bin/python3 -Es
"""Draws a result of scripts/bench.sh: throughput against the peers, latency percentiles, growth.

Usage: bench_plot.py RESULT.json OUT.svg
Medians of the rounds; thin lines reach from the smallest to the largest. The picture follows the
reader's light or dark theme. What was not measured is left out, what is missing is named.
Exit: 0 drawn, 1 the result cannot be read, 2 wrong use.
"""

import json
import math
import statistics
import sys
from html import escape
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 960, 900, 24
STYLE = """
svg { color-scheme: light dark; }
text { font: 12px system-ui, 'DejaVu Sans', sans-serif; fill: #1f2328; }
.title { font-size: 17px; font-weight: 600; } .head { font-size: 14px; font-weight: 600; }
.quiet { fill: #59636e; } .right { text-anchor: end; } .middle { text-anchor: middle; }
.ours { fill: #1a63d8; } .peer { fill: #8c959f; } .range { stroke: #1f2328; stroke-width: 1.5; }
.axis { stroke: #59636e; } .grid { stroke: #d1d9e0; } .paper { fill: #ffffff; }
.line { fill: none; stroke-width: 2; } .c0 { stroke: #1a63d8; } .c1 { stroke: #7d3cc9; }
.c2 { stroke: #b35900; } .c3 { stroke: #1a7f37; } .c4 { stroke: #bf3989; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .quiet { fill: #9198a1; } .ours { fill: #58a6ff; } .peer { fill: #6e7681; }
.range { stroke: #e6edf3; } .axis { stroke: #9198a1; } .grid { stroke: #30363d; }
.paper { fill: #0d1117; } .c0 { stroke: #58a6ff; } .c1 { stroke: #bc8cff; } .c2 { stroke: #f0a050; }
.c3 { stroke: #56d364; } .c4 { stroke: #f778ba; }
}
"""
NAMES = {"redis": "Redis Lua", "nats": "NATS JetStream", "mariadb": "MariaDB procedure",
         "tigerbeetle": "TigerBeetle"}
THROUGHPUT = (
    ("Durable answers, one order a message", ("P1", "P1/nats", "P1/mariadb")),
    ("Durable answers, batches (64; Redis 256)", ("P2", "P2/tigerbeetle")),
    ("Stored in MariaDB, one item",
     ("P3-hot", "P3-hot/tigerbeetle", "P3-hot/nats", "P3-hot/mariadb")),
    ("Stored in MariaDB, many items",
     ("P3-uniform", "P3-uniform/tigerbeetle", "P3-uniform/nats", "P3-uniform/mariadb")))
NINES = ((0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %"))


class Picture:
    def __init__(self):
        self.parts = []

    def text(self, x, y, words, look=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{look}">{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, look):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'class="{look}"/>')

    def bar(self, x, y, width, height, look):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" '
                          f'height="{height:.1f}" class="{look}"/>')

    def curve(self, points, look):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" class="line {look}"/>')

    def svg(self, description):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
                f'role="img" aria-label="{escape(description, quote=True)}">\n'
                f"<style>{STYLE}</style>\n"
                f'<rect width="{WIDTH}" height="{HEIGHT}" class="paper"/>\n' +
                "\n".join(self.parts) + "\n</svg>\n")


def short(value):
    """1234567 -> 1.23 M"""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            scaled = value / size
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f} {unit}"
    return f"{value:.0f}"


def whole(value):
    """Round numbers without their zeros: 5000 -> 5 k"""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def round_step(largest, steps=4):
    """The step of an axis: 1, 2 or 5 times a power of ten."""
    rough = largest / steps
    power = 10 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough)


def bars_panel(picture, left, top, width, heading, rows, unit):
    """rows: (name, spread, look). Horizontal bars on an axis that starts at 0."""
    picture.text(left, top, heading, "head")
    rows = [row for row in rows if row[1]]
    if not rows:
        return picture.text(left, top + 20, "not measured", "quiet")
    label, right = 140, 58
    step = round_step(max(row[1]["max"] for row in rows))
    end = step * math.ceil(max(row[1]["max"] for row in rows) / step)
    scale = (width - label - right) / end
    x0, y0, bottom = left + label, top + 12, top + 16 + 26 * len(rows)
    for tick in range(round(end / step) + 1):
        x = x0 + tick * step * scale
        picture.line(x, y0, x, bottom, "axis" if tick == 0 else "grid")
        picture.text(x, bottom + 14, whole(tick * step), "quiet middle")
    picture.text(x0 + end * scale / 2, bottom + 30, unit, "quiet middle")
    for at, (name, value, look) in enumerate(rows):
        y = y0 + 6 + 26 * at
        picture.text(x0 - 8, y + 13, name, "right")
        picture.bar(x0, y, value["median"] * scale, 18, look)
        picture.line(x0 + value["min"] * scale, y + 9, x0 + value["max"] * scale, y + 9, "range")
        picture.text(x0 + value["max"] * scale + 6, y + 13, short(value["median"]))


def throughput_rows(points, names):
    entries = [points[name] for name in names if name in points]
    ours = entries[0]["stampede"] if entries else None
    return [("Stampede", ours, "ours")] + [
        (NAMES.get(entry["peer_name"], entry["peer_name"]), entry["peer"], "peer")
        for entry in entries]


def at_share(curve, share):
    """Microseconds at a share of an HDR curve: those of the first line that reaches it."""
    return next((us for reached, us in curve if reached >= share), curve[-1][1])


def latency_lines(result):
    """[(name, [(share, us)...])]: ours from the HDR files, the peers from what they print."""
    lines = []
    for point, name in (("P7", "Stampede, 1 open"), ("P8", "Stampede, 2000 open")):
        curves = list(result["latencies_us"].get(point, {}).values())
        if curves:
            lines.append((name, [(share, statistics.median(at_share(c, share) for c in curves))
                                 for share, _ in NINES]))
    for point, side, name in (("P7", "redis", "Redis, 1 open"),
                              ("P1", "redis", "Redis, 2 x 1000 open"),
                              ("P3-hot", "nats", "NATS, 2000 open")):
        found = [line["result"] for line in result["rounds"] if line["result"] and
                 line["point"] == point and line["side"] == side]
        if found:
            keys = zip((share for share, _ in NINES),
                       ("p50_us", "p90_us", "p99_us", "p999_us", "p9999_us"))
            lines.append((name, [(share, statistics.median(r[key] for r in found))
                                 for share, key in keys]))
    return lines


def latency_panel(picture, left, top, width, height, lines):
    picture.text(left, top, "Latency of a durable answer (both axes logarithmic)", "head")
    if not lines:
        return picture.text(left, top + 20, "not measured", "quiet")
    values = [us for _, line in lines for _, us in line if us > 0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    x0, x1, y0, y1 = left + 64, left + width - 170, top + 16, top + height - 40
    def place(share, us):
        x = x0 + (math.log10(1 / (1 - share)) - math.log10(2)) / (4 - math.log10(2)) * (x1 - x0)
        return x, y1 - (math.log10(max(us, 10**low)) - low) / (high - low) * (y1 - y0)
    for power in range(low, high + 1):
        y = place(0.5, 10**power)[1]
        picture.line(x0, y, x1, y, "axis" if power == low else "grid")
        us = 10**power
        picture.text(x0 - 8, y + 4, f"{us / 1000:g} ms" if us >= 1000 else f"{us:g} us",
                     "quiet right")
    for share, name in NINES:
        x = place(share, 10**low)[0]
        picture.line(x, y0, x, y1, "grid")
        picture.text(x, y1 + 16, name, "quiet middle")
    picture.text((x0 + x1) / 2, y1 + 34, "share of the orders that were answered by then",
                 "quiet middle")
    drawn = [(name, [place(share, us) for share, us in line], f"c{number}")
             for number, (name, line) in enumerate(lines)]
    free = y1  # names stand in the order of the lines' ends, from below, none on another
    for name, spots, look in sorted(drawn, key=lambda line: -line[1][-1][1]):
        picture.curve(spots, look)
        y = min(spots[-1][1], free)
        free = y - 15
        picture.line(*spots[-1], x1 + 8, y, "axis")
        picture.text(x1 + 12, y + 4, name)


def growth_note(points):
    words = []
    for name, text in (("P11-id", "bytes for a remembered id"), ("P11-item", "bytes for an item")):
        if name in points and points[name]["stampede"]:
            words.append(f"{points[name]['stampede']['median']:.0f} {text}")
    if "P10" in points and points["P10"]["stampede"]:
        words.append(f"{points['P10']['stampede']['median']:.2f} s from a kill to serving again")
    return "; ".join(words)


def grown_name(about):
    return (f"{whole(int(about.get('growth_items', 0)))} items, "
            f"{whole(int(about.get('growth_ids', 0)))} ids")


def described(result):
    here, about = result["machine"], result["about"]
    quick = "QUICK RUN, figures mean little. " if about.get("quick") == "true" else ""
    return (f"{quick}{here['cpu']}, {here['cores']} cores shared by all, "
            f"{here['disk']['filesystem']}, kernel {here['kernel']}; commit {about['commit']}, "
            f"median of {about['rounds']} rounds, {result['time'][:10]}")


def draw(result):
    picture, points = Picture(), result["points"]
    column = (WIDTH - 3 * MARGIN) / 2
    picture.text(MARGIN, 32, "Stampede and its peers, side by side on one machine", "title")
    picture.text(MARGIN, 52, described(result), "quiet")
    for at, (heading, names) in enumerate(THROUGHPUT):
        bars_panel(picture, MARGIN + (at % 2) * (column + MARGIN), 86 + (at // 2) * 180, column,
                   heading, throughput_rows(points, names), "orders/s")
    latency_panel(picture, MARGIN, 456, WIDTH - 2 * MARGIN, 250, latency_lines(result))
    grown = points.get("P11", {"stampede": None, "peer": None})
    bars_panel(picture, MARGIN, 740, WIDTH - 2 * MARGIN, "Growth",
               [("1 item, no ids", grown["peer"], "peer"),
                (grown_name(result["about"]), grown["stampede"], "ours")], "answers/s")
    picture.text(MARGIN, HEIGHT - 38, growth_note(points))
    notes = ["NATS acknowledges before its file is synced"]
    notes += [f"missing: {NAMES.get(name, name)} ({why})"
              for name, why in result["missing"].items()]
    picture.text(MARGIN, HEIGHT - 16, "; ".join(notes), "quiet")
    return picture.svg("Benchmark of Stampede: throughput, latency, growth. " + described(result))


def main(words):
    if len(words) != 2 or words[0] in ("--help", "-h"):
        print(__doc__.strip())
        return 0 if words[:1] in (["--help"], ["-h"]) else 2
    try:
        result = json.loads(Path(words[0]).read_text())
        picture = draw(result)
    except (OSError, ValueError, KeyError) as error:
        print(f"bench_plot.py: {words[0]} is no result of scripts/bench.sh: {error!r}",
              file=sys.stderr)
        return 1
    Path(words[1]).write_text(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
