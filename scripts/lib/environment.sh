# shellcheck shell=bash
# Sourced by the other scripts: puts the Python of .venv first on the PATH, and the CUDA libraries that pip installed
# (scripts/setup.sh --gpu) on the library path, because MXNet and TensorFlow load them by name.

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

if [[ ! -x $repository/.venv/bin/python ]]; then
  echo "error: $repository/.venv: environment not found; run scripts/setup.sh" >&2
  return 2
fi
export PATH="$repository/.venv/bin:$PATH"

for folder in "$repository"/.venv/lib/python3*/site-packages/nvidia/*/lib; do
  if [[ -d $folder ]]; then
    export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  fi
done
unset repository folder

# Number the GPUs as nvidia-smi does; by default, CUDA numbers the fastest GPU 0.
export CUDA_DEVICE_ORDER="${CUDA_DEVICE_ORDER:-PCI_BUS_ID}"
