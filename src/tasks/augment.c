/* augment.c - see augment.h.
 *
 *   generated  key --change words or numbers--> key' --make--> problem'
 *   laid out   "1. A.\n2. B.\nIs it true? C."  --permute--> "1. B.\n2. A.\n...", premises and
 *              AddPremise calls permuted alike
 *
 * Draws are repeated until the content is new and of the origin's split. */
#include "tasks/augment.h"

#include "tasks/generator.h"
#include <stdio.h>
#include <string.h>

enum { TRIES = 400, MAX_LINES = 128 };

const char *ap__augment_text(enum ap_augment kind)
{
    static const char *const texts[] = {"rename", "shuffle", "renumber"};
    return kind < AP_AUGMENT_COUNT ? texts[kind] : "";
}

static bool fits(const struct ap_problem *origin, const struct ap_problem *derived)
{
    return ap__problem_hash(derived) != ap__problem_hash(origin) &&
           ap__problem_is_heldout(derived) == ap__problem_is_heldout(origin);
}

/* ---- by key ---- */

static ap_status from_key(const struct ap_problem *p, struct ap_rng *rng, bool words, struct ap_problem *out,
                          bool *possible, struct ap_err *err)
{
    const struct ap_generator *g;
    struct ap_problem_key key;
    if (!ap__generator_key(p, &g, &key) || (!words && !g->renumbers))
        return AP_OK;
    for (int32_t i = 0; i < TRIES && !*possible; i++) {
        *(words ? &key.words : &key.numbers) = ap__rng_u64(rng);
        AP_TRY(ap__generator_make(g, &key, out, err));
        *possible = fits(p, out);
        if (!*possible)
            ap__problem_deinit(out);
    }
    return AP_OK;
}

/* ---- by lines ---- */

/* The question as numbered premises and the rest. */
struct layout {
    const char *line[MAX_LINES]; /* (n,) behind "1. " */
    size_t length[MAX_LINES];
    int32_t n;
    const char *rest;
};

static void read_layout(const char *question, struct layout *l)
{
    char number[16];
    l->n = 0;
    l->rest = question;
    while (l->n < MAX_LINES) {
        size_t skip = (size_t)snprintf(number, sizeof number, "%d. ", l->n + 1);
        const char *end = strchr(l->rest, '\n');
        if (strncmp(l->rest, number, skip) != 0 || !end)
            return;
        l->line[l->n] = l->rest + skip;
        l->length[l->n++] = (size_t)(end - l->rest) - skip;
        l->rest = end + 1;
    }
}

static ap_status permute_texts(char **texts, const uint32_t *order, int32_t n, struct ap_err *err)
{
    char **moved = n > 0 ? ap__alloc_array((size_t)n, sizeof *moved) : NULL;
    if (!moved)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory to shuffle a problem");
    for (int32_t i = 0; i < n; i++)
        moved[i] = texts[order[i]];
    memcpy(texts, moved, (size_t)n * sizeof *texts);
    ap__free(moved);
    return AP_OK;
}

static ap_status write_layout(const struct layout *l, const uint32_t *order, struct ap_problem *out, struct ap_err *err)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    for (int32_t i = 0; i < l->n; i++)
        (void)ap__buf_printf(&text, "%d. %.*s\n", i + 1, (int)l->length[order[i]], l->line[order[i]]);
    (void)ap__buf_puts(&text, l->rest);
    ap_status st = ap__problem_set_buf(&out->question, &text, err);
    ap__buf_deinit(&text);
    return st;
}

static ap_status shuffle_once(const struct ap_problem *p, const struct layout *l, struct ap_rng *rng,
                              struct ap_problem *out, struct ap_err *err)
{
    uint32_t order[MAX_LINES];
    for (int32_t i = 0; i < l->n; i++)
        order[i] = (uint32_t)i;
    ap__rng_shuffle(rng, order, (uint32_t)l->n, sizeof order[0]);
    AP_TRY(ap__problem_copy(p, out, err));
    json_decref(out->detail); /* the key would make the old order */
    out->detail = NULL;
    ap_status st = write_layout(l, order, out, err);
    if (st == AP_OK && out->premise_count == l->n)
        st = permute_texts(out->premise, order, l->n, err);
    if (st == AP_OK && out->call_count >= l->n)
        st = permute_texts(out->call, order, l->n, err);
    if (st != AP_OK)
        ap__problem_deinit(out);
    return st;
}

/* A chain can be shuffled when it starts with one AddPremise for each line. */
static bool chain_fits(const struct ap_problem *p, int32_t lines)
{
    if (p->call_count > 0 && p->call_count < lines)
        return false;
    for (int32_t i = 0; i < lines && i < p->call_count; i++)
        if (strncmp(p->call[i], "AddPremise(", 11) != 0)
            return false;
    return p->premise_count == 0 || p->premise_count == lines;
}

static ap_status by_lines(const struct ap_problem *p, struct ap_rng *rng, struct ap_problem *out, bool *possible,
                          struct ap_err *err)
{
    struct layout l;
    read_layout(p->question, &l);
    if (l.n < 2 || !chain_fits(p, l.n))
        return AP_OK;
    for (int32_t i = 0; i < TRIES && !*possible; i++) {
        AP_TRY(shuffle_once(p, &l, rng, out, err));
        *possible = fits(p, out);
        if (!*possible)
            ap__problem_deinit(out);
    }
    return AP_OK;
}

/* ---- the whole ---- */

/* task and template stay the origin's; the id says where it comes from. */
static ap_status name_derived(const struct ap_problem *p, enum ap_augment kind, struct ap_problem *out,
                              struct ap_err *err)
{
    char id[256];
    snprintf(id, sizeof id, "%.160s+%s-%08llx", p->id ? p->id : "problem", ap__augment_text(kind),
             (unsigned long long)(ap__problem_hash(out) & 0xffffffffu));
    AP_TRY(ap__problem_set(&out->id, id, err));
    AP_TRY(ap__problem_set(&out->task, p->task, err));
    return ap__problem_set(&out->origin, p->id, err);
}

ap_status ap__problem_augment(const struct ap_problem *p, struct ap_rng *rng, enum ap_augment kind,
                              struct ap_problem *out, bool *possible, struct ap_err *err)
{
    memset(out, 0, sizeof *out);
    *possible = false;
    ap_status st = kind == AP_AUGMENT_SHUFFLE ? by_lines(p, rng, out, possible, err)
                                              : from_key(p, rng, kind == AP_AUGMENT_RENAME, out, possible, err);
    if (st == AP_OK && *possible)
        st = name_derived(p, kind, out, err);
    if (st != AP_OK)
        ap__problem_deinit(out);
    return st;
}
