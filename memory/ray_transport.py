"""Frames between Ray actors, on one machine or over a cluster. Needs the extra `[team]`.

One actor is the post office. To send is a call that nobody waits for; to receive is to look whether the post office has
answered the last question. So an agent's turn never waits for Ray.
"""

from __future__ import annotations

import secrets
import socket
from collections import deque
from typing import Any, Final

from placecell.errors import MissingDependencyError

__all__ = ["RayNetwork", "RayTransport", "ray_module"]

_MAX_WAITING: Final = 10_000  # frames for one agent; beyond that new ones are lost
_KNOCK_S: Final = 10.0


def ray_module(address: str = "local") -> Any:
    """Ray, running: what the process is connected to already, or else what `address` says.

    Args:
        address: Of a cluster, such as "auto" or "ray://head:10001"; "local" starts one on this machine.

    Raises:
        MissingDependencyError: If it is not installed.
        ConnectionError: If nobody answers at the address.
        ValueError: If the address is none.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError("actors need ray: pip install 'placecell[team]'") from error
    if not ray.is_initialized():
        if address == "local":
            ray.init(address="local", include_dashboard=False, log_to_driver=False)
        else:
            _knock(address)
            ray.init(address=address, log_to_driver=False)
    return ray


def _knock(address: str) -> None:
    """See that somebody listens: Ray itself would try for a quarter of an hour."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or int(port) >= 2**16:
        raise ValueError(f"a Ray cluster's address is local, auto, HOST:PORT or ray://HOST:PORT, got {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()
    except OSError as error:
        raise ConnectionError(f"no Ray cluster at {address}: {error}; start one with ray start --head") from error


class _PostOffice:
    """Who is there, and what waits for whom."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[str, bytes]]] = {}
        self._tokens: dict[str, str] = {}

    def join(self, name: str, token: str) -> bool:
        if self._tokens.setdefault(name, token) != token:
            return False
        self._waiting.setdefault(name, deque())
        return True

    def post(self, sender: str, token: str, peer: str, frame: bytes) -> None:
        waiting = self._waiting.get(peer)
        if self._tokens.get(sender) == token and waiting is not None and len(waiting) < _MAX_WAITING:
            waiting.append((sender, frame))

    def collect(self, name: str, token: str) -> tuple[tuple[str, ...], list[tuple[str, bytes]]]:
        if self._tokens.get(name) != token:
            return (), []
        found = list(self._waiting[name])
        self._waiting[name].clear()
        return tuple(sorted(peer for peer in self._tokens if peer != name)), found

    def leave(self, name: str, token: str) -> None:
        if self._tokens.get(name) == token:
            del self._tokens[name], self._waiting[name]

    def forget(self, name: str) -> None:
        token = self._tokens.get(name)
        if token is not None:
            self.leave(name, token)


class RayNetwork:
    """A post office that agents in any process of a Ray cluster find by its name.

    Args:
        name: Of the post office; processes that give the same name meet.

    Raises:
        MissingDependencyError: If ray is not installed.
    """

    def __init__(self, name: str = "placecell") -> None:
        self._ray = ray_module()
        office = self._ray.remote(_PostOffice).options(name=f"post office {name}", get_if_exists=True, num_cpus=0)
        self._office = office.remote()

    def join(self, name: str) -> RayTransport:
        """The transport of one more agent.

        Raises:
            ValueError: If an agent of this name is there already; `evict` one that died.
        """
        token = secrets.token_hex(8)
        if not self._ray.get(self._office.join.remote(name, token)):
            raise ValueError(f"an agent named {name!r} is here already: give every agent a name of its own")
        return RayTransport(name, token, self._office, self._ray)

    def evict(self, name: str) -> None:
        """Forget an agent whose process died, so that its name is free."""
        self._ray.get(self._office.forget.remote(name))


class RayTransport:
    """One agent's way into a `RayNetwork`."""

    def __init__(self, name: str, token: str, office: Any, ray: Any) -> None:
        self.name, self._token, self._office, self._ray = name, token, office, ray
        self._peers: tuple[str, ...] = ()
        self._inbox: list[tuple[str, bytes]] = []
        self._asked: Any = None
        self._is_open = True

    def _look(self) -> None:
        """Take in the answer to the last question, if it is there, and ask again."""
        if not self._is_open:
            return
        if self._asked is not None:
            if not self._ray.wait([self._asked], timeout=0)[0]:
                return
            self._peers, found = self._ray.get(self._asked)
            self._inbox += found
        self._asked = self._office.collect.remote(self.name, self._token)

    def peers(self) -> tuple[str, ...]:
        """Names of the agents that could be reached when the post office last answered."""
        self._look()
        return self._peers

    def send(self, peer: str, frame: bytes) -> bool:
        """Send a frame; False if the peer is not there."""
        if not self._is_open or peer not in self._peers:
            return False
        self._office.post.remote(self.name, self._token, peer, bytes(frame))
        return True

    def receive(self) -> list[tuple[str, bytes]]:
        """What has come since the last call."""
        self._look()
        found, self._inbox = self._inbox, []
        return found

    def close(self) -> None:
        """Leave; the name is free again."""
        if self._is_open:
            self._is_open, self._peers, self._inbox = False, (), []
            self._ray.get(self._office.leave.remote(self.name, self._token))
