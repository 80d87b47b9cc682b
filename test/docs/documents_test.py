#!/usr/bin/python3
"""Tables of documents whose other side is Python or JSON: the fault matrix, the Python client's
calls, SF1 and HTTP, the benchmark's figures. (Those whose other side is C++: tables_test.cpp.)"""

import inspect
import json
import math
import re
import sys
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT / folder) for folder in
                ("test/torture", "test/system", "scripts/parts", "clients/python")]

READMES = ("README.md", "README.zh-CN.md")
BENCH = "test/bench/README.md"
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


class Reference(unittest.TestCase):
    """docs/reference.md: what clients are told, against the sources and the vectors."""

    def section(self, title):
        return text_of("docs/reference.md").split(f"\n## {title}\n")[1].split("\n## ")[0]

    def first_cells(self, title):
        return re.findall(r"^\| `(\w+)` \|", self.section(title), re.M)

    def test_each_code_says_what_to_do(self):
        told = self.first_cells("What a client does")
        self.assertEqual(len(told), len(set(told)))
        self.assertEqual(set(told), set(self.first_cells("Codes")))

    def test_the_headers_are_those_that_are_read_and_written(self):
        rows = "".join(re.findall(r"^\| (`[A-Z].*?) \|", self.section("Headers"), re.M))
        named = {name.lower() for name in re.findall(r"`([\w-]+)`", rows)}
        sources = "".join(file.read_text(encoding="utf-8") for room in ("webapp/http", "http")
                          for file in (PROJECT / "actors" / room).glob("*.cpp"))
        used = {name.lower() for name in
                re.findall(r'header\("([\w-]+)"', sources) +
                re.findall(r'"([A-Z]\w*(?:-[A-Z]\w*)+)"', sources)}
        self.assertGreater(len(used), 8)
        self.assertLessEqual(used - {"sec-fetch-dest", "sec-fetch-mode"}, named)

    def test_the_limits_are_those_that_are_kept(self):
        limits = self.section("Limits")
        source = text_of("actors/protocol/sf1.h")
        def constant(name):
            value = re.search(rf"{name} = ([\d' *]+);", source)[1].replace("'", "")
            return math.prod(int(part) for part in value.split("*"))
        for name, words in (
                ("kSf1MapBytesMax", "{kib} KiB, depth"), ("kSf1DepthMax", "depth {n} |"),
                ("kSf1BatchBytesMax", "orders, {kib} KiB"), ("kSf1BatchOrdersMax", "{n} orders,"),
                ("kSf1OpenMax", "connection | {n} |"), ("kDeadlineMaxMs", "| {n} ("),
                ("kDeadlineDefaultMs", "({n} without one)"), ("kSf1TokenBytesMax", "{n} bytes")):
            value = constant(name)
            self.assertIn(words.format(n=value, kib=value // 1024), limits, name)

    def test_the_frames_are_those_of_the_vectors(self):
        vectors = {vector["name"]: vector
                   for vector in json.loads(text_of("test/vectors/sf1.json"))["vectors"]}
        rows = re.findall(r"^\| ([^|`]+) \| `([0-9a-f]+)` \| `(.*)` \|$",
                          self.section("SF1 in bytes"), re.M)
        self.assertGreater(len(rows), 9)
        for name, frame, decoded in rows:
            self.assertEqual(frame, vectors[name]["hex"], name)
            self.assertEqual(json.loads(decoded), vectors[name]["decoded"], name)


class Benchmark(unittest.TestCase):
    """The documents' figures are those of the result that test/bench/README.md names."""

    def points(self):
        result = re.search(r"\[JSON\]\(([^)]+)\)", text_of(BENCH))[1]
        return json.loads(text_of("test/bench/" + result))["points"]

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
        points = self.points()
        for readme in (*READMES, BENCH):
            rows = [cells for cells in rows_of(readme, r"P\d+ .*")]
            self.assertGreaterEqual(len(rows), 15 if readme == BENCH else 5)
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

    def test_the_sizes_in_deployment_are_those_of_the_result(self):
        points = self.points()
        named = {"P1": "P1", "P2": "P2", "P3": "P3-hot", "P9": "P9", "P7": "P7", "P10": "P10"}
        seen = set()
        for cells in rows_of("docs/deployment.md", r".+"):
            point = re.fullmatch(r"(?:`scripts/bench.sh`, )?(P\d+)", cells[-1])
            if not point or point[1] not in named:
                continue
            median = points[named[point[1]]]["stampede"]["median"]
            shown = f"{median:.2f}" if median < 10 else f"{median:,.0f}"
            self.assertTrue(cells[1].startswith(shown + " "), f"{cells}: {shown}")
            seen.add(point[1])
        self.assertEqual(seen, set(named))


class Readmes(unittest.TestCase):
    """The README is short, and the Chinese one is the same document."""

    def parts(self, name):
        """Levels of headings, blocks without what people read, where links lead, and figures."""
        text = text_of(name)
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)
        code = [(kind, re.sub(r" *#.*", "", body)) for kind, body in blocks
                if not re.search("[┌└]", body)]
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        levels = [len(hit) for hit in re.findall(r"^(#+) ", prose, re.M)]
        links = set(re.findall(r"\]\(([^)#\s]+)", prose)) - set(READMES)
        figures = set(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", prose))
        return levels, code, len(blocks), links, figures

    def test_both_have_the_same_headings_blocks_links_and_figures(self):
        english, chinese = (self.parts(name) for name in READMES)
        self.assertEqual(english[:4], chinese[:4])
        self.assertEqual(english[4] ^ chinese[4], {"11", "1100"})  # 11 million, 1100 万

    def test_it_is_short(self):
        for name in READMES:
            self.assertLessEqual(len(text_of(name).splitlines()), 150, name)


if __name__ == "__main__":
    unittest.main()
