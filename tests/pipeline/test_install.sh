# test_install.sh - `make install` gives a program, a library and what a user's build needs to find it.
. "$(dirname "$0")/../cli/lib.sh"

build=$(dirname "$AP")
expect_ok "installs below a prefix" cmake --install "$build" --prefix "$TMP/usr"
expect_ok "installs a program that runs" "$TMP/usr/bin/apprentice" --version
expect_out "apprentice "

# The way a user's build finds it, moved to where it was installed.
pc=$(find "$TMP/usr" -name apprentice.pc)
expect_true "installs a pkg-config file" test -n "$pc"
flags=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --define-variable=prefix="$TMP/usr" --cflags --libs apprentice)
cat >"$TMP/user.c" <<'C'
#include <apprentice.h>
#include <stdio.h>
int main(void) { return puts(ap_version()) < 0; }
C
expect_ok "compiles a user's program" cc -Wall -Werror "$TMP/user.c" -o "$TMP/user" $flags
expect_ok "runs a user's program" "$TMP/user"
expect_out_is "$("$AP" --version | cut -d' ' -f2)"

finish
