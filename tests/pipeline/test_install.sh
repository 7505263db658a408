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

# docs/FUNCTIONS.md: an own function in C, as a program and as a plug-in, which needs the header alone.
expect_ok "compiles an example" cc examples/calculator.c -o "$TMP/calculator" $flags
expect_ok "runs it" "$TMP/calculator" "Kilometres(miles=3)"
expect_out "4.828"
cflags=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --define-variable=prefix="$TMP/usr" --cflags apprentice)
expect_ok "compiles a plug-in" cc -shared -fPIC -o "$TMP/plugin_distance.so" examples/plugin_distance.c $cflags
expect_ok "loads it" "$TMP/usr/bin/apprentice" call distance "Kilometres(miles=26.2)" --plugin "$TMP/plugin_distance.so"
expect_out "42.164"

finish
