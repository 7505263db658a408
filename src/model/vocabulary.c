/* vocabulary.c - words.txt to tokenizer.json.
 *
 *     ids      0..4     <|system|> <|user|> <|assistant|> <|tool|> <|end|>
 *              5..260   the bytes
 *              261..312 space + letter, by merges
 *              313..    the pieces of words.txt, in its order; its parts, by merges
 *
 * `ignore_merges` makes a piece one token when it is in the vocabulary; other
 * words fall apart into parts and letters.  A part is merged in the same way
 * whether its word begins with a space, a capital, both or neither, so a
 * predicate is cut as the noun it is copied from.  The pre-tokenizer's
 * expression means the same to PCRE2 and to Oniguruma. */
#include "model/vocabulary.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "model/bytelevel.h"
#include "model/pretokenizer.h"
#include "model/template.h"

enum { MAX_WORDS_BYTES = 1 << 20 };

/* What is kept together; the first alternative that fits wins. */
#define PIECES                                                                                         \
    "[A-Z][A-Za-z]*\\((?:[a-z_]+=['\"]?|['\"]|(?=[-0-9]))" /* AddPremise('  Sum(  Answer(value='   */ \
    "| ?(?:forall|exists) [a-z]\\. \\(?"                    /* forall x. (                           */ \
    "|\\([a-z]\\)"                                          /* (x)                                   */ \
    "|, [a-z_]+=['\"]?"                                     /* , b=                                  */ \
    "| ?[A-Za-z]+"                                          /* words, with the space before them     */ \
    "|[0-9]"                                                /* digits one by one                     */ \
    "| ?[^\\sA-Za-z0-9]+(?:[\\r\\n]+| (?=-?[0-9]))?"        /* ')  ->  .\n  and ", " before a number */ \
    "|[\\r\\n]+|\\s"

static const char *const specials[] = {"<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"};
enum { SPECIALS = sizeof specials / sizeof *specials };

struct builder {
    const char *words;                   /* path */
    json_t *vocab, *merges;
    struct ap_pretokenizer *pretokenizer;
    struct ap_pieces pieces;
    struct ap_buf name;                  /* scratch: an entry in the byte alphabet */
};

static ap_status no_memory(const struct builder *b, struct ap_err *err)
{
    return ap__fail(err, AP_E_MEMORY, b->words, "out of memory for the vocabulary");
}

/* ------------------------------------------------------------------ entries */

/* The next id for these bytes; AP_E_EXISTS when they have one. */
static ap_status add_entry(struct builder *b, const char *bytes, size_t len, struct ap_err *err)
{
    ap__buf_clear(&b->name);
    if (ap__bytelevel_encode(bytes, len, &b->name) != AP_OK)
        return no_memory(b, err);
    const char *name = ap__buf_cstr(&b->name);
    if (json_object_get(b->vocab, name))
        return AP_E_EXISTS;
    size_t id = json_object_size(b->vocab);
    return json_object_set_new(b->vocab, name, json_integer((json_int_t)id)) == 0 ? AP_OK : no_memory(b, err);
}

/* The two sides in letters; a space before them is spelled as the byte alphabet does. */
static ap_status add_merge(struct builder *b, bool space, const char *left, char right, struct ap_err *err)
{
    char line[32];
    snprintf(line, sizeof line, "%s%s %c", space ? "\xC4\xA0" : "", left, right);
    return json_array_append_new(b->merges, json_string(line)) == 0 ? AP_OK : no_memory(b, err);
}

static ap_status add_letters(struct builder *b, struct ap_err *err)
{
    for (int i = 0; i < SPECIALS; i++)
        if (json_object_set_new(b->vocab, specials[i], json_integer(i)) != 0)
            return no_memory(b, err);
    for (int byte = 0; byte < 256; byte++)
        AP_TRY(add_entry(b, &(char){(char)byte}, 1, err));
    for (int c = 'A'; c <= 'z'; c++) {
        if (!isalpha(c))
            continue;
        AP_TRY(add_entry(b, (char[]){' ', (char)c}, 2, err));
        AP_TRY(add_merge(b, true, "", (char)c, err));
    }
    return AP_OK;
}

/* ------------------------------------------------------------------ the words file */

ap_status ap__vocabulary_escape(const char *piece, size_t len, struct ap_buf *out)
{
    for (size_t i = 0; i < len; i++) {
        bool edge = i + 1 == len || i == 0;
        if (piece[i] == '\n')
            ap__buf_puts(out, "\\n");
        else if (piece[i] == '\\')
            ap__buf_puts(out, "\\\\");
        else if (piece[i] == ' ' && edge && (i > 0 || len == 1)) /* a space at the end would not survive an editor */
            ap__buf_puts(out, "\\s");
        else
            ap__buf_putc(out, piece[i]);
    }
    return out->failed ? AP_E_MEMORY : AP_OK;
}

