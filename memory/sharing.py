"""Sharing: one agent's part in the protocol. docs/protocol.md describes it.

An agent asks each peer for what it lacks: a *query* says which records it has (a version vector with the gaps) and
which it wants, and holds until the next one. The peer *informs* it of the others, oldest first or, under a byte budget,
the most valuable first. What is lost on the way is asked for again, what comes twice is passed over, so that memories
that reach each other end up equal whatever the network does.
"""

from __future__ import annotations

import math
import secrets
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from placecell.errors import EncoderMismatchError, ProtocolVersionError, RecordConflictError
from placecell.memory.admission import NameTaken, admitted, check_authors
from placecell.memory.claims import Claim, Claims
from placecell.memory.delta import DELTA_VERSION, MAX_SEQ, Delta, Ranges
from placecell.memory.envelope import MAX_INTERVALS, Envelope, close_frame
from placecell.memory.peers import Bucket, Peer, Quarantine, Traffic
from placecell.memory.picture_requests import answered, asked
from placecell.memory.policy import Policy
from placecell.memory.records import Record, RecordId
from placecell.memory.subscriptions import Subscription
from placecell.memory.telling import OVERHEAD_BYTES, fitting, wanted
from placecell.memory.transports import Transport

if TYPE_CHECKING:
    from placecell.memory.memory import Memory
    from placecell.memory.signing import KeyRegistry, Signer

__all__ = ["DELTA_VERSION", "MAX_SEQ", "Delta", "Message", "Policy", "Ranges", "Sharing"]

#: What a message may cause that is its sender's fault; a full disk, say, is not.
_NO_MESSAGE = (ProtocolVersionError, EncoderMismatchError, RecordConflictError, ValueError, TypeError, OverflowError)
_FRAMES_PER_STEP = 16


class Message(NamedTuple):
    """A proposal, or the answer to one, as it came."""

    sender: str
    performative: str  # "propose", "accept" or "refuse"
    message_id: bytes
    payload: Mapping[str, Any]


