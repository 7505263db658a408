# test_main.sh - the program's own manners: version, help, unknown words, write errors.
. "$(dirname "$0")/lib.sh"

expect_ok "prints its version" "$AP" --version
expect_out "apprentice $(sed -nE 's/^#define AP_VERSION "(.*)"/\1/p' include/apprentice.h)"

expect_ok "explains itself" "$AP" help
expect_out "Usage: apprentice COMMAND"
expect_empty err

expect_fail 2 "needs a command" "$AP"
expect_err "Usage: apprentice COMMAND"
expect_empty out

expect_fail 2 "suggests the nearest command" "$AP" hepl
expect_err 'unknown command `hepl`; did you mean `help`?'

expect_fail 2 "suggests the nearest option" "$AP" --verson
expect_err 'unknown option `--verson`; did you mean `--version`?'

expect_fail 2 "knows no help on a word that is no command" "$AP" help frobnicate
expect_err 'unknown command `frobnicate`'

if [ -c /dev/full ]; then
    expect_fail 1 "reports a full disk" sh -c '"$0" --version >/dev/full' "$AP"
    expect_err "cannot write the output: No space left on device"
fi

expect_fail 1 "reports a closed output" sh -c '"$0" --version >&-' "$AP"
expect_err "cannot write the output"

mkfifo "$TMP/pipe"
expect_fail 1 "reports a reader that went away" bash -c 'exec 3<>"$1" 4>"$1" 3>&-; "$0" --version >&4' "$AP" "$TMP/pipe"
expect_err "cannot write the output: Broken pipe"

# libcurl and Z3 are large, and loaded by what needs them.
mkdir "$TMP/broken"
for library in libcurl libz3; do
    : >"$TMP/broken/$library.so.4"
done
expect_ok "starts without libcurl and Z3" env LD_LIBRARY_PATH="$TMP/broken" "$AP" --version
expect_fail 1 "needs Z3 to prove" env LD_LIBRARY_PATH="$TMP/broken" "$AP" prove --goal A --premise A
expect_err "a library that this needs cannot be loaded: "
expect_err "libz3.so"
expect_fail 1 "needs libcurl to ask a server" env LD_LIBRARY_PATH="$TMP/broken" "$AP" solve math-word --problem 1 \
    --url http://127.0.0.1:1/v1 --remote-model none
expect_err "libcurl.so"

# Every command in the overview has a help with usage, and rejects an option that nobody knows.
for name in $("$AP" help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p' | grep -v '^help$'); do
    expect_ok "$name has a help" "$AP" "$name" --help
    expect_out "Usage: apprentice $name"
    expect_empty err
    expect_ok "help $name is the same" "$AP" help "$name"
    expect_out "Usage: apprentice $name"
    expect_fail 2 "$name rejects an unknown option" "$AP" "$name" --no-such-option-at-all
    expect_err 'unknown option `--no-such-option-at-all`'
done

finish
