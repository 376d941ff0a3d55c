#!/usr/bin/env bash
# Installs what is missing, builds the program, and shows it at work against its own gateway.
# usage: bench/demo.sh [OPTIONS OF leat demo]
set -eu -o pipefail
cd "$(dirname "$0")/.."
. test/packages.sh
packages_ensure build || exit 2
cmake --preset release >&2
cmake --build build/release --target leat >&2
exec build/release/leat demo "$@"
