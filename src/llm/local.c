/* local.c - a model of ours as an llm: conversations in, calls out.
 *
 *     submit   messages without tokens --template--> tokens; the cue; a random stream
 *     poll     ap__local_step until one is finished; its generated tokens, already in the
 *              conversation with AP_TOKEN_CALL, become the text of a message
 *
 * Answers depend on the conversation and the request alone: what is batched
 * with what is schedule.c's business and must not show. */
#include "base/read_ahead.h"
#include "base/text.h"
#include "llm/local.h"
#include "model/memory.h"

#include <stdio.h>
#include <string.h>

enum {
    DEFAULT_PREFILL = 512,
    DEFAULT_POOL_BYTES = 256 << 20,
    MAX_DEFAULT_ROWS = 1 << 16,
    LONG_CHAIN = 8192,
    MAX_ANSWER_TEXT = 1 << 20,
};

/* ---- text ---- */

ap_status ap__talk_text(struct ap_local *l, const struct ap_talk *t, struct ap_err *err)
{
    const struct ap_tokens *tokens = &t->conversation->tokens;
    size_t n = tokens->n - t->answer;
    struct ap_buf raw;
    ap__buf_init(&raw, MAX_ANSWER_TEXT);
    ap__buf_clear(&l->text);
    if (n > 0 && ap__template_stops(l->tmpl, tokens->id[tokens->n - 1]))
        n--;
    /* Other special tokens stay visible: a call with one inside is no call. */
    ap_status status = ap__tokenizer_decode(l->tokenizer, tokens->id + t->answer, n, true, &raw, err);
    if (status == AP_OK)
        ap__buf_add_valid(&l->text, ap__buf_cstr(&raw), raw.len);
    ap__buf_deinit(&raw);
    if (status == AP_OK && l->text.failed)
        status = ap__fail(err, AP_E_MEMORY, NULL, "no memory for the text of an answer");
    return status;
}

/* Cut the text before the first stop string. */
static void cut_at_stop(struct ap_buf *text, const struct ap_request *request)
{
    for (int32_t i = 0; i < request->stop_count; i++) {
        char *at = text->data ? strstr(text->data, request->stop[i]) : NULL;
        if (at) {
            *at = '\0';
            text->len = (size_t)(at - text->data);
        }
    }
}

/* ---- requests ---- */

static ap_status find_or_add_talk(struct ap_local *l, struct ap_conversation *c, struct ap_talk **out,
                                  struct ap_err *err)
{
    *out = c->backend;
    if (*out)
        return AP_OK;
    if (l->n == 0) /* what is cached changes the last bits of logits: begin each group of talks alike */
        ap__session_clear(l->session);
    AP_TRY(ap__grow((void **)&l->talk, &l->cap, l->n + 1, sizeof *l->talk, err));
    struct ap_talk *t = ap__alloc(sizeof *t);
    if (!t)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a conversation");
    t->conversation = c;
    c->backend = *out = l->talk[l->n++] = t;
    return AP_OK;
}

static ap_status local_submit(struct ap_llm *llm, const struct ap_request *request, struct ap_err *err)
{
    struct ap_local *l = (struct ap_local *)llm;
    struct ap_conversation *c = request->conversation;
    struct ap_talk *t;
    AP_TRY(find_or_add_talk(l, c, &t, err));
    if (t->active)
        return ap__fail(err, AP_E_STATE, NULL, "the conversation has a request already");
    t->submitted = ap__conversation_mark(c);
    struct ap_err why;
    ap_status cued = ap__conversation_cue(c, l->tmpl, &why);
    if (cued != AP_OK && cued != AP_E_LIMIT)
        return ap__fail(err, cued, why.place, "%s", why.message);
    int32_t most = request->max_tokens < l->max_position ? request->max_tokens : l->max_position;
    AP_TRY(ap__conversation_reserve(c, (size_t)most, err)); /* generating does not allocate */
    t->request = *request;
    t->rng = ap__rng_make(request->stream[0], "sample", request->stream[1], request->stream[2], 0);
    t->answer = c->tokens.n;
    t->active = true;
    t->finished = t->parked = false;
    if (cued == AP_E_LIMIT) /* one conversation too long for the template, or with words that it has no place for */
        ap__talk_fail(t, "%s", why.message);
    else if (c->tokens.n >= (size_t)l->max_position)
        ap__talk_fail(t, "the context has %zu tokens, the model takes %d", c->tokens.n, l->max_position);
    return AP_OK;
}

static ap_status complete(struct ap_local *l, struct ap_talk *t, struct ap_completion *out, struct ap_err *err)
{
    struct ap_conversation *c = t->conversation;
    t->active = false;
    *out = (struct ap_completion){.id = t->request.id, .finish = t->finish, .prompt_tokens = (int32_t)t->answer,
                                  .new_tokens = (int32_t)(c->tokens.n - t->answer)};
    if (t->finish == AP_FINISH_ERROR) {
        memcpy(out->error, t->error, sizeof out->error);
        ap__talk_close(l, t);
        ap__conversation_rewind(c, t->submitted);
        return AP_OK;
    }
    AP_TRY(ap__talk_text(l, t, err));
    cut_at_stop(&l->text, &t->request);
    AP_TRY(ap__conversation_add(c, AP_ASSISTANT, ap__buf_cstr(&l->text), false, err));
    c->encoded = c->n;
    out->text = c->message[c->n - 1].text;
    return AP_OK;
}

