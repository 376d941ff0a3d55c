#!/usr/bin/env bash
# The same work through leat load and through other harnesses, against the same gateway: what each
# says of time to first token and of gaps, how far that is from the truth that the gateway wrote
# down, and what it costs. Installs AIPerf, GuideLLM, vLLM's bench and locust into build/peers, each
# by its package's name, where there is room (16 GB in all, most of it libraries for GPUs); what
# cannot be had is a row that says why. Ten minutes, and as long again for the first installation.
#
# usage: bench/peers/run.sh [--streams N,...] [--only NAME,...] [--no-install] [--json FILE]
#   names: leat, aiperf, guidellm, vllm, locust, k6
# The table goes to standard output. exit: 0, or 1 when leat itself could not be run.
# What each column is: the top of bench/peers/peers.py.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/packages.sh
packages_ensure build || exit 2
cmake --preset release >&2
cmake --build build/release --target leat pinned >&2
exec python3 bench/peers/peers.py --programs build/release/bench --leat build/release/leat "$@"
