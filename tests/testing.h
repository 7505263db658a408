/* testing.h - what every test may need: a status that must be good, a folder of its own.
 * The including file has cmocka's headers already. */
#ifndef AP_TESTING_H
#define AP_TESTING_H

#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>

/* The expression writes its fault to `err`; a status other than AP_OK fails the test with it. */
#define OK(expr)                                                                                    \
    do {                                                                                            \
        struct ap_err ok_err = {0}, *err = &ok_err;                                                 \
        ap_status ok_status = (expr);                                                               \
        if (ok_status != AP_OK)                                                                     \
            fail_msg("%s: %s: %s: %s", #expr, ap_status_text(ok_status), err->place, err->message); \
    } while (0)

#define AP_TEST_HELPER static __attribute__((unused))

/* The running test's folder, gone after it. */
AP_TEST_HELPER char dir[64];

AP_TEST_HELPER int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/apprentice_test_XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

AP_TEST_HELPER int remove_dir(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

/* A path in it; overwritten by the fourth call after. */
AP_TEST_HELPER const char *in_dir(const char *name)
{
    static char path[4][160];
    static int turn;
    char *at = path[turn++ % 4];
    snprintf(at, sizeof path[0], "%s/%s", dir, name);
    return at;
}

#endif
