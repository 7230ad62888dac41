#!/usr/bin/env bash
# Figure 2: the weight of each word in the descriptor of its sentence, clockwise from twelve o'clock, for the word
# attention of the baseline (a_it of hatt) and for focused attention without (fan-unsup) and with supervision
# (fan-sup); on the right the semantic pairs of words that are supervised (T).
set -euo pipefail
# shellcheck source=scripts/lib/options.sh
source "$(dirname "$0")/lib/options.sh" figures words paper mini -- "$@"

case $preset in
  paper) default="--document sci.med/59562 --sentence 2" ;;
  mini) default="--document rec.autos/10034 --sentence 5" ;;
esac

files=""
for variant in fan-sup fan-unsup hatt; do # from the outermost ring to the innermost
  folder=$runs/$preset/$dataset/$variant/seed$seed
  file=$out/$preset/figure2.$variant.json
  run "python -m language.word_importance $folder ${sentences:-$default} --out $file --data $data $gpus"
  files+="$file "
done
run "python -m scripts.figures.word_importance $files--out $out/$preset/figure2.png"
