/* calc.c - run, write and read chains of arithmetic calls; see calc.h. */
#include "tasks/calc.h"

#include "tasks/generator.h"
#include <stdio.h>
#include <string.h>

static const char *const names[AP_CALC_OPS] = {"Sum", "Subtract", "Product", "Divide", "Percent"};

const char *ap__calc_op_name(enum ap_calc_op op)
{
    return names[op];
}

bool ap__calc_op_find(const char *name, enum ap_calc_op *out)
{
    for (int32_t i = 0; i < AP_CALC_OPS; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum ap_calc_op)i;
            return true;
        }
    return false;
}

void ap__calc_init_numbers(mpq_t *result)
{
    for (int32_t i = 0; i < AP_CALC_STEPS; i++)
        mpq_init(result[i]);
}

void ap__calc_deinit_numbers(mpq_t *result)
{
    for (int32_t i = 0; i < AP_CALC_STEPS; i++)
        mpq_clear(result[i]);
}

/* ---- run ---- */

/* acc = acc op x; false when that is no number. */
static bool apply(enum ap_calc_op op, mpq_t acc, const mpq_t x)
{
    switch (op) {
    case AP_CALC_SUM:
        mpq_add(acc, acc, x);
        break;
    case AP_CALC_SUBTRACT:
        mpq_sub(acc, acc, x);
        break;
    case AP_CALC_PRODUCT:
        mpq_mul(acc, acc, x);
        break;
    case AP_CALC_DIVIDE:
        if (mpq_sgn(x) == 0)
            return false;
        mpq_div(acc, acc, x);
        break;
    case AP_CALC_PERCENT: {
        mpq_t hundred;
        mpq_init(hundred);
        mpq_set_ui(hundred, 100, 1);
        mpq_mul(acc, acc, x);
        mpq_div(acc, acc, hundred);
        mpq_clear(hundred);
        break;
    }
    case AP_CALC_OPS:
        return false;
    }
    return ap__number_fits(acc);
}

static bool run_step(const struct ap_calc_step *step, int32_t index, mpq_t *result)
{
    mpq_t x;
    bool ok = step->n >= 1;
    mpq_init(x);
    for (int32_t i = 0; i < step->n && ok; i++) {
        const struct ap_calc_arg *arg = &step->arg[i];
        if (arg->ref >= 0 && arg->ref < index)
            mpq_set(x, result[arg->ref]);
        else
            ok = arg->ref < 0 && ap__number_parse(arg->text, x);
        if (ok && i == 0)
            mpq_set(result[index], x);
        else if (ok)
            ok = apply(step->op, result[index], x);
    }
    mpq_clear(x);
    return ok;
}

bool ap__calc_run(const struct ap_calc *calc, mpq_t *result)
{
    bool ok = calc->n <= AP_CALC_STEPS;
    for (int32_t i = 0; i < calc->n && ok; i++)
        ok = run_step(&calc->step[i], i, result);
    return ok;
}

/* ---- write ---- */

static void add_arg(const struct ap_calc_arg *arg, mpq_t *result, struct ap_buf *out)
{
    if (arg->ref >= 0)
        ap__number_print(result[arg->ref], out);
    else
        (void)ap__buf_puts(out, arg->text);
}

static ap_status write_calls(const struct ap_calc *calc, bool with_answer, mpq_t *result, struct ap_buf *text,
                             struct ap_problem *out, struct ap_err *err)
{
    for (int32_t i = 0; i < calc->n; i++) {
        ap__buf_clear(text);
        for (int32_t k = 0; k < calc->step[i].n; k++) {
            (void)ap__buf_puts(text, k ? ", " : "");
            add_arg(&calc->step[i].arg[k], result, text);
        }
        AP_TRY(ap__problem_add_call(out, err, "%s(%s)", names[calc->step[i].op], ap__buf_cstr(text)));
    }
    ap__buf_clear(text);
    add_arg(&calc->answer, result, text);
    AP_TRY(ap__problem_add_call(out, err, "Answer(%s)", ap__buf_cstr(text)));
    return with_answer ? ap__problem_set(&out->answer, ap__buf_cstr(text), err) : AP_OK;
}

ap_status ap__calc_write(const struct ap_calc *calc, bool with_answer, struct ap_problem *out, struct ap_err *err)
{
    mpq_t result[AP_CALC_STEPS];
    struct ap_buf text;
    ap__calc_init_numbers(result);
    ap__buf_init(&text, 0);
    ap_status st = AP_OK;
    if (!ap__calc_run(calc, result) || calc->answer.ref >= calc->n)
        st = ap__fail(err, AP_E_FORMAT, NULL, "the chain of calls has no value");
    else
        st = write_calls(calc, with_answer, result, &text, out, err);
    if (st == AP_OK && text.failed)
        st = ap__fail(err, AP_E_MEMORY, NULL, "no memory for a chain of calls");
    ap__buf_deinit(&text);
    ap__calc_deinit_numbers(result);
    return st;
}

/* ---- read ---- */

/* One argument, text of n bytes as it stands in the call. */
static bool read_arg(const char *text, size_t n, mpq_t *result, int32_t steps, struct ap_calc_arg *out)
{
    if (n == 0 || n >= AP_CALC_TEXT)
        return false;
    memcpy(out->text, text, n);
    out->text[n] = '\0';
    out->ref = -1;
    mpq_t number;
    mpq_init(number);
    bool ok = ap__number_parse(out->text, number);
    for (int32_t i = steps - 1; i >= 0 && ok && out->ref < 0; i--)
        if (mpq_equal(result[i], number))
            out->ref = i;
    mpq_clear(number);
    return ok;
}

/* "Name(a, b)" with plain numbers, as ap__calc_write makes them. */
static bool read_call(const char *text, bool last, mpq_t *result, struct ap_calc *out)
{
    struct ap_calc_step *step = &out->step[out->n];
    char name[16];
    size_t length = strcspn(text, "(");
    if (length >= sizeof name || text[length] != '(' || (!last && out->n == AP_CALC_STEPS))
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    if (last ? strcmp(name, "Answer") != 0 : !ap__calc_op_find(name, &step->op))
        return false;
    int32_t n = 0;
    for (const char *at = text + length; *at == '(' || *at == ','; n++) {
        at += 1 + strspn(at + 1, " ");
        length = strcspn(at, ",)");
        if (n == (last ? 1 : AP_CALC_ARGS) ||
            !read_arg(at, length, result, out->n, last ? &out->answer : &step->arg[n]))
            return false;
        at += length;
    }
    if (last)
        return true;
    step->n = n;
    return run_step(step, out->n++, result);
}

bool ap__calc_read(char *const *calls, int32_t n, struct ap_calc *out)
{
    mpq_t result[AP_CALC_STEPS];
    bool ok = n >= 1;
    memset(out, 0, sizeof *out);
    ap__calc_init_numbers(result);
    for (int32_t i = 0; i < n && ok; i++)
        ok = read_call(calls[i], i == n - 1, result, out);
    ap__calc_deinit_numbers(result);
    return ok;
}
