"""Measures the cost of the heads of finished detection runs: parameters, multiply-adds per image, and training time.

The head is everything that works on ROIs: fc_new_1, fc_new_2, FAN or relation modules, cls_score, bbox_pred. Parameters
and multiply-adds follow from the config of a run. A multiply-add is one multiplication and one addition; those of the
matrix products are counted, in the forward pass, for all ROIs of an image. Softmaxes, sines of positions, biases and
data movement are not counted. Their cost is part of the measured training steps, at which the runs take turns.

Writes to the metrics.json of each run:

    head_parameters
    head_multiply_adds
    step_ratio              median over rounds of its training step : that of the first run
"""

import argparse
from pathlib import Path

from data.common.errors import run_command
from data.common.options import add_gpus_option, choose_gpus, count_from_1
from scripts.evaluation.metrics_file import read_metrics

EXAMPLE = """\
example:
  python -m scripts.tables.head_costs runs/mini/voc07/{base,rn,fan-unsup}/seed0
"""

METRICS = ("head_parameters", "head_multiply_adds", "step_ratio")


def main() -> None:
    """Command line of `python -m scripts.tables.head_costs`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.tables.head_costs",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="folders of finished runs; the first is the baseline"
    )
    parser.add_argument("--rounds", type=count_from_1, default=9, metavar="N", help="turns per run (default: 9)")
    parser.add_argument("--steps", type=count_from_1, default=1, metavar="N", help="steps per turn (default: 1)")
    parser.add_argument("--again", action="store_true", help="repeat measurements that exist")
    add_gpus_option(parser)
    options = parser.parse_args()
    if not options.again and all(set(METRICS) <= read_metrics(folder).keys() for folder in options.runs):
        print(f"{options.runs[0]} and {len(options.runs) - 1} others: already measured")
        return
    choose_gpus(options.gpus)
    # Imported late, so that --help and measured runs do not wait for MXNet.
    from scripts.bench.head_costs import measure

    measure(options.runs, METRICS, options.gpus, options.rounds, options.steps)


if __name__ == "__main__":
    run_command(main)
