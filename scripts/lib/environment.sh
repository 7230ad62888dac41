# shellcheck shell=bash
# Sourced by the other scripts: puts the Python of .venv first on the PATH, and the CUDA libraries that were
# installed as wheels (scripts/setup.sh --gpu) on the library path. Both stacks load them by name, so they are
# found nowhere else.

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

if [[ ! -x $repository/.venv/bin/python ]]; then
  echo "error: $repository/.venv: no environment yet; run scripts/setup.sh" >&2
  return 2
fi
export PATH="$repository/.venv/bin:$PATH"

for folder in "$repository"/.venv/lib/python3*/site-packages/nvidia/*/lib; do
  if [[ -d $folder ]]; then
    export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  fi
done
unset repository folder

# GPU ids are nvidia-smi's; CUDA alone would count the fastest GPU as 0.
export CUDA_DEVICE_ORDER="${CUDA_DEVICE_ORDER:-PCI_BUS_ID}"
