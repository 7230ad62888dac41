#!/usr/bin/env bash
# All checks, as a developer and the CI run them: lint, format, tests. Each runs even when one before it
# failed, so that one call shows everything there is to mend.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/test.sh [--slow] [pytest arguments]

Sets up if need be, then checks lint, format and tests. The exit code is that of the first that fails.

  --slow   also the tests that train or measure for longer (-m slow: only those)
  --help   this text

examples: scripts/test.sh
          scripts/test.sh tests/language -k padding
END
}

tests=()
for argument in "$@"; do
  case "$argument" in
    --help | -h) usage && exit ;;
    --slow) tests+=(-m "") ;; # in place of "not slow", which pyproject.toml sets
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
