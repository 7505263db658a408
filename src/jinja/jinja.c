/* jinja.c - parse a template, render it; memory, output and limits of a rendering.
 *
 *     text --lex--> tokens --build--> tree                            ap__jinja_parse
 *     tree + variables --exec--> out, spans                            ap__jinja_render
 *
 * A failure leaves the output as it was. */
#include "jinja/jinja.h"
#include "jinja/jinja_lexer.h"
#include "jinja/jinja_parser.h"
#include "jinja/jinja_run.h"

#include <stdio.h>
#include <string.h>

#define SOURCE_MAX ((size_t)1 << 20)  /* bytes of a template */
#define TREE_MAX ((size_t)256 << 20)  /* bytes of its tree */
#define OUTPUT_MAX ((size_t)64 << 20) /* bytes of text from one rendering */
#define MEMORY_MAX ((size_t)256 << 20)
#define STEPS_MAX 10000000
#define DEPTH_MAX 600
#define WORK_PER_STEP 32 /* bytes or items that count as one step */

/* ------------------------------------------------------------------ templates */

static ap_status parse(struct ap_jinja *t, const char *source, size_t len, struct ap_err *err)
{
    struct ap_jtokens tokens = {0};
    ap_status status = ap__jinja_lex(&t->arena, source, len, t->source_name, &tokens, err);
    if (status == AP_OK)
        status = ap__jinja_build(t, &tokens, err);
    ap__free(tokens.v);
    return status;
}

ap_status ap__jinja_parse(const char *source, size_t len, const char *name, struct ap_jinja **out,
                          struct ap_err *err)
{
    *out = NULL;
    if (len > SOURCE_MAX)
        return ap__fail(err, AP_E_TOO_LARGE, name, "a chat template has at most %zu bytes", SOURCE_MAX);
    if (!ap__utf8_valid(source, len))
        return ap__fail(err, AP_E_PARSE, name, "the template is not valid UTF-8");
    struct ap_jinja *t = ap__alloc(sizeof *t);
    if (!t)
        return ap__fail(err, AP_E_MEMORY, name, "out of memory for the template");
    ap__arena_init(&t->arena, TREE_MAX);
    t->source_name = ap__arena_strdup(&t->arena, name);
    ap_status status = t->source_name ? parse(t, source, len, err)
                                      : ap__fail(err, AP_E_MEMORY, name, "out of memory for the template");
    if (status == AP_OK)
        *out = t;
    else
        ap__jinja_free(t);
    return status;
}

void ap__jinja_free(struct ap_jinja *t)
{
    if (!t)
        return;
    ap__arena_deinit(&t->arena);
    ap__free(t);
}

void ap__jinja_spans_deinit(struct ap_jinja_spans *spans)
{
    ap__free(spans->span);
    *spans = (struct ap_jinja_spans){0};
}

/* ------------------------------------------------------------------ failing and limits */

static ap_status fail_at(struct ap_jrun *run, ap_status code, const char *message)
{
    char place[220];
    snprintf(place, sizeof place, "%s:%d", run->t->source_name, (int)run->line);
    return ap__fail(run->err, code, place, "%s", message);
}

