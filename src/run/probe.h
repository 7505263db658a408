/* probe.h - token sequences on which a written model is compared with the trained one.
 *
 *     a run's store --chosen chains---------------> the last PROBE_TOKENS tokens of up to PROBE_SEQUENCES
 *     no run       --generated problems' gold chains, in the model's own template
 *     neither      --drawn ids
 *
 * What they say does not matter for the comparison; chains are what the model is for. */
#ifndef AP_PROBE_H
#define AP_PROBE_H

#include "run/run.h"

enum { AP_PROBE_SEQUENCES = 8, AP_PROBE_TOKENS = 256 };

struct ap_probe {
    struct ap_seq seq[AP_PROBE_SEQUENCES]; /* (n,) */
    int32_t n;
    const char *from; /* "chains of the run", "generated chains", "drawn sequences" */
    struct ap_arena arena;
};

/* run may be NULL; model: folder or .gguf file whose vocabulary the ids are of. */
ap_status ap__probe_make(struct ap_run *run, const char *model, struct ap_probe *out, struct ap_err *err) AP_MUST_CHECK;
void ap__probe_deinit(struct ap_probe *probe);

#endif
