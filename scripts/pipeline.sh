#!/usr/bin/env bash
# A pipe for a scheduler: what the tap reads, the target writes.
#
#     scripts/pipeline.sh TAP_CONFIG TARGET_CONFIG STATE_FILE [CATALOG]
#
# The tap begins where STATE_FILE says, if there is one. The file is replaced, as a whole, only when
# both have ended well; otherwise it stays as it is, and the next run reads the same again. Both exit
# codes are said on standard error; that of the pipe is the tap's if the tap failed, else the
# target's. Where the tap failed only because the target had left (10), it is the target's. The last
# line after a failure says that the state is the old one.
set -uo pipefail

if [[ $# -lt 3 || $# -gt 4 ]]; then
    echo "usage: ${0##*/} TAP_CONFIG TARGET_CONFIG STATE_FILE [CATALOG]" >&2
    exit 2
fi
for command in tap-inventory target-inventory; do
    if ! command -v "$command" >/dev/null; then
        echo "pipeline: $command is not on the path: activate the environment that it is in" >&2
        exit 2
    fi
done
state=$3
tap=(tap-inventory --config "$1")
[[ $# -eq 4 ]] && tap+=(--catalog "$4")
[[ -s $state ]] && tap+=(--state "$state")

folder=$(dirname -- "$state")
if [[ ! -d $folder ]]; then
    echo "pipeline: there is no folder $folder for the state; make it, or give another STATE_FILE" >&2
    exit 10
fi
# Beside the old one: a file is replaced as a whole only within one file system.
if ! new=$(mktemp "$state.XXXXXX"); then
    echo "pipeline: $folder cannot be written; $state stays as it was" >&2
    exit 10
fi
leave() {
    local code=$?
    # Where it is gone, it has become the state, whatever came afterwards.
    if [[ $code -ne 0 && -e $new ]]; then
        echo "pipeline: failed with $code; $state stays as it was" >&2
    fi
    rm -f "$new"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"${tap[@]}" | target-inventory --config "$2" | tail -n 1 >"$new"
codes=("${PIPESTATUS[@]}")
echo "pipeline: the tap ended with ${codes[0]}, the target with ${codes[1]}" >&2

left_by_its_reader=" 10 141 "
if [[ ${codes[0]} -ne 0 && (${codes[1]} -eq 0 || $left_by_its_reader != *" ${codes[0]} "*) ]]; then
    exit "${codes[0]}"
elif [[ ${codes[1]} -ne 0 ]]; then
    exit "${codes[1]}"
elif [[ ${codes[2]} -ne 0 ]]; then
    echo "pipeline: the new state cannot be written" >&2
    exit 10
fi
if [[ -s $new ]] && ! mv -f "$new" "$state"; then
    echo "pipeline: $state cannot be replaced" >&2
    exit 10
fi
