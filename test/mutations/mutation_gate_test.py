#!/usr/bin/python3
"""The gate itself: a product of one file, with a simulator of one seed, and faults for it."""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

FAULTS = Path(__file__).resolve().parent
GATE = FAULTS.parent.parent / "scripts" / "checks" / "mutation_gate.py"

PRODUCT = """\
namespace stampede {

int left(int amount, int qty) {
  return amount - qty;
}

bool fits(int amount, int qty) {
  return qty <= amount;
}

int price(int qty) {
  return qty * 100;
}

}  // namespace stampede
"""
SIMULATOR = """\
#include <cstdio>
namespace stampede {
int left(int amount, int qty);
}
int main() {
  if (stampede::left(5, 2) == 3) return 0;
  std::puts("violation: seed=1 step=7 invariant=S4: amounts differ");
  return 1;
}
"""
UNIT_TEST = """\
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
namespace stampede {
bool fits(int amount, int qty);
}
using stampede::fits;
TEST_CASE("what fits, is sold") { CHECK(fits(2, 2)); }
TEST_CASE("another one") { CHECK(!fits(2, 3)); }
"""
BUILD = """\
cmake_minimum_required(VERSION 3.25)
project(sale CXX)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
include_directories(${CMAKE_SOURCE_DIR})
add_executable(stampede_sim actors/sale.cpp simulator.cpp)
add_executable(sale_test actors/sale.cpp sale_test.cpp)
"""
BY_SEEDS = "Caught by: the simulator, 10 seeds"
BY_CASE = 'Caught by: sale_test, "what fits, is sold"'


def patch(old, new, catcher=BY_SEEDS, fault="Fault: a fault", name="actors/sale.cpp"):
    """The text of a patch that puts the lines `new` where `old` stands."""
    old, new = old.splitlines(), new.splitlines()
    lines = [fault, catcher, f"--- a/{name}", f"+++ b/{name}", f"@@ -1,{len(old)} +1,{len(new)} @@"]
    return "\n".join(lines + ["-" + line for line in old] + ["+" + line for line in new]) + "\n"


def above(line, put):
    """The text of a patch that puts a line above another one."""
    head = patch("", put + "\n" + line).split("@@")[0]
    return f"{head}@@ -1 +1,2 @@\n+{put}\n {line}\n"


LEFT = "  return amount - qty;"
FITS = "  return qty <= amount;"
PRICE = "  return qty * 100;"
GIVES_AWAY = patch(LEFT, '  return amount - (planted("gives_away") ? 0 : qty);')
TOO_STRICT = patch(FITS, '  return planted("too_strict") ? qty < amount : qty <= amount;', BY_CASE)


