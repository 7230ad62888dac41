#!/usr/bin/env bash
# Makes an HTML page of a folder of images: click an object to see which regions it attends to, in a network without
# supervision and in one with supervision. The two networks are any finished runs with focused attention on the same
# categories. The page is one file and loads nothing else.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" figures page -- "$@"

file=attended/$name.npz
for network in "$unsup" "$sup"; do
  run "python -m vision.attended $network $images --out $network/$file $gpus"
done
run "python -m scripts.figures.relations_page $unsup/$file $sup/$file ${choices:+$choices }--out $out"
