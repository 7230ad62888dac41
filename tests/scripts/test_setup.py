"""Set-up and its surroundings in a clone whose Python, pip and conda are stand-ins: nothing is downloaded."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TOOLS = "awk bash cat cp cut dirname grep ln mkdir paste rm sed sha256sum sort tail tee touch"
LISTED = ["environment.yml", "scripts/setup.sh", "scripts/lib/gpus.sh", "scripts/lib/environment.sh", "scripts/test.sh"]

# Answers what setup.sh asks a Python, makes environments that hold only itself, and notes what pip is told.
PYTHON = """#!/bin/bash
version={version}
case "$*" in
  --version) echo "Python $version.1" ;;
  *ensurepip*) [[ $version == 3.10 || $version == 3.11 ]] && echo "$0" ;;
  *version_info*) echo "$version" ;;
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  "-m pytest"*) echo "tests:" "${{@:3}}"; exit 5 ;;
  "-m pip install"*) echo "$version $*" >>pip.calls; echo "no space left"; exit ${{PIP_EXIT:-0}} ;;
esac
"""

# Its one environment, `fan`, is the folder conda-fan.
CONDA = """#!/bin/bash
echo "${{0##*/}} $*" >>conda.calls
case "$1" in
  run) [[ -e conda-fan ]] && echo "$PWD/conda-fan" ;;
  create) rm -rf conda-fan; mkdir -p conda-fan/bin; cp "{python}" conda-fan/bin/python ;;
