#!/usr/bin/env bash
# Makes a Debian 13 (trixie) with debootstrap, builds this tree in it and runs the tests there: with
# gcc 14, mbedTLS 3.6 and so TLS 1.3, llhttp as a library, and servers two years younger. Warnings
# are errors there.
#
# usage: test/debian13.sh [OPTIONS OF test/run.sh]
# environment:
#   LEAT_DEBIAN_MIRROR  where Debian's packages come from [where this machine's apt has them from]
#   LEAT_DEBIAN13       the folder that keeps the system [build/debian13]; delete it for a fresh one
# exit: 0 all passed, 1 some failed or the build did, 2 wrong use, 77 no Debian 13 can be made here,
#       and one line says why
# The results stay in build/debian13/results.xml (JUnit).
set -u -o pipefail

# What runs inside of the new name spaces begins with this word.
if [ "${1:-}" != --inside ]; then
  cd "$(dirname "$0")/.." || exit 2
fi
. test/packages.sh
. test/debian_root.sh

mount_corpora() {
  [ -z "$1" ] && return
  mkdir -p "$2/corpora"
  mount --bind "$1" "$2/corpora" && mount -o remount,bind,ro "$2/corpora"
}

# The files of the work tree with their times, so that a second run builds only what changed.
copy_tree() {
  local root=$1
  mkdir -p "$root/leat"
  find "$root/leat" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
  tar -c --exclude=./build --exclude=./.git --exclude=__pycache__ --exclude='*.o' \
    --exclude=node_modules . | tar -x --no-same-owner -C "$root/leat"
}

preset_of() {
  local preset=release
  while [ $# -gt 0 ]; do
    [ "$1" = --preset ] && preset=${2:-}
    shift
  done
  echo "$preset"
}

# Tests need no documentation of the packages they use; without it they are there sooner.
make_root() {
  [ -d "$2" ] && return
  root_make "$1" "$3"
  root_copy "$1" root &&
    printf 'path-exclude=/usr/share/%s/*\n' doc >>"$2/etc/dpkg/dpkg.cfg.d/leat"
}

inside() {
  local folder=$1 mirror=$2 corpora=$3 root=$1/root preset status
  shift 3
  preset=$(preset_of "$@")
  make_root "$folder" "$root" "$mirror" || exit 1
  root_mount "$root" && mount -t tmpfs -o size=2g tmp "$root/tmp" &&
    mount_corpora "$corpora" "$root" ||
    root_skip "cannot mount what a system needs"
  copy_tree "$root" || exit 1
  root_run "$root" bash -c 'cd /leat && . test/packages.sh && packages_ensure build &&
    cmake --preset "$1" -DLEAT_WERROR=ON' bash "$preset" || exit 1
  root_run "$root" ${corpora:+LEAT_CORPORA=/corpora} /leat/test/run.sh "$@"
  status=$?
  root_keep "$folder" "$root"
  cp "$root/leat/build/$preset/results.xml" "$folder/results.xml" 2>/dev/null
  exit "$status"
}

if [ "${1:-}" = --inside ]; then
  shift
  inside "$@"
fi
root_check_machine
mirror=$(root_mirror) || exit
corpora=${LEAT_CORPORA:-}
if [ -z "$corpora" ] && [ -d ../shared/corpora ]; then
  corpora=$(cd ../shared/corpora && pwd)
fi
folder=$(root_folder) || exit 2
rm -f "$folder/results.xml"
exec 9>"$folder/root.lock"
if ! flock --nonblock 9; then
  echo "another run uses $folder/root" >&2
  exit 1
fi
root_unshare test/debian13.sh --inside "$folder" "$mirror" "$corpora" "$@"