static ap_status unescape(const char *line, size_t len, const char *place, struct ap_buf *out, struct ap_err *err)
{
    ap__buf_clear(out);
    for (size_t i = 0; i < len; i++) {
        char c = line[i];
        if (c == '\\') {
            char e = i + 1 < len ? line[++i] : '\0';
            if (e != 'n' && e != 's' && e != '\\')
                return ap__fail(err, AP_E_FORMAT, place, "the escapes are \\n, \\s and \\\\");
            c = e == 'n' ? '\n' : e == 's' ? ' ' : '\\';
        }
        ap__buf_putc(out, c);
    }
    return out->failed ? ap__fail(err, AP_E_MEMORY, place, "out of memory") : AP_OK;
}

/* Is the word one piece, alone or with a number after it? */
static ap_status is_piece(struct builder *b, const char *word, size_t len, bool *out, struct ap_err *err)
{
    AP_TRY(ap__pretokenizer_cut(b->pretokenizer, word, len, true, false, &b->pieces, err));
    *out = b->pieces.n == 1;
    if (*out)
        return AP_OK;
    ap__buf_clear(&b->name);
    ap__buf_add(&b->name, word, len);
    if (ap__buf_putc(&b->name, '0') != AP_OK)
        return no_memory(b, err);
    AP_TRY(ap__pretokenizer_cut(b->pretokenizer, b->name.data, b->name.len, true, false, &b->pieces, err));
    *out = b->pieces.n == 2 && b->pieces.at[0].len == len;
    return AP_OK;
}

static ap_status add_word(struct builder *b, const char *word, size_t len, const char *place, struct ap_err *err)
{
    bool whole = false;
    if (!ap__utf8_valid(word, len))
        return ap__fail(err, AP_E_FORMAT, place, "not valid UTF-8");
    AP_TRY(is_piece(b, word, len, &whole, err));
    if (!whole)
        return ap__fail(err, AP_E_FORMAT, place, "`%.*s` is never one piece, so it would never be one token", (int)len,
                        word);
    ap_status status = add_entry(b, word, len, err);
    return status == AP_E_EXISTS ? ap__fail(err, AP_E_FORMAT, place, "`%.*s` is in the vocabulary already", (int)len, word)
                                 : status;
}

/* ------------------------------------------------------------------ parts */

enum { PART_MAX = 7 };

/* One spelling of a part: all but its last letter must be a token already. */
static ap_status add_spelling(struct builder *b, const char *part, size_t len, bool space, bool capital,
                              const char *place, struct ap_err *err)
{
    char text[PART_MAX + 2] = " ", *letters = text + 1;
    memcpy(letters, part, len);
    if (capital)
        letters[0] = (char)toupper((unsigned char)letters[0]);
    const char *whole = space ? text : letters;
    ap_status status = add_entry(b, whole, strlen(whole), err);
    if (status != AP_OK && status != AP_E_EXISTS) /* a word of the list may be spelled like a part */
        return status;
    letters[len - 1] = '\0';
    ap__buf_clear(&b->name);
    if (ap__bytelevel_encode(whole, strlen(whole), &b->name) != AP_OK)
        return no_memory(b, err);
    if (!json_object_get(b->vocab, ap__buf_cstr(&b->name)))
        return ap__fail(err, AP_E_FORMAT, place, "the part `%.*s` needs `%s` before it", (int)len, part, letters);
    return add_merge(b, space, letters, part[len - 1], err);
}

/* "bl br str": each as it stands within a word and as it may begin one. */
static ap_status add_parts(struct builder *b, const char *at, const char *end, const char *place, struct ap_err *err)
{
    while (at < end) {
        size_t len = 0;
        while (at + len < end && islower((unsigned char)at[len]))
            len++;
        if (len == 0 && *at == ' ') {
            at++;
            continue;
        }
        if (len < 2 || len > PART_MAX)
            return ap__fail(err, AP_E_FORMAT, place, "a part is 2 to %d lower-case letters", PART_MAX);
        for (int form = 0; form < 4; form++)
            AP_TRY(add_spelling(b, at, len, form & 1, form & 2, place, err));
        at += len;
    }
    return AP_OK;
}

