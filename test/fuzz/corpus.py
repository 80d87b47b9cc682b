#!/usr/bin/python3
"""The kept corpora: one file a target, one input a line in base64 (an empty input is "=").

Usage: test/fuzz/corpus.py seeds              adds the seeds below to every corpus
       test/fuzz/corpus.py unpack NAME DIR    writes each input to a file of its own
       test/fuzz/corpus.py pack NAME DIR      the corpus becomes the inputs in DIR, sorted
Seeds come from the test vectors, the golden logs and the lists below, so that a fuzzer starts
behind the first checks.
"""

import base64
import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path

import msgpack

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
CORPUS = HERE / "corpus"
HEAD = "# Inputs of the fuzz target {}, one a line, base64; written by test/fuzz/corpus.py.\n"


def read(name):
    path = CORPUS / f"{name}.b64"
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return {b"" if line == "=" else base64.b64decode(line)
            for line in lines if line and not line.startswith("#")}


def write(name, inputs):
    lines = [base64.b64encode(data).decode() or "="
             for data in sorted(inputs, key=lambda data: (len(data), data))]
    (CORPUS / f"{name}.b64").write_text(HEAD.format(name) + "\n".join(lines) + "\n",
                                        encoding="ascii")


# --- seeds ---------------------------------------------------------------------------------------

def vectors():
    text = (PROJECT / "test" / "vectors" / "sf1.json").read_text(encoding="utf-8")
    return json.loads(text)["vectors"]


def sf1():
    yield from (bytes.fromhex(entry["hex"]) for entry in vectors() if entry["kind"] != "answer")


def packed(*values):
    return b"".join(msgpack.packb(value) for value in values)


def node_message():
    header = struct.Struct("<4sBBHIIQQQQQQ")
    for kind in range(9):
        yield b"\x00" + header.pack(b"STP1", kind, 1, 0, 3, 1, 7, 8, 9, 10, 11, 0)
    yield b"\x01" + packed([1, "r-1", 1, "ann", 2], [2, "r-1"], [3, 0, 500], [5, "s", 1, -3],
                           [4, "p", 1, "Phone", 100, 10, 0, 5], [10, "t-1", 7, "ann"],
                           [6, "t-1", 1, "ann", 1, 7, None, 1_790_000_000_000],
                           [6, "t-1", 1, "ann", 1, 7, None, -1],
                           [22, "", 7, 9, "ann", 1_790_000_000_000, 1], [23, "", 7, 1000])
    yield b"\x02" + packed([1, 2, 0, 1 << 40 | 7, 1, 1, 9, 1], [1, 3, 1, 1 << 40, 1, 1, None, 0],
                           [2, 3, None], [2, 5, "qty"],
                           [3, None, [[1, "Phone", 100, 10, 9, 1 << 40, 0, 5]]],
                           [4, True, [1, "Phone", 100, 10, 9, 1 << 40, 0, 5]],
                           [9, "t-1", 7, 1, "ann", 1_790_000_000_000], [22, [7, 9, 1, 60_000]],
                           [23, 7, 1, [[7, 9, 2, 60_000], [8, 9, 1, 1]]])
    yield b"\x03" + packed([1, "Phone", 100, 10, 9, 1 << 40, 0, 5])
    yield b"\x05" + packed([7, 9, 2, 60_000])
    yield b"\x04" + packed({"node": "webapp-1", "pid": 7, "phase": 3, "counters": {"requests": 1},
                            "replies": [{"number": 1, "reply": {"ok": True}}], "lag_s": 0.5})
    yield b"\x04" + b"\x91" * 40
    yield b"\x04" + b"\x91" * 15 + b"\x01"


