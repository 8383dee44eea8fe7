"""A self-contained page that shows what an agent did in a house, what it keeps of it, and what that answers."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from placecell.clock import format_time
from placecell.demo_map import Layer, Point, draw
from placecell.report_parts import Branch, Card, Evidence, GoalCard, Growth, Question, Report, Shot

__all__ = ["render"]

_PALETTE = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#eeca3b")


def render(report: Report) -> str:
    """The page as one HTML text with every picture inside it."""
    asked = [*report.questions, *([report.moved.question] if report.moved and report.moved.question else [])]
    cards = [card for question in asked for card in question.cards]
    heads = [
        (f"{sum(goal.is_right for goal in report.goals)} of {len(report.goals)}", "goals found"),
        (f"{int(report.moved is not None and report.moved.is_right)} of 1", "moved things noticed"),
        (f"{sum(card.is_right for card in cards)} of {len(cards)}", "answers right"),
        *((value, name) for name, value in report.figures),
    ]
    figures = "".join(f"<div><b>{_text(value)}</b><span>{_text(name)}</span></div>" for value, name in heads)
    questions = "".join(_question(number, question) for number, question in enumerate(report.questions, start=1))
    notes = "".join(f"<li>{_text(note)}</li>" for note in report.notes)
    goals = "".join(_goal(report, number, goal) for number, goal in enumerate(report.goals, start=1))
    shots = "".join(_shot(shot) for shot in report.shots)
    growth = "".join(_growth(report, each) for each in report.growth)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(report.title)}</title><style>{_STYLE}</style></head><body>
<header><h1>{_text(report.title)}</h1><p>{_text(report.lead)}</p></header>
<section class="figures">{figures}</section>
<section class="two"><div><h2>The map that the agent made</h2>{draw(report.drawn)}{_LEGEND}</div>
<div><h2>How it grew</h2><div class="growth">{growth}</div></div></section>
<section><h2>Three goals, looked for with the same memory</h2><div class="three">{goals}</div></section>
{_moved(report)}
<section class="box"><h2>Snapshots: the fewest views that show every thing</h2>
<div class="shots">{shots}</div></section>
<section class="box"><h2>The forest</h2>{_tree(report.branches)}</section>
<section class="two even"><div><h2>The walk</h2>{_walk(report)}
<p class="small">Path from <i class="dot" style="background:#2b5dff"></i> start to
<i class="dot" style="background:#ff3b6b"></i> end. A numbered mark is where the camera stood when it saw the evidence
for that question.</p></div>
<div><h2>Timeline of events</h2>{_timeline(report)}
<p class="small">Each block is one event found in the stream of pictures; above them, the tree over time that holds
them. Below, per question: the green bars are when the thing was really in view, the marks when each memory
says.</p></div></section>
<section><h2>Questions</h2><div class="questions">{questions}</div></section>
<footer><ul>{notes}</ul></footer></body></html>
"""


def _growth(report: Report, growth: Growth) -> str:
    drawn = growth.drawn
    told = ", ".join(
        (
            f"{drawn.floor_m2:.0f} m² of floor",
            _number(len(drawn.rooms), "room"),
            _number(len(drawn.frontiers), "frontier"),
        )
    )
    picture = draw(drawn, [Layer(growth.way)], with_names=False, window=report.drawn)
    return f"<figure>{picture}<figcaption>{_clock(growth.stamp_s)}: {told}</figcaption></figure>"


def _goal(report: Report, number: int, goal: GoalCard) -> str:
    asked = (
        f"<p class='asked'>&ldquo;{_text(goal.text)}&rdquo;</p>"
        if goal.image is None
        else f"<p class='asked'><img alt='the picture that it was given' src='{_jpeg(goal.image)}'></p>"
    )
    facts = "".join(f"<div><b>{_text(value)}</b><span>{_text(name)}</span></div>" for name, value in goal.facts)
    stop = f"<figure><img alt='what it stopped at' src='{_jpeg(_boxed(goal.stop))}'>"
    layers = [
        Layer(goal.shortest, "shortest", colour="#23823b"),
        Layer(goal.way, "way"),
        Layer(goal.way[:1], "mark", "S", "#2b5dff"),
        Layer(goal.way[-1:], "mark", str(number), "#e0245e"),
    ]
    plain = replace(report.drawn, views=(), things=(), frontiers=())
    return (
        f"<article><h3><i class='num'>{number}</i>by {_text(goal.kind)}{_verdict(goal.is_right, 'found', 'not found')}"
        f"</h3><div class='pair'>{asked}{stop}<figcaption>{_text(goal.stop.caption)}</figcaption></figure></div>"
        f"{draw(plain, layers)}<div class='facts'>{facts}</div>"
        f"<p class='small'>{_text(goal.reason)}. Truth: {_text(goal.truth)}.</p></article>"
    )


