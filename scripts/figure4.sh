#!/usr/bin/env bash
# Figure 4: the supervision targets of images, drawn on one.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/options.sh"

about="Figure 4: what an object (blue) is related to in the supervision targets T: on the left objects of different
categories (orange), on the right also those of its own (yellow). Needs no trained network."
product=figure
lacks="--runs --gpus" # it draws annotations

own_usage() {
  cat <<END
  --dataset NAME    voc07, minicoco, or a folder of the data folder in VOC or COCO layout (default: voc07)
  --split NAME      of the data set (default: minival of minicoco, else test)
  --image ID        an image of the split (default: the first in which the two targets differ and neither is empty)
  --object N        the reference object, counted from 1 (default: the first on which they so differ, else 1)
END
}

remarks() {
  cat <<END
Difficult objects and crowds are related to none, as in training, and are not counted.
END
}

dataset=voc07 split="" image="" object=""

own_option() {
  case "$1" in
    --dataset) dataset="$2" ;;
    --split) split="$2" ;;
    --image) image="$2" ;;
    --object) object="$2" ;;
    *) return 1 ;;
  esac
}

parse_options "$@"
[[ $object =~ ^[0-9]*$ ]] || fail "--object $object: must be a whole number"
[[ -n $split || $dataset != minicoco ]] || split=minival
enter_environment

write_miniature
run python -m scripts.figures.relation_targets --dataset "$dataset" --split "${split:-test}" ${image:+--image "$image"} \
  ${object:+--object "$object"} --data "$data" --out "$out/$preset/figure4.png"
