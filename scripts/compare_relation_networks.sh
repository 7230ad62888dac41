#!/usr/bin/env bash
# Focused attention and Relation Networks, trained from the same weights on the same data: detection, recall of
# relationship proposals, center-mass, and the cost of the head, for Faster R-CNN (base), the two modules of Relation
# Networks without (rn) and with supervision (rn-sup), FAN without (fan-unsup) and with supervision (fan-sup), and FAN
# with an output matrix like theirs (fan-unsup-linear, fan-sup-linear). Preset small uses blood cells and photographs
# of VOC07. Measures training steps side by side and prints the table.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables \
  paper=voc07:3,minicoco:1 mini=voc07:1,minicoco:1 small=bccd:3,voc07:3 -- "$@"

variants="base rn rn-sup fan-unsup fan-sup fan-unsup-linear fan-sup-linear"

list_runs() {
  for dataset in $datasets; do
    for seed in ${seeds[$dataset]}; do
      for variant in $variants; do
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

# The step times of a seed's runs are comparable because one command measures them, with nothing else running.
for dataset in $datasets; do
  for seed in ${seeds[$dataset]}; do
    folders=""
    for variant in $variants; do
      folders+="$runs/$preset/$dataset/$variant/seed$seed "
    done
    run "python -m scripts.tables.head_costs $folders$gpus"
  done
done

run "python -m scripts.report compare_relation_networks --preset $preset --runs $runs --out $out"
