"""Plots as SVG text: bars with intervals, lines. Just what result pages need, with nothing to install."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

__all__ = ["COLOURS", "bars", "lines"]

Number = float | int
COLOURS = ("#2b5dff", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#eeca3b")


def bars(
    groups: Sequence[str],
    series: Mapping[str, Sequence[Mapping[str, Number] | None]],
    top: Number = 1.0,
    scale: Number = 1.0,
    unit: str = "",
    colours: Mapping[str, str] | None = None,
) -> str:
    """Bars with 95 % intervals, one group beside the other.

    Args:
        groups: Names below the groups.
        series: By name, one figure (`value`, `low`, `high`) for every group; None leaves a gap.
        top: Value at the upper edge.
        scale: What values are multiplied with before they are written.
        unit: Written behind the numbers of the axis.
        colours: By name of the series.

    Example:
        >>> bars(["all"], {"ours": [{"value": 0.9, "low": 0.8, "high": 1.0}]}).startswith("<svg")
        True
    """
    width, height, left, bottom, head = 620, 240, 44, 26, 12
    plot_w, plot_h = width - left - 6, height - bottom - head
    pieces = _axis(left, head, plot_w, plot_h, top, scale, unit)
    group_w = plot_w / max(len(groups), 1)
    bar_w = min(34.0, 0.82 * group_w / max(len(series), 1))

    def y_of(value: Number) -> float:
        return head + plot_h * (1 - min(max(value, 0.0), top) / top)

    for g, group in enumerate(groups):
        middle = left + (g + 0.5) * group_w
        pieces.append(
            f'<text class="name" text-anchor="middle" x="{middle:.1f}" y="{height - 8}">{_text(group)}</text>'
        )
        for s, (name, figures) in enumerate(series.items()):
            figure = figures[g]
            if figure is None:
                continue
            x = middle + (s - len(series) / 2) * bar_w
            colour = (colours or {}).get(name, COLOURS[s % len(COLOURS)])
            y, low, high = (y_of(figure[key]) for key in ("value", "low", "high"))
            words = f"{name}, {group}: {figure['value'] * scale:.3g}{unit}"
            words += f" [{figure['low'] * scale:.3g}, {figure['high'] * scale:.3g}]"
            pieces.append(
                f'<rect x="{x + 1:.1f}" y="{y:.1f}" width="{bar_w - 2:.1f}" height="{head + plot_h - y:.1f}" rx="2" '
                f'fill="{colour}" opacity=".85"><title>{_text(words)}</title></rect>'
                f'<path class="whisker" d="M{x + bar_w / 2:.1f} {low:.1f}V{high:.1f}"/>'
            )
            if bar_w >= 22:
                pieces.append(
                    f'<text class="value" x="{x + bar_w / 2:.1f}" y="{max(high - 3, 9):.1f}">'
                    f"{figure['value'] * scale:.3g}</text>"
                )
    return f'<svg class="plot" viewBox="0 0 {width} {height}">{"".join(pieces)}</svg>' + _legend(list(series), colours)


def lines(
    series: Mapping[str, Sequence[tuple[Number, Number]]],
    x_name: str,
    y_name: str,
    top: Number | None = None,
    level: Number | None = None,
    colours: Mapping[str, str] | None = None,
) -> str:
    """Lines through points.

    Args:
        series: Points (x, y) by name.
        x_name: Below the plot.
        y_name: Above the axis.
        top: Value at the upper edge; from the points if not given.
        level: Where a dashed line goes.
        colours: By name of the series.
    """
    width, height, left, bottom, head = 620, 260, 52, 38, 20
    plot_w, plot_h = width - left - 12, height - bottom - head
    points = [point for part in series.values() for point in part]
    right = max((x for x, _ in points), default=1.0) or 1.0
    top = top or 1.08 * max((y for _, y in points), default=1.0) or 1.0
    pieces = _axis(left, head, plot_w, plot_h, top, 1.0, "")
    step = _nice(right / 6)
    for i in range(int(right / step) + 1):
        x = left + plot_w * i * step / right
        pieces.append(f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{height - 22}">{i * step:g}</text>')
    pieces.append(f'<text class="name" text-anchor="end" x="{width - 12}" y="{height - 6}">{_text(x_name)}</text>')
    pieces.append(f'<text class="name" x="{left}" y="12">{_text(y_name)}</text>')
    if level is not None:
        y = head + plot_h * (1 - level / top)
        pieces.append(f'<path class="level" d="M{left} {y:.1f}h{plot_w}"/>')
    for s, (name, part) in enumerate(series.items()):
        colour = (colours or {}).get(name, COLOURS[s % len(COLOURS)])
        way = " ".join(
            f"{left + plot_w * x / right:.1f},{head + plot_h * (1 - min(y, top) / top):.1f}" for x, y in part
        )
        pieces.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
    legend = _legend(list(series), colours) if len(series) > 1 else ""
    return f'<svg class="plot" viewBox="0 0 {width} {height}">{"".join(pieces)}</svg>' + legend


def _axis(
    left: Number, head: Number, plot_w: Number, plot_h: Number, top: Number, scale: Number, unit: str
) -> list[str]:
    pieces = []
    step = _nice(top * scale / 5) / scale
    for i in range(int(top / step + 1e-9) + 1):
        y = head + plot_h * (1 - i * step / top)
        pieces.append(f'<path class="grid" d="M{left} {y:.1f}h{plot_w}"/>')
        label = f"{i * step * scale:g}{unit}"
        pieces.append(f'<text class="tick" text-anchor="end" x="{left - 5}" y="{y + 3.5:.1f}">{label}</text>')
    return pieces


def _nice(value: Number) -> float:
    """The next of 1, 2, 5, 10, 20, ..."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= value - 1e-12)


def _legend(names: Sequence[str], colours: Mapping[str, str] | None) -> str:
    items = (
        f'<span><i style="background:{(colours or {}).get(name, COLOURS[i % len(COLOURS)])}"></i>{_text(name)}</span>'
        for i, name in enumerate(names)
    )
    return f'<p class="legend">{"".join(items)}</p>'


def _text(value: str) -> str:
    return html.escape(value)
