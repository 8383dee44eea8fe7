"""The reading side of a memory: its views, loaded when first needed and kept up to date, and recall from them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from placecell.errors import EncoderMismatchError, MissingDependencyError, ModelUnavailableError
from placecell.memory.folder import SCENE, VIEWS, EncoderName
from placecell.memory.forgetting import folder_bytes
from placecell.memory.holdings import Holdings
from placecell.memory.home import Home, Role
from placecell.memory.log import Log
from placecell.memory.queries import Query
from placecell.memory.recall import Recaller, Recollections
from placecell.memory.records import Record, RecordId
from placecell.memory.retractions import Retractions
from placecell.memory.routing import Ground
from placecell.memory.scene_views import SceneViews
from placecell.memory.views import Views

if TYPE_CHECKING:
    from placecell.memory.forest import Forest
    from placecell.perception.encoders import Encoder

__all__ = ["Answers"]

_UNSAVED = 2000  # records whose views are folded again in less than a second
_VIEW_BYTES = 400  # what the views take of a record besides its vectors
_VIEW_OVERHEAD = 1.2


class Answers:
    """What one memory knows of its log in a form that can be asked.

    Args:
        home: Where the views are put away, and whose encoders embed questions.
        log: The records.
        holdings: Says when tiles were dropped.
    """

    def __init__(self, home: Home, log: Log, holdings: Holdings) -> None:
        self._home, self._log, self._holdings = home, log, holdings
        self._views: Views | None = None
        self._recaller: Recaller | None = None
        self._parts: tuple[Any, ...] = ()
        self._visits: dict[RecordId, tuple[int, float]] = {}
        self.retractions = Retractions(log.retractions())
        self._maps = None if home.folder is None else home.folder / SCENE
        self._scene = SceneViews(log, lambda: self.retractions.hidden(None), self._maps, holdings.scan_generation)

    # --- keeping up ---------------------------------------------------------------------------------------------

    def fold(self, records: Sequence[Record]) -> None:
        """Take note of records that were just written; indexes take them in when they are asked."""
        self.retractions.fold(records)

    def refresh(self) -> bool:
        """Notice what a writer in another process has written; says whether there was anything."""
        if not self._log.refresh():
            return False
        self._home.refresh()
        self.retractions = Retractions(self._log.retractions())
        if self._views is not None and self._views.generation != self._holdings.generation():
            self._views = None  # the writer dropped tiles: fold anew
        return True

    def views(self) -> Views:
        """The views, with everything folded in that the log has."""
        self.refresh()
        if self._views is None:
            generation = self._holdings.generation()
            folder = self._folder
            self._views = Views(self._log, generation) if folder is None else Views.load(self._log, folder, generation)
        self._views.sync()
        return self._views

    def scene(self) -> SceneViews:
        """The views of the space that was seen."""
        self.refresh()
        return self._scene

    def forest(self) -> Forest:
        """The trees over time, and the one over space with all things in it."""
        forest = self.views().forest
        self._scene.fill(forest.space)
        return forest

    def lose_details(self) -> None:
        """Tiles were dropped from the log: let go of the views that hold them, to be folded anew when asked."""
        self._views = None
        self.discard()

    # --- asking -------------------------------------------------------------------------------------------------

    def recall(
        self,
        query: str | Query | np.ndarray,
        *,
        near: tuple[Sequence[float], float] | None,
        between: tuple[float, float] | None,
        agents: Iterable[str] | None,
        labels: Iterable[str] | None,
        as_of: float | None,
        k: int,
        diversify: bool,
    ) -> Recollections:
        """See `placecell.memory.memory.Memory.recall`."""
        _check_query(query, self._home.owner("encoder"))
        views = self.views()
        if not len(views.timeline):
            return Recollections()
        hidden = self.retractions.hidden(as_of)
        recaller, notes = self._recaller_of(views, query)
        hits = recaller.recall(
            query,
            near=near,
            between=between,
            agents=agents,
            labels=labels,
            as_of=as_of,
            k=k,
            diversify=diversify,
            visible=(lambda item: views.timeline.moment(item).record_id not in hidden) if hidden else None,
        )
        hits.notes += notes
        now_s = max(self._log.last_stamp_s(name) for name in self._log.agents())
        for hit in hits:
            self._visits[hit.record_id] = (self._visits.get(hit.record_id, (0, 0.0))[0] + 1, now_s)
        return hits

    def _recaller_of(self, views: Views, query: str | Query | np.ndarray) -> tuple[Recaller, tuple[str, ...]]:
        """What answers the query, and what it cannot search because an encoder is not at hand."""
        notes: list[str] = []
        image_encoder = self._ready("encoder", views.visual, views, query, "pictures were", notes)
        text_encoder = self._ready("text_encoder", views.dense, views, query, "the meaning of texts was", notes)
        parts = (views.timeline, views.visual, views.dense, views.lexicon, image_encoder, text_encoder)
        if self._recaller is None or any(a is not b for a, b in zip(parts, self._parts, strict=True)):
            self._parts = parts
            self._recaller = Recaller(
                views.timeline,
                views.visual,
                views.dense,
                views.lexicon,
                views.forest,
                encoder=None if image_encoder is None else lambda: image_encoder,
                text_encoder=None if text_encoder is None else lambda: text_encoder,
                ground=lambda: Ground(self._scene.fill(views.forest.space), views.timeline.item),
                facts=self._scene.facts if self._log.has_scenes() else None,
                item=views.timeline.item,
            )
        return self._recaller, tuple(notes)

    def _ready(
        self, role: Role, index: object, views: Views, query: str | Query | np.ndarray, what: str, notes: list[str]
    ) -> Encoder | None:
        """The encoder that the query needs for an index; None, and a note, if words are all that can be searched.

        Raises:
            PlacecellError: If there is no encoder and nothing else to search.
        """
        if index is None or (isinstance(query, np.ndarray) and query.dtype != np.uint8):
            return self._home.loaded(role)
        try:
            return self._home.encoder(role)
        except (MissingDependencyError, ModelUnavailableError) as error:
            if isinstance(query, np.ndarray) or not len(views.lexicon):
                raise
            notes.append(f"{what} not searched: {error}")
            return None

    def explain(self, query: str | Query | np.ndarray) -> tuple[str, ...]:
        """How a query is understood, line by line."""
        _check_query(query, self._home.owner("encoder"))
        recaller, notes = self._recaller_of(self.views(), query)
        return (*recaller.explain(query), *notes)

    # --- putting away -------------------------------------------------------------------------------------------

    @property
    def _folder(self) -> Path | None:
        return None if self._home.folder is None else self._home.folder / VIEWS

    def nbytes(self) -> int:
        """Bytes that the views take, or will once they are folded: in RAM, and again where they are put away.

        Reckoned from what the log holds, so that a budget can make room for views before they are there.
        """
        owner = self._home.owner("encoder")
        dim = 0 if owner is None else owner.dim
        foreseen = self._holdings.detail_bytes() + len(self._log) * (2 * dim + _VIEW_BYTES)
        return int(_VIEW_OVERHEAD * foreseen) + self._map_bytes()

    def _map_bytes(self) -> int:
        return 0 if self._maps is None or not self._maps.exists() else folder_bytes(self._maps)

    def store_visits(self) -> None:
        """Put away how often records were recalled; a reader's visits are not kept."""
        if self._visits and self._home.mode == "a":
            self._holdings.add_visits(self._visits)
            self._visits.clear()

    def store(self, max_bytes: int | None = None) -> None:
        """Put away what only saves time: visits, and views that would take a second or longer to fold again.

        Args:
            max_bytes: Cap on the bytes of the whole folder; maps that have no room under it are not put away.
        """
        self.store_visits()
        self._store_maps(max_bytes)
        folder = self._folder
        if folder is None or self._home.mode == "r" or len(self._log) < _UNSAVED:
            return
        if len(self._log) - Views.num_saved(folder, self._holdings.generation()) < _UNSAVED:
            return
        views = self.views()
        with contextlib.suppress(OSError):  # a full disk must not lose what is durable already
            views.save(folder)

    def _store_maps(self, max_bytes: int | None) -> None:
        """Put away the maps that were folded; readers do so too, since they are who asks."""
        if self._maps is None:
            return
        room = None
        if max_bytes is not None and self._home.folder is not None:
            room = (max_bytes - folder_bytes(self._home.folder) + self._map_bytes()) // 2
        self._scene.put_away(room)

    def discard(self) -> None:
        """Delete the views that were put away; they will be folded again."""
        if self._maps is not None:
            shutil.rmtree(self._maps, ignore_errors=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _check_query(query: object, owner: EncoderName | None) -> None:
    if isinstance(query, str) and not query.strip():
        raise ValueError("the question is empty: say what to look for")
    if not isinstance(query, str | Query | np.ndarray):
        raise TypeError(f"a query is words, an image or a vector, got {type(query).__name__}")
    if isinstance(query, np.ndarray) and query.dtype != np.uint8 and owner is not None and query.size != owner.dim:
        raise EncoderMismatchError(
            f"this memory's vectors are of encoder {owner.name!r} with {owner.dim} numbers, got a query of {query.size}"
        )
