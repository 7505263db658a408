/* invocation.c - what a function sees of its call, and how it answers.
 *
 *   ap_arg_*          checked arguments, defaults filled in
 *   ap_result_*       text or number                 -> observation
 *   ap_result_error   the call was wrong             -> "Error: ..." + signature + example
 *   ap__result_refusal  right call, no result        -> "Error: division by zero" */
#include "functions/invocation.h"
#include "base/text.h"
#include "functions/later.h"
#include <stdio.h>

void ap__invocation_begin_error(struct ap_invocation *call)
{
    ap__buf_clear(&call->text);
    ap__buf_puts(&call->text, "Error: ");
    call->error = true;
}

void ap__invocation_say_error(struct ap_invocation *call, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    ap__invocation_begin_error(call);
    ap__buf_vprintf(&call->text, fmt, ap);
    va_end(ap);
    call->example = true;
}

/* ---- arguments ---- */

int32_t ap_arg_count(const struct ap_invocation *call)
{
    return call->n;
}

const struct ap_value *ap__invocation_arg(const struct ap_invocation *call, int32_t index)
{
    return &call->values[index];
}

double ap_arg_number(const struct ap_invocation *call, int32_t index)
{
    const struct ap_value *value = &call->values[index];
    return value->kind == AP_VALUE_NUMBER ? mpq_get_d(value->as.number) : 0.0;
}

const char *ap_arg_text(const struct ap_invocation *call, int32_t index)
{
    const struct ap_value *value = &call->values[index];
    return value->kind == AP_VALUE_STRING ? value->as.string : "";
}

int ap_arg_bool(const struct ap_invocation *call, int32_t index)
{
    const struct ap_value *value = &call->values[index];
    return value->kind == AP_VALUE_BOOL && value->as.boolean;
}

void *ap_invocation_state(const struct ap_invocation *call)
{
    return call->state;
}

void *ap_invocation_user_data(const struct ap_invocation *call)
{
    return call->function->user_data;
}

struct ap_prover *ap__invocation_prover(const struct ap_invocation *call)
{
    return ap__registry_prover(call->registry);
}

/* ---- results ---- */

static ap_status written(const struct ap_invocation *call)
{
    return call->text.failed ? ap__fail(call->err, AP_E_MEMORY, NULL, "no memory for a result") : AP_OK;
}

/* Begin a result that is not an error. */
static void begin_result(struct ap_invocation *call)
{
    ap__buf_clear(&call->text);
    call->error = call->example = false;
}

ap_status ap__result_number(struct ap_invocation *call, const mpq_t number)
{
    if (!ap__number_fits(number))
        return ap__result_refusal(call, "the result is too large");
    begin_result(call);
    ap__number_print(number, &call->text);
    return written(call);
}

ap_status ap_result_number(struct ap_invocation *call, double value)
{
    char text[64];
    if (value != value || value - value != 0.0)
        return ap__result_refusal(call, "the result is not a number");
    begin_result(call);
    for (int precision = 15; precision <= 17; precision++) { /* the shortest that reads back */
        double back;
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (ap__parse_f64(text, &back) && back == value)
            break;
    }
    ap__buf_puts(&call->text, text);
    return written(call);
}

ap_status ap_result_text(struct ap_invocation *call, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    begin_result(call);
    ap__buf_vprintf(&call->text, fmt, ap);
    va_end(ap);
    return written(call);
}

ap_status ap_result_error(struct ap_invocation *call, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    ap__invocation_begin_error(call);
    ap__buf_vprintf(&call->text, fmt, ap);
    va_end(ap);
    call->example = true;
    return written(call);
}

ap_status ap__result_refusal(struct ap_invocation *call, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    ap__invocation_begin_error(call);
    ap__buf_vprintf(&call->text, fmt, ap);
    va_end(ap);
    call->example = false;
    return written(call);
}

ap_status ap__result_answer(struct ap_invocation *call)
{
    struct ap_buf text;
    begin_result(call);
    ap__value_print(&call->values[0], &call->text);
    AP_TRY(written(call));
    ap__buf_init(&text, 0);
    ap__buf_puts(&text, ap__buf_cstr(&call->text));
    ap__free(call->answer);
    call->answer = ap__buf_take(&text);
    ap__buf_deinit(&text);
    if (call->answer == NULL)
        return ap__fail(call->err, AP_E_MEMORY, NULL, "no memory for an answer");
    call->answered = true;
    return AP_OK;
}

ap_status ap__result_later(struct ap_invocation *call, struct ap_later *later)
{
    if (call->later != NULL)
        call->later->ops->free(call->later);
    call->later = later;
    return AP_OK;
}
