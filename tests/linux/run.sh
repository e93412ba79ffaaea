#!/usr/bin/env bash
# Linux's own driver, as Debian ships it, on the simulated GPU.
#
#     bash tests/linux/run.sh [--platform P] [--mode execlists|guc] [PROGRAM[@SUBTEST] ...]
#     bash tests/linux/run.sh --boot --platform tgl --mode guc      # load, unload and load the driver, nothing else
#
# Fetches kernel, modules and test programs (tests/linux/fetch) and a QEMU (tests/qemu/fetch.sh), builds the server and the
# runner, and starts the runner. --help lists what else can be said. README.md has the rest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly BUILT=${CARGO_TARGET_DIR:-target}

linux=$(bash tests/linux/fetch)
# The program, then its firmware. Read whole: a reader that leaves early kills the writer, and with it this run.
found=$(bash tests/qemu/fetch.sh)
read -r qemu <<< "$found"
cargo build --locked --quiet --release --package barexe --package barexe-linux
exec "$BUILT/release/barexe-linux" --linux "$linux" --qemu "$qemu" --server "$BUILT/release/barexe" \
    --expected tests/linux/expected --faults tests/linux/faults --logs "$BUILT/linux-logs" "$@"
