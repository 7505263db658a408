/* math_problems.c - math-word: fills the templates with numbers and words.
 *
 *   template --numbers key--> numbers, tried until every result is sound
 *            --words key----> phrasing, names, things, perhaps an aside
 *            --> "{N} buys {a} {o} ..." --> text, gold chain of calls
 *
 * Which template, and whether prices have cents, comes from the shape key; so
 * new words keep the numbers and new numbers keep the words. */
#include "tasks/calc.h"
#include "tasks/generator.h"
#include "tasks/math_templates.h"
#include "tasks/words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASIDE_PERCENT = 30, CENTS_PERCENT = 40, MAX_RESULT = 100000, LETTERS = 26 };

struct story {
    const struct ap_math_template *template;
    char number[LETTERS][AP_CALC_TEXT]; /* as it stands in text and calls */
    struct ap_calc calc;
    const struct ap_first_name *name[2];
    const char *const *thing[2], *const *container;
    const char *place;
};

/* ---- numbers ---- */

/* One item of the numbers' list: "c=$1..20", "p=5*1..18", "a=2..9". */
static void draw_number(struct ap_rng *rng, const char *spec, bool cents, char *out)
{
    bool price = *spec == '$';
    char *end;
    long times = 1, low = strtol(spec + price, &end, 10);
    if (*end == '*') {
        times = low;
        low = strtol(end + 1, &end, 10);
    }
    long high = strtol(end + 2, NULL, 10);
    long value = (long)ap__rng_range(rng, low, high) * times;
    static const int parts[] = {5, 20, 25, 40, 50, 50, 60, 75, 80, 90};
    if (price && cents)
        snprintf(out, AP_CALC_TEXT, "%ld.%02d", value, parts[ap__rng_below(rng, 10)]);
    else
        snprintf(out, AP_CALC_TEXT, "%ld", value);
}

static void draw_numbers(struct ap_rng *rng, bool cents, struct story *s)
{
    for (const char *at = s->template->numbers; *at; at += strcspn(at, " "), at += strspn(at, " "))
        draw_number(rng, at + 2, cents, s->number[*at - 'a']);
}

static void read_arg(const struct story *s, const char *word, size_t n, struct ap_calc_arg *out)
{
    out->ref = *word == '#' ? (int32_t)strtol(word + 1, NULL, 10) : -1;
    if (islower((unsigned char)*word))
        memcpy(out->text, s->number[*word - 'a'], AP_CALC_TEXT);
    else
        snprintf(out->text, AP_CALC_TEXT, "%.*s", (int)n, word);
}

/* "Product a b; Subtract c #0" with the numbers put in. */
static void read_steps(struct story *s)
{
    s->calc.n = 0;
    for (const char *at = s->template->steps; *at;) {
        struct ap_calc_step *step = &s->calc.step[s->calc.n++];
        char name[16];
        size_t n = strcspn(at, " ");
        snprintf(name, sizeof name, "%.*s", (int)n, at);
        if (!ap__calc_op_find(name, &step->op))
            step->op = AP_CALC_OPS; /* a fault of the table: such a chain has no value */
        for (step->n = 0, at += n; *at == ' '; at += n) {
            n = strcspn(++at, " ;");
            read_arg(s, at, n, &step->arg[step->n++]);
        }
        at += *at == ';' ? 2 : 0;
    }
    s->calc.answer.ref = s->calc.n - 1;
}

/* Positive, not huge, and whole or at most two decimals. */
static bool is_sound(mpq_t number, bool whole)
{
    if (mpq_sgn(number) <= 0 || mpq_cmp_ui(number, MAX_RESULT, 1) > 0)
        return false;
    if (mpz_cmp_ui(mpq_denref(number), 100) > 0)
        return false;
    unsigned long denominator = mpz_get_ui(mpq_denref(number));
    return whole ? denominator == 1 : 100 % denominator == 0;
}

static bool numbers_are_sound(const struct story *s)
{
    mpq_t result[AP_CALC_STEPS];
    ap__calc_init_numbers(result);
    bool ok = ap__calc_run(&s->calc, result);
    for (int32_t i = 0; i < s->calc.n && ok; i++)
        ok = is_sound(result[i], s->template->whole);
    ap__calc_deinit_numbers(result);
    return ok;
}

static void find_numbers(uint64_t key, bool cents, struct story *s)
{
    struct ap_rng rng = ap__rng_make(key, "numbers", 0, 0, 0);
    do {
        draw_numbers(&rng, cents, s);
        read_steps(s);
    } while (!numbers_are_sound(s));
}

/* ---- words ---- */

