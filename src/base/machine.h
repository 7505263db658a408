/* machine.h - what this machine is, and what memory it has left. */
#ifndef AP_MACHINE_H
#define AP_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* "AMD EPYC, 2 processors, 23 GiB, Linux 6.1" into out (cap bytes, always ended); what cannot be told is left out. */
void ap__machine_describe(char *out, size_t cap);

/* Bytes that this process could still take without swapping: what the system has left, or what its control group
 * (a container, a batch system) leaves it, whichever is less.  -1 when neither can be told. */
int64_t ap__machine_free_memory(void);

#endif
