/* jinja_lexer.c - template text to tokens.
 *
 *     source --> line breaks made \n, the last one dropped
 *        text --> {{ expression }} / {% statement %} : tag() until its end
 *             --> {# comment #}                      : skipped
 *             --> {% raw %} ... {% endraw %}         : text
 *
 * White space around tags goes in two places: to the left when the text before a tag is cut (text_before), to the
 * right when its end is read (after_end). */
#include "jinja/jinja_lexer.h"
#include "jinja/jinja_literals.h"
#include "jinja/jinja_text.h"

#include <stdio.h>
#include <string.h>

#define NESTING_MAX 256 /* open brackets in one tag */

struct lexer {
    struct ap_arena *arena;
    const char *s; /* (n,) normalised source, NUL behind it */
    size_t n, at;
    size_t counted; /* up to here lines were counted */
    int32_t line;
    const char *name;
    struct ap_jtokens *tokens;
    char open[NESTING_MAX]; /* (depth,) the brackets that must close */
    int depth;
    struct ap_err *err;
};

static ap_status fail(struct lexer *x, const char *message)
{
    char place[200];
    snprintf(place, sizeof place, "%s:%d", x->name, (int)x->line);
    return ap__fail(x->err, AP_E_PARSE, place, "%s", message);
}

/* The line of byte `at`; asked in ascending order. */
static int32_t line_of(struct lexer *x, size_t at)
{
    for (; x->counted < at; x->counted++)
        x->line += x->s[x->counted] == '\n';
    return x->line;
}

static ap_status add(struct lexer *x, struct ap_jtoken token)
{
    AP_TRY(ap__grow((void **)&x->tokens->v, &x->tokens->cap, x->tokens->n + 1, sizeof *x->tokens->v, x->err));
    token.line = x->line;
    x->tokens->v[x->tokens->n++] = token;
    return AP_OK;
}

