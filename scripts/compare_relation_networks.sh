#!/usr/bin/env bash
# Focused attention beside Relation Networks: the same weights to start from, data and evaluation.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"
source scripts/lib/images.sh

about="FAN beside Relation Networks: detection, recall of relationship proposals, center-mass, and what the head costs,
for Faster R-CNN (base), the two modules of Relation Networks without (rn) and with supervision (rn-sup), FAN without
(fan-unsup) and with supervision (fan-sup), and FAN with an output matrix like theirs (fan-unsup-linear,
fan-sup-linear), on VOC07 and minicoco; at --preset small, small networks for CPUs, on blood cells and photographs of
VOC07. Trains, predicts, evaluates, measures training steps side by side, and prints the table."
presets=(paper mini small)
datasets=(voc07 minicoco)
small_datasets=(bccd voc07)
variants=(base rn rn-sup fan-unsup fan-sup fan-unsup-linear fan-sup-linear)
trials=3
trials_of[minicoco]=1

# The times of a seed's runs compare when they are measured in one command, with no other beside it.
measure_costs() {
  local dataset seed variant folders
  for dataset in "${datasets[@]}"; do
    choose_seeds_of "$dataset"
    for seed in "${seeds[@]}"; do
      folders=()
      for variant in "${variants[@]}"; do
        folders+=("$runs/$preset/$dataset/$variant/seed$seed")
      done
      run python -m scripts.tables.head_costs "${folders[@]}" ${gpus:+--gpus "$gpus"}
    done
  done
}

read_options "$@"

announce_costs image_runs
write_miniature
[[ " ${datasets[*]} " != *" bccd "* ]] || require_cells
run_jobs image_runs
measure_costs
run python -m scripts.report compare_relation_networks --preset "$preset" --runs "$runs" --out "$out"
