#!/usr/bin/env bash
# Figure 6: like Figure 2, for three other sentences: the weight of each word for the word attention of the baseline
# (a_it of hatt) and for focused attention without (fan-unsup) and with supervision (fan-sup), and the semantic pairs
# of words that are supervised (T).
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" figures words paper mini -- "$@"

case $preset in
  paper) default="--document rec.motorcycles/104784 --sentence 2 --document sci.electronics/54184 --sentence 2 \
--document comp.graphics/39628 --sentence 2" ;;
  mini) default="--document sci.space/10032 --sentence 4 --document rec.autos/10033 --sentence 4 \
--document sci.med/10031 --sentence 2" ;;
esac

files=""
for variant in fan-sup fan-unsup hatt; do # from the outermost ring to the innermost
  folder=$runs/$preset/$dataset/$variant/seed$seed
  file=$out/$preset/figure6.$variant.json
  run "python -m language.word_importance $folder ${sentences:-$default} --out $file --data $data $gpus"
  files+="$file "
done
run "python -m scripts.figures.word_importance $files--out $out/$preset/figure6.png"
