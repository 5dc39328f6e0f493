"""The report of a training on a table: one page of HTML without scripts or anything from outside."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backpass._replacing import replacing
from backpass._types import Array
from backpass.tables._columns import is_missing, text_of
from backpass.tools._tables import Outcome

STYLE = """
:root { --ink: #1c1c1c; --paper: #ffffff; --faint: #d9d9d9; --mark: #1f6fb2; --other: #b25b1f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #161616; --faint: #444444; --mark: #6db3ee; --other: #eea36d; }
}
@media print { :root { --ink: #000000; --paper: #ffffff; --faint: #bbbbbb; --mark: #1f6fb2; --other: #b25b1f; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 52rem;
       margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; break-after: avoid; }
table { border-collapse: collapse; break-inside: avoid; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--faint); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { overflow-wrap: anywhere; } .warning { border-left: 4px solid var(--other); padding-left: .7rem; }
svg { max-width: 100%; height: auto; break-inside: avoid; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
"""
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 260, 60, 34


def write(path: Path, outcome: Outcome) -> None:
    """Writes the page; an existing one is replaced."""
    with replacing(path) as whole:
        Path(whole).write_text(page(outcome), encoding="utf-8")


def page(outcome: Outcome) -> str:
    """The whole page as text."""
    title = f"{outcome.target.name} of {Path(outcome.data).name}"
    parts = [
        f"<h1>{_safe(title)}</h1>",
        _summary(outcome),
        "<h2>How good</h2>",
        _scores(outcome),
        _predictions(outcome),
        "<h2>What matters most</h2>",
        f"<p>By how much {outcome.score} of the held-out rows falls where a column is shuffled (Breiman 2001).</p>",
        _bars(outcome.importances),
        "<h2>Training</h2>",
        "<p>The loss after each epoch: of the rows trained on, and of those by which training ended.</p>",
        _curves([("trained on", outcome.history["loss"]), ("held out", outcome.history["val_loss"])]),
        "<h2>Columns</h2>",
        _columns(outcome),
        "<h2>Again</h2>",
        f"<p><code>{_safe(outcome.command)}</code></p>",
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{_safe(title)}</title>'
    body = "".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>{body}</body></html>\n'


def _safe(text: object) -> str:
    return html.escape(str(text))


def _table(header: Sequence[str], rows: Sequence[Sequence[object]], words: int = 1) -> str:
    """The first `words` columns are aligned to the left."""

    def line(cells: Sequence[object], tag: str) -> str:
        made = (f"<{tag}{'' if i < words else ' class=number'}>{_safe(cell)}</{tag}>" for i, cell in enumerate(cells))
        return f"<tr>{''.join(made)}</tr>"

    return f"<table>{line(header, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def _summary(outcome: Outcome) -> str:
    held_out = int(outcome.held_out.sum())
    kind = f"{len(outcome.target.classes)} classes" if outcome.target.is_class else "a number"
    text = (
        f"<p>{outcome.rows} rows; <b>{_safe(outcome.target.name)}</b> is {kind}. {held_out} rows were held out "
        f"({_safe(outcome.split)}), and all scores below are of these. Trained in {outcome.seconds:.1f} seconds.</p>"
    )
    return text + "".join(f'<p class="warning">{_safe(warning)}</p>' for warning in outcome.warnings)


def _scores(outcome: Outcome) -> str:
    names = list(next(iter(outcome.scores.values())))
    rows = [(model, *(f"{found[name]:.4f}" for name in names)) for model, found in outcome.scores.items()]
    return _table(("model", *names), rows) + (
        "<p><i>linear</i> is the same without hidden layers; <i>trivial</i> predicts the same for every row.</p>"
    )


def _predictions(outcome: Outcome) -> str:
    wanted = outcome.values[outcome.held_out]
    if outcome.target.is_class:
        return _confusion(outcome, wanted)
    points = np.column_stack([wanted.astype(np.float64), outcome.predicted[:, 0]])[:800]
    return "<h2>Predicted against true values</h2>" + _scatter(points)


def _confusion(outcome: Outcome, wanted: Array, most: int = 12) -> str:
    classes = outcome.target.classes
    if len(classes) > most:
        return f"<p>{len(classes)} classes are too many for a table of confusions.</p>"
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (outcome.target.encode(wanted), outcome.predicted.argmax(axis=1)), 1)
    rows = [(label, *row) for label, row in zip(classes, counts, strict=True)]
    return (
        "<h2>What is taken for what</h2>"
        + _table(("true, down; predicted, across", *map(str, classes)), rows)
        + _reliability(outcome, wanted)
    )


def _reliability(outcome: Outcome, wanted: Array) -> str:
    """Whether probabilities can be believed, in tenths."""
    sure, right = outcome.predicted.max(axis=1), outcome.predicted.argmax(axis=1) == outcome.target.encode(wanted)
    rows = []
    for low in np.arange(0, 1, 0.1):
        those = (sure >= low) & ((sure < low + 0.1) | (low > 0.85))
        if those.any():
            share = f"{right[those].mean():.0%}"
            rows.append((f"{low:.0%} to {low + 0.1:.0%}", int(those.sum()), f"{sure[those].mean():.0%}", share))
    header = ("how sure of the likeliest class", "rows", "sure on average", "right")
    return "<h2>Can probabilities be believed</h2>" + _table(header, rows)


def _bars(lost: dict[str, float], most: int = 15) -> str:
    shown = list(lost.items())[:most]
    longest = max([value for _, value in shown] + [1e-12])
    high = 22 * len(shown) + 8
    parts = []
    for i, (name, value) in enumerate(shown):
        y, width = 22 * i + 4, max(0.0, 380 * value / longest)
        parts.append(
            f'<text x="190" y="{y + 13}" text-anchor="end">{_safe(name[:28])}</text>'
            f'<rect x="200" y="{y}" width="{width:.1f}" height="16" fill="var(--mark)"/>'
            f'<text x="{205 + width:.1f}" y="{y + 13}">{value:.3f}</text>'
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {high}" width="{WIDTH}" role="img" aria-label="importances">{"".join(parts)}</svg>'
    )


def _frame(low: Array, high: Array, labels: tuple[str, str]) -> str:
    """Axes, with the least and the greatest value at their ends."""
    bottom = HEIGHT - BOTTOM
    return (
        f'<path d="M{LEFT} 10 V{bottom} H{WIDTH - 10}" fill="none" stroke="var(--faint)"/>'
        f'<text x="{LEFT - 6}" y="20" text-anchor="end">{high[1]:.4g}</text>'
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">{low[1]:.4g}</text>'
        f'<text x="{LEFT}" y="{bottom + 16}">{low[0]:.4g}</text>'
        f'<text x="{WIDTH - 10}" y="{bottom + 16}" text-anchor="end">{high[0]:.4g}</text>'
        f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 4}" text-anchor="middle">{_safe(labels[0])}</text>'
        f'<text x="{LEFT + 8}" y="20">{_safe(labels[1])}</text>'
    )


def _placed(points: Array, low: Array, high: Array) -> Array:
    span = np.where(high > low, high - low, 1)
    part = (points - low) / span
    return np.column_stack(
        [LEFT + part[:, 0] * (WIDTH - 10 - LEFT), HEIGHT - BOTTOM - part[:, 1] * (HEIGHT - BOTTOM - 10)]
    )


def _svg(content: str, label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{label}">{content}</svg>'


def _curves(curves: Sequence[tuple[str, Sequence[float]]]) -> str:
    lines = [(name, np.column_stack([np.arange(1, len(values) + 1), values])) for name, values in curves]
    everything = np.concatenate([points for _, points in lines])
    everything = everything[np.isfinite(everything).all(axis=1)]
    low, high = everything.min(axis=0), everything.max(axis=0)
    parts = [_frame(low, high, ("epoch", "loss"))]
    for i, (name, points) in enumerate(lines):
        colour = ("var(--mark)", "var(--other)")[i]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in _placed(points[np.isfinite(points).all(axis=1)], low, high))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - 110}" y="{24 + 18 * i}" style="fill:{colour}">{_safe(name)}</text>')
    return _svg("".join(parts), "the loss by epoch")


def _scatter(points: Array) -> str:
    low, high = np.full(2, points.min()), np.full(2, points.max())
    ends = _placed(np.array([low, high]), low, high)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in _placed(points, low, high))
    (x0, y0), (x1, y1) = ends
    line = f'<path d="M{x0:.1f} {y0:.1f} L{x1:.1f} {y1:.1f}" stroke="var(--faint)"/>'
    content = _frame(low, high, ("true", "predicted")) + line
    return _svg(f'{content}<g fill="var(--mark)" fill-opacity="0.6">{dots}</g>', "predicted against true values")


def _columns(outcome: Outcome) -> str:
    kinds = {column.name: column.kind for column in outcome.schema.columns}
    rows = []
    for name, values in outcome.columns.items():
        missing = is_missing(values)
        there = values[~missing]
        numbers = there.dtype.kind in "iuf" and len(there) > 0
        middle = f"{np.median(there.astype(np.float64)):.4g}" if numbers else ""
        span = f"{there.min():.4g} to {there.max():.4g}" if numbers else ""
        distinct = len({text_of(value) for value in there})
        rows.append((name, kinds.get(name, "left out"), f"{missing.mean():.0%}", distinct, middle, span))
    return _table(("column", "kind", "missing", "different values", "median", "from, to"), rows, 2)
