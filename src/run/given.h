/* given.h - chains that nobody sampled from the student, in its tokens: gold ones and another model's.
 *
 *     task's prompt --once--> prefix (encoded where the template allows)
 *     question, calls --run again, rendered after the prefix--> chain with tokens
 *
 * Calls may be in any form that call_formats.h knows; the student's template
 * decides how they are said. */
#ifndef AP_GIVEN_H
#define AP_GIVEN_H

#include "run/run.h"

struct ap_given {
    const struct ap_run *run;
    struct ap_tokenizer *tokenizer; /* the student's; NULL until the first chain */
    struct ap_template *tmpl;
    struct ap_conversation prefix[AP_RECIPE_MAX_TASKS]; /* of the run's tasks */
    bool has_prefix[AP_RECIPE_MAX_TASKS];
};
void ap__given_init(struct ap_given *g, const struct ap_run *run); /* opens nothing yet */
void ap__given_deinit(struct ap_given *g);

/* One chain; see ap__prompt_render_after.  AP_E_STATE when the problem's task is not in the recipe. */
ap_status ap__given_render(struct ap_given *g, const struct ap_problem *problem, const char *const *calls, int32_t n,
                           struct ap_chain *out, bool *ok, struct ap_err *err) AP_MUST_CHECK;

/* Equal for models whose conversations have the same tokens: a hash of tokenizer and chat template. */
ap_status ap__given_language(const char *model, uint64_t *out, struct ap_err *err) AP_MUST_CHECK;

#endif
