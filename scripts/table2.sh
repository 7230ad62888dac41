#!/usr/bin/env bash
# Table 2: recall of relationship proposals over K on Visual Genome, whose relations were annotated by people, for
# focused attention without supervision (fan-unsup), and supervised by the pairs of different categories (fan-sup) or
# by the annotated relations (fan-sup-gt). The Faster R-CNN baseline without attention (base) gives reference orders of
# the pairs. Prints the table and draws it as curves. The paper's curves of Relationship Proposal Networks are not
# available as numbers; --overlay draws them if you have them.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables paper=visual_genome:1 mini=visual_genome:1 --overlay -- "$@"

list_runs() {
  for dataset in $datasets; do
    for seed in ${seeds[$dataset]}; do
      for variant in base fan-unsup fan-sup fan-sup-gt; do
        config=vision/configs/$preset/$dataset/$variant.yaml
        folder=$runs/$preset/$dataset/$variant/seed$seed
        cat <<END
# $dataset $variant seed $seed: $folder $config
python -m vision.train $config --seed $seed --data $data --runs $runs $gpus
python -m vision.predict $folder --data $data $gpus
python -m scripts.evaluate relations $folder --rule annotated --distinct --data $data
python -m scripts.evaluate relations $folder --rule annotated --unordered --data $data
END
        [[ $variant == base ]] || echo "python -m scripts.evaluate center-mass $folder" # base has no attention
      done
    done
  done
}

list_runs | announce_costs
list_runs | run_jobs
run "python -m scripts.report table2 --preset $preset --runs $runs --out $out $overlay"
