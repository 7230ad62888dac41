#!/usr/bin/env bash
# Downloads a data set of the paper, the models of NLTK, or ImageNet weights (see scripts/get_data.sh --help); without
# NAME, lists all of them. ImageNet weights are also converted to the format of vision/weights.
#
#   scripts/get_data.sh [NAME] [--data DIR] [--archive FILE]
set -euo pipefail
called_from="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib/environment.sh

# A path relative to the folder that the script was called from.
from_root() {
  if [[ $1 == /* || $called_from == "$PWD" ]]; then
    echo "$1"
  else
    echo "$called_from/$1"
  fi
}

data=datasets name="" arguments=() option=""
[[ -z ${FAN_DATA:-} ]] || data="$(from_root "$FAN_DATA")"
for argument in "$@"; do
  if [[ $option == --data || $option == --archive ]]; then
    [[ -n $argument ]] || { echo "error: $option: expected a path, got an empty text" >&2 && exit 2; }
    argument="$(from_root "$argument")"
    [[ $option == --archive ]] || data="$argument"
  elif [[ $argument != -* ]]; then
    name="$argument"
  fi
  arguments+=("$argument")
  option="$argument"
done
FAN_DATA="$data" python -u -m data.download "${arguments[@]}"

backbone="${name#imagenet-}"
backbone="${backbone//-/_}"
source="$(echo "$data/imagenet/source/$backbone"/*)"
converted="$data/imagenet/$backbone"
if [[ $name == imagenet-* && -e $source && ! (-e $converted.params && $converted.json -nt $source) ]]; then
  python -m vision.weights "$source" --backbone "$backbone" --out "$converted.params" || {
    code=$?
    ((code != 2)) || rm -r "${source%/*}" # a file that cannot be converted must not be used by the next call
    exit "$code"
  }
fi
