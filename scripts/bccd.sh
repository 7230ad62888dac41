#!/usr/bin/env bash
# The networks of Tables 1 and 4 on real images that are trained on in minutes: blood cells.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"
source scripts/lib/images.sh
training_images=yes # shellcheck disable=SC2034  # images.sh reads it

about="Object detection, recall of relationship proposals over K and center-mass on BCCD, microscope images with three
categories of blood cells, for Faster R-CNN (base), with a focused attention network added (fan-unsup), and supervised
in the ways of Table 1 (fan-sup-row, fan-sup-mat, fan-sup). The networks are small, for CPUs. Trains, predicts,
evaluates, prints the table and draws the curves. The data set is the folder BCCD of
$cells (MIT licence); it must lie in the data folder under the name bccd."
presets=(small)
lacks="--preset --datasets --yes"
example="--seeds 0"
datasets=(bccd)
variants=(base fan-unsup fan-sup-row fan-sup-mat fan-sup)
trials=3
read_options "$@"

require_cells
run_jobs image_runs
run python -m scripts.report bccd --preset "$preset" --runs "$runs" --out "$out"
