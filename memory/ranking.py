"""Ranking: one order of what the channels of recall found, after a second look at what some of them passed over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from placecell.memory.channels import Channel, Glance, Visible, calibrated
from placecell.memory.fusion import fuse, support, weights
from placecell.memory.graph import SEEDS, spread

if TYPE_CHECKING:
    from placecell.memory.lexicon import Lexicon

__all__ = ["EXACT_ROUND", "REREAD", "Ranking"]

HEAD: Final = 1024  # candidates of all channels together that are ranked in full
REREAD: Final = 64  # candidates that only other channels found, whose pictures are compared after all
GRAPH_TRUST: Final = 0.5  # association is weaker evidence than what it starts from
EXACT_ROUND: Final = 6  # digits that are the same in whatever order sums are formed


class Ranking:
    """Fuses the channels of one query, compares pictures that only other channels found, and follows associations.

    Args:
        moments: What the items are.
        lexicon: Words of texts, to follow from text to text; None where there are none.
    """

    def __init__(self, moments: Glance, lexicon: Lexicon | None) -> None:
        self._moments, self._lexicon = moments, lexicon

    def scores(
        self,
        channels: list[Channel],
        vector: np.ndarray | None,
        calibration: tuple[float, float] | None,
        test: Visible,
        k: int,
    ) -> tuple[dict[int, float], dict[str, float]]:
        """Scores of the candidates, and what each channel weighs; `channels` gains what the second look finds.

        Args:
            channels: What each found.
            vector: float32 `(d,)` that pictures are compared with; None where the query has none.
            calibration: Scale and bias that turn likeness to words into chances; None where no words are compared.
            test: Whether an item may be shown.
            k: Number of hits wanted.
        """
        held = self._held(channels, test, k)
        self._look_again(channels, vector, calibration, held, k)
        graph = self._associate(channels, test)
        if graph is not None:
            channels.append(graph)
        return self._held(channels, test, k), weights(channels)

    def _held(self, channels: Sequence[Channel], test: Visible, k: int) -> dict[int, float]:
        fused = fuse(channels, weights(channels))
        head = max(HEAD, 4 * k)
        if len(fused) > head:
            fused = {item: fused[item] for item in self.order(fused)[:head]}
        links = next((channel.links for channel in channels if channel.links), None)
        held = support(fused, self._moments, links)
        return {item: round(score, EXACT_ROUND) for item, score in held.items() if test(item)}

    def _look_again(
        self,
        channels: Sequence[Channel],
        vector: np.ndarray | None,
        calibration: tuple[float, float] | None,
        scores: dict[int, float],
        k: int,
    ) -> None:
        """Compare the pictures of what only other channels found: they may be just below the visual pool."""
        visual = next((channel for channel in channels if channel.name == "visual"), None)
        if visual is None or vector is None:
            return
        missing = [i for i in scores if i not in visual.raw and self._moments.moment(i).kind == "moment"]
        for item in sorted(missing, key=lambda item: self._rank(item, scores))[: max(REREAD, 2 * k)]:
            vectors = self._moments.record(item).embeddings
            if vectors is None:
                continue
            cosines = np.asarray(vectors, np.float32) @ vector
            row = int(cosines.argmax())
            visual.raw[item], visual.rows[item] = float(cosines[row]), row
            # Nothing below the pool can stand out from the background.
            visual.chance[item] = (
                calibrated(float(cosines[row]), calibration, visual.count)
                if calibration
                else min(visual.chance.values())
            )

    def _associate(self, channels: Sequence[Channel], test: Visible) -> Channel | None:
        """Texts that the best texts lead to over rare words and time."""
        spoken = [channel for channel in channels if channel.name in ("words", "dense")]
        if not spoken or self._lexicon is None or not len(self._lexicon):
            return None
        fused = fuse(spoken, weights(spoken))
        best = self.order(fused)[:SEEDS]
        seeds = {item: fused[item] for item in best if fused[item] > 0}
        if not seeds:
            return None
        items, shares = spread(seeds, self._lexicon, self._moments.neighbours, self._key)
        count = max(len(self._lexicon), len(items))
        mean = float(shares.sum()) / count
        std = math.sqrt(max(float((shares**2).sum()) / count - mean**2, 1e-18))
        raw = {int(i): float(s) for i, s in zip(items, shares, strict=True) if test(int(i))}
        trust = GRAPH_TRUST * max(channel.trust for channel in spoken)
        return Channel("graph", raw, {}, mean, std, trust)

    def order(self, scores: dict[int, float]) -> list[int]:
        """Items, best first; equal scores in the order of time, then of names: never in the order of arrival."""
        return sorted(scores, key=lambda item: self._rank(item, scores))

    def _key(self, item: int) -> tuple[float, str, int]:
        moment = self._moments.moment(item)
        return moment.stamp_s, moment.record_id.agent_id, moment.record_id.seq

    def _rank(self, item: int, scores: dict[int, float]) -> tuple[float, float, str, int]:
        return (-round(scores[item], EXACT_ROUND), *self._key(item))
