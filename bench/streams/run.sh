#!/usr/bin/env bash
# Many streams at once over HTTP/2, from one process: 10,000 that are read on time, 100,000 that are
# open together, and 500 without gaps. Each beside what it should be. Installs and builds what is
# missing; a minute and a half, and about 350 MB of memory.
#
# usage: bench/streams/run.sh [--only crowd,mass,flat] [--divide N] [--seconds S] [--coalesce]
#        [--json FILE]
# The table goes to standard output; "missed" in it is a figure that is not what it should be, which
# is no failure, since machines differ. exit: 0, or 1 when a run could not be made.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/packages.sh
packages_ensure build || exit 2
cmake --preset release >&2
cmake --build build/release --target leat pinned floor_h2 >&2
exec python3 bench/streams/streams.py --programs build/release/bench --leat build/release/leat "$@"
