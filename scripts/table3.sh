#!/usr/bin/env bash
# Table 3: object detection and recall of relationship proposals on VOC07, by the loss on the center-mass: smooth L1,
# L2, and the focal loss with r = 0 (fan-sup-mat), 1, 2 (fan-sup), 3 and 4. The Faster R-CNN baseline without attention
# (base) gives reference orders of the pairs. Prints the table next to the paper's.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables paper=voc07:3 mini=voc07:1 small=voc07:3 -- "$@"

list_runs() {
  for dataset in $datasets; do
    for seed in ${seeds[$dataset]}; do
      for variant in base fan-sup-smooth-l1 fan-sup-l2 fan-sup-mat fan-sup-r1 fan-sup fan-sup-r3 fan-sup-r4; do
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
run "python -m scripts.report table3 --preset $preset --runs $runs --out $out"
