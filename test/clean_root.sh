#!/usr/bin/env bash
# Fresh Debian 13 systems for trying packages: each is a copy of what debootstrap makes, without a
# compiler, without headers, without anything of this tree. They lie below build/debian13, where
# the caller may put files into them.
#
# usage: test/clean_root.sh make NAME           a fresh one; prints its folder
#        test/clean_root.sh run NAME COMMAND... runs COMMAND in it, in name spaces of its own, which
#                                               take every process with them; the network is shared
#        test/clean_root.sh drop NAME           removes it
# environment: LEAT_DEBIAN_MIRROR, LEAT_DEBIAN13 as in test/debian13.sh
# exit: that of COMMAND, 2 wrong use, 77 no Debian 13 can be made here, and one line says why
set -u -o pipefail
lock_seconds=600

if [ "${1:-}" != --inside ]; then
  cd "$(dirname "$0")/.." || exit 2
fi
. test/packages.sh
. test/debian_root.sh

usage() {
  sed -n '6,9s/^# \{0,1\}//p' test/clean_root.sh >&2
  exit 2
}

make_inside() {
  local folder=$1 name=$2 mirror=$3
  root_make "$folder" "$mirror"
  root_copy "$folder" "$name" || exit 1
  echo "$folder/$name"
}

run_inside() {
  local folder=$1 name=$2 status
  shift 2
  root_mount "$folder/$name" || root_skip "cannot mount what a system needs"
  root_run "$folder/$name" "$@"
  status=$?
  root_keep "$folder" "$folder/$name"
  return "$status"
}

if [ "${1:-}" = --inside ]; then
  "$2_inside" "${@:3}"
  exit
fi
what=${1:-} name=${2:-}
case $name in '' | *[!a-z-]* | base | archives | root) usage ;; esac
shift 2
root_check_machine
mirror=$(root_mirror) || exit
folder=$(root_folder) || exit 2
exec 9>"$folder/$name.lock"
flock --timeout "$lock_seconds" 9 || root_skip "another run uses $folder/$name"
case $what in
  make) root_unshare test/clean_root.sh --inside make "$folder" "$name" "$mirror" ;;
  run)
    [ $# -gt 0 ] && [ -d "$folder/$name" ] || usage
    root_unshare test/clean_root.sh --inside run "$folder" "$name" "$@"
    ;;
  drop) rm -rf --one-file-system "${folder:?}/$name" ;;
  *) usage ;;
esac
