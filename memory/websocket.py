"""Frames between machines over WebSockets. Needs the extra `[team]`.

Every agent may listen, connect to others, or both. The first message each way is a greeting with the protocol, its
version, the agent's name and a token of its process; then each binary message is a frame. The network runs in a thread
of its own, so that an agent's turn never waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import threading
from collections import Counter, deque
from collections.abc import Sequence
from ssl import SSLContext
from typing import Any

from placecell.errors import MissingDependencyError, PlacecellError
from placecell.memory.envelope import PROTOCOL, PROTOCOL_VERSION
from placecell.memory.wire import MAX_FRAME_BYTES

__all__ = ["WebSocketTransport"]

_REFUSED = 4001  # close code: the greeting was not accepted; the reason says why
_GREETING_S = 5.0
_MAX_QUEUED = 1024  # frames to one peer that wait for the network; beyond that new ones are lost


class WebSocketTransport:
    """One agent's connections.

    Args:
        name: The agent's name.
        listen: Host and port to be reached at; port 0 takes a free one, see `url`. None to connect only.
        connect: Addresses of others, such as "ws://robot-2:8765"; those that are not there yet are tried again.
        listen_tls: Makes it a server of "wss://" addresses.
        connect_tls: What to trust of the servers at "wss://" addresses, and what to show them; by default what the
            system trusts.
        max_frame_bytes: Longest frame that is read; a peer that sends a longer one is disconnected.
        max_waiting: Most frames of one peer that wait to be taken; a peer that sends more is read no further.
        retry_s: Seconds between two tries to connect.
        wait_s: How long to wait at the start for the addresses in `connect`.

    Raises:
        PlacecellError: If the port is taken, or an agent of this name is there already.
        MissingDependencyError: If `websockets` is not installed.
    """

    def __init__(
        self,
        name: str,
        listen: tuple[str, int] | None = None,
        connect: Sequence[str] = (),
        *,
        listen_tls: SSLContext | None = None,
        connect_tls: SSLContext | None = None,
        max_frame_bytes: int = MAX_FRAME_BYTES,
        max_waiting: int = 1024,
        retry_s: float = 0.5,
        wait_s: float = 5.0,
    ) -> None:
        try:
            import websockets  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError("WebSockets need websockets: pip install 'placecell[team]'") from error
        self.name = name
        self.url: str | None = None
        self._options: dict[str, Any] = {"max_size": max_frame_bytes, "compression": None}
        self._listen_tls, self._connect_tls = listen_tls, connect_tls
        self._max_waiting, self._retry_s = max_waiting, retry_s
        self._token = secrets.token_hex(8)
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._num_waiting: Counter[str] = Counter()
        self._lines: dict[str, list[_Line]] = {}  # of each peer, by name; only the thread changes it
        self._problem: str | None = None
        self._started, self._settled = threading.Event(), threading.Event()
        self._unsettled = set(connect)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(self._run(listen, connect)), name=f"{name}-net", daemon=True
        )
        self._thread.start()
        self._started.wait()
        if connect and self._problem is None:
            self._settled.wait(wait_s)
        self._settled.set()
        if self._problem is not None:
            self.close()
            raise PlacecellError(self._problem)

    # --- the agent's side ---------------------------------------------------------------------------------------

    def peers(self) -> tuple[str, ...]:
        """Names of the agents that are connected, sorted."""
        return tuple(sorted(name for name, lines in list(self._lines.items()) if lines))

    def send(self, peer: str, frame: bytes) -> bool:
        """Send a frame; False if the peer is not connected."""
        if self._loop.is_closed() or not self._lines.get(peer):
            return False
        self._loop.call_soon_threadsafe(self._post, peer, frame)
        return True

    def receive(self) -> list[tuple[str, bytes]]:
        """What has come since the last call."""
        found = []
        while self._waiting:
            found.append(self._waiting.popleft())
            self._num_waiting[found[-1][0]] -= 1
        return found

    def close(self) -> None:
        """Disconnect from everybody. Closing twice does no harm."""
        if not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it has stopped by itself
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._loop.close()
        self._lines.clear()
        self._waiting.clear()

    # --- the thread ---------------------------------------------------------------------------------------------

    async def _run(self, listen: tuple[str, int] | None, connect: Sequence[str]) -> None:
        from websockets.asyncio.server import serve

        self._stop = asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            if listen is not None:
                try:
                    serving = serve(self._serve, *listen, ssl=self._listen_tls, **self._options)
                    server = await stack.enter_async_context(serving)
                except OSError as error:
                    self._problem = f"cannot listen at {listen[0]}:{listen[1]}: {error.strerror or error}"
                    self._started.set()
                    return
                host, port = next(iter(server.sockets)).getsockname()[:2]
                self.url = f"{'ws' if self._listen_tls is None else 'wss'}://{host}:{port}"
            self._started.set()
            tasks = [asyncio.ensure_future(self._keep(url)) for url in connect]
            await self._stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            lines = [line for lines in self._lines.values() for line in lines]
            await asyncio.gather(*(line.socket.close() for line in lines), return_exceptions=True)

    async def _keep(self, url: str) -> None:
        """Connect, and again whenever the connection is lost."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        options = dict(self._options)
        if self._connect_tls is not None:
            options["ssl"] = self._connect_tls
        while True:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with connect(url, **options) as socket:
                    await self._talk(socket, url)
            await asyncio.sleep(self._retry_s)

    async def _serve(self, socket: Any) -> None:
        from websockets.exceptions import WebSocketException

        with contextlib.suppress(OSError, WebSocketException, TimeoutError):
            await self._talk(socket)

    async def _talk(self, socket: Any, url: str | None = None) -> None:
        greeting = {"protocol": PROTOCOL, "version": PROTOCOL_VERSION, "name": self.name, "token": self._token}
        await socket.send(json.dumps(greeting))
        async with asyncio.timeout(_GREETING_S):
            answer = await self._heard(socket, url)
        try:
            name, token = self._greeted(answer)
        except ValueError as error:
            if url is not None and f"named {self.name!r}" in str(error):
                self._fail(f"{url}: {error}")
            await socket.close(_REFUSED, str(error)[:120])
            return
        line = _Line(socket, token)
        self._lines.setdefault(name, []).append(line)
        writer = asyncio.ensure_future(line.write())
        self._settle(url)
        try:
            while True:
                frame = await self._heard(socket, url)
                if isinstance(frame, bytes):
                    while self._num_waiting[name] >= self._max_waiting:  # it is read no faster than we take it
                        await asyncio.sleep(0.01)
                    self._num_waiting[name] += 1
                    self._waiting.append((name, frame))
        finally:
            self._lines[name].remove(line)
            writer.cancel()

    async def _heard(self, socket: Any, url: str | None) -> Any:
        from websockets.exceptions import ConnectionClosed

        try:
            return await socket.recv()
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code == _REFUSED and url is not None:
                self._fail(f"{url} refused: {error.rcvd.reason}")
            raise

    def _fail(self, problem: str) -> None:
        """A problem at the start is raised; later on it may be the other's, and connecting is tried again."""
        if not self._settled.is_set():
            self._problem = problem
            self._settled.set()

    def _settle(self, url: str | None) -> None:
        self._unsettled.discard(url or "")
        if not self._unsettled:
            self._settled.set()

    def _greeted(self, answer: object) -> tuple[str, str]:
        """Name and token in a greeting.

        Raises:
            ValueError: If it is none, is of another version, or its name is taken.
        """
        try:
            greeting = json.loads(answer) if isinstance(answer, str) else None
        except (ValueError, RecursionError):
            greeting = None
        if not isinstance(greeting, dict) or greeting.get("protocol") != PROTOCOL:
            raise ValueError(f"a greeting names the protocol {PROTOCOL!r}")
        if greeting.get("version") != PROTOCOL_VERSION:
            raise ValueError(f"this agent speaks version {PROTOCOL_VERSION}: update the older of the two")
        name, token = greeting.get("name"), greeting.get("token")
        if not (isinstance(name, str) and 0 < len(name) <= 64 and isinstance(token, str) and len(token) <= 64):
            raise ValueError("a greeting holds a name and a token")
        if name == self.name or any(line.token != token for line in self._lines.get(name, ())):
            raise ValueError(f"an agent named {name!r} is here already: give every agent a name of its own")
        return name, token

    def _post(self, peer: str, frame: bytes) -> None:
        lines = self._lines.get(peer)
        if lines and lines[0].queue.qsize() < _MAX_QUEUED:
            lines[0].queue.put_nowait(frame)


class _Line:
    """One connection; two agents that connect to each other have two."""

    def __init__(self, socket: Any, token: str) -> None:
        self.socket, self.token = socket, token
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()

    async def write(self) -> None:
        """Send what is queued, in order."""
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.socket.send(await self.queue.get())
