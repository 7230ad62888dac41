"""The Markdown of a report: one function per section, then the formatting of numbers."""

import shlex
import statistics
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path

from scripts.evaluation.metrics.trials import Difference, Summary, paired_difference, summarize
from scripts.tables.collect import Cell, Curve, Gap, Run, is_reference, reference_columns, trials_needed
from scripts.tables.paper import Metric, Number, Table

MINIATURE = "Ours are of miniature data and networks: not comparable with the paper's numbers"
NOTHING = "–"
ROUNDING = 1e-9  # spread below which values are equal


def markdown_sections(
    table: Table,
    preset: str,
    runs: Path,
    rows: list[list[Cell]],
    curves: list[Curve],
    found: list[Run],
    gaps: list[Gap],
) -> list[str]:
    """Heading, the table, its curves, paired differences, the runs and the missing runs."""
    sections = [f"# {table.title}", table.note]
    if preset == "mini":
        sections.append(f"**{MINIATURE}.**")
    sections.append(comparison(table, preset, rows))
    for curve in curves:
        sections += [f"## {curve.dataset}, {curve.metric.label} over K", over_k(curve)]
    sections += ["## Differences, seed by seed", differences(rows)]
    sections += ["## Runs", times(found), provenance(found)]
    if gaps:
        sections += ["## Missing", missing(table, preset, runs, gaps)]
    return sections


def comparison(table: Table, preset: str, rows: list[list[Cell]]) -> str:
    """The table of the paper, with our numbers, the difference and the trials below each row."""
    lines = []
    for row in rows:
        if not any(cell.paper or cell.ours for cell in row):
            continue
        lines.append([f"**{row_name(row)}**"] + [""] * len(table.columns))
        if any(cell.paper for cell in row):
            lines.append(["paper", *by_column(table, row, lambda cell: with_std(cell.paper, cell.row.metric))])
        lines.append(["ours", *by_column(table, row, lambda cell: with_std(cell.ours, cell.row.metric))])
        if any(cell.paper for cell in row):
            lines.append(["difference", *by_column(table, row, lambda cell: signed(cell.difference, cell.row.metric))])
        lines += reference_lines(table, row)
        needed = trials_needed(table, preset, row[0].row.dataset)
        lines.append([f"trials of {needed}", *by_column(table, row, lambda cell: str(cell.trials))])
    return markdown_table(["", *table.columns.values()], lines)


def reference_lines(table: Table, row: list[Cell]) -> list[list[str]]:
    """One line per reference of the row's metric, and ours minus the best reference with its 95% interval."""
    metric = row[0].row.metric
    lines = []
    for label in metric.references.values():
        summaries = {cell.variant: _summary(cell.references[label]) for cell in row}
        lines.append([label, *by_column(table, row, lambda cell, of=summaries: with_std(of[cell.variant], metric))])
    if lines:
        lines.append(["ours − best reference", *by_column(table, row, against_best)])
        lines.append(["best reference", *by_column(table, row, lambda cell: cell.best_reference or NOTHING)])
    return lines


def against_best(cell: Cell) -> str:
    """`+1.2 (-0.3 to +2.7)`, or `+1.2 (one trial)`."""
    if cell.against_best is None:
        return NOTHING
    mean, interval, _ = paired(cell.against_best, cell.row.metric)
    return f"{mean} ({interval})"


def _summary(by_seed: dict[int, float]) -> Summary | None:
    return summarize(list(by_seed.values())) if by_seed else None


def over_k(curve: Curve) -> str:
    """One line per K; one column per variant and per reference of a variant without pair weights."""
    own = [place for place, cell in enumerate(curve.rows[0]) if not is_reference(cell)]
    references = reference_columns(curve)
    header = ["K", *(curve.rows[0][place].label for place in own), *references]
    lines = []
    for number, (k, row) in enumerate(zip(curve.top_k, curve.rows, strict=True)):
        ours = [with_std(row[place].ours, curve.metric) for place in own]
        others = [with_std(_summary(column[number]), curve.metric) for column in references.values()]
        lines.append([f"{k:,}", *ours, *others])
    return markdown_table(header, lines)


def differences(rows: list[list[Cell]]) -> str:
    """Each variant minus every earlier one in its row, over their common seeds.

    Differences that are equal for all seeds are those of counts, such as parameters, and omitted.
    """
    lines = []
    for row in rows:
        for base, cell in combinations(row, 2):
            difference = paired_difference(cell.values, base.values)
            if difference and (difference.half_width is None or difference.half_width > ROUNDING):
                variants = f"{cell.label} − {base.label}"
                lines.append([row_name([base]), variants, *paired(difference, cell.row.metric)])
    if not lines:
        return "No two variants have a seed in common yet."
    header = ["", "variants", "mean", "95% interval (Student's t)", "seeds in common"]
    return markdown_table(header, lines)


