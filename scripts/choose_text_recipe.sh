#!/usr/bin/env bash
# Chooses the text recipe of the language configs on the Hatt baseline alone, before any FAN run: trains it with each
# candidate on nine tenths of the 20 Newsgroups training posts and ranks them on the last tenth of each group. Neither
# the test posts nor a FAN network is looked at. README, "How the text recipe was chosen", holds the outcome.
set -euo pipefail
if [[ ${1:-} == -* ]]; then
  echo "usage: scripts/choose_text_recipe.sh [RUNS [EPOCHS]]   (default: runs/recipe 10)" >&2
  exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib/environment.sh

data="${FAN_DATA:-datasets}" runs="${1:-runs/recipe}" epochs="${2:-10}"

for vectors in random skipgram; do
  for stripped in nothing headers headers,footers,quotes; do
    python -m language.train language/configs/paper/20news/hatt.yaml \
      --seed 0 --data "$data" --runs "$runs/$vectors-without-$stripped" --cache "$runs/cache" \
      --set text.holdout=0.1 --set training.epochs="$epochs" --set model.word_vectors="$vectors" \
      --set text.strip_headers="$([[ $stripped == *headers* ]] && echo true || echo false)" \
      --set text.strip_footers="$([[ $stripped == *footers* ]] && echo true || echo false)" \
      --set text.strip_quotes="$([[ $stripped == *quotes* ]] && echo true || echo false)"
  done
done

python -m scripts.tables.text_recipe --runs "$runs"
