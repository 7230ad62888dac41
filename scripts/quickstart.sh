#!/usr/bin/env bash
# From a clone to tables of the paper: installs the packages and runs three table scripts on miniature data.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/quickstart.sh

Runs scripts/setup.sh, writes miniature data sets, trains the networks of Tables 6 (20 Newsgroups), 1 (VOC) and 9 (COCO)
on them, and prints the tables next to the paper's numbers. Takes minutes on two cores; the network is only used to
install packages. You can stop it at any time: rerun it to resume.

Reads  FAN_DATA   folder of the data sets (default: datasets); the miniature data is written to mini/ in it
Writes runs/      the runs, the tables and their figures

example: scripts/quickstart.sh
END
}

case "${1:-}" in
  "") ;;
  --help | -h) usage && exit ;;
  *) echo "error: unrecognized argument: $1; see scripts/quickstart.sh --help" >&2 && exit 2 ;;
esac

if [[ -n ${FAN_DATA:-} ]]; then
  FAN_DATA="$(realpath -m "$FAN_DATA")" # relative to the caller's folder
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh
# results/ is for the published results.
scripts/table6.sh --preset mini --datasets 20news --out runs/results
scripts/table1.sh --preset mini --out runs/results
scripts/table9.sh --preset mini --out runs/results

cat <<END

Done in $((SECONDS / 60)) min $((SECONDS % 60)) s.
Tables 1, 6 and 9 and their figures are in runs/results/mini, their runs in runs/mini.
Next: run all tests with scripts/test.sh, get the real data with scripts/get_data.sh, and run the table scripts on it.
END
