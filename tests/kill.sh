#!/usr/bin/env bash
# The kill test, long: KILLS (1000) kills over MESSAGES (20000) messages. Prints what was lost (nothing) and what was
# repeated (only what the platform cannot tell apart), with the seed that brings the same run again.
set -euo pipefail
cd "$(dirname "$0")/.."
export OPENPACT_KILLS="${KILLS:-1000}" OPENPACT_KILL_MESSAGES="${MESSAGES:-20000}"
exec cargo test --locked -p openpact --test kill -- --nocapture
