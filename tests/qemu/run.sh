#!/usr/bin/env bash
# The firmware example in QEMU, on the simulated GPU behind vfio-user.
#
#     bash tests/qemu/run.sh [--bless] [NAME...]
#
# Builds the command, the bare-metal image and the UEFI application, fetches a QEMU if the system's is too old
# (tests/qemu/fetch.sh), then runs every case of tests/qemu/cases, or those named: a server, a guest, and a look at what
# the guest said and how both ended. What the guest said is held, with numbers that depend on the machine masked, against
# the file of the case's name in tests/qemu/expected; --bless writes the files instead. Ends with `N passed, N failed`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly HERE=tests/qemu
readonly BUILT=${CARGO_TARGET_DIR:-target}
readonly SERVER=$BUILT/release/barexe
readonly IMAGE=$BUILT/x86_64-unknown-none/firmware/barexe-firmware
readonly APPLICATION=$BUILT/x86_64-unknown-uefi/firmware/barexe-firmware.efi
# With messages of the driver, in a folder of its own: the other image has none.
readonly LOGGING_IMAGE=$BUILT/logging/x86_64-unknown-none/firmware/barexe-firmware
readonly DEFMT_PRINT_VERSION=1.2.0
# Most seconds that one guest may take. None takes a tenth of it on an idle machine.
readonly LIMIT=${BAREXE_QEMU_LIMIT:-120}

work=$(mktemp -d)
readonly work
server=""
guest=""

# Ends what was started, by its number.
stop() {
    local pid
    for pid in $server $guest; do
        kill -KILL "$pid" 2> /dev/null || true
        wait "$pid" 2> /dev/null || true
    done
    server=""
    guest=""
}
trap 'stop; rm -rf "$work"' EXIT

source tests/verdicts.sh
source "$HERE/guest.sh"

bless=""
names=()
for argument in "$@"; do
    if [[ $argument == --bless ]]; then bless=yes; else names+=("$argument"); fi
done

cargo build --locked --quiet --release --package barexe
cargo build --locked --quiet --package barexe-firmware --bin barexe-firmware --profile firmware --target x86_64-unknown-none
cargo build --locked --quiet --package barexe-firmware --bin barexe-firmware --profile firmware --target x86_64-unknown-uefi
DEFMT_LOG=info CARGO_TARGET_DIR=$BUILT/logging cargo build --locked --quiet --package barexe-firmware --bin barexe-firmware \
    --profile firmware --target x86_64-unknown-none --features defmt
# defmt's own decoder: the one that is there, or one that is built once.
DEFMT_PRINT=$(command -v defmt-print || echo "$BUILT/defmt/bin/defmt-print")
if [[ ! -x $DEFMT_PRINT ]]; then
    echo "building defmt-print"
    cargo install --locked --quiet --version "$DEFMT_PRINT_VERSION" --root "$BUILT/defmt" --target-dir "$BUILT/defmt/build" \
        defmt-print
fi
readonly DEFMT_PRINT
found=$(bash "$HERE/fetch.sh")
{ read -r QEMU; read -r OVMF; } <<< "$found"
readonly QEMU OVMF
version=$("$QEMU" --version)
echo "${version%%$'\n'*}, $QEMU"

# wanted NAME: whether the case is to run.
wanted() {
    local name
    [[ ${#names[@]} == 0 ]] && return
    for name in "${names[@]}"; do
        if [[ $name == "$1" ]]; then return; fi
    done
    return 1
}

while IFS='|' read -r name entry platform words serve status; do
    name=$(trim "$name")
    [[ -z $name || $name == \#* ]] && continue
    wanted "$name" || continue
    began=$SECONDS
    problems=$(run_case "$name" "$(trim "$entry")" "$(trim "$platform")" "$(trim "$words")" "$(trim "$serve")" \
        "$(trim "$status")" 2>&1) || problems="${problems}the case could not be run"
    none "$name, $((SECONDS - began)) s" "$problems"
done < "$HERE/cases"

[[ $passed == 0 && $failed == 0 ]] && { echo "no case has this name" >&2; exit 2; }

# The worst stack of all runs of the bare-metal image, against the budget.
stack=$(for said in "$work"/*.said; do
    # The image with messages is larger and not held to it.
    [[ ! -e ${said%.said}.frames ]] || continue
    if grep --quiet --text "^barexe firmware, PVH" "$said"; then sed -n 's/^stack: \([0-9]*\) of .*/\1/p' "$said"; fi
done | sort -n | tail -n 1)
[[ -z $stack ]] || within "worst stack" "$stack"
echo
echo "measured, tgl, PVH:"
sed -n '/^register read\|^from exec\|^jobs:\|^stack:/s/^/    /p' "$work/tgl-pvh.said" 2> /dev/null || true
echo
verdict "in $SECONDS s"
