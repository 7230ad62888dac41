# shellcheck shell=bash disable=SC2034,SC2154  # variables come from, and go to, the scripts that source this
# Sourced by table.sh, figure.sh and figure4.sh: the options that they share, and how a command is shown and run. Of
# get_data.sh's use is from_root alone.
#
# They set about (what the script does) and product (table or figure), may set anew what stands first below, and define
#   own_usage, remarks      print the lines of their own options, and what stands below all of them
#   own_option NAME VALUE   takes one of their own options; returns 1 where it is none of them
#   own_flag NAME           the same, of options without a value; need not be defined
# before they call parse_options "$@", which leaves
#   preset, gpus, dry_run   as given
#   data, runs, out         folders, as seen from the repository's root, where all commands are run

presets=(paper mini)    # the first is the default
lacks=""                # those of the options, of table.sh's too, that the script has no use for
example="--preset mini" # what stands in the help

own_flag() { return 1; }

called_from="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

usage() {
  cat <<END
usage: scripts/${0##*/} [options]

$about

$(all_options | without_lacking)

$(remarks)

example: scripts/${0##*/} $example
END
}

all_options() {
  cat <<END
  --preset NAME     paper: the paper's sizes, for GPUs; mini: small networks on miniature data, minutes on two
                    cores (default: paper). The data of mini lie in mini/ in the data folder; table scripts write
                    them where they are not there yet${small_datasets:+
                    small: reduced networks on real images, hours on two cores}
$(own_usage)
  --data DIR        where the data sets are (default: \$FAN_DATA, else datasets)
  --runs DIR        where the runs are kept (default: runs)
  --out DIR         where the $product is written, in a folder of the preset's name (default: results)
  --gpus IDS        GPUs that may be used, as 0,1 (default: all)
  --dry-run         print the commands and run none
  --help            this text
END
}

# Leaves out the lines of each option that the script lacks, down to the next option.
without_lacking() {
  awk -v lacks=" $lacks " '/^  --/ { kept = !index(lacks, " " $1 " ") } kept'
}

fail() {
  echo "error: $*" >&2
  exit 2
}

parse_options() {
  preset="${presets[0]}" gpus="" dry_run=no
  data=datasets runs=runs out=results
  [[ -z ${FAN_DATA:-} ]] || data="$(from_root "$FAN_DATA")"
  local value names="${presets[*]}"
  while (($#)); do
    value="${2:-}"
    [[ " $lacks " != *" $1 "* ]] || no_such_option "$1"
    if own_flag "$1"; then
      shift
      continue
    fi
    case "$1" in
      --help | -h) usage && exit ;;
      --dry-run) dry_run=yes && shift && continue ;;
      --preset) preset="$value" ;;
      --data) data="$(from_root "$value")" ;;
      --runs) runs="$(from_root "$value")" ;;
      --out) out="$(from_root "$value")" ;;
      --gpus) gpus="$value" ;;
      *) own_option "$1" "$value" || no_such_option "$1" ;;
    esac
    [[ -n $value ]] || fail "$1: lacks its value"
    shift 2
  done
  [[ " ${presets[*]} " == *" $preset "* ]] || fail "--preset $preset: must be ${names// / or }"
  [[ $gpus =~ ^([0-9]+(,[0-9]+)*)?$ ]] || fail "--gpus $gpus: must be numbers with commas between, as 0,1"
  [[ $preset != mini ]] || data="$data/mini"
}

no_such_option() {
  fail "$1: no such option; scripts/${0##*/} --help lists them"
}

# A path as it was meant where the script was called.
from_root() {
  if [[ $1 == /* || $called_from -ef . ]]; then
    echo "$1"
  else
    echo "$called_from/$1"
  fi
}

# The environment that the commands need; a dry run needs none.
enter_environment() {
  [[ $dry_run == yes ]] || source scripts/lib/environment.sh
}

# Every piece of the miniature is looked for, since an older version wrote fewer of them.
write_miniature() {
  [[ $preset == mini ]] || return 0
  local piece
  for piece in VOCdevkit coco visual_genome mit67 lexicon.tsv; do
    if [[ ! -e $data/$piece ]]; then
      run python -m data.mini --out "$data"
      return
    fi
  done
}

# run COMMAND…: shows a command and runs it; one that fails ends the script with its exit code.
run() {
  show "$@"
  [[ $dry_run == yes ]] || "$@"
}

# show COMMAND…: prints a command as it can be pasted.
show() {
  local word shown=""
  for word in "$@"; do
    [[ $word =~ ^[[:alnum:]/._,-]+$ ]] || printf -v word '%q' "$word"
    shown+="$word "
  done
  echo "${shown% }"
}
