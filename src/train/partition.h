/* partition.h - the order in which threads take groups, so that they end together.
 *
 *     groups --> who takes which (the differencing method of Karmarkar and Karp 1982) --> in order of their beginnings
 *
 * A thread takes the next group when it is free: at the speeds that were expected the one it was meant to have, else
 * another one. */
#ifndef AP_PARTITION_H
#define AP_PARTITION_H

#include "train/crew.h"

/* Puts the groups (count,) in order, by their cost; threads: at most AP_CREW. */
void ap__groups_order(struct ap_group *group, int32_t count, int32_t threads);

#endif
