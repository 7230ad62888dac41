#!/usr/bin/env bash
# Table 6: document classification by hierarchical attention networks, without and with focused attention.
set -euo pipefail
# shellcheck source=scripts/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/table.sh"

about="Table 6: accuracy of document classification on 20 Newsgroups and two samples of Yahoo Answers, for
hierarchical attention networks (hatt), with a focused attention network added (fan-unsup), and with its attention
supervised by semantic word pairs (fan-sup). Trains, predicts, evaluates and prints the table beside the paper's."
datasets=(20news yahoo-mini yahoo-half)
variants=(hatt fan-unsup fan-sup)
trials=5
read_options "$@"

if [[ $preset == mini && ! -e $data/lexicon.tsv ]]; then # the last piece that data.mini puts in its place
  run python -m data.mini --out "$data"
fi

# Seeds outside variants: an interrupted table still compares the variants on the seeds it has.
for dataset in "${datasets[@]}"; do
  for seed in "${seeds[@]}"; do
    for variant in "${variants[@]}"; do
      announce "$dataset $variant seed $seed"
      folder="$runs/$preset/$dataset/$variant/seed$seed"
      run python -m language.train "language/configs/$preset/$dataset/$variant.yaml" \
        --seed "$seed" --data "$data" --runs "$runs" ${gpus:+--gpus "$gpus"}
      run python -m language.predict "$folder" --data "$data" ${gpus:+--gpus "$gpus"}
      run python -m scripts.evaluate classification "$folder"
      if [[ $variant != hatt ]]; then # which has no relations, hence no center-mass
        run python -m scripts.evaluate center-mass "$folder"
      fi
    done
  done
done

run python -m scripts.report table6 --preset "$preset" --runs "$runs" --out "$out"
