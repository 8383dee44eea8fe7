"""Ed25519 signatures of messages, and the keys that are known. Needs the extra `[team]`; unsigned sharing does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from placecell.errors import MissingDependencyError

__all__ = ["KeyRegistry", "Signer"]

_DOMAIN = b"placecell sharing 1\0"  # a signature of a message is one of nothing else


class Signer:
    """One agent's secret key.

    Args:
        secret: 32 bytes; by default drawn from the system's source of randomness. Keep them as any password.

    Raises:
        MissingDependencyError: If `cryptography` is not installed.

    Example:
        >>> signer = Signer(bytes(32))
        >>> keys = KeyRegistry()
        >>> keys.add("ann", signer.public)
        >>> keys.verifies("ann", b"hello", signer.sign(b"hello")), keys.verifies("ann", b"hullo", signer.sign(b"hello"))
        (True, False)
    """

    def __init__(self, secret: bytes | None = None) -> None:
        ed25519 = _ed25519()
        if secret is not None and len(secret) != 32:
            raise ValueError(f"a secret key has 32 bytes, got {len(secret)}")
        key = ed25519.Ed25519PrivateKey
        self._key = key.generate() if secret is None else key.from_private_bytes(secret)

    @property
    def public(self) -> bytes:
        """The 32 bytes that others need to verify."""
        return bytes(self._key.public_key().public_bytes_raw())

    @property
    def secret(self) -> bytes:
        """The 32 bytes to keep."""
        return bytes(self._key.private_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """64 bytes that only this key can make."""
        return bytes(self._key.sign(_DOMAIN + message))


class KeyRegistry:
    """Whose public key is which, and for which agents each may speak.

    With a registry, a message counts only if its sender's key signed it, and a record only if its sender may speak for
    the record's agent: for itself, and for those named here. A relay that may speak for others is trusted with them.
    """

    def __init__(self) -> None:
        self._keys: dict[str, Any] = {}
        self._agents: dict[str, frozenset[str]] = {}
        self._retracts: dict[str, bool] = {}

    def add(self, name: str, public: bytes, speaks_for: Iterable[str] = (), may_retract: bool = True) -> None:
        """Register the key of an agent.

        Args:
            name: The agent.
            public: `Signer.public` of its key.
            speaks_for: Other agents whose records may come from it.
            may_retract: Whether it may take back records of agents for which it does not speak.

        Raises:
            ValueError: If it is no public key, or another one is registered under this name.
        """
        if len(public) != 32:
            raise ValueError(f"a public key has 32 bytes, got {len(public)}")
        known = self._keys.get(name)
        if known is not None and known.public_bytes_raw() != public:
            raise ValueError(f"another key is registered for {name!r}: remove that one first")
        self._keys[name] = _ed25519().Ed25519PublicKey.from_public_bytes(public)
        self._agents[name] = frozenset({name, *speaks_for})
        self._retracts[name] = may_retract

    def remove(self, name: str) -> None:
        """Trust a key no longer; nothing happens if there is none."""
        self._keys.pop(name, None)
        self._agents.pop(name, None)

    def agents(self, name: str) -> frozenset[str]:
        """For whom a sender may speak; nobody if its key is unknown."""
        return self._agents.get(name, frozenset())

    def may_retract(self, name: str) -> bool:
        """Whether it may take back records of agents for which it does not speak."""
        return self._retracts.get(name, False)

    def verifies(self, name: str, message: bytes, signature: bytes | None) -> bool:
        """Whether the signature is that of the registered key over the message."""
        key = self._keys.get(name)
        if key is None or signature is None:
            return False
        try:
            key.verify(signature, _DOMAIN + message)
        except _invalid():
            return False
        return True


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingDependencyError("signatures need cryptography: pip install 'placecell[team]'") from error
    return ed25519


def _invalid() -> type[Exception]:
    from cryptography.exceptions import InvalidSignature

    invalid: type[Exception] = InvalidSignature
    return invalid
