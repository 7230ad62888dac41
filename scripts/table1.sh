#!/usr/bin/env bash
# Table 1: recall of relationship proposals over K on VOC07, for focused attention without supervision (fan-unsup) and
# supervised by rows (fan-sup-row), as a matrix (fan-sup-mat), or as a matrix with the focal term (fan-sup). The Faster
# R-CNN baseline without attention (base) gives reference orders of the pairs. Prints the table and draws it as curves.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables paper=voc07:3 mini=voc07:1 small=voc07:3 -- "$@"

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
        [[ $variant == base ]] || echo "python -m scripts.evaluate center-mass $folder" # base has no attention
      done
    done
  done
}

list_runs | announce_costs
list_runs | run_jobs
run "python -m scripts.report table1 --preset $preset --runs $runs --out $out"
