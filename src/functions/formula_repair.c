/* formula_repair.c - reads annotations as people wrote them.
 *
 *   text --parse--> tree
 *    ^       | fails
 *    '-- the first of these that changes the text, at most MAX_ROUNDS times:
 *          name characters   Mr.Smith, e-mail, John’s, C++   ->  Mr_Smith ...
 *          brackets          surplus ) dropped, missing ) added, final full stop dropped
 *          comma             A(x), B(x)  ->  A(x) ∧ B(x)     outside arguments
 *          rebound variable  ∃x ∃x P     ->  ∃x ∃y P
 *          free variable     ∀x (A(x)) → B(x)  ->  ∀x. (A(x)) → B(x), else ∀x. in front
 *
 * Every change is noted.  Text that parses as it is stays untouched. */
#include "functions/formula_scan.h"
#include "base/text.h"
#include <string.h>

enum { MAX_ROUNDS = 12 };

struct repair {
    const char *text; /* (len,) */
    size_t len;
    struct ap_buf *out;   /* the mended text */
    struct ap_buf *notes; /* "; "-separated */
    const struct ap_formula_fault *fault;
};

static void note(struct repair *r, const char *what)
{
    if (strstr(ap__buf_cstr(r->notes), what) != NULL)
        return;
    if (r->notes->len > 0)
        ap__buf_puts(r->notes, "; ");
    ap__buf_puts(r->notes, what);
}

static size_t end_of(const struct repair *r, struct ap_token token)
{
    return (size_t)(token.text - r->text) + token.len;
}

/* Copy what lies before the token, from *from on. */
static void copy_before(struct repair *r, size_t from, struct ap_token token)
{
    ap__buf_add(r->out, r->text + from, (size_t)(token.text - r->text) - from);
}

/* ---- name characters ---- */

static bool name_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0xC3;
}

/* Bytes of a character at i that people use inside names, 0 when none. */
static size_t stray_len(const struct repair *r, size_t i)
{
    static const char *const strays[] = {"-", ".", "’", "'", "+", "‘", "–", "/", "\"", "“", "”", "#", "%", "$"};
    for (size_t s = 0; s < sizeof strays / sizeof *strays; s++) {
        size_t n = strlen(strays[s]);
        if (r->len - i >= n && memcmp(r->text + i, strays[s], n) == 0)
            return n;
    }
    return 0;
}

/* A stray belongs to a name when a name stands before it, blanks do not follow
 * and it is no operator ("->", "/\"); a dot only when a name follows. */
static bool stray_in_name(const struct repair *r, size_t i, size_t n)
{
    char next = i + n < r->len ? r->text[i + n] : ' ';
    if (i == 0 || !(name_byte(r->text[i - 1]) || stray_len(r, i - 1) > 0) || next == '>' || next == '\\')
        return false;
    if (r->text[i] == '.')
        return name_byte(next) || next == ')' || next == ',';
    return strchr(" \t\r\n", next) == NULL;
}

static bool repair_names(struct repair *r)
{
    bool changed = false;
    for (size_t i = 0; i < r->len;) {
        size_t n = stray_len(r, i);
        if (n > 0 && stray_in_name(r, i, n)) {
            ap__buf_putc(r->out, '_');
            changed = true;
        } else {
            n = 1;
            ap__buf_putc(r->out, r->text[i]);
        }
        i += n;
    }
    if (changed)
        note(r, "character inside a name replaced by `_`");
    return changed;
}

/* ---- brackets ---- */

static bool repair_brackets(struct repair *r)
{
    int32_t open = 0;
    bool changed = false;
    size_t from = 0;
    struct ap_token token = ap__token_at(r->text, r->len, 0);
    while (token.kind != AP_TOKEN_END) {
        copy_before(r, from, token);
        from = end_of(r, token);
        struct ap_token next = ap__token_at(r->text, r->len, from);
        bool surplus = token.kind == AP_TOKEN_CLOSE && open == 0;
        bool stop = token.kind == AP_TOKEN_DOT && next.kind == AP_TOKEN_END;
        if (token.kind == AP_TOKEN_OPEN || token.kind == AP_TOKEN_CLOSE)
            open += token.kind == AP_TOKEN_OPEN ? 1 : surplus ? 0 : -1;
        if (surplus || stop)
            note(r, stop ? "final full stop dropped" : "surplus `)` dropped");
        else
            ap__buf_add(r->out, token.text, token.len);
        changed |= surplus || stop;
        token = next;
    }
    if (open > 0)
        note(r, "missing `)` added");
    changed |= open > 0;
    for (; open > 0; open--)
        ap__buf_putc(r->out, ')');
    return changed;
}

/* ---- commas ---- */

static bool repair_commas(struct repair *r)
{
    bool args[AP_FORMULA_MAX_TEXT]; /* is the bracket at this depth one of arguments? */
    size_t depth = 0, from = 0;
    bool changed = false;
    enum ap_token_kind previous = AP_TOKEN_END;
    struct ap_token token = ap__token_at(r->text, r->len, 0);
    while (token.kind != AP_TOKEN_END) {
        copy_before(r, from, token);
        from = end_of(r, token);
        if (token.kind == AP_TOKEN_OPEN && depth < sizeof args)
            args[depth++] = previous == AP_TOKEN_NAME && token.text[-1] != ' ';
        else if (token.kind == AP_TOKEN_CLOSE && depth > 0)
            depth--;
        bool conjunction = token.kind == AP_TOKEN_COMMA && (depth == 0 || !args[depth - 1]);
        changed |= conjunction;
        ap__buf_add(r->out, conjunction ? " ∧" : token.text, conjunction ? strlen(" ∧") : token.len);
        previous = token.kind;
        token = ap__token_at(r->text, r->len, from);
    }
    if (changed)
        note(r, "comma read as `∧`");
    return changed;
}