def _moved(report: Report) -> str:
    moved = report.moved
    if moved is None:
        return ""
    shown = "".join(
        "<figure><p class='none'>no picture</p></figure>"
        if item is None
        else f"<figure><img alt='{when}' src='{_jpeg(_boxed(item))}'><figcaption>{when}: {_text(item.caption)}"
        "</figcaption></figure>"
        for when, item in (("before", moved.before), ("after", moved.after))
    )
    false = "".join(f"<li>{_text(line)}</li>" for line in moved.others)
    wrong = f"<p class='small'>It also tells, wrongly:</p><ul class='small'>{false}</ul>" if false else ""
    layers = [Layer(moved.way, "faint"), Layer(moved.arrow, "arrow", colour="#e0245e")]
    plain = replace(report.drawn, views=(), things=(), frontiers=())
    asked = ""
    if moved.question is not None:
        card = moved.question.cards[0]
        asked = (
            f"<p><b>{_text(moved.question.text)}</b><br>{_text(card.answer)}{_verdict(card.is_right, 'right', 'wrong')}"
            "</p>"
        )
    return (
        f"<section class='box'><h2>One thing was moved while it was away"
        f"{_verdict(moved.is_right, 'noticed', 'not noticed')}</h2><div class='moved'><div><p class='asked'>"
        f"{_text(moved.said)}</p><p class='small'>Truth: {_text(moved.truth)}.</p>{asked}{wrong}</div>"
        f"<div>{draw(plain, layers)}</div>{shown}</div></section>"
    )


def _shot(shot: Shot) -> str:
    picture = shot.picture.copy()
    for box in shot.boxes:
        picture = _boxed(Evidence(picture, "", 0.0, box=box))
    return (
        f"<figure><img alt='snapshot {shot.number}' src='{_jpeg(picture)}'><figcaption><i class='num'>{shot.number}</i>"
        f"{_text(', '.join(shot.names))}</figcaption></figure>"
    )


def _tree(branches: Sequence[Branch]) -> str:
    total = sum(count for branch in branches for _, count in branch.leaves)
    rooms = "".join(
        f"<li><div class='node'><b>{_text(branch.name)}</b><span>{_text(branch.line)}</span></div><p>"
        + "".join(
            f"<i class='leaf'>{_text(name)}{f' <b>{count}</b>' if count > 1 else ''}</i>"
            for name, count in branch.leaves
        )
        + "</p></li>"
        for branch in branches
    )
    return (
        f"<div class='tree'><div class='node root'><b>the house</b><span>{_number(total, 'thing')} in "
        f"{_number(len(branches), 'part')}</span></div><ul>{rooms}</ul></div>"
    )


def _walk(report: Report) -> str:
    layers = [Layer(report.way, "trail")]
    for number, question in enumerate(report.questions, start=1):
        place = _where(report, question)
        if place is not None:
            layers.append(Layer([place], "mark", str(number), _PALETTE[(number - 1) % len(_PALETTE)]))
    return draw(replace(report.drawn, views=(), things=(), frontiers=()), layers)


def _where(report: Report, question: Question) -> Point | None:
    """Point of the way at the time of the first card's best evidence."""
    for card in question.cards:
        if card.evidence and len(report.way):
            part = card.evidence[0].stamp_s / max(report.duration_s, 1e-9)
            return report.way[min(int(part * len(report.way)), len(report.way) - 1)]
    return None


