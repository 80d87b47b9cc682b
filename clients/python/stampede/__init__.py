"""Buy from a Stampede system over SF1 (ZeroMQ and msgpack).

    from stampede import Client
    with Client() as client:
        answer = client.order(item=1, user="ann")

`Client` blocks, `AsyncClient` is for asyncio; both hide what can go wrong between a program and a
sale. `SpooledClient` keeps orders in a file until they have their answer. See README.md beside this
package.
"""

from .answers import (Answer, ClientBusy, Item, NotConnected, NotLoggedIn, NotStarted,
                      OutcomeUnknown, Promo, Receipt, SoldOutForNow, SpoolError, StampedeError,
                      Stock, Ticket)
from .async_client import AsyncClient
from .client import Client
from .spooled_client import SpooledClient

__all__ = ["Answer", "AsyncClient", "Client", "ClientBusy", "Item", "NotConnected", "NotLoggedIn",
           "NotStarted", "OutcomeUnknown", "Promo", "Receipt", "SoldOutForNow", "SpoolError",
           "SpooledClient", "StampedeError", "Stock", "Ticket"]
