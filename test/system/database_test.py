#!/usr/bin/python3
"""MariaDB away in the middle of a sale: orders go on, and the rows come by themselves.

STAMPEDE_DB_AWAY_S=30 for the long run (default 8 seconds away).
"""

import os
import re
import shutil
import signal
import sys
import threading
import time
import unittest

from buyers import RATE, Crowd, Sale, order
from by_hand import (Backend, end_database, must, start, start_database, stop_nodes, tables,
                     wait_outcomes_logged, waits_for_operator)
from payment_test import Desk
from system import SystemTest, eventually, seed

from stampede import Client

AWAY_S = float(os.environ.get("STAMPEDE_DB_AWAY_S") or 8)


class DatabaseAway(SystemTest):
    def check_rows(self, system, crowd, stock):
        """The buyers' view against the tables, after the books agree."""
        self.assertEqual(crowd.faults, [])
        self.assertEqual(crowd.refused, {})
        report = system.verify()
        confirmed = crowd.confirmed()
        self.assertEqual((report["confirmed"], report["rows"]), (len(confirmed), len(confirmed)))
        told = [[name, one["order_id"], crowd.orders[name]["user"], str(one["qty"])]
                for name, one in confirmed.items()]
        rows = system.sql("SELECT request_id, order_id, user_id, qty FROM orders")
        self.assertEqual(sorted(rows), sorted(told))
        sold = sum(one["qty"] for one in confirmed.values())
        self.assertEqual(system.number("SELECT amount FROM item"), stock - sold)
        return len(confirmed)

    def confirmed_while_away(self, system, crowd, number, seconds):
        """Ends the database; how many orders were confirmed until `seconds` later."""
        end_database(system, number)
        before, until = len(crowd.confirmed()), time.monotonic() + seconds
        pids = system.pids()
        # The time that the database is away is what is tested; half way through, status tells it.
        time.sleep(seconds / 2)
        self.assertEqual(system.status()["database"]["state"], "unreachable")
        time.sleep(max(0.0, until - time.monotonic()))
        self.assertEqual(system.pids(), pids, "a node ended because the database did")
        return len(crowd.confirmed()) - before

    def test_orders_go_on_while_the_database_is_stopped_or_killed_and_all_rows_come(self):
        stock, name = 1_000_000, f"d{seed()}"
        system = self.start_system(f"1:Phone:{stock}")
        with Crowd(system.zmq) as crowd:
            sale = Sale(crowd, 1, name)
            self.assertTrue(eventually(lambda: len(crowd.confirmed()) > 200))
            for number, seconds in ((signal.SIGTERM, AWAY_S), (signal.SIGKILL, 2.0)):
                during = self.confirmed_while_away(system, crowd, number, seconds)
                self.assertGreater(during, seconds * RATE / 4)
                print(f"  away for {seconds} s after {number.name}: {during} confirmed meanwhile",
                      file=sys.stderr)
                start_database(system)
                rows = system.number("SELECT COUNT(*) FROM orders")
                more = lambda: system.number("SELECT COUNT(*) FROM orders") > rows + during // 2
                self.assertTrue(eventually(more), "the rows do not come by themselves")
            self.assertTrue(sale.stop(), f"{crowd.open()} orders without a final answer")
            self.check_rows(system, crowd, stock)

    def test_a_database_that_lets_itself_be_read_only_holds_up_no_start(self):
        """As a backup does it, or a client that holds the lanes' rows."""
        system = self.start_system("1:Phone:100000")
        locks = ("FLUSH TABLES WITH READ LOCK; SELECT SLEEP(60)",
                 "START TRANSACTION; SELECT * FROM lane FOR UPDATE; SELECT SLEEP(60)")
        with Client(system.zmq) as client:
            client.order(1, "ann", 1, request_id="first")
            system.verify()
            for number, lock in enumerate(locks):
                holder = threading.Thread(target=system.script, args=("sql.sh", "-e", lock))
                holder.start()
                asleep = ("SELECT id FROM information_schema.processlist "
                          "WHERE info LIKE 'SELECT SLEEP%'")
                self.assertTrue(eventually(lambda: system.sql(asleep)))
                before = system.node("backend-1")["restarts"]
                pid = system.kill9("backend-1")
                system.wait_back("backend-1", pid)
                self.assertEqual(client.order(1, "bob", 1, request_id=f"locked-{number}").state,
                                 "confirmed")
                self.assertEqual(system.node("backend-1")["restarts"], before + 1)
                self.assertTrue(system.sql(asleep), "the lock was over before")
                system.script("sql.sh", "-e", f"KILL {system.sql(asleep)[0][0]}")
                holder.join()
                system.verify()

    def test_a_full_backlog_is_overloaded_and_drains_by_itself(self):
        stock, bound = 100_000, 500
        system = self.start_system(f"1:Phone:{stock}", STAMPEDE_LOG__BACKLOG_COMMANDS_MAX=bound)
        system.verify()
        end_database(system)
        with Crowd(system.zmq) as crowd:
            sale = Sale(crowd, 1, "b", rate=600)
            self.assertTrue(eventually(lambda: crowd.errors["overloaded"] > 100),
                            f"{len(crowd.answers)} answers, {crowd.errors}")
            full = len(crowd.confirmed())
            sale.end.set()
            pending = system.status()["log"]["pending_commands"]
            self.assertGreaterEqual(full, bound // 2)
            # The order that reaches the bound is the last one, but for those of its own batch.
            self.assertLessEqual(pending, bound * 2)
            with Client(system.zmq) as client:
                self.assertEqual(client.items(1)[0].total, stock)  # it still serves
            self.assertGreater(crowd.open(), 0)
            start_database(system)
            self.assertTrue(sale.stop(), f"{crowd.open()} orders without a final answer")
            self.assertEqual(len(crowd.confirmed()), len(crowd.orders))
            self.check_rows(system, crowd, stock)
        drained = lambda: system.status()["log"]["pending_commands"] == 0
        self.assertTrue(eventually(drained), system.status()["log"])

    def test_stock_and_limits_hold_after_a_crash_with_unwritten_stock(self):
        """Database away, part of the stock sold, backend killed, the rest sold: never too much."""
        system = self.start_system("1:Phone:100")
        added = system.stampede("item", "add", 2, "--name", "Lamp", "--stock", 100,
                                "--limit-per-user", 3)
        self.assertEqual(added.returncode, 0, added.stderr)
        system.verify()
        end_database(system)
        with Crowd(system.zmq) as crowd, Client(system.zmq) as client:
            crowd.greet()
            crowd.send([order(f"a{n}", 1, f"u{n}") for n in range(60)])
            self.assertTrue(crowd.receive_all(20))
            self.assertTrue(client.order(2, "ann", 2, request_id="ann-1").confirmed)
            self.assertEqual(len(crowd.confirmed()), 60)
            system.restart("backend-1")  # it starts without the database: its log has history
            # The webapp's memory shall not answer for the backend.
            system.restart("webapp-1")
            self.assertEqual(client.items(1)[0].left, 40)
            over = client.order(2, "ann", 2, request_id="over", timeout=20)
            self.assertEqual((over.state, over.reason), ("rejected", "limit_reached"))
            self.assertTrue(client.order(2, "ann", 1, request_id="ann-2", timeout=20).confirmed)
            crowd.greet()
            crowd.send([order(f"b{n}", 1, f"v{n}") for n in range(60)])
            self.assertTrue(crowd.receive_all(20))
            self.assertEqual(len(crowd.confirmed()), 100)
            self.assertEqual(crowd.reasons(), {"sold_out": 20})
            start_database(system)
            system.restart("backend-1")  # with everything owed, and the database there
            self.assertTrue(crowd.ask_all_again(60), crowd.faults[:3])
            self.assertEqual(crowd.faults, [])
        report = system.verify()
        self.assertEqual((report["rows"], report["oversold"]), (102, 0))
        self.assertEqual(system.sql("SELECT id, amount FROM item ORDER BY id"),
                         [["1", "0"], ["2", "97"]])
        self.assertEqual(system.sql("SELECT user_id, SUM(qty) FROM orders WHERE item_id = 2 "
                                    "GROUP BY 1"), [["ann", "3"]])


class PutBack(SystemTest):
    """The server's files put back to an earlier moment, tables away, half a restore."""

    def kept(self, system):
        """A copy of the stopped server's files."""
        end_database(system)
        data = system.run / "db" / "data"
        copy = system.home / "kept"
        shutil.copytree(data, copy)
        start_database(system)
        return data, copy

    def put_back(self, system, data, copy):
        end_database(system, signal.SIGKILL)
        shutil.rmtree(data)
        shutil.copytree(copy, data)
        # The whole start would look at the nodes, too: the backend may have ended by then.
        must(system.script("start_all.sh", "--db-only"), "start_all.sh --db-only")

    def sell(self, client, names):
        for name in names:
            self.assertTrue(client.order(1, f"u-{name}", request_id=name, timeout=20).confirmed)

    def test_an_earlier_state_is_told_at_the_new_session_and_replay_all_mends_it(self):
        system = self.start_system("1:Phone:1000")
        with Client(system.zmq) as client:
            self.sell(client, (f"a{n}" for n in range(10)))
            system.verify()
            data, copy = self.kept(system)
            self.sell(client, ["b"])  # one order is enough: one lane lost one batch
            system.verify()
            self.put_back(system, data, copy)
            # Without any further order: lanes look by themselves.
            reason = waits_for_operator(system, "backend-1")
            self.assertRegex(reason, "^exit 65: .*put back.*log replay --all")
            with self.subTest("and at each start"), Backend(system) as backend:
                self.assertEqual(backend.wait(), 65, backend.text())
                self.assertIn("log replay --all", backend.text())
        stop_nodes(system)
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        start(system)
        self.assertEqual(system.verify()["rows"], 11)

    def test_tables_that_are_away_at_a_start_are_waited_for_while_orders_are_served(self):
        system = self.start_system("1:Phone:1000")
        away_and_back = (
            ("RENAME TABLE schema_version TO s_", "RENAME TABLE s_ TO schema_version"),
            ("RENAME TABLE schema_version TO s_, lane TO l_",
             "RENAME TABLE s_ TO schema_version, l_ TO lane"),
            ("RENAME TABLE item TO i_, orders TO o_, meta TO m_",
             "RENAME TABLE i_ TO item, o_ TO orders, m_ TO meta"),
            ("UPDATE schema_version SET version = -version WHERE version > 1",
             "UPDATE schema_version SET version = -version WHERE version < 0"),
            ("CREATE TABLE kept_lane AS SELECT * FROM lane; TRUNCATE TABLE lane",
             "INSERT INTO lane SELECT * FROM kept_lane; DROP TABLE kept_lane"),
            ("CREATE TABLE kept_meta AS SELECT * FROM meta; TRUNCATE TABLE meta",
             "INSERT INTO meta SELECT * FROM kept_meta; DROP TABLE kept_meta"))
        with Client(system.zmq) as client:
            self.sell(client, ["first"])
            system.verify()
            for number, (gone, again) in enumerate(away_and_back):
                with self.subTest(gone):
                    for statement in gone.split("; "):
                        system.sql(statement)
                    system.restart("backend-1")
                    self.sell(client, [f"meanwhile-{number}"])
                    told = lambda: system.status()["database"]["state"] == "refused"
                    self.assertTrue(eventually(told), system.status()["database"])
                    for statement in again.split("; "):
                        system.sql(statement)
                    stored = lambda: client.get(f"meanwhile-{number}").stored
                    self.assertTrue(eventually(stored), system.status()["database"])
        self.assertEqual(system.verify()["rows"], 1 + len(away_and_back))


    def test_verify_says_at_once_and_at_its_end_why_it_waits(self):
        system = self.start_system("1:Phone:1000")
        with Client(system.zmq) as client:
            self.sell(client, ["first"])
            system.verify()
            system.sql("CREATE TABLE kept_lane AS SELECT * FROM lane")
            system.sql("TRUNCATE TABLE lane")
            system.restart("backend-1")
            self.sell(client, ["meanwhile"])
            refused = lambda: system.status()["database"]["state"] == "refused"
            self.assertTrue(eventually(refused), system.status()["database"])
            verify = system.popen("verify", "--wait", "12s")
            self.assertIn("the database is refused: ", verify.stderr.readline())
            self.assertIsNone(verify.poll(), "it was told at the end only")
            told = verify.communicate(timeout=60)[1].splitlines()
            self.assertEqual((verify.returncode, len(told)), (5, 1), told)
            self.assertRegex(told[0], "are not stored yet; the database is refused: ")
            system.sql("INSERT INTO lane SELECT * FROM kept_lane")
            system.sql("DROP TABLE kept_lane")
        self.assertEqual(system.verify()["rows"], 2)

    def test_a_restore_that_fills_the_lanes_late_stops_no_sale(self):
        system = self.start_system("1:Phone:1000")
        with Client(system.zmq) as client:
            self.sell(client, ["first"])
            system.verify()
            pid = system.pid("backend-1")
            system.sql("CREATE TABLE kept_lane AS SELECT * FROM lane")
            system.sql("TRUNCATE TABLE lane")
            refused = lambda: system.status()["database"]["state"] == "refused"
            self.assertTrue(eventually(refused), system.status()["database"])
            # Longer than it was once waited for; the pauses between attempts end at half a second.
            since = lambda: system.status()["database"].get("for_s", 0) > 9
            self.assertTrue(eventually(since, 40), system.status()["database"])
            self.sell(client, ["meanwhile"])
            self.assertIn("log replay --all", system.status()["database"]["why"])
            system.sql("INSERT INTO lane SELECT * FROM kept_lane")
            stored = lambda: client.get("meanwhile").stored
            self.assertTrue(eventually(stored), system.status()["database"])
            self.assertEqual(system.pid("backend-1"), pid)
        self.assertEqual(system.verify()["rows"], 2)


    def test_a_dump_loaded_in_place_loses_no_order_in_silence(self):
        """The tables come one after the other; what a lane committed between them is missed."""
        system = self.start_system("1:Phone:1000")
        with Client(system.zmq) as client:
            self.sell(client, (f"a{n}" for n in range(20)))
            system.verify()
            for table in ("orders", "item"):
                system.sql(f"CREATE TABLE kept AS SELECT * FROM {table}")
                names = ", ".join(row[0] for row in system.sql(
                    "SELECT column_name FROM information_schema.columns WHERE table_schema = "
                    f"DATABASE() AND table_name = '{table}' AND "
                    "COALESCE(generation_expression, '') = ''"))
                self.sell(client, [f"{table}-meanwhile"])
                system.verify()
                system.sql(f"CREATE TABLE anew LIKE {table}; INSERT INTO anew({names}) "
                           f"SELECT {names} FROM kept; DROP TABLE {table}, kept; "
                           f"RENAME TABLE anew TO {table}")
                # Without any further order.
                reason = waits_for_operator(system, "backend-1")
                self.assertRegex(reason, "^exit 65: .*put back.*log replay --all")
                stop_nodes(system)
                must(system.stampede("log", "replay", "--all"), "log replay --all")
                start(system)
                system.verify()
        self.assertEqual(system.verify()["rows"], 22)

    def test_payments_returned_units_and_promos_are_missed_when_their_tables_are_put_back(self):
        system = self.start_system("1:Phone:1000", STAMPEDE_DB__LANES=1)
        must(system.stampede("promo", "add", 7, "--item", 1, "--name", "Half", "--price-cents", 500,
                             "--starts", "now", "--ends", "+1h", "--hold-s", 3600), "promo add")
        with Desk(system) as desk:
            for name in ("a", "b", "c", "d"):
                desk.order(name)
            desk.cancel("a")
            system.verify()
            for table, change in (
                    ("orders", lambda: desk.pay("p", "b", 500)),
                    ("stock_change", lambda: desk.cancel("c")),
                    ("promo", lambda: must(system.stampede("promo", "set", 7, "--limit-per-user",
                                                           9), "promo set"))):
                with self.subTest(table):
                    system.sql(f"CREATE TABLE kept AS SELECT * FROM {table}")
                    names = ", ".join(row[0] for row in system.sql(
                        "SELECT column_name FROM information_schema.columns WHERE table_schema = "
                        f"DATABASE() AND table_name = '{table}' AND "
                        "COALESCE(generation_expression, '') = ''"))
                    change()
                    system.verify()
                    wait_outcomes_logged(system)
                    system.sql(f"CREATE TABLE anew LIKE {table}; INSERT INTO anew({names}) "
                               f"SELECT {names} FROM kept; DROP TABLE {table}, kept; "
                               f"RENAME TABLE anew TO {table}")
                    reason = waits_for_operator(system, "backend-1")
                    self.assertRegex(reason, "^exit 65: .*put back.*log replay --all")
                    with Backend(system) as backend:
                        self.assertEqual(backend.wait(), 65, backend.text())
                        self.assertIn("log replay --all", backend.text())
                    stop_nodes(system)
                    must(system.stampede("log", "replay", "--all"), "log replay --all")
                    start(system)
                    system.verify()
        self.assertEqual(system.sql("SELECT request_id, fulfilment FROM orders ORDER BY 1"),
                         [["a", "cancelled"], ["b", "paid"], ["c", "cancelled"], ["d", "unpaid"]])
        self.assertEqual(system.number("SELECT COUNT(*) FROM stock_change"), 2)

    def test_a_row_that_the_rebuilt_database_refuses_stops_no_start(self):
        """It is the last that was stored; the operator hears of it and mends it when he can."""
        system = self.start_system("1:Phone:1000", STAMPEDE_DB__LANES=1)
        with Client(system.zmq) as client:
            self.sell(client, ["first", "bad"])
        system.verify()
        stop_nodes(system)
        system.sql("CREATE TRIGGER strict BEFORE INSERT ON orders FOR EACH ROW SET NEW.user_id = "
                   "IF(NEW.user_id = 'u-bad', REPEAT('x', 99), NEW.user_id)")
        for table in ("orders", "item", "lane", "meta"):
            system.sql(f"TRUNCATE TABLE {table}")
        self.assertEqual(system.stampede("log", "replay", "--all").returncode, 4)
        start(system)
        self.assertRegex(str(system.status()["log"]["notes"]), "could not write 1 rows.*verify")
        with Client(system.zmq) as client:
            self.sell(client, ["later"])
            self.assertTrue(eventually(lambda: client.get("later").stored))
        stop_nodes(system)
        system.sql("DROP TRIGGER strict")
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        start(system)
        self.assertNotIn("could not write", str(system.status()["log"]["notes"]))
        self.assertEqual(system.verify()["rows"], 3)

    def test_a_dropped_table_is_made_anew_and_its_rows_are_asked_for(self):
        system = self.start_system("1:Phone:1000")
        with Client(system.zmq) as client:
            self.sell(client, ["first"])
            system.verify()
            system.sql("DROP TABLE orders")
            self.sell(client, ["second"])
            stop_nodes(system)
        self.assertEqual(system.try_start().returncode, 1)  # it migrates, the backend refuses
        self.assertRegex(waits_for_operator(system, "backend-1"), "^exit 65: .*log replay --all")
        stop_nodes(system)
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        start(system)
        self.assertEqual(system.verify()["rows"], 2)


class LostColumn(SystemTest):
    """An administrator drops columns; what status says is followed word for word."""

    def commands_of(self, advice):
        """What stands in backticks, up to the alternative."""
        return re.findall(r"`([^`]+)`", advice.partition(", or `")[0])

    def follow(self, system, advice):
        """The CompletedProcess of the last command that the advice names."""
        done = None
        for command in self.commands_of(advice):
            word, *words = command.split()
            self.assertIn(word.partition("/")[0], ("scripts", "stampede"), advice)
            if word == "stampede":
                done = system.stampede(*words)
            else:
                done = system.script(word.removeprefix("scripts/"), *words)
        return done

    def test_what_status_says_of_a_dropped_column_leads_back_word_for_word(self):
        system = self.start_system("1:Phone:1000")
        with Client(system.zmq) as client:
            for name in ("a", "b"):
                self.assertTrue(client.order(1, f"u-{name}", request_id=name).confirmed)
            system.verify()
            before = tables(system)
            for table in ("orders DROP COLUMN user_id, DROP COLUMN decided_at",
                          "item DROP COLUMN price_cents"):
                system.sql(f"ALTER TABLE {table}")
            self.assertTrue(client.order(1, "u-c", request_id="c").confirmed)
        told = lambda: system.status()["database"].get("why", "")
        self.assertTrue(eventually(lambda: "1054" in told()), system.status()["database"])
        self.assertIn("1054", system.stampede("health").stderr)
        done = self.follow(system, told())
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("orders had lost user_id, decided_at", done.stdout)
        self.assertIn("item had lost price_cents", done.stdout)
        reason = waits_for_operator(system, "backend-1")
        self.assertRegex(reason, "^exit 65: .*log replay --all")
        self.assertEqual(self.commands_of(reason),
                         ["scripts/stop_all.sh --keep-db", "stampede log replay --all",
                          "scripts/start_all.sh"])
        must(self.follow(system, reason), reason)
        self.assertEqual(system.verify()["rows"], 3)
        shown = system.sql("SELECT order_id, request_id, user_id, decided_at FROM orders "
                           "WHERE request_id <> 'c' ORDER BY 1")
        self.assertEqual(shown, [[row[0], row[1], row[3], row[6]] for row in before[1]])
        self.assertEqual(system.sql("SELECT column_comment, is_nullable FROM "
                                    "information_schema.columns WHERE table_schema = DATABASE() "
                                    "AND table_name = 'orders' AND column_name IN "
                                    "('user_id', 'decided_at')"), [["", "NO"]] * 2)


class Schema(SystemTest):
    """A step back is for the program before, and the step forward again keeps what was stored."""

    def migrate(self, system, *words):
        """As the database's root, like start_all.sh."""
        socket = f"{system.run}/db/mysql.sock"
        return system.stampede("migrate", *words,
                               STAMPEDE_DB__URL=f"mysql://root@localhost/stampede?socket={socket}",
                               STAMPEDE_DB__PASSWORD_FILE=f"{system.run}/db/admin.password")

    def test_the_steps_are_taken_back_and_given_again(self):
        system = self.start_system("1:Phone:10")
        with Client(system.zmq) as client:
            self.assertTrue(client.order(1, "ann").confirmed)
            system.verify()
        stop_nodes(system)
        before = system.sql("SELECT lane, epoch, applied_lsn, batches FROM lane ORDER BY lane")
        must(self.migrate(system, "down", "--to", "1"), "migrate down")
        self.assertEqual(system.sql("SELECT MAX(version) FROM schema_version"), [["1"]])
        left = system.sql("SELECT * FROM lane ORDER BY lane")
        self.assertEqual([row[:4] for row in left], before)
        self.assertNotIn("owner", str(system.sql("SHOW COLUMNS FROM lane")))
        self.assertNotIn("fulfilment", str(system.sql("SHOW COLUMNS FROM orders")))
        start(system)  # migrates
        with Client(system.zmq) as client:
            self.assertTrue(client.order(1, "bob").confirmed)
        self.assertEqual(system.verify()["rows"], 2)
        self.assertNotIn(["0", "0"], system.sql("SELECT owner, place FROM lane"))
        self.assertEqual(system.sql("SELECT delta, reason FROM stock_journal"),
                         [["-1", "order"]] * 2)

    def test_no_step_is_made_under_a_backend_that_runs(self):
        system = self.start_system("1:Phone:10")
        with Client(system.zmq) as client:
            self.assertTrue(client.order(1, "ann").confirmed)
        system.verify()
        must(self.migrate(system, "up"), "migrate up with nothing to do")
        back = self.migrate(system, "down", "--to", "2", "--force")
        self.assertEqual(back.returncode, 6, back.stderr)
        self.assertRegex(back.stderr, r"in use by session \d+ of user 'stampede'.*stop the nodes")
        # As if the program that runs were older than the one that migrates.
        system.sql("DELETE FROM schema_version WHERE version = 3")
        again = system.script("start_all.sh")
        self.assertEqual(again.returncode, 6, again.stderr)
        self.assertIn("holds the lanes", again.stderr)
        system.sql("INSERT INTO schema_version VALUES (3, 'sale', NOW())")
        with Client(system.zmq) as client:
            self.assertTrue(client.order(1, "bob").confirmed)
        system.verify()
        stop_nodes(system)
        system.sql("UPDATE orders SET fulfilment = 'paid' LIMIT 1")
        back = self.migrate(system, "down", "--to", "2")
        self.assertEqual(back.returncode, 6, back.stderr)
        self.assertIn("would be lost: orders (paid): 1 row\n", back.stderr)
        self.assertEqual(system.number("SELECT MAX(version) FROM schema_version"), 3)
        must(self.migrate(system, "down", "--to", "2", "--force"), "migrate down --force")
        start(system)
        self.assertEqual(system.verify()["rows"], 2)


    def test_a_sale_keeps_its_schema_and_comes_back_from_the_log_when_it_was_forced(self):
        system = self.start_system("1:Phone:10")
        must(system.stampede("promo", "add", 7, "--item", 1, "--name", "Half", "--price-cents", 500,
                             "--starts", "now", "--ends", "+1h", "--hold-s", 3600), "promo add")
        with Desk(system) as desk:
            for name in ("paid", "back", "unpaid"):
                desk.order(name)
            desk.order("plain", promo=None)
            desk.pay("p", "paid", 500)
            desk.cancel("back")
        system.verify()
        wait_outcomes_logged(system)
        stop_nodes(system)
        tables = ("orders", "item", "promo", "stock_change", "lane")
        everything = lambda: [system.sql(f"SELECT * FROM {table} ORDER BY 1") for table in tables]
        before = everything()
        back = self.migrate(system, "down", "--to", "2")
        self.assertEqual(back.returncode, 6, back.stderr)
        for lost in ("promo: 1 row", "orders (unpaid): 1 row", "orders (paid): 1 row",
                     "orders (cancelled): 1 row", "orders (through a promo): 3 rows",
                     "stock_change: 1 row"):
            self.assertIn(f"would be lost: {lost}\n", back.stderr)
        self.assertEqual(everything(), before)
        must(self.migrate(system, "down", "--to", "2", "--force"), "migrate down --force")
        self.assertEqual(system.number("SELECT COUNT(*) FROM orders"), 4)
        # The program that comes back misses what was given up, and the log has it.
        self.assertEqual(system.try_start().returncode, 1)
        self.assertRegex(waits_for_operator(system, "backend-1"), "^exit 65: .*log replay --all")
        stop_nodes(system)
        system.sql("TRUNCATE TABLE orders")
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        start(system)
        system.verify()
        self.assertEqual(everything()[0], before[0])


class GracefulEnd(SystemTest):
    """A SIGTERM under load: everything taken is decided and written before the node ends."""

    def test_a_drained_backend_leaves_nothing_owed(self):
        system = self.start_system("1:Phone:1000000")
        with Crowd(system.zmq) as crowd:
            sale = Sale(crowd, 1, "g")
            self.assertTrue(eventually(lambda: len(crowd.confirmed()) > 300))
            pid = system.pid("backend-1")
            system.signal(pid, signal.SIGTERM)
            system.wait_back("backend-1", pid, seconds=40)
            self.assertRegex(system.node("backend-1")["last_exit"], r"^exit 0\b")
            log = (system.run / "log" / "backend-1.log").read_text(encoding="utf-8")
            last = [line for line in log.splitlines() if "replay.done" in line][-1]
            self.assertIn(" applied=0 ", last)
            # Then all nodes in their order, as stop_all.sh does it.
            stop_nodes(system)
            plan = system.report("log", "replay", "--dry-run")
            self.assertEqual(plan["would_apply"], 0)
            self.assertGreater(plan["skip_done"], 300)
            start(system)
            self.assertTrue(sale.stop(), f"{crowd.open()} orders without a final answer")
            self.assertEqual(crowd.faults, [])
            report = system.verify()
            self.assertEqual(report["rows"], len(crowd.confirmed()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
