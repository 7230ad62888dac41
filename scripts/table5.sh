#!/usr/bin/env bash
# Table 5: scene categorization by a branch beside the detectors of Table 4.
set -euo pipefail
# shellcheck source=scripts/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/table.sh"

about="Table 5: scene categorization on MIT67, by the convolutions of an ImageNet network (cnn) or of a detector
(cnn-coco), and with the features of its ROIs: their maximum (cnn-rois), or what focused attention makes of them,
without (fan-unsup) and with supervision (fan-sup). Takes the detectors of Table 4 on minicoco, of the same seeds,
and trains those that are not there; then trains, predicts, evaluates and prints the table beside the paper's."
datasets=(mit67)
variants=(cnn cnn-coco cnn-rois fan-unsup fan-sup)
detectors=(base fan-unsup fan-sup)
trials=3
read_options "$@"

# Only trained here: what Table 4 reports of them is its own.
detector_runs() {
  local seed variant config folder
  for seed in "${seeds[@]}"; do
    for variant in "${detectors[@]}"; do
      config="vision/configs/$preset/minicoco/$variant.yaml"
      folder="$runs/$preset/minicoco/$variant/seed$seed"
      list_job "minicoco $variant seed $seed" "$folder" "$config"
      show python -m vision.train "$config" --seed "$seed" --data "$data" --runs "$runs" ${gpus:+--gpus "$gpus"}
    done
  done
}

scene_runs() {
  local seed variant config folder
  for seed in "${seeds[@]}"; do
    for variant in "${variants[@]}"; do
      config="vision/configs/$preset/mit67/$variant.yaml"
      folder="$runs/$preset/mit67/$variant/seed$seed"
      list_job "mit67 $variant seed $seed" "$folder" "$config"
      show python -m vision.scene "$config" --seed "$seed" --data "$data" --runs "$runs" ${gpus:+--gpus "$gpus"}
      show python -m vision.predict "$folder" --scene --data "$data" ${gpus:+--gpus "$gpus"}
      show python -m scripts.evaluate classification "$folder"
    done
  done
}

write_miniature
run_jobs detector_runs
run_jobs scene_runs
run python -m scripts.report table5 --preset "$preset" --runs "$runs" --out "$out"
