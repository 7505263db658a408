/* remote_reply.c - what an HTTP reply means for its request, and for the run.
 *
 *     no reply (refused, cut, timed out)        again
 *     2xx   a completion                        answer
 *           anything else                       again
 *     408, 409, 425, 429, 5xx                   again, not before Retry-After
 *           429 that is about money             stop
 *     400, 413, 422 about the context's length  context
 *     other 400s                                refused
 *     3xx, 401, 402, 403, 404, 405, 407, 410    stop: it will be the same for all
 *     a certificate that is not right           stop
 *     too large                                 lost */
#define _GNU_SOURCE /* strcasestr */
#include "llm/remote_parts.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { MIN_HIDDEN = 8 }; /* shorter keys are words that may stand anywhere */

void ap__key_hide(const char *key, char *text)
{
    size_t n = key ? strlen(key) : 0;
    if (n < MIN_HIDDEN)
        return;
    for (char *at = text; (at = strstr(at, key)) != NULL; at += n)
        memset(at, '*', n);
}

static bool mentions(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcasestr(text, words[i]))
            return true;
    return false;
}
#define WORDS(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

/* ---- no reply at all ---- */

static enum ap_fate judge_failure(const struct ap_reply *reply, char *why)
{
    if (reply->too_large || reply->result == CURLE_OUT_OF_MEMORY) { /* so it says of header lines beyond its ceiling */
        snprintf(why, AP_REPLY_WHY, "the server's answer is too large");
        return AP_FATE_LOST;
    }
    snprintf(why, AP_REPLY_WHY, "%s", ap__libcurl.easy_strerror(reply->result));
    switch (reply->result) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT: return AP_FATE_STOP;
    default: return AP_FATE_AGAIN;
    }
}

/* ---- a refusal ---- */

static enum ap_fate judge_bad_request(const char *body)
{
    if (mentions(body, WORDS("context_length", "context length", "context size", "context window", "maximum context",
                             "too many tokens", "exceeds the available context")))
        return AP_FATE_CONTEXT;
    return AP_FATE_REFUSED;
}

static enum ap_fate judge_status(const struct ap_reply *reply, char *why)
{
    char words[AP_REPLY_WHY - 24];
    const char *body = ap__buf_cstr(&reply->body);
    long status = reply->status;
    ap__chat_error_read(body, reply->body.len, words, sizeof words);
    snprintf(why, AP_REPLY_WHY, "HTTP %ld%s%s", status, words[0] ? ": " : "", words);
    if (status >= 300 && status < 400) {
        snprintf(why, AP_REPLY_WHY, "HTTP %ld: a redirect, which is not followed; name the address it leads to", status);
        return AP_FATE_STOP;
    }
    switch (status) {
    case 429: return mentions(body, WORDS("insufficient_quota", "exceeded your current quota")) ? AP_FATE_STOP : AP_FATE_AGAIN;
    case 408: case 409: case 425: return AP_FATE_AGAIN;
    case 400: case 413: case 422: return judge_bad_request(body);
    case 401: case 402: case 403: case 404: case 405: case 407: case 410: return AP_FATE_STOP;
    default: return status >= 500 ? AP_FATE_AGAIN : AP_FATE_REFUSED;
    }
}

ap_status ap__reply_read(const struct ap_reply *reply, struct ap_chat_answer *answer, enum ap_fate *fate, char *why,
                         struct ap_err *err)
{
    struct ap_err unread = {0};
    *answer = (struct ap_chat_answer){0};
    why[0] = '\0';
    if (reply->no_memory)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for an answer");
    if (reply->result != CURLE_OK || reply->too_large) {
        *fate = judge_failure(reply, why);
        return AP_OK;
    }
    if (reply->status < 200 || reply->status >= 300) {
        *fate = judge_status(reply, why);
        return AP_OK;
    }
    ap_status status = ap__chat_answer_read(ap__buf_cstr(&reply->body), reply->body.len, answer, &unread);
    if (status == AP_E_MEMORY)
        return ap__fail(err, status, NULL, "no memory for an answer");
    *fate = status == AP_OK ? AP_FATE_ANSWER : AP_FATE_AGAIN;
    if (status != AP_OK)
        snprintf(why, AP_REPLY_WHY, "no completion: %.120s", unread.message);
    return AP_OK;
}
