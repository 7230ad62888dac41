#!/usr/bin/env bash
# Why Table 6 comes out as it does: learning curves on posts held out of the training set.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"

about="Trains the networks of Table 6, for their epochs, for twice as many and without headers, and FAN-hatt-sup with
other weights and exponents of the relation loss, on nine tenths of the training posts, and judges them after every
epoch on the last tenth of each group. The test posts are not looked at. Draws the curves of held-out accuracy and
center-mass and prints them as a table."
datasets=(20news)
variants=(hatt fan-unsup fan-sup)
trials=2
lacks="--yes"
# Name, variant, and what is changed in its config.
settings=(
  "hatt hatt"
  "fan-unsup fan-unsup"
  "fan-sup fan-sup"
  "weight-0.01 fan-sup --set relation_loss.weight=0.01"
  "weight-1 fan-sup --set relation_loss.weight=1.0"
  "gamma-0 fan-sup --set relation_loss.gamma=0.0"
  "hatt-epochs-30 hatt --set training.epochs=30"
  "fan-unsup-epochs-30 fan-unsup --set training.epochs=30"
  "fan-sup-epochs-30 fan-sup --set training.epochs=30"
  "hatt-without-headers hatt --set text.strip_headers=true"
  "fan-unsup-without-headers fan-unsup --set text.strip_headers=true"
  "fan-sup-without-headers fan-sup --set text.strip_headers=true"
)
read_options "$@"

prepare_settings() {
  local headers
  for headers in false true; do
    run python -m language.prepare "language/configs/$preset/20news/hatt.yaml" --data "$data" --runs "$runs" \
      --set text.holdout=0.1 --set "text.strip_headers=$headers"
  done
}

study_runs() {
  local seed setting name variant changes config
  for seed in "${seeds[@]}"; do
    for setting in "${settings[@]}"; do
      read -r name variant changes <<<"$setting"
      config="language/configs/$preset/20news/$variant.yaml"
      list_job "$name seed $seed" "$runs/study/$name/$preset/20news/$variant/seed$seed" "$config"
      # shellcheck disable=SC2086 # changes are several words, or none
      show python -m language.train "$config" --seed "$seed" --data "$data" --runs "$runs/study/$name" \
        --cache "$runs/cache" --set text.holdout=0.1 $changes ${gpus:+--gpus "$gpus"}
    done
  done
}

write_miniature
prepare_settings
run_jobs study_runs
run python -m scripts.tables.learning_curves "${settings[@]/%\ */}" --preset "$preset" --runs "$runs/study" --out "$out"
