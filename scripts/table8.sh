#!/usr/bin/env bash
# Table 8: which word pairs to supervise the focused attention with.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"
source scripts/lib/documents.sh

about="Table 8: accuracy on 20 Newsgroups when the focused attention is supervised by pairs of different words, of
words of the same lexical category, of different categories, or of semantic pairs (fan-sup), and without it (hatt); the
runs of these two are those of Table 6 and shared with it. Trains, predicts, evaluates and prints the table beside the
paper's."
datasets=(20news)
variants=(hatt fan-sup-different-word fan-sup-same-category fan-sup-different-category fan-sup)
trials=5
read_options "$@"

announce_costs document_runs
write_miniature
prepare_documents
run_jobs document_runs
run python -m scripts.report table8 --preset "$preset" --runs "$runs" --out "$out"