class Gate(unittest.TestCase):
    def setUp(self):
        self.project = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.project)
        (self.project / "actors").mkdir()
        (self.project / "test" / "mutations").mkdir(parents=True)
        shutil.copy(FAULTS / "planted.h", self.project / "test" / "mutations")
        for name, text in (("CMakeLists.txt", BUILD), ("simulator.cpp", SIMULATOR),
                           ("sale_test.cpp", UNIT_TEST), ("actors/sale.cpp", PRODUCT),
                           (".gitignore", "/build-mutations/\n")):
            (self.project / name).write_text(text)
        subprocess.run(["git", "init", "-q"], cwd=self.project, check=True)
        self.plant("gives_away", GIVES_AWAY)
        self.plant("too_strict", TOO_STRICT)

    def plant(self, name, text):
        (self.project / "test" / "mutations" / f"{name}.patch").write_text(text)

    def gate(self, *arguments):
        done = subprocess.run([sys.executable, GATE, "--project", self.project, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=300, check=False)
        return done.returncode, done.stdout

    def refused(self, why, *names):
        code, out = self.gate("--check")
        self.assertEqual(code, 1, out)
        for word in (why, *names):
            self.assertIn(word, out)
        self.assertEqual(self.gate()[0], 1, "the whole gate refuses it, too")


class Patches(Gate):
    def test_what_applies_is_well(self):
        self.assertEqual(self.gate("--check"), (0, "2 faults\n"))
        code, out = self.gate("--list")
        self.assertEqual(code, 0)
        self.assertRegex(out, "gives_away +stampede_sim +a fault\ntoo_strict +sale_test +a fault")

    def test_is_what_git_writes(self):
        source = self.project / "actors/sale.cpp"
        subprocess.run(["git", "add", "-A"], cwd=self.project, check=True)
        source.write_text(PRODUCT.replace(PRICE, '  return qty * (planted("dear") ? 101 : 100);')
                          .replace(LEFT, '  if (planted("dear")) --amount;\n' + LEFT))
        written = subprocess.run(["git", "diff", "-U1"], cwd=self.project, stdout=subprocess.PIPE,
                                 text=True, check=True).stdout
        source.write_text(PRODUCT)
        (self.project / "test/mutations/gives_away.patch").unlink()
        self.plant("dear", f"Fault: a fault\n{BY_SEEDS}\n{written}")
        self.assertEqual(self.gate("--check"), (0, "2 faults\n"))
        code, out = self.gate("--only", "dear")
        self.assertEqual(code, 0, out)

    def test_there_is_at_least_one(self):
        for path in (self.project / "test/mutations").glob("*.patch"):
            path.unlink()
        self.refused("there is no patch")

    def test_applies_although_lines_were_put_above(self):
        (self.project / "actors/sale.cpp").write_text("// Sells.\n" + PRODUCT)
        self.assertEqual(self.gate("--check")[0], 0)

    def test_does_not_apply_once_its_line_has_changed(self):
        (self.project / "actors/sale.cpp").write_text(PRODUCT.replace("<=", "< 1 +"))
        self.refused("it does not apply", "too_strict.patch", "in 0 places")

    def test_does_not_apply_where_its_lines_stand_twice(self):
        (self.project / "actors/sale.cpp").write_text(PRODUCT + PRODUCT)
        self.refused("in 2 places", "too_strict.patch", "gives_away.patch")

    def test_does_not_apply_to_a_file_that_is_gone(self):
        (self.project / "actors/sale.cpp").rename(self.project / "actors/shop.cpp")
        self.refused("there is no actors/sale.cpp", "too_strict.patch", "gives_away.patch")

    def test_has_a_switch_of_its_name(self):
        self.plant("no_switch", patch(PRICE, "  return qty;"))
        self.plant("other", patch(PRICE, '  return planted("gives_away") ? 1 : 2;'))
        self.refused("missing", "no_switch.patch", "other.patch", "but gives_away")

    def test_says_what_it_is_and_what_catches_it(self):
        put = '  return planted("{}") ? 1 : qty * 100;'
        self.plant("nobody", patch(PRICE, put.format("nobody"), "Caught by: somebody"))
        self.plant("silent", patch(PRICE, put.format("silent"), fault="A fault"))
        self.refused("neither", "nobody.patch", "silent.patch", "does not begin with")

    def test_changes_the_product_and_nothing_else(self):
        self.plant("loud", patch("int main() {", 'int main() {  // planted("loud")',
                                 name="simulator.cpp"))
        self.refused("simulator.cpp is no source of the product", "loud.patch")

    def test_two_may_put_lines_at_one_place(self):
        for name in ("first", "second"):
            self.plant(name, above(LEFT, f'  if (planted("{name}")) return 1;'))
        self.assertEqual(self.gate("--check"), (0, "4 faults\n"))

    def test_two_may_not_change_the_same_line(self):
        self.plant("third", patch(LEFT, '  return planted("third");'))
        self.refused("third and gives_away change the same line of actors/sale.cpp")

    def test_one_may_not_put_lines_among_those_that_another_changes(self):
        whole = "int left(int amount, int qty) {\n" + LEFT
        self.plant("gives_away", patch(whole, whole.replace("qty;", 'planted("gives_away");')))
        self.plant("first", above(LEFT, '  if (planted("first")) return 1;'))
        self.refused("first puts lines among those that gives_away changes")


class Runs(Gate):
    def test_a_share_is_one_part_of_the_programs(self):
        code, out = self.gate("--share", "2")
        self.assertEqual(code, 0, out)
        self.assertIn("part 1 of 2: 1 of 2 faults", out)
        self.assertIn("caught 1/1", out)
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q",
                        "--allow-empty", "-m", "one"], cwd=self.project, check=True)
        code, other = self.gate("--share", "2")
        self.assertIn("part 2 of 2: 1 of 2 faults", other)
        caught = {re.search(r"caught +(\w+) ", text)[1] for text in (out, other)}
        self.assertEqual(caught, {"gives_away", "too_strict"})
        self.assertEqual(self.gate("--share", "0")[0], 2)

    def test_every_fault_is_caught_and_a_survivor_is_named(self):
        code, out = self.gate()
        self.assertEqual(code, 0, out)
        self.assertRegex(out, "caught   gives_away .* seed=1 step=7 invariant=S4")
        self.assertRegex(out, "caught   too_strict .* what fits, is sold")
        self.assertIn("caught 2/2", out)

        self.plant("dear", patch(PRICE, '  return qty * (planted("dear") ? 101 : 100);'))
        code, out = self.gate()
        self.assertEqual(code, 4, out)
        self.assertIn("SURVIVED dear", out)
        self.assertIn("caught 2/3", out)
        self.assertEqual(self.gate("--only", "gives_away")[0], 0)
        self.assertEqual(self.gate("--only", "nonsense")[0], 2)
        self.assertEqual((self.project / "actors/sale.cpp").read_text(), PRODUCT)

    def test_a_product_that_fails_by_itself_proves_nothing(self):
        self.plant("too_strict",
                   patch(FITS, '  return qty < amount + planted("too_strict");', BY_CASE))
        code, out = self.gate()
        self.assertEqual(code, 4, out)
        self.assertIn("fails without any fault: sale_test: what fits, is sold", out)

    def test_a_case_that_is_not_there_catches_nothing(self):
        self.plant("too_strict", TOO_STRICT.replace("what fits", "what does not fit"))
        code, out = self.gate()
        self.assertEqual(code, 4, out)
        self.assertIn("no test case is called so: what does not fit, is sold", out)

    def test_what_does_not_compile_is_shown(self):
        self.plant("gives_away", patch(LEFT, '  return amount - planted("gives_away") + nothing;'))
        code, out = self.gate()
        self.assertEqual(code, 3, out)
        self.assertIn("nothing", out)


if __name__ == "__main__":
    unittest.main()