ap_status ap__jrun_fail(struct ap_jrun *run, const char *fmt, ...)
{
    char message[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    return fail_at(run, AP_E_FORMAT, message);
}

ap_status ap__jrun_undefined(struct ap_jrun *run, struct ap_jval v)
{
    const struct ap_jhint *h = v.hint;
    if (!h)
        return ap__jrun_fail(run, "an undefined value is used");
    int n = (int)(h->text.n < 100 ? h->text.n : 100);
    if (h->sentence)
        return ap__jrun_fail(run, "%.*s", n, h->text.s);
    if (!h->owner)
        return ap__jrun_fail(run, "'%.*s' is undefined", n, h->text.s);
    return ap__jrun_fail(run, "'%s object' has no attribute '%.*s'", h->owner, n, h->text.s);
}

ap_status ap__jrun_spend(struct ap_jrun *run, size_t work)
{
    run->steps -= 1 + (int64_t)(work / WORK_PER_STEP);
    return run->steps >= 0 ? AP_OK : fail_at(run, AP_E_LIMIT, "the template takes too many steps");
}

ap_status ap__jrun_enter(struct ap_jrun *run)
{
    if (++run->depth > DEPTH_MAX)
        return fail_at(run, AP_E_LIMIT, "the template nests calls or values too deeply");
    return ap__jrun_spend(run, 0);
}

void ap__jrun_leave(struct ap_jrun *run)
{
    run->depth--;
}

void *ap__jrun_alloc(struct ap_jrun *run, size_t count, size_t size)
{
    return count > MEMORY_MAX / size ? NULL : ap__arena_zalloc(&run->arena, count * size);
}

ap_status ap__jrun_memory(struct ap_jrun *run)
{
    return fail_at(run, AP_E_LIMIT, "the template takes too much memory");
}

/* ------------------------------------------------------------------ output */

ap_status ap__jrun_emit(struct ap_jrun *run, const char *s, size_t n)
{
    AP_TRY(ap__jrun_spend(run, n));
    if (n > OUTPUT_MAX || run->out->len - run->base > OUTPUT_MAX - n)
        return fail_at(run, AP_E_LIMIT, "the template writes too much text");
    if (ap__buf_add(run->out, s, n) != AP_OK)
        return fail_at(run, AP_E_MEMORY, "out of memory for the text of the template");
    return AP_OK;
}

ap_status ap__jrun_puts(struct ap_jrun *run, const char *s)
{
    return ap__jrun_emit(run, s, strlen(s));
}

size_t ap__jrun_catch(struct ap_jrun *run)
{
    if (run->captures++ == 0)
        run->root = run->out->len;
    return run->out->len;
}

ap_status ap__jrun_caught(struct ap_jrun *run, size_t mark, struct ap_jval *out)
{
    run->captures--;
    AP_TRY(ap__jval_text(run, ap__buf_cstr(run->out) + mark, run->out->len - mark, out));
    run->out->len = mark;
    return AP_OK;
}

/* ------------------------------------------------------------------ rendering */

/* Variables that the template names; it cannot ask for others. */
static ap_status bind_variables(struct ap_jrun *run, const json_t *variables)
{
    struct ap_jval value;
    AP_TRY(ap__jscope_push(run, NULL));
    for (size_t i = 0; i < run->t->n_names; i++) {
        const json_t *given = json_object_getn(variables, run->t->name[i].s, run->t->name[i].n);
        if (!given)
            continue;
        AP_TRY(ap__jval_from_json(run, given, &value));
        AP_TRY(ap__jscope_set(run, (int32_t)i, value));
    }
    return AP_OK;
}

static ap_status render(struct ap_jrun *run, const json_t *variables)
{
    AP_TRY(bind_variables(run, variables));
    AP_TRY(ap__jscope_push(run, run->scope));
    return ap__jrun_body(run, &run->t->body);
}

ap_status ap__jinja_render(const struct ap_jinja *t, const json_t *variables, int64_t now, struct ap_buf *out,
                           struct ap_jinja_spans *spans, struct ap_err *err)
{
    struct ap_jrun run = {
        .t = t, .out = out, .base = out->len, .spans = spans, .err = err, .now = now, .steps = STEPS_MAX, .line = 1};
    size_t n_spans = spans ? spans->n : 0;
    ap__arena_init(&run.arena, MEMORY_MAX);
    ap_status status = render(&run, variables);
    ap__arena_deinit(&run.arena);
    if (status != AP_OK) {
        out->len = run.base;
        out->failed = false;
        if (spans)
            spans->n = n_spans;
    }
    if (out->data)
        out->data[out->len] = '\0'; /* captures were cut off behind it */
    return status;
}
