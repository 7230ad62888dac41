#!/usr/bin/env bash
# Table 2: recall of the relations that people have annotated in Visual Genome.
set -euo pipefail
# shellcheck source=scripts/lib/table.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/table.sh"

about="Table 2: recall of relationship proposals over K on Visual Genome, whose relations people have annotated, for
focused attention without supervision (fan-unsup), and supervised by the pairs of different categories (fan-sup) or by
the annotated relations (fan-sup-gt), next to reference orders of the pairs, those of a detector without attention
(base) as well. Trains, predicts, evaluates, prints the table and draws it as curves."
datasets=(visual_genome)
variants=(base fan-unsup fan-sup fan-sup-gt)
trials=1 # the paper has one

table_usage() {
  cat <<END
  --overlay FILE    a CSV file with points of others' curves, which are drawn over ours: the columns are
                    label,k,recall, the recall in percent. Those of Relationship Proposal Networks, which the paper
                    shows, are in no text, so nothing is drawn for them without it
END
}

overlay=""

table_option() {
  [[ $1 == --overlay ]] || return 1
  overlay="$(from_root "$2")"
}

evaluate_relations() {
  show python -m scripts.evaluate relations "$folder" --rule annotated --distinct --data "$data"
  show python -m scripts.evaluate relations "$folder" --rule annotated --unordered --data "$data"
  [[ $variant == base ]] || show python -m scripts.evaluate center-mass "$folder" # base has no pair weights
}

list_relation_runs() {
  list_runs vision evaluate_relations
}

read_options "$@"
[[ -z $overlay || -f $overlay ]] || fail "--overlay $overlay: no such file; give a CSV file as --help describes it"

announce_costs list_relation_runs
write_miniature
run_jobs list_relation_runs
run python -m scripts.report table2 --preset "$preset" --runs "$runs" --out "$out" ${overlay:+--overlay "$overlay"}
