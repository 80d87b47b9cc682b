#!/usr/bin/python3
"""The log's tools on a log of real nodes: dump, the raw reader, verify, replay --dry-run, import.

The log holds confirmed and rejected orders, superseded amounts, and an order that the database
refuses: a trigger does not like one of the buyers.
"""

import collections
import re
import subprocess
import unittest

from buyers import Crowd, order
from by_hand import (copy_of, formats_of, json_lines, log_dir, must, segments, start,
                     stop_nodes)
from system import PROJECT, SystemTest, eventually

from stampede import Client

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) pid=(\d+) tid=(\d+) "
                  r"lsn=(\d+)\.(\d+) : "
                  r"\[(EMIT|EXEC|FAIL|OPTM|REJECT)\](.*)/EOL/")
PART = re.compile(r"(\w*)=?(\{.*\})")
REFUSE = ("CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW BEGIN IF NEW.user_id = "
          "'poison' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not him'; END IF; END")


def lsn_text(number):
    return f"{number >> 40}.{number & (1 << 40) - 1}"


def lsn_number(text):
    epoch, counter = text.split(".")
    return int(epoch) << 40 | int(counter)


def parsed_dump(text):
    """[(type, lsn text, tid, name, map)] in the order of the dump, by the documented line form."""
    found = []
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if not match:
            raise AssertionError(f"not a line of the documented form: {line}")
        lsn = f"{match[4]}.{match[5]}"
        for part in match[7].split("/DELIMITER/"):
            name, body = PART.fullmatch(part).groups()
            found.append((match[6], lsn, int(match[3]), name, json_lines(body)[0]))
    return found


def outcomes(lines):
    """The raw reader's outcome records, command by command: [(type, lsn text, lane, name, map)]."""
    commands = [line for line in lines if line["type"] == "EMIT"]
    where = [(lsn_number(one["lsn"]), one["command"], number)
             for number, one in enumerate(commands)]
    position = {}
    seen = collections.Counter()
    for lsn, _, number in where:
        position[number] = seen[lsn]
        seen[lsn] += 1

    def named(record, first, last):
        return [commands[number] for lsn, name, number in where
                if name == record["command"] and position[number] == record["position"]
                and first <= lsn <= last]

    for record in lines:
        numbers = record.get("numbers", [])
        if record["type"] == "EXEC":
            for first, last in zip(numbers[::2], numbers[1::2]):
                for one in named(record, first, last):
                    yield "EXEC", one["lsn"], record["lane"], one["command"], {"id": one["id"]}
        elif record["type"] == "FAIL":
            for lsn, errno, tries in zip(numbers[::2], numbers[1::2], record["tries"]):
                for one in named(record, lsn, lsn):
                    body = {"id": one["id"], "errno": errno}
                    yield ("FAIL", one["lsn"], record["lane"], one["command"],
                           body | ({"tries": tries} if tries > 1 else {}))
        elif record["type"] == "OPTM":
            for item, first, by in zip(numbers[::3], numbers[1::3], numbers[2::3]):
                winner = next(one for one in commands if one["command"] == record["command"]
                              and one["item"] == item and one["lsn"] == lsn_text(by))
                for one in named(record, first, by - 1):
                    if one["item"] == item:
                        yield ("OPTM", one["lsn"], record["lane"], one["command"],
                               {"id": one["id"], "superseded_by": winner["id"]})


