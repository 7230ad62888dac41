#!/usr/bin/env bash
# Figure 6: Figure 2 for further sentences.
set -euo pipefail
# shellcheck source=scripts/lib/figure.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/figure.sh"

about="Figure 6: Figure 2 for further sentences: the importance of their words for the word attention of Hatt (a_it) and
for focused attention without (unsup) and with supervision (sup), and their semantic pairs of words (T)."
# shellcheck disable=SC2034  # read by figure.sh
declare -A default_sentences=(
  [paper]="--document rec.motorcycles/104784 --sentence 2 --document sci.electronics/54184 --sentence 2 \
--document comp.graphics/39628 --sentence 2"
  [mini]="--document sci.space/10032 --sentence 4 --document rec.autos/10033 --sentence 4 \
--document sci.med/10031 --sentence 2"
)
draw_figure "$@"
