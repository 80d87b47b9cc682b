#!/usr/bin/python3
"""The two pages of springboot-seckill, unchanged, in a real browser against a webapp: somebody logs
in, counts down to the start of a promo, buys, meets sold out and a session that is over. And their
three requests one by one: each field wrong, each rule of the sale, no decision in time.

The browser's part is skipped, and named, without a Chromium and jQuery: scripts/install_deps.sh
--browser.
"""

import http.client
import json
import queue
import re
import signal
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import urlencode

import tokens
from browser import CHROMIUM, Browser, Site
from by_hand import must
from system import System, SystemTest, eventually

PAGES = Path(__file__).resolve().parent / "seed_pages"
JQUERY = Path("/usr/share/javascript/jquery/jquery.min.js")
SHOP = "http://shop.example"  # where the pages are; the webapp is http://localhost for them
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PHONE, LAMP, CUP, BOOK, VASE, PEN = 1, 2, 3, 4, 5, 6  # items
# The backend is stopped for longer than orders wait; nobody shall take that for a hang.
PATIENT = {"STAMPEDE_SUPERVISOR__MISSED_HEARTBEATS_MAX": 240,
           "STAMPEDE_SUPERVISOR__STALL_MS": 60_000}


def start_shop():
    system = System(STAMPEDE_AUTH__MODE="required", STAMPEDE_WEBAPP__COMPAT="true",
                    STAMPEDE_WEBAPP__ORIGINS=SHOP, **PATIENT)
    system.start(f"{PHONE}:手机:10", f"{LAMP}:Lamp:1000", f"{CUP}:Cup:1", f"{BOOK}:Book:10",
                 f"{VASE}:Vase:10", f"{PEN}:Pen:10")
    return system


def setUpModule():  # pylint: disable=invalid-name
    Shop.system = start_shop()
    unittest.addModuleCleanup(Shop.system.stop)
    Shop.key = tokens.Key.read(Shop.system.run / "session.keys")


class Shop(SystemTest):
    """One system for all tests; each has items or buyers of its own."""

    system = key = None

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)

    def token(self, user, seconds=3600):
        return self.key.token(user, seconds, iss="stampede")

    def run_command(self, *words):
        must(self.system.stampede(*words), " ".join(map(str, words)))

    def add_promo(self, promo, item, starts, *flags, ends="+1h", price=990):
        self.run_command("promo", "add", promo, "--item", item, "--name", f"Promo {promo}",
                         "--price-cents", price, "--starts", starts, "--ends", ends, *flags)

    def add_account(self, user, phone, password):
        """Somebody who logs in with a phone."""
        link = http.client.HTTPConnection("127.0.0.1", self.system.http_port, timeout=30)
        link.request("POST", "/v1/accounts", json.dumps(
            {"user": user, "phone": phone, "password": password}), {"Content-Type":
                                                                    "application/json"})
        answer = link.getresponse()
        self.assertEqual(answer.status, 201, answer.read())
        link.close()

    def rows(self, item):
        """(user, qty, promo, price) of an item's orders, when all are in the database."""
        self.system.verify()
        return sorted(map(tuple, self.system.sql(
            "SELECT user_id, qty, promo_id, unit_price_cents FROM orders "
            f"WHERE item_id = {item}")))


# --- request by request ---------------------------------------------------------------------------

