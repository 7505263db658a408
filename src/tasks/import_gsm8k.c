/* import_gsm8k.c - GSM8K's records, and its calculator annotations as calls.
 *
 *   "... <<48/2=24>>24 ... <<80/100*24+3=22.2>>22.2 ...\n#### 72"
 *          |                 |
 *          Divide(48, 2)     Divide(80, 100)  Product(#, 24)  Sum(#, 3)
 *
 * expression = term  {+|- term}       a run of + (or of *) becomes one call
 * term       = factor {*|/|// factor}
 * factor     = [+|-] factor | number | ( expression ) */
#include "tasks/generator.h"
#include "tasks/import.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 32 };

struct parser {
    const char *at, *end;
    struct ap_calc *calc;
    int32_t depth;
    bool failed;
};

static struct ap_calc_arg expression(struct parser *p);

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && isspace((unsigned char)*p->at))
        p->at++;
}

static bool take(struct parser *p, char c)
{
    skip_blanks(p);
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static struct ap_calc_arg fail(struct parser *p)
{
    p->failed = true;
    return (struct ap_calc_arg){.ref = -1, .text = "0"};
}

/* Canonical text of a number, so that it looks like a result. */
static struct ap_calc_arg number(struct parser *p, bool minus)
{
    struct ap_calc_arg arg = {.ref = -1};
    char text[AP_CALC_TEXT];
    size_t n = 0;
    while (p->at < p->end && (isdigit((unsigned char)*p->at) || *p->at == '.') && n + 2 < sizeof text)
        text[n++] = *p->at++;
    while (n > 1 && text[n - 1] == '.')
        n--; /* "12." */
    text[n] = '\0';
    mpq_t value;
    struct ap_buf out;
    mpq_init(value);
    ap__buf_init(&out, 0);
    bool ok = n > 0 && ap__number_parse(text, value);
    if (ok && minus)
        mpq_neg(value, value);
    if (ok)
        ap__number_print(value, &out);
    ok = ok && !out.failed && out.len < AP_CALC_TEXT;
    if (ok)
        memcpy(arg.text, out.data, out.len + 1);
    ap__buf_deinit(&out);
    mpq_clear(value);
    return ok ? arg : fail(p);
}

static struct ap_calc_arg factor(struct parser *p)
{
    bool minus = false;
    if (p->depth > MAX_DEPTH)
        return fail(p);
    for (;;) {
        if (take(p, '-'))
            minus = !minus;
        else if (!take(p, '+'))
            break;
    }
    if (!take(p, '('))
        return number(p, minus);
    p->depth++;
    struct ap_calc_arg arg = expression(p);
    p->depth--;
    if (!take(p, ')') || (minus && arg.ref >= 0))
        return fail(p);
    if (minus) { /* -(3) */
        char text[AP_CALC_TEXT];
        snprintf(text, sizeof text, "%s", arg.text[0] == '-' ? arg.text + 1 : arg.text);
        snprintf(arg.text, sizeof arg.text, "%s%.30s", arg.text[0] == '-' ? "" : "-", text);
    }
    return arg;
}

static struct ap_calc_arg add_step(struct parser *p, enum ap_calc_op op, const struct ap_calc_arg *args, int32_t n)
{
    if (p->calc->n == AP_CALC_STEPS)
        return fail(p);
    struct ap_calc_step *step = &p->calc->step[p->calc->n];
    step->op = op;
    step->n = n;
    memcpy(step->arg, args, (size_t)n * sizeof *args);
    return (struct ap_calc_arg){.ref = p->calc->n++};
}

/* Take one more operand; "(2*3)*4" is one product of three. */
static void add_operand(struct parser *p, enum ap_calc_op many, struct ap_calc_arg operand, struct ap_calc_arg *args,
                        int32_t *n)
{
    struct ap_calc *calc = p->calc;
    const struct ap_calc_step *step = operand.ref >= 0 ? &calc->step[operand.ref] : NULL;
    bool merge = step && operand.ref == calc->n - 1 && step->op == many && *n + step->n <= AP_CALC_ARGS;
    if (merge) {
        memcpy(args + *n, step->arg, (size_t)step->n * sizeof *args);
        *n += step->n;
        calc->n--;
    } else if (*n < AP_CALC_ARGS) {
        args[(*n)++] = operand;
    } else {
        (void)fail(p);
    }
}

/* Operands joined by operators of one level: `many` takes any number at once, `two` is binary. */
static struct ap_calc_arg level(struct parser *p, struct ap_calc_arg (*operand)(struct parser *), char many_sign,
                                enum ap_calc_op many, char two_sign, enum ap_calc_op two)
{
    struct ap_calc_arg args[AP_CALC_ARGS] = {operand(p)};
    int32_t n = 1;
    while (!p->failed) {
        if (take(p, many_sign)) {
            if (n == 1) {
                n = 0;
                add_operand(p, many, args[0], args, &n);
            }
            add_operand(p, many, operand(p), args, &n);
        } else if (take(p, two_sign)) {
            if (two_sign == '/')
                (void)take(p, '/'); /* "560//10" */
            if (n > 1)
                args[0] = add_step(p, many, args, n);
            args[1] = operand(p);
            args[0] = add_step(p, two, args, 2);
            n = 1;
        } else {
            break;
        }
    }
    return n > 1 && !p->failed ? add_step(p, many, args, n) : args[0];
}

static struct ap_calc_arg term(struct parser *p)
{
    return level(p, factor, '*', AP_CALC_PRODUCT, '/', AP_CALC_DIVIDE);
}

static struct ap_calc_arg expression(struct parser *p)
{
    return level(p, term, '+', AP_CALC_SUM, '-', AP_CALC_SUBTRACT);
}

/* One annotation, n bytes between << and >>. */
static ap_status read_annotation(const char *text, size_t n, const char *place, struct ap_calc *calc,
                                 struct ap_err *err)
{
    const char *equals = memchr(text, '=', n);
    struct parser p = {.at = text, .end = equals ? equals : text + n, .calc = calc};
    int32_t before = calc->n;
    (void)expression(&p);
    skip_blanks(&p);
    if (!p.failed && p.at == p.end && equals)
        return AP_OK;
    calc->n = before;
    return ap__fail(err, AP_E_PARSE, place, "the annotation `<<%.*s>>` cannot be read", n < 80 ? (int)n : 80, text);
}

static bool read_final(const char *answer, char final[AP_CALC_TEXT])
{
    const char *mark = strstr(answer, "####");
    size_t n = 0;
    for (const char *c = mark ? mark + 4 : ""; *c && *c != '\n'; c++)
        if (!isspace((unsigned char)*c) && *c != ',' && *c != '$') {
            if (n + 1 == AP_CALC_TEXT)
                return false;
            final[n++] = *c;
        }
    final[n] = '\0';
    return n > 0;
}

/* The last step with the final answer's value, or -1; also -1 when the steps have no values. */
static int32_t step_of(const struct ap_calc *calc, const char *final)
{
    mpq_t result[AP_CALC_STEPS], value;
    int32_t at = -1;
    ap__calc_init_numbers(result);
    mpq_init(value);
    if (ap__number_parse(final, value) && ap__calc_run(calc, result))
        for (int32_t i = 0; i < calc->n; i++)
            if (mpq_equal(result[i], value))
                at = i;
    mpq_clear(value);
    ap__calc_deinit_numbers(result);
    return at;
}

ap_status ap__gsm8k_steps(const char *answer, const char *place, struct ap_calc *calc, char final[AP_CALC_TEXT],
                          struct ap_err *err)
{
    memset(calc, 0, sizeof *calc);
    calc->answer.ref = -1;
    if (!read_final(answer, final))
        return ap__fail(err, AP_E_FORMAT, place, "`answer` has no final answer behind ####");
    for (const char *at = strstr(answer, "<<"); at; at = strstr(at, "<<")) {
        const char *end = strstr(at += 2, ">>");
        if (!end)
            return ap__fail(err, AP_E_PARSE, place, "an annotation << has no end >>");
        AP_TRY(read_annotation(at, (size_t)(end - at), place, calc, err));
    }
    calc->answer.ref = step_of(calc, final);
    return AP_OK;
}

static bool detect(const json_t *record)
{
    const char *answer = ap__json_str_or(record, "answer", "");
    return json_object_get(record, "question") && strstr(answer, "\n####");
}

/* Without a step that yields the final answer there is no gold chain; the steps
 * behind it (checks of the result) are left out. */
static ap_status read_record(const json_t *record, const char *place, struct ap_problem *out, struct ap_err *err)
{
    const char *question, *answer;
    struct ap_calc calc;
    char final[AP_CALC_TEXT];
    AP_TRY(ap__json_str(record, "question", place, &question, err));
    AP_TRY(ap__json_str(record, "answer", place, &answer, err));
    AP_TRY(ap__gsm8k_steps(answer, place, &calc, final, err));
    AP_TRY(ap__problem_set(&out->question, question, err));
    if (calc.answer.ref >= 0) {
        calc.n = calc.answer.ref + 1;
        AP_TRY(ap__calc_write(&calc, false, out, err));
    }
    return ap__problem_set(&out->answer, final, err);
}

const struct ap_import_format ap__import_gsm8k = {.name = "gsm8k", .detect = detect, .read = read_record};
