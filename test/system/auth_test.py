#!/usr/bin/python3
"""Sessions on a whole system: tokens that were minted elsewhere, on every webapp and across
restarts; every token that is none; whose order is whose; and the system's own tools."""

import os
import subprocess
import time
import unittest

import msgpack
import zmq

import tokens
from limits_test import ask_http
from system import System, SystemTest, eventually

from stampede import Client, StampedeError

SHOP, LOGIN = "shop", "https://login.example"
HS, RS, ES = tokens.Key("HS256", "hs"), tokens.Key("RS256", "rs"), tokens.Key("ES256", "es")


def mint(key, user, seconds=3600, **claims):
    return key.token(user, seconds, **({"iss": LOGIN, "aud": SHOP} | claims))


class Peer:
    """A DEALER that asks one thing at a time."""

    def __init__(self, test, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        test.addCleanup(self.socket.close, 0)

    def send(self, request):
        self.socket.send(msgpack.packb(request))

    def hear(self, seconds=30):
        if not self.socket.poll(seconds * 1000):
            raise AssertionError("no answer")
        return msgpack.unpackb(self.socket.recv())

    def ask(self, request):
        self.send(request)
        return self.hear()

    def order(self, name, token=None, **more):
        request = {"op": "order", "id": name, "item": 1} | more
        return self.ask(request | ({} if token is None else {"token": token}))


def account_paths(system):
    """What the paths of built-in accounts answer."""
    body = {"user": "ann", "password": "correct horse"}
    return [ask_http(system, "POST", path, body)[::2] for path in ("/v1/accounts", "/v1/sessions")]


def verdict(answer):
    return answer.get("code") or answer.get("state") or answer.get("fulfilment")


class Sessions(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.system = system = System()
        cls.addClassCleanup(system.stop)
        cls.keys_file = system.home / "shop.jwks"
        cls.write_keys(HS, RS, ES)
        system.environment |= {
            "STAMPEDE_AUTH__MODE": "required", "STAMPEDE_AUTH__KEYS_FILE": str(cls.keys_file),
            "STAMPEDE_AUTH__ISSUER": LOGIN, "STAMPEDE_AUTH__AUDIENCE": SHOP}
        system.start("1:Phone:100000", nodes="webapp=2,broker=1,backend=1")

    @classmethod
    def write_keys(cls, *keys):
        draft = cls.keys_file.with_suffix(".new")
        draft.write_text(tokens.key_set(*keys), encoding="ascii")
        draft.chmod(0o600)
        draft.rename(cls.keys_file)

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)
        self.peer = Peer(self, self.system.zmq)
        self.service = (self.system.run / "service.token").read_text(encoding="ascii").strip()

    def test_tokens_of_every_algorithm_are_good_on_every_webapp(self):
        second = Peer(self, self.system.zmq_2)
        for key in (HS, RS, ES):
            user = f"ann-{key.kid}"
            token = mint(key, user)
            name = f"alg-{key.kid}"
            self.assertEqual(self.peer.order(name, token)["state"], "confirmed")
            again = second.order(name, token, user=user)
            self.assertEqual((again["state"], again.get("replayed")), ("confirmed", True))
            self.assertEqual(verdict(second.ask({"op": "get", "id": name, "token": token})),
                             "confirmed")
        rows = self.system.sql("SELECT request_id, user_id FROM orders "
                               "WHERE request_id LIKE 'alg-%' ORDER BY request_id")
        self.assertEqual(rows, [[f"alg-{kid}", f"ann-{kid}"] for kid in ("es", "hs", "rs")])

    def test_every_token_that_is_none_is_refused_and_nothing_is_ordered(self):
        good = {"sub": "eve", "exp": int(time.time()) + 3600, "iss": LOGIN, "aud": SHOP}
        signed = RS.sign(good)
        wrong = {
            "nothing": "x", "two parts": signed.rsplit(".", 1)[0], "cut": signed[:-2],
            "none": tokens.unsigned(good), "none with a kid": tokens.unsigned(good, kid="rs"),
            "none and a signature": tokens.unsigned(good, kid="rs") + signed.rsplit(".", 1)[1],
            "confusion": tokens.confused(RS, good), "confusion of EC": tokens.confused(ES, good),
            "kid of another": RS.sign(good, kid="es"), "unknown kid": RS.sign(good, kid="nobody"),
            "another's key": tokens.Key("RS256", "rs").sign(good),
            "another's secret": tokens.Key("HS256", "hs").sign(good),
            "wrong alg": HS.sign(good, alg="HS512"), "crit": HS.sign(good, crit=["exp"]),
            "wrong audience": HS.sign(good | {"aud": "bank"}),
            "no audience": HS.sign({k: v for k, v in good.items() if k != "aud"}),
            "wrong issuer": HS.sign(good | {"iss": "https://login.example.evil"}),
            "not yet": HS.sign(good | {"nbf": int(time.time()) + 600}),
            "no exp": HS.sign({k: v for k, v in good.items() if k != "exp"}),
            "no sub": HS.sign({k: v for k, v in good.items() if k != "sub"}),
            "sub that can be none": HS.sign(good | {"sub": "e\nve"})}
        for what, token in wrong.items():
            with self.subTest(what):
                answer = self.peer.order("forged", token, user="eve")
                self.assertEqual((answer["code"], answer["field"], answer["retry"]),
                                 ("not_logged_in", "token", False))
                status, headers, said = ask_http(
                    self.system, "POST", "/v1/orders", {"item": 1, "id": "forged"},
                    Authorization=f"Bearer {token}", Prefer="wait=5")
                self.assertEqual((status, said["code"], headers["WWW-Authenticate"]),
                                 (401, "not_logged_in", "Bearer"))
        old = self.peer.order("forged", mint(ES, "eve", seconds=-10))
        self.assertEqual((old["code"], old["field"]), ("session_expired", "token"))
        self.assertEqual(self.peer.order("forged", user="eve")["code"], "not_logged_in")
        self.assertEqual(self.peer.order("late", mint(ES, "eve", seconds=-2))["state"], "confirmed")
        self.assertEqual(self.peer.order("forged", "t" * 5000)["field"], "token")
        found = self.peer.ask({"op": "get", "id": "forged", "token": self.service})
        self.assertEqual(found["code"], "unknown_request")
        whys = {"signature", "algorithm", "unknown key", "audience", "issuer", "expired"}

        def counted():
            return set(self.system.node("webapp-1")["counters"]["tokens_refused"])
        self.assertTrue(eventually(lambda: whys <= counted(), 10), counted())

    def test_a_shop_with_a_login_of_its_own_has_no_built_in_accounts(self):
        self.assertEqual([(status, said["code"]) for status, said in account_paths(self.system)],
                         [(404, "unknown_op")] * 2)

    def test_an_order_is_of_its_session_and_only_its_buyer_sees_it(self):
        ann, bob = mint(HS, "ann"), mint(ES, "bob")
        self.assertEqual(self.peer.order("o1", ann)["state"], "confirmed")
        named = self.peer.order("o2", bob, user="ann")
        self.assertEqual((named["code"], named["field"]), ("not_allowed", "user"))
        get = {"op": "get", "id": "o1"}
        self.assertEqual(verdict(self.peer.ask(get | {"token": ann})), "confirmed")
        self.assertEqual(verdict(self.peer.ask(get | {"token": bob})), "not_allowed")
        self.assertEqual(verdict(self.peer.ask(get)), "not_logged_in")
        for token, status in ((ann, 200), (bob, 403), ("", 401)):
            head = {"Authorization": f"Bearer {token}"} if token else {}
            self.assertEqual(ask_http(self.system, "GET", "/v1/orders/o1", **head)[0], status)
        for token in (ann, bob):
            pay = {"op": "pay", "id": "p", "order": "o1", "amount_cents": 0, "token": token}
            self.assertEqual(self.peer.ask(pay)["code"], "not_allowed")
        pay["token"] = self.service
        self.assertEqual(self.peer.ask(pay)["code"], "not_payable")  # it was looked at
        self.assertEqual(verdict(self.peer.ask({"op": "cancel", "id": "c", "order": "o1",
                                                "token": bob})), "not_cancellable")
        self.assertEqual(self.peer.order("o3", self.service, user="cid")["state"], "confirmed")
        self.assertEqual(self.peer.ask({"op": "items", "item": 1})["items"][0]["item"], 1)
        self.assertEqual(self.peer.ask({"op": "ping", "id": "x"})["state"], "ready")

    def test_what_a_webapp_remembers_is_told_to_the_buyer_alone(self):
        ann, bob = ({"Authorization": f"Bearer {mint(HS, user)}"} for user in ("ann", "bob"))
        order = {"item": 1, "id": "q1"}
        status, _, said = ask_http(self.system, "POST", "/v1/orders", order, **ann)
        self.assertEqual((status, said["state"]), (202, "queued"))
        eventually(lambda: ask_http(self.system, "GET", "/v1/orders/q1", **ann)[2].get("state")
                   == "confirmed", 10)
        for path in ("/v1/orders/q1", "/miaosha/order-result?requestId=q1"):
            self.assertEqual(ask_http(self.system, "GET", path, **ann)[0], 200)
            said = ask_http(self.system, "GET", path, **bob)
            self.assertTrue(said[0] == 403 or said[2].get("success") is False, said)

    def test_a_connection_logs_in_once_and_nobody_else_on_it(self):
        self.peer.send({"op": "auth", "id": "a", "token": mint(RS, "con")})
        self.peer.send({"op": "order", "id": "con-1", "item": 1})  # at once behind it
        answers = {answer["id"]: answer for answer in (self.peer.hear(), self.peer.hear())}
        self.assertEqual(answers["a"]["user"], "con")
        self.assertGreater(answers["a"]["expires_at"], time.time() * 1000)
        self.assertEqual(answers["con-1"]["state"], "confirmed")
        array = self.peer.ask([{"op": "order", "id": f"con-{n}", "item": 1} for n in range(2, 5)])
        self.assertEqual([one["state"] for one in array], ["confirmed"] * 3)
        other = Peer(self, self.system.zmq)
        self.assertEqual(other.order("con-9")["code"], "not_logged_in")
        self.assertEqual(self.peer.ask({"op": "auth", "id": "b", "token": "x"})["code"],
                         "not_logged_in")
        self.assertEqual(self.peer.order("con-9")["code"], "not_logged_in")
        rows = self.system.sql("SELECT DISTINCT user_id FROM orders WHERE request_id LIKE 'con-%'")
        self.assertEqual(rows, [["con"]])

    def test_an_array_of_many_sessions_is_answered_each_for_itself(self):
        users = [f"many-{n}" for n in range(60)]
        array = [{"op": "order", "id": user, "item": 1, "token": mint(HS, user)} for user in users]
        array[7]["token"] = "x"
        array[9]["user"] = "many-8"
        answers = self.peer.ask(array)
        self.assertEqual((answers[7]["code"], answers[9]["code"]), ("not_logged_in", "not_allowed"))
        self.assertEqual([verdict(one) for at, one in enumerate(answers) if at not in (7, 9)],
                         ["confirmed"] * 58)
        body = [{"id": f"h-{n}", "item": 1, "token": mint(ES, f"h-{n}")} for n in range(5)]
        body.append({"id": "h-x", "item": 1})
        said = ask_http(self.system, "POST", "/v1/orders", body,
                        Authorization=f"Bearer {mint(RS, 'h-x')}")[2]
        self.assertEqual([one["state"] for one in said], ["confirmed"] * 6)
        rows = self.system.sql("SELECT COUNT(*) FROM orders WHERE request_id = user_id AND "
                               "(request_id LIKE 'h-%' OR request_id LIKE 'many-%')")
        self.assertEqual(rows, [["64"]])

    def test_forms_take_a_token_and_buy_for_its_user(self):
        done = subprocess.run(
            ["/usr/bin/curl", "-s", "-d", "itemId=1", "--data-urlencode",
             f"token={mint(HS, 'form')}", f"{self.system.http}/miaosha/order"],
            capture_output=True, text=True, check=True, timeout=30)
        self.assertIn('"id"', done.stdout)
        self.assertTrue(eventually(lambda: self.system.number(
            "SELECT COUNT(*) FROM orders WHERE user_id = 'form'") == 1, 20))

    def test_sessions_outlive_restarts_and_keys_change_while_it_sells(self):
        ann = mint(RS, "ann")
        self.assertEqual(self.peer.order("r1", ann)["state"], "confirmed")
        for name in ("webapp-1", "broker-1", "backend-1"):
            self.system.restart(name)
        peer = Peer(self, self.system.zmq)
        self.assertEqual(peer.order("r2", ann)["state"], "confirmed")
        self.assertEqual(peer.order("r3", self.service, user="bob")["state"], "confirmed")
        new = tokens.Key("ES256", "next")
        self.assertEqual(peer.order("r4", mint(new, "ann"))["code"], "not_logged_in")
        self.write_keys(HS, RS, ES, new)

        def is_known():
            token = mint(new, "ann", jti=os.urandom(4).hex())  # one that was not refused yet
            return peer.order("r4", token).get("state") == "confirmed"
        self.assertTrue(eventually(is_known, 20, 0.3))

    def test_the_systems_own_tools_work(self):
        system = self.system
        self.assertEqual((system.run / "service.token").stat().st_mode & 0o777, 0o600)
        self.assertEqual((system.run / "session.keys").stat().st_mode & 0o777, 0o600)
        done = system.stampede("order", "1", "--user", "tool", "--request-id", "tool-1")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(system.stampede("order", "show", "tool-1").returncode, 0)
        for way in (("--batch", "20"), ("--via", "http"), ("--via", "miaosha")):
            done = system.stampede("--json", "bench", "--requests", 1000, "--rate", 1000, *way)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with Client(system.zmq, token=mint(HS, "py")) as client:
            self.assertTrue(client.order(1, "py", timeout=20).confirmed)
            with self.assertRaises(StampedeError) as refused:
                client.order(1, "other", timeout=20)
            self.assertEqual(refused.exception.code, "not_allowed")
            orders = [{"item": 1, "user": "py"} for _ in range(30)]
            self.assertTrue(all(one.confirmed for one in client.order_many(orders)))
        with Client(system.zmq) as client, self.assertRaises(StampedeError) as refused:
            client.order(1, "py", timeout=20)
        self.assertEqual(refused.exception.code, "not_logged_in")
        system.verify()


class Keys(SystemTest):
    def test_only_keys_that_are_trusted_may_pay(self):
        import zmq.auth
        system = self.new_system()
        public = {}
        for name in ("system", "ann", "shop"):
            file = system.home / f"{name}.key"
            self.assertEqual(system.stampede("keys", "new", file).returncode, 0)
            public[name] = zmq.auth.load_certificate(file)
        allowed = system.home / "allowed"
        allowed.write_text(f"{public['ann'][0].decode()} ann\n"
                           f"{public['shop'][0].decode()} trusted the shop\n", encoding="ascii")
        system.environment |= {"STAMPEDE_CURVE__KEY_FILE": str(system.home / "system.key"),
                               "STAMPEDE_CURVE__ALLOW_FILE": str(allowed)}
        system.start("1:Phone:100")
        codes = {}
        for name in ("ann", "shop", "system"):
            with Client(system.zmq, curve=(public["system"][0], *public[name])) as client:
                bought = client.order(1, "ann", request_id=f"k-{name}", timeout=20)
                self.assertTrue(bought.confirmed)
                with self.assertRaises(StampedeError) as refused:
                    client.pay(f"k-{name}", 1, timeout=20)
                codes[name] = refused.exception.code
        with Client(f"ipc://{system.run}/sock/clients-1") as client:
            with self.assertRaises(StampedeError) as refused:
                client.pay("k-ann", 1, timeout=20)
            codes["local"] = refused.exception.code
        self.assertEqual(codes, {"ann": "not_allowed", "shop": "not_payable",
                                 "system": "not_payable", "local": "not_payable"})
        status, _, said = ask_http(system, "POST", "/v1/orders/k-ann/payments",
                                   {"id": "p", "amount_cents": 1})
        self.assertEqual((status, said["code"]), (403, "not_allowed"))


class Off(SystemTest):
    def test_without_sessions_everything_is_as_it_was(self):
        system = self.start_system("1:Phone:100")
        peer = Peer(self, system.zmq)
        self.assertEqual(peer.order("a", "any text", user="ann")["state"], "confirmed")
        self.assertEqual(peer.order("b", user="ann", token="")["state"], "confirmed")
        self.assertEqual(peer.order("c")["field"], "user")
        self.assertEqual(peer.ask({"op": "auth", "id": "x", "token": "t"})["code"], "unknown_op")
        self.assertEqual(verdict(peer.ask({"op": "get", "id": "a", "user": "bob"})), "confirmed")
        self.assertEqual(verdict(peer.ask({"op": "pay", "id": "p", "order": "a",
                                           "amount_cents": 0})), "not_payable")
        status, _, said = ask_http(system, "POST", "/v1/orders", {"item": 1, "user": "ann",
                                                                  "token": "t"},
                                   Authorization="Basic eDp5", Prefer="wait=5")
        self.assertEqual((status, said["state"]), (201, "confirmed"))
        self.assertFalse((system.run / "service.token").exists())
        self.assertEqual([(status, said["code"]) for status, said in account_paths(system)],
                         [(404, "unknown_op")] * 2)


class Mistakes(SystemTest):
    def test_wrong_values_and_files_are_named(self):
        system = System()
        self.addCleanup(system.stop)
        bad = system.home / "bad.jwks"
        bad.write_text("{}", encoding="ascii")
        required = {"STAMPEDE_AUTH__MODE": "required"}
        for environment, named in (
                ({"STAMPEDE_AUTH__MODE": "on"}, "AUTH__MODE"),
                ({"STAMPEDE_AUTH__KEYS_FILE": "x"}, "auth.keys_file"),
                (required | {"STAMPEDE_AUTH__ISSUER": "x"}, "auth.issuer"),
                (required | {"STAMPEDE_AUTH__AUDIENCE": "x"}, "auth.audience"),
                ({"STAMPEDE_AUTH__SESSIONS_MAX": "4095"}, "AUTH__SESSIONS_MAX"),
                ({"STAMPEDE_AUTH__SESSION_S": "0"}, "AUTH__SESSION_S"),
                (required | {"STAMPEDE_AUTH__KEYS_FILE": str(bad)}, "bad.jwks"),
                (required | {"STAMPEDE_AUTH__KEYS_FILE": "none.jwks"}, "none.jwks")):
            with self.subTest(environment):
                done = system.stampede("supervisor", timeout=60, **environment)
                self.assertEqual(done.returncode, 78, done.stderr)
                self.assertIn(named, done.stderr)


if __name__ == "__main__":
    unittest.main()
