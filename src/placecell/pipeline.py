"""Stages that work at the same time: each in a thread of its own, with a bounded number of items between them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

__all__ = ["Stopwatch", "ahead", "in_batches"]

T = TypeVar("T")
_POLL_S = 0.1  # how soon a stage that waits notices that nobody wants its items any more


class _End:
    """Marks the end of a stage's items, and why it ended early if it did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """The same items in the same order, made in a thread of their own while the caller works on earlier ones.

    What the thread does outside of Python's lock (decoding, encoding) runs at the same time as the caller. Leaving the
    loop early, or an error in it, stops the thread and closes `items`; an error in `items` is raised here.

    Args:
        items: What makes them; used in the thread only.
        depth: Most items that wait; bounds the memory.

    Raises:
        ValueError: If `depth` is less than 1.

    Example:
        >>> list(ahead(x * x for x in range(4)))
        [0, 1, 4, 9]
    """
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    waiting: queue.Queue[Any] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(item: object) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=_POLL_S)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        end = _End()
        try:
            iterator = iter(items)
            try:
                for item in iterator:
                    if not put(item):
                        return
            finally:
                if (close := getattr(iterator, "close", None)) is not None:
                    close()  # a generator may hold another stage's thread: it is stopped too
        except BaseException as error:  # handed to the caller, who raises it
            end = _End(error)
        finally:
            put(end)

    thread = threading.Thread(target=work, name="placecell-stage", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stop.set()
        thread.join()


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one of what is left.

    Example:
        >>> list(in_batches("abcde", 2))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class Stopwatch:
    """Adds up what the stages of a pipeline take; stages overlap, so that the sum may exceed the whole.

    Example:
        >>> watch = Stopwatch()
        >>> watch.timed("square", lambda x: x * x, 3)
        9
        >>> list(watch.seconds)
        ['square']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, stage: str, work: Callable[..., T], *arguments: Any) -> T:
        """Result of `work(*arguments)`, its time added to the stage's."""
        began = time.perf_counter()
        try:
            return work(*arguments)
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began

    def each(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """The same items; the time until each of them comes is added to the stage's."""
        iterator = iter(items)
        try:
            while (item := self.timed(stage, next, iterator, None)) is not None:
                yield item
        finally:
            if (close := getattr(iterator, "close", None)) is not None:
                close()
