#!/usr/bin/python3
"""The benchmark's table and plot, from points made by hand."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS / "bench")]
import bench_plot  # noqa: E402  (the path comes first)
import bench_table  # noqa: E402
import measure  # noqa: E402
from goals import ROWS  # noqa: E402


def point(round_number, name, side, **result):
    return {"round": round_number, "point": name, "side": side, "exit": 0, "result": result}


def load(seconds, **more):
    """1000 orders of ours, half of them accepted."""
    return {"offered": 1000, "confirmed": 500, "rejected": 500, "no_answer": 0,
            "seconds": seconds, "p50_us": 100, "p99_us": 4000,
            "cpu_seconds": {"backend-1": 0.002, "command": 0.001}} | more


def peer(seconds, **more):
    return {"offered": 1000, "accepted": 500, "seconds": seconds, "stored": 500,
            "stored_seconds": 2 * seconds, "cpu_s": 0.012, "p50_us": 900, "p90_us": 2000,
            "p99_us": 16000, "p999_us": 20000, "p9999_us": 20500, "max_us": 21000,
            "ok": True} | more


def three_rounds():
    """Ours is 4, 5 and 8 times as fast as Redis; the third of the peer's rounds failed."""
    lines = []
    for number, seconds in ((1, 0.25), (2, 0.2), (3, 0.125)):
        lines.append(point(number, "P1", "stampede", **load(seconds)))
        lines.append(point(number, "P1", "redis", **peer(1.0)))
    return lines


def nine(answered=100, rows=100, seconds=1.0, stored_seconds=1.5):
    return point(1, "P9", "stampede", answered=answered, rows=rows, refused=0, seconds=seconds,
                 stored_seconds=stored_seconds)


