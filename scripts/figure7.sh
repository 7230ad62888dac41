#!/usr/bin/env bash
# Figure 7: like Figure 1, for six images with two objects each: an object (blue) and the regions that it attends to
# (orange), with their weights, without supervision (fan-unsup), as in Relation Networks, and with supervision
# (fan-sup). On the page that scripts/relations_page.sh makes of a folder, objects are chosen by clicking.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" figures regions paper mini small -- "$@"

files=""
for variant in fan-unsup fan-sup; do # from left to right
  folder=$runs/$preset/$dataset/$variant/seed$seed
  file=$folder/attended/figure7.npz
  run "python -m vision.attended $folder ${images:+$images }--count 6 --out $file --data $data $gpus"
  files+="$file "
done
run "python -m scripts.figures.attended_regions $files${choices:+$choices }--objects 2 ${regions:+$regions }\
--out $out/$preset/figure7.png"