def http():
    body = b'{"item":1,"user":"ann","qty":1,"id":"r-1"}'
    length = b"Content-Length: %d\r\n" % len(body)
    form = b"itemId=1&x=%20y"
    requests = [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/items?from=1&limit=5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /v1/orders HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n" + body,
        b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nPrefer: wait=2\r\nIdempotency-Key: \"a\"\r\n"
        + length + b"\r\n" + body,
        b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n"
        % len(body) + body + b"\r\n0\r\n\r\n",
        b"POST /o HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n"
        b"T: x\r\n\r\n",
        b"POST /miaosha/order HTTP/1.0\r\nConnection: keep-alive\r\nContent-Type: "
        b"application/x-www-form-urlencoded\r\nContent-Length: 15\r\n\r\n" + form,
        b"POST /miaosha/order HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b"
        b"\r\nContent-Length: 70\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"itemId\"\r\n"
        b"\r\n1\r\n--b--\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET /?wait=1&wait=2 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
    ]
    bad = b'{"item":1,"user":{"a":[1,{"id":2}]},"colour":[[]],"id":"r-2"}'
    for array in (b"[%b]" % body, b" [%b,%b,{}]" % (body, bad), b"[[%b]]" % body, b"[]", b"[1,",
                  b'[%b,{"id":"a b"}]' % body, b"\xef\xbb\xbf[%b] x" % bad):
        requests.append(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                        % len(array) + array)
    for request in requests:
        yield b"\x00\x10" + request
    yield b"\x00\x25" + requests[0] + requests[2] + requests[4]


