"""What RFC 9110 and 9112 ask of an origin server: MUST and MUST NOT, and what is a SHOULD that
clients and proxies lean on, rule by rule. Each holds on both HTTP ports.

RULES are (section, what it asks, bytes to send,
     expectations). Expectations are a list of answers in
order, each the status code and, optionally, texts that its head must hold (in any case; with "!" in
front: must not hold), and whether the connection is then "closed" or "kept". A request that is
refused for its framing is followed by one that must not be understood.
"""

HOST = b"Host: localhost\r\n"
DATE = r"\r\ndate: (mon|tue|wed|thu|fri|sat|sun), \d\d [a-z]{3} \d{4} \d\d:\d\d:\d\d gmt\r\n"
NEXT = b"GET /version HTTP/1.1\r\n" + HOST + b"\r\n"
CLOSE = b"GET /version HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


def get(target=b"/healthz", *lines, method=b"GET", version=b"HTTP/1.1", host=HOST):
    return (method + b" " + target + b" " + version + b"\r\n" + host
            + b"".join(line + b"\r\n" for line in lines) + b"\r\n")


def post(body=b"", *lines, version=b"HTTP/1.1", host=HOST, target=b"/healthz"):
    return get(target, *lines, method=b"POST", version=version, host=host) + body


OK, BAD = (200,), (400, "connection: close")
LENGTH = b"Content-Length: "
CHUNKED = b"Transfer-Encoding: chunked"

