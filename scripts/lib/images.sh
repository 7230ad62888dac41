# shellcheck shell=bash disable=SC2154  # variables come from the scripts that source this, and from table.sh
# Sourced by the table scripts of images, after table.sh: the commands of their runs.

cells=https://github.com/Shenggan/BCCD_Dataset

training_images=no # whether the table needs the center-mass of the training images

# Ends the script where the blood cells are not there.
require_cells() {
  [[ $dry_run == yes || -d $data/bccd ]] ||
    fail "$data/bccd: no such folder; get BCCD of $cells and put it there under this name"
}

# Lists the runs for run_jobs. A run belongs to a data set and a variant, not to a table: the tables share them.
image_runs() {
  list_runs vision evaluate_images
}

evaluate_images() {
  show python -m scripts.evaluate detection "$folder" --data "$data"
  show python -m scripts.evaluate relations "$folder" --distinct --data "$data"
  if [[ $variant != base ]]; then # which has no pair weights
    [[ $training_images == no ]] ||
      show python -m vision.predict "$folder" --training-images --data "$data" ${gpus:+--gpus "$gpus"}
    show python -m scripts.evaluate center-mass "$folder"
  fi
}
