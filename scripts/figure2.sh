#!/usr/bin/env bash
# Figure 2: the importance of each word of a sentence, and the supervision target of the sentence.
set -euo pipefail
# shellcheck source=scripts/lib/figure.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/figure.sh"

about="Figure 2: how much each word of a sentence counts in its descriptor, clockwise from twelve o'clock, for the word
attention of Hatt (a_it) and for focused attention without (unsup) and with supervision (sup); on the right the
semantic pairs of words that the supervision asks for (T)."
# shellcheck disable=SC2034  # read by figure.sh
declare -A default_sentences=(
  [paper]="--document sci.med/59562 --sentence 2"
  [mini]="--document rec.autos/10034 --sentence 5"
)
draw_figure "$@"
