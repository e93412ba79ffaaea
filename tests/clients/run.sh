#!/usr/bin/env bash
# Runs client programs that nobody here wrote on the core and the simulated GPU, and compares the results with those that
# are expected.
#
#     bash tests/clients/run.sh [--platform P] [--ci] [--server | --record FOLDER] [PROGRAM[@SUBTEST] ...]
#
# Fetches the programs, builds the library that answers for the device and the runner, and starts the runner in a mount
# namespace of its own. --help lists what else can be said. Must be root, as the programs must.
set -euo pipefail
readonly HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly REPO=$HERE/../..
readonly TARGET=${CARGO_TARGET_DIR:-$REPO/target}

root=$(bash "$HERE/fetch")
cargo build --quiet --release --locked --manifest-path "$REPO/Cargo.toml" -p barexe-drm-shim -p barexe-clients -p barexe
mkdir -p "$TARGET/clients/logs"
# The folder for recordings is named from here, and written from inside.
recordings=
for ((at = 1; at <= $#; at++)); do
    case ${!at} in
        --record) next=$((at + 1)) recordings=${!next:-} ;;
        --record=*) recordings=${!at#--record=} ;;
    esac
done
if [[ -n $recordings ]]; then
    mkdir -p "$recordings"
    recordings=$(cd "$recordings" && pwd)
fi
# What ends the shell inside ends all that it started: processes are numbered in a namespace of their own.
exec unshare --mount --propagation private --pid --fork --kill-child \
    bash "$HERE/inside" "$root" "$TARGET/release" "$HERE/expected" "$TARGET/clients/logs" "$recordings" "$@"