class Requests(Shop):
    def ask(self, method, path, form=None, **headers):
        """(status, headers, body) of one request."""
        link = http.client.HTTPConnection("127.0.0.1", self.system.http_port, timeout=30)
        try:
            head = FORM | {name.replace("_", "-"): value for name, value in headers.items()}
            body = None if form is None else form if isinstance(form, str) else urlencode(form)
            link.request(method, path, body, head)
            answer = link.getresponse()
            text = answer.read()
            return answer.status, answer.headers, json.loads(text) if text else {}
        finally:
            link.close()

    def page(self, method, path, form=None, **headers):
        """(code, msg, data): every answer to a page has status 200."""
        status, _, body = self.ask(method, path, form, **headers)
        self.assertEqual((status, sorted(body)), (200, ["code", "data", "msg"]), body)
        return body["code"], body["msg"], body["data"]

    def order(self, item, user="ann", promo="", amount=1, **headers):
        form = {"itemId": item, "amount": amount, "promoId": promo, "token": self.token(user)}
        return self.page("POST", "/order/create", form, **headers)

    def item(self, item):
        code, _, data = self.page("GET", f"/item/get?id={item}")
        self.assertEqual(code, 200)
        return data

    def test_an_item_is_shown_as_its_page_reads_it(self):
        self.run_command("item", "set", VASE, "--price-cents", 12345, "--description", "蓝色",
                         "--image-url", "/vase.png")
        plain = {"id": VASE, "title": "Vase", "description": "蓝色", "price": 123.45, "stock": 10,
                 "sales": 0, "imgUrl": "/vase.png", "promoStatus": 0, "promoPrice": None,
                 "promoId": None, "startDate": None}
        self.assertEqual(self.item(VASE), plain)
        self.add_promo(51, VASE, "2031-01-01T00:00:00.001+08:00", ends="2031-01-02T00:00:00Z")
        coming = plain | {"promoStatus": 1, "promoPrice": 9.9, "promoId": 51,
                          "startDate": "2031-01-01 00:00:01 GMT+0800"}
        self.assertEqual(self.item(VASE), coming)
        self.add_promo(52, VASE, "now", price=1000)
        running = self.item(VASE)
        self.assertEqual((running["promoStatus"], running["promoId"], running["promoPrice"]),
                         (2, 52, 10))
        self.assertEqual(self.order(VASE, promo=52, amount=2)[0], 200)
        self.run_command("promo", "end", 52)
        self.assertEqual(self.item(VASE), coming | {"stock": 8, "sales": 2})
        self.assertEqual(self.page("GET", "/item/get?id=999"), (20001, "商品不存在", None))
        for query in ("", "?id=", "?id=x", "?id=-1", "?id=1&id=1", "?id=9223372036854775808"):
            self.assertEqual(self.page("GET", f"/item/get{query}"),
                             (405, "请求参数有误：id", None))

    def test_a_wrong_field_is_named_and_nothing_is_ordered(self):
        good = {"itemId": LAMP, "amount": 1, "promoId": "", "token": self.token("wrong")}
        wrong = {"itemId": ("", "x", "-1", "1.5", "9223372036854775808"),
                 "amount": ("", "x", "0", "-1", "6", "1001", "4294967297"),
                 "promoId": ("x", "-1", "null")}
        for name, values in wrong.items():
            for value in values:
                with self.subTest(name=name, value=value):
                    self.assertEqual(self.page("POST", "/order/create", good | {name: value}),
                                     (405, f"请求参数有误：{name}", None))
            missing = {key: value for key, value in good.items() if key != name}
            if name != "promoId":
                self.assertEqual(self.page("POST", "/order/create", missing)[0], 405)
            twice = urlencode(good) + f"&{name}=1"
            self.assertEqual(self.page("POST", "/order/create", twice)[0], 405)
        twice = urlencode(good) + "&token=x"
        self.assertEqual(self.page("POST", "/order/create", twice)[1], "请求参数有误：token")
        for form in ("", "itemId=%zz", "{}"):
            self.assertEqual(self.page("POST", "/order/create", form)[0], 405)
        said = self.page("POST", "/order/create", json.dumps(good), Content_Type="application/json")
        self.assertEqual(said, (405, "请求必须是一个完整的表单", None))
        self.assertEqual(self.order(999, "wrong"), (20001, "商品不存在", None))
        self.assertNotIn("wrong", {row[0] for row in self.rows(LAMP)})

    def test_who_is_not_logged_in_buys_nothing(self):
        good = {"itemId": LAMP, "amount": 1, "promoId": ""}
        nobody = (30005, "您还未登录，无法下单", None)
        for token in ("", "x", "a.b.c", tokens.Key("HS256", "own").token("eve", iss="stampede")):
            self.assertEqual(self.page("POST", "/order/create", good | {"token": token}), nobody)
        self.assertEqual(self.page("POST", "/order/create", good), nobody)
        in_query = f"/order/create?{urlencode({'token': self.token('eve')})}"
        self.assertEqual(self.page("POST", in_query, good), nobody)
        over = self.page("POST", "/order/create", good | {"token": self.token("eve", -60)})
        self.assertEqual(over, (30005, "登录已过期，请重新登录", None))
        self.assertNotIn("eve", {row[0] for row in self.rows(LAMP)})
        by_header = self.page("POST", "/order/create", good,
                              Authorization=f"Bearer {self.token('ann')}")
        self.assertEqual(by_header[0], 200)

    def test_each_rule_of_the_sale_has_its_text(self):
        self.add_promo(41, BOOK, "+1h", ends="+2h")
        early = self.order(BOOK, promo=41)
        self.assertEqual(early[0], 500)
        self.assertRegex(early[1], "^活动尚未开始，请3[56][0-9]{2}秒后再试$")
        self.assertEqual(self.order(BOOK, promo=77)[1], "活动不存在，或不是该商品的活动")
        self.assertEqual(self.order(LAMP, promo=41)[1], "活动不存在，或不是该商品的活动")
        self.add_promo(42, BOOK, "now", "--ticket", ends="+10m")
        self.assertEqual(self.order(BOOK, promo=42),
                         (500, "该活动需要秒杀令牌，本页面不支持领取", None))
        self.run_command("promo", "end", 42)
        self.assertEqual(self.order(BOOK, promo=42)[1], "活动已结束")
        self.add_promo(43, BOOK, "now", "--limit-per-user", 1, ends="+10m")
        code, text, data = self.order(BOOK, promo=43)
        self.assertEqual((code, text, data["itemId"], data["promoId"], data["itemPrice"]),
                         (200, "下单成功", BOOK, 43, 9.9))
        self.assertEqual(self.order(BOOK, promo=43), (500, "已达到每人限购数量", None))
        self.run_command("item", "set", BOOK, "--sale", "promo_only")
        self.assertEqual(self.order(BOOK)[1], "该商品只在活动期间销售")
        self.run_command("item", "close", BOOK)
        self.assertEqual(self.order(BOOK)[1], "商品已停止销售")
        self.assertEqual(self.rows(BOOK), [("ann", "1", "43", "990")])

    def test_an_order_to_be_paid_says_until_when(self):
        self.run_command("item", "set", PEN, "--hold-s", 3600, "--unpaid-per-user-max", 2)
        code, text, data = self.order(PEN, amount=2)
        self.assertEqual((code, text), (200, "下单成功，请按时付款"))
        self.assertRegex(data["payBy"], r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d GMT\+0800$")
        self.assertEqual(self.order(PEN)[1], "未付款的商品过多，请先付款或取消")

    def test_two_forms_are_two_orders_and_only_a_limit_forbids_that(self):
        said = []
        buyers = [threading.Thread(target=lambda: said.append(self.order(LAMP, "twice")[0]))
                  for _ in range(2)]
        for buyer in buyers:
            buyer.start()
        for buyer in buyers:
            buyer.join()
        self.assertEqual(said, [200, 200])
        self.assertEqual(len([row for row in self.rows(LAMP) if row[0] == "twice"]), 2)

    def test_sold_out_is_told_and_sells_nothing(self):
        self.assertEqual(self.order(CUP, amount=2), (20003, "库存不足", None))
        self.assertEqual(self.order(CUP)[0], 200)
        self.assertEqual(self.order(CUP, "bob"), (20003, "商品已售罄", None))
        self.assertEqual(self.rows(CUP), [("ann", "1", "NULL", "0")])

    def test_no_decision_in_time_is_told_as_unknown_and_found_later(self):
        backend = self.system.pid("backend-1")
        self.system.signal(backend, signal.SIGSTOP)
        self.addCleanup(self.system.signal, backend, signal.SIGCONT)
        began = time.monotonic()
        code, text, data = self.order(LAMP, "slow")
        took = time.monotonic() - began
        self.assertEqual((code, text), (100001, "下单结果未知，请稍后再查看，不要重复下单"))
        self.assertTrue(4.8 < took < 7, took)
        self.assertEqual(self.page("GET", f"/item/get?id={LAMP}")[:2], (500, "系统繁忙，请稍后再试"))
        self.system.signal(backend, signal.SIGCONT)

        def found():
            answer = self.ask("GET", f"/v1/orders/{data['requestId']}",
                              Authorization=f"Bearer {self.token('slow')}")[2]
            return answer.get("state")
        self.assertEqual(eventually(lambda: found() == "confirmed", 20), True, found())
        self.assertEqual(len([row for row in self.rows(LAMP) if row[0] == "slow"]), 1)

    def test_methods_and_pages_of_strangers_are_refused_as_everywhere(self):
        for method, path in (("GET", "/order/create"), ("PUT", "/order/create"),
                             ("GET", "/user/login"), ("POST", "/item/get?id=1")):
            status, headers, _ = self.ask(method, path)
            self.assertEqual((status, "OPTIONS" in headers["Allow"]), (405, True), path)
        good = {"itemId": LAMP, "amount": 1, "promoId": "", "token": self.token("victim")}
        foreign = ({"Origin": "http://evil.example"}, {"Origin": "null"},
                   {"Sec_Fetch_Site": "cross-site"}, {"Host": "evil.example"})
        for headers in foreign:
            for method, path, form in (("POST", "/order/create", good),
                                       ("POST", "/user/login", {"telphone": 1, "password": 2}),
                                       ("GET", f"/item/get?id={LAMP}", None)):
                status, _, body = self.ask(method, path, form, **headers)
                self.assertEqual((status, body["code"]), (403, "not_allowed"), headers)
        self.assertNotIn("victim", {row[0] for row in self.rows(LAMP)})
        status, headers, body = self.ask("POST", "/order/create", good | {"token": ""}, Origin=SHOP,
                                         Sec_Fetch_Site="cross-site")
        self.assertEqual((status, body["code"]), (200, 30005))
        self.assertEqual((headers["Access-Control-Allow-Origin"],
                          headers["Access-Control-Allow-Credentials"]), (SHOP, "true"))


class LogIns(Shop):
    """By phone, with an account of this system."""

    WRONG = (30007, "手机号或密码错误", None)

    ask, page = Requests.ask, Requests.page

    def log_in(self, phone, password, **headers):
        return self.page("POST", "/user/login", {"telphone": phone, "password": password},
                         **headers)

    def test_a_session_is_that_of_the_account(self):
        self.add_account("owner", "13800000003", "corr&ct=h+rse 电池")
        code, text, token = self.log_in("13800000003", "corr&ct=h+rse 电池")
        self.assertEqual((code, text), (30006, "登录成功"))
        form = {"itemId": LAMP, "amount": 2, "promoId": "", "token": token}
        self.assertEqual(self.page("POST", "/order/create", form)[0], 200)
        self.assertEqual([row for row in self.rows(LAMP) if row[0] == "owner"],
                         [("owner", "2", "NULL", "0")])

    def test_a_wrong_phone_and_a_wrong_password_are_told_the_same(self):
        self.add_account("bob", "+8613800000002", "right-one")
        self.assertEqual(self.log_in("+8613800000002", "right-one")[0], 30006)
        self.assertEqual(self.log_in("+8613800000002", "wrong-one"), self.WRONG)
        self.assertEqual(self.log_in("13999999999", "right-one"), self.WRONG)
        self.run_command("user", "lock", "bob")
        self.assertEqual(self.log_in("+8613800000002", "right-one"), self.WRONG)
        for _ in range(10):
            last = self.log_in("13777777777", "x")
        self.assertEqual(last, self.WRONG)
        code, text, _ = self.log_in("13777777777", "x")
        self.assertEqual(code, 30007)
        self.assertRegex(text, "^请求过于频繁，请[0-9]+秒后再试$")
        self.assertEqual(self.log_in("13999999999", "x"), self.WRONG)

    def test_the_tries_of_an_account_are_ten_whichever_name_is_used(self):
        def by_user(password):
            return self.ask("POST", "/v1/sessions", {"user": "dual", "password": password})[0]
        self.add_account("dual", "13800000009", "right password")
        self.add_account("other", "13800000008", "right password")
        self.assertEqual(self.log_in("13800000009", "right password")[0], 30006)
        for guess in range(5):
            self.assertEqual(by_user(f"guess {guess}"), 401)
            self.assertEqual(self.log_in("13800000009", f"guess {guess}"), self.WRONG)
        # The eleventh is told what any wrong one is, and not that both names are one account's.
        self.assertEqual(by_user("right password"), 401)
        self.assertEqual(self.log_in("13800000009", "right password"), self.WRONG)
        self.assertEqual(self.log_in("13800000008", "right password")[0], 30006)

    def test_a_wrong_field_is_named(self):
        good = {"telphone": "13800000004", "password": "x"}
        wrong = {"telphone": ("", "ann", "1", "1" * 33, "138 000"), "password": ("", "x" * 129)}
        for name, values in wrong.items():
            told = (405, f"请求参数有误：{name}", None)
            for value in values:
                self.assertEqual(self.page("POST", "/user/login", good | {name: value}), told)
            missing = {key: value for key, value in good.items() if key != name}
            self.assertEqual(self.page("POST", "/user/login", missing), told)
            self.assertEqual(self.page("POST", "/user/login", urlencode(good) + f"&{name}=1"), told)
        for body, kind in ((json.dumps(good), "application/json"), ("a=%zz", FORM["Content-Type"])):
            self.assertEqual(self.page("POST", "/user/login", body, Content_Type=kind),
                             (405, "请求必须是一个完整的表单", None))


class Mistakes(SystemTest):
    def test_without_sessions_the_routes_cannot_be_there(self):
        system = System()
        self.addCleanup(system.stop)
        done = system.stampede("webapp", STAMPEDE_WEBAPP__COMPAT="true")
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn("webapp.compat", done.stderr)
        self.assertIn("auth.mode", done.stderr)


# --- in a browser ---------------------------------------------------------------------------------

def rendered(name):
    """A page as its template engine sends it: with the addresses of what it loads."""
    text = (PAGES / name).read_text(encoding="utf-8")
    return re.sub(r'th:(src|href)="@\{([^}]*)\}"', r'\1="\2"', text)


class Visitor:
    """Somebody in a browser on the pages: `do()` has a deed of visitor.js done, `next()` waits for
    what is told of it."""

    FILES = {"/static/assets/global/plugins/jquery-1.11.0.min.js": [JQUERY],
             "/static/common.js": [PAGES / "common.js", PAGES / "visitor.js"]}

    def __init__(self, test):
        self.deeds = queue.Queue()
        self.told = {}
        self.site = Site(self.file)
        self.site.__enter__()
        test.addCleanup(self.site.__exit__)
        self.site.pages = {f"/{name}": rendered(name) for name in ("login.html", "item.html")}
        self.site.pages["/"] = '<!doctype html><script src="/static/common.js"></script>'
        browser = Browser(f"{SHOP}/", places={"shop.example:80": self.site.port,
                                              "localhost:80": test.system.http_port})
        browser.__enter__()
        test.addCleanup(browser.__exit__)
        self.arrives("/")

    def file(self, path):
        if path == "/deed":
            try:
                return "application/json", json.dumps(self.deeds.get_nowait()).encode()
            except queue.Empty:
                return "application/json", b"null"
        if path.endswith(".css"):
            return "text/css", b""
        parts = self.FILES.get(path)
        return parts and ("text/javascript", b"\n".join(part.read_bytes() for part in parts))

    def do(self, *deed):
        self.deeds.put(deed)

    def next(self, kind, seconds=20):
        """What is told next of this kind; of the others nothing is lost."""
        while not self.told.get(kind):
            said, = self.site.told(seconds).items()
            if said[0] == "fault":
                raise AssertionError(f"a script failed: {said[1]}")
            self.told.setdefault(said[0], []).append(said[1])
        return self.told[kind].pop(0)

    def arrives(self, path):
        """Waits until the page is there."""
        arrived = self.next("page")
        if arrived != path:
            raise AssertionError(f"at {arrived}, not at {path}")

    def goes(self, url):
        self.do("go", url)
        self.arrives(url.partition("?")[0])

    def sees(self, until=lambda seen: seen["stock"]):
        """What the page shows when it shows what is waited for."""
        def look():
            self.do("look")
            seen = self.next("seen")
            return seen if until(seen) else None
        seen = eventually(look, 20)
        if not seen:
            self.do("look")
            raise AssertionError(f"not to be seen: {self.next('seen')}")
        return seen


@unittest.skipUnless(CHROMIUM and JQUERY.exists(), "no chromium-headless-shell or libjs-jquery")
class Pages(Shop):
    def setUp(self):
        super().setUp()
        self.visitor = Visitor(self)

    def click_order(self):
        """What the page says to an order."""
        self.visitor.do("click", "createorder")
        return self.visitor.next("alert")

    def test_a_sale(self):
        visitor, item = self.visitor, f"/item.html?id={PHONE}"
        self.run_command("item", "set", PHONE, "--price-cents", 299900, "--description", "新款")
        self.add_account("ann", "13800000001", "right-one")
        starts_ms = (time.time_ns() // 1_000_000 // 1000 + 5) * 1000
        starts = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(starts_ms // 1000))
        self.add_promo(11, PHONE, starts, "--limit-per-user", 1, price=199950)

        visitor.goes(item)
        seen = visitor.sees()
        self.assertEqual([seen[name] for name in ("title", "description", "price", "stock", "sales",
                                                  "promoPrice", "disabled", "token")],
                         ["手机", "新款", "2999", "10", "0", "1999.5", True, None])
        self.assertRegex(seen["promoStartDate"], "^将于.* GMT\\+0800开始售卖，倒计时[1-5]秒$")
        began = visitor.sees(lambda seen: not seen["disabled"])
        self.assertEqual(began["promoStartDate"], "秒杀正在进行中")
        self.assertTrue(0 <= began["at"] - starts_ms < 2500, (began["at"], starts_ms))

        self.assertEqual(self.click_order(), "下单失败，原因为您还未登录，无法下单")
        visitor.arrives("/login.html")
        self.assertEqual(self.log_in("", "any"), "手机号不能为空")
        self.assertEqual(self.log_in("13800000001", "wrong-one"), "登陆失败，原因为手机号或密码错误")
        self.assertEqual(self.log_in("13800000001", "right-one"), "登陆成功")
        visitor.arrives("/")
        visitor.goes(item)
        visitor.sees()
        self.assertEqual(self.click_order(), "下单成功")
        visitor.arrives("/item.html")
        seen = visitor.sees()
        self.assertEqual((seen["stock"], seen["sales"]), ("9", "1"))
        self.assertEqual(self.click_order(), "下单失败，原因为已达到每人限购数量")

        for buyer in range(9):
            self.run_command("order", PHONE, "--user", f"other-{buyer}", "--promo", 11)
        visitor.do("keep", self.token("late"))
        self.assertEqual(self.click_order(), "下单失败，原因为商品已售罄")
        visitor.do("keep", self.token("ann", -60))
        self.assertEqual(self.click_order(), "下单失败，原因为登录已过期，请重新登录")
        visitor.arrives("/login.html")
        others = [(f"other-{buyer}", "1", "11", "199950") for buyer in range(9)]
        self.assertEqual(self.rows(PHONE), [("ann", "1", "11", "199950"), *others])

    def log_in(self, phone, password):
        """What the page says to them."""
        self.visitor.do("fill", "telphone", phone)
        self.visitor.do("fill", "password", password)
        self.visitor.do("click", "login")
        return self.visitor.next("alert")


if __name__ == "__main__":
    unittest.main(verbosity=2)
