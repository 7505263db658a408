/* environment.h - settings that libraries read before main begins. */
#ifndef AP_ENVIRONMENT_H
#define AP_ENVIRONMENT_H

/* Where libgomp or OpenBLAS would settle on something slow and the user has said nothing, starts this program once
 * more with better settings.  Where that is not possible, or threads are bound to processors, returns, and all goes on
 * as it is. */
void ap__environment_settle(char **argv);

#endif
