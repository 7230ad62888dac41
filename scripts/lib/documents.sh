# shellcheck shell=bash disable=SC2154  # variables come from the scripts that source this, and from table.sh
# Sourced by the table scripts of documents, after table.sh: the commands of their runs.

# Encodes each data set once, before runs that would each do so begin side by side. All variants share a text recipe.
prepare_documents() {
  local dataset
  for dataset in "${datasets[@]}"; do
    run python -m language.prepare "language/configs/$preset/$dataset/${variants[0]}.yaml" \
      --data "$data" --runs "$runs"
  done
}

# Lists the runs for run_jobs.
document_runs() {
  list_runs language evaluate_documents
}

evaluate_documents() {
  show python -m scripts.evaluate classification "$folder"
  if [[ $variant != hatt ]]; then # which has no relations, hence no center-mass
    show python -m scripts.evaluate center-mass "$folder"
  fi
}
