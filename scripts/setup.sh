#!/usr/bin/env bash
# Builds what environment.yml lists. The result is always found at .venv: a virtual environment made with pip
# or, where conda is at hand, a link to its environment `fan`. A stamp in it says what was built; while that
# is still what is asked for, there is nothing to do, and otherwise it is built anew, for leftovers of another
# list cannot be told apart.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly stamp=.venv/fan-setup.txt
readonly log=setup.log

usage() {
  cat <<'END'
usage: scripts/setup.sh [--cpu | --gpu] [--print-requirements]

Installs the versions of environment.yml for Python 3.10 or 3.11 at .venv, which every other script uses.
With conda, mamba or micromamba on the PATH that is a link to the conda environment `fan`, else a virtual
environment made with pip. Run it as often as you like: it returns at once when nothing changed, and an
interrupted installation is repaired.

  --cpu                 the CPU builds of MXNet and TensorFlow
  --gpu                 the CUDA builds and the CUDA 11.8 libraries, then a check of libraries and GPUs
  --print-requirements  only print what pip would be given
  --help                this text

Without --cpu or --gpu: what .venv already holds; the first time, the CUDA builds if there is an NVIDIA GPU.

example: scripts/setup.sh --gpu
END
}

fail() {
  echo "error: $*" >&2
  exit 2
}

trap 'echo "interrupted; the same command starts the installation afresh" >&2; exit 130' INT

# --- what is asked for --------------------------------------------------------------------------------------

# What an earlier run built stays, so that a choice made once (--gpu on a login node without a GPU) is not
# undone by the scripts that call this one.
choose_build() {
  if [[ -s $stamp ]]; then
    sed -n 's/^build //p' "$stamp"
  elif nvidia-smi -L >/dev/null 2>&1; then
    echo gpu
  else
    echo cpu
  fi
}

conda_packages() {
  sed -n '/- pip:$/q; s/^ *- \([a-z]*=[^ ]*\).*/\1/p' environment.yml
}

pip_packages() {
  sed -n '/- pip:$/,$ s/^ *- \([^ ]*==[^ ]*\).*/\1/p' environment.yml
}

requirements() {
  if [[ $build == gpu ]]; then
    pip_packages
  else
    pip_packages | sed 's/^mxnet-cu112==/mxnet==/; s/^tensorflow==/tensorflow-cpu==/; /^nvidia-/d'
  fi
}

# Everything whose change asks for a new environment. Python is left empty when .venv's does not run.
description() {
  echo "build $build"
  echo "python $(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
  echo "requirements $(requirements | sha256sum | cut -d " " -f 1)"
}

is_current() {
  [[ -e $stamp && $(<"$stamp") == "$(description)" ]]
}

# --- running what takes long --------------------------------------------------------------------------------

# logged WHAT COMMAND…: the command's output goes to the log, and one line on the screen shows that it moves.
logged() {
  local what="$1"
  shift
  printf '\n$ %s\n' "$*" >>"$log"
  if ! "$@" </dev/null 2>&1 | tee -a "$log" | show_progress "$what"; then
    tail -n 15 "$log" >&2
    echo "error: $what failed; the whole output is in $PWD/$log. The same command tries again" >&2
    exit 1
  fi
}

# On a terminal the line is rewritten every second; in a file a new one every 30 seconds is enough.
show_progress() {
  local what="$1" line latest="" status
  local began=$SECONDS shown=$SECONDS
  [[ -t 1 ]] || echo "$what …"
  while true; do
    status=0
    read -r -t 1 line || status=$?
    if ((status == 0)); then
      latest="$line"
    elif ((status <= 128)); then
      break # the end of the output; a second without any gives a status above 128
    fi
    if [[ -t 1 ]]; then
      printf '\r\033[K%s: %d s  %.60s' "$what" $((SECONDS - began)) "$latest"
    elif ((SECONDS - shown >= 30)); then
      printf '  %d s  %.80s\n' $((SECONDS - began)) "$latest"
      shown=$SECONDS
    fi
  done
  [[ ! -t 1 ]] || printf '\r\033[K'
  printf '%s: %d s\n' "$what" $((SECONDS - began))
}

# --- a virtual environment ----------------------------------------------------------------------------------

# Every Python that might do, best first. Those of pyenv need not be on the PATH, or stand there as shims that
# only say that another version is active.
python_candidates() {
  type -aP python3.11 python3.10 python3 python || true
  printf '%s\n' "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.1[01].*/bin/python3
}

# Prints the path of the interpreter behind a candidate (which may be that of the very .venv that is to be
# replaced), or fails where it does not run, has another version, or cannot make an environment (Debian keeps
# venv apart).
base_python() {
  "$1" -c '
import sys, venv, ensurepip
version = sys.version_info[:2]
if version not in [(3, 10), (3, 11)]:
    sys.exit(1)
print("%s/bin/python%d.%d" % ((sys.base_prefix,) + version))' 2>/dev/null
}

find_python() {
  local candidate
  while read -r candidate; do
    if base_python "$candidate"; then
      return
    fi
  done < <(python_candidates)
  fail "no Python 3.10 or 3.11 that can make virtual environments was found (python3 is" \
    "$(python3 --version 2>/dev/null || echo absent)); install one, or conda, and run scripts/setup.sh again"
}

