#!/usr/bin/python3 -Es
"""Buys, pays for, gives back or looks at an order, with nothing but zmq and msgpack."""
import argparse, sys, time, uuid, msgpack, zmq

said = argparse.ArgumentParser(description=__doc__, epilog="Exit: 0 confirmed, paid or given back, "
    "8 rejected or to be refunded, 1 refused (the code is shown; nothing was decided), 5 no final "
    "answer: ask again with the same --id, 2 wrong use.")
said.add_argument("user")
said.add_argument("endpoint", nargs="?", default="tcp://127.0.0.1:7101")
for name in ("--item", "--qty", "--promo", "--valid-until-ms"): said.add_argument(name, type=int)
said.add_argument("--ticket", action="store_true", help="fetch one of --promo before, and order "
                  "with it: its id is the order's, its item is bought")
said.add_argument("--id", help="the order's; without one it is a new order")
said.add_argument("--token", help="of the session, where the system asks who buys")
said.add_argument("--wait", type=float, default=20, metavar="SECONDS", help="for a final answer")
op = said.add_mutually_exclusive_group()
op.add_argument("--pay", type=int, metavar="CENTS", help="its payment has the order's id, too")
op.add_argument("--cancel", dest="op", action="store_const", const="cancel", default="order")
op.add_argument("--get", dest="op", action="store_const", const="get")
args = said.parse_intermixed_args()
if args.pay is not None: args.op = "pay"
if args.op != "order" and not args.id: said.error(f"--{args.op} needs the --id of an order")
if args.ticket and args.promo is None: said.error("--ticket needs the --promo that it is of")
if args.ticket and args.op != "order": said.error("--ticket is for who orders")

ask = {"op": args.op, "id": args.id or uuid.uuid4().hex}
if args.op == "order": ask |= {"item": 1, "user": args.user, "first": not args.id}
if args.op == "pay": ask |= {"order": args.id, "amount_cents": args.pay}
if args.op == "cancel": ask |= {"order": args.id, "user": args.user}
ask |= {name: value for name in ("item", "qty", "promo", "valid_until_ms")
        if args.op == "order" and (value := getattr(args, name)) is not None}

# Refused before anybody looks whether the id is known.
UNASKED = ("not_logged_in", "session_expired", "session_replaced", "not_allowed")

context = zmq.Context()
end = time.monotonic() + args.wait


def connected():
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    try: socket.connect(args.endpoint)
    except zmq.ZMQError as error:
        socket.close()
        said.error(f"'{args.endpoint}' is no endpoint like tcp://127.0.0.1:7101 ({error})")
    return socket


def answer_to(ask):  # what is still to come of one question must not be taken for the next one's
    if args.token: ask["token"] = args.token
    socket = connected()
    answer = nothing = {"retry": True, "message": f"no answer; ask again with --id {ask['id']}"}
    silent = False
    while time.monotonic() < end:  # a timeout says nothing: the same id never buys, or pays, twice
        socket.send(msgpack.packb(ask))
        ask.pop("first", None)  # only the first time is the first time
        if socket.poll(1000): answer = msgpack.unpackb(socket.recv())
        else: silent = True
        if silent and answer.get("code") in UNASKED:  # an earlier try may have bought all the same
            answer = nothing | {"code": answer["code"], "message": answer.get("message")}
            break
        if not answer.get("retry") or answer.get("code") == "unknown_request": break
        pause = answer.get("retry_after_ms", 100) / 1000
        if time.monotonic() + pause > end: break  # a promo that starts later than we wait
        time.sleep(pause)
    socket.close()
    return answer


def ask_with_ticket():
    if args.id and "state" in (known := answer_to({"op": "get", "id": args.id})): return known
    ticket = answer_to({"op": "ticket", "id": ask["id"], "promo": args.promo, "user": args.user})
    if "ticket" not in ticket:
        print(f"no ticket, so nothing was ordered: {ticket.get('code', 'no answer')}: "
              f"{ticket.get('message')}", file=sys.stderr)
        return ticket
    new = ask["first"] and ticket["id"] == ask["id"]  # an older ticket may have been shown before
    return answer_to(ask | {name: ticket[name] for name in ("id", "item", "ticket")} |
                     {"first": new})


answer = ask_with_ticket() if args.ticket else answer_to(ask)
print(answer, flush=True, file=sys.stdout or sys.stderr)
if answer.get("retry"): sys.exit(5)
ends = {"confirmed": 0, "paid": 0, "cancelled": 0, "rejected": 8, "refund_due": 8}
sys.exit(ends.get(answer.get("state", answer.get("fulfilment")), 1))
