#!/usr/bin/env bash
# Figure 4: the objects that an object (blue) is related to in the supervision targets T: on the left those of
# different categories (orange), on the right also those of its own category (yellow). Requires annotations only, no
# trained network.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" figures targets paper mini -- "$@"

run "python -m scripts.figures.relation_targets --dataset $dataset --split $split ${choices:+$choices }--data $data \
--out $out/$preset/figure4.png"
