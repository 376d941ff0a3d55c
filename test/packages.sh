# shellcheck shell=bash
# Which packages of the distribution leat needs, and how they get onto the machine. Sourced by
# test/run.sh, test/debian13.sh, bench/demo.sh and bench/compare/run.sh.
#
#   packages_ensure GROUP...     installs what is missing of: build, servers, languages, compare,
#                                debian13, pack (what cpack needs besides), lint
#
# Known: Debian 12 and 13, Ubuntu 24.04. As root, or where sudo asks for no password, it installs;
# elsewhere it prints the command and leaves with 2. Nothing is touched when nothing is missing.

packages_release() {
  local id version
  id=$(. /etc/os-release 2>/dev/null && printf '%s' "${ID:-}")
  version=$(. /etc/os-release 2>/dev/null && printf '%s' "${VERSION_ID:-}")
  printf '%s-%s' "$id" "$version"
}

# Names that differ: llhttp is a library from Debian 13 on, before that its C sources come with
# node-llhttp; clang's run-time library carries the version of the distribution's clang; h2o is not
# in Debian 13; Ubuntu has Chromium only as a snap.
packages_of() {
  local release=$1 group=$2 llhttp=node-llhttp h2o=h2o chromium=chromium clang_rt
  case $release in
    debian-12) clang_rt=libclang-rt-14-dev ;;
    debian-13) clang_rt=libclang-rt-19-dev llhttp=libllhttp-dev h2o= ;;
    ubuntu-24.04) clang_rt=libclang-rt-18-dev chromium= ;;
    *) return 1 ;;
  esac
  case $group in
    build)
      echo build-essential cmake ninja-build pkg-config python3 libuv1-dev "$llhttp" \
        libmbedtls-dev libnghttp2-dev libwslay-dev libsqlite3-dev zlib1g-dev libcmocka-dev
      ;;
    servers)
      # shellcheck disable=SC2086
      echo nginx haproxy $h2o nghttp2-server nghttp2-proxy python3-websockets openssl curl \
        libjansson-dev python3-prometheus-client
      ;;
    languages)
      # shellcheck disable=SC2086
      echo nodejs node-ws python3-venv python3-dev golang-go doxygen clang "$clang_rt" $chromium
      ;;
    compare) echo libcurl4-openssl-dev openssl ;;
    debian13) echo debootstrap ;;
    pack) echo file ;;
    lint) echo lintian ;;
  esac
}

packages_missing() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

# A server that is installed for tests must not start. policy-rc.d is Debian's own way to say so;
# one that is there already is left as it is.
packages_forbid_starts() {
  local policy=/usr/sbin/policy-rc.d
  [ -e "$policy" ] && return
  # shellcheck disable=SC2064
  trap "$* rm -f $policy" EXIT
  printf '#!/bin/sh\nexit 101\n' | "$@" tee "$policy" >/dev/null
  "$@" chmod 755 "$policy"
}

# Runs in a subshell, so that the trap of packages_forbid_starts ends with it.
packages_install() (
  root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      echo "packages are missing; install them and start again:" >&2
      echo "  sudo apt-get update && sudo apt-get install --no-install-recommends -y $*" >&2
      exit 2
    fi
    root=(sudo -n)
  fi
  as_root() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive "$@"; }
  echo "installing: $*" >&2
  packages_forbid_starts as_root
  as_root apt-get update -q >&2 </dev/null &&
    as_root apt-get install -q -y --no-install-recommends "$@" >&2 </dev/null
)

packages_ensure() {
  local release group wanted=() missing
  release=$(packages_release)
  for group in "$@"; do
    if ! packages_of "$release" "$group" >/dev/null; then
      echo "$release is not a system this script knows (Debian 12, 13, Ubuntu 24.04); what a" >&2
      echo "build needs is in CONTRIBUTING.md; going on with what is installed" >&2
      return 0
    fi
    # shellcheck disable=SC2207
    wanted+=($(packages_of "$release" "$group"))
  done
  missing=$(packages_missing "${wanted[@]}")
  [ -z "$missing" ] && return 0
  # shellcheck disable=SC2086
  packages_install $missing
}
