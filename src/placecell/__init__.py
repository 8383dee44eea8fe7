"""The episodic memory of embodied agents and of long videos."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from placecell.geometry import Camera
    from placecell.memory.delta import Delta
    from placecell.memory.memory import Memory
    from placecell.memory.records import Recollection, Record, RecordId
    from placecell.perception.observation import Observation

__all__ = ["Camera", "Delta", "Memory", "Observation", "Recollection", "Record", "RecordId", "__version__"]

__version__ = "0.1.0"

# Loaded when first asked for, so that `import placecell` and `placecell --help` wait for nothing.
_HOMES = {
    "Camera": "placecell.geometry",
    "Delta": "placecell.memory.delta",
    "Memory": "placecell.memory.memory",
    "Observation": "placecell.perception.observation",
    "Recollection": "placecell.memory.records",
    "Record": "placecell.memory.records",
    "RecordId": "placecell.memory.records",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'placecell' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