static ap_status normalise(struct lexer *x, const char *source, size_t len)
{
    char *s = ap__arena_alloc(x->arena, len + 1);
    if (!s)
        return ap__fail(x->err, AP_E_MEMORY, x->name, "out of memory for the template");
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (source[i] == '\r' && i + 1 < len && source[i + 1] == '\n')
            continue;
        s[n++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (n > 0 && s[n - 1] == '\n')
        n--;
    s[n] = '\0';
    x->s = s;
    x->n = n;
    return AP_OK;
}

static bool looking_at(const struct lexer *x, size_t at, const char *what)
{
    size_t n = strlen(what);
    return n <= x->n - at && memcmp(x->s + at, what, n) == 0;
}

static size_t skip_space(const struct lexer *x, size_t at)
{
    struct ap_jtext t = {x->s, x->n};
    while (at < x->n && ap__jchar_is_space(ap__jtext_char(t, at)))
        at += ap__jtext_width(t, at);
    return at;
}

/* ------------------------------------------------------------------ text and where it ends */

static size_t next_tag(const struct lexer *x, size_t at)
{
    while (at < x->n) {
        const char *brace = memchr(x->s + at, '{', x->n - at);
        if (!brace)
            break;
        at = (size_t)(brace - x->s);
        if (x->s[at + 1] == '{' || x->s[at + 1] == '%' || x->s[at + 1] == '#')
            return at;
        at++;
    }
    return x->n;
}

/* The text from `start` that stays before a tag that begins at `end` with the given sign ('-', '+' or 0). */
static struct ap_jtext text_before(const struct lexer *x, size_t start, size_t end, char sign, bool strips_line)
{
    struct ap_jtext text = {x->s + start, end - start}, blank = {NULL, 0};
    if (sign == '-')
        return ap__jtext_strip(text, blank, false, true);
    if (sign == '+' || !strips_line)
        return text;
    size_t line = text.n; /* start of the tag's line within the text */
    while (line > 0 && text.s[line - 1] != '\n')
        line--;
    bool whole_line = line > 0 || start == 0 || x->s[start - 1] == '\n';
    if (whole_line && ap__jtext_strip((struct ap_jtext){text.s + line, text.n - line}, blank, true, false).n == 0)
        text.n = line;
    return text;
}

static ap_status add_data(struct lexer *x, size_t start, struct ap_jtext text)
{
    line_of(x, start);
    return text.n ? add(x, (struct ap_jtoken){.kind = AP_JT_DATA, .text = text}) : AP_OK;
}

static char sign_at(const struct lexer *x, size_t at)
{
    return x->s[at] == '-' || x->s[at] == '+' ? x->s[at] : '\0'; /* s[n] is NUL */
}

/* Past an end marker whose two characters begin at `at`; sign stood before it. */
static size_t after_end(const struct lexer *x, size_t at, char sign, bool trims_line)
{
    at += 2;
    if (sign == '-')
        return skip_space(x, at);
    return at + (trims_line && sign != '+' && x->s[at] == '\n');
}

/* ------------------------------------------------------------------ comments and raw blocks */

static ap_status comment(struct lexer *x, size_t at)
{
    for (; at < x->n; at++) {
        if (!looking_at(x, at, "#}") && !((x->s[at] == '-' || x->s[at] == '+') && looking_at(x, at + 1, "#}")))
            continue;
        char sign = sign_at(x, at);
        x->at = after_end(x, at + (sign != 0), sign, true);
        return AP_OK;
    }
    return fail(x, "the comment has no end: `#}` is missing");
}

/* Is there, from `at` behind `{%` and its sign, "word %}" with what a begin or end of raw allows?  Returns the byte
 * behind it, or 0. */
static size_t raw_tag(const struct lexer *x, size_t at, const char *word, bool is_end)
{
    at = skip_space(x, at);
    if (!looking_at(x, at, word))
        return 0;
    at = skip_space(x, at + strlen(word));
    char sign = sign_at(x, at);
    if (sign == '+' && !is_end)
        return 0;
    at += sign != 0;
    return looking_at(x, at, "%}") ? after_end(x, at, sign, is_end) : 0;
}

static ap_status raw(struct lexer *x, size_t start)
{
    for (size_t at = start; at < x->n; at++) {
        if (!looking_at(x, at, "{%"))
            continue;
        char sign = sign_at(x, at + 2);
        size_t end = raw_tag(x, at + 2 + (sign != 0), "endraw", true);
        if (end == 0)
            continue;
        AP_TRY(add_data(x, start, text_before(x, start, at, sign, true)));
        x->at = end;
        return AP_OK;
    }
    return fail(x, "the raw block has no end: `{% endraw %}` is missing");
}

/* ------------------------------------------------------------------ inside of tags */

static ap_status operator(struct lexer *x)
{
    static const char *const operators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                            "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    const char *op = NULL;
    for (size_t i = 0; i < sizeof operators / sizeof *operators && !op; i++)
        if (looking_at(x, x->at, operators[i]))
            op = operators[i];
    if (!op)
        return fail(x, "unexpected character in an expression");
    if (strchr("[({", op[0])) {
        if (x->depth == NESTING_MAX)
            return fail(x, "brackets are nested too deeply");
        x->open[x->depth++] = op[0] == '[' ? ']' : op[0] == '(' ? ')' : '}';
    } else if (strchr("])}", op[0]) && (x->depth == 0 || x->open[--x->depth] != op[0])) {
        return fail(x, "a closing bracket does not match");
    }
    x->at += strlen(op);
    return add(x, (struct ap_jtoken){.kind = AP_JT_OP, .text = {op, strlen(op)}});
}

static ap_status name(struct lexer *x)
{
    struct ap_jtext t = {x->s, x->n};
    size_t start = x->at;
    while (x->at < x->n && ap__jchar_is_word(ap__jtext_char(t, x->at)))
        x->at += ap__jtext_width(t, x->at);
    return add(x, (struct ap_jtoken){.kind = AP_JT_NAME, .text = {x->s + start, x->at - start}});
}

static ap_status literal(struct lexer *x, struct ap_jtoken token, size_t used, const char *wrong)
{
    if (wrong)
        return fail(x, wrong);
    x->at += used;
    return add(x, token);
}

static ap_status token(struct lexer *x)
{
    struct ap_jtext rest = {x->s + x->at, x->n - x->at};
    struct ap_jtoken t = {.kind = AP_JT_INT};
    const char *wrong = NULL;
    char c = *rest.s;
    size_t used;
    line_of(x, x->at);
    if (c >= '0' && c <= '9') {
        bool after_dot = x->at > 0 && rest.s[-1] == '.';
        used = ap__jliteral_float(rest, after_dot, &t.f);
        if (used) {
            t.kind = AP_JT_FLOAT;
            return literal(x, t, used, NULL);
        }
        used = ap__jliteral_int(rest, &t.i, &wrong);
        return literal(x, t, used, wrong);
    }
    if (c == '\'' || c == '"') {
        t.kind = AP_JT_STRING;
        used = ap__jliteral_string(x->arena, rest, &t.text, &wrong);
        return literal(x, t, used, wrong);
    }
    return ap__jchar_is_word(ap__jtext_char(rest, 0)) ? name(x) : operator(x);
}

/* Tokens up to the end of the tag: "}}" or "%}", perhaps with a sign. */
static ap_status tag(struct lexer *x, const char *end, enum ap_jtoken_kind begin_kind, enum ap_jtoken_kind end_kind)
{
    bool is_block = begin_kind == AP_JT_BLOCK_BEGIN;
    x->depth = 0;
    AP_TRY(add(x, (struct ap_jtoken){.kind = begin_kind}));
    for (;;) {
        x->at = skip_space(x, x->at);
        if (x->at >= x->n)
            return fail(x, is_block ? "the tag has no end: `%}` is missing" : "the tag has no end: `}}` is missing");
        char sign = sign_at(x, x->at);
        if (sign == '+' && !is_block)
            sign = '\0';
        if (x->depth == 0 && looking_at(x, x->at + (sign != 0), end)) {
            line_of(x, x->at);
            x->at = after_end(x, x->at + (sign != 0), sign, is_block);
            return add(x, (struct ap_jtoken){.kind = end_kind});
        }
        AP_TRY(token(x));
    }
}

/* ------------------------------------------------------------------ the whole */

static ap_status tag_at(struct lexer *x, size_t start, size_t at)
{
    char second = x->s[at + 1], sign = sign_at(x, at + 2);
    size_t inside = at + 2 + (sign != 0);
    AP_TRY(add_data(x, start, text_before(x, start, at, sign, second != '{')));
    line_of(x, at);
    x->at = inside;
    if (second == '#')
        return comment(x, inside);
    if (second == '{')
        return tag(x, "}}", AP_JT_VAR_BEGIN, AP_JT_VAR_END);
    size_t after_raw = raw_tag(x, inside, "raw", false);
    return after_raw ? raw(x, after_raw) : tag(x, "%}", AP_JT_BLOCK_BEGIN, AP_JT_BLOCK_END);
}

ap_status ap__jinja_lex(struct ap_arena *arena, const char *source, size_t len, const char *name,
                        struct ap_jtokens *tokens, struct ap_err *err)
{
    struct lexer x = {.arena = arena, .name = name, .tokens = tokens, .err = err, .line = 1};
    AP_TRY(normalise(&x, source, len));
    while (x.at < x.n) {
        size_t start = x.at, at = next_tag(&x, start);
        if (at == x.n) {
            AP_TRY(add_data(&x, start, (struct ap_jtext){x.s + start, x.n - start}));
            break;
        }
        AP_TRY(tag_at(&x, start, at));
    }
    line_of(&x, x.n);
    return add(&x, (struct ap_jtoken){.kind = AP_JT_END});
}
