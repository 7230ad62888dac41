# shellcheck shell=bash disable=SC2154  # variables come from the script that sources this
# Sourced by setup.sh: the NVIDIA GPUs of this machine, and which of them the CUDA build of each stack can use. Requires
# the associative array `builds`, by stack, and the function `fail`.
#
# mxnet-cu112 1.9.1 contains machine code for compute capabilities 5.0, 6.0, 7.0, 8.0 and 8.6 and no PTX (read with
# cuobjdump). Machine code for X.y runs on X.z if z >= y, and on no other X: "a cubin generated for compute capability
# 8.6 is supported to run on a GPU with compute capability 8.9 […] a cubin generated with compute capability 8.x is not
# supported to run on a GPU with compute capability 9.0" (NVIDIA Ada GPU Architecture Compatibility Guide, section 1.2).
# So MXNet can use 5.0 to 8.9; 8.9 follows from this rule only and is untested.
#
# TensorFlow 2.14.1 contains machine code for 3.5, 5.0, 6.0, 7.0 and 7.5, and PTX for 8.0 (see its build_info.py), which
# the driver compiles for later GPUs at first use. cuBLAS 11.11 and cuDNN 8.7 support GPUs up to Hopper, 9.0.

declare -A names=([mxnet]=MXNet [tensorflow]=TensorFlow)
declare -A ranges=([mxnet]="5.0 to 8.9" [tensorflow]="3.5 to 9.0")

# list_gpus: one line per GPU, "NAME, CAPABILITY". The nvidia-smi of old drivers, such as 470, does not report the
# capability; these drivers support GPUs up to 8.6 only.
list_gpus() {
  local lines
  lines="$(nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader 2>/dev/null)" ||
    lines="$(nvidia-smi -L 2>/dev/null | sed -n 's/^GPU [0-9]*: \(.*\) (UUID.*/\1, unknown/p')" || true
  grep ", " <<<"$lines" || true
}

# can_use STACK CAPABILITY: whether the CUDA build of the stack runs on such a GPU; true if the capability is unknown.
can_use() {
  case "$1 $2" in
    "mxnet "[5-8].* | "tensorflow "3.[5-9] | "tensorflow "[5-8].* | "tensorflow 9.0") ;;
    *" "[0-9]*) return 1 ;;
  esac
}

# can_use_any STACK GPUS: whether it runs on one of the GPUs that list_gpus printed.
can_use_any() {
  local gpu
  while IFS= read -r gpu; do
    if [[ -n $gpu ]] && can_use "$1" "${gpu##*, }"; then
      return
    fi
  done <<<"$2"
  return 1
}

# describe_gpus GPUS: prints which stacks can use each GPU.
describe_gpus() {
  local gpu capability stack text number=0
  while IFS= read -r gpu; do
    capability="${gpu##*, }" text=""
    for stack in mxnet tensorflow; do
      text+=", ${names[$stack]}: $(can_use "$stack" "$capability" && echo yes || echo no)"
    done
    [[ $capability != 8.9 ]] || text+=" (MXNet: by NVIDIA's compatibility rule, untested)"
    [[ $capability == [0-9]* ]] ||
      text+=" (not reported by nvidia-smi of this old driver; 5.0 to 8.6 is assumed)"
    echo "GPU $number: ${gpu%, *}, compute capability $capability$text"
    ((number += 1))
  done <<<"$1"
}

# describe_mixture STACK GPUS: prints the GPUs that the stack cannot use, if it can use others.
describe_mixture() {
  local gpu number=0 usable="" unusable=""
  while IFS= read -r gpu; do
    if can_use "$1" "${gpu##*, }"; then
      usable+=",$number"
    else
      unusable+=" $number"
    fi
    ((number += 1))
  done <<<"$2"
  [[ -z $usable || -z $unusable ]] ||
    echo "${names[$1]}: cannot use GPU$unusable; give every command --gpus ${usable:1}"
}

# explain_builds GPUS: prints what the stacks can use, and why one has a CPU build.
explain_builds() {
  local stack
  describe_gpus "$1"
  for stack in mxnet tensorflow; do
    describe_mixture "$stack" "$1"
    [[ ${builds[$stack]} == gpu ]] ||
      echo "${names[$stack]}: CPU build, because its CUDA build requires compute capability ${ranges[$stack]}"
  done
}

# Fails if the CUDA build of a stack cannot use any GPU of this machine. Accepts a machine without GPUs, such as a login
# node.
require_gpus() {
  local gpus stack
  gpus="$(list_gpus)"
  if [[ -z $gpus ]]; then
    echo "GPUs: not checked, because nvidia-smi is absent or shows none" >&2
    return
  fi
  describe_gpus "$gpus" >&2
  for stack in mxnet tensorflow; do
    can_use_any "$stack" "$gpus" ||
      fail "--gpu: ${names[$stack]} cannot use any GPU of this machine, because its CUDA build requires compute" \
        "capability ${ranges[$stack]}; omit --gpu to install its CPU build"
    describe_mixture "$stack" "$gpus" >&2
  done
}

# Checks that the loader finds the libraries of CUDA and the driver that libmxnet.so requires, with the library path of
# scripts/lib/environment.sh.
check_libraries() {
  local listing missing
  listing="$(
    source scripts/lib/environment.sh
    ldd .venv/lib/python3*/site-packages/mxnet/libmxnet.so
  )"
  missing=" $(awk '/=> not found/ { print $1 }' <<<"$listing" | sort -u | paste -s -d " ") "
  echo "CUDA libraries of mxnet-cu112:"
  awk '/^[ \t]*lib(cu|nv|nccl)/ { print /not found/ ? "  missing" : "  found  ", $1 }' <<<"$listing" | sort -u
  if [[ $missing == *" libcuda.so.1 "* ]]; then
    echo "libcuda.so.1 belongs to the NVIDIA driver, which is absent: MXNet can only be imported on machines with it"
    missing="${missing/ libcuda.so.1 / }"
  fi
  if [[ $missing == *lib* ]]; then
    echo "error: MXNet cannot be imported without${missing% }; rerun scripts/setup.sh --gpu" >&2
    exit 1
  fi
}
