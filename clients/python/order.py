#!/usr/bin/python3 -Es
"""Buys one unit of item 1 with nothing but zmq and msgpack: order.py USER [tcp://HOST:PORT]
Exit: 0 confirmed, 8 rejected, 1 refused (the code is shown), 5 no final answer, 2 wrong use."""
import sys, time, uuid, msgpack, zmq
if len(sys.argv) not in (2, 3): print(__doc__, file=sys.stderr); sys.exit(2)
socket = zmq.Context().socket(zmq.DEALER)
socket.linger = 0
socket.connect((sys.argv[2:] or ["tcp://127.0.0.1:7101"])[0])
order = {"op": "order", "id": uuid.uuid4().hex, "item": 1, "user": sys.argv[1]}
answer = {"retry": True, "message": f"no answer; ask again with id {order['id']}"}
for _ in range(20):  # a timeout says nothing: ask again with the same id, which never buys twice
    socket.send(msgpack.packb(order))
    answer = msgpack.unpackb(socket.recv()) if socket.poll(1000) else answer
    if not answer.get("retry"): break
    time.sleep(answer.get("retry_after_ms", 0) / 1000)
print(answer, flush=True, file=sys.stdout or sys.stderr)
sys.exit(5 if answer.get("retry") else {"confirmed": 0, "rejected": 8}.get(answer.get("state"), 1))
