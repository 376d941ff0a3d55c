# shellcheck shell=bash
# How the tests of a build are run. Sourced by test/run.sh and .ci/run, from the root of the tree.
#
#   suite_run FOLDER [OPTIONS OF ctest]
#
# A machine that is loaded makes a test fail now and then that says nothing of us. So what failed
# runs once more, alone: who passes then has passed, and is named for it (test/results.py tell). Of
# many that fail, the machine is not the reason, and there is no second try.
# The results stay in FOLDER/results.xml (JUnit).

suite_second_tries_max=8

suite_run() {
  local folder=$1 status again counts
  shift
  rm -f "$folder/results.xml" "$folder/again.xml"
  ctest --test-dir "$folder" --output-on-failure --timeout 300 --no-tests=error \
    --output-junit results.xml "$@" </dev/null
  status=$?
  [ "$status" -eq 0 ] && return 0
  counts=$(python3 test/results.py count "$folder/results.xml") || return "$status"
  # shellcheck disable=SC2086
  set -- $counts
  if [ "$2" -eq 0 ] || [ "$2" -gt "$suite_second_tries_max" ]; then
    return "$status"
  fi
  echo "once more, alone: what failed ($2)"
  ctest --test-dir "$folder" --rerun-failed --output-on-failure --timeout 300 \
    --output-junit again.xml </dev/null
  again=$?
  python3 test/results.py settle "$folder/results.xml" "$folder/again.xml" || return "$status"
  return "$again"
}
