"""F40, F41, F42: strangers by the hundred thousand, and clients that only stay. System tests in
their long form, on systems of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

from rig import Violation
from rows import Row

SYSTEM_TESTS = Path(__file__).resolve().parent.parent / "system"
LIMIT_S = 3000


def system_test(trial, file, case, **sizes):
    """Runs one case; what it prints of p99 and of sizes is noted."""
    command = [sys.executable, "-Es", str(SYSTEM_TESTS / file), case]
    environment = os.environ | {"STAMPEDE_TEST_SEED": str(trial.random.randint(1, 10**6))}
    environment |= {f"STAMPEDE_{name}": str(size) for name, size in sizes.items()}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    said = done.stdout + done.stderr
    if done.returncode or "skipped" in said:
        raise Violation(f"seed {environment['STAMPEDE_TEST_SEED']}: {said[-3000:]}")
    for name, size in sizes.items():
        trial.note(name.lower(), size)
    if found := re.findall(r"p99 ([\d.]+) ms", said):
        trial.note("p99_ms", max(round(float(one)) for one in found))


def of_tier(trial, *sizes):
    return dict(zip(("quick", "long", "release"), sizes))[trial.tier]


def f40(trial):
    system_test(trial, "hostile_long_test.py", "HostileLong.test_connections_of_strangers",
                HOSTILE_CONNECTIONS=of_tier(trial, 10_000, 10**6, 10**6))


def f41(trial):
    system_test(trial, "http_rules_test.py",
                "HttpRules.test_hostile_requests_beside_honest_buyers",
                HOSTILE_HTTP=of_tier(trial, 3000, 10**5, 10**6))


def f42(trial):
    system_test(trial, "idle_test.py", "Idle.test_idle_clients_beside_a_sale",
                IDLE_CLIENTS=of_tier(trial, 2000, 10_000, 10_000),
                IDLE_ROUNDS=of_tier(trial, 1, 5, 20))


ROWS = (
    Row("F40", "strangers' ZeroMQ connections beside honest buyers", f40, (1, 1, 1),
        "10⁴ / 10⁶ / 10⁶ connections", LIMIT_S),
    Row("F41", "hostile HTTP requests beside honest buyers", f41, (1, 1, 1),
        "3,000 / 10⁵ / 10⁶ requests", LIMIT_S),
    Row("F42", "idle clients beside a sale", f42, (1, 1, 1), "2,000 / 10⁴ / 10⁴ clients", LIMIT_S),
)