class Rows(unittest.TestCase):
    def test_the_ratio_is_the_median_of_the_rounds_own_ratios(self):
        row = bench_table.evaluate(three_rounds())["P1"]
        self.assertEqual(row["ratio"]["median"], 5)
        self.assertEqual((row["ratio"]["min"], row["ratio"]["max"]), (4, 8))
        self.assertEqual(row["ratio"]["values"], [4, 5, 8])
        self.assertEqual(row["stampede"]["median"], 5000)
        self.assertTrue(row["floor_met"] and row["goal_met"])

    def test_a_round_without_the_peer_has_no_ratio(self):
        lines = [line for line in three_rounds() if (line["round"], line["side"]) != (3, "redis")]
        self.assertEqual(bench_table.evaluate(lines)["P1"]["ratio"]["values"], [4, 5])

    def test_a_point_that_failed_counts_nothing(self):
        lines = three_rounds()
        lines[0]["result"] = None
        self.assertEqual(bench_table.evaluate(lines)["P1"]["ratio"]["values"], [5, 8])

    def test_only_answers_count_for_the_rate_of_answers(self):
        lines = [point(1, "P1", "stampede", **load(1.0, confirmed=100, errors=400)),
                 point(1, "P1", "redis", **peer(1.0))]
        self.assertEqual(bench_table.evaluate(lines)["P1"]["ratio"]["median"], 0.6)

    def test_orders_that_are_not_all_stored_have_no_end(self):
        lines = [point(1, "P3-hot", "stampede", **load(1.0, stored=499, stored_seconds=2.0)),
                 point(1, "P3-hot", "redis", **peer(1.0))]
        row = bench_table.evaluate(lines)["P3-hot"]
        self.assertIsNone(row["stampede"])
        self.assertNotIn("goal_met", row)
        lines[0]["result"]["stored"] = 500
        self.assertEqual(bench_table.evaluate(lines)["P3-hot"]["ratio"]["median"], 1)

    def test_less_is_better_for_cpu_and_latency(self):
        points = bench_table.evaluate(three_rounds())
        self.assertAlmostEqual(points["P6-accept"]["ratio"]["median"], 0.25)
        self.assertTrue(points["P6-accept"]["goal_met"])
        lines = [point(1, "P8", "stampede", **load(1.0, p99_us=15000)),
                 point(1, "P1", "redis", **peer(1.0))]
        row = bench_table.evaluate(lines)["P8"]
        self.assertTrue(row["floor_met"])
        self.assertFalse(row["goal_met"])

    def test_the_chain_is_measured_on_both_sides_of_ours(self):
        lines = [point(1, "P7", "stampede", p50_us=300),
                 point(1, "P7", "chain", chain_p50_us=100, sync_p50_us=100),
                 point(1, "P7", "chain-again", chain_p50_us=300, sync_p50_us=100)]
        self.assertEqual(bench_table.evaluate(lines)["P7"]["ratio"]["median"], 1)

    def test_a_backlog_counts_only_when_every_row_is_there(self):
        lines = [point(1, "P4-hot", "stampede", confirmed=1000, rows=1000, drain_seconds=2.0),
                 point(1, "P4", "ceiling", **peer(1.0, stored=1000, stored_seconds=1.0)),
                 point(1, "P5", "stampede", confirmed=500, rows_during=250, wall_seconds=1.0)]
        points = bench_table.evaluate(lines)
        self.assertEqual(points["P4-hot"]["ratio"]["median"], 0.5)
        self.assertFalse(points["P4-hot"]["floor_met"])
        self.assertEqual(points["P5"]["ratio"]["median"], 0.25)  # the same ceiling
        lines[0]["result"]["rows"] = 999
        self.assertIsNone(bench_table.evaluate(lines)["P4-hot"]["stampede"])

    def test_p9_asks_for_every_row_and_for_rows_in_time(self):
        fast = bench_table.evaluate([nine(answered=100_000, rows=100_000)])["P9"]
        self.assertTrue(fast["floor_met"] and fast["goal_met"])
        late = bench_table.evaluate([nine(100_000, 100_000, stored_seconds=2.5)])["P9"]
        self.assertTrue(late["floor_met"])
        self.assertFalse(late["goal_met"])
        lost = bench_table.evaluate([nine(answered=100_000, rows=99_999)])["P9"]
        self.assertEqual(lost["lost"], 1)
        self.assertFalse(lost["floor_met"] or lost["goal_met"])

    def test_recovery_and_growth_are_held_against_a_small_system(self):
        start = {"ready_seconds": 0.8, "replay_seconds": 0.5, "records": 1_500_000}
        lines = [point(1, "P10", "stampede", load=load(0.1), rss_empty_bytes=1000,
                       hanging=start | {"ready_seconds": 6.0}, answering=start),
                 point(1, "P11-one", "stampede", **load(0.1)),
                 point(1, "P11", "stampede", **load(0.125)),
                 point(1, "P11", "memory", items=100, ids=1000, rss_items_bytes=5000,
                       rss_ids_bytes=75000)]
        points = bench_table.evaluate(lines)
        self.assertTrue(points["P10"]["goal_met"])
        self.assertFalse(points["P10-hanging"]["floor_met"])
        self.assertEqual(points["P10-scan"]["stampede"]["median"], 3e6)
        self.assertAlmostEqual(points["P11"]["ratio"]["median"], 0.8)
        self.assertEqual(points["P11-id"]["stampede"]["median"], 70)
        self.assertFalse(points["P11-id"]["goal_met"])
        self.assertEqual(points["P11-item"]["stampede"]["median"], 40)

    def test_a_flood_that_sold_more_than_the_one_unit_does_not_count(self):
        lines = [point(1, "P12-half", "stampede", **load(0.25)),
                 point(1, "P12", "stampede", **load(0.1, confirmed=2))]
        self.assertIsNone(bench_table.evaluate(lines)["P12"]["stampede"])
        lines[-1]["result"].update(confirmed=1, rejected=999)
        self.assertEqual(bench_table.evaluate(lines)["P12"]["ratio"]["median"], 2.5)

    def test_the_pieces_of_a_load_count_together_in_their_round(self):
        lines = [point(1, "P12", "stampede", **load(0.5, confirmed=1, rejected=999)),
                 point(1, "P12-half", "stampede", **load(0.75)),
                 point(1, "P12-half", "stampede", **load(0.25)),
                 point(1, "P12", "stampede", **load(1.5, confirmed=0, rejected=1000)),
                 point(2, "P12", "stampede", **load(0.5, confirmed=1, rejected=999))]
        row = bench_table.evaluate(lines)["P12"]
        self.assertEqual(row["stampede"]["values"], [1000, 2000])
        self.assertEqual(row["ratio"]["values"], [0.5])
        lines[3]["result"]["confirmed"] = 1  # the unit was sold twice
        self.assertEqual(bench_table.evaluate(lines)["P12"]["ratio"], None)

    def test_orders_with_tickets_count_when_all_had_one_and_tickets_by_themselves(self):
        piece = lambda seconds, given: {
            **load(seconds), "tickets": {"asked": 1000, "given": given, "seconds": 0.5}}
        lines = [point(1, "P13", "stampede", **piece(0.5, 1000)),
                 point(1, "P13-half", "stampede", **load(0.25)),
                 point(1, "P13-half", "stampede", **load(0.75)),
                 point(1, "P13", "stampede", **piece(1.5, 1000))]
        points = bench_table.evaluate(lines)
        self.assertEqual(points["P13"]["stampede"]["values"], [1000])
        self.assertEqual(points["P13"]["ratio"]["values"], [0.5])
        self.assertFalse(points["P13"]["floor_met"])
        self.assertEqual(points["P13-tickets"]["stampede"]["values"], [2000])
        lines[0]["result"]["tickets"]["given"] = 999
        self.assertIsNone(bench_table.evaluate(lines)["P13"]["ratio"])

    def test_every_goal_of_the_benchmark_has_a_row(self):
        names = " ".join(row.name for row in ROWS)
        for number in range(1, 14):
            self.assertRegex(names, rf"\bP{number}\b")


