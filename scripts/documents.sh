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

# Lists the runs for run_jobs. Seeds outside variants: an interrupted table still compares the variants on the seeds it
# has.
document_runs() {
  local dataset seed variant config folder
  for dataset in "${datasets[@]}"; do
    for seed in "${seeds[@]}"; do
      for variant in "${variants[@]}"; do
        config="language/configs/$preset/$dataset/$variant.yaml"
        folder="$runs/$preset/$dataset/$variant/seed$seed"
        list_job "$dataset $variant seed $seed" "$folder" "$config"
        show python -m language.train "$config" --seed "$seed" --data "$data" --runs "$runs" ${gpus:+--gpus "$gpus"}
        show python -m language.predict "$folder" --data "$data" ${gpus:+--gpus "$gpus"}
        show python -m scripts.evaluate classification "$folder"
        if [[ $variant != hatt ]]; then # which has no relations, hence no center-mass
          show python -m scripts.evaluate center-mass "$folder"
        fi
      done
    done
  done
}
