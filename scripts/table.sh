# shellcheck shell=bash disable=SC2034,SC2154  # variables come from, and go to, the script that sources this
# Sourced by the table scripts: their options, and how they announce their runs.
#
# A table script sets about, datasets, variants and trials, and calls read_options "$@", which leaves what
# options.sh says, and
#   datasets, seeds     arrays to loop over

# shellcheck source=scripts/options.sh
source "$(dirname "${BASH_SOURCE[0]}")/options.sh"
product=table

own_usage() {
  cat <<END
  --seeds LIST      seeds to run, as 0,1,2 (default: $(default_seeds paper) at paper, $(default_seeds mini) at mini)
  --datasets LIST   only these of ${datasets[*]}, as a,b (default: all)
END
}

remarks() {
  cat <<END
Stop it whenever you like: the same command goes on where it was, and repeats no run that is finished. The table is
made from all finished runs, those of earlier calls included, and says which are missing. The miniature data sets are
written where they are not there yet.
END
}

seed_list="" dataset_list=""

own_option() {
  case "$1" in
    --seeds) seed_list="$2" ;;
    --datasets) dataset_list="$2" ;;
    *) return 1 ;;
  esac
}

read_options() {
  parse_options "$@"
  choose_seeds "${seed_list:-$(default_seeds "$preset")}"
  choose_datasets "$dataset_list"
  enter_environment
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

# announce WHAT: one line before each run of the loops. It goes to standard error, so that the standard output of
# --dry-run is nothing but commands.
announce() {
  step=$((step + 1))
  echo "[$step/$steps] $*" >&2
}
