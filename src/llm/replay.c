/* replay.c - an llm that answers from a file.
 *
 *     {"messages": [{"role": "user", "content": "..."}, ...], "answer": "Sum(a=1, b=2)"}
 *
 * A request is looked up by its whole conversation (roles and texts).  Several
 * answers to the same conversation are its samples: the request's random stream
 * chooses, greedy takes the first.  "finish": "length" or "error" ends the answer
 * that way.  Completions come in the order of submission. */
#include "base/json.h"
#include "llm/llm.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RECORDS = 1 << 24 };

struct record {
    char *key; /* (key_len,) the conversation, see add_to_key */
    size_t key_len;
    char *answer;
    enum ap_finish finish;
    size_t line; /* of the file; order of samples */
};

struct waiting {
    struct ap_request request;
    const struct record *record;
};

struct replay {
    struct ap_llm base;
    struct record *record; /* (n,) sorted by key, then line */
    size_t n, cap;
    struct waiting *queue; /* (queued,) in order of submission */
    size_t queued, queue_cap;
    struct ap_buf key; /* scratch */
};

static const char *const ROLE[AP_ROLE_COUNT] = {
    [AP_SYSTEM] = "system", [AP_USER] = "user", [AP_ASSISTANT] = "assistant", [AP_TOOL] = "tool"};

/* A length in front of each text, so that no text can imitate a message's end. */
static void add_to_key(struct ap_buf *key, enum ap_role role, const char *text)
{
    ap__buf_printf(key, "%s %zu ", ROLE[role], strlen(text));
    ap__buf_puts(key, text);
}

static int compare_keys(const struct record *a, const char *key, size_t len)
{
    int order = memcmp(a->key, key, a->key_len < len ? a->key_len : len);
    return order != 0 ? order : (a->key_len > len) - (a->key_len < len);
}