class Table(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        (self.scratch / "hdr").mkdir()
        (self.scratch / "hdr/P8-1").write_text(
            "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
            "    0.500000 0.500000000000        500           2.00\n"
            "    4.000000 0.999000000000        999        1000.00\n"
            "    9.000000 1.000000000000       1000\n#[Mean    = 1, StdDeviation   = 1]\n")
        (self.scratch / "points").write_text(
            "".join(json.dumps(line) + "\n" for line in [
                *three_rounds(), point(1, "P11", "stampede", **load(0.125))]))

    def table(self, *words):
        out = self.scratch / "out.json"
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            bench_table.table(self.scratch / "points", out, self.scratch, *words)
        return said.getvalue(), json.loads(out.read_text())

    def test_says_what_was_measured_on_what_and_what_is_missing(self):
        said, result = self.table("commit=abc", "rounds=3", "quick=true", "seed=7", "only=P1,P2",
                                  "missing.tigerbeetle=no Debian package", "version.wrk=4.1")
        self.assertIn("| P1 |", said)
        self.assertIn("5.00 (4.00 .. 8.00) | >= 3.00 met | >= 5.00 met |", said)
        self.assertIn("missing: tigerbeetle (no Debian package)", said)
        self.assertRegex(said, r"P2/tigerbeetle .*missing: tigerbeetle")
        self.assertNotIn("| P3-hot |", said)
        self.assertEqual(result["missing"], {"tigerbeetle": "no Debian package"})
        self.assertEqual(result["versions"], {"wrk": "4.1"})
        self.assertEqual(result["about"]["seed"], "7")
        for fact in ("cpu", "cores", "memory_mb", "kernel", "disk"):
            self.assertTrue(result["machine"][fact], fact)
        self.assertEqual(len(result["rounds"]), 7)

    def test_keeps_the_latency_curves(self):
        _, result = self.table("commit=abc", "rounds=3")
        self.assertEqual(result["latencies_us"],
                         {"P8": {"1": [[0.5, 500], [0.999, 4000], [1.0, 9000]]}})

    def test_is_drawn_with_units_for_both_themes(self):
        _, result = self.table("commit=a<b", "rounds=3", "quick=true", "growth_ids=10000000",
                               "missing.tigerbeetle=no Debian package")
        drawn = bench_plot.draw(result)
        root = ElementTree.fromstring(drawn)
        words = [element.text for element in root.iter() if element.tag.endswith("text")]
        for word in ("Stampede", "Redis Lua", "orders/s", "5.00 k", "1.00 k", "4 k", "99.9 %",
                     "10 ms", "0 items, 10 M ids", "answers/s",
                     "share of the orders that were answered by then"):
            self.assertIn(word, words)
        self.assertIn("missing: TigerBeetle (no Debian package)", words[-1])
        self.assertTrue(any("QUICK RUN" in word and "commit a<b" in word for word in words))
        self.assertIn("prefers-color-scheme: dark", drawn)
        bars = [float(element.get("width")) for element in root.iter()
                if element.get("class") in ("ours", "peer")]
        self.assertAlmostEqual(bars[0] / bars[1], 5, places=1)  # lengths are the medians
        for element in root.iter():
            for name in ("x", "x1", "x2"):
                self.assertLessEqual(float(element.get(name, 0)), bench_plot.WIDTH)

    def test_a_file_that_is_no_result_is_refused(self):
        wrong = self.scratch / "wrong.json"
        wrong.write_text('{"points": {}}')
        done = subprocess.run([SCRIPTS / "bench/bench_plot.py", wrong, self.scratch / "a.svg"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("wrong.json", done.stderr)
        self.assertFalse((self.scratch / "a.svg").exists())


class Measure(unittest.TestCase):
    def measure(self, *words):
        with tempfile.TemporaryDirectory() as scratch:
            points = Path(scratch, "points")
            done = subprocess.run(
                [sys.executable, SCRIPTS / "bench/measure.py", "--points", points, "--round", "2",
                 "--point", "P1", "--side", "peer", *words],
                capture_output=True, text=True, check=False, timeout=60)
            return done, json.loads(points.read_text())

    def test_adds_what_the_command_cost(self):
        busy = "sum(range(3000000)); print('{\"offered\": 3}')"
        done, line = self.measure("--cpu", "gone=999999999", "--", sys.executable, "-c", busy)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((line["round"], line["point"], line["side"]), (2, "P1", "peer"))
        self.assertEqual(line["result"]["offered"], 3)
        self.assertGreater(line["result"]["cpu_seconds"]["command"], 0)
        self.assertEqual(line["result"]["cpu_seconds"]["gone"], 0)

    def test_the_process_stands_still_only_while_the_command_runs(self):
        sleeper = subprocess.Popen(["sleep", "60"])
        self.addCleanup(sleeper.wait)
        self.addCleanup(sleeper.kill)
        state = f"/proc/{sleeper.pid}/stat"
        look = f"import json; print(json.dumps({{'s': open('{state}').read().split()[2]}}))"
        done, line = self.measure("--stopped", str(sleeper.pid), "--", sys.executable, "-c", look)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(line["result"]["s"], "T")
        self.assertNotEqual(Path(state).read_text().split()[2], "T")

    def test_a_command_that_fails_leaves_a_line_and_its_code(self):
        done, line = self.measure("--", "sh", "-c", "echo broken >&2; exit 4")
        self.assertEqual((done.returncode, line["exit"], line["result"]), (4, 4, None))
        self.assertIn("broken", done.stderr)

    def test_reads_the_kernel_s_count_of_cpu_seconds(self):
        while sum(os.times()[:2]) < 0.3:
            sum(range(10000))
        self.assertAlmostEqual(measure.cpu_seconds("self"), sum(os.times()[:2]), delta=0.05)


if __name__ == "__main__":
    unittest.main()
