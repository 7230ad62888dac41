"""A table of the paper beside ours, made from the finished runs.

Prints Markdown, and writes to <out>/<preset>/:

    <table>.md           what is printed
    <table>.csv          the same numbers, a line a cell
    <table>.png          bars, ours beside the paper's
    <table>.runs.jsonl   the runs it was made from, a line each: config, metrics, time, versions, commit, …

and for a table that is a curve, <table>.curve.csv and <table>.curve.png: its numbers at every K, and the curve.
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
from scripts.tables.bars import draw_bars
from scripts.tables.collect import Cell, Run, collect_runs, fill_cells, fill_curves, script_of
from scripts.tables.curves import Line, draw_curves, read_lines
from scripts.tables.markdown import MINIATURE, markdown_sections
from scripts.tables.paper import Table, read_tables


def write_report(
    table: Table, preset: str, runs: Path, out: Path, others: Sequence[Line] = (), published: Path | None = None
) -> str:
    """Writes the files of one table and returns its Markdown.

    Args:
        table, preset, runs, published: as for `collect_runs`.
        out: the folder of the tables.
        others: lines to draw over the table's curve.

    Raises:
        UserError: no run of the table is finished, a file of a run is damaged, or there is no curve to draw over.
    """
    table = table.at(preset)
    found, gaps = collect_runs(table, preset, runs, published)
    if not found:
        raise UserError(
            f"{runs / preset}: no finished and evaluated run of {table.name}; run {script_of(table, preset)} first"
        )
    rows, curves = fill_cells(table, found), fill_curves(table, found)
    if others and not curves:
        raise UserError(f"--overlay: no finished run of {table.name} has a curve to draw over; leave it out")
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
        draw_curves(stem.with_suffix(".curve.png"), table, curves, remark, others)
    return markdown


def csv_text(rows: list[list[Cell]]) -> str:
    """A line a cell, in the paper's unit."""
    lines = [csv_line(cell) for row in rows for cell in row]
    names = dict.fromkeys(name for line in lines for name in line)  # only some metrics have references
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def csv_line(cell: Cell) -> dict[str, str | int | float | None]:
    """One cell's numbers; None, which CSV writes as an empty field, where there is none."""
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
    """One run without the paths of the machine it was made on, nor the metrics of single categories (`ap/cat`)."""
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
        description="Prints a table of the paper beside ours, as Markdown, and writes it to OUT/PRESET/ with "
        "a CSV, a bar chart and the runs it was made from, a curve over K with its numbers in addition where the table "
        "is one. scripts/TABLE.sh makes the runs and calls this.",
        epilog="example: python -m scripts.report table6 --preset mini",
    )
    parser.add_argument("table", choices=tables, metavar="TABLE", help="one of %(choices)s")
    default = "(default: %(default)s)"
    presets = sorted({preset for table in tables.values() for preset in table.presets})
    parser.add_argument(
        "--preset", choices=presets, help="sizes of the runs (default: paper, or the only one that a study has)"
    )
    parser.add_argument("--runs", type=Path, default="runs", metavar="DIR", help=f"where the runs are {default}")
    parser.add_argument("--out", type=Path, default="results", metavar="DIR", help=f"where to write {default}")
    parser.add_argument(
        "--overlay",
        type=Path,
        metavar="FILE.csv",
        help="points of other curves, drawn over the table's own: columns label,k,recall, recall in percent",
    )
    parser.add_argument(
        "--published",
        type=Path,
        metavar="DIR",
        help="also take runs that are not in --runs from the .runs.jsonl in this folder, as results/mini",
    )
    return parser


def main() -> None:
    """Writes and prints one table."""
    tables = read_tables()
    options = build_parser(tables).parse_args()
    table = tables[options.table]
    preset = options.preset or table.presets[0]
    if preset not in table.presets:
        raise UserError(f"--preset {preset}: {table.name} has {' and '.join(table.presets)}; give one of these")
    others = read_lines(options.overlay) if options.overlay else []
    if taken := {line.label for line in others} & set(table.columns.values()):
        raise UserError(f"{options.overlay}: {min(taken)} is one of our curves; give that of others another label")
    print(write_report(table, preset, options.runs, options.out, others, options.published), end="")
    stem = options.out / preset / table.name
    curve = ", .curve.csv, .curve.png" if stem.with_suffix(".curve.png").exists() else ""
    print(f"\nwritten: {stem}.md, .csv, .png, .runs.jsonl{curve}")


if __name__ == "__main__":
    run_command(main)
