#!/usr/bin/env bash
# The first command: from a clone to tables of the paper, by other scripts.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/quickstart.sh

Sets up (scripts/setup.sh), writes miniature data sets, trains the networks of the paper's Tables 6 (20 Newsgroups), 1
(VOC) and 9 (COCO) on them and prints the tables beside the paper's numbers. Takes minutes on two cores and needs no
network beyond the installation of the packages. Stop it whenever you like: the same command goes on where it was.

Reads  FAN_DATA   where the data sets are (default: datasets); the miniature goes to mini/ in it
Writes runs/      the runs, the tables and their figures
END
}

case "${1:-}" in
  "") ;;
  --help | -h) usage && exit ;;
  *) echo "error: $1: no such option; scripts/quickstart.sh --help says what it does" >&2 && exit 2 ;;
esac

if [[ -n ${FAN_DATA:-} ]]; then
  FAN_DATA="$(realpath -m "$FAN_DATA")" # as seen from where this was called
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh
# Not to results/, which holds what was measured at the paper's sizes and is published.
scripts/table6.sh --preset mini --datasets 20news --out runs/results
scripts/table1.sh --preset mini --out runs/results
scripts/table9.sh --preset mini --out runs/results

cat <<END

Done in $((SECONDS / 60)) min $((SECONDS % 60)) s.
Tables 1, 6 and 9 and their figures are in runs/results/mini, the runs they were made from in runs/mini.
Next: scripts/test.sh checks everything; scripts/get_data.sh and the table scripts work on the real data.
END