def log_files(flags, log="log_v1"):
    """A golden log as the log reader's target wants it."""
    out = bytes([flags])
    for path in sorted((PROJECT / "test" / "storage" / "data" / log).iterdir()):
        seg_no, first_batch = (int(part, 16) for part in path.stem.split("-"))
        data = path.read_bytes()
        kept = data[:128] + data[4092:4096] + data[4096:].rstrip(b"\0")
        out += struct.pack(">BBBH", seg_no, first_batch, len(data) // 4096, len(kept)) + kept
    return out


def log_reader():
    for log in ("log_v1", "log_v2"):
        for flags in (0, 1, 3):
            whole = log_files(flags, log)
            yield whole
            yield whole[:len(whole) * 2 // 3]
    one = log_files(3)[1:]
    length = 5 + struct.unpack(">H", one[3:5])[0]
    yield b"\x03" + one[:length]
    yield b"\x03" + one[:length] + bytes([0, 0, 2, 0, 0]) + bytes([0, 2, 2, 0, 1, 1])


def record():
    order = [1, "r-1", 7, "ann", 2, 100, 1_790_000_000_000_000]
    put = [3, "p-1", 7, "Phone", 100, 10, 0, 5, 123]
    yield b"\x00" + packed([order, [2, 7, 98]])
    yield b"\x00" + packed([put, [2, 7, 10]])
    yield b"\x00" + packed([order + ["abcdef"], [2, None, None, "xyz"]])
    yield b"\x00" + packed([[1, None, None, None, None, None, None]])
    yield b"\x01" + packed([b"\x01" * 16, 5, 7, 1, 1])
    yield b"\x02" + packed([0, 1, 0, [1 << 40, (1 << 40) + 9]])
    yield b"\x02" + packed([1, 2, 1, [7, 1 << 40, (1 << 40) + 9]])
    yield b"\x03" + packed([3, 1_790_000_000_000_000_000])
    yield b"\x00" + packed([])
    kinds = {"reject": 1, "v1_reject": 1, "reject_of_a_promo": 1, "exec": 2, "fail": 2,
             "v1_fail": 2, "optm": 2, "epoch": 3, "epoch_of_an_instance": 3, "v1_epoch": 3,
             "seal": 0, "ha": 4, "hash": 5, "config": 6, "claim": 7, "revoke": 8}
    golden = PROJECT / "test" / "storage" / "data" / "payloads.txt"
    for line in golden.read_text(encoding="ascii").splitlines():
        name, payload = line.split()
        yield bytes([kinds.get(name, 0)]) + bytes.fromhex(payload)


def values():
    yield from (b"\x04\x10\x00" + frame for frame in sf1())
    yield b"\x00\x00\x00" + packed(1)
    yield b"\x07\x13\x87" + packed([[[[[[1]]]]]], {1: {2: {3: -4}}}, b"x" * 300, "y" * 40, 1.5)
    yield b"\x04\x00\x10\xdd\xff\xff\xff\xff" + b"\xdf\xff\xff\xff\xff"


def lines():
    text = (PROJECT / "test" / "storage" / "data" / "seed_example.txt").read_bytes()
    yield text
    yield from (line for line in text.splitlines())
    head = b"2026-11-21T10:42:01.203118Z pid=2210 tid=1 lsn=1.187402 : "
    yield (head + b'[CLAIM]{"request_id_hash":"00112233445566778899aabbccddeeff",'
           b'"content_hash":"0011223344556677","shard":3,"decided_at_us":5}/EOL/')
    yield (head + b'[EMIT]StockChange={"id":"1.187402.0","item":1,"delta":-2,"reason":1,'
           b'"decided_at_us":5}/EOL/')
    yield head + b'[FAIL]OrderInsert={"id":"1.187402.0","errno":1406,"tries":3}/EOL/'
    yield (head + b'[EMIT]OrderInsert={"id":"1.187402.0","request_id":"r","item":1,"user":"ann",'
           b'"qty":1,"unit_price_cents":5,"decided_at":"2026-11-21T10:42:01.203118Z"}/DELIMITER/'
           b'ItemAmountUpdate={"id":"1.187402.1","item":1,"amount":112597}/EOL/')
    yield head + b'[OPTM]ItemAmountUpdate={"id":"1.1.1","superseded_by":"1.2.1"}/EOL/'
    yield head + b'[EXEC]OrderInsert={"id":"1.187402.0"}/EOL/'
    yield head + b'[FAIL]OrderInsert={"id":"1.187402.0","errno":1406}/EOL/'
    yield (head + b'[REJECT]{"request_id_hash":"00000000000000010000000000000002","content_hash":'
           b'"0000000000000003","item":1,"qty":1,"reason":"sold_out"}/EOL/')


def config():
    yield (PROJECT / "config" / "stampede.toml").read_bytes()
    yield b"\0NET__PORT_BASE=7200\nDEV=true\nDB__LANES=64"
    yield b"[net]\nbind = \"10.1.2.3\"\n[curve]\nkey_file=\"k\"\nallow_file=\"a\"\n\0NET__MODE=tcp"
    yield b"[db]\nurl = \"mysql://a:secret@b/c\"\n"
    yield b"[db]\nurl = \"mysql://a@b:1/c?socket=/x\"\nlanes = 65\n"
    yield b"[webapp]\nhttp = \"127.0.0.1:7100\"\n\0SUPERVISOR__STALL_MS=500"
    yield b"[log]\ndir = \"../x\"\nsegment_bytes = 1073741825\nsync = \"os\"\n"
    yield b"net = 1\n[net]\nmode = [[1]]\nx = { y = 1979-05-27T07:32:00Z }\n"


def admin():
    put = {"do": "item_put", "request_id": "p-1", "item": 7, "name": "手机 😀", "total": 100,
           "price_cents": 10, "limit_per_user": 5, "max_qty": 5}
    change = {"do": "stock_change", "request_id": "s-1", "item": 7, "delta": -5}
    maps = [put, change, {"do": "items", "from": 3, "limit": 500}, {"do": "books"},
            change | {"delta": 18446744073709551611}, change | {"item": 1 << 63},
            change | {"delta": 1.5}, change | {"request_id": ["s-1"]}, {"do": {"do": "items"}},
            put | {"name": "a\n\x1b[2Jb"}, put | {"name": "a\x7fb\x9bc"}, put | {"total": None},
            {"do": "items", "from": "1"}, {"do": "items", "limit": 0}, {"do": "status"}]
    for command in maps:
        yield b"\x00" + json.dumps(command, ensure_ascii=False).encode()
        yield b"\x01" + packed(command)
    yield b"\x00" + b"[" * 4000
    yield b"\x00" + b'{"do":"items","from":1,"from":"x"}'
    yield b"\x00" + b'{"do":"items"}\x00{"do":"books"}'
    yield b"\x00" + b'{"do":"items","a":{"b":1,"c":[{"b":1}],"b":2}}'
    yield b"\x02\x00" + "a\x1b[2J\x7f \x9b\xa0 手机 😀\n\t".encode() + b"\xc2"


def ticket():
    payload = struct.pack("<QQQB", 7, 1, 1_790_000_000_000, 3) + b"annt-1"
    for one in (payload, payload[:24], payload[:-3], payload.replace(b"\x03ann", b"\xffann"),
                payload.replace(b"ann", b"a\n\x7f"), payload + b"/", payload[:25] + b"a" * 200):
        yield b"\x01" + one
    text = b"t1." + base64.urlsafe_b64encode(payload).rstrip(b"=")
    key = bytes([1, 2, 3]).ljust(32, b"\0")
    mac = hashlib.blake2b(text, digest_size=16, key=key).digest()
    whole = text + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")
    for one in (whole, whole + b"=", whole[:-1], whole.replace(b"t1", b"t2"), text, b"t1.",
                b"t1..", whole.replace(b".", b""), b"t1." + b"A" * 300):
        yield b"\x00" + one


def zmtp():
    def command(body):
        return bytes([4, len(body)]) + body

    def start(mechanism):
        return b"\xff" + bytes(8) + b"\x7f\x03\x01" + mechanism.ljust(20, b"\0") + bytes(32)

    ready = (start(b"NULL") + command(b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER"
                                      b"\x08Identity\0\0\0\x05\0abcd"))
    talk = (b"\x01\0\0\x05order" + b"\x02" + struct.pack(">Q", 300) + bytes(300) +
            command(b"\x04PING\0\x1econtext") * 4 + command(b"\x04PONG"))
    old = b"\xff" + bytes(8) + b"\x7f\x01\x05"
    topics = command(b"\x09SUBSCRIBEstock/") + b"\0\x02\x01a" + command(b"\x06CANCELstock/")
    secret = (start(b"CURVE") + command(b"\x05HELLO" + bytes(194)) +
              command(b"\x08INITIATE" + bytes(200)) + b"\0\x30\x07MESSAGE" + bytes(40))
    for rules, said in ((0, ready + talk), (1, ready + topics), (1, ready + topics * 9),
                        (2, secret), (0, ready + b"\x01\xff" + bytes(255) + b"\x01\xff"),
                        (0, ready + command(b"\x04PING")), (0, old + b"\0\0\0\x05order"),
                        (1, old + b"\0\0" + b"\0\x07\x01stock/" * 9), (0, old + b"\0\x01a"),
                        (0, b"\x01\0hello"),
                        (0, start(b"NULL") + command(b"\x05ERROR\x03400"))):
        yield bytes([rules, 4]) + said


def token():
    part = base64.urlsafe_b64encode

    def text(value):
        return part(value).rstrip(b"=")

    def signed(header, claims):
        made = text(header) + b"." + text(claims)
        return made + b"." + text(hmac.digest(b"s" * 32, made, "sha256"))

    header = b'{"alg":"HS256","kid":"h"}'
    claims = b'{"sub":"ann","exp":1900000000,"nbf":1,"jti":"j","scope":"a service"}'
    yield b"\0" + signed(header, claims)
    yield b"\0" + signed(header, b'{"sub":"ann","exp":1}')
    yield b"\0" + signed(b'{"alg":"none","kid":"h"}', claims)
    yield b"\0" + text(b'{"alg":"none"}') + b"." + text(claims) + b"."
    for alg, kid, size in ((b"RS256", b"r", 256), (b"ES256", b"e", 64), (b"HS256", b"r", 32)):
        yield (b"\0" + text(b'{"alg":"%s","kid":"%s"}' % (alg, kid)) + b"." + text(claims) + b"."
               + text(bytes(size)))
    yield b"\1" + header + b"\0" + claims
    yield b"\1" + b'{"alg":"HS256","kid":"h","crit":["b64"],"b64":false}' + b"\0" + claims
    yield b"\1" + header + b"\0" + b'{"sub":"ann","sub":"bob","exp":1.5e9,"aud":["x"]}'
    yield b"\1" + header + b"\0" + b'{"exp":-1e999,"sub":["ann"]}'
    k = text(b"k" * 32).decode()
    for key in ({"kty": "oct", "kid": "a", "alg": "HS256", "k": k}, {"kty": "oct", "k": "AA"},
                {"kty": "EC", "crv": "P-256", "x": k, "y": k},
                {"kty": "RSA", "n": k * 9, "e": "AQAB"},
                {"kty": "OKP", "crv": "Ed25519", "x": k}):
        yield b"\2" + json.dumps({"keys": [key]}).encode()
    yield b"\2" + b'{"keys":[[[[[[]]]]]]}'


SEEDS = {"sf1": sf1, "node_message": node_message, "http": http, "log_reader": log_reader,
         "record": record, "msgpack": values, "import": lines, "config": config, "admin": admin,
         "ticket": ticket, "token": token, "zmtp": zmtp}


def main(arguments):
    if arguments == ["seeds"]:
        for name, seeds in SEEDS.items():
            write(name, read(name) | set(seeds()))
        return 0
    if len(arguments) != 3 or arguments[0] not in ("unpack", "pack") or arguments[1] not in SEEDS:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    action, name, folder = arguments[0], arguments[1], Path(arguments[2])
    if action == "pack":
        write(name, {path.read_bytes() for path in folder.iterdir()})
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    for data in read(name):
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
