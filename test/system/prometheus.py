"""A Prometheus server beside a system of a test, with the shipped alerts: what fires is what an
operator would be paged for. The rules are taken as they are but for the time that a condition has
to last, which nobody waits for here.

Needs the program: scripts/install_deps.sh --promtool.
"""

import json
import re
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from system import PROJECT, eventually

RULES = PROJECT / "dashboards" / "alerts.yml"
PROGRAM = PROJECT / "build" / "packages" / "prometheus"
EVERY = "500ms"
LASTS = "1s"


def alert_names():
    return re.findall(r"^ +- alert: (\w+)$", RULES.read_text(encoding="utf-8"), re.MULTILINE)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    """Owner: one test. Its files are below `home`, which the caller removes."""

    def __init__(self, home: Path, target: str):
        self.port = _free_port()
        rules = re.sub(r"^( +for:) \w+$", rf"\1 {LASTS}", RULES.read_text(encoding="utf-8"),
                       flags=re.MULTILINE)
        (home / "alerts.yml").write_text(rules, encoding="utf-8")
        (home / "prometheus.yml").write_text(
            f"global: {{scrape_interval: {EVERY}, evaluation_interval: {EVERY}}}\n"
            "rule_files: [alerts.yml]\n"
            "scrape_configs: [{job_name: stampede, static_configs: "
            f"[{{targets: ['{target}']}}]}}]\n", encoding="utf-8")
        with open(home / "prometheus.log", "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, f"--config.file={home / 'prometheus.yml'}",
                 f"--storage.tsdb.path={home / 'prometheus'}", "--log.level=warn",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def ask(self, path):
        """The data of an answer; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}",
                                        timeout=10) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError):
            return None

    def scraped(self):
        """Whether the target has answered, and the rules were tried."""
        targets = (self.ask("targets") or {}).get("activeTargets", [])
        return bool(targets) and all(target["health"] == "up" for target in targets)

    def firing(self):
        """{(alert, node)}; '' where an alert is of no node."""
        alerts = (self.ask("alerts") or {}).get("alerts", [])
        return {(alert["labels"]["alertname"], alert["labels"].get("node", ""))
                for alert in alerts if alert["state"] == "firing"}

    def fires(self, name, node="", seconds=20):
        return bool(eventually(lambda: (name, node) in self.firing(), seconds, 0.1))

    def value(self, query):
        """Of an expression with one series; None where there is none."""
        found = (self.ask("query?" + urllib.parse.urlencode({"query": query})) or {})["result"]
        return float(found[0]["value"][1]) if found else None

    def rules_in_fault(self):
        """{alert: why} of the rules that could not be evaluated."""
        groups = (self.ask("rules") or {}).get("groups", [])
        return {rule["name"]: rule["lastError"] for group in groups for rule in group["rules"]
                if rule["health"] == "err"}
