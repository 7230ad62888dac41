#!/usr/bin/env bash
# Table 1: how to supervise the focused attention.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"
source scripts/lib/images.sh

about="Table 1: recall of relationship proposals over K on VOC07, for focused attention without supervision (fan-unsup),
and supervised by rows (fan-sup-row), as a matrix (fan-sup-mat), or as a matrix with the focal term (fan-sup), next to
reference orders of the pairs, those of a detector without attention (base) as well. Trains, predicts, evaluates, prints
the table and draws it as curves."
presets=(paper mini small)
datasets=(voc07)
small_datasets=(voc07)
variants=(base fan-unsup fan-sup-row fan-sup-mat fan-sup)
trials=3
read_options "$@"

announce_costs image_runs
write_miniature
run_jobs image_runs
run python -m scripts.report table1 --preset "$preset" --runs "$runs" --out "$out"
