"""A self-contained page that shows a walk, the memories of it, and what they answered."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from placecell.clock import format_time

__all__ = ["Card", "Event", "Evidence", "Question", "Report", "render"]

_PALETTE = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#eeca3b")


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A picture that an answer stands on."""

    picture: np.ndarray  # (h, w, 3) uint8
    caption: str
    stamp_s: float
    position_m: tuple[float, float, float] | None = None
    box: tuple[float, float, float, float] | None = None  # left, top, right, bottom as fractions


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """One memory's answer to one question."""

    memory: str
    answer: str
    is_right: bool
    probability: float
    latency_ms: float
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question, what is true, and the answers."""

    text: str
    truth: str
    cards: tuple[Card, ...]
    seen_s: tuple[tuple[float, float], ...] = ()  # when the thing was really in view


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """A stretch of the walk that the memory holds as one."""

    start_s: float
    end_s: float
    picture: np.ndarray | None  # (h, w, 3) uint8


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that the page shows. `path_px` are points of `plan`, one per moment; `plan` is uint8 `(h, w, 3)`."""

    title: str
    lead: str
    plan: np.ndarray
    path_px: np.ndarray
    rooms: Sequence[tuple[str, float, float]]  # name, x and y in pixels of `plan`
    objects_px: Sequence[tuple[str, float, float]]
    duration_s: float
    events: Sequence[tuple[str, Sequence[Event]]]
    questions: Sequence[Question]
    figures: Sequence[tuple[str, str]]
    notes: Sequence[str] = field(default_factory=tuple)


def render(report: Report) -> str:
    """The page as one HTML text with every picture inside it."""
    right = sum(card.is_right for question in report.questions for card in question.cards)
    total = sum(len(question.cards) for question in report.questions)
    figures = "".join(f"<div><b>{_text(value)}</b><span>{_text(name)}</span></div>" for name, value in report.figures)
    questions = "".join(_question(number, question) for number, question in enumerate(report.questions, start=1))
    notes = "".join(f"<li>{_text(note)}</li>" for note in report.notes)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(report.title)}</title><style>{_STYLE}</style></head><body>
<header><h1>{_text(report.title)}</h1><p>{_text(report.lead)}</p></header>
<section class="figures"><div><b>{right} of {total}</b><span>answers right</span></div>{figures}</section>
<section class="two"><div><h2>The house and the walk</h2>{_plan(report)}
<p class="small">Path from <i class="dot" style="background:#2b5dff"></i> start to
<i class="dot" style="background:#ff3b6b"></i> end. A numbered mark is where the camera stood when it saw the evidence
for that question.</p></div>
<div><h2>Timeline of events</h2>{_timeline(report)}
<p class="small">Each block is one event found in the stream of pictures. Below, per question: the green bars are when
the thing was really in view, the marks when each memory says.</p></div></section>
<section><h2>Questions</h2><div class="questions">{questions}</div></section>
<footer><ul>{notes}</ul></footer></body></html>
"""


def _question(number: int, question: Question) -> str:
    cards = "".join(_card(card) for card in question.cards)
    colour = _PALETTE[(number - 1) % len(_PALETTE)]
    return (
        f'<article><h3><i class="num" style="background:{colour}">{number}</i>{_text(question.text)}</h3>'
        f'<p class="truth">truth: {_text(question.truth)}</p><div class="cards">{cards}</div></article>'
    )


def _card(card: Card) -> str:
    pictures = "".join(
        f"<figure><img alt='evidence' src='{_jpeg(_boxed(item))}'>"
        f"<figcaption>{_text(item.caption)}</figcaption></figure>"
        for item in card.evidence
    )
    verdict = '<em class="ok">right</em>' if card.is_right else '<em class="bad">wrong</em>'
    return (
        f'<div class="card"><div class="head"><b>{_text(card.memory)}</b>{verdict}'
        f"<span>p {card.probability:.2f} &middot; {card.latency_ms:.0f} ms</span></div>"
        f"<p>{_text(card.answer)}</p>{pictures}</div>"
    )


def _plan(report: Report) -> str:
    height, width = report.plan.shape[:2]
    points = np.asarray(report.path_px, float)
    pieces = []
    for i in range(len(points) - 1):
        part = i / max(len(points) - 2, 1)
        colour = f"rgb({int(43 + 212 * part)},{int(93 - 34 * part)},{int(255 - 148 * part)})"
        (x0, y0), (x1, y1) = points[i], points[i + 1]
        pieces.append(f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}"/>')
    for name, x, y in report.rooms:
        pieces.append(f'<text class="room" x="{x:.0f}" y="{y:.0f}">{_text(name)}</text>')
    for name, x, y in report.objects_px:
        pieces.append(f'<circle class="thing" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{_text(name)}</title></circle>')
    for number, question in enumerate(report.questions, start=1):
        place = _where(report, question)
        if place is not None:
            colour = _PALETTE[(number - 1) % len(_PALETTE)]
            x, y = place
            pieces.append(f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="10" fill="{colour}"/>')
            pieces.append(f'<text class="marknum" x="{x:.1f}" y="{y + 4:.1f}">{number}</text>')
    return (
        f'<svg class="plan" viewBox="0 0 {width} {height}"><image href="{_png(report.plan)}" width="{width}" '
        f'height="{height}"/><g class="path">{"".join(pieces)}</g></svg>'
    )


def _where(report: Report, question: Question) -> tuple[float, float] | None:
    """Point of the path at the time of the first card's best evidence."""
    for card in question.cards:
        if card.evidence and len(report.path_px):
            part = card.evidence[0].stamp_s / max(report.duration_s, 1e-9)
            x, y = report.path_px[min(int(part * len(report.path_px)), len(report.path_px) - 1)]
            return float(x), float(y)
    return None


