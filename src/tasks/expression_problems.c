/* expression_problems.c - math-expression: nested expressions in words and symbols.
 *
 *           (*)                 "(12 - 4) * 3"   or
 *          /   \                "the product of the difference between 12 and 4 and 3"
 *       12-4    3               steps, innermost and leftmost first, are the gold chain
 *
 * A tree of 2 to 4 operations comes from the shape key, its numbers from the
 * numbers key (until every result is short), the wording from the words key. */
#include "tasks/calc.h"
#include "tasks/generator.h"

#include <stdio.h>
#include <string.h>

enum { MAX_OPS = 4, MAX_NODES = 2 * MAX_OPS + 1, NUMBER_TRIES = 300, MAX_RESULT = 100000 };

/* Nodes in order of creation; leaf: op = -1. */
struct node {
    int32_t op, left, right;
    int32_t step;            /* of an operation, in the chain */
    char text[AP_CALC_TEXT]; /* of a leaf */
};

struct expression {
    struct node node[MAX_NODES];
    int32_t n;
    struct ap_calc calc;
};

/* A tree with `ops` operations; returns its root. */
static int32_t grow(struct ap_rng *rng, int32_t ops, struct expression *e)
{
    int32_t at = e->n++;
    struct node *node = &e->node[at];
    *node = (struct node){.op = -1};
    if (ops == 0)
        return at;
    node->op = (int32_t)ap__rng_below(rng, AP_CALC_PERCENT);
    int32_t left = (int32_t)ap__rng_below(rng, (uint32_t)ops);
    e->node[at].left = grow(rng, left, e);
    e->node[at].right = grow(rng, ops - 1 - left, e);
    return at;
}

static void draw_numbers(struct ap_rng *rng, struct expression *e)
{
    for (int32_t i = 0; i < e->n; i++) {
        int value = (int)ap__rng_range(rng, 2, ap__rng_below(rng, 3) ? 20 : 100);
        if (ap__rng_below(rng, 10) == 0)
            snprintf(e->node[i].text, AP_CALC_TEXT, "%d.5", value);
        else
            snprintf(e->node[i].text, AP_CALC_TEXT, "%d", value);
    }
}

static struct ap_calc_arg argument(const struct expression *e, int32_t at)
{
    struct ap_calc_arg arg = {.ref = e->node[at].op >= 0 ? e->node[at].step : -1};
    if (arg.ref < 0)
        memcpy(arg.text, e->node[at].text, AP_CALC_TEXT);
    return arg;
}

/* Operations below `at` as steps, innermost first. */
static void add_steps(struct expression *e, int32_t at)
{
    struct node *node = &e->node[at];
    if (node->op < 0)
        return;
    add_steps(e, node->left);
    add_steps(e, node->right);
    node->step = e->calc.n;
    struct ap_calc_step *step = &e->calc.step[e->calc.n++];
    *step = (struct ap_calc_step){.op = (enum ap_calc_op)node->op, .n = 2};
    step->arg[0] = argument(e, node->left);
    step->arg[1] = argument(e, node->right);
}

/* Not huge and at most two decimals. */
static bool is_short(const mpq_t number)
{
    if (mpq_cmp_si(number, MAX_RESULT, 1) > 0 || mpq_cmp_si(number, -MAX_RESULT, 1) < 0 ||
        mpz_cmp_ui(mpq_denref(number), 100) > 0)
        return false;
    return 100 % mpz_get_ui(mpq_denref(number)) == 0;
}

static bool is_sound(struct expression *e)
{
    mpq_t result[AP_CALC_STEPS];
    e->calc.n = 0;
    add_steps(e, 0);
    e->calc.answer.ref = e->calc.n - 1;
    ap__calc_init_numbers(result);
    bool ok = ap__calc_run(&e->calc, result);
    for (int32_t i = 0; i < e->calc.n && ok; i++)
        ok = is_short(result[i]);
    ap__calc_deinit_numbers(result);
    return ok;
}

/* Some trees hardly ever have short results; another one is drawn then. */
static void draw_expression(const struct ap_problem_key *key, struct expression *e)
{
    for (uint64_t attempt = 0;; attempt++) {
        struct ap_rng shape = ap__rng_make(key->shape, "expression", attempt, 0, 0);
        struct ap_rng numbers = ap__rng_make(key->numbers, "numbers", attempt, 0, 0);
        e->n = 0;
        grow(&shape, (int32_t)ap__rng_range(&shape, 2, MAX_OPS), e);
        for (int32_t i = 0; i < NUMBER_TRIES; i++) {
            draw_numbers(&numbers, e);
            if (is_sound(e))
                return;
        }
    }
}

