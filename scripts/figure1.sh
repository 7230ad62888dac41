#!/usr/bin/env bash
# Figure 1: what an object attends to, without supervision and with it.
set -euo pipefail
# shellcheck source=scripts/lib/regions_figure.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/regions_figure.sh"

about="Figure 1: an object of an image (blue) and the regions that it attends to (orange), with their weights: on the left
without supervision (fan-unsup), which is Relation Networks' kind of attention, on the right with it (fan-sup)."
# shellcheck disable=SC2034  # read by regions_figure.sh
images=4 objects=1
draw_figure "$@"
