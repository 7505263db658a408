/* chain.c - a chain grows step by step and is freed whole.
 *
 *     call text + its result --ap__chain_add_step--> step[n]     Answer's value --> answer */
#include "agent/chain.h"

const char *ap__verdict_text(enum ap_verdict v)
{
    static const char *const text[] = {[AP_CORRECT] = "correct", [AP_INCORRECT] = "incorrect", [AP_INVALID] = "invalid"};
    return text[v];
}

const char *ap__end_text(enum ap_end e)
{
    static const char *const text[] = {
        [AP_END_ANSWER] = "answer",
        [AP_END_STEPS] = "too many steps",
        [AP_END_BAD_CALLS] = "too many bad calls",
        [AP_END_LENGTH] = "call too long",
        [AP_END_CONTEXT] = "context full",
        [AP_END_LOST] = "no answer from the server",
    };
    return text[e];
}

void ap__chain_init(struct ap_chain *chain)
{
    *chain = (struct ap_chain){.end = AP_END_STEPS, .verdict = AP_INVALID};
}

void ap__step_deinit(struct ap_step *step)
{
    ap__free(step->call);
    ap__free(step->result);
    ap__free(step->function);
    *step = (struct ap_step){0};
}

void ap__chain_deinit(struct ap_chain *chain)
{
    for (int32_t i = 0; i < chain->n; i++)
        ap__step_deinit(&chain->step[i]);
    ap__free(chain->step);
    ap__free(chain->answer);
    ap__tokens_deinit(&chain->tokens);
    ap__chain_init(chain);
}

ap_status ap__chain_add_step(struct ap_chain *chain, const char *call, struct ap_call_result *result,
                             int32_t token_first, int32_t token_count, struct ap_err *err)
{
    char *text = ap__strdup(call);
    struct ap_step *steps = text ? ap__realloc(chain->step, (size_t)(chain->n + 1) * sizeof *steps) : NULL;
    if (!steps) {
        ap__free(text);
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for step %d of a chain", chain->n + 1);
    }
    chain->step = steps;
    steps[chain->n++] = (struct ap_step){.call = text,
                                         .result = result->text,
                                         .function = result->function,
                                         .error = result->error,
                                         .token_first = token_first,
                                         .token_count = token_count};
    if (result->answered) {
        ap__free(chain->answer);
        chain->answer = result->answer;
        result->answer = NULL;
    }
    result->text = result->function = NULL;
    return AP_OK;
}
