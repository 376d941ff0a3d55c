#!/usr/bin/env bash
# The same streams through leat, through libcurl, and through nothing but recv and decryption: CPU
# an event, CPU to bring up a stream, memory a stream. Installs and builds what is missing.
#
# usage: bench/compare/run.sh [-C STREAMS] [-N EVENTS] [--ms INTERVAL] [-R ROUNDS] [--json FILE]
# [500 streams of 200 events at 20 ms, 3 rounds]; the table goes to standard output.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/packages.sh
packages_ensure build compare || exit 2
out=build/compare
mkdir -p "$out"
cmake --preset release >&2
cmake --build build/release --target leat >&2
flags=(-O2 -std=c11 -D_GNU_SOURCE -Wall -Wextra)
cc "${flags[@]}" -o "$out/pinned" bench/compare/pinned.c
cc "${flags[@]}" -o "$out/floor" bench/compare/floor.c -lmbedtls -lmbedx509 -lmbedcrypto
cc "${flags[@]}" -o "$out/peer_curl" bench/compare/peer_curl.c -lcurl -luv
exec python3 bench/compare/table.py --programs "$out" --leat build/release/leat "$@"
