#!/usr/bin/python3
"""A program with a spool, to be killed: spool_buyer.py SPOOL ENDPOINT LEDGER USER ORDERS [PREFIX]

Takes what was left, orders ORDERS times for USER (with ids that begin with PREFIX, or with those of
the spool), and takes the answers until there is nothing left. LEDGER gets a line for each order
that was returned, `promised ID`, and for each answer before it is forgotten: `answered ID STATE
ORDER_ID`. Every second order is in promo PROMO.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python"))

from stampede import SpooledClient, StampedeError

ITEM = 1
PROMO = 7


class Ledger:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, *words):
        os.write(self.fd, (" ".join(map(str, words)) + "\n").encode())


def take(spool, ledger, timeout):
    for order in spool.answers(timeout):
        try:
            answer = order.result(0)
            ledger.write("answered", order.id, answer.state, answer.order_id)
        except StampedeError as error:
            ledger.write("answered", order.id, error.code, None)


def main(path, endpoint, ledger, user, orders, prefix=None):
    ledger = Ledger(ledger)
    wanted = [{"item": ITEM, "user": user, "promo": PROMO if n % 2 else None}
              | ({"id": f"{prefix}{n}"} if prefix else {}) for n in range(int(orders))]
    with SpooledClient(path, endpoint) as spool:
        take(spool, ledger, 0)
        for one in wanted[1:]:
            ledger.write("promised", spool.order(**one).id)
        for order in spool.order_many(wanted[:1]):
            ledger.write("promised", order.id)
        while spool.orders():
            take(spool, ledger, 0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
