#!/usr/bin/python3
"""`stampede bench` against a real system: every way in, books that agree, its own cost shown."""

import json
import signal
import tempfile
import time
import unittest
from pathlib import Path

from by_hand import must
from system import System, SystemTest

KEYS = {"offered", "confirmed", "rejected", "no_answer", "errors", "p50_us", "p99_us", "p999_us",
        "max_us", "seconds", "stored", "stored_seconds", "verify"}


class Bench(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        # More than a ramp can sell on any machine.
        cls.system.start("1:Phone:100000000", "2:Watch:300", "3:Lamp:300")

    def bench(self, *arguments):
        done = self.system.stampede("--json", "bench", *arguments, timeout=100)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(KEYS - report.keys(), set())
        self.assertEqual((report["no_answer"], report["errors"], report["contradictions"]),
                         (0, 0, 0))
        return report

    def check_stored(self, report, orders):
        self.assertEqual(report["offered"], orders)
        self.assertEqual(report["confirmed"] + report["rejected"], orders)
        self.assertEqual(report["stored"], report["confirmed"])
        self.assertTrue(report["verify"]["ok"])
        self.assertGreater(report["cpu"]["generator_s"], 0)
        self.assertGreaterEqual(report["cpu"]["nodes_s"].keys(),
                                {"webapp-1", "broker-1", "backend-1"})

    def test_arrays(self):
        report = self.bench("--closed", "--requests", 20_000, "--batch", 64, "--duplicates", "5%")
        self.check_stored(report, 20_000)
        self.assertEqual(report["batch"], 64)
        self.assertGreater(report["duplicates"], 500)

    def test_several_items_and_a_rate(self):
        report = self.bench("--rate", 2000, "--duration", "2s", "--items", 3, "--batch", 10)
        self.check_stored(report, 4000)
        self.assertEqual(report["rejected"], report["reasons"]["sold_out"])
        self.assertGreater(report["rejected"], 1500)  # of items 2 and 3

    def test_the_local_socket(self):
        report = self.bench("--via", "ipc", "--closed", "--requests", 3000, "--batch", 8)
        self.check_stored(report, 3000)
        self.assertEqual(report["via"], "ipc")

    def test_http_orders(self):
        report = self.bench("--via", "http", "--closed", "--requests", 3000, "--connections", 20)
        self.check_stored(report, 3000)
        again = self.bench("--via", "http", "--closed", "--requests", 3000, "--run", report["run"],
                           "--no-drain")
        self.assertEqual(again["confirmed"], report["confirmed"])
        self.assertEqual(self.system.verify()["ok"], True)

    def test_http_by_rate(self):
        self.check_stored(self.bench("--via", "http", "--rate", 500, "--duration", "1s"), 500)

    def test_the_miaosha_form_asks_for_its_results(self):
        before = self.system.number("SELECT COUNT(*) FROM orders")
        report = self.bench("--via", "miaosha", "--closed", "--requests", 3000,
                            "--connections", 100)
        self.check_stored(report, 3000)
        self.assertEqual((report["accepted"], report["confirmed"]), (3000, 3000))
        self.assertEqual(self.system.number("SELECT COUNT(*) FROM orders") - before, 3000)

    def add_promo(self, promo, item=1, *rules):
        must(self.system.stampede("promo", "add", promo, "--item", item, "--name", "Sale",
                                  "--price-cents", 500, "--starts", "now", "--ends", "+1h",
                                  *rules), "promo add")

    def test_a_promo_and_a_ticket_for_each_order(self):
        self.add_promo(7, 1, "--limit-per-user", 2, "--hold-s", 3600, "--ticket")
        try:
            report = self.bench("--closed", "--requests", 3000, "--promo", 7, "--tickets",
                                "--duplicates", "5%")
            self.check_stored(report, 3000)
            self.assertEqual((report["confirmed"], report["promo"]), (3000, 7))
            tickets = report["tickets"]
            self.assertEqual((tickets["asked"], tickets["given"], tickets["codes"]),
                             (3000, 3000, {}))
            self.assertGreater(tickets["seconds"], 0)
            rows = self.system.sql("SELECT COUNT(*), COUNT(DISTINCT user_id) FROM orders WHERE "
                                   "promo_id = 7 AND fulfilment = 'unpaid'")
            self.assertEqual(rows, [["3000", "3000"]])
            shown = self.system.stampede("bench", "--closed", "--requests", 100, "--promo", 7,
                                         "--tickets", "--via", "ipc")
            self.assertRegex(shown.stdout, r"^tickets +100 in [0-9.]+ s   given [0-9,]+/s")
        finally:
            must(self.system.stampede("promo", "end", 7), "promo end")

    def test_without_a_ticket_for_each_nothing_is_ordered(self):
        must(self.system.stampede("item", "add", 9, "--name", "Case", "--stock", 1), "item add")
        self.add_promo(8, 9, "--ticket")  # of another item: the bench orders item 1
        done = self.system.stampede("--json", "bench", "--closed", "--requests", 50, "--promo", 8,
                                    "--tickets")
        self.assertEqual(done.returncode, 1, done.stderr)
        report = json.loads(done.stdout)
        # Five times its one unit.
        self.assertEqual((report["tickets"]["given"], report["tickets"]["codes"]),
                         (5, {"gate_closed": 45}))
        self.assertEqual((report["offered"], report["stored"]), (0, 0))

    def test_who_has_a_ticket_and_finds_nothing_left_is_told_so(self):
        self.system = self.start_system("1:Phone:100")
        self.add_promo(7, 1, "--ticket")
        report = self.bench("--closed", "--requests", 400, "--promo", 7, "--tickets")
        again = self.system.stampede("--json", "bench", "--closed", "--requests", 400, "--promo", 7,
                                     "--tickets", "--no-drain")
        self.assertEqual((report["confirmed"], report["sold_out_for_now"], report["rejected"],
                          report["reasons"], report["offered"]), (100, 300, 0, {}, 400))
        self.assertEqual(report["stored"], 100)
        self.assertEqual(again.returncode, 1)
        tickets = json.loads(again.stdout)["tickets"]
        self.assertEqual((tickets["given"], tickets["reasons"], tickets["codes"]),
                         (0, {"sold_out_for_now": 100}, {"older_ticket": 300}))

    def test_a_ramp_ends_with_a_knee_and_all_books_right(self):
        report = self.bench("--ramp", "--rate", 500, "--duration", "200ms", "--batch", 20)
        self.assertEqual(report["stored"], report["confirmed"])
        self.assertTrue(report["verify"]["ok"])
        rates = [step["rate"] for step in report["steps"]]
        self.assertEqual(rates[:2], [500, 750])
        kept = [step["rate"] for step in report["steps"] if step["kept_up"]]
        self.assertEqual(report["knee_per_s"], max(kept, default=0))

    def test_orders_survive_a_kill_of_the_webapp_on_every_way(self):
        for way in (["--via", "http"], ["--batch", 16], []):
            with self.subTest(way):
                bench = self.system.popen("--json", "bench", "--rate", 1000, "--duration", "4s",
                                          *way)
                time.sleep(1)
                # Orders that reached a stopped process surely die with it.
                self.system.signal(self.system.pid("webapp-1"), signal.SIGSTOP)
                time.sleep(0.3)
                self.system.wait_back("webapp-1", self.system.kill9("webapp-1"))
                out, err = bench.communicate(timeout=90)
                self.assertEqual(bench.returncode, 0, out + err)
                report = json.loads(out)
                self.check_stored(report, 4000)
                self.assertGreater(report["resent"], 0)

    def test_the_distribution_goes_to_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "latency.hdr"
            report = self.bench("--rate", 1000, "--duration", "1s", "--hdr", path, "--no-drain")
            lines = path.read_text(encoding="ascii").splitlines()
        self.assertRegex(lines[0], r"^ +Value +Percentile TotalCount 1/\(1-Percentile\)$")
        rows = [line.split() for line in lines[2:] if not line.startswith("#")]
        self.assertEqual(rows[-1][1:3], ["1.000000000000", "1000"])
        self.assertAlmostEqual(float(rows[-1][0]) * 1000, report["max_us"], delta=1)

    def test_senseless_flags_are_refused_by_name(self):
        for words, names in (
                (["--window", 5], ["--window", "--closed"]),
                (["--ramp", "--closed"], ["--ramp", "--closed"]),
                (["--ramp", "--requests", 5], ["--ramp", "--requests"]),
                (["--via", "http", "--batch", 5], ["--batch", "--via http"]),
                (["--via", "smoke"], ["--via"]),
                (["--batch", 1001], ["--batch"]),
                (["--closed", "--window", 5, "--batch", 6], ["--window", "--batch"]),
                (["--rate", 5, "--closed"], ["--rate", "--closed"]),
                (["--connections", 65], ["--connections"]),
                (["--tickets", "--requests", 5], ["--tickets", "--promo"]),
                (["--tickets", "--promo", 7], ["--tickets", "--requests"]),
                (["--promo", 0], ["--promo"]),
                (["--promo", 7, "--items", 2], ["--promo", "--items"]),
                (["--hdr", "/nowhere/file"], ["--hdr"])):
            with self.subTest(words):
                done = self.system.stampede("bench", "--no-drain", *words)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                for name in names:
                    self.assertIn(name, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
