#!/usr/bin/env bash
# Table 6: document classification by hierarchical attention networks, without and with focused attention.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"
source scripts/lib/documents.sh

about="Table 6: accuracy of document classification on 20 Newsgroups and two samples of Yahoo Answers, for
hierarchical attention networks (hatt), with a focused attention network added (fan-unsup), and with its attention
supervised by semantic word pairs (fan-sup). Trains, predicts, evaluates and prints the table beside the paper's."
datasets=(20news yahoo-mini yahoo-half)
variants=(hatt fan-unsup fan-sup)
trials=5
read_options "$@"

announce_costs document_runs
write_miniature
prepare_documents
run_jobs document_runs
run python -m scripts.report table6 --preset "$preset" --runs "$runs" --out "$out"
