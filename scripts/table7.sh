#!/usr/bin/env bash
# Table 7: which pairs of objects to supervise the focused attention with.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"
source scripts/lib/images.sh

about="Table 7: object detection on VOC07 when the focused attention is supervised by pairs of different instances
(fan-sup-different-instance) or of different categories (fan-sup); and a detector without attention (base). Trains,
predicts, evaluates and prints the table next to the paper's."
presets=(paper mini small)
datasets=(voc07)
small_datasets=(voc07)
variants=(base fan-sup-different-instance fan-sup)
trials=3
read_options "$@"

announce_costs image_runs
write_miniature
run_jobs image_runs
run python -m scripts.report table7 --preset "$preset" --runs "$runs" --out "$out"
