# shellcheck shell=bash disable=SC2034,SC2154  # variables come from, and go to, the script that sources this
# Sourced by the table scripts: their options, and how their runs are run.
#
# A table script sets about, datasets, variants and trials (trials_of, by data set, where one has another number of them),
# and calls read_options "$@", which leaves what options.sh says, and
#   datasets, seeds     arrays to loop over; seeds are those of data sets that are not in trials_of
# A script that has other data sets at --preset small sets small_datasets as well.
# It calls announce_costs with the functions that list its runs (all at once with list_runs, or each with list_job and a
# show for every command), write_miniature, and run_jobs with each of them.

# shellcheck source=scripts/lib/options.sh
source "$(dirname "${BASH_SOURCE[0]}")/options.sh"
product=table

declare -A trials_of=()

own_usage() {
  local name dataset defaults="" others=""
  for dataset in "${!trials_of[@]}"; do
    others+="; of $dataset $(default_seeds paper "$dataset")"
  done
  for name in "${presets[@]}"; do
    defaults+="${defaults:+, }$(default_seeds "$name") at $name"
    [[ $name != paper ]] || defaults+="$others"
  done
  cat <<END
  --seeds LIST      seeds to run, as 0,1,2 (default: $defaults)
  --datasets LIST   only these of ${datasets[*]}, as a,b (default: all)${small_datasets:+
                    at --preset small: of ${small_datasets[*]}}
  --jobs N          runs at a time, each with its part of the cores or of the GPUs (default: one a GPU; without
                    GPUs one a core, as far as 3 GB of memory are free for each). The output of one at a time is
                    seen as it comes; that of several goes to output.log in their folders
  --yes             start runs of the paper's sizes even if they would take more than a day on this machine's CPU
END
  table_usage
}

remarks() {
  cat <<END
Stop it whenever you like: the same command goes on where it was, and repeats no run that is finished. The table is
made from all finished runs, those of earlier calls included, and says which are missing.
END
}

seed_list="" dataset_list="" jobs="" yes=no

own_flag() {
  [[ $1 == --yes ]] && yes=yes
}

own_option() {
  case "$1" in
    --seeds) seed_list="$2" ;;
    --datasets) dataset_list="$2" ;;
    --jobs) jobs="$2" ;;
    *) table_option "$@" ;;
  esac
}

# A script with an option of its own defines these anew, as own_usage and own_option of options.sh.
table_usage() { :; }
table_option() { return 1; }

read_options() {
  parse_options "$@"
  [[ $preset != small || -z ${small_datasets:-} ]] || datasets=("${small_datasets[@]}")
  choose_seeds "${seed_list:-$(default_seeds "$preset")}"
  choose_datasets "$dataset_list"
  [[ $jobs =~ ^([1-9][0-9]*)?$ ]] || fail "--jobs $jobs: must be a whole number, 1 or more"
  enter_environment
}

# default_seeds PRESET [DATASET]: the script's trials; one at the miniature preset, so that it is quick.
default_seeds() {
  if [[ $1 == mini ]]; then
    echo 0
  else
    seq -s , 0 $((${trials_of[${2:-others}]:-$trials} - 1))
  fi
}

# choose_seeds_of DATASET: sets seeds to those that were given, else to the trials of the data set.
choose_seeds_of() {
  choose_seeds "${seed_list:-$(default_seeds "$preset" "$1")}"
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

# list_job TITLE FOLDER CONFIG: begins a run in a list; its commands follow.
list_job() {
  printf '# %s\t%s\t%s\n' "$@"
}

# list_runs PACKAGE EVALUATE: lists all runs of the script, which PACKAGE trains and predicts with. The function
# EVALUATE shows how one of them, that of $variant in $folder, is evaluated. Seeds outside variants: an interrupted
# table still compares the variants on the seeds it has.
list_runs() {
  local dataset seed variant config folder
  for dataset in "${datasets[@]}"; do
    choose_seeds_of "$dataset"
    for seed in "${seeds[@]}"; do
      for variant in "${variants[@]}"; do
        config="$1/configs/$preset/$dataset/$variant.yaml"
        folder="$runs/$preset/$dataset/$variant/seed$seed"
        list_job "$dataset $variant seed $seed" "$folder" "$config"
        show python -m "$1.train" "$config" --seed "$seed" --data "$data" --runs "$runs" ${gpus:+--gpus "$gpus"}
        show python -m "$1.predict" "$folder" --data "$data" ${gpus:+--gpus "$gpus"}
        "$2"
      done
    done
  done
}

# run_jobs LIST: runs what the function LIST lists, several runs at a time. A dry run shows the commands alone.
run_jobs() {
  if [[ $dry_run == yes ]]; then
    "$1" | grep -v '^# '
  else
    "$1" | python -m scripts.tables.jobs ${jobs:+--jobs "$jobs"} ${gpus:+--gpus "$gpus"}
  fi
}

# announce_costs LIST…: says what the runs that the functions LIST list will take at the paper's sizes. If that is more than
# a day on a CPU, for want of a GPU, the script ends unless --yes is given. A dry run never does.
announce_costs() {
  [[ $preset == paper ]] || return 0
  local list python=python options=() others=()
  read -r -a others <<<"${presets[*]/paper/}"
  if [[ $dry_run == yes ]]; then
    python=.venv/bin/python yes=yes
    [[ -x $python ]] || return 0
  fi
  [[ $yes == no ]] || options+=(--yes)
  for list in "$@"; do
    "$list"
  done | "$python" -m scripts.tables.costs "scripts/${0##*/}" "${others[@]}" "${options[@]}" ${gpus:+--gpus "$gpus"}
}
