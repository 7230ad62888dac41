#!/usr/bin/env bash
# Gets a data set of the paper, or NLTK's models: scripts/get_data.sh NAME [--data DIR] [--archive FILE].
# Without NAME, a table of all of them. data/download.py does it; data/sources.py says from where.
set -euo pipefail
# shellcheck source=scripts/options.sh
source "$(dirname "${BASH_SOURCE[0]}")/options.sh" # for from_root
source scripts/environment.sh

[[ -z ${FAN_DATA:-} ]] || FAN_DATA="$(from_root "$FAN_DATA")"
arguments=() option=""
for argument in "$@"; do
  if [[ $option == --data || $option == --archive ]]; then
    [[ -n $argument ]] || fail "$option: lacks its value"
    argument="$(from_root "$argument")"
  fi
  arguments+=("$argument")
  option="$argument"
done
exec python -u -m data.download "${arguments[@]}"
