#!/usr/bin/env bash
# What the linked firmware image must not hold, and what it must.
#
# Builds the firmware example for bare metal and looks at the finished image: no panic path, no allocator, no trap,
# nothing left to link, and the driver really is in it. The same for an image that makes every other call of the
# driver too, those of the byte interface with bytes of which nothing is known. Then builds it twice more with a fault
# planted, an `unwrap` and a boxed value, and shows that the same look finds both. Then holds the sizes of the image
# against tests/firmware/budget. Ends with `N passed, N failed`.
#
# Needs the target x86_64-unknown-none, and nm, objdump and size of binutils.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly TARGET=x86_64-unknown-none
readonly BUILT=${CARGO_TARGET_DIR:-target}/$TARGET/firmware/barexe-firmware
work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT

source tests/verdicts.sh

for tool in cargo nm objdump size; do
    command -v "$tool" > /dev/null || { echo "$tool is not installed" >&2; exit 2; }
done

# image NAME FEATURES: builds the image and writes down what is in it, each kind in a file of its own.
image() {
    local at=$work/$1
    cargo build --locked --quiet --package barexe-firmware --bin barexe-firmware \
        --target "$TARGET" --profile firmware --features "$2"
    cp "$BUILT" "$at"
    nm --demangle "$at" > "$at.symbols"
    nm --undefined-only "$at" > "$at.undefined"
    objdump --disassemble --no-show-raw-insn "$at" > "$at.code"
}

# find_in FILE PATTERN: the matching pieces; none is no error, a file that cannot be read is.
find_in() {
    grep --text --only-matching --extended-regexp -- "$2" "$1" || [[ $? == 1 ]]
}

# Names that only a panic can bring in: the handler, what it calls, and whatever of `core` ends there.
panic_paths() {
    find_in "$1.symbols" '[^ ]*(panic|unwrap_failed|expect_failed|slice_index_fail|_overflow|begin_unwind).*'
}

# The allocator's entries, and anything out of the crate `alloc`.
allocator() {
    find_in "$1.symbols" '([^ ]*__(rust_(no_)?(alloc|dealloc|realloc)|rg_|rdl_)|[ <(&,]alloc::).*'
}

# Instructions that end in an exception: an abort without a name.
traps() {
    find_in "$1.code" '[0-9a-f]+:[[:space:]]+ud[012].*'
}

# missing_rooms IMAGE ROOMS: rooms of the driver that left no name in the image.
missing_rooms() {
    local room
    for room in $2; do
        grep --quiet "barexe_core::$room::" "$1.symbols" || echo "$room"
    done
}

# some NAME FINDINGS: passes if there are any.
some() {
    none "$1" "$([[ -n $2 ]] || echo "it is not found")"
}

# section_bytes FILE PATTERN: bytes of the sections whose names match.
section_bytes() {
    size -A -d "$1" | awk -v pattern="$2" '$1 ~ pattern { sum += $2 } END { print sum + 0 }'
}

# static_bytes FILE NAME: bytes of one static.
static_bytes() {
    nm --demangle --print-size --radix=d "$1" | awk -v name="$2" '$4 == name { print $2 + 0 }'
}

image clean ""
image surface surface
image panic planted-panic
image alloc planted-alloc

declare -A rooms=([clean]="context device exec gt mem ring vm" [surface]="context device exec gt mem ring sync uapi vm")
for name in clean surface; do
    at=$work/$name
    none "$name: no panic path is in the image" "$(panic_paths "$at")"
    none "$name: no allocator is in the image" "$(allocator "$at")"
    none "$name: no trap instruction is in the image" "$(traps "$at")"
    none "$name: nothing is left to link" "$(cat "$at.undefined")"
    none "$name: every room of the driver is in the image" "$(missing_rooms "$at" "${rooms[$name]}")"
done
some "a planted unwrap is found by its panic path" "$(panic_paths "$work/panic")"
some "a planted allocation is found" "$(allocator "$work/alloc")"

# driver_bytes FILE: bytes of code whose symbols are of the driver; what was put into callers of other crates is not seen.
driver_bytes() {
    nm --demangle --print-size --radix=d "$1" \
        | awk '$3 ~ /^[tT]$/ && /barexe_(core|hal)/ { sum += $2 } END { print sum + 0 }'
}

clean=$work/clean
within "clean: code_and_constants" "$(section_bytes "$clean" '^\.(text|rodata)$')"
within "clean: driver_code" "$(driver_bytes "$clean")"
within "clean: static_ram" "$(section_bytes "$clean" '^\.(data|bss)$')"
echo
echo "code and constants  $(section_bytes "$clean" '^\.(text|rodata)$') bytes," \
    "code alone $(section_bytes "$clean" '^\.text$'), of core and hal $(driver_bytes "$clean")"
echo "static RAM          $(section_bytes "$clean" '^\.(data|bss)$') bytes:" \
    "storage $(static_bytes "$clean" barexe_firmware::entry::MEMORY)," \
    "DMA pages $(static_bytes "$clean" barexe_firmware::entry::PAGES)," \
    "stack $(static_bytes "$clean" barexe_firmware::entry::STACK)"
echo
verdict
