#!/usr/bin/env bash
# Figure 7: Figure 1 for further images.
set -euo pipefail
# shellcheck source=scripts/lib/regions_figure.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/regions_figure.sh"

about="Figure 7: Figure 1 for further images and objects: an object (blue) and the regions that it attends to (orange),
with their weights, without supervision (fan-unsup, Relation Networks' kind of attention) and with it (fan-sup).
scripts/relations_page.sh makes a page of a folder, on which objects are chosen by clicking."
# shellcheck disable=SC2034  # read by regions_figure.sh
images=6 objects=2
draw_figure "$@"
