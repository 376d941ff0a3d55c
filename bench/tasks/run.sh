#!/usr/bin/env bash
# Ten thousand jobs at once from one process: 10,000 of a family that is asked about a hundred at a
# time, 500 of one that is asked one by one, and beside them the same 500 by a plain poller in
# Python's asyncio. Each figure beside what it should be. Builds what is missing; a few minutes,
# most of which is waiting for the slowest job.
#
# usage: bench/tasks/run.sh [--only batch,single,plain] [--divide N] [--json FILE]
# The table goes to standard output; "missed" in it is a figure that is not what it should be, which
# is no failure, since machines differ. exit: 0, or 1 when a run could not be made.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/packages.sh
packages_ensure build || exit 2
cmake --preset release >&2
cmake --build build/release --target leat pinned >&2
exec python3 bench/tasks/tasks.py --programs build/release/bench --leat build/release/leat "$@"