static ap_status collect(struct ap_local *l, struct ap_completion *out, int32_t cap, int32_t *n, struct ap_err *err)
{
    *n = 0;
    for (size_t i = 0; i < l->n && *n < cap; i++)
        if (l->talk[i]->active && l->talk[i]->finished)
            AP_TRY(complete(l, l->talk[i], &out[(*n)++], err));
    return AP_OK;
}

static ap_status local_poll(struct ap_llm *llm, struct ap_completion *out, int32_t cap, int32_t *n,
                            struct ap_err *err)
{
    struct ap_local *l = (struct ap_local *)llm;
    AP_TRY(collect(l, out, cap, n, err));
    if (*n > 0)
        return AP_OK;
    AP_TRY(ap__local_step(l, err));
    return collect(l, out, cap, n, err);
}

static void local_release(struct ap_llm *llm, struct ap_conversation *c)
{
    struct ap_local *l = (struct ap_local *)llm;
    size_t kept = 0;
    if (!c->backend)
        return;
    ap__talk_close(l, c->backend);
    for (size_t i = 0; i < l->n; i++)
        if (l->talk[i] != c->backend)
            l->talk[kept++] = l->talk[i];
    l->n = kept;
    l->room = true;
    ap__free(c->backend);
    c->backend = NULL;
}

/* ---- opening ---- */

static void local_free(struct ap_llm *llm)
{
    struct ap_local *l = (struct ap_local *)llm;
    if (!l)
        return;
    while (l->n > 0)
        local_release(llm, l->talk[l->n - 1]->conversation);
    ap__session_free(l->session);
    ap__model_free(l->model);
    ap__template_free(l->tmpl);
    ap__tokenizer_free(l->tokenizer);
    ap__free(l->talk);
    ap__free(l->item);
    ap__free(l->member);
    ap__free(l->logits);
    ap__buf_deinit(&l->text);
    ap__free(l);
}

static const struct ap_llm_ops OPS = {
    .kind = "local",
    .submit = local_submit,
    .poll = local_poll,
    .release = local_release,
    .free = local_free,
};

/* As many rows as fit the default pool, but room for one whole context, or for what a chain takes of a long one. */
static int32_t default_rows(const struct ap_config *c)
{
    int64_t row = (int64_t)c->L * 2 * c->Hkv * c->Dh * (int64_t)sizeof(float);
    int64_t rows = DEFAULT_POOL_BYTES / row;
    rows = rows < MAX_DEFAULT_ROWS ? rows : MAX_DEFAULT_ROWS;
    int32_t least = c->max_position < LONG_CHAIN ? c->max_position : LONG_CHAIN;
    return (int32_t)(rows > least ? rows : least);
}

/* The model with its adapter, when there is memory for it and for the session. */
static ap_status open_model(struct ap_local *l, const struct ap_local_options *options, struct ap_err *err)
{
    struct ap_memory_plan plan = {.dtype_knob = options->dtype_knob, .cache_knob = options->cache_knob};
    AP_TRY(ap__base_dtype_read(options->base_dtype, options->dtype_knob, &plan.options, err));
    AP_TRY(ap__memory_plan_adapter(&plan, options->adapter, err));
    AP_TRY(ap__model_open(options->dir, NULL, &l->model, err));
    l->max_tokens = options->max_tokens > 0 ? options->max_tokens : default_rows(ap__model_config(l->model));
    plan.cache_tokens = l->max_tokens;
    AP_TRY(ap__memory_admit(options->dir, &plan, &l->model, err));
    return options->adapter != NULL ? ap__lora_load(l->model, options->adapter, err) : AP_OK;
}

static ap_status open_parts(struct ap_local *l, const struct ap_local_options *options, struct ap_err *err)
{
    ap__read_ahead_small_files(options->dir);
    AP_TRY(open_model(l, options, err)); /* first: its weights are read while the tokenizer is made */
    AP_TRY(ap__tokenizer_open(options->dir, &l->tokenizer, err));
    AP_TRY(ap__template_open(options->dir, l->tokenizer, &l->tmpl, err));
    const struct ap_config *c = ap__model_config(l->model);
    if (ap__tokenizer_size(l->tokenizer) > c->V)
        return ap__fail(err, AP_E_FORMAT, options->dir, "the tokenizer has %d tokens, the model only %d",
                        ap__tokenizer_size(l->tokenizer), c->V);
    l->V = c->V;
    l->max_position = c->max_position;
    l->max_prefill = options->max_prefill > 0 ? options->max_prefill : DEFAULT_PREFILL;
    l->base.tmpl = l->tmpl;
    return ap__session_new(l->model, l->max_tokens, &l->session, err);
}

ap_status ap__llm_local_open(const struct ap_local_options *options, struct ap_llm **out, struct ap_err *err)
{
    *out = NULL;
    struct ap_local *l = ap__alloc(sizeof *l);
    if (!l)
        return ap__fail(err, AP_E_MEMORY, options->dir, "no memory for a local model");
    l->base.ops = &OPS;
    ap__buf_init(&l->text, MAX_ANSWER_TEXT);
    ap_status status = open_parts(l, options, err);
    if (status == AP_OK)
        *out = &l->base;
    else
        local_free(&l->base);
    return status;
}

bool ap__llm_is_local(const struct ap_llm *llm)
{
    return llm->ops == &OPS;
}

double ap__llm_local_gflop(const struct ap_llm *llm)
{
    struct ap_session_stats stats = ap__llm_local_stats(llm);
    return 1e-9 * ap__account_forward(ap__model_config(((const struct ap_local *)llm)->model), &stats.work);
}

struct ap_session_stats ap__llm_local_stats(const struct ap_llm *llm)
{
    return ap__session_stats(((const struct ap_local *)llm)->session);
}