make_virtual_environment() {
  local python
  python="$(find_python)"
  rm -rf .venv
  logged "making .venv with $python" "$python" -m venv .venv
}

# --- a conda environment ------------------------------------------------------------------------------------

find_conda() {
  local candidate
  while read -r candidate; do
    if "$candidate" --version >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done < <(type -P mamba conda micromamba)
}

# conda_prefix CONDA: the folder of the environment `fan`, empty when there is none.
conda_prefix() {
  "$1" run --name fan python -c 'import sys; print(sys.prefix)' 2>/dev/null || true
}

link_environment() {
  rm -rf .venv
  ln -s "$1" .venv
}

# An environment `fan` that somebody made by hand is taken as it is, and pip adds what it lacks. One of this
# script that is for another list, or was never finished, is created anew, which is what all three tools do
# with a name that exists.
make_conda_environment() {
  local conda="$1" prefix packages
  prefix="$(conda_prefix "$conda")"
  if [[ -n $prefix ]]; then
    base_python "$prefix/bin/python" >/dev/null ||
      fail "$prefix: the conda environment fan holds a Python other than 3.10 and 3.11; rename or remove it"
    link_environment "$prefix"
    if [[ ! -e $stamp ]] || is_current; then
      return
    fi
  fi
  mapfile -t packages < <(conda_packages)
  logged "creating the conda environment fan" \
    "$conda" create --yes --name fan --override-channels --channel conda-forge "${packages[@]}"
  link_environment "$(conda_prefix "$conda")"
}

# --- packages -----------------------------------------------------------------------------------------------

install_packages() {
  local packages
  mapfile -t packages < <(requirements)
  : >"$stamp" # empty until the end: an interrupted installation is no environment, and is made anew
  logged "installing ${#packages[@]} packages and what they need ($build builds)" \
    .venv/bin/python -m pip install --no-input --disable-pip-version-check --progress-bar off "${packages[@]}"
  logged "checking that they agree" .venv/bin/python -m pip check
  description >"$stamp"
}

make_environment() {
  local conda
  conda="$(find_conda)"
  rm -f "$log"
  if [[ -n $conda ]]; then
    make_conda_environment "$conda"
  else
    make_virtual_environment
  fi
  is_current || install_packages
  rm -f "$log"
}

# --- the check of --gpu -------------------------------------------------------------------------------------

# The libraries of CUDA and the driver that libmxnet.so asks for, as the loader finds them under
# scripts/environment.sh.
check_libraries() {
  local listing missing
  listing="$(
    source scripts/environment.sh
    ldd .venv/lib/python3*/site-packages/mxnet/libmxnet.so
  )"
  missing=" $(awk '/=> not found/ { print $1 }' <<<"$listing" | sort -u | paste -s -d " ") "
  echo "CUDA libraries of mxnet-cu112:"
  awk '/^[ \t]*lib(cu|nv|nccl)/ { print /not found/ ? "  missing" : "  found  ", $1 }' <<<"$listing" | sort -u
  if [[ $missing == *" libcuda.so.1 "* ]]; then
    echo "libcuda.so.1 is the NVIDIA driver's, which is absent here: MXNet can be imported only where it is"
    missing="${missing/ libcuda.so.1 / }"
  fi
  if [[ $missing == *lib* ]]; then
    echo "error: MXNet cannot be imported without$missing" >&2
    exit 1
  fi
}

# The wheel holds machine code for 5.0, 6.0, 7.0, 8.0 and 8.6, and no PTX that a driver could compile for
# others. Code for X.y runs on X.z where z >= y (NVIDIA's CUDA programming guide, "Binary Compatibility").
verdict() {
  case "$1" in
    5.* | 6.* | 7.* | 8.[0-7]) echo "mxnet-cu112 can run on it" ;;
    8.*) echo "mxnet-cu112 should run on it with its code for 8.6, by NVIDIA's rule; not tested" ;;
    [0-9]*) echo "mxnet-cu112 CANNOT run on it: it has code for 5.x to 8.x only" ;;
    *) echo "unknown; mxnet-cu112 can run on 5.x to 8.x" ;;
  esac
}

check_gpus() {
  local gpus name capability
  if ! gpus="$(nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader 2>/dev/null)"; then
    echo "GPUs: not checked, for nvidia-smi is absent or does not tell;" \
      "mxnet-cu112 needs compute capability 5.x to 8.x"
    return
  fi
  echo "GPUs:"
  while IFS=, read -r name capability; do
    capability="${capability# }"
    echo "  $name, compute capability $capability: $(verdict "$capability")"
  done <<<"$gpus"
}

# ------------------------------------------------------------------------------------------------------------

build=""
check=no
print_only=no
for argument in "$@"; do
  case "$argument" in
    --cpu) build=cpu ;;
    --gpu) build=gpu check=yes ;;
    --print-requirements) print_only=yes ;;
    --help | -h) usage && exit ;;
    *) fail "$argument: no such option; scripts/setup.sh --help lists them" ;;
  esac
done
build="${build:-$(choose_build)}"

if [[ $print_only == yes ]]; then
  requirements
  exit
fi

if is_current; then
  echo "environment: .venv is as environment.yml lists it ($build builds)"
else
  make_environment
  echo "environment: .venv is ready ($build builds)"
fi
if [[ $check == yes ]]; then
  check_libraries
  check_gpus
fi
