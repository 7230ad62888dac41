#!/usr/bin/env bash
# Runs all checks: lint, format and tests. A failing check does not stop the others.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/test.sh [--slow] [pytest arguments]

Runs scripts/setup.sh, then checks lint, format and tests. The exit code is that of the first check that fails.

  --slow   also run the tests that train or measure for longer (only these: -m slow)
  --help   this text

examples: scripts/test.sh
          scripts/test.sh tests/language -k padding
END
}

tests=()
for argument in "$@"; do
  case "$argument" in
    --help | -h) usage && exit ;;
    --slow) tests+=(-m "") ;; # replaces the "not slow" of pyproject.toml
    *) tests+=("$argument") ;;
  esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
source scripts/lib/environment.sh

status=0
check() {
  echo
  echo "$ $*"
  local code=0
  "$@" || code=$?
  ((status)) || status=$code
}

check ruff check
check ruff format --check
check python -m pytest "${tests[@]}"
exit "$status"
