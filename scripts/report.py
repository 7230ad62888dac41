"""Compares a table of the paper with our finished runs.

Prints Markdown and writes to <out>/<preset>/:

    <table>.md           the printed Markdown
    <table>.csv          the same numbers, one line per cell
    <table>.png          bar chart of ours and the paper's numbers
    <table>.runs.jsonl   the runs behind the numbers, one per line: config, metrics, time, versions, commit, …

A table with curves also gets <table>.curve.csv and <table>.curve.png, with the numbers at every K.
"""

import argparse
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from data.common.errors import UserError, run_command
from data.common.files import write_text
from scripts.evaluation.metrics.trials import summarize
from scripts.tables.charts import Line, draw_bars, draw_curves, read_lines
from scripts.tables.collect import Cell, Run, collect_runs, fill_cells, fill_curves
from scripts.tables.markdown import MINIATURE, markdown_sections, script_of
from scripts.tables.paper import Table, read_tables


def write_report(
    table: Table, preset: str, runs: Path, out: Path, overlay: Sequence[Line] = (), published: Path | None = None
) -> str:
    """Writes the files of one table and returns its Markdown.

    Args:
        table, preset, runs, published: as for `collect_runs`.
        out: folder of the results.
        overlay: lines to add to the curves of the table.

    Raises:
        UserError: no run of the table is finished, a file of a run is damaged, or there is no curve for the overlay.
    """
    table = table.at(preset)
    found, gaps = collect_runs(table, preset, runs, published)
    if not found:
        raise UserError(f"{runs / preset}: no evaluated run of {table.name}; run {script_of(table, preset)} first")
    rows, curves = fill_cells(table, found), fill_curves(table, found)
    if overlay and not curves:
        raise UserError(f"--overlay: no finished run of {table.name} has a curve; omit the option")
    markdown = "\n\n".join(markdown_sections(table, preset, runs, rows, curves, found, gaps)) + "\n"
    stem = out / preset / table.name
    write_text(stem.with_suffix(".md"), markdown)
    write_text(stem.with_suffix(".csv"), csv_text(rows))
    write_text(stem.with_suffix(".runs.jsonl"), "".join(json.dumps(run_line(run)) + "\n" for run in found))
    measured = [row for row in rows if any(cell.ours for cell in row)]
    remark = MINIATURE if preset == "mini" else ""
    draw_bars(stem.with_suffix(".png"), table, measured, remark)
    if curves:
        write_text(stem.with_suffix(".curve.csv"), csv_text([row for curve in curves for row in curve.rows]))
        draw_curves(stem.with_suffix(".curve.png"), table, curves, remark, overlay)
    return markdown


def csv_text(rows: list[list[Cell]]) -> str:
    """One line per cell, in the unit of the paper."""
    lines = [csv_line(cell) for row in rows for cell in row]
    names = dict.fromkeys(name for line in lines for name in line)  # only some metrics have columns of references
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def csv_line(cell: Cell) -> dict[str, str | int | float | None]:
    """The numbers of a cell; None is written as an empty field."""
    paper, ours, against = cell.paper, cell.ours, cell.against_first
    line = {
        "dataset": cell.row.dataset,
        "metric": cell.row.metric.name,
        "variant": cell.variant,
        "column": cell.label,
        "paper_mean": paper and paper.mean,
        "paper_std": paper and paper.std,
        "ours_mean": ours and ours.mean,
        "ours_std": ours and ours.std,
        "trials": len(cell.values),
        "difference": cell.difference,
        "against_first_mean": against and against.mean,
        "against_first_half_width_95": against and against.half_width,
        "against_first_trials": against and against.trials,
    }
    for label, by_seed in cell.references.items():
        line[f"{label}, mean"] = summarize(list(by_seed.values())).mean if by_seed else None
    if cell.references:
        best = cell.against_best
        line |= {
            "best_reference": cell.best_reference,
            "against_best_mean": best and best.mean,
            "against_best_half_width_95": best and best.half_width,
        }
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in line.items()}


def run_line(run: Run) -> dict:
    """A run without local paths and without metrics of single categories such as `ap/cat`."""
    return {
        "preset": run.preset,
        "dataset": run.dataset,
        "variant": run.variant,
        "seed": run.seed,
        "config": run.config,
        "metrics": {name: value for name, value in run.metrics.items() if "/" not in name},
        "seconds": run.record["seconds"],
        "versions": run.record["versions"],
        "commit": run.record["commit"],
        "device": run.record["device"],
        "machine": run.record["machine"],
        "date": run.record["finished"],
    }


def build_parser(tables: dict[str, Table]) -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.report",
        description="Prints a table of the paper next to our numbers, as Markdown, and writes it to OUT/PRESET/ with "
        "a CSV file, a bar chart and the runs behind it; curves over K are added for tables of recall. "
        "scripts/TABLE.sh makes the runs and calls this command.",
        epilog="example: python -m scripts.report table6 --preset mini",
    )
    parser.add_argument("table", choices=tables, metavar="TABLE", help="one of %(choices)s")
    default = "(default: %(default)s)"
    presets = sorted({preset for table in tables.values() for preset in table.presets})
    parser.add_argument(
        "--preset", choices=presets, help="size of the runs (default: paper, or the only preset of a study)"
    )
    parser.add_argument("--runs", type=Path, default="runs", metavar="DIR", help=f"folder of the runs {default}")
    parser.add_argument("--out", type=Path, default="results", metavar="DIR", help=f"folder of the results {default}")
    parser.add_argument(
        "--overlay",
        type=Path,
        metavar="FILE.csv",
        help="curves to draw over those of the table, as points: columns label,k,recall with recall in percent",
    )
    parser.add_argument(
        "--published",
        type=Path,
        metavar="DIR",
        help="take runs that are not in --runs from the .runs.jsonl files in this folder, for example results/mini",
    )
    return parser


def main() -> None:
    """Writes and prints one table."""
    tables = read_tables()
    options = build_parser(tables).parse_args()
    table = tables[options.table]
    preset = options.preset or table.presets[0]
    if preset not in table.presets:
        raise UserError(f"--preset {preset}: not a preset of {table.name}; give {' or '.join(table.presets)}")
    overlay = read_lines(options.overlay) if options.overlay else []
    if taken := {line.label for line in overlay} & set(table.columns.values()):
        raise UserError(f"{options.overlay}: {min(taken)} is the label of one of our curves; use another label")
    print(write_report(table, preset, options.runs, options.out, overlay, options.published), end="")
    stem = options.out / preset / table.name
    curve = ", .curve.csv, .curve.png" if stem.with_suffix(".curve.png").exists() else ""
    print(f"\nwritten: {stem}.md, .csv, .png, .runs.jsonl{curve}")


if __name__ == "__main__":
    run_command(main)
