#!/usr/bin/env bash
# Fuzzes each target of tests/fuzz for a while: tests/fuzz.sh SECONDS [TARGET...]
#
# Runs on the stable compiler: libFuzzer comes with the crate libfuzzer-sys, which cargo fetches and builds with the C++
# compiler of this machine; nothing else is installed. The flags are those of `cargo fuzz run --sanitizer none`
# (https://rust-fuzz.github.io/book/cargo-fuzz.html), which works here, too, on a nightly compiler.
# What is found interesting is kept below the build's folder, and joins the committed corpus for the next run there.
set -euo pipefail
cd "$(dirname "$0")/fuzz/fuzz"

seconds="${1:?tests/fuzz.sh SECONDS [TARGET...]}"
shift
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(manifest signature rule redactor url)

cache="${XDG_CACHE_HOME:-$HOME/.cache}/openpact"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}/fuzz"
triple="$(rustc -vV | sed -n 's/^host: //p')"
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
# With a target named, build scripts and macros are built without these flags.
cargo build --release --locked --target "$triple"

for target in "${targets[@]}"; do
    found="$CARGO_TARGET_DIR/corpus/$target"
    mkdir -p "$found" "$CARGO_TARGET_DIR/artifacts/$target"
    echo "== $target for $seconds s"
    "$CARGO_TARGET_DIR/$triple/release/$target" "$found" "../corpus/$target" \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$CARGO_TARGET_DIR/artifacts/$target/"
done
