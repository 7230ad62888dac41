#!/usr/bin/env bash
# Table 9: the center-mass of the trained networks on the training images (all of them) and the test images of
# minicoco, for focused attention without (fan-unsup) and with supervision (fan-sup). Preset small uses voc07 instead
# of minicoco. Prints the table next to the paper's.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables paper=minicoco:1 mini=minicoco:1 small=voc07:1 -- "$@"

list_runs() {
  for dataset in $datasets; do
    for seed in ${seeds[$dataset]}; do
      for variant in fan-unsup fan-sup; do
        config=vision/configs/$preset/$dataset/$variant.yaml
        folder=$runs/$preset/$dataset/$variant/seed$seed
        cat <<END
# $dataset $variant seed $seed: $folder $config
python -m vision.train $config --seed $seed --data $data --runs $runs $gpus
python -m vision.predict $folder --data $data $gpus
python -m scripts.evaluate detection $folder --data $data
python -m scripts.evaluate relations $folder --distinct --data $data
python -m vision.predict $folder --training-images --data $data $gpus
python -m scripts.evaluate center-mass $folder
END
      done
    done
  done
}

list_runs | announce_costs
list_runs | run_jobs
run "python -m scripts.report table9 --preset $preset --runs $runs --out $out"
