#!/usr/bin/env bash
# Ranks text recipes on 20 Newsgroups: which parts of a post are stripped, and from which word vectors training starts.
# Trains the baseline (hatt) alone, for ten epochs, on nine tenths of the training posts and evaluates it on the last
# tenth of each group; neither test posts nor FAN are used. Prints the ranking.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables paper=20news:1 --no-costs -- "$@"

config=language/configs/paper/20news/hatt.yaml
recipes=$runs/recipe

# changes_for PARTS: the changes to the config that strip these parts of a post.
changes_for() {
  local part changes="--set text.holdout=0.1"
  for part in headers footers quotes; do
    changes+=" --set text.strip_$part=$([[ $1 == *$part* ]] && echo true || echo false)"
  done
  echo "$changes"
}

list_runs() {
  for seed in ${seeds[20news]}; do
    for vectors in random skipgram; do
      for stripped in nothing headers headers,footers,quotes; do
        name=$vectors-without-$stripped
        changes="$(changes_for "$stripped") --set training.epochs=10 --set model.word_vectors=$vectors"
        cat <<END
# $name seed $seed: $recipes/$name/paper/20news/hatt/seed$seed $config
python -m language.train $config --seed $seed --data $data --runs $recipes/$name --cache $recipes/cache $changes $gpus
END
      done
    done
  done
}

# Encodes the documents once, before runs that start at the same time.
for stripped in nothing headers headers,footers,quotes; do
  run "python -m language.prepare $config --data $data --runs $recipes $(changes_for "$stripped")"
done
list_runs | run_jobs
run "python -m scripts.tables.text_recipe --runs $recipes --out $out/paper"
