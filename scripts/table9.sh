#!/usr/bin/env bash
# Table 9: how the center-mass converges.
set -euo pipefail
# shellcheck source=scripts/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/table.sh"
source scripts/images.sh

about="Table 9: the center-mass on the training and the test images of minicoco, for focused attention without
(fan-unsup) and with supervision (fan-sup). Trains, predicts, evaluates and prints the table beside the paper's."
datasets=(minicoco)
variants=(fan-unsup fan-sup)
trials=1
read_options "$@"

announce_costs image_runs
write_miniature
run_jobs image_runs
run python -m scripts.report table9 --preset "$preset" --runs "$runs" --out "$out"
