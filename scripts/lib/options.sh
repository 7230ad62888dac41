# shellcheck shell=bash disable=SC2034  # the scripts that source this use the variables
# Sourced by the scripts of tables and figures, with what they declare and their arguments. For example,
#
#   source scripts/lib/options.sh tables paper=voc07:3,minicoco:1 mini=voc07:1,minicoco:1 -- "$@"
#
# declares a table that has presets paper and mini, and at paper three seeds of voc07 and one of minicoco. The options
# themselves are in scripts/tables/options.py and scripts/figures/options.py, which set the variables below. Paths and
# texts are quoted for the shell already: write commands as text, such as "python -m vision.predict $folder $gpus".

# Of all scripts. Empty, or an option with its value: gpus, and jobs, overlay, regions below.
preset="" data="" runs="" out="" gpus="" dry_run=""
# Of tables. seeds: of each data set, separated by spaces; costs: arguments of scripts.tables.costs, if it is called.
datasets="" jobs="" overlay="" costs=""
declare -A seeds=()
# Of figures.
dataset="" seed="" sentences="" split="" images="" choices="" regions="" unsup="" sup="" name=""
# The command that writes the miniature data, if it is used and incomplete.
miniature=""

called_from="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
python=python3
[[ ! -x .venv/bin/python ]] || python=.venv/bin/python
variables="$("$python" -m "scripts.$1.options" "$0" "$called_from" "${@:2}")" || exit
eval "$variables"

# run COMMAND: prints a command and runs it, unless this is a dry run.
run() {
  local command="${1% }"
  echo "$command"
  [[ $dry_run == yes ]] || eval "$command"
}

# run_jobs: runs the jobs that standard input lists in the format of scripts/tables/jobs.py, several at a time.
run_jobs() {
  if [[ $dry_run == yes ]]; then
    sed '/^# /d; s/ $//'
  else
    # shellcheck disable=SC2086  # options are several words, or none
    exec python -m scripts.tables.jobs $jobs $gpus
  fi
}

# announce_costs: prints what the jobs that standard input lists will take at the paper's sizes. Without --yes, it ends
# the script if that is more than a day on a CPU.
announce_costs() {
  if [[ -z $costs ]]; then
    cat >/dev/null
  else
    # shellcheck disable=SC2086  # arguments are several words
    "$python" -m scripts.tables.costs $costs
  fi
}

[[ $dry_run == yes ]] || source scripts/lib/environment.sh
[[ -z $miniature ]] || run "$miniature"
