# Checks and their count, for the scripts under tests/ that source this.
# shellcheck shell=bash

passed=0
failed=0

# none NAME PROBLEMS: passes if there are none.
none() {
    if [[ -z $2 ]]; then
        echo "ok      $1"
        passed=$((passed + 1))
    else
        echo "FAILED  $1"
        printf '%s\n' "$2" | sed 's/^/          /'
        failed=$((failed + 1))
    fi
}

# within NAME BYTES: passes if tests/firmware/budget has a number for the last word of the name that is not passed.
within() {
    local most
    most=$(awk -v name="${1##* }" '$1 == name { print $2 }' tests/firmware/budget)
    none "$1, $2 bytes, of $most" "$([[ $2 -gt 0 && $2 -le $most ]] || echo "tests/firmware/budget says otherwise")"
}

# verdict [TEXT]: the count as the last line, with the text behind it; fails if a check has.
verdict() {
    echo "$passed passed, $failed failed${1:+ $1}"
    [[ $failed == 0 ]]
}
