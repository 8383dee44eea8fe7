"""Parts of a page of results: tables, pictures inside the page, its style."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

__all__ = ["STYLE", "escaped", "html_table", "jpeg_url"]


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain text; nothing if there is no row."""
    if not rows:
        return ""
    top = "".join(f"<th>{escaped(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def jpeg_url(rgb: np.ndarray) -> str:
    """A picture `(h, w, 3)` as the address of an image."""
    data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def escaped(value: str) -> str:
    """A text as HTML shows it."""
    return html.escape(value)


STYLE: Final = """
:root{--ink:#1c2333;--dim:#687086;--line:#e3e6ee;--paper:#fff;--ground:#f5f6fa}
*{box-sizing:border-box}body{margin:0 auto;max-width:1240px;padding:28px;background:var(--ground);color:var(--ink);
font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{margin:0 0 4px;font-size:28px}h2{font-size:17px;margin:0 0 12px}h3{font-size:14px;margin:4px 0 6px;font-weight:600}
header p{margin:0 0 20px;color:var(--dim)}
section{margin-bottom:18px;background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:14px 18px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;margin-bottom:18px}
.figures div{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
.figures b{display:block;font-size:19px}.figures span{color:var(--dim);font-size:12.5px}
.ok{color:#23823b}.bad{color:#c8322f}.two{display:grid;grid-template-columns:1fr 1fr;gap:22px}
svg{width:100%;height:auto;display:block}.plot{max-width:760px}.grid{stroke:#e3e6ee}
.whisker{stroke:#1c2333;stroke-width:1.4}
.level{stroke:#c8322f;stroke-dasharray:5 4}.name{font-size:12px;fill:#4c5468}.tick{font-size:10.5px;fill:#687086}
.value{font-size:10.5px;text-anchor:middle;fill:#1c2333}.legend{margin:2px 0 0;font-size:12.5px;color:var(--dim)}
.legend span{margin-right:16px}.legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px}
table{border-collapse:collapse;width:100%;font-size:13.5px;margin:4px 0 10px}th{text-align:left;color:var(--dim);
font-weight:600;border-bottom:1px solid var(--line);padding:4px 10px 4px 0}td{border-bottom:1px solid #f0f2f7;
padding:3px 10px 3px 0;font-variant-numeric:tabular-nums}
.ways{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:14px}figure{margin:0}
figcaption{font-size:12.5px;color:var(--dim);margin-top:3px}
.way polyline{fill:none;stroke-width:4;stroke-linejoin:round;opacity:.9}.way circle{stroke:#fff;stroke-width:2}
.small,footer{color:var(--dim);font-size:12.5px}summary{cursor:pointer}
.three{display:grid;grid-template-columns:repeat(3,1fr);gap:22px}
.answers{display:grid;grid-template-columns:repeat(auto-fill,minmax(310px,1fr));gap:14px}
.answers article{border:1px solid var(--line);border-radius:8px;padding:10px 12px}.answers p{margin:2px 0}
.answers span{color:var(--dim);font-size:12.5px}
.evidence{display:grid;grid-template-columns:repeat(4,1fr);gap:5px;margin:6px 0}
.evidence img{width:100%;border-radius:4px;display:block}
@media(max-width:900px){.two,.three{grid-template-columns:1fr}}
"""