static ap_status add_line(struct builder *b, const char *line, size_t len, int number, struct ap_buf *word,
                          struct ap_err *err)
{
    static const char parts[] = "parts:";
    char place[256];
    if (len == 0 || *line == '#')
        return AP_OK;
    snprintf(place, sizeof place, "%s:%d", b->words, number);
    if (len >= sizeof parts - 1 && memcmp(line, parts, sizeof parts - 1) == 0)
        return add_parts(b, line + sizeof parts - 1, line + len, place, err);
    AP_TRY(unescape(line, len, place, word, err));
    return add_word(b, ap__buf_cstr(word), word->len, place, err);
}

static ap_status add_words(struct builder *b, struct ap_err *err)
{
    struct ap_buf text, word;
    ap__buf_init(&text, 0);
    ap__buf_init(&word, 0);
    ap_status status = ap__file_read(b->words, MAX_WORDS_BYTES, &text, err);
    const char *at = ap__buf_cstr(&text), *end = at + text.len;
    for (int number = 1; status == AP_OK && at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        status = add_line(b, at, (size_t)(stop - at), number, &word, err);
        at = stop + (stop < end);
    }
    ap__buf_deinit(&word);
    ap__buf_deinit(&text);
    return status;
}

/* ------------------------------------------------------------------ the files */

static json_t *byte_level(void)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 0);
}

static json_t *pre_tokenizer(void)
{
    return json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence", "pretokenizers", "type", "Split",
                     "pattern", "Regex", PIECES, "behavior", "Isolated", "invert", 0, byte_level());
}

static json_t *added_tokens(void)
{
    json_t *list = json_array();
    for (int i = 0; i < SPECIALS; i++)
        json_array_append_new(list, json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", i, "content", specials[i],
                                              "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
    return list;
}

static json_t *tokenizer(const struct builder *b)
{
    json_t *model = json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:O, s:O}", "type", "BPE", "dropout", "unk_token",
                              "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0,
                              "ignore_merges", 1, "vocab", b->vocab, "merges", b->merges);
    return json_pack("{s:s, s:n, s:n, s:o, s:n, s:o, s:n, s:o, s:o}", "version", "1.0", "truncation", "padding",
                     "added_tokens", added_tokens(), "normalizer", "pre_tokenizer", pre_tokenizer(), "post_processor",
                     "decoder", byte_level(), "model", model);
}

static json_t *tokenizer_config(void)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:s}", "tokenizer_class", "PreTrainedTokenizerFast", "eos_token",
                     specials[SPECIALS - 1], "pad_token", specials[SPECIALS - 1], "add_bos_token", 0, "add_eos_token", 0,
                     "clean_up_tokenization_spaces", 0, "chat_template", AP_MARKUP_TEMPLATE);
}

/* Consumes value. */
static ap_status write_json(const char *dir, const char *name, json_t *value, struct ap_err *err)
{
    char *path = ap__path_join(dir, name);
    char *text = value ? json_dumps(value, JSON_INDENT(1)) : NULL;
    struct ap_buf file;
    ap__buf_init(&file, 0);
    ap__buf_puts(&file, text ? text : "");
    ap__buf_putc(&file, '\n');
    ap_status status = path && text && !file.failed ? ap__file_write(path, file.data, file.len, err)
                                                    : ap__fail(err, AP_E_MEMORY, name, "out of memory");
    ap__buf_deinit(&file);
    free(text);
    ap__free(path);
    json_decref(value);
    return status;
}

static ap_status build(struct builder *b, const char *dir, struct ap_err *err)
{
    json_t *cuts = pre_tokenizer();
    if (!b->vocab || !b->merges || !cuts) {
        json_decref(cuts);
        return no_memory(b, err);
    }
    ap_status status = ap__pretokenizer_new(cuts, b->words, &b->pretokenizer, err);
    json_decref(cuts);
    AP_TRY(status);
    AP_TRY(add_letters(b, err));
    AP_TRY(add_words(b, err));
    AP_TRY(ap__mkdirs(dir, err));
    AP_TRY(write_json(dir, "tokenizer.json", tokenizer(b), err));
    return write_json(dir, "tokenizer_config.json", tokenizer_config(), err);
}

ap_status ap__vocabulary_write(const char *words, const char *dir, struct ap_vocabulary *made, struct ap_err *err)
{
    struct builder b = {.words = words, .vocab = json_object(), .merges = json_array()};
    ap__buf_init(&b.name, 0);
    ap_status status = build(&b, dir, err);
    *made = (struct ap_vocabulary){.size = (int32_t)json_object_size(b.vocab), .end = SPECIALS - 1};
    ap__buf_deinit(&b.name);
    ap__pieces_deinit(&b.pieces);
    ap__pretokenizer_free(b.pretokenizer);
    json_decref(b.vocab);
    json_decref(b.merges);
    return status;
}
