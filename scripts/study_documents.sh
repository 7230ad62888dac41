#!/usr/bin/env bash
# Learning curves of the networks of Table 6 on 20 Newsgroups: as in the table, with twice the epochs, without headers,
# and fan-sup with other weights and exponents of the relation loss. Each is trained on nine tenths of the training
# posts and evaluated after every epoch on the last tenth of each group; test posts are not used. Draws the curves of
# held-out accuracy and center-mass and prints them as a table.
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" tables paper=20news:2 mini=20news:1 --no-costs -- "$@"

# A name, a variant, and changes to its config.
settings="\
hatt hatt
fan-unsup fan-unsup
fan-sup fan-sup
weight-0.01 fan-sup --set relation_loss.weight=0.01
weight-1 fan-sup --set relation_loss.weight=1.0
gamma-0 fan-sup --set relation_loss.gamma=0.0
hatt-epochs-30 hatt --set training.epochs=30
fan-unsup-epochs-30 fan-unsup --set training.epochs=30
fan-sup-epochs-30 fan-sup --set training.epochs=30
hatt-without-headers hatt --set text.strip_headers=true
fan-unsup-without-headers fan-unsup --set text.strip_headers=true
fan-sup-without-headers fan-sup --set text.strip_headers=true"
held_out="--set text.holdout=0.1"

list_runs() {
  for seed in ${seeds[20news]}; do
    while read -r name variant changes; do
      config=language/configs/$preset/20news/$variant.yaml
      options="--data $data --runs $runs/study/$name --cache $runs/cache $held_out${changes:+ $changes}"
      cat <<END
# $name seed $seed: $runs/study/$name/$preset/20news/$variant/seed$seed $config
python -m language.train $config --seed $seed $options $gpus
END
    done <<<"$settings"
  done
}

for headers in false true; do # encodes the documents once, before runs that start at the same time
  changes="$held_out --set text.strip_headers=$headers"
  run "python -m language.prepare language/configs/$preset/20news/hatt.yaml --data $data --runs $runs $changes"
done
list_runs | run_jobs
names="$(cut -d " " -f 1 <<<"$settings" | paste -s -d " ")"
run "python -m scripts.tables.learning_curves $names --preset $preset --runs $runs/study --out $out"
