"""Ranks the text recipes of scripts/choose_text_recipe.sh: `python -m scripts.tables.text_recipe`.

Writes <out>/text_recipe.md, and text_recipe.runs.jsonl with one line per run.
"""

import argparse
import json
from pathlib import Path

from data.common.errors import UserError, run_command
from data.common.files import write_text
from data.common.runs import RunFolder
from scripts.tables.learning_curves import read_run
from scripts.tables.markdown import markdown_table

PARTS = ("headers", "footers", "quotes")


def ranking(candidates: list[dict]) -> str:
    """A Markdown table, sorted by held-out accuracy in the last epoch."""
    lines = []
    for candidate in sorted(candidates, key=lambda one: -one["epochs"][-1]["held_out_accuracy"]):
        text, last = candidate["config"]["text"], candidate["epochs"][-1]
        stripped = [part for part in PARTS if text[f"strip_{part}"]]
        accuracies = [line["held_out_accuracy"] for line in candidate["epochs"]]
        lines.append(
            [
                candidate["config"]["model"]["word_vectors"],
                ", ".join(stripped) or "nothing",
                f"{100 * last['held_out_accuracy']:.1f}",
                f"{100 * max(accuracies):.1f} ({accuracies.index(max(accuracies)) + 1})",
                f"{100 * last['accuracy']:.1f}",
            ]
        )
    epochs = len(candidates[0]["epochs"])
    header = ["word vectors", "stripped", f"held out, epoch {epochs}", "best (epoch)", f"training, epoch {epochs}"]
    return markdown_table(header, lines)


def main() -> None:
    """Command line of `python -m scripts.tables.text_recipe`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.tables.text_recipe",
        description="Ranks the text recipes of scripts/choose_text_recipe.sh by accuracy (%) on the held-out posts.",
        epilog="example: python -m scripts.tables.text_recipe --runs runs/recipe --out results/paper",
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/recipe"), help="folder of the runs (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results/paper"), help="folder of the results (default: %(default)s)"
    )
    options = parser.parse_args()
    folders = sorted(options.runs.glob("*/paper/20news/hatt/seed0"))
    if not folders:
        raise UserError(f"{options.runs}: contains no run; run scripts/choose_text_recipe.sh first")
    candidates = [read_run(RunFolder(folder)) for folder in folders]
    table = ranking(candidates)
    write_text(options.out / "text_recipe.md", table + "\n")
    lines = [json.dumps({key: value for key, value in one.items() if key != "command"}) for one in candidates]
    write_text(options.out / "text_recipe.runs.jsonl", "\n".join(lines) + "\n")
    print(table)


if __name__ == "__main__":
    run_command(main)
