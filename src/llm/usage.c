/* usage.c - sums of tokens, their price, and a budget that is never exceeded. */
#include "llm/usage.h"

#include <stdio.h>
#include <string.h>

#define FIRST_GUESS 0.5 /* tokens per byte of a body, before any was told: more than real texts have */
#define ROUGHLY 0.25    /* ... and what is booked when a server never tells */

double ap__usage_cost(const struct ap_usage *usage, const struct ap_price *price)
{
    double cached = price->cached >= 0 ? price->cached : price->prompt;
    return ((double)(usage->prompt_tokens - usage->cached_tokens) * price->prompt +
            (double)usage->cached_tokens * cached + (double)usage->completion_tokens * price->completion) / 1e6;
}

struct ap_estimate ap__meter_estimate(const struct ap_meter *m, size_t body_bytes, int64_t max_tokens)
{
    double share = m->tokens_per_byte > 0 ? m->tokens_per_byte : FIRST_GUESS;
    return (struct ap_estimate){.prompt = (int64_t)((double)body_bytes * share) + 1, .completion = max_tokens};
}

bool ap__meter_fits(const struct ap_meter *m, struct ap_estimate e)
{
    struct ap_usage all = m->spent;
    all.prompt_tokens += m->reserved.prompt + e.prompt;
    all.completion_tokens += m->reserved.completion + e.completion;
    return (m->money <= 0 || ap__usage_cost(&all, &m->price) <= m->money) &&
           (m->tokens <= 0 || all.prompt_tokens + all.completion_tokens <= m->tokens);
}

void ap__meter_reserve(struct ap_meter *m, struct ap_estimate e)
{
    m->reserved.prompt += e.prompt;
    m->reserved.completion += e.completion;
}

void ap__meter_free(struct ap_meter *m, struct ap_estimate e)
{
    m->reserved.prompt -= e.prompt;
    m->reserved.completion -= e.completion;
}

void ap__meter_complete(struct ap_chat_answer *answer, size_t body_bytes)
{
    if (answer->counted)
        return;
    answer->prompt_tokens = (int64_t)((double)body_bytes * ROUGHLY);
    answer->completion_tokens = (int64_t)((double)strlen(answer->text) * ROUGHLY) + 1;
}

void ap__meter_answer(struct ap_meter *m, const struct ap_chat_answer *answer, int32_t attempts, size_t body_bytes)
{
    struct ap_usage *u = &m->spent;
    u->answers++;
    u->retries += attempts - 1;
    u->estimated += !answer->counted;
    u->extra_calls += answer->calls > 1 ? answer->calls - 1 : 0;
    u->prompt_tokens += answer->prompt_tokens;
    u->cached_tokens += answer->cached_tokens;
    u->completion_tokens += answer->completion_tokens;
    double share = body_bytes > 0 ? (double)answer->prompt_tokens / (double)body_bytes : 0;
    if (share > m->tokens_per_byte && share < 10)
        m->tokens_per_byte = share;
}

void ap__meter_lost(struct ap_meter *m, int32_t attempts)
{
    m->spent.lost++;
    m->spent.retries += attempts > 0 ? attempts - 1 : 0;
}

void ap__meter_text(const struct ap_meter *m, char *out, size_t cap)
{
    const struct ap_usage *u = &m->spent;
    if (m->money > 0)
        snprintf(out, cap, "%.4f of %.2f spent", ap__usage_cost(u, &m->price), m->money);
    else
        snprintf(out, cap, "%lld of %lld tokens used", (long long)(u->prompt_tokens + u->completion_tokens),
                 (long long)m->tokens);
}
