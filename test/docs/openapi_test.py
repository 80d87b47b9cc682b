#!/usr/bin/python3
"""docs/openapi.yaml: valid OpenAPI 3.1 (by the specification's own schema, test/vectors/
openapi_3_1.schema.json), complete (the routes of docs/protocol.md, which another test holds against
the webapp; the codes of docs/reference.md) and without loose ends. What a running system answers is
held against it by test/system/openapi_test.py."""

import json
import re
import unittest
from pathlib import Path

try:
    import jsonschema
    import yaml
except ImportError as missing:
    raise SystemExit(f"{missing.name} is missing; scripts/test.sh installs it") from None

PROJECT = Path(__file__).resolve().parent.parent.parent
METHODS = {"get", "post", "put", "delete", "patch", "head", "options"}


def text_of(path):
    return (PROJECT / path).read_text(encoding="utf-8")


def references(node):
    """Every $ref below the node."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = text_of("docs/openapi.yaml")
        cls.document = yaml.safe_load(cls.text)
        cls.validator = jsonschema.Draft202012Validator(
            json.loads(text_of("test/vectors/openapi_3_1.schema.json")))

    def operations(self):
        for path, entry in self.document["paths"].items():
            for method in METHODS & set(entry):
                yield method.upper(), path, entry[method]

    def test_it_is_valid(self):
        errors = [f"{list(error.absolute_path)}: {error.message[:200]}"
                  for error in self.validator.iter_errors(self.document)]
        self.assertEqual(errors, [])
        self.assertFalse(self.validator.is_valid({**self.document, "path": {}}))

    def test_its_schemas_are_valid(self):
        for name, schema in self.document["components"]["schemas"].items():
            with self.subTest(name):
                jsonschema.Draft202012Validator.check_schema(schema)

    def test_no_reference_leads_nowhere_and_no_part_is_unused(self):
        used = set(references(self.document))
        there = {f"#/components/{kind}/{name}"
                 for kind, entries in self.document["components"].items()
                 for name in entries if kind != "securitySchemes"}
        spoken_of = {"#/components/schemas/Event"}  # the data of a stream
        self.assertEqual(used | spoken_of, there)

    def test_its_operations_are_those_of_the_protocol(self):
        documented = set()
        webapp = text_of("docs/protocol.md").split("\n## The operator's page\n")[0]
        for line in re.findall(r"^\| (`[A-Z]+ /.*?)\|", webapp, re.M):
            for method, path in re.findall(r"`([A-Z]+) (/[\w/{}.-]*)", line):
                documented.add((method, path))
        described = {(method, path) for method, path, _ in self.operations()}
        self.assertEqual(described, documented)

    def test_its_codes_are_those_of_the_reference(self):
        table = text_of("docs/reference.md").split("## Codes")[1].split("\n## ")[0]
        codes = set(re.findall(r"^\| `(\w+)` \|", table, re.M))
        self.assertEqual(set(self.document["components"]["schemas"]["Code"]["enum"]), codes)

    def test_each_operation_has_a_name_of_its_own_and_a_way_to_fail(self):
        names = [operation["operationId"] for _, _, operation in self.operations()]
        self.assertEqual(len(names), len(set(names)))
        for method, path, operation in self.operations():
            self.assertIn("default", operation["responses"], f"{method} {path}")


if __name__ == "__main__":
    unittest.main()
