#!/usr/bin/env bash
# Does one reader that sleeps disturb those who share its HTTP/2 connection? The same streams with
# and without it, by turns: gaps between events, and memory. Installs and builds what is missing;
# about a minute.
#
# usage: bench/pause/run.sh [--streams N] [--events N] [--gap TIME] [--bytes N] [--window N]
#        [--rounds N] [--json FILE]
# [200 streams of 250 events at 20ms, 400 bytes each, 65536, 5 rounds]; the table goes to standard
# output. exit: 1 when the others' p99 is more than a tenth worse for it, memory is not bounded, or
# something was lost.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/packages.sh
packages_ensure build || exit 2
cmake --preset release >&2
cmake --build build/release --target leat pause >&2
exec python3 bench/pause/pause.py --leat build/release/leat --client build/release/pause "$@"
