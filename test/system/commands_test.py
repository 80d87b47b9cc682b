#!/usr/bin/python3
"""The command line as a whole, on one system: its tree, and what operators do and look at.

What is made of the tree (help, examples, advice, completion, man pages) is tried on every command.
"""

import datetime
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from by_hand import admin
from system import BINARY, System, SystemTest, eventually, is_stopped

from stampede import Client, StampedeError

IDLE_S = float(os.environ.get("STAMPEDE_IDLE_S", "8"))
IDLE_SHARE_MAX = 0.003 if IDLE_S >= 60 else 0.02  # other tests use the machine, too
RFC_3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
NOT_FOR_TOOLS = ("supervisor", "webapp", "broker", "backend")


def setUpModule():
    CommandsTest.system = System()
    unittest.addModuleCleanup(CommandsTest.system.stop)
    CommandsTest.system.start("1:Phone:1000", "2:Pad:3", nodes="webapp=2,broker=1,backend=1")


class CommandsTest(SystemTest):
    system = None

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)

    def order(self, item, user, **options):
        with Client(self.system.zmq) as client:
            return client.order(item, user, 1, **options)

    def code_of(self, item, user, **options):
        with self.assertRaises(StampedeError) as caught:
            self.order(item, user, **options)
        return caught.exception.code

    def must(self, *arguments, code=0, **options):
        done = self.system.stampede(*arguments, **options)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def check_times(self, value, name=""):
        """Numbers or RFC 3339, never prose."""
        if isinstance(value, dict):
            for key, member in value.items():
                self.check_times(member, key)
        elif isinstance(value, list):
            for member in value:
                self.check_times(member, name)
        elif name == "at" or name.endswith("_at"):
            self.assertTrue(value is None or RFC_3339.match(value), (name, value))
        elif name.endswith(("_s", "_ms", "_us")):
            self.assertIsInstance(value, (int, float, type(None)), (name, value))
        elif isinstance(value, str):
            self.assertNotRegex(value, r"\d+ (s|min|h) ago", name)