class Sharing:
    """What one agent says and hears. Nothing happens between two calls of `step`; no clock is read.

    Args:
        memory: What is shared, and where what others share goes.
        transport: The way to the others; its `name` is the agent's.
        wants: What to ask the others for; by default everything, without pictures.
        policy: How much, how often, how long.
        signer: Signs what is sent; None to send without signatures.
        keys: With it, only what registered agents signed is believed; without, everything that parses is.
        session: Names this run of the agent; by default drawn at random. Never use one twice.

    Example:
        >>> from placecell.memory.memory import Memory
        >>> from placecell.memory.transports import Network
        >>> from placecell.perception.observation import Observation
        >>> network = Network()
        >>> ann, bob = (Sharing(Memory(), network.join(name)) for name in ("ann", "bob"))
        >>> _ = ann.memory.observe(Observation(0.0, "ann", text="the keys are on the shelf"))
        >>> for now_s in (0.0, 1.0):
        ...     ann.step(now_s), bob.step(now_s)
        (0, 0)
        (0, 1)
        >>> bob.memory.version()
        {'ann': 1}
    """

    def __init__(
        self,
        memory: Memory,
        transport: Transport,
        wants: Subscription | None = None,
        policy: Policy | None = None,
        signer: Signer | None = None,
        keys: KeyRegistry | None = None,
        session: str | None = None,
    ) -> None:
        self.memory, self.transport, self.name = memory, transport, transport.name
        self.wants = wants or Subscription()
        self.policy = policy or Policy()
        self.session = secrets.token_hex(8) if session is None else session
        self.claims = Claims()
        self.traffic = Traffic()
        self.quarantine = Quarantine()
        self.refusals: deque[tuple[str, str]] = deque(maxlen=64)  # who refused something, and why
        self._signer, self._keys = signer, keys
        self._peers: dict[str, Peer] = {}
        self._messages: deque[Message] = deque(maxlen=1024)
        self._seq = 0
        self._now_s = 0.0
        self._own: dict[str, Claim] = {}
        Envelope("release", self.name, self.session, 1, 0.0, {"target": ""})  # name and session must be usable

    @property
    def peers(self) -> Mapping[str, Peer]:
        """What is known of each agent that was heard of."""
        return self._peers

    def close(self) -> None:
        """Leave the transport; the memory stays open."""
        self.transport.close()

    # --- the turn of an agent -----------------------------------------------------------------------------------

    def step(self, now_s: float) -> int:
        """Take in what has come, answer it, ask for more.

        Args:
            now_s: The agent's own clock in seconds, which must not run backwards. Clocks of agents need not agree.

        Returns:
            How many records were new.

        Raises:
            ValueError: If the clock runs backwards.
        """
        now_s = float(now_s)
        if not math.isfinite(now_s) or now_s < self._now_s:
            raise ValueError(f"now_s must not run backwards: {now_s} after {self._now_s}")
        self._now_s = now_s
        before = len(self.memory)
        for source, frame in self.transport.receive():
            self._take(source, frame)
        self.claims.expire(now_s)
        for name in self.transport.peers():
            peer = self._peer(name)
            if peer is None:
                continue
            if peer.asked_s is None and not self.policy.asks_first:  # as if both had asked
                peer.asked_s = now_s
                if peer.wants is None:
                    peer.ask({}, self.wants, frozenset({self.name}))
            if peer.asked_s is None or (now_s >= peer.asked_s + self.policy.every_s and self._may_spend(peer)):
                self._query(peer)
            self._inform(peer)
        return len(self.memory) - before

    def _peer(self, name: str) -> Peer | None:
        if name not in self._peers:
            if len(self._peers) >= self.policy.max_peers and not self._dropped():
                return None
            policy = self.policy
            quota = Bucket(policy.quota_bytes_per_s, policy.quota_burst_bytes)
            budget = None if policy.bytes_per_s is None else Bucket(policy.bytes_per_s, policy.burst_bytes)
            if budget is not None and policy.saved_bytes is not None:
                budget.spend(policy.burst_bytes - policy.saved_bytes, self._now_s)
            self._peers[name] = Peer(name, quota, budget, heard_s=self._now_s)
        return self._peers[name]

    def _dropped(self) -> bool:
        """Forget a peer that never said anything that counted and is gone; False if there is none."""
        reached = set(self.transport.peers())
        gone = next((name for name, peer in self._peers.items() if peer.session is None and name not in reached), None)
        if gone is not None:
            del self._peers[gone]
        return gone is not None

    # --- sending ------------------------------------------------------------------------------------------------

    def _send(self, peer: str, performative: str, payload: Mapping[str, Any], kind: str | None = None) -> bytes:
        self._seq += 1
        envelope = Envelope(performative, self.name, self.session, self._seq, self._now_s, payload)
        whole = envelope.to_bytes()
        frame = close_frame(whole, None if self._signer is None else self._signer.sign(whole))
        if self.transport.send(peer, frame):
            self.traffic.add("sent", kind or performative, len(frame))
            budget = self._peers[peer].budget if peer in self._peers else None
            if budget is not None:
                budget.spend(float(len(frame)), self._now_s)
        return envelope.message_id

    def _may_spend(self, peer: Peer) -> bool:
        """Whether anything of the budget is left."""
        return peer.budget is None or peer.budget.left(self._now_s) > 0

    def _query(self, peer: Peer) -> None:
        peer.asked_s = self._now_s
        have = {}
        for name, ranges in self.memory.have().items():
            have[name] = [end for interval in ranges.present()[:MAX_INTERVALS] for end in interval]
        takes = None if self._keys is None else sorted(self._keys.agents(peer.name))
        self._send(peer.name, "query", {"have": have, "takes": takes, "wants": self.wants.to_dict()})
        for claim in self._own.values():  # again, for whoever has not heard it
            if self._now_s < claim.until_s:
                self._send_claim(peer.name, claim)

    def _inform(self, peer: Peer) -> None:
        """Send what the peer asked for and lacks, as far as the budget goes."""
        if peer.wants is None:
            return
        urgent, others = wanted(self.memory, peer, self.policy, self._now_s)
        for performative, records in (("retract", urgent), ("inform", others)):
            for _ in range(_FRAMES_PER_STEP):
                if not records or not (num := self._tell(peer, performative, records)):
                    break
                records = records[num:]

    def _tell(self, peer: Peer, performative: str, records: Sequence[Record]) -> int:
        """Send as many of the records as fit into one frame and the budget; returns how many."""
        delta = fitting(self.memory, peer, records, self.policy, self._now_s, performative == "inform")
        if delta is None:
            return 0  # saves up for it
        if not delta:
            peer.passed.setdefault(records[0].agent_id, Ranges()).add(records[0].seq)
            return 1
        self._send(peer.name, performative, {"delta": delta.to_bytes()}, "picture" if delta.pictures else performative)
        peer.flying.extend((self._now_s, record.record_id) for record in delta.records)
        peer.note(delta.records)
        return len(delta)

    # --- receiving ----------------------------------------------------------------------------------------------

    def _take(self, source: str, frame: bytes) -> None:
        """Take in one frame, or put it into quarantine."""
        peer = self._peer(source)
        if peer is None or not peer.quota.take(len(frame) + 256.0, self._now_s):
            reason = "too many peers" if peer is None else "more than its quota"
            self._refuse(source, reason, frame)
            return
        reply_to = None
        try:
            envelope = admitted(frame, self.name, peer, self._keys, self.policy, self._now_s)
            kind = envelope.performative
            reply_to = envelope.message_id
            if kind in ("inform", "retract") and self._take_delta(peer, envelope):
                kind = "picture"
            elif kind == "query":
                self._take_query(peer, envelope.payload)
            elif kind == "request":
                self._take_request(peer, envelope.payload["pictures"])
            elif kind in ("claim", "release"):
                self._take_claim(peer, envelope)
            elif kind in ("propose", "accept", "refuse"):
                if kind == "refuse":
                    self.refusals.append((source, envelope.payload["reason"]))
                self._messages.append(Message(source, kind, envelope.message_id, envelope.payload))
        except _NO_MESSAGE as error:
            self._refuse(source, str(error), frame)
            is_known = peer.session is not None or isinstance(error, ProtocolVersionError | NameTaken)
            if is_known and (peer.scolded_s is None or self._now_s >= peer.scolded_s + self.policy.every_s):
                peer.scolded_s = self._now_s
                self._send(source, "refuse", {"reply_to": reply_to, "reason": str(error)[:1024]})
        else:
            self.traffic.add("received", kind, len(frame))

    def _refuse(self, source: str, reason: str, frame: bytes) -> None:
        self.traffic.add("received", "quarantine", len(frame))
        self.quarantine.add(source, reason, frame)

    def _take_delta(self, peer: Peer, envelope: Envelope) -> bool:
        """Merge records; says whether pictures came with them."""
        delta = Delta.from_bytes(envelope.payload["delta"], self.policy.max_frame_bytes)
        check_authors(delta, peer, self._keys, self.memory)
        if envelope.performative == "retract" and any(record.kind != "retraction" for record in delta.records):
            raise ValueError("a retract message holds retractions only")
        self.memory.merge(delta)
        for record in delta.records:
            peer.have.setdefault(record.agent_id, Ranges()).add(record.seq)
        peer.note(delta.records)
        if self.policy.relays_late:  # its author is taken to have told the others too
            for other in self._peers.values():
                if other is not peer:
                    other.flying.extend((self._now_s, record.record_id) for record in delta.records)
        return bool(delta.pictures)

    def _take_query(self, peer: Peer, payload: Mapping[str, Any]) -> None:
        wants = Subscription.from_dict(payload["wants"])
        have = {}
        for agent_id, ends in payload["have"].items():
            have[agent_id] = Ranges.of(zip(ends[::2], ends[1::2], strict=True))
        peer.ask(have, wants, None if payload["takes"] is None else frozenset(payload["takes"]))

    # --- pictures on request ------------------------------------------------------------------------------------

    def request(self, record_ids: Iterable[RecordId], peer: str | None = None) -> None:
        """Ask for the pictures of records that came without.

        Args:
            record_ids: Which.
            peer: Whom to ask; by default the author of each, if it can be reached, or else everybody.
        """
        for name, rows in asked(record_ids, self.transport.peers(), peer):
            self._peer(name)
            self._send(name, "request", {"pictures": rows})

    def _take_request(self, peer: Peer, rows: Sequence[Sequence[Any]]) -> None:
        for found in answered(self.memory, peer, rows, self.policy.max_frame_bytes - OVERHEAD_BYTES):
            self._send(peer.name, "inform", {"delta": Delta((), found).to_bytes()}, "picture")

    # --- claims -------------------------------------------------------------------------------------------------

    def claim(self, target: str, cost: float = 0.0, lease_s: float = 10.0) -> bool:
        """Say that this agent goes for a target; call it again to renew the lease.

        Args:
            target: Any name that all agents use for it.
            cost: What it costs this agent; the lower wins.
            lease_s: For how long, from the last `step` on.

        Returns:
            Whether the target is this agent's, as far as is known; ask `claims.holder` later on.
        """
        if not (math.isfinite(cost) and 0 < lease_s < math.inf):
            raise ValueError(f"a claim has a finite cost and a lease above 0 s, got {cost} and {lease_s}")
        lease_s = min(lease_s, self.policy.max_lease_s)
        claim = Claim(target, self.name, float(cost), self._now_s + lease_s, (0, self._seq + 1))
        self._own = {name: known for name, known in self._own.items() if self._now_s < known.until_s}
        self._own[target] = claim
        self.claims.put(claim)
        for name in self.transport.peers():
            if self._peer(name) is not None:
                self._send_claim(name, claim)
        return self.claims.holder(target, self._now_s) == self.name

    def _send_claim(self, peer: str, claim: Claim) -> None:
        if not self._may_spend(self._peers[peer]):
            return
        left_s = claim.until_s - self._now_s
        self._send(peer, "claim", {"target": claim.target, "cost": claim.cost, "lease_s": left_s})

    def release(self, target: str) -> None:
        """Give a target up."""
        if self._own.pop(target, None) is None:
            return
        self.claims.put(Claim(target, self.name, 0.0, self._now_s, (0, self._seq + 1), is_released=True))
        for name in self.transport.peers():
            if self._peer(name) is not None:
                self._send(name, "release", {"target": target})

    def _take_claim(self, peer: Peer, envelope: Envelope) -> None:
        # The peer's clock plus the least difference ever seen is ours, up to what the fastest message took.
        here_s = envelope.sent_s + (peer.offset_s or 0.0)
        order = (len(peer.sessions), envelope.seq)
        self.claims.put(Claim.of(envelope.payload, peer.name, here_s, order, self.policy.max_lease_s))

    # --- proposals ----------------------------------------------------------------------------------------------

    def propose(self, peer: str, topic: str, body: Any = None) -> bytes:
        """Propose something to a peer, such as handing over an item; returns the id that its answer names."""
        return self._send(peer, "propose", {"topic": topic, "body": body})

    def accept(self, message: Message, body: Any = None) -> None:
        """Say yes to a proposal."""
        self._send(message.sender, "accept", {"reply_to": message.message_id, "body": body})

    def refuse(self, message: Message, reason: str) -> None:
        """Say no to a proposal."""
        self._send(message.sender, "refuse", {"reply_to": message.message_id, "reason": reason})

    def messages(self) -> list[Message]:
        """Proposals and answers that came since the last call."""
        found = list(self._messages)
        self._messages.clear()
        return found
