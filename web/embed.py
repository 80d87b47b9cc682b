#!/usr/bin/python3 -Es
"""Makes a C++ source of the pages: web/pages.h says what it holds.

Usage: web/embed.py OUT.cpp     writes it, from the folder that this file lies in
       web/embed.py --sizes     prints what each page's files weigh, compressed
Each page is its HTML and what that names, directly or through imports. Names get a piece of their
content's hash, deepest first, so that whoever has a file under its name has this very content.
"""

import gzip
import hashlib
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the folder is the source's
import docs_page  # noqa: E402  pylint: disable=wrong-import-position

HERE = Path(__file__).resolve().parent
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
         ".yaml": "application/yaml"}
# Whose pages, and under which address each is served.
PAGES = {"shop_pages": {"shop.html": "/", "docs.html": "/docs", "openapi.yaml": "/openapi.yaml"},
         "ops_pages": {"ops.html": "/"}}
ELSEWHERE = {"openapi.yaml": docs_page.DOCS / "openapi.yaml"}
# What a vendored file calls another one by.
BARE_NAMES = {"preact": "vendor/preact.module.js"}
# import … from "./x.js" · export … from "x" · import "./x.js", minified or not
IMPORT = re.compile(r'(?P<head>(?:\b(?:import|export)\b[^"\';]*?\bfrom|\bimport)\s*)'
                    r'(?P<quote>["\'])(?P<name>[^"\']+)(?P=quote)')
LINK = re.compile(r'(?P<head>\b(?:src|href)=)(?P<quote>")(?P<name>[^"#:]+\.(?:js|css|svg))"')
SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


class Files:
    """The files that pages need, by the names that they have in the folder."""

    def __init__(self):
        self.made = {}  # name in the folder -> (path that it is served under, content)

    def path_of(self, name):
        """Where a file is served; it is made first."""
        if name not in self.made:
            content = self._linked(name)
            stem, suffix = Path(name).stem, Path(name).suffix
            mark = hashlib.sha256(content).hexdigest()[:16]
            self.made[name] = (f"/assets/{stem}.{mark}{suffix}", content)
        return self.made[name][0]

    def page(self, name, address):
        """The page itself, which keeps its plain address."""
        self.made[name] = (address, self._linked(name))

    def _linked(self, name):
        path = ELSEWHERE.get(name, HERE / name)
        content = path.read_bytes()
        if path.suffix not in (".html", ".js"):
            return content
        text = SOURCE_MAP.sub("", content.decode())
        if name == "docs.html":
            text = text.replace("<!-- text -->", docs_page.body())
        pattern = LINK if path.suffix == ".html" else IMPORT

        def replace(found):
            target = self._target(path, found["name"])
            return f"{found['head']}{found['quote']}{target}{found['quote']}"
        return pattern.sub(replace, text).encode()

    def _target(self, path, said):
        if said in BARE_NAMES:
            return self.path_of(BARE_NAMES[said])
        target = (path.parent / said).resolve()
        if not target.is_file() or HERE not in target.parents:
            raise SystemExit(f"{path}: there is no {said}")
        return self.path_of(target.relative_to(HERE).as_posix())


def files_of(pages):
    """[(path, type, content, compressed)] of pages that one node serves."""
    files = Files()
    for name, address in pages.items():
        files.page(name, address)
    return [(path, TYPES[Path(name).suffix], content, gzip.compress(content, 9, mtime=0))
            for name, (path, content) in sorted(files.made.items())]


class Source:
    """The text of the source. A content that two pages share is there once."""

    def __init__(self):
        self.arrays = {}

    def array(self, data):
        name = f"data_{hashlib.sha256(data).hexdigest()[:16]}"
        self.arrays[name] = data
        return f"std::string_view({name}, sizeof({name}))"

    def row(self, path, kind, content, packed):
        etag = f'"\\"{hashlib.sha256(content).hexdigest()[:32]}\\""'
        hashed = "true" if path.startswith("/assets/") else "false"
        return (f'    {{"{path}", "{kind}", {etag}, {hashed},\n     {self.array(content)},\n'
                f"     {self.array(packed)}}},")

    def text(self):
        tables = []
        for function, pages in PAGES.items():
            rows = "\n".join(self.row(*file) for file in files_of(pages))
            tables.append(f"std::span<const actors::StaticFile> {function}() {{\n"
                          f"  static constexpr actors::StaticFile kFiles[] = {{\n{rows}\n  }};\n"
                          "  return kFiles;\n}\n")
        data = "\n".join(self.definition(name, bytes_) for name, bytes_ in self.arrays.items())
        return ('// Made by web/embed.py.\n\n#include "web/pages.h"\n\nnamespace stampede::web {\n'
                f"namespace {{\n{data}\n}}  // namespace\n\n" + "\n".join(tables) +
                "\n}  // namespace stampede::web\n")

    @staticmethod
    def definition(name, data):
        """Numbers, not a literal: compilers need not take one of more than 64 KiB."""
        lines = [",".join(str(byte - 256 if byte > 127 else byte) for byte in data[i:i + 48])
                 for i in range(0, len(data), 48)]
        body = ",\n".join(lines)
        return f"constexpr char {name}[] = {{\n{body}\n}};"


def print_sizes():
    shared = {}
    for function, pages in PAGES.items():
        files = files_of(pages)
        print(f"{function}: {sum(len(packed) for *_, packed in files)} bytes")
        for path, _, content, packed in files:
            shared[path if path.startswith("/assets/") else function + path] = len(packed)
            print(f"  {len(packed):7} of {len(content):7}  {path}")
    print(f"together: {sum(shared.values())} bytes")


def main():
    if sys.argv[1:] == ["--sizes"]:
        print_sizes()
    elif len(sys.argv) == 2 and not sys.argv[1].startswith("-"):
        Path(sys.argv[1]).write_text(Source().text(), encoding="ascii")
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