/* ---- writing ---- */

static int32_t precedence(int32_t op)
{
    return op < 0 ? 3 : op == AP_CALC_PRODUCT || op == AP_CALC_DIVIDE ? 2 : 1;
}

static void write_symbols(const struct expression *e, int32_t at, const char *times, struct ap_buf *out)
{
    const struct node *node = &e->node[at];
    if (node->op < 0) {
        (void)ap__buf_puts(out, node->text);
        return;
    }
    static const char *const signs[] = {" + ", " - ", NULL, " / "};
    int32_t own = precedence(node->op);
    bool left = precedence(e->node[node->left].op) < own, right = precedence(e->node[node->right].op) <= own;
    (void)ap__buf_puts(out, left ? "(" : "");
    write_symbols(e, node->left, times, out);
    (void)ap__buf_puts(out, left ? ")" : "");
    (void)ap__buf_puts(out, node->op == AP_CALC_PRODUCT ? times : signs[node->op]);
    (void)ap__buf_puts(out, right ? "(" : "");
    write_symbols(e, node->right, times, out);
    (void)ap__buf_puts(out, right ? ")" : "");
}

/* Wordings "before L between R": the first two start with a word, so they are
 * clear however they are nested; the others stand between two numbers, on a
 * left side only ("9 and 8 plus 50" could be read in two ways). */
static void write_words(struct ap_rng *rng, const struct expression *e, int32_t at, bool left, struct ap_buf *out)
{
    static const char *const words[][4][2] = {
        {{"the sum of ", " and "}, {"the total of ", " and "}, {"", " plus "}, {"", " added to "}},
        {{"the difference between ", " and "}, {"the difference of ", " and "}, {"", " minus "}, {"", " less "}},
        {{"the product of ", " and "}, {"the product of ", " and "}, {"", " times "}, {"", " multiplied by "}},
        {{"the quotient of ", " and "}, {"the ratio of ", " and "}, {"", " divided by "}, {"", " over "}}};
    const struct node *node = &e->node[at];
    if (node->op < 0) {
        (void)ap__buf_puts(out, node->text);
        return;
    }
    bool leaves = e->node[node->left].op < 0 && e->node[node->right].op < 0;
    const char *const *wording = words[node->op][ap__rng_below(rng, leaves && left ? 4 : 2)];
    (void)ap__buf_puts(out, wording[0]);
    write_words(rng, e, node->left, true, out);
    (void)ap__buf_puts(out, wording[1]);
    write_words(rng, e, node->right, false, out);
}

/* One of several frames around the expression. */
static const char *write_question(struct ap_rng *rng, const struct expression *e, struct ap_buf *out)
{
    static const char *const frames[][2] = {{"What is ", "?"},   {"Calculate ", "."}, {"Work out ", "."},
                                            {"Find ", "."},      {"How much is ", "?"}, {"What is the value of ", "?"}};
    uint32_t frame = ap__rng_below(rng, 6), style = ap__rng_below(rng, 3);
    (void)ap__buf_puts(out, frames[frame][0]);
    if (style == 0)
        write_words(rng, e, 0, false, out);
    else
        write_symbols(e, 0, style == 1 ? " * " : " x ", out);
    (void)ap__buf_puts(out, frames[frame][1]);
    return style == 0 ? "words" : "symbols";
}

static ap_status make_expression(const struct ap_problem_key *key, struct ap_problem *out, struct ap_err *err)
{
    struct expression e;
    struct ap_buf text;
    struct ap_rng words = ap__rng_make(key->words, "words", 0, 0, 0);
    char name[32];
    draw_expression(key, &e);
    ap__buf_init(&text, 0);
    const char *style = write_question(&words, &e, &text);
    snprintf(name, sizeof name, "%s-%d", style, (int)e.calc.n);
    ap_status st = ap__problem_set_buf(&out->question, &text, err);
    if (st == AP_OK)
        st = ap__problem_set(&out->template_name, name, err);
    if (st == AP_OK)
        st = ap__calc_write(&e.calc, true, out, err);
    ap__buf_deinit(&text);
    return st;
}

const struct ap_generator ap__math_expression = {
    .name = "math-expression", .make = make_expression, .renumbers = true};
