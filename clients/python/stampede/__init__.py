"""Buy from a Stampede system over SF1 (ZeroMQ and msgpack).

    from stampede import Client
    with Client() as client:
        answer = client.order(item=1, user="ann")

`Client` blocks, `AsyncClient` is for asyncio; both hide what can go wrong between a program and a
sale: see README.md beside this package.
"""

from .answers import Answer, Item, NotConnected, OutcomeUnknown, StampedeError, Stock
from .async_client import AsyncClient
from .client import Client

__all__ = ["Answer", "AsyncClient", "Client", "Item", "NotConnected", "OutcomeUnknown",
           "StampedeError", "Stock"]
