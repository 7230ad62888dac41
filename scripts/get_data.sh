#!/usr/bin/env bash
# Gets a data set of the paper, NLTK's models, or ImageNet weights: scripts/get_data.sh NAME [--data DIR]
# [--archive FILE]. Without NAME, a table of all of them. data/download/__main__.py downloads; data/download/sources.py and
# data/download/weights.py say from where. Weights are then converted by vision/weights.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/options.sh" # for from_root
source scripts/lib/environment.sh

[[ -z ${FAN_DATA:-} ]] || FAN_DATA="$(from_root "$FAN_DATA")"
data="${FAN_DATA:-datasets}" name="" arguments=() option=""
for argument in "$@"; do
  if [[ $option == --data || $option == --archive ]]; then
    [[ -n $argument ]] || fail "$option: lacks its value"
    argument="$(from_root "$argument")"
    [[ $option == --archive ]] || data="$argument"
  elif [[ $argument != -* ]]; then
    name="$argument"
  fi
  arguments+=("$argument")
  option="$argument"
done
python -u -m data.download "${arguments[@]}"

backbone="${name#imagenet-}"
backbone="${backbone//-/_}"
source="$(echo "$data/imagenet/source/$backbone"/*)"
converted="$data/imagenet/$backbone"
if [[ $name == imagenet-* && -e $source && ! (-e $converted.params && $converted.json -nt $source) ]]; then
  python -m vision.weights "$source" --backbone "$backbone" --out "$converted.params" || {
    code=$?
    ((code != 2)) || rm -r "${source%/*}" # What cannot be converted should not be found by the next run.
    exit "$code"
  }
fi
