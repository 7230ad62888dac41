#!/usr/bin/env bash
# Table 4: object detection on VOC07 and minicoco, for Faster R-CNN (base), with a focused attention network added
# (fan-unsup), and with its attention supervised (fan-sup). Prints the table next to the paper's, which has three
# trials on VOC07 and one on minicoco.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables paper=voc07:3,minicoco:1 mini=voc07:1,minicoco:1 small=voc07:3 -- "$@"

list_runs() {
  for dataset in $datasets; do
    for seed in ${seeds[$dataset]}; do
      for variant in base fan-unsup fan-sup; do
        config=vision/configs/$preset/$dataset/$variant.yaml
        folder=$runs/$preset/$dataset/$variant/seed$seed
        cat <<END
# $dataset $variant seed $seed: $folder $config
python -m vision.train $config --seed $seed --data $data --runs $runs $gpus
python -m vision.predict $folder --data $data $gpus
python -m scripts.evaluate detection $folder --data $data
python -m scripts.evaluate relations $folder --distinct --data $data
END
        [[ $variant == base ]] || echo "python -m scripts.evaluate center-mass $folder" # base has no attention
      done
    done
  done
}

list_runs | announce_costs
list_runs | run_jobs
run "python -m scripts.report table4 --preset $preset --runs $runs --out $out"
