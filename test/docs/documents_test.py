#!/usr/bin/python3
"""Tables of documents whose other side is Python or JSON: the fault matrix, the Python client's
calls, SF1 and HTTP, the benchmark's figures. (Those whose other side is C++: tables_test.cpp.)"""

import inspect
import json
import re
import sys
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT / folder) for folder in
                ("test/torture", "test/system", "scripts/parts", "clients/python")]

READMES = ("README.md", "README.zh-CN.md")
YES = {"yes": True, "是": True, "**no**": False, "**否**": False}


def text_of(path):
    return (PROJECT / path).read_text(encoding="utf-8")


def rows_of(path, pattern):
    """The cells of each table row whose first cell matches."""
    for line in text_of(path).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and re.fullmatch(pattern, cells[0]):
            yield cells


class FaultMatrix(unittest.TestCase):
    def test_the_table_has_the_rows_and_trials_that_are_run(self):
        import rows
        documented = {}
        for cells in rows_of("test/torture/README.md", r"F\d+(, F\d+)*"):
            for name in cells[0].split(", "):
                documented[name] = cells[2:5]
        run = {row.name: [f"{count:,}" for count in row.trials] for row in rows.all_rows()}
        self.assertEqual(list(documented), list(run))
        for name, trials in documented.items():
            # "all" and "15 min" are no numbers of trials.
            if all(re.fullmatch(r"[\d,]+", trial) for trial in trials):
                self.assertEqual(trials, run[name], name)

    def test_every_family_of_rows_is_named(self):
        named = set(re.findall(r"`(rows_\w+)`", text_of("test/torture/README.md")))
        files = {file.stem for file in (PROJECT / "test/torture").glob("rows_*.py")}
        self.assertEqual(named, files)


class PythonClient(unittest.TestCase):
    def test_the_table_has_the_calls_with_their_arguments(self):
        from stampede import AsyncClient, Client
        calls = {}
        for cells in rows_of("clients/python/README.md", r"`\w+\(.*\)`"):
            name, arguments = re.fullmatch(r"`(\w+)\((.*)\)`", cells[0]).groups()
            calls[name] = re.sub(r"\[.*\]", "orders", arguments)
        for client in (Client, AsyncClient):
            public = {name for name, _ in inspect.getmembers(client, inspect.isfunction)
                      if not name.startswith("_")}
            self.assertEqual(set(calls), public - {"close"})
            for name, arguments in calls.items():
                taken = str(inspect.signature(getattr(client, name)))
                begin = "(self" + (", " + arguments if arguments else "")
                self.assertTrue(taken.startswith(begin), f"{name}{taken}, not {begin}")


    def test_the_spools_table_has_its_calls_with_their_arguments(self):
        from stampede import SpooledClient
        calls = {}
        for cells in rows_of("clients/python/README.md", r"`spool\.\w+\(.*\)`"):
            name, arguments = re.fullmatch(r"`spool\.(\w+)\((.*)\)`", cells[0]).groups()
            calls[name] = re.sub(r"\[.*\]", "orders", arguments)
        public = {name for name, _ in inspect.getmembers(SpooledClient, inspect.isfunction)
                  if not name.startswith("_")}
        self.assertEqual(set(calls), public - {"close"})
        for name, arguments in calls.items():
            taken = str(inspect.signature(getattr(SpooledClient, name)))
            begin = "(self" + (", " + arguments if arguments else "")
            self.assertTrue(taken.startswith(begin), f"{name}{taken}, not {begin}")

    def test_the_errors_of_a_spool_are_those_that_are_raised(self):
        raised = {word for file in (PROJECT / "clients/python/stampede").glob("*.py")
                  for word in re.findall(r'"(spool_[a-z_]+)"', file.read_text(encoding="utf-8"))}
        named = set(re.findall(r"`(spool_[a-z_]+)`", text_of("clients/python/README.md")))
        self.assertEqual(named, raised)


class Protocol(unittest.TestCase):
    """docs/protocol.md against the decoder, the vectors and the routes."""

    def test_the_requests_have_the_keys_that_are_read(self):
        table = "".join(cells[0] + cells[1] for cells in
                        rows_of("docs/protocol.md", r"`(order|get|items|pay|cancel|ping)`"))
        source = text_of("actors/protocol/sf1.cpp")
        keys = re.search(r"kKeyTexts\{([^}]*)\}", source)[1]
        read = set(re.findall(r'"(\w+)"', keys)) | {
            "order", "get", "items", "pay", "cancel", "ping"}
        self.assertEqual(set(re.findall(r"`(\w+)`", table)), read - {"op"})

    def test_the_answers_have_the_keys_of_the_vectors(self):
        protocol = text_of("docs/protocol.md")
        for vector in json.loads(text_of("test/vectors/sf1.json"))["vectors"]:
            if vector["kind"] != "answer":
                continue
            maps = vector["decoded"] if isinstance(vector["decoded"], list) else [vector["decoded"]]
            for key in {key for one in maps for key in one}:
                self.assertIn(f"`{key}`", protocol, vector["name"])

    def test_the_routes_are_those_of_the_webapp_and_of_the_operators_page(self):
        routes = "".join(text_of(f"actors/{name}") for name in
                         ("webapp/http/http_gateway.cpp", "webapp/http/http_accounts.cpp",
                          "webapp/http/page_replies.h", "supervisor/ops_face.cpp"))
        served = {path.rstrip("/") for path in re.findall(r'"(/[\w/-]+)"', routes)}
        documented = {part for path in
                      re.findall(r"^\| `[A-Z]+ ([^\s`?]+)", text_of("docs/protocol.md"), re.M)
                      for part in re.split(r"/\{\w+\}", path) if part}
        self.assertEqual(documented - {"/"}, served)  # "/" is a file of the pages


class Benchmark(unittest.TestCase):
    """The READMEs' figures are those of the result that they name."""

    def points(self, readme):
        result = re.search(r"\[JSON\]\(([^)]+)\)", text_of(readme))[1]
        return json.loads(text_of(result))["points"]

    def shown(self, entry):
        if entry["ratio"] is None:
            return f"{entry['stampede']['median']:.2f} s"
        ratio = entry["ratio"]
        return f"{ratio['median']:.2f} ({ratio['min']:.2f} … {ratio['max']:.2f})"

    def check_bound(self, cell, entry, which):
        """"≥ 3 yes", or "– –" when there is none."""
        hit = re.fullmatch(r"[≥≤] ([\d.]+) (\S+)", cell)
        self.assertEqual(hit is None, entry[which] is None)
        if hit:
            self.assertAlmostEqual(float(hit[1]), entry[which], delta=0.005)
            self.assertEqual(YES[hit[2]], entry[which + "_met"])

    def test_every_row_is_one_of_the_result(self):
        for readme in READMES:
            points = self.points(readme)
            rows = [cells for cells in rows_of(readme, r"P\d+ .*")]
            self.assertGreater(len(rows), 15)
            for cells in rows:
                ratio = cells[3].translate({ord("（"): " (", ord("）"): ")"})
                wanted = ratio or cells[1]
                number = cells[0].split()[0]
                found = [entry for name, entry in points.items()
                         if re.match(r"P\d+", name)[0] == number and self.shown(entry) == wanted]
                self.assertEqual(len(found), 1, f"{readme}: {cells}")
                with self.subTest(readme=readme, row=cells):
                    self.check_bound(cells[4], found[0], "floor")
                    self.check_bound(cells[5], found[0], "goal")


if __name__ == "__main__":
    unittest.main()
