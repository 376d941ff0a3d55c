# shellcheck shell=bash
# A Debian 13 (trixie) made with debootstrap, and how something is run in it. Sourced by
# test/debian13.sh, which builds and tests the work tree there, and by test/clean_root.sh, which
# tries packages in fresh copies.
#
#   FOLDER/base      the system as debootstrap leaves it, which only ever is copied
#   FOLDER/archives  Debian's packages that apt has fetched in any of them, as hard links
#   FOLDER/*.lock    held by whoever makes or uses the system of that name
#
# Everything that mounts or runs in such a system does so in name spaces of its own. They end with
# the script, however it ends, and take every mount and process with them; the machine's own system
# is only read.

root_skip() {
  echo "Debian 13: skipped: $*" >&2
  exit 77
}

# ---- outside: is it possible here?

# The address that apt fetches this Debian's own packages from.
root_mirror_of_apt() {
  local codename
  codename=$(. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] && echo "$VERSION_CODENAME")
  [ -n "$codename" ] && apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
    'Created-By: Packages' 2>/dev/null | sed -n "s/^$codename main //p" | head -n 1
}

# A system of ours makes no further one in itself.
root_check_machine() {
  local release=trixie keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ ! -e /etc/leat-root ] || root_skip "this is such a system itself"
  [ "$(id -u)" -eq 0 ] || root_skip "debootstrap needs root"
  packages_ensure debian13 || root_skip "debootstrap cannot be installed"
  command -v debootstrap >/dev/null || root_skip "debootstrap is not installed"
  [ -e /usr/share/debootstrap/scripts/$release ] || root_skip "this debootstrap knows no $release"
  [ -e "$keyring" ] || root_skip "no $keyring to check Debian's signatures with"
  unshare --mount --pid --fork --propagation private true 2>/dev/null ||
    root_skip "name spaces for mounts and processes are not permitted"
}

root_mirror() {
  local mirror=${LEAT_DEBIAN_MIRROR:-$(root_mirror_of_apt)}
  [ -n "$mirror" ] || root_skip "no mirror of Debian is known; LEAT_DEBIAN_MIRROR names one"
  echo "$mirror"
}

# The folder that keeps the systems, as an absolute path.
root_folder() {
  local folder=${LEAT_DEBIAN13:-build/debian13}
  mkdir -p "$folder/archives" && cd "$folder" && pwd
}

# Runs `bash ARGUMENTS` in name spaces of its own and leaves with its status. It is killed with this
# script, by whatever signal, and with it ends what it has unshared. A job of its own, because
# background commands would else run with SIGINT ignored.
root_unshare() {
  set -m
  setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --propagation private \
    bash "$@" </dev/null &
  root_child=$!
  trap 'kill -KILL "$root_child" 2>/dev/null' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  wait "$root_child"
}

# ---- inside of the name spaces

# root_make FOLDER MIRROR: sees to it that FOLDER/base is there. Who comes second waits.
root_make() {
  [ -d "$1/base" ] && return
  exec 8>"$1/base.lock"
  flock --timeout 600 8 || root_skip "another run makes $1/base"
  [ -d "$1/base" ] || root_bootstrap "$@"
  exec 8>&-
}

root_bootstrap() {
  local folder=$1 mirror=$2 base=$1/base fresh=$1/base.new log=$1/debootstrap.log
  echo "Debian 13: debootstrap into $base" >&2
  rm -rf --one-file-system "$fresh"
  if ! debootstrap --variant=minbase --force-check-gpg --include=ca-certificates \
    trixie "$fresh" "$mirror" >"$log" 2>&1 </dev/null; then
    rm -rf --one-file-system "$fresh"
    root_skip "debootstrap failed: $(tail -n 1 "$log")"
  fi
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$fresh/etc/hosts"
  printf 'force-unsafe-io\n' >"$fresh/etc/dpkg/dpkg.cfg.d/leat"
  printf 'Acquire::Retries "3";\nAcquire::Languages "none";\n' >"$fresh/etc/apt/apt.conf.d/80leat"
  mv "$fresh/var/cache/apt/archives/"*.deb "$folder/archives/" 2>/dev/null
  mv "$fresh" "$base"
}

# root_copy FOLDER NAME: FOLDER/NAME becomes a fresh copy of the base, with what apt has fetched.
root_copy() {
  rm -rf --one-file-system "${1:?}/${2:?}" "$1/$2.new" &&
    cp -a --reflink=auto "$1/base" "$1/$2.new" || return
  ln "$1"/archives/*.deb "$1/$2.new/var/cache/apt/archives/" 2>/dev/null
  mv "$1/$2.new" "$1/$2"
}

# root_keep FOLDER ROOT: what apt has fetched in there is there for the next one. Those that are
# there already are no fault.
root_keep() {
  ln "$2"/var/cache/apt/archives/*.deb "$1/archives/" 2>/dev/null
  return 0
}

# root_mount ROOT. Devices one by one, so that nothing in there meets the machine's disks.
root_mount() {
  local root=$1 device
  mount -t proc proc "$root/proc" && mount -t tmpfs -o mode=755 dev "$root/dev" &&
    mkdir "$root/dev/pts" "$root/dev/shm" &&
    mount -t devpts -o newinstance,ptmxmode=666 pts "$root/dev/pts" &&
    mount -t tmpfs shm "$root/dev/shm" && ln -s pts/ptmx "$root/dev/ptmx" &&
    ln -s /proc/self/fd "$root/dev/fd" || return
  for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device" || return
  done
  touch "$root/etc/leat-root" && cp /etc/resolv.conf "$root/etc/resolv.conf"
}

# root_run ROOT COMMAND...
root_run() {
  local root=$1
  shift
  chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive CI="${CI:-}" "$@" </dev/null
}
