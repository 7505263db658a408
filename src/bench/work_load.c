/* work_load.c - from nothing to the first token, on the way that answers take. */
#include "bench/bench.h"

#include "llm/llm.h"

static ap_status answer(struct ap_llm *llm, struct ap_conversation *c, const char *question, FILE *out,
                        struct ap_err *err)
{
    struct ap_completion done;
    struct ap_request request = {.conversation = c, .sampling = AP_GREEDY, .max_tokens = 1};
    int32_t n = 0;
    AP_TRY(ap__conversation_add(c, AP_USER, question, false, err));
    AP_TRY(llm->ops->submit(llm, &request, err));
    while (n == 0)
        AP_TRY(llm->ops->poll(llm, &done, 1, &n, err));
    if (done.finish == AP_FINISH_ERROR)
        return ap__fail(err, AP_E_STATE, NULL, "%s", done.error);
    fprintf(out, "%s\n", done.text);
    (void)fflush(out); /* whoever waits for it waits no longer; a failure stays in `out`, for the end of the program */
    return AP_OK;
}

ap_status ap__bench_first_token(const char *model, const char *question, FILE *out, struct ap_err *err)
{
    struct ap_llm *llm = NULL;
    struct ap_conversation c = {0};
    AP_TRY(ap__llm_local_open(&(struct ap_local_options){.dir = model}, &llm, err));
    ap_status status = answer(llm, &c, question, out, err);
    llm->ops->release(llm, &c);
    ap__conversation_deinit(&c);
    llm->ops->free(llm);
    return status;
}