class Tree(CommandsTest):
    def commands(self):
        return self.system.report("help", "commands")

    def test_every_command_has_help_with_one_example(self):
        commands = self.commands()
        self.assertGreater(len(commands), 55)
        for one in commands:
            done = self.must(*one["command"].split(), "--help")
            self.assertEqual(done.stdout.count("Example:"), 1, one)
            self.assertIn(one["example"], done.stdout)
            self.assertEqual(done.stdout, self.must("help", *one["command"].split()).stdout)

    def test_unknown_words_are_told_with_what_is_near(self):
        for one in self.commands():
            words = one["command"].split()
            wrong = self.must(*words, "--hepl", code=2)
            self.assertRegex(wrong.stderr, "did you mean --help|is required", one)
        for typed, meant in (("stauts", "status"), ("item lst", "list"), ("ordr 1", "order"),
                             ("order lst --user ann", "list"),
                             ("chaos kil backend-1", "kill"), ("log vrify", "verify")):
            wrong = self.must(*typed.split(), code=2)
            self.assertIn(f"did you mean {meant}?", wrong.stderr)
        self.assertIn("did you mean item add", self.must("help", "item", "ad", code=2).stderr)

    def test_topics(self):
        codes = {one["code"] for one in self.system.report("help", "exit-codes")}
        self.assertEqual(codes, {0, 1, 2, 3, 4, 5, 6, 7, 8, 65, 70, 74, 75, 78})
        self.assertIn("could not connect", self.must("help", "exit-codes").stdout)
        self.assertIn("stampede item add 1", self.must("help", "examples").stdout)
        self.assertIn("Usage: stampede", self.must("help").stdout)

    def test_a_wrong_run_directory_is_told_with_what_to_do(self):
        nowhere = self.system.home / "nowhere"
        for words in ("status", "health", "start", "stop webapp-1", "restart webapp-1", "drain",
                      "undrain", "recoveries", "nodes", "upgrade", "item list", "promo list",
                      "verify"):
            done = subprocess.run([BINARY, "--run-dir", nowhere, *words.split()], text=True,
                                  capture_output=True, check=False)
            self.assertIn(done.returncode, (3, 7), words)
            self.assertIn("start_all.sh", done.stdout + done.stderr, words)
        for words in ("logs", "trace r-1", "order list", "pending", "log verify"):
            done = subprocess.run([BINARY, "--run-dir", nowhere, *words.split()], text=True,
                                  capture_output=True, check=False)
            self.assertEqual(done.returncode, 2, (words, done.stderr))
            self.assertIn("nowhere", done.stderr)
        self.assertFalse(nowhere.exists())

    def test_every_failure_is_one_json_document_with_code_and_sentence(self):
        """Each command's example in an empty run directory: nearly all of them fail."""
        empty = self.system.home / "empty"
        empty.mkdir(mode=0o700)
        self.addCleanup(shutil.rmtree, empty)
        reports = {"doctor", "health", "verify", "migrate status"}  # what they say is the report
        failed = 0
        for one in self.commands():
            words = one["command"].split()
            if words[0] in (*NOT_FOR_TOOLS, "bench", "chaos", "help", "completion"):
                continue
            with self.subTest(one["example"]):
                example = one["example"].partition(" |")[0].partition(" >")[0]
                typed = shlex.split(example.replace("--wait 30s", "--wait 0s"))[1:]
                done = subprocess.run(
                    [BINARY, "--json", "--run-dir", empty, *typed], text=True, timeout=30,
                    stdin=subprocess.DEVNULL, capture_output=True, cwd=empty, check=False,
                    env=self.system.environment | {
                        "STAMPEDE_RUN_DIR": str(empty),
                        "STAMPEDE_NET__PORT_BASE": str(self.system.base + 200)})
                if done.returncode == 0:
                    continue
                failed += 1
                said = json.loads(done.stdout)
                if one["command"] not in reports:
                    self.assertRegex(said["error"], "^[a-z_]+$")
                    self.assertGreater(len(said["message"]), 10)
                    self.assertIn(said["message"].splitlines()[0][:40], done.stderr)
        self.assertGreater(failed, 30)
        wrong = json.loads(self.must("--json", "status", "--every", "never", code=2).stdout)
        self.assertEqual(wrong["error"], "wrong_use")

    def test_json_has_numbers_and_times_and_no_prose(self):
        self.order(1, "jo", request_id="js-1")
        for words in ("status", "health", "item list", "item show 1", "promo list", "recoveries",
                      "order show js-1", "order list", "trace js-1", "pending", "verify",
                      "log verify", "log replay --dry-run", "migrate status", "doctor",
                      "help commands", "help exit-codes"):
            self.check_times(self.system.report(*words.split()))
        self.assertRegex(self.system.status()["version"], r"^\d+\.\d+\.\d+$")
        for line in self.must("--json", "logs").stdout.splitlines():
            self.assertTrue(RFC_3339.match(json.loads(line)["time"]), line)

    def read_until(self, terminal, wanted, seconds=10):
        text, until = "", time.monotonic() + seconds
        while not re.search(wanted, text) and time.monotonic() < until:
            if select.select([terminal], [], [], 0.1)[0]:
                text += os.read(terminal, 65536).decode(errors="replace")
        return text

    def test_bash_completes_in_a_terminal(self):
        script = self.system.home / "completion.bash"
        script.write_text(self.must("completion", "bash").stdout)
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(PS1="$ ", TERM="dumb", HISTFILE="/dev/null")
            os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
        try:
            os.write(terminal, f"bind 'set enable-bracketed-paste off'; . {script}; echo rea''dy\n"
                     .encode())
            self.read_until(terminal, "ready")
            for typed, wanted in (("stampede stat\t", "stampede status "),
                                  ("stampede item sh\t", "item show "),
                                  ("stampede item add --st\t", "--stock "),
                                  ("stampede --run-dir /tmp bench --via mi\t", "miaosha "),
                                  ("stampede stop bac\t", "backend-1 "),
                                  ("stampede config set net.po\t", "net.port_base "),
                                  ("stampede item s\t\t", r"set +show +stock")):
                os.write(terminal, typed.encode())
                self.assertRegex(self.read_until(terminal, wanted), wanted, typed)
                os.write(terminal, b"\x15")  # the line goes
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)

    def test_completion_is_a_script_of_its_shell(self):
        for shell in ("bash", "zsh"):
            text = self.must("completion", shell).stdout
            if shutil.which(shell):
                done = subprocess.run([shell, "-n"], input=text, text=True, capture_output=True,
                                      check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""), shell)
        self.must("completion", "fish", code=2)

    @unittest.skipUnless(shutil.which("groff"), "groff is not there")
    def test_man_pages_are_rendered_without_a_warning(self):
        pages = [self.must("help", "man").stdout]
        pages += [self.must("help", "man", *one["command"].split()).stdout
                  for one in self.commands()]
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8"], input="\n".join(pages), text=True,
                              capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("Price of one unit", done.stdout)
        for page in pages:
            self.assertTrue(page.startswith(".TH STAMPEDE"), page[:80])


