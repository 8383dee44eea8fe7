"""Where a memory lives and whom it belongs to: a folder (or RAM), its one writer, and the encoders of its vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from placecell.errors import EncoderMismatchError, MemoryLockedError, ModelUnavailableError, PlacecellError
from placecell.memory.folder import EncoderName, Header, WriterLock, read_header, write_header
from placecell.perception.observation import Observation

if TYPE_CHECKING:
    from placecell.perception.encoders import Encoder

__all__ = ["GIVEN", "Home", "Role"]

Role = Literal["encoder", "text_encoder"]
GIVEN = "given"  # name of the encoder of a memory that was only ever handed finished vectors


class Home:
    """One memory's folder, header, lock and encoders. Encoders are loaded when something has to be embedded.

    Args:
        folder: Where the memory lives; None for RAM.
        mode: "a" to write, "r" to read.
        encoder: See `placecell.memory.memory.Memory`.
        text_encoder: The same for words.

    Raises:
        PlacecellError: One of its kinds, see `Memory`.
    """

    def __init__(self, folder: Path | None, mode: str, encoder: Any, text_encoder: Any) -> None:
        if mode not in ("a", "r"):
            raise ValueError(f"mode must be 'a' (write) or 'r' (read), got {mode!r}")
        if folder is None and mode == "r":
            raise ValueError("a memory in RAM is always writable: mode 'r' needs a folder")
        self.folder = folder
        self.mode = mode
        self.lock: WriterLock | None = None
        self._encoders: dict[Role, Any] = {"encoder": encoder, "text_encoder": text_encoder}
        self.header = Header()
        if folder is not None:
            self._open(folder)
        try:
            self._check("encoder")
            self._check("text_encoder")
        except EncoderMismatchError:
            self.release()
            raise

    def _open(self, folder: Path) -> None:
        header = read_header(folder)
        if self.mode == "r":
            if header is None:
                raise PlacecellError(f"{folder} holds no memory: check the name, or make one with mode='a'")
        else:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self.lock = WriterLock(folder)
            except OSError as error:
                raise PlacecellError(f"{folder} cannot be written: {error.strerror or error}") from error
            header = read_header(folder)  # again: somebody may have made the memory before this one got the lock
        self.header = header or Header()

    def settle(self) -> None:
        """Write the header of a new memory, once its log exists."""
        if self.folder is not None and self.mode == "a" and read_header(self.folder) is None:
            write_header(self.folder, self.header)

    def refresh(self) -> None:
        """Learn whose vectors these are, if the writer did not know yet when this reader opened the memory."""
        if self.folder is not None and self.mode == "r" and None in (self.header.encoder, self.header.text_encoder):
            self.header = read_header(self.folder) or self.header
            self._check("encoder")
            self._check("text_encoder")

    def release(self) -> None:
        """Let somebody else write."""
        if self.lock is not None:
            self.lock.release()

    def must_write(self) -> None:
        """Raise `MemoryLockedError` if the memory was opened for reading only."""
        if self.mode != "a":
            raise MemoryLockedError(f"{self.folder} was opened with mode 'r': open it with mode='a' to write")

    # --- encoders -----------------------------------------------------------------------------------------------

    def owner(self, role: Role) -> EncoderName | None:
        """The encoder that the memory belongs to; None before its first vector."""
        return self.header.encoder if role == "encoder" else self.header.text_encoder

    def name_of(self, role: Role) -> str | None:
        """Name of the encoder that the memory belongs to."""
        owner = self.owner(role)
        return None if owner is None else owner.name

    def has(self, role: Role) -> bool:
        """Whether such an encoder was asked for, or made vectors of this memory."""
        return self._encoders[role] is not None or self.owner(role) is not None

    def loaded(self, role: Role) -> Encoder | None:
        """The encoder if it is at hand already."""
        found = self._encoders[role]
        return None if isinstance(found, str) else found

    def encoder(self, role: Role) -> Encoder:
        """The encoder, loaded now if it was not yet."""
        found = self._encoders[role]
        if found is None or isinstance(found, str):
            found = self._encoders[role] = self._load(role, found)
            self._check(role)
        encoder: Encoder = found
        return encoder

    def _load(self, role: Role, wanted: str | None) -> Any:
        owner = self.owner(role)
        if wanted not in (None, "auto"):
            spec = str(wanted)
        elif owner is None:
            spec = "auto"
        elif owner.spec:
            spec = owner.spec
        else:
            raise ModelUnavailableError(
                f"{self._where()} belongs to {_words(role)} {owner.name!r}, which cannot be loaded by its name: "
                f"pass it as {role}=..., or query with a vector of {owner.dim} numbers"
            )
        if role == "encoder":
            from placecell.perception.encoders import open_encoder

            return open_encoder(spec)
        from placecell.perception.text_encoder import TextEncoder

        return TextEncoder() if spec == "auto" else TextEncoder(spec)

    def _check(self, role: Role) -> None:
        encoder, owner = self._encoders[role], self.owner(role)
        if encoder is None or owner is None:
            return
        if isinstance(encoder, str):
            if _is_surely_another(encoder, owner):  # nothing need be loaded, or fetched, to know
                raise EncoderMismatchError(
                    f"{self._where()} belongs to {_words(role)} {owner.name!r} ({owner.dim} numbers), "
                    f"not to {encoder!r}: leave the encoder out to use its own, or ingest into another folder"
                )
            return
        if (encoder.name, encoder.dim) != (owner.name, owner.dim):
            raise EncoderMismatchError(
                f"{self._where()} belongs to {_words(role)} {owner.name!r} ({owner.dim} numbers), got {encoder.name!r} "
                f"({encoder.dim}): open it with {owner.name!r}, or ingest into another folder"
            )

    def adopt(self, role: Role, name: str, dim: int, spec: str = "") -> None:
        """Make the memory belong to an encoder, or check that it does.

        The header is on disk before the first vector is, so that no vector is ever of an unknown encoder.
        """
        owner = self.owner(role)
        if owner is None:
            found = {"encoder": self.header.encoder, "text_encoder": self.header.text_encoder}
            found[role] = EncoderName(name, dim, spec)
            header = self.header.with_encoders(**found)
            if self.folder is not None:
                write_header(self.folder, header)
            self.header = header
        elif (owner.name, owner.dim) != (name, dim):
            raise EncoderMismatchError(
                f"{self._where()} belongs to {_words(role)} {owner.name!r} with {owner.dim} numbers a vector, "
                f"got {dim} from {name!r}: use {owner.name!r}, or another folder"
            )

    def _adopt_given(self, dim: int) -> None:
        """Vectors that come with an observation are the memory's own encoder's, as the caller vouches."""
        owner, encoder = self.header.encoder, self._encoders["encoder"]
        if owner is not None:
            if owner.dim != dim:
                self.adopt("encoder", owner.name, dim)
        elif encoder is None:
            self.adopt("encoder", GIVEN, dim)
        else:
            encoder = self.encoder("encoder")
            if encoder.dim != dim:
                raise EncoderMismatchError(
                    f"{self._where()} has encoder {encoder.name!r} of {encoder.dim} numbers a vector, "
                    f"got embeddings of {dim}: give vectors of this encoder"
                )
            self.adopt("encoder", encoder.name, dim, _spec_of(encoder))

    def embed_views(self, batch: Sequence[Observation]) -> list[np.ndarray | None]:
        """Vectors `(v, d)` float16 of each observation, None for words alone; equal sizes are encoded together."""
        found: list[np.ndarray | None] = [None] * len(batch)
        by_size: dict[tuple[int, ...], list[int]] = {}
        for i, observation in enumerate(batch):
            if observation.embeddings is not None:
                self._adopt_given(observation.embeddings.shape[1])
                found[i] = observation.embeddings.astype(np.float16)
            elif observation.rgb is not None:
                by_size.setdefault(np.shape(observation.rgb), []).append(i)
        if by_size:
            from placecell.perception.tiles import encode_moments

            encoder = self.encoder("encoder")
            self.adopt("encoder", encoder.name, encoder.dim, _spec_of(encoder))
            for places in by_size.values():
                images = [rgb for i in places if (rgb := batch[i].rgb) is not None]
                for i, vectors in zip(places, encode_moments(encoder, images), strict=True):
                    found[i] = vectors.astype(np.float16)
        return found

    def embed_texts(self, texts: Sequence[str]) -> list[np.ndarray | None]:
        """Vector `(d_text,)` float16 of each text; None each in a memory without a text encoder."""
        if not texts or not self.has("text_encoder"):
            return [None] * len(texts)
        encoder = self.encoder("text_encoder")
        self.adopt("text_encoder", encoder.name, encoder.dim, _spec_of(encoder))
        return list(encoder.encode_texts(texts).astype(np.float16))

    def _where(self) -> str:
        return "this memory" if self.folder is None else str(self.folder)


def _words(role: str) -> str:
    return role.replace("_", " ")


def _is_surely_another(wanted: str, owner: EncoderName) -> bool:
    """Whether an encoder's name alone shows that it is not the one that made the vectors."""
    if wanted == "auto":
        return False
    if wanted.startswith("open_clip:"):
        model = wanted.partition("/")[0]
        return owner.name.partition("@")[0].partition("/")[0] != model
    return wanted == "builtin" and bool(owner.spec) and owner.spec != "builtin"


def _spec_of(encoder: Any) -> str:
    """By what name or path an encoder can be loaded again; empty for one that only its owner can make."""
    from placecell.perception.encoders import BUILTIN_DIR

    path = getattr(encoder, "path", None)
    if path is not None:
        path = Path(path).resolve()
        return "builtin" if path == Path(BUILTIN_DIR).resolve() else str(path)
    name = str(encoder.name).partition("@")[0]
    if name.startswith("open_clip:"):
        return name
    return name.removeprefix("text:") if name.startswith("text:") else ""
