"""Who works on what: claims with leases, the same for every agent that heard the same messages.

A claim says what reaching the target costs its holder. Of all claims that hold, the cheapest wins, and the name that
comes first in the alphabet where costs are equal: no clock and no order of arrival takes part. A claim that is not
renewed ends with its lease, counted by the holder's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Claim", "Claims"]

MAX_CLAIMS = 1024  # of one holder: a flood of claims must not fill the memory


@dataclass(frozen=True, slots=True)
class Claim:
    """One agent's claim to one target.

    Args:
        target: What is claimed: a frontier, an object, a place, an item.
        holder: Name of the agent.
        cost: What the target costs the holder; metres or steps, the lower the better.
        until_s: When the lease ends, by the clock of whoever keeps the table.
        order: Which claim or release of the holder this is: a count of its sessions and the number in the session.
        is_released: Whether the holder has given the target up.
    """

    target: str
    holder: str
    cost: float
    until_s: float
    order: tuple[int, int]
    is_released: bool = False

    @classmethod
    def of(
        cls, payload: Mapping[str, Any], holder: str, here_s: float, order: tuple[int, int], max_lease_s: float
    ) -> Claim:
        """What a claim or release says that was sent at `here_s`, by the clock of whoever keeps the table."""
        if "lease_s" not in payload:
            return cls(payload["target"], holder, 0.0, here_s, order, is_released=True)
        return cls(payload["target"], holder, payload["cost"], here_s + min(payload["lease_s"], max_lease_s), order)


class Claims:
    """The claims that one agent knows of.

    Example:
        >>> claims = Claims()
        >>> claims.put(Claim("door", "bob", 2.0, 10.0, (0, 1)))
        >>> claims.put(Claim("door", "ann", 1.0, 10.0, (0, 1)))
        >>> claims.holder("door", 5.0), claims.holder("door", 10.0)
        ('ann', None)
    """

    def __init__(self) -> None:
        self._claims: dict[str, dict[str, Claim]] = {}  # by holder, then target

    def put(self, claim: Claim) -> None:
        """Take in a claim or a release; one that is older than what is known of its holder and target is passed over.

        Raises:
            ValueError: If the holder has too many claims.
        """
        own = self._claims.setdefault(claim.holder, {})
        known = own.get(claim.target)
        if known is not None and claim.order <= known.order:
            return
        if known is None and len(own) >= MAX_CLAIMS:
            raise ValueError(f"{claim.holder!r} has {MAX_CLAIMS} claims, which is the most: release some")
        own[claim.target] = claim

    def holder(self, target: str, now_s: float) -> str | None:
        """Whose the target is at the moment; None if nobody's."""
        found = [own[target] for own in self._claims.values() if target in own]
        found = [claim for claim in found if not claim.is_released and now_s < claim.until_s]
        return min(found, key=lambda claim: (claim.cost, claim.holder)).holder if found else None

    def live(self, now_s: float) -> list[Claim]:
        """All claims that hold at the moment, the cheapest first, winners or not."""
        found = [claim for own in self._claims.values() for claim in own.values()]
        found = [claim for claim in found if not claim.is_released and now_s < claim.until_s]
        return sorted(found, key=lambda claim: (claim.cost, claim.holder, claim.target))

    def targets(self, holder: str, now_s: float) -> tuple[str, ...]:
        """What an agent holds at the moment, sorted."""
        return tuple(sorted(t for t in self._claims.get(holder, {}) if self.holder(t, now_s) == holder))

    def expire(self, now_s: float, keep_s: float = 60.0) -> None:
        """Forget what ended more than `keep_s` ago; until then a late message must not bring it back."""
        for own in self._claims.values():
            for target in [target for target, claim in own.items() if claim.until_s + keep_s < now_s]:
                del own[target]