class LogTools(SystemTest):
    def sale_with_a_refused_row(self):
        """Returns the system and the refused order's id."""
        system = self.start_system("1:Phone:300")
        self.assertEqual(formats_of(log_dir(system)), [(1, 0)])
        added = system.stampede("item", "add", 2, "--name", "Büro/EOL/lamp", "--stock", 50,
                                "--limit-per-user", 1, "--price-cents", 1999)
        self.assertEqual(added.returncode, 0, added.stderr)
        system.sql(f"DELIMITER //\n{REFUSE} //")
        with Crowd(system.zmq) as crowd, Client(system.zmq) as client:
            crowd.greet()
            crowd.send([order(f"a{n}", 1, f"u{n}", 1 + n % 3) for n in range(200)])
            crowd.send([order(f"l{n}", 2, f"u{n % 40}") for n in range(60)])
            self.assertTrue(crowd.receive_all(30))
            self.assertEqual(set(crowd.reasons()), {"sold_out", "limit_reached"})
            refused = client.order(2, "poison", request_id="poisoned")
            self.assertEqual(refused.state, "confirmed")  # the log decides, not the database
            for number in range(5):
                client.order(2, f"after-{number}")
        failed = lambda: system.status()["database"]["failed"] == 1
        self.assertTrue(eventually(failed), system.status()["database"])
        pending = lambda: system.status()["log"]["pending_commands"]
        eventually(lambda: pending() <= 1)
        # The first record that format 1 has no place for has begun a segment of format 2.
        self.assertEqual(formats_of(log_dir(system)), [(1, 0), (2, 1)])
        return system, refused.order_id

    def read_log(self, directory):
        done = subprocess.run(["/usr/bin/python3", PROJECT / "scripts" / "read_log.py", directory],
                              capture_output=True, text=True, timeout=60, check=False)
        return json_lines(must(done, "read_log.py").stdout)

    def check_readers_agree(self, system):
        """dump's lines, dump --json and the raw msgpack reader; returns the parsed dump."""
        text = must(system.stampede("log", "dump"), "log dump").stdout
        dump = parsed_dump(text)
        raw = self.read_log(log_dir(system))
        decisions = [(kind, lsn, name, body) for kind, lsn, _, name, body in dump
                     if kind in ("EMIT", "REJECT")]
        expected = [(one.pop("type"), one.pop("lsn"), one.pop("command", ""), one)
                    for one in map(dict, raw) if one["type"] in ("EMIT", "REJECT")]
        self.assertEqual(decisions, expected)
        said = [one for one in dump if one[0] not in ("EMIT", "REJECT")]
        raw_said = list(outcomes(raw))
        key = lambda one: (one[0], lsn_number(one[1]), one[3])
        self.assertEqual([(one[0], one[1], one[3], one[4]) for one in sorted(said, key=key)],
                         [(one[0], one[1], one[3], one[4]) for one in sorted(raw_said, key=key)])
        self.assertEqual(collections.Counter(one[2] for one in said),
                         collections.Counter(lane + 2 for _, _, lane, _, _ in raw_said))
        in_json = json_lines(must(system.stampede("--json", "log", "dump"), "dump").stdout)
        self.assertEqual([(one["lsn"], part.pop("command"), part) for one in in_json
                          for part in one.get("commands", [])],
                         [one[1:] for one in decisions if one[0] == "EMIT"])
        heads = re.findall(r"lsn=(\d+\.\d+) : \[(\w+)\]", text)
        self.assertEqual([(one["lsn"], one["type"]) for one in in_json if "lsn" in one], heads)
        return dump

    # --- tests ------------------------------------------------------------------------------------

    def test_dump_and_the_raw_reader_agree_command_for_command(self):
        system, refused = self.sale_with_a_refused_row()
        stop_nodes(system)
        dump = self.check_readers_agree(system)
        kinds = collections.Counter(one[0] for one in dump)
        self.assertEqual(set(kinds), {"EMIT", "REJECT", "EXEC", "FAIL", "OPTM"})
        self.assertEqual(kinds["FAIL"], 1)
        wanted = r'\[FAIL\]OrderInsert={"id":"[0-9.]*","errno":1644}/EOL/$'
        text = system.stampede("log", "dump").stdout
        grep = subprocess.run(["grep", "-c", wanted], input=text, text=True, capture_output=True,
                              check=False)
        self.assertEqual(grep.stdout, "1\n")
        fail = next(one for one in dump if one[0] == "FAIL")
        self.assertEqual((str(lsn_number(fail[1])), fail[3], fail[4]),
                         (refused, "OrderInsert", {"id": f"{fail[1]}.0", "errno": 1644}))
        # What the clients bought, by the log alone.
        inserts = {body["request_id"] for kind, _, _, name, body in dump
                   if (kind, name) == ("EMIT", "OrderInsert")}
        rows = {name for name, in system.sql("SELECT request_id FROM orders")}
        self.assertEqual(inserts - rows, {"poisoned"})
        self.assertEqual(rows - inserts, set())
        part = system.stampede("log", "dump", "--from", fail[1], "--to", fail[1]).stdout
        self.assertEqual({one[1] for one in parsed_dump(part)}, {fail[1]})
        owed = parsed_dump(system.stampede("log", "dump", "--pending").stdout)
        self.assertEqual([(one[3], one[1]) for one in owed], [("OrderInsert", fail[1])])

    def test_a_refused_row_is_named_stays_owed_and_is_applied_when_the_reason_is_gone(self):
        system, refused = self.sale_with_a_refused_row()
        name = f"{lsn_text(int(refused))}.0"
        done = system.stampede("--json", "verify", "--wait", "3s")
        self.assertEqual(done.returncode, 4, done.stdout + done.stderr)
        self.assertIn(f"order {name.removesuffix('.0')} ({refused}): the database refused it",
                      done.stdout)
        self.assertEqual(json_lines(done.stdout)[0]["failed"], 1)
        advice = "then run: stampede log retry"
        self.assertRegex(system.stampede("status").stdout,
                         f"note +1 command failed in the database and .* {advice}\n")
        health = system.stampede("health")
        self.assertEqual((health.returncode, advice in health.stderr), (0, True), health)
        # A restart tries it again, in vain; still nothing else is wrong.
        system.restart("backend-1")
        self.assertTrue(eventually(lambda: system.status()["database"]["failed"] == 1))
        done = system.stampede("--json", "verify", "--wait", "3s")
        self.assertEqual((done.returncode, json_lines(done.stdout)[0]["failed"]), (4, 1))
        done = system.stampede("--json", "log", "verify")
        report = json_lines(done.stdout)[0]
        self.assertEqual((done.returncode, report["ok"], report["failed"], report["pending"]),
                         (4, False, 1, 0), report)
        self.assertIn(name, report["violations"][0])
        plan = system.report("log", "replay", "--dry-run")
        self.assertEqual(plan["would_apply"], 1)
        self.assertEqual([one for one in plan["commands"] if one["fate"] == "failed"],
                         [{"id": name, "fate": "failed"}])

        system.sql("DROP TRIGGER refuse")
        must(system.stampede("log", "retry"), "log retry")
        # A FAIL is final until the next recovery is done with it: verify does not wait for that.
        row = lambda: system.sql("SELECT order_id FROM orders WHERE user_id = 'poison'")
        self.assertTrue(eventually(row), "it is not tried again")
        self.assertEqual(row(), [[refused]])
        self.assertTrue(eventually(lambda: system.status()["database"]["failed"] == 0))
        self.assertEqual(system.verify()["failed"], 0)
        self.assertNotIn(advice, system.stampede("status").stdout)
        stop_nodes(system)
        report = system.report("log", "verify")
        self.assertEqual((report["ok"], report["failed"], report["pending"]), (True, 0, 0), report)
        plan = must(system.stampede("log", "replay", "--dry-run"), "dry run").stdout
        self.assertRegex(plan, r"^would apply 0, skip \d+ done, skip \d+ superseded\n")
        self.check_readers_agree(system)
        start(system)
        system.verify()

    def test_log_verify_tells_a_torn_end_from_damage(self):
        system = self.start_system("1:Phone:10")
        with Client(system.zmq) as client:
            for number in range(3):
                client.order(1, f"u{number}")
        system.verify()
        stop_nodes(system)
        copy = copy_of(log_dir(system), "copied")
        last = segments(copy)[-1]
        done = system.stampede("--json", "log", "verify", copy)
        self.assertEqual((done.returncode, json_lines(done.stdout)[0]["torn"]), (0, None))
        data = last.read_bytes()
        end = len(data.rstrip(b"\0"))
        with open(last, "r+b") as file:
            file.seek(end - 1)
            file.write(b"\0")
        done = system.stampede("--json", "log", "verify", copy)
        report = json_lines(done.stdout)[0]
        self.assertEqual(done.returncode, 0, report)
        self.assertEqual(report["torn"]["file"], last.name)
        self.assertLess(report["torn"]["offset"], end)
        with open(last, "r+b") as file:
            file.seek(4096 + 80)
            file.write(bytes([data[4096 + 80] ^ 1]))
        done = system.stampede("log", "verify", copy)
        self.assertEqual(done.returncode, 4)
        self.assertIn(f"{last} at offset 4096", done.stdout)
        self.assertEqual(system.stampede("log", "verify", system.home / "none").returncode, 2)

    def test_the_seeds_worked_example_is_superseded_and_its_counter_example_owed(self):
        system = self.new_system()
        example = PROJECT / "test" / "storage" / "data" / "seed_example.txt"
        directory = system.home / "example"
        must(system.stampede("log", "import-text", example, "--to", directory), "import-text")
        dump = system.stampede("log", "dump", directory).stdout
        self.assertEqual([(one[0], one[3], one[4]["id"]) for one in parsed_dump(dump)],
                         [("EMIT", "ItemAmountUpdate", "abcdef"),
                          ("FAIL", "ItemAmountUpdate", "abcdef"),
                          ("EMIT", "ItemAmountUpdate", "xyzabc"),
                          ("EXEC", "ItemAmountUpdate", "xyzabc")])
        plan = system.report("log", "replay", directory, "--dry-run")
        commands = [{"id": "abcdef", "fate": "superseded", "by": "xyzabc"},
                    {"id": "xyzabc", "fate": "executed"}]
        self.assertEqual(plan, {"would_apply": 0, "skip_done": 1, "skip_superseded": 1,
                                "commands": commands})
        self.assertEqual(system.stampede("log", "verify", directory).returncode, 0)
        # Two inserts of one item: the success of the later one does not stand in for the earlier.
        text = example.read_text(encoding="utf-8").replace("ItemAmountUpdate", "OrderInsert")
        counter = system.home / "counter.txt"
        counter.write_text(re.sub(r",\"amount\":\d+", ',"qty":1', text), encoding="utf-8")
        directory = system.home / "counter"
        must(system.stampede("log", "import-text", counter, "--to", directory), "import-text")
        plan = system.report("log", "replay", directory, "--dry-run")
        self.assertEqual((plan["would_apply"], plan["commands"]),
                         (1, [{"id": "abcdef", "fate": "failed"},
                              {"id": "xyzabc", "fate": "executed"}]))
        done = system.stampede("log", "verify", directory)
        self.assertEqual((done.returncode, "abcdef" in done.stdout), (4, True), done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
