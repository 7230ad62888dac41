#!/usr/bin/env bash
# Table 4: object detection by Faster R-CNN, without and with focused attention.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"
source scripts/lib/images.sh

about="Table 4: object detection on VOC07 and minicoco, for Faster R-CNN (base), with a focused attention network added
(fan-unsup), and with its attention supervised (fan-sup). Trains, predicts, evaluates and prints the table beside the
paper's. As in the paper, VOC07 has three trials and minicoco one."
presets=(paper mini small)
datasets=(voc07 minicoco)
small_datasets=(voc07)
variants=(base fan-unsup fan-sup)
trials=3
trials_of[minicoco]=1 # the paper has one
read_options "$@"

announce_costs image_runs
write_miniature
run_jobs image_runs
run python -m scripts.report table4 --preset "$preset" --runs "$runs" --out "$out"