def _timeline(report: Report) -> str:
    width, left, row = 720, 86, 58
    scale = (width - left - 8) / max(report.duration_s, 1e-9)
    pieces, y = [], 4
    for name, events in report.events:
        pieces.append(f'<text x="0" y="{y + 26}" class="name">{_text(name)}</text>')
        for i, event in enumerate(events):
            x, w = left + event.start_s * scale, max((event.end_s - event.start_s) * scale, 1.0)
            span = f"{format_time(event.start_s)}-{format_time(event.end_s)}"
            colour = _PALETTE[i % len(_PALETTE)]
            pieces.append(
                f'<rect x="{x:.1f}" y="{y}" width="{max(w - 1, 1):.1f}" height="40" rx="3" fill="{colour}" '
                f'opacity=".35"><title>{span}</title></rect>'
            )
            if event.picture is not None and w > 24:
                side = min(w - 4, 38)
                pieces.append(
                    f'<image href="{_jpeg(event.picture, 60)}" x="{x + 1:.1f}" y="{y + 1}" width="{side:.1f}" '
                    'height="38" preserveAspectRatio="xMidYMid slice"/>'
                )
        y += row - 10
    y += 6
    for number, question in enumerate(report.questions, start=1):
        pieces.append(f'<text x="0" y="{y + 11}" class="name">question {number}</text>')
        pieces.append(f'<line x1="{left}" x2="{width - 8}" y1="{y + 7}" y2="{y + 7}" stroke="#d9dce3"/>')
        for start_s, end_s in question.seen_s:
            w = max((end_s - start_s) * scale, 2.0)
            pieces.append(
                f'<rect x="{left + start_s * scale:.1f}" y="{y + 3}" width="{w:.1f}" height="8" fill="#54a24b" '
                f'opacity=".55"><title>in view {format_time(start_s)}-{format_time(end_s)}</title></rect>'
            )
        for card, colour in zip(question.cards, ("#2b5dff", "#e45756"), strict=False):
            for item in card.evidence[:1]:
                x = left + item.stamp_s * scale
                pieces.append(
                    f'<path d="M{x:.1f} {y + 1}l4 6l-4 6l-4 -6z" fill="{colour}" opacity=".85">'
                    f"<title>{_text(card.memory)}: {format_time(item.stamp_s)}</title></path>"
                )
        y += 18
    for tick in range(0, int(report.duration_s) + 1, 20):
        x = left + tick * scale
        pieces.append(f'<text x="{x:.1f}" y="{y + 14}" class="tick">{tick // 60}:{tick % 60:02d}</text>')
    legend = (
        f'<path d="M{left} {y + 24}l4 6l-4 6l-4 -6z" fill="#2b5dff"/><text x="{left + 8}" y="{y + 34}" class="name">'
        f'live</text><path d="M{left + 60} {y + 24}l4 6l-4 6l-4 -6z" fill="#e45756"/>'
        f'<text x="{left + 68}" y="{y + 34}" class="name">from the video</text>'
    )
    return f'<svg class="timeline" viewBox="0 0 {width} {y + 42}">{"".join(pieces)}{legend}</svg>'