RULES = [
    # --- messages
    ("9112 2.2", "an empty line before the request line is passed over",
     b"\r\n" + get() + CLOSE, [OK, OK], "closed"),
    ("9112 2.2", "… between requests, too", get() + b"\r\n\r\n" + CLOSE, [OK, OK], "closed"),
    ("9112 2.2", "a bare CR is no line end", get(b"/healthz", b"A: b\rC: d") + NEXT, [BAD],
     "closed"),
    ("9112 2.2", "a blank line start behind the request line",
     b"GET /healthz HTTP/1.1\r\n " + HOST + b"\r\n" + NEXT, [BAD], "closed"),
    ("9112 2.3", "a later minor version is served as 1.1",
     get(version=b"HTTP/1.2") + CLOSE, [OK, OK], "closed"),
    ("9112 2.3", "the version's name is case-sensitive", get(version=b"http/1.1"), [BAD], "closed"),
    ("9110 15.6.6", "another major version", get(version=b"HTTP/2.0") + NEXT, [(505,)], "closed"),
    ("9110 15.6.6", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [(505,)],
     "closed"),
    ("9110 2.5", "an answer to 1.0 says 1.1", get(version=b"HTTP/1.0", host=b""), [OK], "closed"),
    # --- request line
    ("9112 3", "blanks inside the request line", b"GET  /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
     [BAD], "closed"),
    ("9112 3", "a tab for a blank", b"GET\t/healthz\tHTTP/1.1\r\n" + HOST + b"\r\n", [BAD],
     "closed"),
    ("9112 3", "a target that is too long", get(b"/" + b"a" * 3000), [(414,)], "closed"),
    ("9112 3.2.1", "an origin-form with a query", get(b"/healthz?a=b") + CLOSE, [OK, OK], "closed"),
    ("9112 3.2.2", "an absolute-form is accepted", get(b"http://localhost/healthz") + CLOSE, [OK,
     OK],
     "closed"),
    ("9112 3.2.2", "… its scheme in any case", get(b"HTTP://LOCALHOST:80/healthz"), [OK], "kept"),
    ("9112 3.2.2", "… its authority stands for Host",
     get(b"http://evil.example/healthz") + get(b"http://localhost/healthz",
     host=b"Host: e.example\r\n"),
     [(403,), OK], "kept"),
    ("9112 3.2.2", "… but Host must be there", get(b"http://localhost/healthz", host=b""), [BAD],
     "closed"),
    ("9112 3.2.3", "an authority-form is for CONNECT alone", get(b"localhost:80"), [BAD], "closed"),
    ("9112 3.2.3", "CONNECT is not known", get(b"localhost:80", method=b"CONNECT"), [(501,)],
     "closed"),
    ("9112 3.2.4", "an asterisk-form is for OPTIONS alone", get(b"*"), [BAD], "closed"),
    ("9112 3.2.4", "OPTIONS *", get(b"*", method=b"OPTIONS") + CLOSE,
     [(204, "allow: get", "!content-length"), OK], "closed"),
    ("9110 4.2.3", "an encoded letter is that letter", get(b"/%68ealth%7a"), [OK], "kept"),
    ("9110 4.2.4", "an authority with a user", get(b"http://a@localhost/healthz"), [BAD], "closed"),
    ("9112 3.2", "no fragment, no raw bytes", get(b"/healthz#a"), [BAD], "closed"),
    # --- Host
    ("9112 3.2", "no Host", get(host=b"") + NEXT, [BAD], "closed"),
    ("9112 3.2", "two Host", get(host=HOST + HOST) + NEXT, [BAD], "closed"),
    ("9112 3.2", "an invalid Host", get(host=b"Host: a b\r\n") + NEXT, [BAD], "closed"),
    ("9112 3.2", "… with a path", get(host=b"Host: localhost/a\r\n") + NEXT, [BAD], "closed"),
    ("9112 3.2", "… a list", get(host=b"Host: localhost, localhost\r\n") + NEXT, [BAD], "closed"),
    ("9112 3.2", "… of HTTP/1.0", get(host=HOST + HOST, version=b"HTTP/1.0"), [BAD], "closed"),
    ("9110 7.4", "a host that this server is not", get(host=b"Host: evil.example\r\n"), [(403,)],
     "kept"),
    # --- fields
    ("9112 5.1", "a blank before the colon", get(b"/healthz", b"A : b") + NEXT, [BAD], "closed"),
    ("9112 5.2", "obs-fold", get(b"/healthz", b"A: b\r\n c") + NEXT, [BAD], "closed"),
    ("9110 5.5", "CR, LF or NUL in a value", get(b"/healthz", b"A: b\0c") + NEXT, [BAD], "closed"),
    ("9110 5.1", "names in any case", get(b"/healthz", b"cOnNeCtIoN: CLOSE") + NEXT, [OK],
     "closed"),
    ("9110 5.4", "more fields than are wished for", get(b"/healthz", b"A: " + b"a" * 9000),
     [(431,)],
     "closed"),
    ("9110 5.1", "a name that is no token", get(b"/healthz", b"A(: b") + NEXT, [BAD], "closed"),
    # --- framing
    ("9112 6.1", "an unknown coding", post(NEXT, b"Transfer-Encoding: gzip"), [BAD], "closed"),
    ("9112 6.1", "chunked twice", post(NEXT, b"Transfer-Encoding: chunked, chunked"), [BAD],
     "closed"),
    ("9112 6.1", "chunked not last", post(NEXT, b"Transfer-Encoding: chunked, gzip"), [BAD],
     "closed"),
    ("9112 6.1", "Transfer-Encoding of HTTP/1.0",
     post(b"0\r\n\r\n" + NEXT, CHUNKED, version=b"HTTP/1.0"), [BAD], "closed"),
    ("9112 6.1", "both lengths", post(b"0\r\n\r\n" + NEXT, LENGTH + b"5", CHUNKED), [BAD],
     "closed"),
    ("9112 6.3", "lengths that differ", post(NEXT, LENGTH + b"0", LENGTH + b"5"), [BAD], "closed"),
    ("9112 6.3", "a list of lengths", post(NEXT, LENGTH + b"0, 0"), [BAD], "closed"),
    ("9112 6.3", "a length that is none", post(NEXT, LENGTH + b"+0"), [BAD], "closed"),
    ("9112 6.3", "without either there is no body", post() + CLOSE, [(405,), OK], "closed"),
    ("9112 6.3", "a GET with a body, whose bytes are no request",
     get(b"/healthz", LENGTH + b"%d" % len(NEXT)) + NEXT + CLOSE, [OK, OK], "closed"),
    ("9110 15.5.14", "a body that is too large", post(b"", LENGTH + b"5000"), [(413,)], "closed"),
    ("9110 15.5.14", "… also where arrays are taken",
     post(b"", LENGTH + b"65537", target=b"/v1/orders"), [(413,)], "closed"),
    ("9112 7.1", "chunked is read", post(b"3\r\nabc\r\n0\r\n\r\n", CHUNKED) + CLOSE, [(405,), OK],
     "closed"),
    ("9112 7.1", "… its size in any case and with zeros",
     post(b"00A\r\n0123456789\r\n000\r\n\r\n", CHUNKED) + CLOSE, [(405,), OK], "closed"),
    ("9112 7.1.1", "unknown chunk extensions are passed over",
     post(b'3;a;b=c;d="e;f"\r\nabc\r\n0;x\r\n\r\n', CHUNKED) + CLOSE, [(405,), OK], "closed"),
    ("9112 7.1.2", "trailers are passed over",
     post(b"0\r\nA: b\r\nConnection: close\r\n\r\n", CHUNKED) + CLOSE, [(405,
     "!connection: close"), OK],
     "closed"),
    ("9112 7.1.1", "a chunk extension with a line feed in its quotes",
     post(b'3;a="\n"\r\nabc\r\n0\r\n\r\n' + NEXT, CHUNKED), [BAD], "closed"),
    ("9112 7.1.1", "… whose quotes end in no line",
     post(b'3;a="\r\nabc\r\n0\r\n\r\n' + NEXT, CHUNKED), [BAD], "closed"),
    ("9112 7.1", "a chunk that is none", post(b"x\r\n" + NEXT, CHUNKED), [BAD], "closed"),
    ("9112 7.1", "a chunk without its line end", post(b"1\r\naX\r\n0\r\n\r\n" + NEXT, CHUNKED),
     [BAD],
     "closed"),
    # --- connections
    ("9112 9.3", "1.1 keeps the connection", get() + NEXT, [(200, "!connection: close"), OK],
     "kept"),
    ("9112 9.3", "1.0 does not", get(version=b"HTTP/1.0") + NEXT, [(200, "connection: close")],
     "closed"),
    ("9112 9.3", "1.0 with keep-alive does", get(b"/healthz", b"Connection: Keep-Alive",
     version=b"HTTP/1.0") + NEXT, [(200, "connection: keep-alive"), OK], "kept"),
    ("9112 9.3", "close wins over keep-alive", get(b"/healthz", b"Connection: keep-alive, Close")
     + NEXT,
     [(200, "connection: close")], "closed"),
    ("9110 7.6.1", "Connection over two lines", get(b"/healthz", b"Connection: x",
     b"Connection: close") + NEXT, [(200, "connection: close")], "closed"),
    ("9112 9.6", "behind close nothing is done", CLOSE + NEXT, [OK], "closed"),
    ("9112 9.3.2", "pipelined answers in order", get() + get(b"/nowhere") + CLOSE, [OK, (404,), OK],
     "closed"),
    ("9110 7.8", "an upgrade may be passed over",
     get(b"/healthz", b"Connection: upgrade", b"Upgrade: h2c") + NEXT, [(200, "!upgrade:"), OK],
     "kept"),
    # --- Expect
    ("9110 10.1.1", "100-continue is answered", post(b"abc", LENGTH + b"3",
     b"Expect: 100-continue") + CLOSE,
     [(100,), (405,), OK], "closed"),
    ("9110 10.1.1", "… not to HTTP/1.0",
     post(b"abc", LENGTH + b"3", b"Expect: 100-continue", version=b"HTTP/1.0"), [(405,)], "closed"),
    ("9110 10.1.1", "… or with what would be said of the body",
     post(b"", LENGTH + b"5000", b"Expect: 100-continue"), [(413,)], "closed"),
    ("9110 10.1.1", "another expectation", post(b"", LENGTH + b"3", b"Expect: 200-ok"), [(417,)],
     "closed"),
    # --- methods
    ("9110 9.1", "GET and HEAD", get(method=b"HEAD") + CLOSE, [(200, "content-length: "), OK],
     "closed"),
    ("9110 9.3.2", "HEAD of what is not there", get(b"/nowhere", method=b"HEAD") + CLOSE, [(404,),
     OK],
     "closed"),
    ("9110 9.1", "methods are case-sensitive", get(method=b"get") + CLOSE, [(501,), OK], "closed"),
    ("9110 9.1", "an unknown method, its body no request",
     get(b"/healthz", LENGTH + b"%d" % len(NEXT), method=b"BREW") + NEXT + CLOSE, [(501,), OK],
     "closed"),
    ("9110 15.5.6", "405 says what is allowed", get(method=b"DELETE"), [(405, "allow: get, head")],
     "kept"),
    ("9110 9.3.7", "OPTIONS says what is allowed", get(method=b"OPTIONS"),
     [(204, "allow: get, head, options")], "kept"),
    ("9110 13.1.1", "what is not as If-Match says is not shown", get(b"/healthz", b'If-Match: "a"'),
     [(412,)], "kept"),
    ("9110 13.1.1", "… whatever there is", get(b"/healthz", b"If-Match: *"), [OK], "kept"),
    ("9110 13.1.1", "… of a file, too", get(b"/", b'If-Match: "a"') + get(b"/", b"If-Match: *"),
     [(412,), (200, "etag:")], "kept"),
    ("9110 13.2.1", "… where the method would be performed at all",
     get(b"/healthz", b'If-Match: "a"', method=b"DELETE"), [(405, "allow:")], "kept"),
    ("9110 9.3.8", "TRACE is not answered with what was sent", get(method=b"TRACE"), [(405,
     "allow:")],
     "kept"),
    # --- answers
    ("9110 6.6.1", "a date", get(), [(200, DATE)], "kept"),
    ("9110 6.6.1", "… of a refusal, too", get(host=b""), [(400, DATE)], "closed"),
    ("9110 8.6", "a length that is the body's", get(b"/nowhere") + NEXT, [(404,
     "content-length: "), OK],
     "kept"),
    ("9111 5.2.2.5", "no cache keeps an answer", get(b"/nowhere"), [(404,
     "cache-control: no-store")],
     "kept"),
    ("9111 5.2.2.5", "… nor a good one", get(b"/readyz"), [(200, "cache-control: no-store")],
     "kept"),
    ("9110 8.3", "a type", get(b"/nowhere"), [(404, "content-type: application/problem")], "kept"),
    ("9112 4", "a status line of version, code and reason", get(), [(200, "http/1.1 200 ok\r\n")],
     "kept"),
    ("9110 14.2", "a range may be passed over", get(b"/healthz", b"Range: bytes=0-1"), [OK],
     "kept"),
    ("9110 12.1", "what cannot be negotiated is given as it is",
     get(b"/healthz", b"Accept: image/png", b"Accept-Encoding: br;q=1, *;q=0"), [OK], "kept"),
]
