# One case: a server, a guest, and what they said. Sourced by run.sh.
# shellcheck shell=bash

# trim TEXT: without blanks at its ends.
trim() {
    sed 's/^[[:blank:]]*//; s/[[:blank:]]*$//' <<< "$1"
}

# mask FILE: what the guest said, without the terminal's control sequences, and with the numbers that differ from run to
# run and from machine to machine replaced.
mask() {
    sed -E 's/\x1b\[[0-9;?=]*[a-zA-Z]//g; s/\r//g' "$1" | sed -n '/^barexe firmware/,$p' | sed -E '
        s/[0-9]+ ns/N ns/g
        s/^[0-9]+ (\[?(TRACE|DEBUG|INFO|WARN|ERROR))/TICKS \1/
        s/[0-9]+ comparisons/N comparisons/
        s/at 0x[0-9a-f]{8,}/at ADDRESS/
        s/^stack: [0-9]+ of/stack: N of/'
}

# start_server NAME PLATFORM OPTIONS: a server that listens, or a problem.
start_server() {
    local options
    read -ra options <<< "$3"
    options=("${options[@]/#FAULTS\//$HERE/faults/}")
    "$SERVER" serve --socket "$work/socket" --platform "$2" "${options[@]}" > "$work/$1.server" 2>&1 &
    server=$!
    local look
    for look in $(seq 100); do
        [[ -S $work/socket ]] && return
        kill -0 "$server" 2> /dev/null || break
        sleep 0.05
    done
    echo "the server does not listen (look $look):"
    cat "$work/$1.server"
    return 1
}

# start_guest NAME ENTRY WORDS DEVICE: QEMU in the background; its output goes to NAME.said.
start_guest() {
    local machine=(-machine q35,memory-backend=ram -object memory-backend-memfd,id=ram,size=256M,share=on -m 256M
        -nodefaults -display none -serial stdio -device "isa-debug-exit,iobase=0xf4,iosize=0x04")
    case $2 in
        pvh) machine+=(-kernel "$IMAGE") ;;
        defmt) machine+=(-kernel "$LOGGING_IMAGE" -serial "file:$work/$1.frames") ;;
        uefi) machine+=(-kernel "$APPLICATION") ;;
        shell)
            mkdir -p "$work/esp"
            cp "$APPLICATION" "$work/esp/barexe.efi"
            cp "$HERE/startup.nsh" "$work/esp"
            machine+=(-drive "if=ide,format=raw,file=fat:rw:$work/esp") ;;
    esac
    if [[ $2 == uefi || $2 == shell ]]; then
        cp "$OVMF/OVMF_VARS_4M.fd" "$work/vars.fd"
        machine+=(-device VGA
            -drive "if=pflash,format=raw,unit=0,readonly=on,file=$OVMF/OVMF_CODE_4M.fd"
            -drive "if=pflash,format=raw,unit=1,file=$work/vars.fd")
    fi
    [[ $2 == shell ]] || machine+=(-append "$3")
    # A guest that is to reset the machine must be let; any other reset is a crash.
    [[ $3 == *reboot* ]] || machine+=(-no-reboot)
    [[ -z $4 ]] || machine+=(-device "$4")
    timeout --kill-after 5 "$LIMIT" "$QEMU" "${machine[@]}" \
        < /dev/null > "$work/$1.said" 2> "$work/$1.qemu" &
    guest=$!
}

# await_line NAME TEXT: until the guest has said a line that begins so.
await_line() {
    local look
    for look in $(seq 600); do
        grep --quiet --text "^$2" "$work/$1.said" && return
        kill -0 "$guest" 2> /dev/null || break
        sleep 0.05
    done
    echo "the guest never said \"$2\" (look $look)"
}

# end_server NAME: waits until the server has seen that its peer left; a problem if it did not end well.
end_server() {
    local look status=0
    for look in $(seq 100); do
        kill -0 "$server" 2> /dev/null || break
        sleep 0.05
    done
    if kill -0 "$server" 2> /dev/null; then
        echo "the server still runs after $look looks"
        return
    fi
    wait "$server" || status=$?
    server=""
    [[ $status == 0 ]] || { echo "the server ended with status $status:"; tail -n 5 "$work/$1.server"; }
}

# run_case NAME ENTRY PLATFORM WORDS SERVE STATUS: prints problems.
run_case() {
    local name=$1 entry=$2 platform=$3 words=$4 serve=$5 wanted=$6 device="" ended
    rm -f "$work/socket"
    trap stop EXIT
    if [[ $platform != none ]]; then
        start_server "$name" "$platform" "${serve/KILLED/}" || return 0
        device="{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"$work/socket\"},\"addr\":\"2.0\"}"
    fi
    start_guest "$name" "$entry" "$words" "$device"
    if [[ $serve == *KILLED* ]]; then
        # In the second that the guest then waits for a message. A QEMU whose server dies while it is asked something ends
        # with an assertion of its own (seen with 11.1).
        await_line "$name" "render 0"
        sleep 0.5
        kill -KILL "$server"
        wait "$server" 2> /dev/null || true
        server=""
    fi
    wait "$guest" && ended=0 || ended=$?
    guest=""
    [[ $ended == "$wanted" ]] || echo "QEMU ended with status $ended, not $wanted"
    if [[ -n $server ]]; then
        end_server "$name"
    fi
    if [[ $entry == defmt ]]; then
        # What the driver said, decoded by defmt's own tool, behind what the program said.
        "$DEFMT_PRINT" -e "$LOGGING_IMAGE" stdin < "$work/$name.frames" >> "$work/$name.said" 2>&1 \
            || echo "defmt-print ended with status $?"
    fi
    compare "$name"
}

# compare NAME: what the guest said, beside what it should have.
compare() {
    local expected=$HERE/expected/$1.txt
    mask "$work/$1.said" > "$work/$1.masked"
    if [[ -n $bless ]]; then
        cp "$work/$1.masked" "$expected"
    elif ! diff --unified=20 --label expected --label said "$expected" "$work/$1.masked"; then
        tail -n 3 "$work/$1.qemu"
    fi
}