class Nodes(CommandsTest):
    def test_a_drained_system_refuses_orders_and_nothing_else(self):
        before = self.order(1, "ann", request_id="dr-0")
        self.must("drain", "--wait", "20s")
        self.assertEqual(self.code_of(1, "bob", request_id="dr-1", timeout=1), "draining")
        asked = urllib.request.Request(
            f"{self.system.http}/v1/orders", json.dumps({"item": 1, "user": "bob"}).encode(),
            {"Content-Type": "application/json"})
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(asked, timeout=10)
        self.assertEqual(caught.exception.code, 503)
        self.assertIn("the operator has stopped the sale", caught.exception.read().decode())
        with Client(self.system.zmq) as client:
            self.assertEqual(client.get("dr-0").order_id, before.order_id)
            # What is known is answered; an id of one's own may be known, and is looked up.
            again = client.order(1, "ann", id="dr-0")
            self.assertEqual(again.order_id, before.order_id)
            with self.assertRaises(StampedeError) as caught:
                client.order(1, "ann", id="dr-9", timeout=1)
            self.assertEqual(caught.exception.code, "draining")
            self.assertEqual(client.items(1)[0].item, 1)
        status = self.system.status()
        self.assertRegex(status["drained_at"], RFC_3339)
        self.assertIn("stampede undrain", self.must("status").stdout)
        self.assertIn("drained by the operator", self.must("health", code=3).stdout)
        self.must("item", "stock", 1, "+1")  # the operator goes on
        for name in ("webapp-1", "supervisor-1"):
            pid = self.system.kill9(name)
            self.system.wait_back(name, pid)
        self.assertEqual(self.code_of(1, "bob", request_id="dr-1", timeout=1), "draining")
        self.assertEqual(self.system.script("start_all.sh").returncode, 0)
        self.must("undrain")
        self.system.wait_ready()
        self.assertEqual(self.order(1, "bob", request_id="dr-1").state, "confirmed")
        self.assertIsNone(self.system.status()["drained_at"])

    def test_a_stopped_node_stays_stopped_until_it_is_started(self):
        self.must("stop", "webapp-2")
        self.assertEqual(self.system.node("webapp-2")["state"], "stopped")
        self.assertEqual(self.order(1, "cy").state, "confirmed")
        self.system.wait_back("supervisor-1", self.system.kill9("supervisor-1"))
        self.assertEqual(self.system.node("webapp-2")["state"], "stopped")
        self.assertIn("stampede start webapp-2", self.must("status").stdout)
        self.must("start", "webapp-2")
        self.system.wait_ready()
        pid = self.system.pid("webapp-2")
        again = self.system.report("restart", "webapp-2")
        self.assertNotEqual(again["pid"], pid)
        backend = self.system.pid("backend-1")
        self.must("restart", "backend")
        self.assertNotEqual(self.system.pid("backend-1"), backend)
        self.assertEqual(self.system.stampede("stop", "nobody").returncode, 2)

    def test_recoveries_say_cause_and_duration(self):
        pid = self.system.kill9("backend-1")
        self.order(1, "dan")
        self.system.wait_back("backend-1", pid)
        newest = self.system.report("recoveries")["recoveries"][0]
        self.assertEqual((newest["node"], newest["cause"]), ("backend-1", "SIGKILL"))
        self.assertGreater(newest["duration_ms"], 0)
        self.assertIsInstance(newest["asked_again"], int)
        self.assertRegex(self.must("recoveries", "--limit", 1).stdout, r"backend-1 .* SIGKILL")

    def test_the_recoveries_outlive_their_supervisor_and_tell_of_it(self):
        system = self.system
        system.wait_back("broker-1", system.kill9("broker-1"))
        recovered = lambda: self.recoveries()[0]["duration_ms"] is not None
        self.assertTrue(eventually(recovered))
        before = self.recoveries()
        system.wait_back("supervisor-1", system.kill9("supervisor-1"))
        after = self.recoveries()
        self.assertEqual((after[0]["node"], after[0]["cause"]), ("supervisor-1", "SIGKILL"))
        self.assertTrue(RFC_3339.match(after[0]["ended_at"]))
        self.assertGreater(after[0]["duration_ms"], 0)
        self.assertEqual(after[1]["node"], "broker-1")
        self.assertEqual(after[1:], before[:len(after) - 1])
        (system.run / "recoveries.json").write_text("[{", encoding="ascii")
        system.wait_back("supervisor-1", system.kill9("supervisor-1"))
        self.assertEqual([one["node"] for one in self.recoveries()], ["supervisor-1"])

    def recoveries(self):
        return self.system.report("recoveries")["recoveries"]

    def test_a_killed_guard_is_told_and_start_all_gives_another(self):
        system = self.system
        pids = system.pids()
        guard = int((system.run / "guard.pid").read_text(encoding="ascii").split()[0])
        system.signal(guard, signal.SIGKILL)
        told = lambda: "the guard has ended" in str(system.status()["notes"])
        self.assertTrue(eventually(told))
        for words in ("status", "doctor"):
            self.assertIn("the guard has ended", system.stampede(words).stdout)
        done = system.script("start_all.sh")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("another one looks after the supervisor", done.stdout)
        self.assertTrue(eventually(lambda: not told()))
        self.assertEqual(system.pids(), pids)
        pid = system.kill9("supervisor-1")
        system.wait_back("supervisor-1", pid)
        self.assertEqual(self.recoveries()[0]["node"], "supervisor-1")
        now = system.pids()
        self.assertEqual({name: number for name, number in now.items() if name != "supervisor-1"},
                         {name: number for name, number in pids.items() if name != "supervisor-1"})
        self.assertNotIn("another one", system.script("start_all.sh").stdout)

    def test_what_chaos_expects_is_told_once_it_was_taken(self):
        away = self.new_system()
        for words in (["kill", "backend-1"], ["pause", "broker-1", "--for", "1s"],
                      ["disk", "--full"], ["monkey", "--every", "1s", "--for", "2s"]):
            done = away.stampede("chaos", *words, STAMPEDE_DEV="true")
            self.assertEqual(done.returncode, 7, (words, done.stderr))
            self.assertNotIn("expected:", done.stdout + done.stderr)
        done = away.stampede("--json", "chaos", "kill", "backend-1", STAMPEDE_DEV="true")
        self.assertNotIn("\n", json.loads(done.stdout)["message"])
        self.assertNotIn("expected:", self.must("chaos", "kill", "backend-9", code=2).stdout)

    def test_an_order_that_nobody_decided_in_time_is_unknown(self):
        # The supervisor as well: it would start another broker meanwhile.
        held = [self.system.pid(name) for name in ("supervisor-1", "broker-1")]
        for pid in held:
            self.system.signal(pid, signal.SIGSTOP)
        try:
            done = self.must("order", 1, "--user", "joe", "--timeout", "1s", code=5)
        finally:
            for pid in reversed(held):
                self.system.signal(pid, signal.SIGCONT)
        self.assertIn("--request-id", done.stderr)

    def test_a_database_that_chaos_stopped_goes_on_with_the_next_supervisor(self):
        system = self.system
        stopped = lambda: is_stopped(Path(f"/proc/{system.database_pid()}"))
        self.assertTrue(admin(system, {"do": "database", "for_ms": 300000}).get("ok"))
        self.assertTrue(eventually(stopped))
        system.wait_back("supervisor-1", system.kill9("supervisor-1"))
        self.assertTrue(eventually(lambda: not stopped()))
        self.assertEqual([path.name for path in system.run.glob("*.paused")], [])
        self.order(1, "fay", request_id="paused-1")
        system.verify()

    def test_status_is_watched(self):
        watch = self.system.popen("status", "--watch", "--every", "200ms")
        lines = [watch.stdout.readline() for _ in range(40)]
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.wait(10), 0)
        watch.communicate()
        self.assertGreater(sum(line.startswith("NODE ") for line in lines), 1)
        watch = self.system.popen("--json", "status", "--watch", "--every", "200ms")
        documents = [json.loads(watch.stdout.readline()) for _ in range(3)]
        watch.terminate()
        watch.communicate(timeout=10)
        self.assertEqual({len(one["nodes"]) for one in documents}, {5})

    def test_logs_of_nodes_by_time_level_and_name(self):
        whole = self.must("logs").stdout.splitlines()
        times = [line.split()[0] for line in whole]
        self.assertEqual(times, sorted(times))
        self.assertTrue({"webapp-1", "backend-1"} <= {line.split()[2] for line in whole})
        one = self.must("logs", "backend").stdout.splitlines()
        self.assertEqual({line.split()[2] for line in one}, {"backend-1"})
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        self.assertEqual(self.must("logs", "--since", later.strftime("%FT%TZ")).stdout, "")
        for wrong in ("-5m", "+1h"):
            self.assertIn("is no time", self.must("logs", f"--since={wrong}", code=2).stderr)
        self.assertTrue(self.must("logs", "supervisor-1").stdout)
        for line in self.must("logs", "--level", "warning").stdout.splitlines():
            self.assertIn(line.split()[1], ("warning", "error", "critical"))
        self.assertIn("there are: ", self.must("logs", "nobody", code=2).stderr)
        nowhere = subprocess.run([BINARY, "--run-dir", self.system.home, "logs", "supervisor"],
                                 text=True, check=False, capture_output=True)
        self.assertEqual(nowhere.returncode, 2)
        self.assertIn("journalctl -u stampede", nowhere.stderr)
        follow = self.system.popen("logs", "-f", "--since", "0s", "broker-1")
        time.sleep(0.3)
        self.system.wait_back("broker-1", self.system.kill9("broker-1"))
        self.assertIn(" broker-1 ", follow.stdout.readline())
        follow.terminate()
        follow.communicate(timeout=10)

    def test_logs_are_maps_when_asked_rotated_when_full_and_read_all_the_same(self):
        log = self.system.run / "log" / "supervisor.log"
        self.must("config", "set", "log.format", "json")
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        early = f"{now} info supervisor-1 early {'x' * 4000}"
        self.addCleanup(self.must, "config", "set", "log.format", "text")
        follow = self.system.popen("logs", "-f", "--since", "0s", "supervisor")
        with open(log, "a", encoding="ascii") as full:
            full.write((early + "\n") * (1 + (32 << 20) // len(early)))
        rotated = log.with_name("supervisor.log.1")

        def one_more_line():  # it is looked at once a second, behind a line
            self.system.wait_back("broker-1", self.system.kill9("broker-1"))
            return rotated.exists()
        self.assertTrue(eventually(one_more_line, 20, pause=1.1))
        said = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        self.assertEqual({tuple(line) for line in said}, {("time", "level", "node", "text")})
        self.assertTrue(any("broker-1" in line["text"] for line in said), said)
        self.assertEqual(log.stat().st_mode & 0o777, 0o600)
        # As text, over the rotation: what was followed, and what an older file has.
        heard = next(line for line in follow.stdout if "broker-1: started" in line)
        self.assertRegex(heard, "^2[^ ]+Z info supervisor-1 broker-1: started, pid")
        follow.terminate()
        follow.communicate(timeout=10)
        self.assertEqual(self.must("logs", "supervisor").stdout.splitlines()[-len(said):],
                         [" ".join(line.values()) for line in said])
        whole = self.must("--json", "logs", "supervisor").stdout
        self.assertGreater(whole.count('"text":"early x'), 8_000)
        # Who rotates by a rename and SIGHUP has the new file at once.
        guard = int((self.system.run / "guard.pid").read_text(encoding="ascii").split()[0])
        log.rename(log.with_name("supervisor.log.2"))
        self.system.signal(guard, signal.SIGHUP)
        self.assertTrue(eventually(log.exists, 10))
        pid = self.system.pid("webapp-2")
        theirs = log.with_name("webapp-2.log")
        theirs.rename(theirs.with_name("webapp-2.log.1"))
        self.system.signal(pid, signal.SIGHUP)
        self.assertTrue(eventually(theirs.exists, 10))
        self.assertEqual(self.system.pid("webapp-2"), pid)

    def test_processes_have_the_names_of_their_nodes(self):
        for name, pid in self.system.pids().items():
            process = Path(f"/proc/{pid}")
            self.assertEqual((process / "comm").read_text().strip(), name)
            first = (process / "cmdline").read_bytes().split(b"\0")[0].decode()
            self.assertEqual(first, f"stampede-{name}")


class Idle(CommandsTest):
    def test_a_system_that_waits_uses_next_to_nothing(self):
        pids = list(self.system.pids().values())
        pids.append(int((self.system.run / "guard.pid").read_text(encoding="ascii").split()[0]))
        before = self.used(pids)
        time.sleep(IDLE_S)
        share = (self.used(pids) - before) / IDLE_S
        print(f"idle: {share:.4%} of a processor, with two webapps", flush=True)
        self.assertLess(share, IDLE_SHARE_MAX)

    @staticmethod
    def used(pids):
        """Seconds of processor time."""
        ticks = 0
        for pid in pids:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
            ticks += int(stat[11]) + int(stat[12])
        return ticks / os.sysconf("SC_CLK_TCK")


class Orders(CommandsTest):
    def listed(self, *flags):
        return self.system.report("order", "list", *flags)["orders"]

    def test_orders_are_listed_by_what_they_are(self):
        began = datetime.datetime.now(datetime.timezone.utc).isoformat()
        for number in range(4):
            state = self.order(2, "eve", request_id=f"ls-{number}").state
        self.assertEqual(state, "rejected")
        self.order(1, "fay", request_id="ls-9")
        mine = self.listed("--user", "eve")
        self.assertEqual([one["state"] for one in mine], ["rejected"] + 3 * ["confirmed"])
        self.assertEqual([one["request_id"] for one in mine], [None, "ls-2", "ls-1", "ls-0"])
        self.assertEqual(mine[0]["reason"], "sold_out")
        self.assertEqual({one["user"] for one in mine}, {"eve"})
        self.system.verify()
        self.assertTrue(all(one["stored"] for one in self.listed("--item", 2, "--state",
                                                                  "confirmed")))
        self.assertEqual(len(self.listed("--since", began, "--limit", 2)), 2)
        self.assertEqual(self.listed("--until", began, "--user", "eve"), [])
        self.assertEqual(self.listed("--user", "nobody"), [])
        self.assertEqual(self.listed("--state", "paid"), [])
        self.assertIn("ls-9", self.must("order", "list", "--user", "fay").stdout)
        self.must("order", "list", "--state", "confirmd", code=2)
        self.assertIn("rejected", {one["state"] for one in self.listed("--state", "rejected")})

    def test_a_request_is_traced_from_its_decision_to_its_row(self):
        order = self.order(1, "gil", request_id="tr-1")
        self.system.verify()
        trace = eventually(lambda: (found := self.system.report("trace", "tr-1"))["stored"]
                           and found["stored"]["at"] and found)
        self.assertEqual(trace["decided"]["order_id"], str(order.order_id))
        self.assertEqual((trace["received"], trace["answered"]), (None, None))
        self.assertEqual(trace["stored"]["row"], True)
        kinds = {one["command"]: one for one in trace["commands"]}
        self.assertEqual(kinds["OrderInsert"]["outcomes"][0]["outcome"], "EXEC")
        self.assertIn("ItemAmountUpdate", kinds)
        said = self.must("trace", "tr-1").stdout
        for word in ("received  not kept", "decided ", "durable ", "EXEC ", "row there"):
            self.assertIn(word, said)
        with Client(self.system.zmq) as client:
            self.assertEqual(client.order(2, "hal", 5, request_id="tr-2").state, "rejected")
        self.assertEqual(self.system.report("trace", "tr-2")["decided"]["state"], "rejected")
        self.assertIn("neither log nor database", self.must("trace", "tr-3", code=1).stderr)

    def test_what_the_database_owes_is_told_with_its_age(self):
        self.system.verify()
        self.assertEqual(self.system.report("pending")["pending"], [])
        database = self.system.database_pid()
        self.system.signal(database, signal.SIGSTOP)
        try:
            self.order(1, "ida", request_id="pe-1")
            rows = eventually(lambda: self.system.report("pending")["pending"])
            by_kind = {row["command"]: row for row in rows}
            self.assertEqual(set(by_kind), {"OrderInsert", "ItemAmountUpdate"})
            self.assertEqual(by_kind["OrderInsert"]["item"], 1)
            self.assertEqual(by_kind["OrderInsert"]["state"], "pending")
            self.assertLess(by_kind["OrderInsert"]["age_s"], 60)
            some = self.system.report("pending", "--exclude", "ItemAmountUpdate", "--item", 1)
            self.assertEqual([row["command"] for row in some["pending"]], ["OrderInsert"])
            self.assertEqual(self.system.report("pending", "--older", "1h")["pending"], [])
            listed = self.system.stampede("--json", "order", "list", "--user", "ida")
            self.assertEqual(listed.returncode, 7)
            report = json.loads(listed.stdout)
            self.assertIsNone(report["orders"][0]["stored"], "nobody knows")
            self.assertFalse(report["complete"], "the database may have more")
            shown = self.must("order", "list", "--user", "ida", code=7)
            self.assertRegex(shown.stdout, "confirmed +not asked")
        finally:
            self.system.signal(database, signal.SIGCONT)
        self.system.verify()


class Doctor(CommandsTest):
    def verdicts(self, done):
        return {(one["check"], one["verdict"]) for one in json.loads(done.stdout)["checks"]}

    def test_a_sound_system_passes(self):
        done = self.must("--json", "doctor")
        found = self.verdicts(done)
        for check in ("config", "run dir", "node", "port", "disk room", "database", "schema",
                      "rights"):
            self.assertIn((check, "ok"), found)
        self.assertNotIn("fail", {verdict for _, verdict in found})
        self.assertIn("is held by webapp-1", self.must("doctor").stdout)

    def test_without_a_system_it_says_what_is_in_the_way(self):
        nowhere = self.system.home / "other"
        done = subprocess.run([BINARY, "--run-dir", nowhere, "doctor"], text=True, check=False,
                              env=self.system.environment, capture_output=True)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertRegex(done.stdout, r"fail  port +127\S+ is taken: supervisor-1 \(pid \d+\)")
        self.assertRegex(done.stdout, "fail  database +cannot connect")
        nowhere.mkdir()
        (nowhere / "stampede.toml").write_text("nonsense = 1\n")
        done = subprocess.run([BINARY, "--run-dir", nowhere, "doctor"], text=True, check=False,
                              capture_output=True)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertRegex(done.stdout, "fail  config .*nonsense")


if __name__ == "__main__":
    unittest.main()
