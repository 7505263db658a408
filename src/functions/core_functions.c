/* core_functions.c - the two functions of every registry.
 *
 *   Reasoning(reasoning)  a place to think: changes nothing, "ok"
 *   Answer(value)         ends the chain; its value goes to the checker */
#include "functions/registry.h"

static ap_status run_reasoning(struct ap_invocation *call)
{
    return ap_result_text(call, "ok");
}

static ap_status run_answer(struct ap_invocation *call)
{
    return ap__result_answer(call);
}

static const struct ap_param reasoning_params[] = {{"reasoning", AP_TYPE_STRING, "what you think", NULL}};
static const struct ap_param answer_params[] = {{"value", AP_TYPE_ANY, "the final answer", NULL}};

static const struct ap_function functions[] = {
    {.name = "Reasoning",
     .description = "notes a thought.",
     .example = "Reasoning(reasoning='First add, then divide.')",
     .params = reasoning_params,
     .n_params = 1,
     .run = run_reasoning},
    {.name = "Answer",
     .description = "gives the final answer and ends.",
     .example = "Answer(value=42)",
     .params = answer_params,
     .n_params = 1,
     .run = run_answer},
};

const struct ap_function *ap__core_functions(int32_t *n)
{
    *n = sizeof functions / sizeof *functions;
    return functions;
}
