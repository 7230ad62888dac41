#!/usr/bin/env bash
# Table 8: which word pairs to supervise the focused attention with.
set -euo pipefail
# shellcheck source=scripts/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/table.sh"

about="Table 8: accuracy on 20 Newsgroups when the focused attention is supervised by pairs of different words, of
words of the same lexical category, of different categories, or of semantic pairs (fan-sup, whose runs are those of
Table 6 and shared with it). Trains, predicts, evaluates and prints the table beside the paper's."
datasets=(20news)
variants=(fan-sup-different-word fan-sup-same-category fan-sup-different-category fan-sup)
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
      run python -m scripts.evaluate center-mass "$folder"
    done
  done
done

run python -m scripts.report table8 --preset "$preset" --runs "$runs" --out "$out"
