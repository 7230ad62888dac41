#!/usr/bin/env bash
# Builds what environment.yml lists. The result is always found at .venv: a virtual environment made with pip
# or, where conda is at hand, a link to its environment `fan`. A stamp in it says what was built; while that
# is still what is asked for, there is nothing to do, and otherwise it is built anew, for leftovers of another
# list cannot be told apart.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly stamp=.venv/fan-setup.txt
readonly log=setup.log

# shellcheck source=scripts/lib/gpus.sh
source scripts/lib/gpus.sh

usage() {
  cat <<'END'
usage: scripts/setup.sh [--cpu | --gpu] [--print-requirements]

Installs the versions of environment.yml for Python 3.10 or 3.11 at .venv, which every other script uses.
With conda, mamba or micromamba on the PATH that is a link to the conda environment `fan`, else a virtual
environment made with pip. Run it as often as you like: it returns at once when nothing changed, and an
interrupted installation is repaired.

  --cpu                 the CPU builds of MXNet and TensorFlow
  --gpu                 the CUDA builds of both and the CUDA 11.8 libraries, then a check of the libraries; fails if
                        there are GPUs and one of the two can use none of them
  --print-requirements  only print what pip would be given
  --help                this text

Without --cpu or --gpu: the builds that .venv already holds. The first time each of the two is decided by the compute
capabilities that nvidia-smi reports: the CUDA build where it can use a GPU (MXNet 5.0 to 8.9, TensorFlow 3.5 to 9.0),
else the CPU build.

example: scripts/setup.sh --gpu
END
}

fail() {
  echo "error: $*" >&2
  exit 2
}

trap 'echo "interrupted; the same command starts the installation afresh" >&2; exit 130' INT

# --- what is asked for --------------------------------------------------------------------------------------

# Sets `builds` of both stacks. What an earlier run built stays, so that a choice made once (--gpu on a login node without
# a GPU) is not undone by the scripts that call this one.
choose_builds() {
  local gpus stack
  if [[ -s $stamp ]] && grep -q ^mxnet "$stamp"; then
    for stack in "${!builds[@]}"; do
      builds[$stack]="$(sed -n "s/^$stack //p" "$stamp")"
    done
    return
  fi
  gpus="$(list_gpus)"
  for stack in "${!builds[@]}"; do
    if can_use_any "$stack" "$gpus"; then
      builds[$stack]=gpu
    fi
  done
  [[ -z $gpus ]] || explain_builds "$gpus" >&2
}

conda_packages() {
  sed -n '/- pip:$/q; s/^ *- \([a-z]*=[^ ]*\).*/\1/p' environment.yml
}

pip_packages() {
  sed -n '/- pip:$/,$ s/^ *- \([^ ]*==[^ ]*\).*/\1/p' environment.yml
}

requirements() {
  local changes=()
  [[ ${builds[mxnet]} == gpu ]] || changes+=(-e 's/^mxnet-cu112==/mxnet==/')
  [[ ${builds[tensorflow]} == gpu ]] || changes+=(-e 's/^tensorflow==/tensorflow-cpu==/')
  [[ ${builds[*]} == *gpu* ]] || changes+=(-e '/^nvidia-/d')
  pip_packages | sed -e '' "${changes[@]}"
}

shown_builds() {
  echo "MXNet for ${builds[mxnet]^^}, TensorFlow for ${builds[tensorflow]^^}"
}

# Everything whose change asks for a new environment. Python is left empty when .venv's does not run.
description() {
  echo "mxnet ${builds[mxnet]}"
  echo "tensorflow ${builds[tensorflow]}"
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
  logged "installing ${#packages[@]} packages and what they need ($(shown_builds))" \
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

# ------------------------------------------------------------------------------------------------------------

declare -A builds=([mxnet]=cpu [tensorflow]=cpu)
choice=automatic
print_only=no
for argument in "$@"; do
  case "$argument" in
    --cpu) choice=cpu ;;
    --gpu) choice=gpu ;;
    --print-requirements) print_only=yes ;;
    --help | -h) usage && exit ;;
    *) fail "$argument: no such option; scripts/setup.sh --help lists them" ;;
  esac
done
case "$choice" in
  gpu) builds=([mxnet]=gpu [tensorflow]=gpu) && insist_on_gpus ;;
  automatic) choose_builds ;;
esac

if [[ $print_only == yes ]]; then
  requirements
  exit
fi

if is_current; then
  echo "environment: .venv is as environment.yml lists it ($(shown_builds))"
else
  make_environment
  echo "environment: .venv is ready ($(shown_builds))"
fi
if [[ $choice == gpu ]]; then
  check_libraries
fi
