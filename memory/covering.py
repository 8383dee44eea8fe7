"""Set cover with a quality term: as few views as possible that show every object, then the best ones of that number.

Sets are whole numbers, one bit a member, so that thousands of comparisons of sets take a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["bettered", "exchanged", "fewest", "members"]

_NODES: Final = 60  # sets of views that one search looks at; then the best found so far has to do


def members(bits: int) -> Iterator[int]:
    """The numbers in a set, ascending.

    Example:
        >>> list(members(0b1010))
        [1, 3]
    """
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def fewest(shown: Sequence[int], size: int) -> list[int]:
    """Views that together show every object, as few as a bounded search finds.

    What must be chosen, what another view makes needless and what comes along with another object are taken out until
    nothing more can be; what is left falls apart into pieces, and each is solved greedily and then by branch and bound.
    Never more views than the greedy choice on what is left, so that Chvatal's bound holds: at most H(d) times as many
    as there must be, where d is the most objects in one view.

    Args:
        shown: By view, the set of objects that it shows.
        size: Number of objects; each is in some view.

    Returns:
        Indices of views, ascending. The same for the same sets in the same order.

    Example:
        >>> fewest([0b0111, 0b0011, 0b1100, 0b1000], 4)
        [0, 2]

    Source: Chvatal 1979 (greedy bound); the reductions are those of Garfinkel and Nemhauser 1972.
    """
    first: dict[int, int] = {}
    for view, objects in enumerate(shown):
        first.setdefault(objects, view)
    shown = [objects if first[objects] == view else 0 for view, objects in enumerate(shown)]
    seen_in = _turned(shown, size)
    chosen = _reduced(shown, seen_in)
    for piece in _pieces(shown, seen_in):
        chosen += _piece_cover(piece, shown, seen_in)
    return sorted(chosen)


def _turned(shown: Sequence[int], size: int) -> list[int]:
    """By object, the set of views that show it."""
    seen_in = [0] * size
    for view, objects in enumerate(shown):
        bit = 1 << view
        for thing in members(objects):
            seen_in[thing] |= bit
    return seen_in


def _reduced(shown: list[int], seen_in: list[int]) -> list[int]:
    """Shrink both tables in place until no rule applies; returns views that any smallest cover may as well have."""
    chosen: list[int] = []

    def drop_object(thing: int) -> None:
        bit = 1 << thing
        for view in members(seen_in[thing]):
            shown[view] &= ~bit
        seen_in[thing] = 0

    is_changed = True
    while is_changed:
        is_changed = False
        for view, objects in enumerate(shown):  # a view that shows nothing which another one lacks
            others = -1
            for thing in members(objects):
                others &= seen_in[thing]
                if others.bit_count() == 1 and others > 0:
                    break
            else:
                others &= ~(1 << view)
                if objects and any(shown[w] != objects or w < view for w in members(others)):
                    is_changed = True
                    for thing in members(objects):
                        seen_in[thing] &= ~(1 << view)
                    shown[view] = 0
        for thing, views in enumerate(seen_in):  # an object that every view of this one shows too comes along
            if not views:
                continue
            along = -1
            for view in members(views):
                along &= shown[view]
            for other in members(along & ~(1 << thing)):
                if seen_in[other] != views or other > thing:
                    is_changed = True
                    drop_object(other)
        for views in seen_in:  # the only view of an object
            if views and views & (views - 1) == 0:
                is_changed = True
                view = views.bit_length() - 1
                chosen.append(view)
                for thing in list(members(shown[view])):
                    drop_object(thing)
    return chosen


def _pieces(shown: Sequence[int], seen_in: Sequence[int]) -> Iterator[int]:
    """Sets of objects that share no view with each other."""
    left = sum(1 << thing for thing, views in enumerate(seen_in) if views)
    while left:
        piece = edge = left & -left
        while edge:
            views = 0
            for thing in members(edge):
                views |= seen_in[thing]
            reached = 0
            for view in members(views):
                reached |= shown[view]
            edge = reached & ~piece
            piece |= edge
        left &= ~piece
        yield piece


def _greedy(piece: int, shown: Sequence[int], views: Sequence[int]) -> list[int]:
    chosen = []
    while piece:
        view = max(views, key=lambda v: ((shown[v] & piece).bit_count(), -v))
        chosen.append(view)
        piece &= ~shown[view]
    return chosen


def _piece_cover(piece: int, shown: Sequence[int], seen_in: Sequence[int]) -> list[int]:
    found = 0
    for thing in members(piece):
        found |= seen_in[thing]
    best = _greedy(piece, shown, list(members(found)))
    nodes = _NODES

    def apart(left: int) -> int:
        """A lower bound: objects no two of which any view shows together."""
        count = 0
        for thing in sorted(members(left), key=lambda thing: (seen_in[thing].bit_count(), thing)):
            if left >> thing & 1:
                count += 1
                for view in members(seen_in[thing]):
                    left &= ~shown[view]
        return count

    def search(left: int, chosen: list[int]) -> None:
        nonlocal best, nodes
        if not left:
            best = chosen
            return
        if nodes <= 0 or len(chosen) + apart(left) >= len(best):
            return
        nodes -= 1
        thing = min(members(left), key=lambda thing: (seen_in[thing].bit_count(), thing))
        views = sorted(members(seen_in[thing]), key=lambda v: (-(shown[v] & left).bit_count(), v))
        for view in views:
            if len(chosen) + 1 < len(best):
                search(left & ~shown[view], [*chosen, view])

    search(piece, [])
    return best


Quality = Sequence[dict[int, int]]  # by view: how well it shows each object


def exchanged(chosen: Sequence[int], quality: Quality, shown: Sequence[int], seen_in: Sequence[int]) -> list[int]:
    """A cover of the same size, or smaller, after each view in turn was exchanged for the best that can take its place.

    Args:
        chosen: A cover.
        quality: By view, how well it shows each of its objects.
        shown: By view, the set of its objects.
        seen_in: By object, the set of views that show it.

    Returns:
        Views, ascending; the sum over objects of the best quality is no lower than in `chosen`.
    """
    kept = sum(1 << view for view in chosen)
    for view in list(members(kept)):
        others = kept & ~(1 << view)
        able = -1
        for thing in members(shown[view]):
            if not seen_in[thing] & others:  # no one else shows it: who takes this place must
                able &= seen_in[thing]
        if able == -1:
            kept = others
            continue
        best: dict[int, int] = {}

        def gain(view: int, others: int = others, best: dict[int, int] = best) -> int:
            total = 0
            for thing, value in quality[view].items():
                if thing not in best:
                    best[thing] = max((quality[v][thing] for v in members(seen_in[thing] & others)), default=0)
                total += max(0, value - best[thing])
            return total

        swap = max(members(able), key=lambda v: (gain(v), v == view, -v))
        if swap != view:
            kept = others | 1 << swap
    return list(members(kept))


def bettered(chosen: Sequence[int], quality: Quality, seen_in: Sequence[int], worth: float) -> list[int]:
    """The cover and the views that improve it so much that they are worth keeping, best first.

    Args:
        chosen: A cover.
        quality: By view, how well it shows each of its objects.
        seen_in: By object, the set of views that show it.
        worth: Least sum of improvements for which a view is added.

    Returns:
        Views, ascending.
    """
    kept = list(chosen)
    best: dict[int, int] = {}
    for view in kept:
        for thing, value in quality[view].items():
            best[thing] = max(best.get(thing, 0), value)
    gains = [sum(max(0, value - best[thing]) for thing, value in shows.items()) for shows in quality]
    while gains:
        view = max(range(len(gains)), key=lambda v: (gains[v], -v))
        if gains[view] < worth or gains[view] <= 0:
            break
        kept.append(view)
        for thing, value in quality[view].items():
            before = best[thing]
            if value > before:
                best[thing] = value
                for other in members(seen_in[thing]):
                    seen = quality[other][thing]
                    gains[other] -= max(0, seen - before) - max(0, seen - value)
    return sorted(kept)
