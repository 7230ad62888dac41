#!/usr/bin/env bash
# Gets a data set of the paper, or NLTK's models: scripts/get_data.sh NAME [--data DIR] [--archive FILE].
# Without NAME, a table of all of them. data/download.py does it; data/sources.py says from where.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh

exec python -u -m data.download "$@"
