"""Announces what runs at the paper's sizes will take: `python -m scripts.tables.costs SCRIPT < LIST`.

LIST is a list of `scripts.tables.jobs`. Prints the number of unfinished runs, their steps, the hours that the paper
gives for a run on its two Titan Xp, and the disk space. Without a GPU it also prints the hours on this CPU; more than a
day requires --yes.
"""

import argparse
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from data.common.errors import UserError, run_command
from data.common.files import read_yaml
from data.download.unpack import readable
from scripts.tables.job_list import Job, read_jobs
from scripts.tables.jobs import visible_gpus
from scripts.tables.jobs_view import count_epochs

PATIENCE = 24  # hours on a CPU; runs that take longer require --yes
BUILDS = Path(sys.prefix) / "fan-setup.txt"  # written by scripts/setup.sh
STACKS = {"mxnet": "MXNet", "tensorflow": "TensorFlow"}


@dataclass(frozen=True)
class Cost:
    """What a run on one data set takes.

    Args:
        title: name of the data set.
        stack: mxnet or tensorflow.
        paper_hours: hours per run on two Titan Xp (paper, appendix).
        step_seconds: seconds per training step on `cores` cores of an AMD EPYC, measured.
        cores: number of cores that a run uses on a CPU.
        run_bytes: maximum size of the run folder without predictions: while a checkpoint is replaced.
        image_bytes: size of the predictions per test image.
    """

    title: str
    stack: str
    paper_hours: float
    step_seconds: float
    cores: int
    run_bytes: int
    image_bytes: int = 0


# Detectors: 20 s per step of two images (vision/README.md); 256 MB of weights and 254 MB of momenta, twice; 100
# detections and two rankings of 5,000 pairs per image. Documents: 13 minutes per run on 20 Newsgroups on one core; a
# document of Yahoo takes less (language/README.md). The paper does not give hours for Yahoo: those of 20 Newsgroups are
# scaled by the number of documents.
NEWSGROUPS_HOURS, NEWSGROUPS_DOCUMENTS = 0.5, 11_314
COSTS = {
    "voc07": Cost("VOC07", "mxnet", 4, 20, 2, 1_020_000_000, 97_000),
    "minicoco": Cost("minicoco", "mxnet", 26, 20, 2, 1_020_000_000, 97_000),
    "visual_genome": Cost("Visual Genome", "mxnet", 55, 20, 2, 1_030_000_000, 97_000),
    "mit67": Cost("MIT67", "mxnet", 2, 5.5, 2, 670_000_000),
    "20news": Cost("20 Newsgroups", "tensorflow", NEWSGROUPS_HOURS, 1.2, 1, 100_000_000),
    "yahoo-mini": Cost(
        "Yahoo-mini", "tensorflow", NEWSGROUPS_HOURS * 50_000 / NEWSGROUPS_DOCUMENTS, 0.8, 1, 100_000_000
    ),
    "yahoo-half": Cost(
        "Yahoo-half", "tensorflow", NEWSGROUPS_HOURS * 700_000 / NEWSGROUPS_DOCUMENTS, 0.9, 1, 400_000_000
    ),
}
MIT67_CATEGORIES = 67
RESTORE = "restore it with git"


@dataclass(frozen=True)
class Estimate:
    """What the rest of one run takes.

    Args:
        dataset: key of `COSTS`.
        steps: training steps.
        paper_hours: hours on two Titan Xp.
        cpu_hours: hours on as many cores as a run uses.
        disk: bytes of the finished run.
    """

    dataset: str
    steps: int
    paper_hours: float
    cpu_hours: float
    disk: int


