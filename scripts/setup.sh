#!/usr/bin/env bash
# Installs the packages of environment.yml at .venv: a virtual environment made with pip or, if conda is available, a
# link to its environment `fan`. A stamp in .venv records what was installed. If it matches, there is nothing to do;
# otherwise the environment is made from scratch, because packages of an older list would remain.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly stamp=.venv/fan-setup.txt
readonly log=setup.log

usage() {
  cat <<'END'
usage: scripts/setup.sh [--cpu | --gpu] [--print-requirements]

Installs the versions of environment.yml for Python 3.10 or 3.11 at .venv, which all other scripts use: a link to the
conda environment `fan` if conda, mamba or micromamba is on the PATH, otherwise a virtual environment made with pip.
Returns at once if everything is installed. Rerun it to repair an interrupted installation.

  --cpu                 install the CPU builds of MXNet and TensorFlow
  --gpu                 install their CUDA builds and the CUDA 11.8 libraries, and check the libraries; fails if there
                        are GPUs and one of the two builds cannot use any of them
  --print-requirements  print the packages that pip would install, and exit
  --help                this text

Without --cpu or --gpu, the builds of an existing .venv are kept. The first time, each build is chosen by the compute
capabilities that nvidia-smi reports: the CUDA build if it can use a GPU (MXNet 5.0 to 8.9, TensorFlow 3.5 to 9.0),
otherwise the CPU build.

example: scripts/setup.sh --gpu
END
}

fail() {
  echo "error: $*" >&2
  exit 2
}

# shellcheck source=scripts/lib/gpus.sh
source scripts/lib/gpus.sh

trap 'echo "interrupted; rerun the command to restart the installation" >&2; exit 130' INT

# --- what to install --------------------------------------------------------------------------------------------------

declare -A builds=([mxnet]=cpu [tensorflow]=cpu)

# Sets `builds`. Installed builds are kept, so that other scripts do not undo a choice such as --gpu on a login node
# without a GPU.
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
  local changes=()
  [[ ${builds[mxnet]} == gpu ]] || changes+=(-e 's/^mxnet-cu112==/mxnet==/')
  [[ ${builds[tensorflow]} == gpu ]] || changes+=(-e 's/^tensorflow==/tensorflow-cpu==/')
  [[ ${builds[*]} == *gpu* ]] || changes+=(-e '/^nvidia-/d')
  sed -n '/- pip:$/,$ s/^ *- \([^ ]*==[^ ]*\).*/\1/p' environment.yml | sed -e '' "${changes[@]}"
}

describe_builds() {
  echo "MXNet for ${builds[mxnet]^^}, TensorFlow for ${builds[tensorflow]^^}"
}

# The contents of the stamp. The Python version is empty if the Python of .venv does not run.
stamp_contents() {
  echo "mxnet ${builds[mxnet]}"
  echo "tensorflow ${builds[tensorflow]}"
  echo "python $(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
  echo "requirements $(pip_packages | sha256sum | cut -d " " -f 1)"
}

is_current() {
  [[ -e $stamp && $(<"$stamp") == "$(stamp_contents)" ]]
}

# --- progress of long commands ----------------------------------------------------------------------------------------

# logged WHAT COMMAND…: writes the output of a command to the log and shows its progress in one line.
logged() {
  local what="$1"
  shift
  printf '\n$ %s\n' "$*" >>"$log"
  if ! "$@" </dev/null 2>&1 | tee -a "$log" | show_progress "$what"; then
    tail -n 15 "$log" >&2
    echo "error: $what failed; see $PWD/$log, and rerun the command to try again" >&2
    exit 1
  fi
}

# Updates the line every second on a terminal; prints one every 30 seconds otherwise.
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
      break # the end of the output; the status of a timeout is above 128
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

# --- the environment --------------------------------------------------------------------------------------------------

# base_python PYTHON: prints the path of its interpreter outside virtual environments, because it can be that of the
# .venv to be replaced. Fails if it does not run, has another version, or cannot make environments (as on Debian without
# python3-venv).
base_python() {
  "$1" -c '
import sys, venv, ensurepip
version = sys.version_info[:2]
if version not in [(3, 10), (3, 11)]:
    sys.exit(1)
print("%s/bin/python%d.%d" % ((sys.base_prefix,) + version))' 2>/dev/null
}

# Tries the Pythons on the PATH and those of pyenv, whose versions may be missing from the PATH.
find_python() {
  local candidate
  while read -r candidate; do
    if base_python "$candidate"; then
      return
    fi
  done < <(
    type -aP python3.11 python3.10 python3 python || true
    printf '%s\n' "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.1[01].*/bin/python3
  )
  fail "no Python 3.10 or 3.11 that can make virtual environments was found (python3 is" \
    "$(python3 --version 2>/dev/null || echo absent)); install one, or conda, and rerun scripts/setup.sh"
}

make_virtual_environment() {
  local python
  python="$(find_python)"
  rm -rf .venv
  logged "making .venv with $python" "$python" -m venv .venv
}

find_conda() {
  local candidate
  while read -r candidate; do
    if "$candidate" --version >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done < <(type -P mamba conda micromamba)
}

# conda_prefix CONDA: the folder of the environment `fan`, empty if it does not exist.
conda_prefix() {
  "$1" run --name fan python -c 'import sys; print(sys.prefix)' 2>/dev/null || true
}

link_environment() {
  rm -rf .venv
  ln -s "$1" .venv
}

# An environment `fan` made by hand is kept, and pip adds the missing packages. One that this script made from another
# list, or did not finish, is replaced: `create` of all three tools replaces an existing environment.
make_conda_environment() {
  local conda="$1" prefix packages
  prefix="$(conda_prefix "$conda")"
  if [[ -n $prefix ]]; then
    base_python "$prefix/bin/python" >/dev/null ||
      fail "$prefix: the conda environment fan does not have Python 3.10 or 3.11; rename or remove it"
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

install_packages() {
  local packages
  mapfile -t packages < <(pip_packages)
  : >"$stamp" # empty until the end, so that an interrupted installation starts from scratch
  logged "installing ${#packages[@]} packages and their dependencies ($(describe_builds))" \
    .venv/bin/python -m pip install --no-input --disable-pip-version-check --progress-bar off "${packages[@]}"
  logged "checking the dependencies" .venv/bin/python -m pip check
  stamp_contents >"$stamp"
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

# --- the command line -------------------------------------------------------------------------------------------------

choice=automatic
print_only=no
for argument in "$@"; do
  case "$argument" in
    --cpu) choice=cpu ;;
    --gpu) choice=gpu ;;
    --print-requirements) print_only=yes ;;
    --help | -h) usage && exit ;;
    *) fail "unrecognized argument: $argument; see scripts/setup.sh --help" ;;
  esac
done
case "$choice" in
  gpu) builds=([mxnet]=gpu [tensorflow]=gpu) && require_gpus ;;
  automatic) choose_builds ;;
esac

if [[ $print_only == yes ]]; then
  pip_packages
  exit
fi

if is_current; then
  echo "environment: .venv is up to date ($(describe_builds))"
else
  make_environment
  echo "environment: .venv is ready ($(describe_builds))"
fi
if [[ $choice == gpu ]]; then
  check_libraries
fi
