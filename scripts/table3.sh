#!/usr/bin/env bash
# Table 3: losses of the center-mass.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"
source scripts/lib/images.sh

about="Table 3: object detection and recall of relationship proposals on VOC07 for several losses of the center-mass:
smooth L1, L2, and the focal loss with r = 0 (fan-sup-mat), 1, 2 (fan-sup), 3 and 4; and the
reference orders of a detector without attention (base). Trains, predicts, evaluates and prints the table next to the
paper's."
presets=(paper mini small)
datasets=(voc07)
small_datasets=(voc07)
variants=(base fan-sup-smooth-l1 fan-sup-l2 fan-sup-mat fan-sup-r1 fan-sup fan-sup-r3 fan-sup-r4)
trials=3
read_options "$@"

announce_costs image_runs
write_miniature
run_jobs image_runs
run python -m scripts.report table3 --preset "$preset" --runs "$runs" --out "$out"
