#!/usr/bin/env bash
# Large uploads and short chats at once, to a gateway whose window for uploads is small and comes
# back late: leat as it comes, beside one connection a request and one connection for all. Installs
# and builds what is missing; a minute and a half, most of it for the one connection.
#
# usage: bench/uploads/run.sh [--uploads N] [--bytes N] [--chats N] [--window SIZE]
#        [--window-delay TIME] [--json FILE]
# [60 of 1 MiB, 100, 65535, 50ms]; the table goes to standard output. exit: 1 when one was lost, or
# was asked for twice.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/packages.sh
packages_ensure build || exit 2
cmake --preset release >&2
cmake --build build/release --target leat uploads >&2
exec python3 bench/uploads/uploads.py --leat build/release/leat --client build/release/uploads "$@"
