"""Records, the log, its views, recall and sharing; `Memory` is the class that people use."""

from placecell.memory.delta import Delta
from placecell.memory.memory import Memory
from placecell.memory.records import Recollection, Record, RecordId

__all__ = ["Delta", "Memory", "Recollection", "Record", "RecordId"]
