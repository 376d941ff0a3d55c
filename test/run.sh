#!/usr/bin/env bash
# Installs what is missing, configures, builds and runs the tests.
#
# usage: test/run.sh [--peers | --servers] [--preset NAME] [--label LABEL] [--without LABEL]
#   --peers         also installs the servers that some e2e tests run against (nginx, h2o, Go
#                   and more) and clang; without them those tests are skipped, and ctest lists them
#   --servers       installs only those of them that are small: no Go, Node, Chromium or clang
#   --preset NAME   release (default), dev, asan
#   --label LABEL   only tests of this label: unit, fuzz, e2e, peers, slow, tidy, once
#   --without LABEL all but the tests of this label
# exit: 0 all passed, 1 some failed or the build did, 2 wrong use or missing packages
# What fails runs once more, alone (test/suite.sh). The results stay in build/PRESET/results.xml
# (JUnit).
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 2
. test/packages.sh
. test/suite.sh

usage() {
  sed -n '4,10s/^# \{0,1\}//p' test/run.sh >&2
  exit 2
}

preset=release label='' without='' groups=(build)
while [ $# -gt 0 ]; do
  case $1 in
    --peers) groups+=(servers languages compare debian13 pack lint) ;;
    --servers) groups+=(servers) ;;
    --preset) preset=${2:-}; shift ;;
    --label) label=${2:-}; shift ;;
    --without) without=${2:-}; shift ;;
    *) usage ;;
  esac
  shift || usage
done
case $preset in release | dev | asan) ;; *) usage ;; esac

packages_ensure "${groups[@]}" || exit 2
if [ -z "${LEAT_CORPORA:-}" ] && [ -d ../shared/corpora ]; then
  LEAT_CORPORA=$(cd ../shared/corpora && pwd)
fi
if [ -n "${LEAT_CORPORA:-}" ]; then
  export LEAT_CORPORA
  echo "corpora: $LEAT_CORPORA"
else
  echo "corpora: none (LEAT_CORPORA is not set); the tests that need them are skipped"
fi

build=build/$preset
rm -f "$build/results.xml"
cmake --preset "$preset" || exit 1
cmake --build "$build" || exit 1
tests=(--parallel "$(nproc)")
[ -n "$label" ] && tests+=(--label-regex "^$label\$")
[ -n "$without" ] && tests+=(--label-exclude "^$without\$")
suite_run "$build" "${tests[@]}" || exit 1
