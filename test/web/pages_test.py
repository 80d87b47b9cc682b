#!/usr/bin/python3 -Es
"""What can be said of the pages without a browser: they are small; what others have made is exactly
what the lock file names; both languages have the same texts, and every text that is shown is there;
nothing in them needs what their policy forbids.

The comparison with the packages themselves needs web/node_modules (scripts/install_deps.sh
--browser); without it that one test is skipped, and named.
"""

import json
import re
import subprocess
import sys
import unittest
from pathlib import Path

WEB = Path(__file__).resolve().parent.parent.parent / "web"
SIZE_MAX = 120_000  # bytes of all pages together, compressed
# Vendored file: the package that has it, and where.
VENDORED = {
    "htm.module.js": ("htm", "dist/htm.module.js"),
    "hooks.module.js": ("preact", "hooks/dist/hooks.module.js"),
    "preact.module.js": ("preact", "dist/preact.module.js"),
    "uPlot.iife.min.js": ("uplot", "dist/uPlot.iife.min.js"),
    "uPlot.min.css": ("uplot", "dist/uPlot.min.css"),
}
PAGES = {"shop_texts.js": ("shop.js", "item_view.js", "order_view.js", "login_view.js",
                           "account.js", "orders.js", "language.js"),
         "ops_texts.js": ("ops.js", "ops_actions.js", "ops_alarms.js", "ops_numbers.js",
                         "ops_state.js", "language.js")}


def texts(file):
    """{language: {name: text}} of a file that calls addTexts."""
    found, language = {}, None
    for line in (WEB / file).read_text(encoding="utf-8").splitlines():
        if head := re.fullmatch(r"  (\w+): \{", line):
            language = found.setdefault(head[1], {})
        elif entry := re.fullmatch(r'    (\w+): "((?:[^"\\]|\\.)*)",', line):
            language[entry[1]] = entry[2]
        elif line.startswith("    "):
            raise AssertionError(f"{file}: a line that is no text: {line}")
    return found


class Pages(unittest.TestCase):
    def test_they_are_small(self):
        said = subprocess.run([sys.executable, "-Es", WEB / "embed.py", "--sizes"], check=True,
                              capture_output=True, text=True).stdout
        size = int(re.search(r"together: (\d+)", said)[1])
        self.assertLessEqual(size, SIZE_MAX, said)

    def test_what_is_vendored_is_what_the_lock_names(self):
        self.assertEqual({path.name for path in (WEB / "vendor").iterdir()} - {"README.md"},
                         set(VENDORED))
        lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
        listed = (WEB / "vendor" / "README.md").read_text(encoding="utf-8")
        for package in {package for package, _ in VENDORED.values()}:
            version = lock[f"node_modules/{package}"]["version"]
            self.assertIn(f"{package} {version} ", listed)
        modules = WEB / "node_modules"
        if not modules.exists():
            self.skipTest("no web/node_modules; scripts/install_deps.sh --browser")
        for name, (package, place) in VENDORED.items():
            installed = json.loads((modules / package / "package.json").read_text("utf-8"))
            self.assertEqual(installed["version"], lock[f"node_modules/{package}"]["version"])
            self.assertEqual((WEB / "vendor" / name).read_bytes(),
                             (modules / package / place).read_bytes(), name)

    def test_both_languages_have_the_same_texts_and_slots(self):
        for file in PAGES:
            en, zh = texts(file)["en"], texts(file)["zh"]
            self.assertEqual(set(zh) - set(en), set(), file)
            # A language without a singular needs none.
            self.assertEqual({name for name in set(en) - set(zh) if not name.endswith("_one")},
                             set(), file)
            for name, text in zh.items():
                slots = re.compile(r"\{\w+\}")
                self.assertEqual(sorted(slots.findall(text)), sorted(slots.findall(en[name])), name)

    def test_every_text_that_is_named_is_there(self):
        for file, sources in PAGES.items():
            known = set(texts(file)["en"])
            for source in sources:
                code = (WEB / source).read_text(encoding="utf-8")
                named = set(re.findall(r'\bt\("(\w+)"', code))
                named |= set(re.findall(r'"((?:note|login|register)_\w+)"', code))
                if source == "language.js":
                    named &= known  # shared: each page has those that it shows
                self.assertEqual(named - known, set(), source)

    def test_the_operators_page_has_words_for_every_code(self):
        codes = (WEB.parent / "actors" / "sale" / "codes.cpp").read_text(encoding="utf-8")
        named = set(re.findall(r"\{Code::(\w+), ", codes)) - {"none"}
        self.assertGreater(len(named), 30)
        self.assertEqual({f"reason_{code}" for code in named} - set(texts("ops_texts.js")["en"]),
                         set())

    def test_every_alarm_has_words_and_its_section_in_the_runbook(self):
        known = set(texts("ops_texts.js")["en"])
        runbook = (WEB.parent / "docs" / "runbook.md").read_text(encoding="utf-8")
        alerts = (WEB.parent / "dashboards" / "alerts.yml").read_text(encoding="utf-8")
        code = "".join((WEB / f"ops_{part}.js").read_text(encoding="utf-8")
                       for part in ("alarms", "numbers"))
        self.assertEqual(set(re.findall(r'"(alarm_\w+)"', code)) - known, set())
        named = set(re.findall(r'"(Stampede\w+)"', code))
        self.assertEqual(named, set(re.findall(r"- alert: (\w+)", alerts)))
        self.assertEqual(named, set(re.findall(r"^## (Stampede\w+)", runbook, re.MULTILINE)))

    def test_alarms_have_the_bounds_of_the_alert_rules(self):
        alerts = (WEB.parent / "dashboards" / "alerts.yml").read_text(encoding="utf-8")
        code = (WEB / "ops_numbers.js").read_text(encoding="utf-8")
        for of_page, of_alert in (
                ("diskBytes: 2 * 1024 ** 3", "free_bytes < 2 * 1024 * 1024 * 1024"),
                ("diskFullInS: 4 * 3600", "free_bytes[30m], 4 * 3600) < 0"),
                ("diskOverS: 30 * 60", "free_bytes[30m], 4 * 3600) < 0"),
                ("lagS: 30,", "stampede_database_lag_seconds > 30"),
                ("overloadedS: 60,", 'code="overloaded"}[1m])) > 0'),
                ("syncS: 0.1,", "stampede_log_sync_seconds_bucket[5m]))) > 0.1"),
                ("syncOverS: 5 * 60", "stampede_log_sync_seconds_bucket[5m]))) > 0.1"),
                ("restarts: 3,", "restarts_total[10m]) > 3"),
                ("restartsOverS: 10 * 60", "restarts_total[10m]) > 3")):
            self.assertIn(of_page, code)
            self.assertIn(of_alert, alerts)

    def test_nothing_needs_what_the_policy_forbids(self):
        for path in WEB.glob("*.html"):
            page = path.read_text(encoding="utf-8")
            self.assertEqual(re.findall(r"<style|style=|\bon\w+=|<script(?![^>]*\bsrc=)|https?://",
                                        page), [], path.name)
        for path in WEB.glob("*.js"):
            self.assertEqual(re.findall(r"\beval\(|new Function|innerHTML|style=|https?://",
                                        path.read_text(encoding="utf-8")), [], path.name)


if __name__ == "__main__":
    unittest.main()
