"""The list of jobs that the scripts of tables write: one run per job, with its commands."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data.common.errors import UserError
from data.common.runs import RunFolder

FORMAT = "expected '# TITLE: RUN_FOLDER CONFIG', followed by commands"


@dataclass(eq=False)
class Job:
    """One run of the list. `config` gives the number of epochs until the run folder contains a config."""

    title: str
    run: RunFolder
    config: Path
    commands: list[str]


def read_jobs(lines: Iterable[str]) -> list[Job]:
    """Reads a list of jobs.

    Raises:
        UserError: a line does not begin a job, or there is no job.
    """
    jobs: list[Job] = []
    for number, line in enumerate((line.strip() for line in lines), start=1):
        title, _, paths = line.removeprefix("# ").partition(": ")
        if not line.startswith("# ") and jobs:
            jobs[-1].commands.append(line)
        elif line.startswith("# ") and len(parts := shlex.split(paths)) == 2:
            jobs.append(Job(title, RunFolder(Path(parts[0])), Path(parts[1]), commands=[]))
        else:
            raise UserError(f"standard input, line {number}: does not begin a job; {FORMAT}")
    if not jobs:
        raise UserError(f"standard input: no jobs; {FORMAT}")
    return jobs