def _boxed(item: Evidence) -> np.ndarray:
    if item.box is None or item.box == (0.0, 0.0, 1.0, 1.0):
        return item.picture
    picture = item.picture.copy()
    height, width = picture.shape[:2]
    left, top, right, bottom = item.box
    corner, opposite = (int(left * width), int(top * height)), (int(right * width) - 1, int(bottom * height) - 1)
    cv2.rectangle(picture, corner, opposite, (255, 214, 0), 2)
    return picture


def _jpeg(rgb: np.ndarray, quality: int = 82) -> str:
    data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def _png(rgb: np.ndarray) -> str:
    data = cv2.imencode(".png", np.ascontiguousarray(rgb[..., ::-1]))[1].tobytes()
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _text(value: str) -> str:
    return html.escape(value)


_STYLE = """
:root{--ink:#1c2333;--dim:#687086;--line:#e3e6ee;--paper:#fff;--ground:#f5f6fa}
*{box-sizing:border-box}body{margin:0 auto;max-width:1240px;padding:28px;background:var(--ground);color:var(--ink);
font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{margin:0 0 4px;font-size:28px}h2{font-size:17px;margin:0 0 12px}h3{font-size:16px;margin:0 0 2px;font-weight:600}
header p{margin:0 0 20px;color:var(--dim);max-width:80ch}section{margin-bottom:22px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px}
.figures div,.two>div,article{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.figures b{display:block;font-size:21px}.figures span{color:var(--dim);font-size:12.5px}
.two{display:grid;grid-template-columns:minmax(0,5fr) minmax(0,7fr);gap:18px}
svg{width:100%;height:auto;display:block}.path line{stroke-width:3;stroke-linecap:round;opacity:.9}
.room{font-size:13px;font-weight:600;text-anchor:middle;fill:#1c2333;paint-order:stroke;stroke:#fff;stroke-width:3px}
.thing{fill:#fff;stroke:#1c2333;stroke-width:1.5}.mark{stroke:#fff;stroke-width:2}
.marknum{font-size:12px;font-weight:700;fill:#fff;text-anchor:middle}
.name{font-size:11.5px;fill:#687086}.tick{font-size:10px;fill:#687086;text-anchor:middle}
.small{color:var(--dim);font-size:12.5px;margin:10px 0 0}
.dot{display:inline-block;width:10px;height:10px;border-radius:5px}
.questions{display:grid;grid-template-columns:repeat(auto-fill,minmax(520px,1fr));gap:16px}
.num{display:inline-block;min-width:22px;height:22px;line-height:22px;border-radius:11px;color:#fff;text-align:center;
font-style:normal;font-size:12.5px;margin-right:8px}.truth{margin:0 0 10px;color:var(--dim);font-size:13px}
.cards{display:grid;grid-template-columns:1fr 1fr;gap:12px}.card{border-top:1px solid var(--line);padding-top:8px}
.head{display:flex;gap:8px;align-items:baseline;font-size:12.5px}.head span{margin-left:auto;color:var(--dim)}
.card p{margin:4px 0 8px}em{font-style:normal;font-weight:600}.ok{color:#23823b}.bad{color:#c8322f}
figure{margin:0 0 8px}figure img{width:100%;border-radius:6px;display:block}
figcaption{font-size:12px;color:var(--dim)}footer{color:var(--dim);font-size:13px}footer ul{padding-left:18px}
@media(max-width:900px){.two,.questions,.cards{grid-template-columns:1fr}}
"""
