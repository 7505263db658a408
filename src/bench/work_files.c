/* work_files.c - the work in files, so that other programs do exactly the same. */
#include "bench/workload.h"

#include "base/file.h"
#include "model/transformer.h"

#include <inttypes.h>

enum { SEED = 1 };
static const size_t MAX_FILE = (size_t)1 << 28;

ap_status ap__work_write_model(const struct ap_config *shape, const char *dir, struct ap_err *err)
{
    struct ap_model *m = NULL;
    AP_TRY(ap__mkdirs(dir, err));
    AP_TRY(ap__work_write_tokenizer(shape->V, dir, err));
    AP_TRY(ap__model_new(shape, SEED, &m, err));
    ap_status status = ap__model_save(m, dir, AP_F32, err);
    ap__model_free(m);
    return status;
}

static void add_ids(struct ap_buf *out, const int32_t *id, int32_t n)
{
    (void)ap__buf_putc(out, '[');
    for (int32_t i = 0; i < n; i++)
        (void)ap__buf_printf(out, "%s%" PRId32, i > 0 ? ", " : "", id[i]);
    (void)ap__buf_putc(out, ']');
}

static ap_status save(struct ap_buf *text, const char *path, struct ap_err *err)
{
    ap_status status = text->failed ? ap__fail(err, AP_E_MEMORY, path, "no memory for the file")
                                    : ap__file_write(path, text->data, text->len, err);
    ap__buf_deinit(text);
    return status;
}

static void add_member(struct ap_buf *out, const char *name, const struct ap_seq *seq, int32_t from, int32_t to)
{
    (void)ap__buf_printf(out, "\"%s\": ", name);
    add_ids(out, seq->token + from, to - from);
}

ap_status ap__work_write_pairs(const struct ap_work_examples *w, const char *path, struct ap_err *err)
{
    struct ap_buf text;
    ap__buf_init(&text, MAX_FILE);
    for (int32_t i = 0; i < w->n; i++) {
        const struct ap_train_example *e = &w->example[i];
        (void)ap__buf_putc(&text, '{');
        add_member(&text, "prompt_ids", &e->chosen, 0, w->prompt[i]);
        (void)ap__buf_puts(&text, ", ");
        add_member(&text, "chosen_ids", &e->chosen, w->prompt[i], e->chosen.len);
        (void)ap__buf_puts(&text, ", ");
        add_member(&text, "rejected_ids", &e->rejected, w->prompt[i], e->rejected.len);
        (void)ap__buf_puts(&text, "}\n");
    }
    return save(&text, path, err);
}

/* [row, row, ...] of n rows, each of `width` ids. */
static void add_rows(struct ap_buf *out, const int32_t *id, int32_t n, int32_t width)
{
    (void)ap__buf_putc(out, '[');
    for (int32_t i = 0; i < n; i++) {
        (void)ap__buf_puts(out, i > 0 ? ",\n  " : "");
        add_ids(out, id + (size_t)i * (size_t)width, width);
    }
    (void)ap__buf_putc(out, ']');
}

ap_status ap__work_write_script(const struct ap_work_script *script, const char *path, struct ap_err *err)
{
    const struct ap_work_rollout *s = &script->shape;
    int32_t gaps = s->steps - 1, chains = s->problems * s->samples;
    struct ap_buf text;
    ap__buf_init(&text, MAX_FILE);
    (void)ap__buf_printf(&text, "{\"samples\": %d, \"steps\": %d, \"call\": %d,\n \"prompts\": ", s->samples, s->steps,
                         s->call);
    add_rows(&text, script->prompt, s->problems, s->tool + s->question);
    (void)ap__buf_puts(&text, ",\n \"results\": [");
    for (int32_t c = 0; c < chains; c++) {
        (void)ap__buf_puts(&text, c > 0 ? ",\n " : "");
        add_rows(&text, script->result + (size_t)c * (size_t)(gaps * s->result), gaps, s->result);
    }
    (void)ap__buf_puts(&text, "]}\n");
    return save(&text, path, err);
}
