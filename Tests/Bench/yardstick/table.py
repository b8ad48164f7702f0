"""From runs to a table: medians, ratios, Markdown, and its place in a document."""

import statistics

from . import machine
from .steps import BY_NAME, EJABBERD, MARTLET, PROSODY, STEPS, TITLES

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
COLUMNS = (MARTLET, PROSODY, EJABBERD)
NOTHING = "–"


def median(runs, key):
    """Of the runs that have the figure; None without any."""
    values = [run["figures"][key] for run in runs if key in run.get("figures", {})]
    return statistics.median(values) if values else None


def ratio(own, peers):
    """How many times the better peer's figure is ours."""
    others = [peer for peer in peers if peer is not None]
    return min(others) / own if own and others else None


def number(value):
    """Three digits that matter, and thousands apart."""
    if value is None:
        return NOTHING
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def comparison(measurements):
    """The rows of the table of ratios."""
    rows = [["", "Unit", *(TITLES[kind] for kind in COLUMNS), "Better peer / Martlet", "Aim", "Met"]]
    for step in STEPS:
        for figure in step.figures:
            own, *peers = (_value(measurements, step, figure.key, kind, figure.divisor) for kind in COLUMNS)
            if own is None and not any(peers):
                continue
            times = ratio(own, peers) if figure.compares else None
            met = figure.goal.is_met(own, times) if figure.goal and own is not None else None
            rows.append([
                figure.title, figure.unit, number(own), *map(number, peers), f"{number(times)}×" if times else NOTHING,
                str(figure.goal or NOTHING), {True: "yes", False: "no", None: NOTHING}[met],
            ])  # fmt: skip
    return rows


def beside(measurements):
    """The rows of what was measured beside it: it depends on the load, and on what else the machine does."""
    rows = [["A second; p50, p99 in ms", *(TITLES[kind] for kind in COLUMNS)]]
    for step in STEPS:
        for figure in step.figures:
            if not figure.beside:
                continue
            cells = []
            for kind in COLUMNS:
                rate, *quantiles = (_value(measurements, step, key, kind) for key in figure.beside)
                words = "; ".join(filter(None, [number(rate), ", ".join(map(number, quantiles))]))
                cells.append(NOTHING if rate is None else words)
            if any(cell != NOTHING for cell in cells):
                rows.append([figure.title, *cells])
    return rows


def markdown(rows, right):
    """Rows, the first of which is the head, as an aligned table; the columns `right` are numbers."""
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = (cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths)))
        lines.append(f"| {' | '.join(cells)} |")
    rule = (("-" * (w - 1) + ":") if i in right else "-" * w for i, w in enumerate(widths))
    lines.insert(1, f"| {' | '.join(rule)} |")
    return "\n".join(lines)


def noise(measurements):
    """In words: where other work took more than a tenth of a core or the processor itself was slower, and what failed."""
    loud, slow, failed = {}, {}, []
    best = min((one["pace_ms"] for one in measurements if "pace_ms" in one), default=0)
    for one in measurements:
        name = f"{one['step']} ({TITLES[one['kind']]})"
        if "error" in one:
            failed.append(f"- not measured: {name}, {one['error']}")
        elif not BY_NAME[one["step"]].is_memory:
            loud[name] = max(loud.get(name, 0), one["other_share"] + one["stolen_share"])
            slow[name] = max(slow.get(name, 0), one["pace_ms"] / best)
    loud = [f"{name} {100 * share:.0f} %" for name, share in loud.items() if share > machine.QUIET]
    slow = [f"{name} {times:.1f}" for name, times in slow.items() if times > machine.EVEN]
    lines = []
    if loud:
        lines.append(f"- **not a quiet machine:** share of a core that others or its host took: {', '.join(loud)}")
    if slow:
        lines.append(f"- **not an even processor:** how many times longer it took for fixed work: {', '.join(slow)}")
    return lines + failed


def document(results):
    """The text between the markers."""
    about, measurements = results["machine"], results["measurements"]
    days = sorted({one["when"][:10] for one in measurements}) or [""]
    day = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    versions = ", ".join(f"{TITLES[kind]} {results['versions'].get(kind) or ''}".strip() for kind in COLUMNS)
    machine_words = f"{about['cores']} cores, {about['memory_gib']} GiB, {about['kernel']}, {about['file_system']}"
    head = f"{day}: {about['processor']}, {machine_words}. {versions}. {_runs(measurements)}"
    rows = markdown(comparison(measurements), right=(2, 3, 4, 5))
    parts = [head, rows, markdown(beside(measurements), right=(1, 2, 3))]
    return "\n\n".join(filter(None, [*parts, "\n".join(noise(measurements))]))


def _runs(measurements):
    """How many runs the medians are of; a server that was measured less often is named."""
    many = {kind: _counts(measurements, kind) for kind in COLUMNS}
    most = max(many.values(), key=lambda counts: max(counts, default=0))
    fewer = ", ".join(f"{TITLES[kind]} {_words(one)}" for kind, one in many.items() if one and max(one) < max(most))
    noun = "run" if most == {1} else "runs"
    return f"Medians of {_words(most)} {noun}{f' ({fewer})' if fewer else ''}; memory and the slow line: one."


def _counts(measurements, kind):
    """How many runs the rows of a server have, without those of which one is enough."""
    steps = [one["step"] for one in measurements if one["kind"] == kind and "figures" in one]
    return {steps.count(step) for step in steps if BY_NAME[step].most_runs > 1}


def _words(counts):
    return "no" if not counts else f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{min(counts)}"


def write(path, text, begin=BEGIN, end=END):
    """Puts the text between the markers of a document."""
    before, found, rest = path.read_text().partition(begin)
    _, last, after = rest.partition(end)
    if not found or not last:
        raise ValueError(f"{path} has no {begin} … {end}")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def _value(measurements, step, key, kind, divisor=1):
    runs = [one for one in measurements if one["step"] == step.name and one["kind"] == kind]
    found = median(runs, key)
    return None if found is None else found / divisor