def estimate(job: Job) -> Estimate | None:
    """The cost of the remaining epochs of a run; None if it is finished.

    Raises:
        UserError: its config is damaged, or its data set is not one of the paper's.
    """
    config = read_yaml(job.config, "config", RESTORE)
    done, epochs = count_epochs(job)
    try:
        dataset, (samples, test_images) = config["dataset"], _samples(config)
        steps = (epochs - done) * -(-samples // config["training"]["batch_size"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{job.config}: missing or invalid key {error}; {RESTORE}") from None
    cost = COSTS.get(dataset)
    if cost is None:
        raise UserError(f"{job.config}: the costs of dataset {dataset} are unknown; known: {', '.join(COSTS)}")
    if job.run.finished:
        return None
    return Estimate(
        dataset,
        steps,
        cost.paper_hours * (epochs - done) / epochs,
        steps * cost.step_seconds / 3600,
        cost.run_bytes + test_images * cost.image_bytes,
    )


def _samples(config: dict) -> tuple[int, int]:
    """Training samples per epoch, including mirrored images, and test images (0 for documents)."""
    if "text" in config:
        return config["text"]["train_documents"], 0
    images = config["images"]
    if "train_per_class" in images:
        train, test = (images[f"{split}_per_class"] * MIT67_CATEGORIES for split in ("train", "test"))
    else:
        train, test = images["train_images"], images["test_images"]
    return train * (2 if images["flipped_copies"] else 1), test


def hours_on_cpu(estimates: list[Estimate], cores: int) -> float:
    """Hours of all runs on a CPU, as many at a time as its cores allow."""
    longest = max(each.cpu_hours for each in estimates)
    return max(longest, sum(each.cpu_hours * COSTS[each.dataset].cores for each in estimates) / cores)


def describe(estimates: list[Estimate], runs: int) -> list[str]:
    """Lines that describe what the runs will take; `runs` is their number including the finished ones."""
    by_dataset = defaultdict(list)
    for each in estimates:
        by_dataset[each.dataset].append(each)
    trained = runs - len(estimates)
    lines = [f"{len(estimates)} runs to train" + (f", {trained} already trained" if trained else "")]
    for dataset, group in by_dataset.items():
        steps, hours = sum(each.steps for each in group), _hours(COSTS[dataset].paper_hours)
        scaled = " (scaled from 20 Newsgroups by the number of documents)" if dataset.startswith("yahoo") else ""
        lines.append(f"  {COSTS[dataset].title}: {len(group)} runs, {steps:,} steps, {hours} h per run{scaled}")
    hours, disk = _hours(sum(each.paper_hours for each in estimates)), sum(each.disk for each in estimates)
    lines.append(f"  total: {hours} h on two Titan Xp, by the paper's times; {readable(disk)} on disk")
    return lines


def has_gpu(stack: str, gpus: str | None) -> bool:
    """Whether the CUDA build of a stack is installed and there is a GPU."""
    builds = BUILDS.read_text().splitlines() if BUILDS.exists() else []
    return f"{stack} gpu" in builds and bool(gpus or visible_gpus())


def announce(jobs: list[Job], script: str, presets: list[str], gpus: str | None, yes: bool) -> None:
    """Prints what the jobs will take to standard error.

    Args:
        jobs: the jobs.
        script: path of the script, for messages.
        presets: its smaller presets, which the message suggests.
        gpus: ids of the GPUs to use, if they are chosen.
        yes: whether to accept more than a day on a CPU.

    Raises:
        UserError: more than a day on a CPU without `yes`.
    """
    estimates = [each for each in map(estimate, jobs) if each]
    if not estimates:
        print(f"{len(jobs)} runs, all already trained", file=sys.stderr)
        return
    print("\n".join(describe(estimates, len(jobs))), file=sys.stderr)
    without = {stack for stack in STACKS if not has_gpu(stack, gpus)}
    on_cpu = [each for each in estimates if COSTS[each.dataset].stack in without]
    if not on_cpu:
        return
    hours = hours_on_cpu(on_cpu, len(os.sched_getaffinity(0)))
    stacks = " and ".join(sorted({STACKS[COSTS[each.dataset].stack] for each in on_cpu}))
    print(f"  no GPU for {stacks}: about {_time(hours)} on this CPU", file=sys.stderr)
    if hours > PATIENCE and not yes:
        others = "".join(f", or --preset {preset}" for preset in presets)
        raise UserError(
            f"{script}: {len(on_cpu)} runs would take about {_time(hours)} without a GPU for {stacks}; give --yes to "
            f"start them anyway{others}"
        )


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def _time(hours: float) -> str:
    if hours >= 48:
        return f"{hours / 24:,.0f} days"
    return f"{_hours(hours)} hours" if hours >= 1 else f"{hours * 60:.0f} minutes"


def main() -> None:
    """Command line of `python -m scripts.tables.costs`."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.tables.costs",
        description="Announces what the runs listed on standard input will take. The scripts of tables call this.",
    )
    parser.add_argument("script", help="path of the script, for messages")
    parser.add_argument("presets", nargs="*", help="its smaller presets, for messages")
    parser.add_argument("--gpus", help="ids of the GPUs to use (default: all)")
    parser.add_argument("--yes", action="store_true", help="accept more than a day on a CPU")
    options = parser.parse_args()
    announce(read_jobs(sys.stdin), options.script, options.presets, options.gpus, options.yes)


if __name__ == "__main__":
    run_command(main)
