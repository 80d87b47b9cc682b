#!/usr/bin/python3
"""The clients of clients/examples order on a real system: confirmed, through the webapp's death,
and sold out. A language that is not installed is skipped, and named."""

import json
import os
import shutil
import subprocess
import unittest

from by_hand import must
from system import PROJECT, System, SystemTest

EXAMPLES = PROJECT / "clients" / "examples"
# What has to be there; with `javac` `java` runs a source, without it classes alone.
LANGUAGES = {"rb": ("ruby",), "php": ("php",), "pl": ("perl",), "sh": ("bash",),
             "go": ("go", "gccgo", "gccgo-12"), "java": ("javac",)}
FOUND = {kind: next(filter(None, map(shutil.which, names)), None)
         for kind, names in LANGUAGES.items()}
INSTALLED = [kind for kind, program in FOUND.items() if program]


class Examples(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        cls.commands = {kind: cls.command(kind) for kind in INSTALLED}
        cls.system.start(f"1:Phone:{2 * len(INSTALLED)}")

    @classmethod
    def command(cls, kind):
        """What runs the example; Go is compiled first."""
        source, program = EXAMPLES / f"order.{kind}", FOUND[kind]
        if kind != "go":
            return [shutil.which("java") if kind == "java" else program, source]
        made = cls.system.home / "order_go"
        build = [program, *(["build"] if program.endswith("/go") else []), "-o", made, source]
        environment = {**os.environ, "GOCACHE": str(cls.system.home / "go"), "GO111MODULE": "off"}
        subprocess.run(build, env=environment, check=True, timeout=300)
        return [made]

    def begin(self, kind, user, system=None):
        port = (system or self.system).http_port
        return subprocess.Popen([*self.commands[kind], user, f"127.0.0.1:{port}"], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def said(self, process, code):
        said, errors = process.communicate(timeout=90)
        self.assertEqual((process.returncode, errors), (code, ""), said)
        return json.loads(said)

    def test_each_buys_and_its_answer_is_in_the_table(self):
        told = {}
        for kind in INSTALLED:
            answer = self.said(self.begin(kind, f"{kind}-1"), 0)
            self.assertEqual((answer["state"], answer["qty"]), ("confirmed", 1))
            told[f"{kind}-1"] = answer
        pid = self.system.kill9("webapp-1")
        buyers = {kind: self.begin(kind, f"{kind}-2") for kind in INSTALLED}
        for kind, process in buyers.items():
            told[f"{kind}-2"] = self.said(process, 0)
        self.system.wait_back("webapp-1", pid)
        for kind in INSTALLED:
            self.assertEqual(self.said(self.begin(kind, f"{kind}-3"), 8)["code"], "sold_out")
        self.system.verify()
        rows = self.system.sql("SELECT user_id, request_id, order_id FROM orders")
        self.assertEqual({user: rest for user, *rest in rows},
                         {user: [one["id"], one["order_id"]] for user, one in told.items()})
        self.assertEqual(len(rows), len(told))

    def test_a_refusal_that_decides_nothing_is_no_rejection(self):
        system = self.start_system("1:Phone:1000")
        for command in (("item", "set", 1, "--sale", "promo_only"), ("item", "close", 1)):
            must(system.stampede(*command), " ".join(map(str, command)))
            code = "closed" if command[1] == "close" else "promo_only"
            for kind in INSTALLED:
                with self.subTest(kind, code=code):
                    process = self.begin(kind, f"{kind}-1", system)
                    self.assertEqual(self.said(process, 1)["code"], code)
        self.assertEqual(system.number("SELECT COUNT(*) FROM orders"), 0)

    def test_every_language_is_there(self):
        self.assertEqual({file.suffix[1:] for file in EXAMPLES.glob("order.*")}, set(LANGUAGES))
        for kind, programs in LANGUAGES.items():
            with self.subTest(kind):
                if kind not in INSTALLED:
                    self.skipTest(f"no {' or '.join(programs)}: order.{kind} was not run")


if __name__ == "__main__":
    unittest.main(verbosity=2)