static void draw_words(struct ap_rng *rng, struct story *s)
{
    int32_t n;
    const struct ap_first_name *names = ap__first_names(&n);
    uint32_t first = ap__rng_below(rng, (uint32_t)n), things = (uint32_t)ap__math_thing_count;
    s->name[0] = &names[first];
    s->name[1] = &names[(first + 1 + ap__rng_below(rng, (uint32_t)n - 1)) % (uint32_t)n];
    first = ap__rng_below(rng, things);
    s->thing[0] = ap__math_things[first];
    s->thing[1] = ap__math_things[(first + 1 + ap__rng_below(rng, things - 1)) % things];
    s->container = ap__math_containers[ap__rng_below(rng, (uint32_t)ap__math_container_count)];
    s->place = ap__math_places[ap__rng_below(rng, (uint32_t)ap__math_place_count)];
}

/* The text for a placeholder's name of n bytes; NULL when it is none. */
static const char *placeholder(const struct story *s, const char *name, size_t n)
{
    bool she = s->name[0]->she;
    const struct {
        const char *name, *text;
    } known[] = {{"N", s->name[0]->text}, {"M", s->name[1]->text},  {"he", she ? "she" : "he"},
                 {"He", she ? "She" : "He"}, {"his", she ? "her" : "his"}, {"His", she ? "Her" : "His"},
                 {"him", she ? "her" : "him"}, {"o", s->thing[0][1]},  {"p", s->thing[1][1]},
                 {"s", s->thing[0][0]},    {"C", s->container[1]},  {"c2", s->container[0]},
                 {"w", s->place}};
    if (n == 1 && islower((unsigned char)*name) && s->number[*name - 'a'][0])
        return s->number[*name - 'a'];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].name) == n && memcmp(known[i].name, name, n) == 0)
            return known[i].text;
    return NULL;
}

/* Append text up to n bytes with its placeholders filled; false for an unknown one. */
static bool fill(const struct story *s, const char *text, size_t n, struct ap_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '{') {
            (void)ap__buf_putc(out, text[i]);
            continue;
        }
        size_t length = strcspn(text + ++i, "}");
        const char *value = placeholder(s, text + i, length);
        if (!value)
            return false;
        (void)ap__buf_puts(out, value);
        i += length;
    }
    return true;
}

/* "{z}" is not a number of the template, so an aside's number cannot be one of its own. */
static bool write_aside(struct ap_rng *rng, struct story *s, struct ap_buf *out)
{
    const char *aside = ap__math_asides[ap__rng_below(rng, (uint32_t)ap__math_aside_count)];
    snprintf(s->number['z' - 'a'], AP_CALC_TEXT, "%d", (int)ap__rng_range(rng, 2, 60));
    bool ok = fill(s, aside, strlen(aside), out);
    s->number['z' - 'a'][0] = '\0';
    (void)ap__buf_putc(out, ' ');
    return ok;
}

static bool write_text(struct ap_rng *rng, struct story *s, struct ap_buf *out)
{
    uint32_t phrasings = 0, parts = 1;
    while (phrasings < 5 && s->template->text[phrasings])
        phrasings++;
    const char *text = s->template->text[ap__rng_below(rng, phrasings)];
    for (const char *c = text; *c; c++)
        parts += *c == '|';
    uint32_t aside = ap__rng_below(rng, 100) < ASIDE_PERCENT ? ap__rng_below(rng, parts) : parts;
    bool ok = true;
    for (uint32_t part = 0; part < parts && ok; part++) {
        size_t n = strcspn(text, "|");
        if (part == aside)
            ok = write_aside(rng, s, out);
        ok = ok && fill(s, text, n, out);
        text += n + 1;
        if (part + 1 < parts)
            (void)ap__buf_putc(out, ' ');
    }
    return ok;
}

static ap_status make_word_problem(const struct ap_problem_key *key, struct ap_problem *out, struct ap_err *err)
{
    struct ap_rng shape = ap__rng_make(key->shape, "math", 0, 0, 0), words = ap__rng_make(key->words, "words", 0, 0, 0);
    struct story s = {.template = &ap__math_templates[ap__rng_below(&shape, (uint32_t)ap__math_template_count)]};
    struct ap_buf text;
    ap__buf_init(&text, 0);
    find_numbers(key->numbers, ap__rng_below(&shape, 100) < CENTS_PERCENT, &s);
    draw_words(&words, &s);
    ap_status st = AP_OK;
    if (!write_text(&words, &s, &text))
        st = ap__fail(err, AP_E_FORMAT, s.template->name, "the template has an unknown placeholder");
    if (st == AP_OK)
        st = ap__problem_set_buf(&out->question, &text, err);
    if (st == AP_OK)
        st = ap__problem_set(&out->template_name, s.template->name, err);
    if (st == AP_OK)
        st = ap__calc_write(&s.calc, true, out, err);
    ap__buf_deinit(&text);
    return st;
}

const struct ap_generator ap__math_word = {.name = "math-word", .make = make_word_problem, .renumbers = true};
