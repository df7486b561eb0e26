#!/bin/sh
# Prints what the runtime itself takes per message and per chat: one chat, many chats, 10,000 chats against 10, chats
# that stand still; and what the program as a whole takes at rest. Every figure is measured in this run, next to its
# baseline. Asserts nothing but that every message was answered.
#
#   tests/measure-turns.sh [MESSAGES]     with a release build, which takes a while
#   PROFILE=dev tests/measure-turns.sh 500   to try the script
set -eu
cd "$(dirname "$0")/.."
profile=${PROFILE:-release}
cargo run --quiet --locked --profile "$profile" -p openpact-load -- "$@"