def _verdict(is_right: bool, good: str, bad: str) -> str:
    return f'<em class="ok">{good}</em>' if is_right else f'<em class="bad">{bad}</em>'


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _clock(stamp_s: float) -> str:
    return f"{int(stamp_s) // 60}:{int(stamp_s) % 60:02d}"


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


def _timeline(report: Report) -> str:
    width, left, row = 720, 86, 58
    scale = (width - left - 8) / max(report.duration_s, 1e-9)
    pieces, y = [], 4
    for number, level in enumerate(report.levels):
        title = "the walk" if number == 0 and len(level) == 1 else "episodes"
        pieces.append(f'<text x="0" y="{y + 12}" class="name">{title}</text>')
        for i, (start_s, end_s, count) in enumerate(level):
            x, w = left + start_s * scale, max((end_s - start_s) * scale - 2, 2.0)
            pieces.append(
                f'<rect x="{x:.1f}" y="{y}" width="{w:.1f}" height="16" rx="3" fill="{_PALETTE[i % len(_PALETTE)]}" '
                f'opacity=".55"><title>{format_time(start_s)}-{format_time(end_s)}, {count} moments</title></rect>'
            )
        y += 20
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


def _text(value: str) -> str:
    return html.escape(value)


_LEGEND = """<p class="small legend"><i class="dot" style="background:#fff;border:2px solid #1c2333"></i> thing
<i class="dot" style="background:#2f9e8f"></i> snapshot and where it looks
<i class="dot square" style="background:#fff;border:2px solid #8a5a00"></i> door
<i class="dot" style="background:none;border:3px solid #f58518"></i> frontier
<i class="dot square" style="background:#343c50"></i> wall
<i class="dot square" style="background:#b0b6c4"></i> furniture
<i class="dot square" style="background:#e9ebf1;border:1px solid #c5cad8"></i> not seen. Rooms are cut and named by the
agent; names that found no room beside their dot show when the mouse is over it.</p>"""

