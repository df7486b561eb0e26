#!/usr/bin/env bash
# Prints what a newcomer feels: how long from start to the first answer with a warm cache, and how much memory the
# program takes while it waits. The baseline in the same run is `openpact version`: the same binary doing nothing.
#
#   cargo build --release && bash tests/measure.sh [BINARY] [RUNS]
set -euo pipefail
cd "$(dirname "$0")/.."
binary="$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/openpact}")"
runs="${2:-20}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# The median of the milliseconds on standard input.
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

# Milliseconds that one run of the command takes, its input and output apart.
timed() {
    local start end
    start=$(date +%s%N)
    "$@" >/dev/null 2>&1
    end=$(date +%s%N)
    echo $(((end - start) / 1000000))
}

answer() { echo '!workspace_list {}' | "$binary" chat; }

answer >/dev/null 2>&1 # compiles the components and keeps the native code

echo "openpact version, median of $runs:               $(for _ in $(seq "$runs"); do timed "$binary" version; done | median) ms"
echo "start to first answer and end, warm, median:  $(for _ in $(seq "$runs"); do timed answer; done | median) ms"
rm -rf data/secure/cache/*
echo "the same with an empty cache, once:           $(timed answer) ms"

mkfifo input
"$binary" chat <input >output 2>/dev/null &
process=$!
exec 3>input
echo '!workspace_list {}' >&3
for _ in $(seq 100); do
    [ -s output ] && break
    sleep 0.1
done
sleep 2
awk '/VmRSS|RssAnon/ { printf "%-45s %.1f MB\n", "idle after one call, " $1, $2 / 1024 }' "/proc/$process/status"
exec 3>&-
wait "$process"
