"""Request smuggling: byte streams that a front server and we might cut apart differently.

CASES are (name, bytes, the status codes that must come back, in order). Behind each malformed
request stands an order by SMUGGLED; it must not be understood as a request.
"""

SMUGGLED = "smuggled"
BODY = b'{"item":7777,"user":"' + SMUGGLED.encode() + b'"}'
HOST = b"Host: localhost\r\n"
ORDER = b"POST /v1/orders HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
LINE = b"POST /healthz HTTP/1.1\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def head(*lines):
    return LINE + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def chunks(tail):
    """A chunked request whose chunks are `tail`."""
    return LINE + HOST + CHUNKED + b"\r\n" + tail


# The head alone settles it: refused, closed, nothing after it is read.
BAD_HEADS = {
    "CL.TE": head(b"Content-Length: 6", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "TE.CL": head(b"Transfer-Encoding: chunked", b"Content-Length: 4") + b"5c\r\n",
    "CL.TE in other case": head(b"content-length: 6", b"TRANSFER-ENCODING: CHUNKED") + b"0\r\n\r\n",
    "two CL, different": head(b"Content-Length: 0", b"Content-Length: 50"),
    "two CL, equal": head(b"Content-Length: 0", b"Content-Length: 0"),
    "CL list": head(b"Content-Length: 0, 50"),
    "CL list, equal": head(b"Content-Length: 0, 0"),
    "CL with plus": head(b"Content-Length: +0"),
    "CL negative": head(b"Content-Length: -1"),
    "CL hex": head(b"Content-Length: 0x0"),
    "CL with blank inside": head(b"Content-Length: 0 0"),
    "CL empty": head(b"Content-Length: "),
    "CL beyond 64 bits": head(b"Content-Length: 18446744073709551616"),
    "CL text": head(b"Content-Length: zero"),
    "CL with comment": head(b"Content-Length: 0;a"),
    "CL name with blank": head(b"Content-Length : 0"),
    "TE name with blank": head(b"Transfer-Encoding : chunked") + b"0\r\n\r\n",
    "TE name with tab": head(b"Transfer-Encoding\t: chunked") + b"0\r\n\r\n",
    "two TE": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "two TE, one unknown": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x"),
    "folded TE": head(b"Transfer-Encoding:", b" chunked") + b"0\r\n\r\n",
    "folded header": head(b"A: b", b" c"),
    "folded with tab": head(b"A: b", b"\tc"),
    "folded first line": LINE + b" " + HOST + b"\r\n",
    "bare LF in head": LINE + b"Host: x\nContent-Length: 0\r\n\r\n",
    "bare LF ends head": b"POST /healthz HTTP/1.1\nHost: x\n\n\r\n\r\n",
    "bare CR in head": LINE + b"Host: localhost\rContent-Length: 0\r\n\r\n",
    "NUL in value": head(b"A: \0"),
    "NUL in name": head(b"A\0: b"),
    "NUL in TE": head(b"Transfer-Encoding: chunked\0") + b"0\r\n\r\n",
    "header without name": head(b": b"),
    "header without colon": head(b"Transfer-Encoding chunked"),
    "name in quotes": head(b"\"Transfer-Encoding\": chunked"),
    "two Host": head(b"Host: y"),
    "no Host": LINE + b"\r\n",
    "no version": b"POST /healthz\r\n" + HOST + b"\r\n",
    "version 1.2 in words": b"POST /healthz HTTP/one\r\n" + HOST + b"\r\n",
    "blank in target": b"POST /healthz /x HTTP/1.1\r\n" + HOST + b"\r\n",
    "tab for blank": b"POST\t/healthz\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute target, another scheme": b"POST ftp://x/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute target, a user": b"POST http://a@localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "method with colon": b"Host: x POST /healthz HTTP/1.1\r\n\r\n",
}

# The head is sound, the chunks are not: refused while they are read.
BAD_CHUNKS = {
    "size no hex": chunks(b"zz\r\n{}\r\n0\r\n\r\n"),
    "size negative": chunks(b"-1\r\n{}\r\n0\r\n\r\n"),
    "size 0x": chunks(b"0x2\r\n{}\r\n0\r\n\r\n"),
    "size with plus": chunks(b"+2\r\n{}\r\n0\r\n\r\n"),
    "size empty": chunks(b"\r\n{}\r\n0\r\n\r\n"),
    "size beyond 64 bits": chunks(b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
    "size ends in LF": chunks(b"2\n{}\r\n0\r\n\r\n"),
    "data longer than size": chunks(b"2\r\n{}}\r\n0\r\n\r\n"),
    "no CRLF after data": chunks(b"2\r\n{}0\r\n\r\n"),
    "LF after data": chunks(b"2\r\n{}\n0\r\n\r\n"),
}

# Sound by any reading: both requests are served, in turn, and neither is an order.
SECOND = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
SOUND = {
    "chunked with extension": (chunks(b"2;a=b\r\n{}\r\n0\r\n\r\n") + SECOND, [405, 200]),
    "the order is the body": (head(b"Content-Length: %d" % len(ORDER)) + ORDER + SECOND,
                              [405, 200]),
    "the order is a chunk": (chunks(b"%x\r\n" % len(ORDER) + ORDER + b"\r\n0\r\n\r\n") + SECOND,
                             [405, 200]),
    "absolute target": (b"POST http://localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n" + SECOND,
                        [405, 200]),
    "the order is a trailer's end": (chunks(b"0\r\nA: b\r\n\r\n") + SECOND, [405, 200]),
}

CASES = [(name, data + ORDER, [400]) for name, data in (BAD_HEADS | BAD_CHUNKS).items()]
CASES += [(name, data, codes) for name, (data, codes) in SOUND.items()]
