"""Records, the log, its views, recall and sharing; `Memory` is the class that people use."""

from placecell.memory.memory import Memory
from placecell.memory.records import Recollection, Record, RecordId
from placecell.memory.sharing import Delta

__all__ = ["Delta", "Memory", "Recollection", "Record", "RecordId"]