/* ---- variables ---- */

/* A letter that is bound nowhere in the text, "" when there is none. */
static const char *unbound_letter(const struct repair *r)
{
    static const char *const letters[] = {"y", "z", "w", "u", "v"};
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        bool bound = false, quantified = false;
        struct ap_token token = ap__token_at(r->text, r->len, 0);
        for (; token.kind != AP_TOKEN_END; token = ap__token_at(r->text, r->len, end_of(r, token))) {
            bound |= quantified && token.len == 1 && *token.text == *letters[i];
            quantified = token.kind == AP_TOKEN_FORALL || token.kind == AP_TOKEN_EXISTS;
        }
        if (!bound)
            return letters[i];
    }
    return "";
}

static bool repair_rebound(struct repair *r)
{
    const char *letter = unbound_letter(r);
    if (r->fault->kind != AP_FORMULA_FAULT_REBOUND || *letter == '\0')
        return false;
    struct ap_token token = ap__token_at(r->text, r->len, r->fault->pos);
    copy_before(r, 0, token);
    ap__buf_puts(r->out, letter);
    ap__buf_add(r->out, r->text + end_of(r, token), r->len - end_of(r, token));
    note(r, "variable bound twice renamed");
    return true;
}

/* End of the last `∀v` or `∃v` before the fault without a dot, 0 when none. */
static size_t binder_end(const struct repair *r)
{
    size_t found = 0, n = strlen(r->fault->name);
    bool quantified = false;
    struct ap_token token = ap__token_at(r->text, r->len, 0);
    while (token.kind != AP_TOKEN_END && end_of(r, token) < r->fault->pos) {
        struct ap_token next = ap__token_at(r->text, r->len, end_of(r, token));
        if (quantified && token.len == n && memcmp(token.text, r->fault->name, n) == 0 && next.kind != AP_TOKEN_DOT)
            found = end_of(r, token);
        quantified = token.kind == AP_TOKEN_FORALL || token.kind == AP_TOKEN_EXISTS;
        token = next;
    }
    return found;
}

static bool repair_free(struct repair *r)
{
    if (r->fault->kind != AP_FORMULA_FAULT_FREE)
        return false;
    size_t at = binder_end(r);
    if (at == 0) {
        ap__buf_printf(r->out, "∀%s. ", r->fault->name);
        note(r, "free variable bound by `∀` in front");
    } else {
        ap__buf_add(r->out, r->text, at);
        ap__buf_putc(r->out, '.');
        note(r, "quantifier's scope widened to a free variable");
    }
    ap__buf_add(r->out, r->text + at, r->len - at);
    return true;
}

/* ---- all of them ---- */

/* Apply the first repair that changes the text; *changed false when none does. */
static ap_status repair_once(const struct ap_buf *text, const struct ap_formula_fault *fault, struct ap_buf *out,
                             struct ap_buf *notes, bool *changed, struct ap_err *err)
{
    static bool (*const repairs[])(struct repair *) = {repair_names, repair_brackets, repair_commas, repair_rebound,
                                                       repair_free};
    struct repair r = {ap__buf_cstr(text), text->len, out, notes, fault};
    *changed = false;
    for (size_t i = 0; i < sizeof repairs / sizeof *repairs && !*changed; i++) {
        ap__buf_clear(out);
        *changed = repairs[i](&r);
    }
    if (out->failed || notes->failed)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory to repair a formula");
    return AP_OK;
}

ap_status ap__formula_parse_repair(const char *text, size_t len, struct ap_arena *arena,
                                   const struct ap_formula **out, struct ap_buf *notes, struct ap_err *err)
{
    struct ap_buf now, next;
    struct ap_formula_fault fault;
    struct ap_err ignored;
    bool changed = true;
    ap__buf_clear(notes);
    ap_status status = ap__formula_parse_fault(text, len, arena, out, &fault, err);
    if (status != AP_E_PARSE || memchr(text, 0, len) != NULL || !ap__utf8_valid(text, len))
        return status;
    ap__buf_init(&now, 4 * AP_FORMULA_MAX_TEXT);
    ap__buf_init(&next, 4 * AP_FORMULA_MAX_TEXT);
    ap_status first = status; /* what is wrong with the text as it was written */
    ap__buf_add(&now, text, len);
    for (int round = 0; round < MAX_ROUNDS && status == AP_E_PARSE && changed; round++) {
        status = repair_once(&now, &fault, &next, notes, &changed, err);
        if (status != AP_OK || !changed)
            break;
        struct ap_buf swap = now;
        now = next;
        next = swap;
        status = ap__formula_parse_fault(ap__buf_cstr(&now), now.len, arena, out, &fault, &ignored);
    }
    if (*out == NULL && status != AP_E_MEMORY)
        status = first;
    if (*out == NULL)
        ap__buf_clear(notes);
    ap__buf_deinit(&now);
    ap__buf_deinit(&next);
    return status;
}
