#!/bin/sh
# Prints what the program takes over all chat platforms at once: memory of each adapter, processor at rest with all of
# them connected, and 10,000 chats against 30, through the real binary and the real adapters. Every figure is measured
# in this run, next to its baseline.
#
#   tests/measure-platforms.sh [MESSAGES]     with a release build, which takes a while
#   PROFILE=dev tests/measure-platforms.sh 300   to try the script
set -eu
cd "$(dirname "$0")/.."
profile=${PROFILE:-release}
cargo build --quiet --locked --profile "$profile" -p openpact -p openpact-test-platforms
folder=${CARGO_TARGET_DIR:-target}/$([ "$profile" = dev ] && echo debug || echo "$profile")
exec "$folder/measure-platforms" "$folder/openpact" "$@"
