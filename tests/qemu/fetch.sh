#!/usr/bin/env bash
# A QEMU that can attach a device behind vfio-user, and the UEFI firmware that goes with it.
#
#     bash tests/qemu/fetch.sh
#
# Prints two paths: a command that starts QEMU, and a folder with OVMF_CODE_4M.fd and OVMF_VARS_4M.fd. The system's own
# are taken if they will do (`vfio-user-pci` exists from QEMU 10.1 on). Otherwise Debian's packages are unpacked into
# ${BAREXE_QEMU:-target/qemu}, and nothing of the system is touched: apt works with lists, state and cache of its own.
# About 45 MB to fetch, 200 MB unpacked; the next run finds them there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly HOME_OF_QEMU=${BAREXE_QEMU:-${CARGO_TARGET_DIR:-$PWD/target}/qemu}
readonly MIRROR=${BAREXE_DEBIAN_MIRROR:-http://deb.debian.org/debian}
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
readonly PACKAGES=(qemu-system-x86 seabios ovmf)
readonly OVMF_FOLDERS=(/usr/share/OVMF /usr/share/ovmf/x64 "$HOME_OF_QEMU/root/usr/share/OVMF")

# attaches QEMU: whether this QEMU knows the device.
attaches() {
    "$1" -device help 2> /dev/null | grep --quiet '"vfio-user-pci"'
}

# First command that will do: the one named by BAREXE_QEMU_COMMAND, the system's, the one fetched before.
find_qemu() {
    local command
    for command in "${BAREXE_QEMU_COMMAND:-}" qemu-system-x86_64 "$HOME_OF_QEMU/qemu"; do
        if [[ -n $command ]] && command -v "$command" > /dev/null && attaches "$command"; then
            command -v "$command"
            return
        fi
    done
}

find_ovmf() {
    local folder
    for folder in "${OVMF_FOLDERS[@]}"; do
        if [[ -f $folder/OVMF_CODE_4M.fd && -f $folder/OVMF_VARS_4M.fd ]]; then
            echo "$folder"
            return
        fi
    done
}

# apt COMMAND...: apt-get that knows nothing of this system: everything counts as not installed.
apt() {
    local state=$HOME_OF_QEMU/apt
    mkdir -p "$state"/{lists/partial,cache/archives/partial}
    touch "$state/status"
    {
        echo "deb [signed-by=$KEYRING] $MIRROR trixie main"
        echo "deb [signed-by=$KEYRING] $MIRROR trixie-backports main"
    } > "$state/sources.list"
    apt-get -qq \
        -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State="$state" -o Dir::State::Lists="$state/lists" -o Dir::State::Status="$state/status" \
        -o Dir::Cache="$state/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root \
        -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o Debug::NoLocking=1 \
        -o Acquire::Retries=3 "$@" >&2
}

# Unpacks the packages, with all that they need: the programs start with the libraries they were built with.
fetch() {
    local root=$HOME_OF_QEMU/root package
    command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null \
        || { echo "no QEMU with vfio-user-pci (10.1 or newer) here, and no apt-get to fetch one" >&2; exit 2; }
    [[ -f $KEYRING ]] || { echo "$KEYRING is missing: install debian-archive-keyring" >&2; exit 2; }
    echo "fetching QEMU into $HOME_OF_QEMU" >&2
    apt update
    apt install --yes --download-only --no-install-recommends --target-release trixie-backports "${PACKAGES[@]}"
    rm -rf "$root" && mkdir -p "$root"
    for package in "$HOME_OF_QEMU"/apt/cache/archives/*.deb; do
        dpkg-deb --extract "$package" "$root"
    done
    rm -rf "$HOME_OF_QEMU/apt"
    write_starter "$root"
}

write_starter() {
    local libraries=$1/usr/lib/x86_64-linux-gnu
    cat > "$HOME_OF_QEMU/qemu" << STARTER
#!/bin/sh
exec '$libraries/ld-linux-x86-64.so.2' --library-path '$libraries' \\
    '$1/usr/bin/qemu-system-x86_64' -L '$1/usr/share/qemu' -L '$1/usr/share/seabios' "\$@"
STARTER
    chmod +x "$HOME_OF_QEMU/qemu"
}

if [[ -z $(find_qemu) || -z $(find_ovmf) ]]; then
    fetch
fi
qemu=$(find_qemu)
ovmf=$(find_ovmf)
[[ -n $qemu ]] || { echo "the QEMU that was fetched has no vfio-user-pci" >&2; exit 2; }
[[ -n $ovmf ]] || { echo "no OVMF_CODE_4M.fd in the packages that were fetched" >&2; exit 2; }
echo "$qemu"
echo "$ovmf"
