#!/usr/bin/env bash
# A thousand kills while components are installed, approved and gone back to; prints what each left.
set -euo pipefail
cd "$(dirname "$0")/.."
OPENPACT_KILLS="${1:-1000}" cargo test -p openpact --test install crash -- --nocapture
