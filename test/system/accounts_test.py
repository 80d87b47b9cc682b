#!/usr/bin/python3
"""Built-in accounts on a whole system: who signs up on one webapp buys on another, across
restarts; who guesses is shut out alone; a crowd that logs in, and a database that is away, hurt
nobody else."""

import collections
import concurrent.futures
import http.client
import json
import os
import pty
import signal
import statistics
import subprocess
import sys
import threading
import time
import unittest

from auth_test import Peer
from by_hand import admin, start_database
from system import BINARY, System, SystemTest, eventually

PASSWORD = "correct horse battery"
SESSION_S = 4321
REQUIRED = {"STAMPEDE_AUTH__MODE": "required", "STAMPEDE_AUTH__SESSION_S": str(SESSION_S)}
FORM = "application/x-www-form-urlencoded"


def ask(system, method, path, body=None, webapp=1, **headers):
    """(status, headers, what the JSON says); a text is sent as it is."""
    port = system.http_port + 100 * (webapp - 1)
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
    try:
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        made = {name.replace("_", "-"): value for name, value in headers.items()}
        link.request(method, path, text, made)
        answer = link.getresponse()
        said = answer.read()
        return answer.status, answer.headers, json.loads(said) if said else {}
    finally:
        link.close()


def sign_up(system, user, webapp=1, password=PASSWORD, **more):
    return ask(system, "POST", "/v1/accounts", {"user": user, "password": password} | more, webapp)


def log_in(system, user, password=PASSWORD, webapp=1, **headers):
    return ask(system, "POST", "/v1/sessions", {"user": user, "password": password}, webapp,
               **headers)


def buy(system, token, name, webapp=1):
    return ask(system, "POST", "/v1/orders", {"item": 1, "id": name}, webapp,
               Authorization=f"Bearer {token}", Prefer="wait=10")


class AccountTest(SystemTest):
    def signed_up(self, user, **more):
        status, _, said = sign_up(self.system, user, **more)
        self.assertEqual((status, said), (201, {"user": user}))

    def token_of(self, user, password=PASSWORD, webapp=1):
        status, _, said = log_in(self.system, user, password, webapp)
        self.assertEqual((status, said.get("user")), (201, user), said)
        return said["token"]

    def assert_refused(self, answer, status, code, field=None):
        self.assertEqual((answer[0], answer[2].get("code"), answer[2].get("field")),
                         (status, code, field), answer[2])


