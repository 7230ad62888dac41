#!/usr/bin/env bash
# Table 6: accuracy of document classification on 20 Newsgroups and two samples of Yahoo Answers, for hierarchical
# attention networks (hatt), with a focused attention network added (fan-unsup), and with its attention supervised by
# semantic word pairs (fan-sup). Prints the table next to the paper's.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables \
  paper=20news:5,yahoo-mini:5,yahoo-half:5 mini=20news:1,yahoo-mini:1,yahoo-half:1 -- "$@"

list_runs() {
  for dataset in $datasets; do
    for seed in ${seeds[$dataset]}; do
      for variant in hatt fan-unsup fan-sup; do
        config=language/configs/$preset/$dataset/$variant.yaml
        folder=$runs/$preset/$dataset/$variant/seed$seed
        cat <<END
# $dataset $variant seed $seed: $folder $config
python -m language.train $config --seed $seed --data $data --runs $runs $gpus
python -m language.predict $folder --data $data $gpus
python -m scripts.evaluate classification $folder
END
        [[ $variant == hatt ]] || echo "python -m scripts.evaluate center-mass $folder" # hatt has no relations
      done
    done
  done
}

list_runs | announce_costs
for dataset in $datasets; do # encodes the documents once, before runs that start at the same time
  run "python -m language.prepare language/configs/$preset/$dataset/hatt.yaml --data $data --runs $runs"
done
list_runs | run_jobs
run "python -m scripts.report table6 --preset $preset --runs $runs --out $out"
