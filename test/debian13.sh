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
#
# Everything that mounts or runs in the new system does so in name spaces of its own. They end with
# the script, however it ends, and take every mount and process with them; the machine's own system
# is only read.
set -u -o pipefail

# What runs inside of the new name spaces begins with this word.
if [ "${1:-}" != --inside ]; then
  cd "$(dirname "$0")/.." || exit 2
fi
. test/packages.sh

skip() {
  echo "Debian 13: skipped: $*" >&2
  exit 77
}

# ---- outside: is it possible here?

# The address that apt fetches this Debian's own packages from.
mirror_of_apt() {
  local codename
  codename=$(. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] && echo "$VERSION_CODENAME")
  [ -n "$codename" ] && apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
    'Created-By: Packages' 2>/dev/null | sed -n "s/^$codename main //p" | head -n 1
}

check_machine() {
  local release=trixie keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ "$(id -u)" -eq 0 ] || skip "debootstrap needs root"
  packages_ensure debian13 || skip "debootstrap cannot be installed"
  command -v debootstrap >/dev/null || skip "debootstrap is not installed"
  [ -e /usr/share/debootstrap/scripts/$release ] || skip "this debootstrap knows no $release"
  [ -e "$keyring" ] || skip "no $keyring to check Debian's signatures with"
  unshare --mount --pid --fork --propagation private true 2>/dev/null ||
    skip "name spaces for mounts and processes are not permitted"
}

# ---- inside

make_system() {
  local fresh=$folder/root.new log=$folder/debootstrap.log
  [ -d "$root" ] && return
  echo "Debian 13: debootstrap into $root"
  rm -rf --one-file-system "$fresh"
  if ! debootstrap --variant=minbase --force-check-gpg --include=ca-certificates \
    trixie "$fresh" "$mirror" >"$log" 2>&1 </dev/null; then
    rm -rf --one-file-system "$fresh"
    skip "debootstrap failed: $(tail -n 1 "$log")"
  fi
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$fresh/etc/hosts"
  printf 'force-unsafe-io\npath-exclude=/usr/share/%s/*\n' doc >"$fresh/etc/dpkg/dpkg.cfg.d/leat"
  printf 'Acquire::Retries "3";\nAcquire::Languages "none";\n' >"$fresh/etc/apt/apt.conf.d/80leat"
  mv "$fresh" "$root"
}

# Devices one by one, so that nothing in there meets the machine's disks.
mount_all() {
  local device
  mount -t proc proc "$root/proc" && mount -t tmpfs -o size=2g tmp "$root/tmp" &&
    mount -t tmpfs -o mode=755 dev "$root/dev" && mkdir "$root/dev/pts" "$root/dev/shm" &&
    mount -t devpts -o newinstance,ptmxmode=666 pts "$root/dev/pts" &&
    mount -t tmpfs shm "$root/dev/shm" && ln -s pts/ptmx "$root/dev/ptmx" &&
    ln -s /proc/self/fd "$root/dev/fd" || return
  for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device" || return
  done
  [ -z "$corpora" ] && return
  mkdir -p "$root/corpora"
  mount --bind "$corpora" "$root/corpora" && mount -o remount,bind,ro "$root/corpora"
}

# The files of the work tree with their times, so that a second run builds only what changed.
copy_tree() {
  mkdir -p "$root/leat"
  find "$root/leat" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
  tar -c --exclude=./build --exclude=./.git --exclude=__pycache__ --exclude='*.o' . |
    tar -x --no-same-owner -C "$root/leat"
}

run_inside() {
  chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive CI="${CI:-}" "$@" </dev/null
}

preset_of() {
  local preset=release
  while [ $# -gt 0 ]; do
    [ "$1" = --preset ] && preset=${2:-}
    shift
  done
  echo "$preset"
}

inside() {
  local folder=$1 mirror=$2 corpora=$3 root=$1/root preset status
  shift 3
  preset=$(preset_of "$@")
  make_system
  mount_all || skip "cannot mount what a system needs"
  copy_tree || exit 1
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  run_inside bash -c 'cd /leat && . test/packages.sh && packages_ensure build &&
    cmake --preset "$1" -DLEAT_WERROR=ON' bash "$preset" || exit 1
  run_inside ${corpora:+LEAT_CORPORA=/corpora} /leat/test/run.sh "$@"
  status=$?
  cp "$root/leat/build/$preset/results.xml" "$folder/results.xml" 2>/dev/null
  exit "$status"
}

if [ "${1:-}" = --inside ]; then
  shift
  inside "$@"
fi
check_machine
mirror=${LEAT_DEBIAN_MIRROR:-$(mirror_of_apt)}
[ -n "$mirror" ] || skip "no mirror of Debian is known; LEAT_DEBIAN_MIRROR names one"
corpora=${LEAT_CORPORA:-}
if [ -z "$corpora" ] && [ -d ../shared/corpora ]; then
  corpora=$(cd ../shared/corpora && pwd)
fi
folder=${LEAT_DEBIAN13:-build/debian13}
mkdir -p "$folder" && folder=$(cd "$folder" && pwd) || exit 2
rm -f "$folder/results.xml"
exec 9>"$folder/lock"
if ! flock --nonblock 9; then
  echo "another run of test/debian13.sh uses $folder" >&2
  exit 1
fi

# Killed with this script, by whatever signal; and with it ends what it has unshared. A job of its
# own, because background commands would else run with SIGINT ignored.
set -m
setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --propagation private \
  bash test/debian13.sh --inside "$folder" "$mirror" "$corpora" "$@" </dev/null &
child=$!
trap 'kill -KILL "$child" 2>/dev/null' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
wait "$child"
