#!/usr/bin/env bash
# A page on which a reader clicks objects of images and sees what they attend to.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/options.sh"

about="Makes a page of a folder of images, one HTML file that loads nothing: on it a reader clicks an object and sees which
regions it attends to, by a network without supervision beside one with it. Any two finished runs with focused
attention on the same categories will do."
example="photos --unsup runs/paper/minicoco/fan-unsup/seed0 --sup runs/paper/minicoco/fan-sup/seed0"
lacks="--preset --data --runs"

usage() {
  cat <<END
usage: scripts/relations_page.sh FOLDER --unsup RUN --sup RUN [options]

$about

  FOLDER            of images, those in folders below it, too; or one image
  --unsup RUN       run folder of the network without supervision
  --sup RUN         run folder of the supervised network
  --out FILE        the page (default: relations.html)
  --title TEXT      of the page
  --score S         the least score of an object that can be clicked, from 0 to 1 (default: 0.3)
  --gpus IDS        GPUs that may be used, as 0,1 (default: all)
  --dry-run         print the commands and run none
  --help            this text

What the networks say of the images is kept as attended/<page>.npz in their run folders. An image file that cannot be
read is reported and left out, and the page says so.

example: scripts/relations_page.sh $example
END
}

images="" unsup="" sup="" options=()

own_option() {
  case "$1" in
    --unsup) unsup="$(from_root "$2")" ;;
    --sup) sup="$(from_root "$2")" ;;
    --title | --score) options+=("$1" "$2") ;;
    *) return 1 ;;
  esac
}

if [[ ${1:--} != -* ]]; then
  images="$(from_root "$1")"
  shift
fi
parse_options --out relations.html "$@"
[[ -n $images ]] || fail "give a folder of images first; scripts/relations_page.sh --help shows how"
[[ -n $unsup ]] || fail "--unsup: lacks its run"
[[ -n $sup ]] || fail "--sup: lacks its run"
enter_environment

name="attended/$(basename "${out%.html}").npz"
for network in "$unsup" "$sup"; do
  run python -m vision.attended "$network" "$images" --out "$network/$name" ${gpus:+--gpus "$gpus"}
done
run python -m scripts.figures.relations_page "$unsup/$name" "$sup/$name" "${options[@]}" --out "$out"
