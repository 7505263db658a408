/* usage.h - what asking a server has cost, and whether the next request may still be made.
 *
 *     answer, lost request --> counts, tokens, money
 *     before a request: spent + reserved for those in flight + its estimate <= budget?
 *
 * A budget is hard: a request is made only if even a long answer fits.  How many
 * tokens a body has is learned from the answers (the largest share seen). */
#ifndef AP_USAGE_H
#define AP_USAGE_H

#include "llm/chat.h"

struct ap_price {
    double prompt, cached, completion; /* per million tokens; cached < 0: as prompt */
};

struct ap_usage {
    int64_t answers;   /* requests that were answered */
    int64_t retries;   /* attempts beside them */
    int64_t lost;      /* requests that were given up */
    int64_t estimated; /* answers whose tokens the server did not tell */
    int64_t extra_calls; /* tool calls beside the first one, left out */
    int64_t prompt_tokens, cached_tokens, completion_tokens;
};
double ap__usage_cost(const struct ap_usage *usage, const struct ap_price *price);

/* What a request may come to. */
struct ap_estimate {
    int64_t prompt, completion;
};

struct ap_meter {
    struct ap_price price;
    double money;    /* budget; 0 = none */
    int64_t tokens;  /* budget; 0 = none */
    struct ap_usage spent;
    struct ap_estimate reserved; /* by requests in flight */
    double tokens_per_byte;      /* the most seen; 0 = nothing yet */
};
struct ap_estimate ap__meter_estimate(const struct ap_meter *m, size_t body_bytes, int64_t max_tokens);
bool ap__meter_fits(const struct ap_meter *m, struct ap_estimate estimate);
void ap__meter_reserve(struct ap_meter *m, struct ap_estimate estimate);
void ap__meter_free(struct ap_meter *m, struct ap_estimate estimate);
/* Tokens that the server did not tell are estimated, in *answer too. */
void ap__meter_complete(struct ap_chat_answer *answer, size_t body_bytes);
void ap__meter_answer(struct ap_meter *m, const struct ap_chat_answer *answer, int32_t attempts, size_t body_bytes);
void ap__meter_lost(struct ap_meter *m, int32_t attempts);
/* "2.0130 of 2.00 spent (100 of 200 tokens)": for a message. */
void ap__meter_text(const struct ap_meter *m, char *out, size_t cap);

#endif
