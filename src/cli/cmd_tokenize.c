/* cmd_tokenize.c - `apprentice tokenize`: what a model's tokenizer makes of text.
 *
 *     text on stdin --> ids                       (default; --tokens: one token a line)
 *     ids on stdin  --> text                      --decode
 *     text or JSONL --> how often which pieces    --count, to choose a vocabulary's words */
#include "base/data.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/command.h"
#include "model/pretokenizer.h"
#include "model/tokenizer.h"
#include "model/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

static bool specials, decode, tokens, count;
static struct ap_option_list fields;

static const struct ap_option options[] = {
    AP_OPTION_FLAG("special", &specials, "recognise special tokens in the text; --decode: print them"),
    AP_OPTION_FLAG("tokens", &tokens, "print one token per line: id, tab, its text"),
    AP_OPTION_FLAG("decode", &decode, "the other way: ids, parted by white space, to text"),
    AP_OPTION_FLAG("count", &count, "count the pieces that are tokenized apart: count, tab, tokens, tab, piece"),
    AP_OPTION_LIST("field", "NAME", &fields, "with --count: the input is JSONL, count these members"),
    AP_OPTION_END,
};

static ap_status read_stdin(struct ap_buf *out, struct ap_err *err)
{
    char block[1 << 16];
    size_t n;
    while ((n = fread(block, 1, sizeof block, stdin)) > 0)
        if (ap__buf_add(out, block, n) != AP_OK)
            return ap__fail(err, AP_E_TOO_LARGE, "stdin", "more than 1 GiB of input");
    return ferror(stdin) ? ap__fail_errno(err, "stdin", "cannot read") : AP_OK;
}

/* ------------------------------------------------------------------ text to ids, ids to text */

static ap_status print_token(const struct ap_tokenizer *tok, int32_t id, struct ap_buf *text, struct ap_err *err)
{
    struct ap_buf line;
    ap__buf_init(&line, 0);
    ap__buf_clear(text);
    ap_status status = ap__tokenizer_decode(tok, &id, 1, true, text, err);
    if (status == AP_OK && ap__vocabulary_escape(ap__buf_cstr(text), text->len, &line) != AP_OK)
        status = ap__fail(err, AP_E_MEMORY, NULL, "out of memory");
    if (status == AP_OK)
        printf("%d\t%s\n", id, ap__buf_cstr(&line));
    ap__buf_deinit(&line);
    return status;
}

static ap_status print_ids(const struct ap_tokenizer *tok, const struct ap_buf *input, struct ap_err *err)
{
    struct ap_ids ids = {0};
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap_status status = ap__tokenizer_encode(tok, ap__buf_cstr(input), input->len, specials, &ids, err);
    for (size_t i = 0; status == AP_OK && i < ids.n; i++) {
        if (tokens)
            status = print_token(tok, ids.id[i], &text, err);
        else
            printf("%s%d", i ? " " : "", ids.id[i]);
    }
    if (status == AP_OK && !tokens)
        putchar('\n');
    ap__buf_deinit(&text);
    ap__ids_deinit(&ids);
    return status;
}

static ap_status read_ids(const struct ap_buf *input, struct ap_ids *ids, struct ap_err *err)
{
    static const char *const blank = " \t\r\n";
    const char *at = ap__buf_cstr(input);
    char word[32];
    for (at += strspn(at, blank); *at; at += strspn(at, blank)) {
        int64_t id = -1;
        size_t n = strcspn(at, blank);
        snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), at);
        if (n >= sizeof word || !ap__parse_i64(word, &id) || id < 0 || id > INT32_MAX)
            return ap__fail(err, AP_E_PARSE, "stdin", "`%s` is not a token id", word);
        AP_TRY(ap__ids_add(ids, (int32_t)id, err));
        at += n;
    }
    return AP_OK;
}

static ap_status print_text(const struct ap_tokenizer *tok, const struct ap_buf *input, struct ap_err *err)
{
    struct ap_ids ids = {0};
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap_status status = read_ids(input, &ids, err);
    if (status == AP_OK)
        status = ap__tokenizer_decode(tok, ids.id, ids.n, specials, &text, err);
    if (status == AP_OK)
        fwrite(ap__buf_cstr(&text), 1, text.len, stdout);
    ap__buf_deinit(&text);
    ap__ids_deinit(&ids);
    return status;
}

/* ------------------------------------------------------------------ counting pieces */

struct piece_count {
    UT_hash_handle hh; /* by text */
    int64_t count;
    size_t len;
    char text[]; /* (len,) */
};

struct counter {
    const struct ap_tokenizer *tok;
    struct ap_pieces pieces;
    struct piece_count *seen;
};

static ap_status count_piece(struct counter *c, const char *text, size_t len, struct ap_err *err)
{
    struct piece_count *p = NULL;
    HASH_FIND(hh, c->seen, text, len, p);
    if (!p) {
        p = ap__alloc(sizeof *p + len);
        if (!p)
            return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for the counts");
        memcpy(p->text, text, len);
        p->len = len;
        HASH_ADD_KEYPTR(hh, c->seen, p->text, len, p);
    }
    p->count++;
    return AP_OK;
}

