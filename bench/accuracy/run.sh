#!/usr/bin/env bash
# How right `leat load` is, and at what cost: the published test of harnesses (first token at 50 ms,
# a token each 10 ms, 100 of them, at 1 to 2,000 streams) against truth that the server writes down,
# then a flood of events, memory, start, an open loop and a burst, each beside what it should be.
# Installs and builds what is missing; about ten minutes, with --quick under five.
#
# usage: bench/accuracy/run.sh [--quick] [--only PART,...] [--streams N,...] [--rounds N]
#        [--divide N] [--json FILE]
#   parts: paced, flood, start, open, burst
# The tables go to standard output; "missed" is a figure that is not what it should be, which is no
# failure, since machines differ. exit: 0, or 1 when a run could not be made.
# What each column is: the top of bench/accuracy/accuracy.py. Other harnesses beside it:
# bench/peers/run.sh.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/packages.sh
packages_ensure build || exit 2
cmake --preset release >&2
cmake --build build/release --target leat pinned floor_h2 >&2
exec python3 bench/accuracy/accuracy.py --programs build/release/bench --leat build/release/leat \
  "$@"
