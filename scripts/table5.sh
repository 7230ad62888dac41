#!/usr/bin/env bash
# Table 5: scene categorization by a branch beside the detectors of Table 4.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"

about="Table 5: scene categorization on MIT67, by the convolutions of an ImageNet network (cnn) or of a detector
(cnn-coco), and with the features of its ROIs: their maximum (cnn-rois), or what focused attention makes of them,
without (fan-unsup) and with supervision (fan-sup). Takes the detectors of Table 4 on minicoco, of the same seeds,
and trains those that are not there; then trains, predicts, evaluates and prints the table beside the paper's. At
--preset small, the scenes are those of scene15, and voc07 stands in for minicoco."
presets=(paper mini small)
datasets=(mit67)
small_datasets=(scene15)
variants=(cnn cnn-coco cnn-rois fan-unsup fan-sup)
detectors=(base fan-unsup fan-sup)
trials=3
read_options "$@"

detected=minicoco
[[ $preset != small ]] || detected=voc07

# list_on DATASET MODULE SHOW_REST VARIANT…: lists the trainings of these variants by MODULE, and what SHOW_REST shows.
list_on() {
  local dataset="$1" module="$2" show_rest="$3" seed variant config folder
  shift 3
  for seed in "${seeds[@]}"; do
    for variant in "$@"; do
      config="vision/configs/$preset/$dataset/$variant.yaml"
      folder="$runs/$preset/$dataset/$variant/seed$seed"
      list_job "$dataset $variant seed $seed" "$folder" "$config"
      show python -m "$module" "$config" --seed "$seed" --data "$data" --runs "$runs" ${gpus:+--gpus "$gpus"}
      "$show_rest"
    done
  done
}

# Detectors are only trained here: what Table 4 reports of them is its own.
detector_runs() {
  list_on "$detected" vision.train true "${detectors[@]}"
}

scene_runs() {
  list_on "${datasets[0]}" vision.scene evaluate_scenes "${variants[@]}"
}

evaluate_scenes() {
  show python -m vision.predict "$folder" --scene --data "$data" ${gpus:+--gpus "$gpus"}
  show python -m scripts.evaluate classification "$folder"
}

announce_costs detector_runs scene_runs
write_miniature
run_jobs detector_runs
run_jobs scene_runs
run python -m scripts.report table5 --preset "$preset" --runs "$runs" --out "$out"