class Accounts(AccountTest):
    @classmethod
    def setUpClass(cls):
        cls.system = System(**REQUIRED, STAMPEDE_WEBAPP__PROXIES="127.0.0.1")
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Phone:100000", nodes="webapp=2,broker=1,backend=1")

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)

    def test_a_session_of_one_webapp_buys_on_another_across_restarts_of_all(self):
        system = self.system
        self.signed_up("ann", name="Ann Lee", phone="+4912345")
        before_ms = time.time() * 1000
        status, headers, said = log_in(system, "ann")
        self.assertEqual((status, set(said)), (201, {"token", "user", "expires_at"}))
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertAlmostEqual(said["expires_at"], before_ms + SESSION_S * 1000, delta=10_000)
        token = said["token"]
        status, _, bought = buy(system, token, "a1", webapp=2)
        self.assertEqual((status, bought["state"]), (201, "confirmed"))
        named = Peer(self, system.zmq_2).order("a2", token, user="bob")
        self.assertEqual((named["code"], named["field"]), ("not_allowed", "user"))
        for name in ("webapp-1", "webapp-2", "broker-1", "backend-1"):
            system.restart(name)
        self.assertEqual(Peer(self, system.zmq_2).order("a3", token)["state"], "confirmed")
        system.halt()
        system.start(nodes="webapp=2,broker=1,backend=1")
        self.assertEqual(buy(system, token, "a4", webapp=2)[0], 201)
        again = self.token_of("ann", webapp=2)
        self.assertNotEqual(again, token)
        self.assertEqual(buy(system, again, "a5", webapp=1)[0], 201)
        self.assertEqual(ask(system, "GET", "/v1/orders/a1", webapp=1,
                             Authorization=f"Bearer {again}")[0], 200)
        system.verify()
        rows = system.sql("SELECT request_id, user_id FROM orders WHERE user_id = 'ann'")
        self.assertEqual(sorted(rows), [[name, "ann"] for name in ("a1", "a3", "a4", "a5")])
        self.assertEqual(system.sql("SELECT phone, name, locked, password LIKE '$argon2id$%' "
                                    "FROM account WHERE user_id = 'ann'"),
                         [["+4912345", "Ann Lee", "0", "1"]])

    def test_the_demonstrations_payment_is_for_the_buyer_alone(self):
        system = self.system
        added = system.stampede("item", "add", 77, "--name", "Held", "--stock", 9, "--hold-s", 600,
                                "--price-cents", 250)
        self.assertEqual(added.returncode, 0, added.stderr)
        tokens = {}
        for user in ("payer", "thief"):
            self.signed_up(user)
            tokens[user] = self.token_of(user)
        bought = ask(system, "POST", "/v1/orders", {"item": 77, "id": "held-1"}, Prefer="wait=10",
                     Authorization=f"Bearer {tokens['payer']}")
        self.assertEqual((bought[0], bought[2].get("fulfilment")), (201, "unpaid"), bought)
        pay = lambda **headers: ask(system, "POST", "/v1/orders/held-1/demo-payments",
                                    {"id": "pay-held-1", "amount_cents": 250},
                                    Content_Type="application/json", **headers)
        self.assert_refused(pay(), 401, "not_logged_in")
        self.assert_refused(pay(Authorization=f"Bearer {tokens['thief']}"), 403, "not_allowed")
        paid = pay(Authorization=f"Bearer {tokens['payer']}")
        self.assertEqual((paid[0], paid[2].get("fulfilment")), (200, "paid"), paid)
        system.verify()

    def test_wrong_users_passwords_and_locked_accounts_have_one_answer_in_the_same_time(self):
        self.signed_up("tim")
        self.signed_up("locked")
        self.assertEqual(self.system.stampede("user", "lock", "locked").returncode, 0)
        tries = {"wrong": ("tim", "wrong horse battery"), "unknown": ("nobody", PASSWORD),
                 "locked": ("locked", PASSWORD), "short": ("tim", "x")}
        took, said = collections.defaultdict(list), []
        for number in range(9):
            for what, (user, password) in tries.items():
                began = time.monotonic()
                answer = log_in(self.system, user, password,
                                X_Forwarded_For=f"203.0.113.{number}")
                took[what].append(time.monotonic() - began)
                self.assert_refused(answer, 401, "not_logged_in")
                self.assertEqual(answer[1]["WWW-Authenticate"], "Bearer")
                said.append(answer[2])
        self.assertTrue(all(one == said[0] for one in said), said)
        medians = {what: statistics.median(times) for what, times in took.items()}
        print("  " + ", ".join(f"{what} {1000 * at:.0f} ms" for what, at in medians.items()),
              file=sys.stderr)
        self.assertLess(max(medians.values()), 2 * min(medians.values()), medians)

    def test_who_guesses_is_shut_out_and_nobody_else(self):
        for user in ("gil", "gia"):
            self.signed_up(user)
        here, there = {"X_Forwarded_For": "198.51.100.1"}, {"X_Forwarded_For": "198.51.100.2"}
        for number in range(10):
            self.assert_refused(log_in(self.system, "gil", f"guess {number}", **here),
                                401, "not_logged_in")
        for password in ("guess 11", PASSWORD):
            answer = log_in(self.system, "gil", password, **here)
            self.assert_refused(answer, 429, "rate_limited", "user")
            self.assertTrue(1 <= int(answer[1]["Retry-After"]) <= 60)
        self.assertEqual(log_in(self.system, "gia", **here)[0], 201)
        self.assertEqual(log_in(self.system, "gil", **there)[0], 201)

    def test_a_crowd_of_guesses_at_once_is_no_way_around(self):
        self.signed_up("vic")
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda n: log_in(
                self.system, "vic", f"guess {n}", X_Forwarded_For="198.51.100.9"), range(40)))
        told = collections.Counter(answer[2]["code"] for answer in answers)
        self.assertEqual(set(told), {"not_logged_in", "rate_limited"})
        self.assertLessEqual(told["not_logged_in"], 10)

    def test_of_many_who_want_a_name_one_gets_it(self):
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda n: sign_up(
                self.system, "one", webapp=1 + n % 2, password=f"{PASSWORD} {n}"), range(12)))
        winners = [n for n, answer in enumerate(answers) if answer[0] == 201]
        self.assertEqual(len(winners), 1)
        for answer in answers:
            if answer[0] != 201:
                self.assert_refused(answer, 409, "user_exists", "user")
        self.token_of("one", f"{PASSWORD} {winners[0]}")
        self.signed_up("two", phone="13800000001")
        self.assert_refused(sign_up(self.system, "three", phone="13800000001"),
                            409, "user_exists", "phone")
        self.assert_refused(sign_up(self.system, "stampede"), 400, "bad_request", "user")

    def test_every_wrong_field_is_named_and_nothing_is_stored(self):
        good = {"user": "fay", "password": PASSWORD, "name": "Fay", "phone": "110"}
        wrong = [("user", ""), ("user", "u" * 65), ("user", "a\nb"), ("user", 7), ("user", None),
                 ("password", "1234567"), ("password", "p" * 129), ("password", "aaaaaaaaa"),
                 ("password", ["x"]), ("name", "n" * 501), ("name", "\x1b[2J"), ("phone", "12"),
                 ("phone", "12-34"), ("phone", "1" * 33), ("admin", "yes")]
        for field, value in wrong:
            with self.subTest((field, value)):
                self.assert_refused(ask(self.system, "POST", "/v1/accounts", good | {field: value}),
                                    400, "bad_request", field)
        for field, value in [("user", ""), ("user", 1), ("password", ""), ("password", "p" * 129),
                             ("phone", "110")]:
            with self.subTest(("login", field, value)):
                body = {"user": "fay", "password": PASSWORD} | {field: value}
                self.assert_refused(ask(self.system, "POST", "/v1/sessions", body),
                                    400, "bad_request", field)
        for path in ("/v1/accounts", "/v1/sessions"):
            for body, field in ((None, None), ("", None), ("[]", None), ("{", None),
                                ({"user": "fay"}, "password"), ({"password": PASSWORD}, "user")):
                with self.subTest((path, body)):
                    self.assert_refused(ask(self.system, "POST", path, body), 400, "bad_request",
                                        field)
            self.assertEqual(ask(self.system, "GET", path)[0], 405)
            self.assert_refused(ask(self.system, "POST", path, good, Origin="https://evil.example",
                                    Content_Type="application/json"), 403, "not_allowed", "Origin")
            self.assert_refused(ask(self.system, "POST", path, good, Host="evil.example"),
                                403, "not_allowed", "Host")
            self.assert_refused(ask(self.system, "POST", path, good, Sec_Fetch_Site="cross-site"),
                                403, "not_allowed", "Sec-Fetch-Site")
            self.assertEqual(ask(self.system, "POST", path, good, Content_Type="text/xml")[0], 415)
        self.assertEqual(self.system.number("SELECT COUNT(*) FROM account WHERE user_id = 'fay'"),
                         0)

    def test_forms_sign_up_and_log_in(self):
        body = "user=form+user&password=correct+horse%21&phone=%2B86123"
        status, _, said = ask(self.system, "POST", "/v1/accounts", body, Content_Type=FORM)
        self.assertEqual((status, said), (201, {"user": "form user"}))
        status, _, said = ask(self.system, "POST", "/v1/sessions",
                              "password=correct+horse!&user=form+user", Content_Type=FORM)
        self.assertEqual((status, said["user"]), (201, "form user"))
        self.assertEqual(buy(self.system, said["token"], "form-1")[0], 201)

    def user(self, *arguments, password=None, **environment):
        """`stampede user …` with a password on stdin."""
        return subprocess.run([BINARY, "--run-dir", str(self.system.run), *arguments],
                              env=self.system.environment | environment, input=password or "",
                              capture_output=True, text=True, timeout=60, check=False)

    def test_the_operator_adds_and_locks_accounts_and_changes_passwords(self):
        def ended(code, *arguments, password=None):
            done = self.user("user", *arguments, password=password)
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            return done
        ended(0, "add", "olga", "--name", "Olga", "--phone", "13900000000",
              password="first password\nnot this")
        ended(6, "add", "olga", password="other password")
        ended(6, "add", "olaf", "--phone", "13900000000", password="other password")
        ended(2, "add", "olaf", password="short")
        ended(2, "add", "olaf")
        ended(2, "add", "olaf", "--phone", "x", password="other password")
        ended(2, "add", "olaf", "secret on the command line")
        ended(2, "add")
        for change in ("password", "lock", "unlock"):
            ended(6, change, "olaf", password="other password")
        self.token_of("olga", "first password")
        ended(0, "password", "olga", password="second password\n")
        self.assert_refused(log_in(self.system, "olga", "first password"), 401, "not_logged_in")
        token = self.token_of("olga", "second password")
        done = self.user("--json", "user", "lock", "olga")
        self.assertEqual(json.loads(done.stdout), {"user": "olga", "done": "locked"})
        self.assert_refused(log_in(self.system, "olga", "second password"), 401, "not_logged_in")
        self.assert_refused(buy(self.system, token, "olga-1"), 401, "not_logged_in", "token")
        ended(0, "unlock", "olga")
        self.token_of("olga", "second password")
        done = self.user("--json", "user", "add", "olga", password=PASSWORD)
        self.assertEqual(json.loads(done.stdout)["exit"], 6)
        self.token_of("olga", "second password")
        # An address of the caller's is not that of the system that runs.
        done = self.user("user", "lock", "olga", STAMPEDE_DB__URL="mysql://x@localhost/x?socket=/x")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("STAMPEDE_DB__URL is passed over", done.stderr)
        self.assert_refused(log_in(self.system, "olga", "second password"), 401, "not_logged_in")

    def test_a_password_that_is_typed_is_not_shown(self):
        child, terminal = pty.fork()
        if child == 0:
            os.execve(BINARY, [BINARY, "--run-dir", str(self.system.run), "user", "add", "typist"],
                      self.system.environment)
        shown = ""
        for prompt in ("Password: ", "The same again: "):
            while not shown.endswith(prompt):
                shown += os.read(terminal, 1024).decode()
            os.write(terminal, b"typed password\n")
        try:
            while data := os.read(terminal, 1024).decode():
                shown += data
        except OSError:  # the other side is gone
            pass
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0, shown)
        self.assertNotIn("typed", shown)
        self.assertIn("added", shown)
        self.token_of("typist", "typed password")

    def test_a_crowd_that_logs_in_holds_up_no_order(self):
        self.signed_up("hon")
        token, peer = self.token_of("hon"), Peer(self, self.system.zmq)
        self.assertEqual(peer.order("hon", token)["state"], "confirmed")
        crowd, told, waits = 120, collections.Counter(), []
        gate = threading.Barrier(crowd + 1)

        def come(number):
            gate.wait(30)
            answer = log_in(self.system, f"crowd-{number}")
            told[answer[2]["code"]] += 1
            if answer[0] == 503:
                waits.append(answer[1]["Retry-After"])
        threads = [threading.Thread(target=come, args=(number,)) for number in range(crowd)]
        for thread in threads:
            thread.start()
        gate.wait(30)
        took, number = [], 0
        while any(thread.is_alive() for thread in threads) or number < 100:
            began = time.monotonic()
            self.assertEqual(peer.order(f"hon-{number}", token)["state"], "confirmed")
            took.append(time.monotonic() - began)
            number += 1
            time.sleep(0.01)
        for thread in threads:
            thread.join()
        took.sort()
        p99 = took[len(took) * 99 // 100]
        print(f"  {dict(told)}; {number} orders meanwhile, p50 {1000 * took[number // 2]:.1f} ms, "
              f"p99 {1000 * p99:.1f} ms", file=sys.stderr)
        self.assertEqual(set(told), {"not_logged_in", "overloaded"})
        self.assertEqual(sum(told.values()), crowd)
        self.assertLessEqual(told["not_logged_in"], crowd - 10)
        self.assertEqual(set(waits), {"1"})
        self.assertLess(p99, 1.0)
        self.token_of("hon")

    def test_who_keeps_the_line_full_lets_others_in(self):
        self.signed_up("ned")
        over, told = threading.Event(), collections.Counter()

        def come_again(number):
            while not over.is_set():
                answer = log_in(self.system, f"flood-{number}", X_Forwarded_For="198.51.100.50")
                told[answer[2]["code"]] += 1
                over.wait(0.5)  # the line is to be full, not the processors
        flood = [threading.Thread(target=come_again, args=(number,)) for number in range(110)]
        for thread in flood:
            thread.start()
        took = []
        try:
            self.assertTrue(eventually(lambda: told["overloaded"] > 0, 20))
            for number in range(8):
                began = time.monotonic()
                answer = log_in(self.system, "ned", X_Forwarded_For=f"198.51.100.{number}")
                self.assertEqual(answer[0], 201, answer[2])
                took.append(time.monotonic() - began)
            answer = sign_up(self.system, "ned-2", webapp=1)
            self.assertEqual(answer[0], 201, answer[2])
        finally:
            over.set()
            for thread in flood:
                thread.join()
        print(f"  a log-in beside the flood took {max(took):.2f} s at most; {dict(told)}",
              file=sys.stderr)


class Locked(AccountTest):
    """An account that is locked has no session any more, wherever it was opened."""

    def setUp(self):
        self.system = system = System(**REQUIRED, STAMPEDE_DEV="true")
        self.addCleanup(system.stop)
        self.addCleanup(self._show_logs_of_a_failure, system)
        system.start("1:Phone:100000", nodes="webapp=2,broker=1,backend=1")
        for user in ("eve", "ann"):
            self.signed_up(user)
        self.orders = 0

    def operator(self, *words, exit_code=0, **environment):
        done = self.system.stampede("user", *words, **environment)
        self.assertEqual(done.returncode, exit_code, done.stdout + done.stderr)
        return done

    def told(self, token, webapp):
        self.orders += 1
        said = buy(self.system, token, f"o-{self.orders}", webapp)[2]
        return said.get("code") or said["state"]

    def refused_everywhere(self, tokens, since):
        for webapp in (1, 2):
            for token in tokens:
                self.assertTrue(eventually(
                    lambda t=token, k=webapp: self.told(t, k) == "not_logged_in", 5, 0.01))
        self.assertLess(time.monotonic() - since, 1.0)

    def never_taken(self, token, webapp):
        """Its first word of the token is a no; 503 is none."""
        waits = ("overloaded", "no_backend", "replaying", "deadline_passed")
        said = eventually(lambda: next((code for code in (self.told(token, webapp),)
                                        if code not in waits), None), 20, 0.02)
        self.assertEqual(said, "not_logged_in", f"webapp {webapp}")

    def test_its_sessions_end_everywhere_and_stay_so_across_restarts(self):
        system = self.system
        eves = [self.token_of("eve", webapp=webapp) for webapp in (1, 2)]
        ann = self.token_of("ann")
        bound = Peer(self, system.zmq_2)
        self.assertEqual(bound.ask({"op": "auth", "id": "a", "token": eves[0]})["user"], "eve")
        self.assertEqual(bound.order("bound-1")["state"], "confirmed")
        for webapp in (1, 2):
            for token in (*eves, ann):
                self.assertEqual(self.told(token, webapp), "confirmed")
        self.operator("lock", "eve")
        self.refused_everywhere(eves, time.monotonic())
        self.assertEqual(bound.order("bound-2")["code"], "not_logged_in")
        self.assert_refused(log_in(system, "eve"), 401, "not_logged_in")
        for name in ("backend-1", "webapp-1", "broker-1"):
            system.restart(name)
            for webapp in (1, 2):
                self.never_taken(eves[0], webapp)
        system.halt(now=True)
        system.start(nodes="webapp=2,broker=1,backend=1")
        for webapp in (1, 2):
            self.never_taken(eves[1], webapp)
            self.assertEqual(self.told(ann, webapp), "confirmed")
        self.assertIn("[REVOKE]", system.stampede("log", "dump").stdout)
        self.assertEqual(system.stampede("log", "verify").returncode, 0)

    def test_behind_the_lock_new_sessions_are_good_and_old_ones_are_not(self):
        old = self.token_of("eve")
        self.operator("lock", "eve")
        self.operator("unlock", "eve")
        new = self.token_of("eve", webapp=2)
        for webapp in (1, 2):
            self.never_taken(old, webapp)
            self.assertEqual(self.told(new, webapp), "confirmed")
        self.system.restart("backend-1")
        self.assertTrue(eventually(lambda: self.told(new, 1) == "confirmed", 20, 0.1))
        self.never_taken(old, 1)
        self.operator("lock", "eve")
        self.operator("lock", "eve")
        self.refused_everywhere((old, new), time.monotonic())

    def test_with_every_notice_lost_it_is_so_a_refresh_later(self):
        done = admin(self.system, {"do": "failpoints", "node": "backend-1",
                                   "arm": "session_news=on"})
        self.assertNotIn("error", done)
        token = self.token_of("eve")
        self.operator("lock", "eve")
        self.refused_everywhere([token], time.monotonic())

    def test_who_logs_in_meanwhile_is_out_too(self):
        tokens, stop = [], threading.Event()

        def come(webapp):
            while not stop.is_set():
                said = log_in(self.system, "eve", webapp=webapp)[2]
                if "token" in said:
                    tokens.append(said["token"])
        crowd = [threading.Thread(target=come, args=(1 + n % 2,)) for n in range(4)]
        for thread in crowd:
            thread.start()
        self.assertTrue(eventually(lambda: len(tokens) >= 4, 30, 0.05))
        self.operator("lock", "eve")
        time.sleep(1.5)  # those that were under way have been answered
        stop.set()
        for thread in crowd:
            thread.join()
        for webapp in (1, 2):
            self.assertEqual({self.told(token, webapp) for token in tokens}, {"not_logged_in"})

    def test_what_could_not_be_done_is_said(self):
        system = self.system
        token = self.token_of("eve")
        system.signal(system.database_pid(), signal.SIGKILL)
        done = self.operator("lock", "eve", exit_code=7)
        self.assertIn("database", done.stderr)
        self.assertEqual(self.told(token, 1), "confirmed")  # nothing was done
        start_database(system)
        elsewhere = {"STAMPEDE_DB__PASSWORD_FILE": str(system.run / "db.password"),
                     "STAMPEDE_DB__URL": "mysql://stampede@localhost/stampede?socket="
                                         f"{system.run}/db/mysql.sock"}
        done = subprocess.run([BINARY, "--run-dir", str(system.home), "user", "lock", "eve"],
                              env=system.environment | elsewhere, capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn("is locked, but sessions that are open may go on", done.stderr)
        self.assertEqual(self.told(token, 1), "confirmed")
        self.assert_refused(log_in(system, "eve"), 401, "not_logged_in")
        self.operator("lock", "eve")
        self.refused_everywhere([token], time.monotonic())


class DatabaseAway(AccountTest):
    def test_sessions_go_on_while_nobody_can_log_in(self):
        system = self.system = self.start_system("1:Phone:1000", **REQUIRED)
        self.signed_up("ann")
        token = self.token_of("ann")
        peer = Peer(self, system.zmq)

        def away(name, seconds):
            began = time.monotonic()
            answers = [log_in(system, "ann"), sign_up(system, f"new-{name}")]
            for answer in answers:
                self.assert_refused(answer, 503, "overloaded")
                self.assertEqual(answer[1]["Retry-After"], "1")
                self.assertIn("the database does not answer", answer[2]["detail"])
            self.assertLess(time.monotonic() - began, seconds)
            self.assertEqual(peer.order(f"{name}-1", token)["state"], "confirmed")
            self.assertEqual(buy(system, token, f"{name}-2")[0], 201)

        def is_back():
            return log_in(system, "ann")[0] == 201
        database = system.database_pid()
        system.signal(database, signal.SIGSTOP)
        try:
            away("stopped", 20)
        finally:
            system.signal(database, signal.SIGCONT)
        self.assertTrue(eventually(is_back, 20, 0.2))
        pids = system.pids()
        system.signal(database, signal.SIGKILL)
        self.assertTrue(eventually(lambda: log_in(system, "ann")[0] == 503, 10))
        away("killed", 5)
        system.restart("webapp-1")  # without the database
        peer = Peer(self, system.zmq)
        away("restarted", 5)
        start_database(system)
        self.assertTrue(eventually(is_back, 20, 0.2))
        for node in ("broker-1", "backend-1", "supervisor-1"):
            self.assertEqual(system.pids().get(node), pids.get(node))
        self.assertEqual(system.verify()["confirmed"], 6)


class OneSession(AccountTest):
    def test_a_log_in_ends_the_older_session_and_waits_until_that_is_durable(self):
        system = self.system = System(**REQUIRED, STAMPEDE_AUTH__SINGLE_SESSION="true")
        self.addCleanup(system.stop)
        self.addCleanup(self._show_logs_of_a_failure, system)
        system.start("1:Phone:1000", nodes="webapp=2,broker=1,backend=1")
        self.signed_up("ann")
        self.signed_up("bob")
        first, other = self.token_of("ann"), self.token_of("bob")
        for webapp in (1, 2):
            self.assertEqual(buy(system, first, f"first-{webapp}", webapp)[0], 201)
        second = self.token_of("ann", webapp=2)

        def is_replaced(webapp):
            return buy(system, first, "late", webapp)[2].get("code") == "session_replaced"
        for webapp in (1, 2):
            self.assertTrue(eventually(lambda at=webapp: is_replaced(at), 2, 0.05))
            self.assertEqual(buy(system, second, f"second-{webapp}", webapp)[0], 201)
            self.assertEqual(buy(system, other, f"other-{webapp}", webapp)[0], 201)
        backend = system.kill9("backend-1")
        status, _, said = log_in(system, "ann")  # told when it is durable, or not at all
        self.assertTrue(status == 201 or (status in (503, 504) and "token" not in said), said)
        system.wait_back("backend-1", backend)
        system.restart("webapp-1")
        self.assertTrue(is_replaced(1))
        third = self.token_of("ann")
        self.assertEqual(ask(system, "DELETE", "/v1/sessions/current",
                             Authorization=f"Bearer {third}")[0], 204)

        def is_over(webapp):
            return buy(system, third, "late", webapp)[2].get("code") == "not_logged_in"
        for webapp in (1, 2):
            self.assertTrue(eventually(lambda at=webapp: is_over(at), 2, 0.05))
        system.verify()


if __name__ == "__main__":
    unittest.main()
