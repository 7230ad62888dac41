#!/usr/bin/env bash
# Table 8: accuracy of document classification on 20 Newsgroups, by the word pairs that supervise the focused
# attention: of different words, of words of the same lexical category, of different categories, or semantic pairs
# (fan-sup); and without attention (hatt). The runs of hatt and fan-sup are those of Table 6. Prints the table next to
# the paper's.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables paper=20news:5 mini=20news:1 -- "$@"

list_runs() {
  for dataset in $datasets; do
    for seed in ${seeds[$dataset]}; do
      for variant in hatt fan-sup-different-word fan-sup-same-category fan-sup-different-category fan-sup; do
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
run "python -m scripts.report table8 --preset $preset --runs $runs --out $out"
