"""scripts/setup.sh and scripts/test.sh in a clone with stubs of Python, pip and conda: nothing is downloaded."""

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

# Answers the calls of setup.sh, makes environments that contain only this stub, and records the calls of pip.
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

# Its only environment, `fan`, is the folder conda-fan.
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
    """A copy of the files that setup.sh needs, in a folder with a space in its name, with its own PATH."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        self.path = folder / "bin"
        (self.root / "scripts/lib").mkdir(parents=True)
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
        """Adds an nvidia-smi that lists these GPUs, each "NAME, COMPUTE CAPABILITY"."""
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
        """Runs a script from outside the clone."""
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


def test_cpu_builds_replace_two_packages_and_omit_cuda(clone):
    listed = clone.setup("--gpu", "--print-requirements").stdout.split()
    assert listed == listed_packages()
    gpu, cpu = set(listed), set(clone.setup("--cpu", "--print-requirements").stdout.split())
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
def test_compute_capability_decides_each_build(clone_with_python, gpu):
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


@pytest.mark.parametrize("answer", ["exit 9", "echo 'No devices were found'"])
def test_no_listed_gpus_give_cpu_builds(clone, answer):
    clone.add_command("nvidia-smi", f"#!/bin/bash\n{answer}\n")
    done = clone.setup("--print-requirements")
    assert {"mxnet==1.9.1", "tensorflow-cpu==2.14.1"} < set(done.stdout.split())
    assert done.stderr == ""


def test_gpus_of_unknown_capability_are_assumed_usable(clone):
    clone.add_gpus("Tesla V100-SXM2-16GB", reports_capability=False)
    done = clone.setup("--print-requirements")
    assert {"mxnet-cu112==1.9.1", "tensorflow==2.14.1"} < set(done.stdout.split())
    assert done.stderr.startswith("GPU 0: Tesla V100-SXM2-16GB, compute capability unknown")
    assert done.stderr.count("\n") == 1


def test_unusable_gpus_are_listed_next_to_usable_ones(clone):
    clone.add_gpus("NVIDIA GeForce RTX 5090, 12.0", "NVIDIA GeForce RTX 3090, 8.6", "NVIDIA H100, 9.0")
    done = clone.setup("--print-requirements")
    assert {"mxnet-cu112==1.9.1", "tensorflow==2.14.1"} < set(done.stdout.split())
    mxnet, tensorflow = done.stderr.splitlines()[3:]
    assert mxnet.startswith("MXNet: cannot use GPU 0 2; ") and mxnet.endswith("--gpus 1")
    assert tensorflow.startswith("TensorFlow: cannot use GPU 0; ") and tensorflow.endswith("--gpus 1,2")


@pytest.mark.parametrize("gpu", [gpu for gpu, builds in BUILDS.items() if "cpu" in builds])
def test_gpu_option_requires_a_gpu_for_each_stack(clone_with_python, gpu):
    clone_with_python.add_gpus(gpu)
    done = clone_with_python.setup("--gpu")
    assert (done.returncode, clone_with_python.calls("pip")) == (2, [])
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and errors[0].startswith("error: --gpu: MXNet ")


def test_installed_builds_are_kept(clone_with_python):
    clone_with_python.add_gpus("NVIDIA H100, 9.0")
    clone_with_python.setup()
    (clone_with_python.path / "nvidia-smi").unlink()
    again = clone_with_python.setup()
    assert again.returncode == 0 and len(clone_with_python.calls("pip")) == 1
    assert "MXNet for CPU, TensorFlow for GPU" in again.stdout


def test_builds_of_an_old_stamp_are_chosen_again(clone_with_python):
    clone_with_python.setup()
    (clone_with_python.root / ".venv/fan-setup.txt").write_text("build gpu\npython 3.11\n")
    clone_with_python.add_gpus("NVIDIA H100, 9.0")
    assert clone_with_python.setup().returncode == 0
    assert stamp(clone_with_python)[:2] == ["mxnet cpu", "tensorflow gpu"]


def test_missing_python_is_one_line(clone):
    clone.add_python("python3", "3.12")
    done = clone.setup()
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "3.10 or 3.11" in done.stderr and "3.12.1" in done.stderr


def test_supported_python_is_found_next_to_others(clone):
    clone.add_command("python3.11", "#!/bin/bash\necho 'command not found' >&2\nexit 127\n")  # as a shim of pyenv
    clone.add_python("python3", "3.12")
    clone.add_python("python3.10", "3.10")
    assert clone.setup().returncode == 0
    assert [call.split()[0] for call in clone.calls("pip")] == ["3.10"]


def test_second_run_installs_nothing(clone_with_python):
    assert clone_with_python.setup().returncode == 0
    again = clone_with_python.setup()
    assert again.returncode == 0
    assert "up to date" in again.stdout
    assert len(clone_with_python.calls("pip")) == 1


def test_changed_list_is_installed_from_scratch(clone_with_python):
    clone_with_python.setup()
    (clone_with_python.root / ".venv/leftover").touch()
    file = clone_with_python.root / "environment.yml"
    file.write_text(file.read_text().replace("tqdm==", "tqdm==9"))
    clone_with_python.setup()
    assert "tqdm==9" in clone_with_python.calls("pip")[-1]
    assert not (clone_with_python.root / ".venv/leftover").exists()


def test_broken_python_is_replaced(clone_with_python):
    clone_with_python.setup()
    (clone_with_python.root / ".venv/bin/python").unlink()
    assert clone_with_python.setup().returncode == 0
    assert (clone_with_python.root / ".venv/bin/python").exists()
    assert len(clone_with_python.calls("pip")) == 2


def test_failed_installation_is_repaired_by_the_next_run(clone_with_python):
    failed = clone_with_python.setup(PIP_EXIT="1")
    assert failed.returncode == 1
    assert "no space left" in failed.stderr
    assert str(clone_with_python.root / "setup.log") in failed.stderr
    assert clone_with_python.setup().returncode == 0
    assert len(clone_with_python.calls("pip")) == 2
    assert not (clone_with_python.root / "setup.log").exists()


@pytest.mark.parametrize("name", ["conda", "mamba", "micromamba"])
def test_conda_makes_the_environment_once(clone, name):
    clone.add_conda(name, "3.11")
    assert clone.setup().returncode == 0
    created = [call for call in clone.calls("conda") if " create " in call]
    assert len(created) == 1
    assert re.search(r"--name fan .*--channel conda-forge python=3\.11 pip=", created[0])
    assert (clone.root / ".venv").resolve() == clone.root / "conda-fan"
    assert "mxnet==1.9.1" in clone.calls("pip")[0]
    before = clone.calls("conda")
    assert clone.setup().returncode == 0
    assert clone.calls("conda") == before


def test_conda_environment_made_by_hand_is_kept(clone):
    python = clone.add_conda("conda", "3.10").with_name("python-of-conda")
    (clone.root / "conda-fan/bin").mkdir(parents=True)
    shutil.copy(python, clone.root / "conda-fan/bin/python")
    assert clone.setup().returncode == 0
    assert not any(" create " in call for call in clone.calls("conda"))
    assert len(clone.calls("pip")) == 1


def test_own_conda_environment_is_replaced_for_other_builds(clone):
    clone.add_conda("conda", "3.11")
    clone.setup()
    (clone.root / "conda-fan/leftover").touch()
    clone.add_command("ldd", LIBRARIES.format(found="/somewhere/libcudart.so.11.0"))
    assert clone.setup("--gpu").returncode == 0
    assert "mxnet-cu112==1.9.1" in clone.calls("pip")[-1]
    assert not (clone.root / "conda-fan/leftover").exists()


def test_conda_environment_of_another_python_is_refused(clone):
    python = clone.add_conda("conda", "3.12").with_name("python-of-conda")
    (clone.root / "conda-fan/bin").mkdir(parents=True)
    shutil.copy(python, clone.root / "conda-fan/bin/python")
    done = clone.setup()
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"error: {clone.root}/conda-fan: ")


def test_gpu_option_without_gpus_checks_only_libraries(clone_with_python):
    clone_with_python.add_command("ldd", LIBRARIES.format(found="/somewhere/libcudart.so.11.0"))
    done = clone_with_python.setup("--gpu")
    assert done.returncode == 0
    assert done.stderr.startswith("GPUs: not checked") and done.stderr.count("\n") == 1
    assert re.search(r"found +libcudart\.so\.11\.0\n", done.stdout)
    assert re.search(r"missing +libcuda\.so\.1\n", done.stdout)
    assert "libm.so.6" not in done.stdout


def test_missing_cuda_library_is_an_error(clone_with_python):
    clone_with_python.add_command("ldd", LIBRARIES.format(found="not found"))
    done = clone_with_python.setup("--gpu")
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: ") and "libcudart.so.11.0" in error and "libcuda.so.1" not in error


def test_cuda_wheels_are_on_the_library_path(clone_with_python):
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


def test_exit_code_is_that_of_the_first_failing_check(clone_with_python):
    clone_with_python.add_command("ruff", '#!/bin/bash\necho "ruff $*"\n[[ $* != *--check ]] || exit 3\n')
    done = clone_with_python.run("test.sh", "tests/data", "--slow")
    assert done.returncode == 3
    assert "$ ruff check\nruff check\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "tests: tests/data -m "
