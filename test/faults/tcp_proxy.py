"""A TCP proxy on loopback whose connections can be made to misbehave while they are in use.

    with TcpProxy(("127.0.0.1", 3306)) as proxy:      # or a unix socket's path
        …connect to proxy.port…
        proxy.partition()      # bytes are held back both ways, connections stay open (half-open)
        proxy.heal()           # they go on where they stopped
        proxy.reset()          # every connection ends with RST
        proxy.delay = 0.05     # seconds that each piece of bytes is held back
        proxy.cut_after(k)     # RST after k more bytes, counted both ways
        proxy.hold("down")     # nothing more is read from the server: "up", "down" or ""

Runs an asyncio loop in a thread of its own; all methods are safe to call from others.
"""

import asyncio
import socket
import struct
import threading

RST = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST


class TcpProxy:
    def __init__(self, target, port=0, on_bytes=None):
        """`on_bytes(direction, bytes)` sees each piece before it is passed on; it returns how many
        of the bytes are to be passed before the connection is cut, or None for all."""
        self.target = target
        self.delay = 0.0
        self.connections = 0
        self.cuts = 0
        self._on_bytes = on_bytes
        self._left = None
        self._held = set()
        self._writers = set()
        self._loop = asyncio.new_event_loop()
        self._open = None  # an asyncio.Event, set while bytes may pass
        self._ready = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._ready.wait(20)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    # --- faults ----------------------------------------------------------------------------------

    def partition(self):
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self):
        self._held.clear()
        self._loop.call_soon_threadsafe(self._open.set)

    def hold(self, direction):
        self._held = {direction} if direction else set()

    def reset(self):
        self._loop.call_soon_threadsafe(self._reset_all)

    def cut_after(self, count):
        self._left = count

    # --- inside the loop -------------------------------------------------------------------------

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._open = asyncio.Event()
        self._open.set()
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, sock=self._listener))
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._reset_all()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _serve(self, reader, writer):
        try:
            connect = (asyncio.open_unix_connection(self.target) if isinstance(self.target, str)
                       else asyncio.open_connection(*self.target))
            there, back = await connect
        except OSError:
            return self._reset(writer)
        self.connections += 1
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._pass("up", reader, back), self._pass("down", there, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for one in (writer, back):
                self._reset(one)

    async def _pass(self, direction, reader, writer):
        while data := await reader.read(65536):
            if self.delay:
                await asyncio.sleep(self.delay)
            while direction in self._held:
                await asyncio.sleep(0.01)
            await self._open.wait()
            passed = self._allowed(direction, data)
            writer.write(data[:passed])
            await writer.drain()
            if passed is not None:
                self.cuts += 1
                raise ConnectionResetError
        raise ConnectionResetError  # one side ended: so does the other

    def _allowed(self, direction, data):
        """How many bytes may pass before the cut; None for all of them."""
        if self._on_bytes is not None:
            return self._on_bytes(direction, data)
        if self._left is None:
            return None
        if len(data) < self._left:
            self._left -= len(data)
            return None
        passed, self._left = self._left, None
        return passed

    def _reset_all(self):
        for writer in list(self._writers):
            self._reset(writer)

    def _reset(self, writer):
        self._writers.discard(writer)
        raw = writer.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0 and raw.family == socket.AF_INET:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        writer.transport.abort()
