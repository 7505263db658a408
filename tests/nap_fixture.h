/* nap_fixture.h - a function that takes its time without any program: a sum, some milliseconds later. */
#ifndef AP_TESTS_NAP_FIXTURE_H
#define AP_TESTS_NAP_FIXTURE_H

#include "base/progress.h"
#include "functions/later.h"

struct nap {
    struct ap_later later;
    double until, sum;
};

static int naps; /* so far */

static ap_status nap_advance(struct ap_later *later, struct ap_invocation *call, bool *done)
{
    struct nap *nap = (struct nap *)later;
    *done = ap__now() >= nap->until;
    return *done ? ap_result_number(call, nap->sum) : AP_OK;
}

static void nap_wait(struct ap_later *later, struct ap_waiter *waiter)
{
    ap__waiter_until(waiter, ((struct nap *)later)->until);
}

static void nap_free(struct ap_later *later)
{
    ap__free(later);
}

static const struct ap_later_ops nap_ops = {nap_advance, nap_wait, nap_free};

/* The n-th call naps 0 to 4 ms: chains come back in another order than they went. */
static ap_status run_add_later(struct ap_invocation *call)
{
    struct nap *nap = ap__alloc(sizeof *nap);
    if (!nap)
        return AP_E_MEMORY;
    *nap = (struct nap){{&nap_ops}, ap__now() + 0.001 * (naps++ * 7 % 5),
                        ap_arg_number(call, 0) + ap_arg_number(call, 1)};
    return ap__result_later(call, &nap->later);
}

#endif
