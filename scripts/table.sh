# shellcheck shell=bash disable=SC2034,SC2154  # variables come from, and go to, the script that sources this
# Sourced by the table scripts: their options, and how a command is shown and run.
#
# A table script sets about, datasets, variants and trials, and calls read_options "$@", which leaves
#   preset, gpus        as given
#   datasets, seeds     arrays to loop over
#   data, runs, out     folders, as seen from the repository's root, where all commands are run

called_from="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

usage() {
  cat <<END
usage: scripts/${0##*/} [options]

$about

  --preset NAME     paper: the paper's sizes, for GPUs; mini: small networks on miniature data, minutes on two
                    cores (default: paper)
  --seeds LIST      seeds to run, as 0,1,2 (default: $(default_seeds paper) at paper, $(default_seeds mini) at mini)
  --datasets LIST   only these of ${datasets[*]}, as a,b (default: all)
  --data DIR        where the data sets are (default: \$FAN_DATA, else datasets); mini uses and fills DIR/mini
  --runs DIR        where the runs are kept (default: runs)
  --out DIR         where the table is written (default: results)
  --gpus IDS        GPUs that may be used, as 0,1 (default: all)
  --dry-run         print the commands and run none
  --help            this text

Stop it whenever you like: the same command goes on where it was, and repeats no run that is finished. The table is
made from all finished runs, those of earlier calls included, and says which are missing.

example: scripts/${0##*/} --preset mini
END
}

fail() {
  echo "error: $*" >&2
  exit 2
}

read_options() {
  preset=paper gpus="" dry_run=no
  data=datasets runs=runs out=results
  [[ -z ${FAN_DATA:-} ]] || data="$(from_root "$FAN_DATA")"
  local seed_list="" dataset_list=""
  while (($#)); do
    case "$1" in
      --help | -h) usage && exit ;;
      --dry-run) dry_run=yes && shift && continue ;;
      --preset | --seeds | --datasets | --data | --runs | --out | --gpus)
        [[ -n ${2:-} ]] || fail "$1: lacks its value"
        ;;
      *) fail "$1: no such option; scripts/${0##*/} --help lists them" ;;
    esac
    case "$1" in
      --preset) preset="$2" ;;
      --seeds) seed_list="$2" ;;
      --datasets) dataset_list="$2" ;;
      --data) data="$(from_root "$2")" ;;
      --runs) runs="$(from_root "$2")" ;;
      --out) out="$(from_root "$2")" ;;
      --gpus) gpus="$2" ;;
    esac
    shift 2
  done
  [[ $preset == paper || $preset == mini ]] || fail "--preset $preset: must be paper or mini"
  choose_seeds "${seed_list:-$(default_seeds "$preset")}"
  choose_datasets "$dataset_list"
  [[ $preset == paper ]] || data="$data/mini"
  [[ $dry_run == yes ]] || source scripts/environment.sh
  step=0 steps=$((${#datasets[@]} * ${#seeds[@]} * ${#variants[@]}))
}

# The paper's trials; one at the miniature preset, so that it is quick.
default_seeds() {
  if [[ $1 == paper ]]; then
    seq -s , 0 $((trials - 1))
  else
    echo 0
  fi
}

choose_seeds() {
  [[ $1 =~ ^[0-9]+(,[0-9]+)*$ ]] || fail "--seeds $1: must be whole numbers with commas between, as 0,1,2"
  IFS=, read -r -a seeds <<<"$1"
}

choose_datasets() {
  [[ -n $1 ]] || return 0
  local all=" ${datasets[*]} " dataset
  IFS=, read -r -a datasets <<<"$1"
  for dataset in "${datasets[@]}"; do
    [[ $all == *" $dataset "* ]] || fail "--datasets $dataset: this table has ${all:1:-1}"
  done
}

# A path as it was meant where the script was called.
from_root() {
  if [[ $1 == /* || $called_from -ef . ]]; then
    echo "$1"
  else
    echo "$called_from/$1"
  fi
}

# announce WHAT: one line before each run of the loops. It goes to standard error, so that the standard output of
# --dry-run is nothing but commands.
announce() {
  step=$((step + 1))
  echo "[$step/$steps] $*" >&2
}

# run COMMAND…: shows a command and runs it; one that fails ends the script with its exit code.
run() {
  local word shown=""
  for word in "$@"; do
    [[ $word =~ ^[[:alnum:]/._,-]+$ ]] || printf -v word '%q' "$word"
    shown+="$word "
  done
  echo "${shown% }"
  [[ $dry_run == yes ]] || "$@"
}
