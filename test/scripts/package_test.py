#!/usr/bin/python3
"""scripts/package.sh: the package is made, lintian finds no fault, systemd accepts the unit and its
sandbox, and what is in it runs: the package's own scripts start a system, sell and stop it, from a
directory that it was unpacked into, without sources. Installing, removing and purging in a bare
root directory: package_root_test.py.

Skipped, and named, without the packages of scripts/install_deps.sh --package."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT / "test/system"))

from system import System  # noqa: E402  pylint: disable=wrong-import-position

MISSING = [name for name in ("dh_builddeb", "fakeroot", "lintian", "systemd-analyze")
           if not shutil.which(name)]


def run(*command, **options):
    return subprocess.run(list(map(str, command)), text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, timeout=300, **options)


@unittest.skipIf(MISSING, f"missing: {', '.join(MISSING)}; scripts/install_deps.sh --package")
class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(shutil.rmtree, cls.system.home, ignore_errors=True)
        made = run(PROJECT / "scripts/package.sh", "--output", cls.system.home,
                   env=cls.system.environment)
        if made.returncode:
            raise AssertionError(made.stdout)
        cls.deb = next(cls.system.home.glob("stampede_*.deb"))
        cls.root = cls.system.home / "root"
        run("dpkg-deb", "-x", cls.deb, cls.root)
        cls.unit = cls.root / "lib/systemd/system/stampede.service"

    def test_lintian_finds_no_fault(self):
        done = run("lintian", "--allow-root", "--fail-on", "error,warning", self.deb)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_symbols_become_a_package_of_their_own(self):
        source, program = self.system.home / "main.cpp", self.system.home / "with_symbols"
        source.write_text("""
            #include <cstdio>
            #include <string>
            int main(int, char** words) {
              const std::string word = words[1];
              std::puts(word == "--version" ? "0.0.1" : word == "--json" ? "[]" : ".TH X 1");
            }""", encoding="ascii")
        run("g++", "-g1", "-o", program, source)
        output = self.system.home / "symbols"
        made = run(PROJECT / "scripts/package.sh", "--output", output,
                   env=self.system.environment | {"STAMPEDE_BIN": str(program)})
        self.assertEqual(made.stdout.split(),
                         [str(output / f"{name}_0.0.1_amd64.deb")
                          for name in ("stampede-dbgsym", "stampede")], made.stdout)

    def test_what_it_needs_is_computed(self):
        needs = run("dpkg-deb", "-f", self.deb, "Depends").stdout
        for library in ("libc6 (>=", "libzmq5 (>=", "libcaf-core", "libsodium"):
            self.assertIn(library, needs)

    def test_the_files_are_where_they_belong(self):
        for file in ("usr/bin/stampede", "etc/stampede/stampede.toml",
                     "usr/lib/sysusers.d/stampede.conf", "usr/lib/tmpfiles.d/stampede.conf",
                     "usr/share/stampede/scripts/start_all.sh",
                     "usr/lib/python3/dist-packages/stampede/client.py",
                     "usr/share/stampede/dashboards/alerts.yml",
                     "usr/share/bash-completion/completions/stampede",
                     "usr/share/zsh/vendor-completions/_stampede",
                     "usr/share/man/man1/stampede.1.gz",
                     "usr/share/man/man1/stampede-item-add.1.gz"):
            self.assertTrue((self.root / file).is_file(), file)
        conffiles = run("dpkg-deb", "--info", self.deb, "conffiles").stdout.split()
        self.assertEqual(conffiles, ["/etc/stampede/stampede.toml"])

    def test_systemd_accepts_the_unit(self):
        text = self.unit.read_text(encoding="utf-8")
        copy = self.system.home / "stampede.service"
        copy.write_text(re.sub(r"(ExecSt\w+)=/", rf"\1={self.root}/", text), encoding="utf-8")
        done = run("systemd-analyze", "verify", "--man=no", copy)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        copy.write_text(text.replace("KillMode=process", "KillMod=process"), encoding="utf-8")
        self.assertIn("KillMod", run("systemd-analyze", "verify", "--man=no", copy).stdout)

    def test_its_sandbox_is_tight(self):
        done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", self.unit)
        self.assertEqual(done.returncode, 0, done.stdout[-300:])

    def test_its_scripts_run_a_system_without_sources(self):
        system, scripts = self.system, self.root / "usr/share/stampede/scripts"
        environment = {key: value for key, value in system.environment.items()
                       if key != "STAMPEDE_BIN"}
        program = self.root / "usr/bin/stampede"
        self.addCleanup(run, scripts / "stop_all.sh", "--now", env=environment)
        done = run(scripts / "start_all.sh", "--item", "1:Phone:10", env=environment)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(f"Stop: {scripts}/stop_all.sh", done.stdout)
        self.assertEqual(os.readlink(f"/proc/{system.pid('backend-1')}/exe"), str(program))
        order = run(program, "--run-dir", system.run, "order", 1, "--user", "ann", env=environment)
        self.assertIn("confirmed", order.stdout)
        done = run(scripts / "stop_all.sh", env=environment)
        self.assertEqual((done.returncode, "database up to date" in done.stdout), (0, True),
                         done.stdout)


if __name__ == "__main__":
    unittest.main()
