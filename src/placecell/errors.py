"""Conditions that a caller may want to handle. Bad arguments raise `ValueError` or `TypeError` instead."""

__all__ = [
    "EncoderMismatchError",
    "MemoryCorruptError",
    "MemoryLockedError",
    "MemoryVersionError",
    "MissingDependencyError",
    "ModelUnavailableError",
    "PlacecellError",
    "ProtocolVersionError",
    "RecordConflictError",
    "ServerError",
    "UnknownRecordError",
    "UnknownWordError",
    "VideoError",
]


class PlacecellError(Exception):
    """Base of every condition below; its message is one line that a person can act on."""


class MissingDependencyError(PlacecellError):
    """An optional dependency is not installed; the message says what to type."""


class ModelUnavailableError(PlacecellError):
    """A model's weights are neither here nor can be fetched; the message says how to get them."""


class EncoderMismatchError(PlacecellError):
    """Vectors of one encoder met a memory that belongs to another."""


class UnknownWordError(PlacecellError):
    """A query holds words that the encoder has never learned."""


class MemoryLockedError(PlacecellError):
    """Another process writes this memory."""


class MemoryCorruptError(PlacecellError):
    """A memory folder is incomplete or damaged."""


class MemoryVersionError(PlacecellError):
    """A memory folder was written by a newer version of Placecell."""


class ProtocolVersionError(PlacecellError):
    """A message speaks a version of the wire format that this Placecell does not know."""


class RecordConflictError(PlacecellError):
    """Two memories wrote different records under one id."""


class UnknownRecordError(PlacecellError, KeyError):
    """No record has this id."""

    __str__ = Exception.__str__  # KeyError would print the message in quotes


class VideoError(PlacecellError):
    """A file is missing, is no video, or holds no frame that decodes."""


class ServerError(PlacecellError):
    """A chat server could not be reached, timed out, or answered nonsense."""
