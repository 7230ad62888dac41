#!/usr/bin/env bash
# Table 5: scene categorization on MIT67, by the convolutions of an ImageNet network (cnn) or of a detector (cnn-coco),
# and with the features of the detector's ROIs added: their maximum (cnn-rois), or the output of focused attention
# without (fan-unsup) and with supervision (fan-sup). Uses the detectors of Table 4 on minicoco with the same seeds,
# and trains those that are missing. Preset small uses scene15 instead of MIT67 and voc07 instead of minicoco. Prints
# the table next to the paper's.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables paper=mit67:3 mini=mit67:1 small=scene15:3 -- "$@"

detector_dataset=minicoco
[[ $preset != small ]] || detector_dataset=voc07

list_detectors() {
  for seed in ${seeds[$datasets]}; do
    for variant in base fan-unsup fan-sup; do
      config=vision/configs/$preset/$detector_dataset/$variant.yaml
      cat <<END
# $detector_dataset $variant seed $seed: $runs/$preset/$detector_dataset/$variant/seed$seed $config
python -m vision.train $config --seed $seed --data $data --runs $runs $gpus
END
    done
  done
}

list_scenes() {
  for seed in ${seeds[$datasets]}; do
    for variant in cnn cnn-coco cnn-rois fan-unsup fan-sup; do
      config=vision/configs/$preset/$datasets/$variant.yaml
      folder=$runs/$preset/$datasets/$variant/seed$seed
      cat <<END
# $datasets $variant seed $seed: $folder $config
python -m vision.scene $config --seed $seed --data $data --runs $runs $gpus
python -m vision.predict $folder --scene --data $data $gpus
python -m scripts.evaluate classification $folder
END
    done
  done
}

{ list_detectors && list_scenes; } | announce_costs
list_detectors | run_jobs
list_scenes | run_jobs
run "python -m scripts.report table5 --preset $preset --runs $runs --out $out"
