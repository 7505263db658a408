/* machine.h - what this machine is, for records of a run. */
#ifndef AP_MACHINE_H
#define AP_MACHINE_H

#include <stddef.h>

/* "AMD EPYC, 2 processors, 23 GiB, Linux 6.1" into out (cap bytes, always ended); what cannot be told is left out. */
void ap__machine_describe(char *out, size_t cap);

#endif
