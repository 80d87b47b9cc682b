#!/usr/bin/python3
"""The ten lines without the package: they buy, and ask again with the same id."""

import ast
import subprocess
import unittest
from pathlib import Path

from fake_webapp import FakeWebapp, confirmed, refused

SCRIPT = Path(__file__).resolve().parents[2] / "clients" / "python" / "order.py"


def run(webapp, status=0):
    done = subprocess.run(["/usr/bin/python3", SCRIPT, "ann", webapp.endpoint], timeout=60,
                          capture_output=True, text=True, check=False)
    if done.returncode != status:
        raise AssertionError(f"exit {done.returncode} instead of {status}: {done.stderr}")
    return ast.literal_eval(done.stdout)


class OrderScript(unittest.TestCase):
    def test_it_buys(self):
        with FakeWebapp(lambda request: [confirmed(request)]) as webapp:
            self.assertEqual(run(webapp)["state"], "confirmed")
            self.assertEqual(webapp.requests[0]["user"], "ann")

    def test_it_asks_again_with_the_same_id_after_silence_and_after_advice(self):
        count = []

        def script(request):
            count.append(1)
            if len(count) == 1:
                return []
            return [refused(request, "replaying", True, 50) if len(count) == 2
                    else confirmed(request)]

        with FakeWebapp(script) as webapp:
            self.assertEqual(run(webapp)["state"], "confirmed")
        self.assertEqual(len(webapp.requests), 3)
        self.assertEqual(len({request["id"] for request in webapp.requests}), 1)

    def test_what_was_not_bought_is_no_success(self):
        rejected = {"state": "rejected", "reason": "sold_out", "item": 1, "qty": 1, "stored": False}
        with FakeWebapp(lambda request: [{"id": request["id"], **rejected}]) as webapp:
            self.assertEqual(run(webapp, 8)["reason"], "sold_out")
        with FakeWebapp(lambda request: [refused(request, "unknown_item", False)]) as webapp:
            self.assertEqual(run(webapp, 1)["code"], "unknown_item")
        with FakeWebapp(lambda request: [refused(request, "no_backend", True, 1)]) as webapp:
            self.assertEqual(run(webapp, 5)["code"], "no_backend")


if __name__ == "__main__":
    unittest.main(verbosity=2)