_STYLE = """
:root{--ink:#1c2333;--dim:#687086;--line:#e3e6ee;--paper:#fff;--ground:#f5f6fa}
*{box-sizing:border-box}body{margin:0 auto;max-width:1240px;padding:28px;background:var(--ground);color:var(--ink);
font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{margin:0 0 4px;font-size:28px}h2{font-size:17px;margin:0 0 12px}h3{font-size:16px;margin:0 0 2px;font-weight:600}
header p{margin:0 0 20px;color:var(--dim);max-width:100ch}section{margin-bottom:22px}
.figures{display:grid;grid-template-columns:repeat(9,minmax(0,1fr));gap:12px}
.figures div,.two>div,article,.box{background:var(--paper);border:1px solid var(--line);border-radius:10px;
padding:14px 16px}.figures div{padding:12px}
.figures b{display:block;font-size:19px;white-space:nowrap}.figures span{color:var(--dim);font-size:12.5px}
.two{display:grid;grid-template-columns:minmax(0,9fr) minmax(0,3fr);gap:18px}.two.even{grid-template-columns:1fr 1fr}
svg{width:100%;height:auto;display:block}.map{border-radius:6px}
.map .way,.map .shortest,.map .arrow,.map .faint{fill:none;stroke-width:6;stroke-linecap:round;stroke-linejoin:round}
.map .shortest{stroke-width:10;opacity:.45}.map .faint{stroke-width:4;opacity:.3}.map .arrow{stroke-width:7}
.map .trail{stroke-width:5;stroke-linecap:round;opacity:.9}
.map .room{font-size:20px;font-weight:700;text-anchor:middle;fill:#1c2333;letter-spacing:.5px;paint-order:stroke;
stroke:#fff;stroke-width:5px;stroke-linejoin:round}
.map .label{font-size:15px;fill:#28304a;paint-order:stroke;stroke:#fff;stroke-width:3.5px;stroke-opacity:.85}
.map .thing{fill:#fff;stroke:#1c2333;stroke-width:2.5}.map .door{fill:#fff;stroke:#8a5a00;stroke-width:4}
.map .frontier{fill:none;stroke:#f58518;stroke-width:6}
.map .view path{fill:#2f9e8f;opacity:.28}.map .view circle{fill:#2f9e8f}
.map .view text{font-size:12.5px;font-weight:700;fill:#fff;text-anchor:middle}
.map .mark{stroke:#fff;stroke-width:3}.map .marknum{font-size:20px;font-weight:700;fill:#fff;text-anchor:middle}
.growth{display:grid;gap:10px}.growth figure{margin:0}.growth .room{font-size:34px}.growth .way{stroke-width:9}
.growth .frontier{stroke-width:11}
.name{font-size:11.5px;fill:#687086}.tick{font-size:10px;fill:#687086;text-anchor:middle}
.small{color:var(--dim);font-size:12.5px;margin:10px 0 0}ul.small{margin-top:2px;padding-left:18px}
.dot{display:inline-block;width:11px;height:11px;border-radius:6px;vertical-align:-1px;margin-left:8px}
.dot.square{border-radius:3px}.legend .dot:first-child{margin-left:0}
.three{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:18px}
.three .room{font-size:30px}.three .map{margin:8px 0}.three .way{stroke-width:9}.three .shortest{stroke-width:16}
.three .mark{r:26px}.three .marknum{font-size:30px;transform:translateY(3px)}
.three .num{background:#e0245e}.pair{display:grid;grid-template-columns:1fr 1fr;gap:12px;align-items:center}
.asked{font-size:17px;margin:6px 0}.asked img{width:100%;border-radius:6px;display:block}
.facts{display:grid;grid-template-columns:repeat(4,1fr);gap:6px}.facts b{display:block;font-size:15px}
.facts span{color:var(--dim);font-size:11.5px}
.moved{display:grid;grid-template-columns:3fr 4fr 3fr 3fr;gap:18px;align-items:start}.none{color:var(--dim)}
.moved .room{font-size:26px}
.shots{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px}
.shots .num{background:#2f9e8f;min-width:19px;height:19px;line-height:19px;font-size:11.5px;margin-right:5px}
.tree{display:grid;grid-template-columns:150px 1fr;align-items:center}
.tree ul{list-style:none;margin:0;padding:0 0 0 26px;border-left:2px solid #c5cad8}
.tree li{display:grid;grid-template-columns:190px 1fr;gap:14px;align-items:center;position:relative;padding:5px 0}
.tree li:before{content:"";position:absolute;left:-26px;top:50%;width:24px;border-top:2px solid #c5cad8}
.tree p{margin:0;line-height:1.9}.node{border:1px solid #c5cad8;border-radius:8px;padding:5px 10px;background:#f8f9fc}
.node b,.node span{display:block}.node span{color:var(--dim);font-size:12px}.root{margin-right:14px}
.leaf{display:inline-block;font-style:normal;font-size:12.5px;background:#eef1f7;border-radius:9px;padding:0 9px;
margin:1px 4px 1px 0}
.questions{display:grid;grid-template-columns:repeat(auto-fill,minmax(520px,1fr));gap:16px}
.num{display:inline-block;min-width:22px;height:22px;line-height:22px;border-radius:11px;color:#fff;text-align:center;
font-style:normal;font-size:12.5px;margin-right:8px}.truth{margin:0 0 10px;color:var(--dim);font-size:13px}
.cards{display:grid;grid-template-columns:1fr 1fr;gap:12px}.card{border-top:1px solid var(--line);padding-top:8px}
.head{display:flex;gap:8px;align-items:baseline;font-size:12.5px}.head span{margin-left:auto;color:var(--dim)}
.card p{margin:4px 0 8px}em{font-style:normal;font-weight:600}.ok{color:#23823b}.bad{color:#c8322f}
h2 em,h3 em,p em{margin-left:10px}
figure{margin:0 0 8px}figure img{width:100%;border-radius:6px;display:block}
figcaption{font-size:12px;color:var(--dim)}footer{color:var(--dim);font-size:13px}footer ul{padding-left:18px}
@media(max-width:900px){.figures{grid-template-columns:repeat(3,1fr)}
.two,.two.even,.three,.moved,.questions,.cards,.tree,.tree li{grid-template-columns:1fr}}
"""
