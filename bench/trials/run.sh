#!/usr/bin/env bash
# The certificate on trial: clean runs, and loads that are stopped, starved and frozen out, each
# verdict beside the truth of the gateway's stamps. As root it asks for real-time priority, so that
# other programs on the machine do not count as disturbances of clean runs.
#
# usage: bench/trials/run.sh [RUNS]     RUNS clean ones [20]
# environment: LEAT_PROGRAM, the program [build/release/leat]
# exit: 0 all were judged rightly, 1 some were not
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
export LEAT_PROGRAM=${LEAT_PROGRAM:-$PWD/build/release/leat}
exec python3 test/e2e/test_load_trials.py "${1:-20}"
