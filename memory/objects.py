"""The object map: what things there are, where they are, and what became of those that were elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float

from placecell.memory.association import agreement, assign, box_features
from placecell.memory.identity import lives
from placecell.memory.object_states import ObjectChange, Point, SceneObject, Sighting, State, Stay
from placecell.memory.records import Record
from placecell.memory.stays import StayNode, stays_of
from placecell.memory.tracks import AgentTracks
from placecell.memory.turnover import reconcile

__all__ = ["ObjectMap"]

_MOVED_M: Final = 0.3
_MAX_LABELS: Final = 5


class ObjectMap:
    """A fold over the detections, scans and poses of records: things with place, look, names and state over time.

    Per view, detections are joined one to one with the things around them, by place, look and name together. What ought
    to be in view and is not, though rays pass through where it was, is missed: once makes the map unsure, twice from
    different places makes the thing gone. A thing that turns up elsewhere and is like one that is gone is that one.

    State is kept per agent and put together when it is read, so answers do not depend on how agents' records
    interleave; the records of one agent must come in the order of `seq`.

    Example:
        >>> objects = ObjectMap()
        >>> objects.objects(), objects.version
        ([], 0)
    """

    def __init__(self) -> None:
        self.version = 0
        self._agents: dict[str, AgentTracks] = {}
        self._cache: dict[float, list[SceneObject]] = {}
        self._cached_version = -1
        self._known: dict[tuple[object, ...], SceneObject] = {}  # by what they were made of
        self._ids: dict[str, str] = {}
        self._cut_out: set[str] = set()  # ids of what was ever cut out of another's track
        self._changes: list[ObjectChange] = []

    def fold(self, record: Record) -> None:
        """Take in a record; one without a pose tells nothing, one without detections tells what is gone."""
        if record.pose is None or (not record.detections and record.scan is None):
            return
        tracks = self._agents.get(record.agent_id)
        if tracks is None:
            tracks = self._agents[record.agent_id] = AgentTracks(record.agent_id)
        if tracks.fold(record, self.version + 1):
            self.version += 1

    def objects(self, as_of: float | None = None) -> list[SceneObject]:
        """Things of the scene, those that are gone included, in the order in which they were first seen.

        Args:
            as_of: States and places as they were known at this time; looks, names and extents are always the latest.
        """
        if self._cached_version != self.version:
            self._cache, self._cached_version = {}, self.version
        moment = math.inf if as_of is None else float(as_of)
        if moment not in self._cache:
            self._cache[moment] = self._read(moment)
        return list(self._cache[moment])

    def get(self, object_id: str) -> SceneObject | None:
        """The thing with this id, None if there is none (any more: see `resolve`)."""
        return next((thing for thing in self.objects() if thing.object_id == object_id), None)

    def resolve(self, object_id: str) -> str:
        """The id that a thing goes by now: what looked like two things may have turned out to be one."""
        self.objects()
        return self._ids.get(object_id, object_id)

    def find(
        self,
        name: str | None = None,
        vector: Float[np.ndarray, "d"] | None = None,
        k: int = 10,
        calibration: tuple[float, float] | None = None,
        as_of: float | None = None,
    ) -> list[tuple[SceneObject, float]]:
        """Things that are called so, or look so, with chances, likeliest first; what is gone is left out.

        Args:
            name: A label; it counts by its share of the votes.
            vector: Unit vector of a text or picture, by the encoder that described the detections.
            k: How many at most.
            calibration: The encoder's, which turns a cosine into a chance; else the cosine itself is taken for one.
            as_of: See `objects`.

        Raises:
            ValueError: If neither a name nor a vector is given.
        """
        if name is None and vector is None:
            raise ValueError("find needs a name, a vector, or both; got neither")
        found = []
        for thing in self.objects(as_of):
            by_name = 0.0 if name is None else thing.share(name)
            by_look = 0.0
            if vector is not None and thing.embedding is not None:
                cosine = float(np.asarray(vector, np.float32) @ thing.embedding)
                by_look = max(cosine, 0.0)
                if calibration is not None:
                    by_look = 1.0 / (1.0 + math.exp(-(calibration[0] * cosine + calibration[1])))
            chance = (1.0 - (1.0 - by_name) * (1.0 - by_look)) * thing.confidence
            if chance > 0 and thing.state != "gone":
                found.append((thing, chance))
        found.sort(key=lambda pair: (-pair[1], pair[0].object_id))
        return found[:k]

    def touched(self, since_version: int) -> set[str]:
        """Ids of the things that may have changed after a version, and of those that became part of others."""
        things = {thing.object_id for thing in self.objects()}
        found: set[str] = set()
        changed: set[str] = set()
        for tracks in self._agents.values():
            for track in tracks.tracks:
                if track.changed > since_version:
                    own = f"{tracks.agent_id}:{track.number}"
                    changed.add(own)
                    found.add(self._ids.get(own, own))
                    if own not in things:
                        found.add(own)
        return found | {object_id for object_id in self._cut_out if object_id.split("~")[0] in changed}

    def changes(self, since_s: float = 0.0) -> list[ObjectChange]:
        """What moved, went, or came since a time, in the order in which it was noticed."""
        self.objects()
        found = [change for change in self._changes if change.stamp_s >= since_s]
        return sorted(found, key=lambda change: (change.stamp_s, change.object_id))

    def _read(self, as_of: float) -> list[SceneObject]:
        joined: list[SceneObject] = []
        ids: dict[str, str] = {}
        changes: list[ObjectChange] = []
        made: dict[tuple[object, ...], SceneObject] = {}
        for agent_id in sorted(self._agents):
            tracks = self._agents[agent_id]
            own = []
            for life in lives(reconcile(stays_of(tracks, as_of), tracks, as_of)):
                key = _made_of(life)
                thing = self._known.get(key) or _thing(life)
                made[key] = thing
                if thing.num_sightings:
                    own.append(thing)
                changes += _changes(life, thing)
                for node in life:
                    if "~" in node.track.origin:
                        self._cut_out.add(node.object_id)
                    if node.index == 0:
                        for number in (node.track.number, *node.track.absorbed):
                            ids[f"{agent_id}:{number}"] = thing.object_id
            joined = _join(joined, own, ids) if joined else own
        if as_of == math.inf:
            self._known = made
            self._ids, self._changes = ids, [replace(c, object_id=ids.get(c.object_id, c.object_id)) for c in changes]
        return sorted(joined, key=lambda thing: (thing.first_s, thing.object_id))


# --- from lives to things --------------------------------------------------------------------------------------------


def _made_of(life: Sequence[StayNode]) -> tuple[object, ...]:
    """What a thing follows from: the same stays of tracks that did not change make the same thing."""
    return tuple(
        (
            node.object_id, node.track.changed, node.low_m.tobytes(), node.high_m.tobytes(),
            node.presence.first_s, node.presence.last_s, node.presence.missed_s, node.presence.gone_s,
        )
        for node in life
    )  # fmt: skip


def _thing(life: Sequence[StayNode]) -> SceneObject:
    first, last = life[0], life[-1]
    tracks = list({node.track.number: node.track for node in life}.values())
    votes: dict[str, float] = {}
    for track in tracks:
        for name, vote in track.votes.items():
            votes[name] = votes.get(name, 0.0) + vote
    total = sum(votes.values())
    ranked = sorted(votes.items(), key=lambda pair: (-pair[1], pair[0]))[:_MAX_LABELS]
    labels = tuple((name, vote / total) for name, vote in ranked) if total > 0 else ()
    vectors = [track.vector for track in tracks if track.vector is not None]
    embedding = None
    if vectors:
        whole = np.sum([vector for vector in vectors if len(vector) == len(vectors[0])], axis=0)
        embedding = (whole / max(float(np.linalg.norm(whole)), 1e-12)).astype(np.float32)
    presence = last.presence
    stays = tuple(
        Stay(_point(node.centre_m), node.presence.first_s, None if _is_open(node, life) else node.presence.last_s)
        for node in life
    )
    has_moved = any(math.dist(stays[-1].position_m, stay.position_m) > _MOVED_M for stay in stays[:-1])
    state: State = "moved" if has_moved else "here"
    since_s = presence.first_s
    if presence.is_over:
        assert presence.gone_s is not None
        state, since_s = "gone", presence.gone_s
    elif presence.missed_s is not None:
        state, since_s = "unsure", presence.missed_s
    sightings: list[Sighting] = []
    for node in reversed(life):
        until = math.inf if presence is node.presence else node.presence.last_s
        own = [s for s in node.track.views if node.presence.first_s <= s.stamp_s <= until]
        sightings += sorted(own, key=lambda s: (-s.quality, s.record_id))
    return SceneObject(
        object_id=first.object_id,
        agent_id=first.tracks.agent_id,
        name=labels[0][0] if labels else "",
        labels=labels,
        embedding=embedding,
        position_m=stays[-1].position_m,
        low_m=_point(last.low_m),
        high_m=_point(last.high_m),
        num_sightings=sum(track.num_sightings for track in tracks),
        confidence=max(track.confidence for track in tracks),
        first_s=first.presence.first_s,
        last_s=presence.last_s,
        state=state,
        since_s=since_s,
        stays=stays,
        sightings=tuple(sightings),
        is_privileged=any(track.is_privileged for track in tracks),
    )


def _is_open(node: StayNode, life: Sequence[StayNode]) -> bool:
    return node is life[-1] and not node.presence.is_over


def _changes(life: Sequence[StayNode], thing: SceneObject) -> list[ObjectChange]:
    found = []
    first, last = life[0], life[-1]
    if first.presence.empty_s is not None:
        found.append(ObjectChange("new", thing.object_id, None, thing.stays[0].position_m, first.presence.first_s))
    for a, b, before, after in zip(life, life[1:], thing.stays, thing.stays[1:], strict=False):
        if math.dist(before.position_m, after.position_m) > _MOVED_M:
            missed_s = a.presence.missed_s or b.presence.first_s
            noticed_s = max(missed_s, b.presence.first_s)
            found.append(ObjectChange("moved", thing.object_id, before.position_m, after.position_m, noticed_s))
    if last.presence.gone_s is not None:
        found.append(ObjectChange("gone", thing.object_id, thing.stays[-1].position_m, None, last.presence.gone_s))
    return found


def _point(values: np.ndarray) -> Point:
    x, y, z = values.tolist()
    return x, y, z


# --- several agents --------------------------------------------------------------------------------------------------


def _join(known: list[SceneObject], more: list[SceneObject], ids: dict[str, str]) -> list[SceneObject]:
    """Join things of two agents that are one: the same place, alike."""
    boxes = [
        (
            np.array([thing.low_m for thing in things]).reshape(-1, 3),
            np.array([thing.high_m for thing in things]).reshape(-1, 3),
        )
        for things in (known, more)
    ]
    gap, inside, covers, offset, growth = box_features(*boxes[0], *boxes[1])
    scores = np.full(gap.shape, -math.inf)
    for i, j in zip(*np.nonzero(gap <= 0.1), strict=True):
        a, b = known[i], more[j]
        cosine = 0.8
        if a.embedding is not None and b.embedding is not None and len(a.embedding) == len(b.embedding):
            cosine = float(a.embedding @ b.embedding)
        names = agreement(dict(a.labels), dict(b.labels))
        scores[i, j] = (
            2.0 * max(inside[i, j], covers[i, j]) - min(offset[i, j], 2.0) - 5.0 * gap[i, j]
            - 0.6 * abs(growth[i, j]) + 6.0 * (cosine - 0.8) + 1.5 * (names - 0.3)
        )  # fmt: skip
    pairs, alone, rest = assign(scores, 0.0)
    joined = [known[i] for i in alone] + [more[j] for j in rest]
    for i, j in pairs:
        both = _both(known[i], more[j])
        for key, value in ids.items():
            if value in (known[i].object_id, more[j].object_id):
                ids[key] = both.object_id
        joined.append(both)
    return joined


def _both(a: SceneObject, b: SceneObject) -> SceneObject:
    """One thing out of what two agents know of it: its name is the elder's, its state the latest word."""
    elder, younger = sorted((a, b), key=lambda thing: (thing.first_s, thing.object_id))
    latest = max((elder, younger), key=lambda thing: max(thing.last_s, thing.since_s))
    shares: dict[str, float] = {}
    count = elder.num_sightings + younger.num_sightings
    for thing in (elder, younger):
        for name, share in thing.labels:
            shares[name] = shares.get(name, 0.0) + share * thing.num_sightings / count
    ranked = tuple(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))[:_MAX_LABELS])
    embedding = elder.embedding if elder.embedding is not None else younger.embedding
    if elder.embedding is not None and younger.embedding is not None:
        whole = elder.num_sightings * elder.embedding + younger.num_sightings * younger.embedding
        embedding = (whole / max(float(np.linalg.norm(whole)), 1e-12)).astype(np.float32)
    stays = elder.stays if len(elder.stays) >= len(younger.stays) else younger.stays
    last_s = max(elder.last_s, younger.last_s)
    stays = (*stays[:-1], replace(stays[-1], to_s=last_s if latest.state == "gone" else None))
    return replace(
        latest,
        object_id=elder.object_id,
        agent_id=elder.agent_id,
        name=ranked[0][0] if ranked else "",
        labels=ranked,
        embedding=embedding,
        num_sightings=count,
        confidence=max(elder.confidence, younger.confidence),
        first_s=elder.first_s,
        last_s=last_s,
        stays=stays,
        sightings=tuple(sorted((*a.sightings, *b.sightings), key=lambda s: (-s.quality, s.record_id))),
        is_privileged=a.is_privileged or b.is_privileged,
    )
