#!/usr/bin/env bash
# The same streams through leat, through libcurl, and through nothing but recv, decryption and (over
# HTTP/2) frames: CPU an event, CPU to bring up a stream, memory a stream, and the gaps between
# events. Over HTTP/1.1 and HTTP/2, and leat with --coalesce too. Installs and builds what is
# missing; two to three minutes.
#
# usage: bench/compare/run.sh [-C STREAMS] [-N EVENTS] [--ms INTERVAL] [-R ROUNDS] [--http 1.1|2]
#        [--only ROW,...] [--json FILE]
#        bench/compare/run.sh --tasks [...]: jobs, beside a plain asyncio poller: bench/tasks/run.sh
#        bench/compare/run.sh --bindings [--only python|node] [--rounds N] [...]: the packages for
#        Python and Node, beside aiohttp, undici and the official SDKs' own transports
# [500 streams of 200 events at 20 ms, 3 rounds]; the table goes to standard output. A remark in its
# last column says why a row is not to be trusted.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
if [ "${1-}" = --tasks ]; then
  shift
  exec bench/tasks/run.sh "$@"
fi
. test/packages.sh
if [ "${1-}" = --bindings ]; then
  shift
  packages_ensure build languages || exit 2
  cmake --preset release >&2
  cmake --build build/release --target leat >&2
  exec python3 bench/compare/bindings.py --leat build/release/leat "$@"
fi
packages_ensure build compare || exit 2
cmake --preset release >&2
cmake --build build/release --target compare >&2
exec python3 bench/compare/table.py --programs build/release/bench --leat build/release/leat "$@"
