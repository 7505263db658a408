/* environment.h - settings that libgomp reads before main begins. */
#ifndef AP_ENVIRONMENT_H
#define AP_ENVIRONMENT_H

/* Where the user has not said how idle threads wait, starts this program once more with better settings.  Where that is
 * not possible, or threads are bound to processors, returns, and all goes on as it is. */
void ap__environment_settle(char **argv);

#endif
