#!/usr/bin/env bash
# Table 9: how the center-mass converges.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"
source scripts/lib/images.sh
training_images=yes # shellcheck disable=SC2034  # images.sh reads it

about="Table 9: the center-mass of the finished networks on the training images (all of them) and the test images of
minicoco, for focused attention without (fan-unsup) and with supervision (fan-sup). Trains, predicts, evaluates and
prints the table next to the paper's. At --preset small, voc07 stands in for minicoco."
presets=(paper mini small)
datasets=(minicoco)
small_datasets=(voc07)
variants=(fan-unsup fan-sup)
trials=1
read_options "$@"

announce_costs image_runs
write_miniature
run_jobs image_runs
run python -m scripts.report table9 --preset "$preset" --runs "$runs" --out "$out"