static int compare_records(const void *pa, const void *pb)
{
    const struct record *a = pa, *b = pb;
    int order = compare_keys(a, b->key, b->key_len);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

/* ---- reading the file ---- */

static ap_status read_role(const json_t *message, const char *place, enum ap_role *out, struct ap_err *err)
{
    const char *name;
    AP_TRY(ap__json_str(message, "role", place, &name, err));
    for (int r = 0; r < AP_ROLE_COUNT; r++)
        if (strcmp(name, ROLE[r]) == 0) {
            *out = (enum ap_role)r;
            return AP_OK;
        }
    return ap__fail(err, AP_E_FORMAT, place, "unknown role `%s`", name);
}

static ap_status read_finish(const json_t *json, const char *place, enum ap_finish *out, struct ap_err *err)
{
    const char *name = ap__json_str_or(json, "finish", "stop");
    if (ap__finish_read(name, out))
        return AP_OK;
    return ap__fail(err, AP_E_FORMAT, place, "`finish` must be stop, length or error, got `%s`", name);
}

static ap_status read_key(const json_t *json, const char *place, struct ap_buf *key, struct ap_err *err)
{
    json_t *messages, *message;
    size_t i;
    AP_TRY(ap__json_array(json, "messages", place, &messages, err));
    json_array_foreach(messages, i, message)
    {
        enum ap_role role = AP_SYSTEM;
        const char *content;
        AP_TRY(read_role(message, place, &role, err));
        AP_TRY(ap__json_str(message, "content", place, &content, err));
        add_to_key(key, role, content);
    }
    return AP_OK;
}

static ap_status read_record(void *user, const struct ap_json_line *line, struct ap_err *err)
{
    struct replay *r = user;
    const json_t *json = line->json;
    const char *place = line->place, *answer;
    struct record record = {.line = r->n};
    AP_TRY(ap__json_str(json, "answer", place, &answer, err));
    AP_TRY(read_finish(json, place, &record.finish, err));
    if (r->n >= MAX_RECORDS)
        return ap__fail(err, AP_E_TOO_LARGE, place, "more than %d answers", MAX_RECORDS);
    AP_TRY(ap__grow((void **)&r->record, &r->cap, r->n + 1, sizeof *r->record, err));
    struct ap_buf key;
    ap__buf_init(&key, 0);
    ap_status status = read_key(json, place, &key, err);
    record.key_len = key.len;
    record.key = status == AP_OK && !key.failed ? ap__buf_take(&key) : NULL;
    record.answer = record.key ? ap__strdup(answer) : NULL;
    if (status == AP_OK && !record.answer)
        status = ap__fail(err, AP_E_MEMORY, place, "no memory for an answer");
    if (status == AP_OK)
        r->record[r->n++] = record;
    else
        ap__free(record.key);
    ap__buf_deinit(&key);
    return status;
}

static ap_status read_file(struct replay *r, const char *path, struct ap_err *err)
{
    ap_status status = ap__json_lines(path, 0, read_record, r, err);
    if (status == AP_OK && r->n > 1)
        qsort(r->record, r->n, sizeof *r->record, compare_records);
    return status;
}

/* ---- answering ---- */

static size_t lower_bound(const struct replay *r, const char *key, size_t len)
{
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare_keys(&r->record[mid], key, len) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static ap_status find(struct replay *r, const struct ap_request *request, const struct record **out,
                      struct ap_err *err)
{
    const struct ap_conversation *c = request->conversation;
    ap__buf_clear(&r->key);
    for (size_t i = 0; i < c->n; i++)
        add_to_key(&r->key, c->message[i].role, c->message[i].text);
    if (r->key.failed)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory to look a conversation up");
    const char *key = ap__buf_cstr(&r->key);
    size_t first = lower_bound(r, key, r->key.len), end = first;
    while (end < r->n && compare_keys(&r->record[end], key, r->key.len) == 0)
        end++;
    if (end == first)
        return ap__fail(err, AP_E_NOT_FOUND, "replay", "no recorded answer to a conversation of %zu messages, last "
                        "`%.120s`", c->n, c->n ? c->message[c->n - 1].text : "");
    struct ap_rng rng = ap__rng_make(request->stream[0], "replay", request->stream[1], request->stream[2], 0);
    bool greedy = request->sampling.temperature <= 0;
    *out = &r->record[first + (greedy ? 0 : ap__rng_below(&rng, (uint32_t)(end - first)))];
    return AP_OK;
}

static ap_status replay_submit(struct ap_llm *llm, const struct ap_request *request, struct ap_err *err)
{
    struct replay *r = (struct replay *)llm;
    const struct record *record = NULL;
    AP_TRY(find(r, request, &record, err));
    AP_TRY(ap__grow((void **)&r->queue, &r->queue_cap, r->queued + 1, sizeof *r->queue, err));
    r->queue[r->queued++] = (struct waiting){.request = *request, .record = record};
    return AP_OK;
}

static ap_status answer(const struct waiting *w, struct ap_completion *out, struct ap_err *err)
{
    struct ap_conversation *c = w->request.conversation;
    *out = (struct ap_completion){.id = w->request.id, .finish = w->record->finish};
    if (out->finish == AP_FINISH_ERROR) {
        snprintf(out->error, sizeof out->error, "%s", w->record->answer);
        return AP_OK;
    }
    AP_TRY(ap__conversation_add(c, AP_ASSISTANT, w->record->answer, false, err));
    out->text = c->message[c->n - 1].text;
    return AP_OK;
}

static ap_status replay_poll(struct ap_llm *llm, struct ap_completion *out, int32_t cap, int32_t *n,
                             struct ap_err *err)
{
    struct replay *r = (struct replay *)llm;
    size_t take = r->queued < (size_t)cap ? r->queued : (size_t)cap;
    *n = 0;
    for (size_t i = 0; i < take; i++)
        AP_TRY(answer(&r->queue[i], &out[i], err));
    memmove(r->queue, r->queue + take, (r->queued - take) * sizeof *r->queue);
    r->queued -= take;
    *n = (int32_t)take;
    return AP_OK;
}

static void replay_release(struct ap_llm *llm, struct ap_conversation *conversation)
{
    struct replay *r = (struct replay *)llm;
    size_t kept = 0;
    for (size_t i = 0; i < r->queued; i++)
        if (r->queue[i].request.conversation != conversation)
            r->queue[kept++] = r->queue[i];
    r->queued = kept;
}

static void replay_free(struct ap_llm *llm)
{
    struct replay *r = (struct replay *)llm;
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        ap__free(r->record[i].key);
        ap__free(r->record[i].answer);
    }
    ap__free(r->record);
    ap__free(r->queue);
    ap__buf_deinit(&r->key);
    ap__free(r);
}

static const struct ap_llm_ops OPS = {
    .kind = "replay",
    .submit = replay_submit,
    .poll = replay_poll,
    .release = replay_release,
    .free = replay_free,
};

ap_status ap__llm_replay_open(const char *path, struct ap_llm **out, struct ap_err *err)
{
    *out = NULL;
    struct replay *r = ap__alloc(sizeof *r);
    if (!r)
        return ap__fail(err, AP_E_MEMORY, path, "no memory for the answers");
    r->base.ops = &OPS;
    ap__buf_init(&r->key, 0);
    ap_status status = read_file(r, path, err);
    if (status == AP_OK)
        *out = &r->base;
    else
        replay_free(&r->base);
    return status;
}
