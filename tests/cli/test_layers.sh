# test_layers.sh - check-layers.sh finds what it is there to find.
. "$(dirname "$0")/lib.sh"

house=$TMP/house
reset() {
    rm -rf "$house"
    mkdir -p "$house/src/base" "$house/src/tree" "$house/src/functions" "$house/include"
    printf '/* low.h - x */\n' >"$house/src/base/low.h"
    printf '/* high.h - x */\n#include "base/low.h"\n' >"$house/src/tree/high.h"
    printf '/* low.c - never calls printf("x") or exit(1) */\n#include "base/low.h"\nconst char *s = "abort()";\n' \
        >"$house/src/base/low.c"
}
check() { scripts/check-layers.sh "$house"; }

reset
expect_ok "accepts a tidy house" check

reset; echo '#include "tree/high.h"' >>"$house/src/base/low.c"
expect_fail 1 "finds an include that points up" check
expect_out 'src/base/low.c:4: layer base must not include "tree/high.h"'

reset; printf '/* f.c - x */\n#include "tree/high.h"\n' >"$house/src/functions/f.c"
expect_fail 1 "keeps models out of functions" check
expect_out 'src/functions/f.c:2: functions know nothing of models'

reset; echo '#include "base/gone.h"' >>"$house/src/base/low.c"
expect_fail 1 "finds an include of nothing" check

reset; printf '/* low.h - x */\n' >"$house/src/tree/low.h"
expect_fail 1 "finds a name used twice" check
expect_out "the name low is used in two folders"

reset; seq 660 | sed 's|.*|// &|' >>"$house/src/base/low.c"
expect_fail 1 "finds a file that is too long" check
expect_out "more than 650 lines"

for call in 'printf("x")' 'exit(1)' 'fputs("x", stderr)' 'abort()'; do
    reset; echo "void f(void) { $call; }" >>"$house/src/base/low.c"
    expect_fail 1 "finds $call in the library" check
    expect_out "src/base/low.c:4: the library never prints"
done

reset; echo 'void *f(void) { return malloc(3); }' >>"$house/src/base/low.c"
expect_fail 1 "finds memory from elsewhere" check
expect_out "src/base/low.c:4: heap memory comes from base/alloc.h"

reset; echo 'int x;' >"$house/src/base/bare.c"
expect_fail 1 "finds a file without its diagram" check

reset; mkdir "$house/src/misc"
expect_fail 1 "finds a folder that is no layer" check

finish
