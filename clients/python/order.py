#!/usr/bin/python3
"""Buys one unit of item 1 with nothing but zmq and msgpack: order.py USER [tcp://HOST:PORT]"""
import sys, time, uuid, msgpack, zmq
socket = zmq.Context().socket(zmq.DEALER)
socket.linger = 0
socket.connect((sys.argv[2:] or ["tcp://127.0.0.1:7101"])[0])
order = {"op": "order", "id": uuid.uuid4().hex, "item": 1, "user": sys.argv[1]}
answer = {"retry": True}
for _ in range(20):  # a timeout says nothing: ask again with the same id, which never buys twice
    if not answer.get("retry"): break
    socket.send(msgpack.packb(order))
    answer = msgpack.unpackb(socket.recv()) if socket.poll(1000) else answer
    time.sleep(answer.get("retry_after_ms", 0) / 1000 if answer.get("retry") else 0)
print(answer)
