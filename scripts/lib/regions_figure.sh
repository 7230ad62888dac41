# shellcheck shell=bash disable=SC2034,SC2154  # variables come from the scripts that source this, and from options.sh
# Sourced by figure1.sh and figure7.sh: their options, and how they are drawn.
#
# They set about; images and objects: how many images are shown where none are named, and how many reference objects of
# an image where none are chosen. Then they call draw_figure "$@".

# shellcheck source=scripts/lib/options.sh
source "$(dirname "${BASH_SOURCE[0]}")/options.sh"
product=figure
presets=(paper mini small)

own_usage() {
  cat <<END
  --dataset NAME    what the runs were trained on (default: minicoco; bccd at --preset small, the runs of
                    scripts/bccd.sh; voc07 has runs there, too, of scripts/table4.sh)
  --seed K          of the runs (default: 0)
  --image FILE      an image, or a folder of images; may be repeated (default: see below)
  --object N        reference object of the image before it: the Nth that the networks detect, best first
  --box X1,Y1,X2,Y2 reference object of the image before it, in pixels: in each network the region that overlaps the
                    box most. --object and --box may be repeated
  --regions N       how many attended regions of each object are drawn (default: 5)
END
}

remarks() {
  cat <<END
Weights are those that FAN aggregates with: the reference object's row of W_agg (eq. 4). Without --image, $images images are
taken at even distances: of MIT67's test scenes, as in the paper, if the runs are of minicoco and MIT67 is in the data
folder; else of the test images of the runs' own data set that show two categories. Without --object and --box, the
best $objects of each image. What the networks said is kept as attended/$(basename "$0" .sh).npz in their run folders.
The runs of fan-unsup and fan-sup must have been trained, by scripts/table4.sh or scripts/bccd.sh.
END
}

seed=0 dataset="" regions="" places=() choices=()

own_option() {
  case "$1" in
    --dataset) dataset="$2" ;;
    --seed) seed="$2" ;;
    --image) places+=("$(from_root "$2")") && choices+=(--image "$(from_root "$2")") ;;
    --object | --box) choices+=("$1" "$2") ;;
    --regions) regions="$2" ;;
    *) return 1 ;;
  esac
}

draw_figure() {
  parse_options "$@"
  [[ $seed =~ ^[0-9]+$ ]] || fail "--seed $seed: must be a whole number"
  [[ $regions =~ ^([1-9][0-9]*)?$ ]] || fail "--regions $regions: must be a whole number, 1 or more"
  if [[ -z $dataset && $preset == small ]]; then
    dataset=bccd
  fi
  dataset="${dataset:-minicoco}"
  enter_environment

  local name variant folder files=()
  name="$(basename "$0" .sh)"
  for variant in fan-unsup fan-sup; do # from left to right
    folder="$runs/$preset/$dataset/$variant/seed$seed"
    [[ $dry_run == yes || -e $folder/run.json ]] ||
      fail "$folder: no finished run; train it with: $(training_command)"
    files+=("$folder/attended/$name.npz")
    run python -m vision.attended "$folder" "${places[@]}" --count "$images" --out "$folder/attended/$name.npz" \
      --data "$data" ${gpus:+--gpus "$gpus"}
  done
  run python -m scripts.figures.attended_regions "${files[@]}" "${choices[@]}" --objects "$objects" \
    ${regions:+--regions "$regions"} --out "$out/$preset/$name.png"
}

training_command() {
  if [[ $dataset == bccd ]]; then
    echo "scripts/bccd.sh --seeds $seed --runs $runs"
  else
    echo "scripts/table4.sh --preset $preset --datasets $dataset --seeds $seed --runs $runs"
  fi
}
