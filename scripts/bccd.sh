#!/usr/bin/env bash
# Object detection, recall of relationship proposals over K and center-mass on BCCD, microscope images of three kinds
# of blood cells, for Faster R-CNN (base), with a focused attention network added (fan-unsup), and with its attention
# supervised in the ways of Table 1 (fan-sup-row, fan-sup-mat, fan-sup). The networks are small, for CPUs. Requires the
# folder BCCD of https://github.com/Shenggan/BCCD_Dataset (MIT license) as bccd in the data folder. Prints the table
# and draws the curves.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables small=bccd:3 -- "$@"

list_runs() {
  for dataset in $datasets; do
    for seed in ${seeds[$dataset]}; do
      for variant in base fan-unsup fan-sup-row fan-sup-mat fan-sup; do
        config=vision/configs/$preset/$dataset/$variant.yaml
        folder=$runs/$preset/$dataset/$variant/seed$seed
        cat <<END
# $dataset $variant seed $seed: $folder $config
python -m vision.train $config --seed $seed --data $data --runs $runs $gpus
python -m vision.predict $folder --data $data $gpus
python -m scripts.evaluate detection $folder --data $data
python -m scripts.evaluate relations $folder --distinct --data $data
END
        if [[ $variant != base ]]; then # base has no attention
          echo "python -m vision.predict $folder --training-images --data $data $gpus"
          echo "python -m scripts.evaluate center-mass $folder"
        fi
      done
    done
  done
}

list_runs | run_jobs
run "python -m scripts.report bccd --preset $preset --runs $runs --out $out"
