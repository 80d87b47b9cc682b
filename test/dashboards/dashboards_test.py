#!/usr/bin/python3
"""Alerts, dashboard and runbook speak of metrics that there are; each alert has its section of the
runbook and its test; promtool finds nothing wrong with the alerts and their tests.
"""

import json
import re
import subprocess
import unittest

from promtool import PROJECT, promtool

DASHBOARDS = PROJECT / "dashboards"
NAME = re.compile(r"\bstampede_[a-z0-9_]+")
PARTS = re.compile(r"_(bucket|sum|count)$")
SECTIONS = ("**Means**", "**Look at**", "**Do**", "**Do not**")


def text(path):
    return (PROJECT / path).read_text(encoding="utf-8")


def metrics():
    return set(re.findall(r'"(stampede_[a-z0-9_]+)"', text("actors/metrics/core/metric_table.h")))


def alerts():
    return re.findall(r"^ +- alert: (\w+)$", text("dashboards/alerts.yml"), re.MULTILINE)


def run_promtool(*arguments):
    return subprocess.run([promtool(), *arguments], cwd=DASHBOARDS, capture_output=True, text=True,
                          timeout=60, check=False)


class Names(unittest.TestCase):
    def known(self, path):
        named = set(NAME.findall(text(path)))
        self.assertTrue(named, path)
        unknown = {name for name in named
                   if name not in metrics() and PARTS.sub("", name) not in metrics()}
        self.assertEqual(unknown, set(), path)

    def test_alerts_and_their_tests(self):
        self.known("dashboards/alerts.yml")
        self.known("dashboards/alerts_test.yml")

    def test_dashboard(self):
        self.known("dashboards/grafana.json")

    def test_runbook(self):
        self.known("docs/runbook.md")


class Dashboard(unittest.TestCase):
    def test_panels_are_whole_and_do_not_overlap(self):
        panels = json.loads(text("dashboards/grafana.json"))["panels"]
        taken = set()
        for panel in panels:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            self.assertTrue(all(x < 24 for x, _ in cells), panel["title"])
            taken |= cells
            self.assertTrue(panel["targets"], panel["title"])
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        self.assertEqual(len({panel["title"] for panel in panels}), len(panels))


class Runbook(unittest.TestCase):
    def test_each_alert_has_a_section_that_says_all_four(self):
        sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text("docs/runbook.md"),
                                   re.MULTILINE | re.DOTALL))
        self.assertEqual(list(sections), alerts())
        for name, section in sections.items():
            for part in SECTIONS:
                self.assertIn(part, section, name)

    def test_each_alert_points_to_its_section(self):
        pointers = re.findall(r"runbook: docs/runbook\.md#(\w+)$", text("dashboards/alerts.yml"),
                              re.MULTILINE)
        self.assertEqual(pointers, [name.lower() for name in alerts()])

    def test_each_alert_is_tested_to_fire_and_not_to(self):
        tests = text("dashboards/alerts_test.yml")
        for name in alerts():
            self.assertRegex(tests, rf"alertname: {name}, exp_alerts: \[\]", name)
            self.assertRegex(tests, rf"alertname: {name}\n +exp_alerts:\n", name)


@unittest.skipUnless(promtool(), "no promtool: scripts/install_deps.sh --promtool")
class Promtool(unittest.TestCase):
    def test_rules_are_right(self):
        done = run_promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_alerts_fire_when_they_should(self):
        done = run_promtool("test", "rules", "alerts_test.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