esac
"""

LIBRARIES = """#!/bin/bash
echo "	libcudart.so.11.0 => {found} (0x1)"
echo "	libcudnn.so.8 => /somewhere/libcudnn.so.8 (0x1)"
echo "	libcuda.so.1 => not found"
echo "	libm.so.6 => /lib/libm.so.6 (0x1)"
"""


class Clone:
    """A copy of the files that set-up needs, in a folder with a space in its name, and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        self.path = folder / "bin"
        (self.root / "scripts").mkdir(parents=True)
        self.path.mkdir()
        for name in LISTED:
            shutil.copy(ROOT / name, self.root / name)
        for tool in TOOLS.split():
            (self.path / tool).symlink_to(shutil.which(tool))

    def add_command(self, name: str, text: str) -> Path:
        command = self.path / name
        command.write_text(text)
        command.chmod(0o755)
        return command

    def add_python(self, name: str, version: str) -> Path:
        return self.add_command(name, PYTHON.format(version=version))

    def add_conda(self, name: str, version: str) -> Path:
        python = self.add_python(f"python-of-{name}", version)
        return self.add_command(name, CONDA.format(python=python))

    def add_gpus(self, *gpus: str, reports_capability: bool = True) -> None:
        """An nvidia-smi with these GPUs, each "NAME, COMPUTE CAPABILITY"."""
        names = [gpu.partition(",")[0] for gpu in gpus]
        listed = "\n".join(f"GPU {number}: {name} (UUID: GPU-{number})" for number, name in enumerate(names))
        query = "\n".join(gpus) if reports_capability else 'Field "compute_cap" is not a valid field to query.'
        self.add_command(
            "nvidia-smi",
            f"#!/bin/bash\nif [[ $1 == -L ]]; then cat <<'END'\n{listed}\nEND\n"
            f"else cat <<'END'\n{query}\nEND\nexit {0 if reports_capability else 2}\nfi\n",
        )

    def setup(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        return self.run("setup.sh", *arguments, **variables)

    def run(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        """Runs a script from another folder than the clone's."""
        command = [str(self.root / "scripts" / script), *arguments]
        environment = {"PATH": str(self.path), "HOME": "/nonexistent", **variables}
        return subprocess.run(command, cwd=self.path, env=environment, capture_output=True, text=True, timeout=60)

    def calls(self, of: str) -> list[str]:
        file = self.root / f"{of}.calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


@pytest.fixture
def clone_with_python(clone: Clone) -> Clone:
    clone.add_python("python3.11", "3.11")
    return clone


def listed_packages() -> list[str]:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    return dependencies[-1]["pip"]


def test_every_version_is_pinned():
    assert all(re.fullmatch(r"[A-Za-z0-9-]+==[0-9.a-z]+", package) for package in listed_packages())


def test_gpu_builds_get_the_list_as_it_is(clone):
    printed = clone.setup("--gpu", "--print-requirements")
    assert printed.stdout.split() == listed_packages()


def test_cpu_builds_swap_two_packages_and_leave_the_cuda_libraries_out(clone):
    gpu, cpu = set(listed_packages()), set(clone.setup("--cpu", "--print-requirements").stdout.split())
    assert cpu - gpu == {"mxnet==1.9.1", "tensorflow-cpu==2.14.1"}
    left_out = {package.partition("==")[0] for package in gpu - cpu}
    assert {name for name in left_out if not name.startswith("nvidia-")} == {"mxnet-cu112", "tensorflow"}
    assert not any(package.startswith("nvidia-") for package in cpu)


# By GPU and compute capability: the builds of MXNet and TensorFlow.
BUILDS = {
    "Tesla K80, 3.7": ("cpu", "gpu"),
    "NVIDIA TITAN Xp, 6.1": ("gpu", "gpu"),
    "NVIDIA A100-SXM4-40GB, 8.0": ("gpu", "gpu"),
    "NVIDIA GeForce RTX 4090, 8.9": ("gpu", "gpu"),
    "NVIDIA H100, 9.0": ("cpu", "gpu"),
    "NVIDIA B200, 10.0": ("cpu", "cpu"),
    "NVIDIA GeForce RTX 5090, 12.0": ("cpu", "cpu"),
}
PACKAGES = {
    ("mxnet", "cpu"): "mxnet==1.9.1",
    ("mxnet", "gpu"): "mxnet-cu112==1.9.1",
    ("tensorflow", "cpu"): "tensorflow-cpu==2.14.1",
    ("tensorflow", "gpu"): "tensorflow==2.14.1",
}


def stamp(clone: Clone) -> list[str]:
    return (clone.root / ".venv/fan-setup.txt").read_text().splitlines()


@pytest.mark.parametrize("gpu", BUILDS)
def test_the_compute_capability_decides_the_build_of_each_stack(clone_with_python, gpu):
    clone_with_python.add_gpus(gpu)
    done = clone_with_python.setup()
    assert done.returncode == 0
    mxnet, tensorflow = BUILDS[gpu]
    installed = clone_with_python.calls("pip")[0].split()
    stacks = {package for package in installed if re.match(r"(mxnet|tensorflow)\b", package)}
    assert stacks == {PACKAGES["mxnet", mxnet], PACKAGES["tensorflow", tensorflow]}
    assert any(package.startswith("nvidia-") for package in installed) == ("gpu" in BUILDS[gpu])
    assert stamp(clone_with_python)[:2] == [f"mxnet {mxnet}", f"tensorflow {tensorflow}"]
    lines = done.stderr.splitlines()
    name, _, capability = gpu.partition(", ")
    assert lines[0].startswith(f"GPU 0: {name}, compute capability {capability}")
    assert [line.partition(":")[0] for line in lines[1:]] == [
        stack for stack, build in zip(("MXNet", "TensorFlow"), BUILDS[gpu], strict=True) if build == "cpu"
    ]


def test_8_9_is_said_to_be_untested(clone_with_python):
    clone_with_python.add_gpus("NVIDIA L4, 8.9")
    assert "untested" in clone_with_python.setup().stderr


@pytest.mark.parametrize("answer", ["exit 9", "echo 'No devices were found'"])
def test_an_nvidia_smi_without_gpus_gives_cpu_builds(clone, answer):
    clone.add_command("nvidia-smi", f"#!/bin/bash\n{answer}\n")
    done = clone.setup("--print-requirements")
    assert {"mxnet==1.9.1", "tensorflow-cpu==2.14.1"} < set(done.stdout.split())
    assert done.stderr == ""


def test_an_old_nvidia_smi_that_reports_no_capability_is_assumed_usable(clone):
    clone.add_gpus("Tesla V100-SXM2-16GB", reports_capability=False)
    done = clone.setup("--print-requirements")
    assert {"mxnet-cu112==1.9.1", "tensorflow==2.14.1"} < set(done.stdout.split())
    assert done.stderr.startswith("GPU 0: Tesla V100-SXM2-16GB, compute capability unknown")
    assert done.stderr.count("\n") == 1 and "is assumed" in done.stderr


def test_one_usable_gpu_is_enough_and_the_others_are_to_be_left_out(clone):
    clone.add_gpus("NVIDIA GeForce RTX 5090, 12.0", "NVIDIA GeForce RTX 3090, 8.6", "NVIDIA H100, 9.0")
    done = clone.setup("--print-requirements")
    assert {"mxnet-cu112==1.9.1", "tensorflow==2.14.1"} < set(done.stdout.split())
    assert done.stderr.splitlines()[3:] == [
        "MXNet: cannot use GPU 0 2; give --gpus 1 to every command",
        "TensorFlow: cannot use GPU 0; give --gpus 1,2 to every command",
    ]


@pytest.mark.parametrize("gpu", [gpu for gpu, builds in BUILDS.items() if "cpu" in builds])
def test_gpu_option_fails_before_it_installs_where_a_stack_can_use_none(clone_with_python, gpu):
    clone_with_python.add_gpus(gpu)
    done = clone_with_python.setup("--gpu")
    assert (done.returncode, clone_with_python.calls("pip")) == (2, [])
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and errors[0].startswith("error: --gpu: MXNet can use no GPU")


def test_a_mixed_choice_of_builds_is_kept(clone_with_python):
    clone_with_python.add_gpus("NVIDIA H100, 9.0")
    clone_with_python.setup()
    (clone_with_python.path / "nvidia-smi").unlink()
    again = clone_with_python.setup()
    assert again.returncode == 0 and len(clone_with_python.calls("pip")) == 1
    assert "MXNet for CPU, TensorFlow for GPU" in again.stdout


def test_a_stamp_of_one_build_for_both_is_decided_again(clone_with_python):
    clone_with_python.setup()
    (clone_with_python.root / ".venv/fan-setup.txt").write_text("build gpu\npython 3.11\n")
    clone_with_python.add_gpus("NVIDIA H100, 9.0")
    assert clone_with_python.setup().returncode == 0
    assert stamp(clone_with_python)[:2] == ["mxnet cpu", "tensorflow gpu"]


def test_no_supported_python_gets_one_line(clone):
    clone.add_python("python3", "3.12")
    done = clone.setup()
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no Python 3.10 or 3.11" in done.stderr
    assert "python3 is Python 3.12.1" in done.stderr


def test_a_supported_python_is_found_beside_another_python3(clone):
    clone.add_python("python3", "3.12")
    clone.add_python("python3.10", "3.10")
    assert clone.setup().returncode == 0
    assert [call.split()[0] for call in clone.calls("pip")] == ["3.10"]


def test_a_shim_that_does_not_run_is_passed_over(clone):
    clone.add_command("python3.11", "#!/bin/bash\necho 'command not found' >&2\nexit 127\n")
    clone.add_python("python3", "3.10")
    assert clone.setup().returncode == 0
    assert [call.split()[0] for call in clone.calls("pip")] == ["3.10"]


def test_second_run_installs_nothing(clone_with_python):
    assert clone_with_python.setup().returncode == 0
    again = clone_with_python.setup()
    assert again.returncode == 0
    assert "as environment.yml lists it" in again.stdout
    assert len(clone_with_python.calls("pip")) == 1


def test_a_changed_list_is_built_anew(clone_with_python):
    clone_with_python.setup()
    (clone_with_python.root / ".venv/leftover").touch()
    file = clone_with_python.root / "environment.yml"
    file.write_text(file.read_text().replace("tqdm==", "tqdm==9"))
    clone_with_python.setup()
    assert "tqdm==9" in clone_with_python.calls("pip")[-1]
    assert not (clone_with_python.root / ".venv/leftover").exists()


def test_a_python_that_no_longer_runs_is_replaced(clone_with_python):
    clone_with_python.setup()
    (clone_with_python.root / ".venv/bin/python").unlink()
    assert clone_with_python.setup().returncode == 0
    assert (clone_with_python.root / ".venv/bin/python").exists()
    assert len(clone_with_python.calls("pip")) == 2


def test_a_failed_installation_shows_its_end_and_is_repaired_by_the_next_run(clone_with_python):
    failed = clone_with_python.setup(PIP_EXIT="1")
    assert failed.returncode == 1
    assert "no space left" in failed.stderr
    assert str(clone_with_python.root / "setup.log") in failed.stderr
    assert clone_with_python.setup().returncode == 0
    assert len(clone_with_python.calls("pip")) == 2
    assert not (clone_with_python.root / "setup.log").exists()


def test_the_choice_of_builds_is_kept(clone_with_python):
    clone_with_python.add_gpus("NVIDIA TITAN Xp, 6.1")
    clone_with_python.setup("--cpu")
    assert clone_with_python.setup().returncode == 0
    assert len(clone_with_python.calls("pip")) == 1


@pytest.mark.parametrize("name", ["conda", "mamba", "micromamba"])
def test_conda_makes_the_environment_and_pip_fills_it(clone, name):
    clone.add_conda(name, "3.11")
    assert clone.setup().returncode == 0
    created = [call for call in clone.calls("conda") if " create " in call]
    assert len(created) == 1
    assert re.search(r"--name fan .*--channel conda-forge python=3\.11 pip=", created[0])
    assert (clone.root / ".venv").resolve() == clone.root / "conda-fan"
    assert "mxnet==1.9.1" in clone.calls("pip")[0]


def test_conda_is_not_asked_again(clone):
    clone.add_conda("conda", "3.11")
    clone.setup()
    before = clone.calls("conda")
    assert clone.setup().returncode == 0
    assert clone.calls("conda") == before


def test_a_conda_environment_made_by_hand_is_filled_not_replaced(clone):
    python = clone.add_conda("conda", "3.10").with_name("python-of-conda")
    (clone.root / "conda-fan/bin").mkdir(parents=True)
    shutil.copy(python, clone.root / "conda-fan/bin/python")
    assert clone.setup().returncode == 0
    assert not any(" create " in call for call in clone.calls("conda"))
    assert len(clone.calls("pip")) == 1


def test_a_conda_environment_of_this_script_is_made_anew_for_other_builds(clone):
    clone.add_conda("conda", "3.11")
    clone.setup()
    (clone.root / "conda-fan/leftover").touch()
    clone.add_command("ldd", LIBRARIES.format(found="/somewhere/libcudart.so.11.0"))
    assert clone.setup("--gpu").returncode == 0
    assert "mxnet-cu112==1.9.1" in clone.calls("pip")[-1]
    assert not (clone.root / "conda-fan/leftover").exists()


def test_a_conda_environment_of_another_python_is_left_alone(clone):
    python = clone.add_conda("conda", "3.12").with_name("python-of-conda")
    (clone.root / "conda-fan/bin").mkdir(parents=True)
    shutil.copy(python, clone.root / "conda-fan/bin/python")
    done = clone.setup()
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "rename or remove it" in done.stderr


def test_gpu_option_without_nvidia_smi_installs_and_checks_the_libraries_alone(clone_with_python):
    clone_with_python.add_command("ldd", LIBRARIES.format(found="/somewhere/libcudart.so.11.0"))
    done = clone_with_python.setup("--gpu")
    assert done.returncode == 0
    assert done.stderr.startswith("GPUs: nvidia-smi is absent") and done.stderr.count("\n") == 1
    assert re.search(r"found +libcudart\.so\.11\.0\n", done.stdout)
    assert re.search(r"missing +libcuda\.so\.1\n", done.stdout)
    assert "libm.so.6" not in done.stdout


def test_gpu_check_fails_on_a_library_that_the_wheels_should_have_brought(clone_with_python):
    clone_with_python.add_command("ldd", LIBRARIES.format(found="not found"))
    done = clone_with_python.setup("--gpu")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "error: MXNet cannot be imported without libcudart.so.11.0"


def test_environment_needs_setup_first(clone):
    script = clone.root / "scripts/lib/environment.sh"
    done = subprocess.run(["bash", "-ec", f"source '{script}'"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "run scripts/setup.sh" in done.stderr


def test_environment_puts_cuda_wheels_on_the_library_path(clone_with_python):
    clone_with_python.setup()
    cudnn = clone_with_python.root / ".venv/lib/python3.11/site-packages/nvidia/cudnn/lib"
    cudnn.mkdir(parents=True)
    script = clone_with_python.root / "scripts/lib/environment.sh"
    shown = subprocess.run(
        ["bash", "-euc", f"source '{script}'; echo $LD_LIBRARY_PATH; type -P python"],
        env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": "/already/there"},
        capture_output=True,
        text=True,
    )
    assert shown.stdout.split("\n")[:2] == [
        f"{cudnn}:/already/there",
        str(clone_with_python.root / ".venv/bin/python"),
    ]


def test_checks_all_run_and_the_first_failure_is_the_exit_code(clone_with_python):
    clone_with_python.add_command("ruff", '#!/bin/bash\necho "ruff $*"\n[[ $* != *--check ]] || exit 3\n')
    done = clone_with_python.run("test.sh", "tests/data", "--slow")
    assert done.returncode == 3
    assert "$ ruff check\nruff check\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "tests: tests/data -m "