def times(found: list[Run]) -> str:
    """Seeds and training time of each variant."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in found:
        groups.setdefault((run.dataset, run.variant), []).append(run)
    lines = [
        [dataset, variant, ", ".join(str(run.seed) for run in group), training_time(group)]
        for (dataset, variant), group in groups.items()
    ]
    return markdown_table(["data set", "variant", "seeds", "training time a run"], lines)


def provenance(found: list[Run]) -> str:
    """Where and when the runs were made; the `.runs.jsonl` has it for each run."""
    dates = sorted(run.record["finished"][:10] for run in found)
    facts = {
        "Machine": distinct(run.record["machine"] for run in found),
        "Device": distinct(run.record["device"] for run in found),
        "Code": distinct(run.record["commit"] for run in found),
        "Finished": dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}",
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def missing(table: Table, preset: str, runs: Path, gaps: list[Gap]) -> str:
    """The run folders that are incomplete, and one command per dataset that completes them."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for gap in gaps:
        groups.setdefault((gap.dataset, gap.variant, gap.reason), []).append(gap.seed)
    lines = [
        f"- `{runs / preset / dataset / variant}/{folded(seeds)}`: {reason}"
        for (dataset, variant, reason), seeds in groups.items()
    ]
    commands = fill_commands(table, preset, runs, gaps)
    return "\n".join([*lines, "", "To fill them:", "", "```bash", *commands, "```"])


def fill_commands(table: Table, preset: str, runs: Path, gaps: list[Gap]) -> list[str]:
    """One command per dataset that makes its missing runs."""
    seeds: dict[str, set[int]] = {}
    for gap in gaps:
        seeds.setdefault(gap.dataset, set()).add(gap.seed)
    folder = [] if runs == Path("runs") else ["--runs", str(runs)]
    commands = []
    for dataset, missing in seeds.items():
        seed_list = ",".join(map(str, sorted(missing)))
        datasets = ["--datasets", dataset] if len(table.presets) > 1 else []
        commands.append(f"{script_of(table, preset)} {shlex.join([*datasets, '--seeds', seed_list, *folder])}")
    return commands


def script_of(table: Table, preset: str) -> str:
    """The script that makes the runs of a table. A study has a single preset, so its script has no --preset."""
    script = f"scripts/{table.name}.sh"
    return f"{script} --preset {preset}" if len(table.presets) > 1 else script


def by_column(table: Table, row: list[Cell], write: Callable[[Cell], str]) -> list[str]:
    """One text per column of the table; empty if the row has no such variant."""
    texts = {cell.variant: write(cell) for cell in row}
    return [texts.get(variant, "") for variant in table.columns]


def row_name(row: list[Cell]) -> str:
    """Dataset and metric."""
    return f"{row[0].row.label}, {row[0].row.metric.label}"


def with_std(value: Number | Summary | None, metric: Metric) -> str:
    """`64.0 ± 0.3`, `64.0` if the paper prints no deviation, or `64.0 (one trial)` of ours."""
    if value is None:
        return NOTHING
    mean = f"{value.mean:.{metric.decimals}f}"
    if value.std is not None:
        return f"{mean} ± {value.std:.{metric.decimals}f}"
    return f"{mean} (one trial)" if isinstance(value, Summary) else mean


def signed(value: float | None, metric: Metric) -> str:
    """`+0.6`, `-0.6`."""
    if value is None:
        return NOTHING
    rounded = round(value, metric.decimals) + 0.0  # -0.0 becomes 0.0
    return f"{rounded:+.{metric.decimals}f}"


def paired(difference: Difference, metric: Metric) -> list[str]:
    """Mean, 95% interval and number of seeds of a paired difference."""
    mean, half_width, trials = difference
    if half_width is None:
        return [signed(mean, metric), "one trial", str(trials)]
    # An end just below 0 stays -0.0: +0.0 would suggest that the interval excludes 0.
    low, high = (f"{end:+.{metric.decimals}f}" for end in (mean - half_width, mean + half_width))
    interval = f"{low} to {high}"
    return [signed(mean, metric), interval, str(trials)]


def training_time(runs: list[Run]) -> str:
    """Median training time with the range: `31 min (29 min to 4 h 05 min)`; `45 s` for one run."""
    seconds = [run.record["seconds"] for run in runs]
    median = duration(statistics.median(seconds))
    return median if len(runs) == 1 else f"{median} ({duration(min(seconds))} to {duration(max(seconds))})"


def duration(seconds: float) -> str:
    """`45 s`, `31 min`, `4 h 05 min`."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def distinct(values: Iterable[str]) -> str:
    """The distinct values in order of first appearance."""
    return "; ".join(dict.fromkeys(values))


def folded(seeds: list[int]) -> str:
    """`seed3`, or `seed{0,1,2}` in shell notation."""
    return f"seed{seeds[0]}" if len(seeds) == 1 else f"seed{{{','.join(map(str, seeds))}}}"


def markdown_table(header: list[str], lines: list[list[str]]) -> str:
    """A Markdown table with aligned columns."""
    widths = [max(3, *(len(line[column]) for line in [header, *lines])) for column in range(len(header))]
    rule = ["-" * width for width in widths]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in [header, rule, *lines]]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)
