#!/usr/bin/env bash
# Figure 1: an object of an image (blue) and the regions that it attends to (orange), with their weights: on the left
# without supervision (fan-unsup), as in Relation Networks, on the right with supervision (fan-sup). Draws four images,
# with one object each unless more are chosen.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" figures regions paper mini small -- "$@"

files=""
for variant in fan-unsup fan-sup; do # from left to right
  folder=$runs/$preset/$dataset/$variant/seed$seed
  file=$folder/attended/figure1.npz
  run "python -m vision.attended $folder ${images:+$images }--count 4 --out $file --data $data $gpus"
  files+="$file "
done
run "python -m scripts.figures.attended_regions $files${choices:+$choices }--objects 1 ${regions:+$regions }\
--out $out/$preset/figure1.png"
