# shellcheck shell=bash disable=SC2154  # variables come from the scripts that source this, and from options.sh
# Sourced by figure2.sh and figure6.sh: their options, and how they are drawn.
#
# They set about, and default_sentences: for each preset, options of language.word_importance. Then they call
# draw_figure "$@".

# shellcheck source=scripts/lib/options.sh
source "$(dirname "${BASH_SOURCE[0]}")/options.sh"
product=figure

own_usage() {
  cat <<END
  --document ID     a document of the test set: 20 Newsgroups as sci.med/59562, Yahoo Answers by its row
  --text TEXT       a text of your own, in place of a document
  --sentence N      which sentence of the document or text before it, from 1 (default: 1)
  --dataset NAME    20news, yahoo-mini or yahoo-half: what the runs were trained on (default: 20news)
  --seed K          of the runs (default: 0)
END
}

remarks() {
  cat <<END
Several sentences may be given, a row each. Without any: at paper
  ${default_sentences[paper]}
and at mini
  ${default_sentences[mini]}
Sentences are counted, and cut, as the runs' text recipe cuts them. The importances are kept beside the figure as JSON.
The runs of hatt, fan-unsup and fan-sup must have been trained, by scripts/table6.sh.
END
}

seed=0 dataset=20news sentences=()

own_option() {
  case "$1" in
    --document | --text | --sentence) sentences+=("$1" "$2") ;;
    --dataset) dataset="$2" ;;
    --seed) seed="$2" ;;
    *) return 1 ;;
  esac
}

draw_figure() {
  parse_options "$@"
  [[ $seed =~ ^[0-9]+$ ]] || fail "--seed $seed: must be a whole number"
  [[ $dataset =~ ^(20news|yahoo-mini|yahoo-half)$ ]] ||
    fail "--dataset $dataset: must be 20news, yahoo-mini or yahoo-half"
  choose_sentences
  enter_environment

  local figure variant folder files=()
  figure="$out/$preset/$(basename "$0" .sh)"
  for variant in fan-sup fan-unsup hatt; do # from the outermost ring to the innermost
    folder="$runs/$preset/$dataset/$variant/seed$seed"
    [[ $dry_run == yes || -e $folder/run.json ]] ||
      fail "$folder: no finished run; train it with:" \
        "scripts/table6.sh --preset $preset --datasets $dataset --seeds $seed --runs $runs"
    files+=("$figure.$variant.json")
    run python -m language.word_importance "$folder" "${sentences[@]}" --out "$figure.$variant.json" \
      --data "$data" ${gpus:+--gpus "$gpus"}
  done
  run python -m scripts.figures.word_importance "${files[@]}" --out "$figure.png"
}

choose_sentences() {
  ((${#sentences[@]} == 0)) || return 0
  [[ $dataset == 20news ]] || fail "--dataset $dataset: give a --document of it, or a --text"
  read -r -a sentences <<<"${default_sentences[$preset]}"
}