static ap_status count_text(struct counter *c, const char *text, size_t len, struct ap_err *err)
{
    if (!ap__utf8_valid(text, len))
        return ap__fail(err, AP_E_PARSE, "stdin", "not valid UTF-8");
    AP_TRY(ap__tokenizer_cut(c->tok, text, len, &c->pieces, err));
    for (size_t i = 0; i < c->pieces.n; i++)
        AP_TRY(count_piece(c, c->pieces.text.data + c->pieces.at[i].start, c->pieces.at[i].len, err));
    return AP_OK;
}

/* A string, or every string in a list. */
static ap_status count_member(struct counter *c, const json_t *value, struct ap_err *err)
{
    if (json_is_string(value))
        return count_text(c, json_string_value(value), json_string_length(value), err);
    for (size_t i = 0; i < json_array_size(value); i++)
        AP_TRY(count_member(c, json_array_get(value, i), err));
    return AP_OK;
}

static ap_status count_record(struct counter *c, const char *line, size_t len, const char *place, struct ap_err *err)
{
    json_t *record = NULL;
    AP_TRY(ap__json_parse(line, len, place, &record, err));
    ap_status status = AP_OK;
    for (int i = 0; status == AP_OK && i < fields.n; i++)
        status = count_member(c, json_object_get(record, fields.v[i]), err);
    json_decref(record);
    return status;
}

static ap_status count_lines(struct counter *c, const struct ap_buf *input, struct ap_err *err)
{
    const char *at = ap__buf_cstr(input), *end = at + input->len;
    for (int number = 1; at < end; number++) {
        char place[32];
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        snprintf(place, sizeof place, "stdin:%d", number);
        if (stop > at)
            AP_TRY(count_record(c, at, (size_t)(stop - at), place, err));
        at = stop + (stop < end);
    }
    return AP_OK;
}

static int most_first(const struct piece_count *a, const struct piece_count *b)
{
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static ap_status print_counts(struct counter *c, struct ap_err *err)
{
    struct ap_ids ids = {0};
    struct ap_buf line;
    ap__buf_init(&line, 0);
    ap_status status = AP_OK;
    HASH_SORT(c->seen, most_first);
    for (struct piece_count *p = c->seen; p && status == AP_OK; p = p->hh.next) {
        ids.n = 0;
        ap__buf_clear(&line);
        status = ap__tokenizer_encode(c->tok, p->text, p->len, false, &ids, err);
        if (status == AP_OK && ap__vocabulary_escape(p->text, p->len, &line) != AP_OK)
            status = ap__fail(err, AP_E_MEMORY, NULL, "out of memory for the counts");
        if (status == AP_OK)
            printf("%lld\t%zu\t%s\n", (long long)p->count, ids.n, ap__buf_cstr(&line));
    }
    ap__buf_deinit(&line);
    ap__ids_deinit(&ids);
    return status;
}

static ap_status print_pieces(const struct ap_tokenizer *tok, const struct ap_buf *input, struct ap_err *err)
{
    struct counter c = {.tok = tok};
    ap_status status = fields.n > 0 ? count_lines(&c, input, err)
                                    : count_text(&c, ap__buf_cstr(input), input->len, err);
    if (status == AP_OK)
        status = print_counts(&c, err);
    for (struct piece_count *p = c.seen, *next; p; p = next) {
        next = p->hh.next;
        HASH_DEL(c.seen, p);
        ap__free(p);
    }
    ap__pieces_deinit(&c.pieces);
    return status;
}

/* ------------------------------------------------------------------ the command */

static ap_status tokenize(const char *name, struct ap_err *err)
{
    char *dir = NULL;
    struct ap_tokenizer *tok = NULL;
    struct ap_buf input;
    ap__buf_init(&input, 0);
    ap_status status = ap__data_find(name, &dir, err);
    if (status == AP_OK)
        status = ap__tokenizer_open(dir, &tok, err);
    if (status == AP_OK)
        status = read_stdin(&input, err);
    if (status == AP_OK)
        status = (count ? print_pieces : decode ? print_text : print_ids)(tok, &input, err);
    ap__tokenizer_free(tok);
    ap__buf_deinit(&input);
    ap__free(dir);
    return status;
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err = {0};
    int rc = ap__options_parse(&ap__cmd_tokenize, argc, argv, 1, 1, &args);
    if (rc >= 0)
        return rc;
    return tokenize(args.v[0], &err) == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_tokenize = {
    .name = "tokenize",
    .summary = "text to token ids and back",
    .usage = "MODEL < TEXT",
    .options = options,
    .example = "echo 'Sum(a=2, b=-3)' | apprentice tokenize models/student --tokens\n"
               "apprentice tokenize models/student --count --field question --field calls < problems.jsonl",
    .run = run,
};
