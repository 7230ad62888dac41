"""The quick start in a copy with stubs in place of Python and the installation."""

import pytest

from tests.shell_scripts import Copy, assert_one_line_error


@pytest.fixture
def copy(tmp_path) -> Copy:
    copy = Copy(tmp_path)
    copy.add_program("scripts/setup.sh", "#!/usr/bin/env bash\necho set up\n")
    return copy


def test_quickstart_makes_tables_of_documents_and_images(copy, tmp_path):
    done = copy.call("quickstart", cwd=tmp_path, FAN_DATA="sets")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("set up\n") and "runs/results/mini" in done.stdout
    commands = copy.calls()
    assert [command for command in commands if "scripts.report" in command] == [
        f"python -m scripts.report {table} --preset mini --runs runs --out runs/results"
        for table in ("table6", "table1", "table9")
    ]
    trained = [command.split()[3] for command in commands if ".train " in command]
    assert len(trained) == len(set(trained)) == 3 + 5 + 2
    read = {command.partition(" --data ")[2].split(" --")[0] for command in commands if " --data " in command}
    assert read == {f"{tmp_path}/sets/mini"}


def test_quickstart_has_no_options(copy):
    assert_one_line_error(copy.call("quickstart", "--quick"), "--quick")
    assert copy.calls() == []
