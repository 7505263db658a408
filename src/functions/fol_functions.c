/* fol_functions.c - first-order logic for models.
 *
 *   AddPremise(formula) --> the chain's premises (arena + array) --.
 *   Prove(goal), Countermodel(goal) <------ prover ----------------'
 *   Equivalent(a, b), CheckFormula(formula)      without the premises
 *
 * A premise that cannot be read, or uses a predicate with other numbers of
 * arguments than before, adds nothing. */
#include "functions/registry.h"
#include "functions/prover.h"
#include <string.h>

enum { MAX_PREMISES = 128, MAX_PREMISE_BYTES = 2 << 20 };

struct premises {
    struct ap_arena arena;
    struct ap_signature signature;
    const struct ap_formula *formulas[MAX_PREMISES]; /* (n,) */
    int32_t n;
};

static ap_status create_premises(void *user_data, void **out)
{
    (void)user_data;
    struct premises *premises = ap__alloc(sizeof *premises);
    if (premises == NULL)
        return AP_E_MEMORY;
    ap__arena_init(&premises->arena, 0);
    ap__signature_init(&premises->signature);
    *out = premises;
    return AP_OK;
}

static void destroy_premises(void *state)
{
    struct premises *premises = state;
    ap__signature_deinit(&premises->signature);
    ap__arena_deinit(&premises->arena);
    ap__free(premises);
}

static const struct ap_state_kind premises_kind = {create_premises, destroy_premises};

/* A formula that cannot be used, in the words of err. */
static ap_status refuse(struct ap_invocation *call, const struct ap_err *err)
{
    if (err->code == AP_E_MEMORY)
        return AP_E_MEMORY;
    if (err->code == AP_E_PARSE)
        return ap_result_error(call, "%s", err->message);
    return ap__result_refusal(call, "%s", err->message);
}

static ap_status parse_arg(const struct ap_invocation *call, int32_t index, struct ap_arena *arena,
                           const struct ap_formula **out, struct ap_err *err)
{
    const char *text = ap_arg_text(call, index);
    return ap__formula_parse(text, strlen(text), arena, out, err);
}

static ap_status run_add_premise(struct ap_invocation *call)
{
    struct premises *premises = ap_invocation_state(call);
    struct ap_err err;
    const struct ap_formula *formula;
    if (premises->n >= MAX_PREMISES)
        return ap__result_refusal(call, "there are %d premises already", MAX_PREMISES);
    if (premises->arena.used > MAX_PREMISE_BYTES)
        return ap__result_refusal(call, "the premises are too long together");
    struct ap_arena_mark mark = ap__arena_mark(&premises->arena);
    ap_status status = parse_arg(call, 0, &premises->arena, &formula, &err);
    if (status == AP_OK)
        status = ap__signature_add(&premises->signature, formula, &err);
    if (status != AP_OK) {
        ap__arena_release(&premises->arena, mark);
        return refuse(call, &err);
    }
    premises->formulas[premises->n++] = formula;
    return ap_result_text(call, "premise %d", premises->n);
}

static ap_status run_prove(struct ap_invocation *call)
{
    struct premises *premises = ap_invocation_state(call);
    struct ap_err err;
    struct ap_proof proof;
    const struct ap_formula *goal;
    struct ap_arena_mark mark = ap__arena_mark(&premises->arena);
    ap_status status = parse_arg(call, 0, &premises->arena, &goal, &err);
    if (status == AP_OK)
        status = ap__prover_check(ap__invocation_prover(call), premises->formulas, premises->n, goal, &proof, &err);
    ap__arena_release(&premises->arena, mark);
    if (status != AP_OK)
        return refuse(call, &err);
    if (proof.inconsistent)
        return ap__result_refusal(call, "the premises contradict each other");
    return ap_result_text(call, "%s", ap__verdict3_text(proof.verdict));
}

static ap_status print_countermodel(struct ap_invocation *call, const struct premises *premises,
                                    const struct ap_formula *goal, struct ap_err *err, struct ap_buf *text)
{
    bool found, gave_up;
    ap_status status = ap__prover_countermodel(ap__invocation_prover(call), premises->formulas, premises->n, goal,
                                               text, &found, &gave_up, err);
    if (status != AP_OK)
        return refuse(call, err);
    if (gave_up)
        return ap_result_text(call, "none found within the limit");
    return ap_result_text(call, "%s", found ? ap__buf_cstr(text) : "none: the goal follows");
}

static ap_status run_countermodel(struct ap_invocation *call)
{
    struct premises *premises = ap_invocation_state(call);
    struct ap_err err;
    struct ap_buf text;
    const struct ap_formula *goal;
    struct ap_arena_mark mark = ap__arena_mark(&premises->arena);
    ap__buf_init(&text, 0);
    ap_status status = parse_arg(call, 0, &premises->arena, &goal, &err);
    status = status == AP_OK ? print_countermodel(call, premises, goal, &err, &text) : refuse(call, &err);
    ap__buf_deinit(&text);
    ap__arena_release(&premises->arena, mark);
    return status;
}

static ap_status run_equivalent(struct ap_invocation *call)
{
    struct ap_err err;
    struct ap_arena arena;
    const struct ap_formula *a, *b;
    bool same = false;
    ap__arena_init(&arena, 0);
    ap_status status = parse_arg(call, 0, &arena, &a, &err);
    if (status == AP_OK)
        status = parse_arg(call, 1, &arena, &b, &err);
    if (status == AP_OK)
        status = ap__formula_equivalent(ap__invocation_prover(call), a, b, &same, &err);
    ap__arena_deinit(&arena);
    if (status != AP_OK)
        return refuse(call, &err);
    return ap_result_text(call, same ? "True" : "False");
}

static ap_status run_check_formula(struct ap_invocation *call)
{
    struct ap_err err;
    struct ap_arena arena;
    struct ap_signature signature;
    const struct ap_formula *formula;
    ap__arena_init(&arena, 0);
    ap__signature_init(&signature);
    ap_status status = parse_arg(call, 0, &arena, &formula, &err);
    if (status == AP_OK)
        status = ap__signature_add(&signature, formula, &err);
    ap__signature_deinit(&signature);
    ap__arena_deinit(&arena);
    return status == AP_OK ? ap_result_text(call, "ok") : refuse(call, &err);
}

/* ---- table ---- */

static const struct ap_param formula[] = {{"formula", AP_TYPE_STRING, "a first-order formula", NULL}};
static const struct ap_param goal[] = {{"goal", AP_TYPE_STRING, "the formula to decide", NULL}};
static const struct ap_param pair[] = {{"a", AP_TYPE_STRING, "first formula", NULL},
                                       {"b", AP_TYPE_STRING, "second formula", NULL}};
#define PARAMS(array) .params = array, .n_params = sizeof array / sizeof *array

static const struct ap_function functions[] = {
    {.name = "AddPremise",
     .description = "adds a premise.",
     .example = "AddPremise(formula='forall x. (Cat(x) -> Animal(x))')",
     PARAMS(formula),
     .run = run_add_premise,
     .state = &premises_kind},
    {.name = "Prove",
     .description = "tells if a goal follows from the premises: True, False or Unknown.",
     .example = "Prove(goal='Animal(tom)')",
     PARAMS(goal),
     .run = run_prove,
     .state = &premises_kind},
    {.name = "Countermodel",
     .description = "shows a case where the premises hold and the goal does not.",
     .example = "Countermodel(goal='Animal(tom)')",
     PARAMS(goal),
     .run = run_countermodel,
     .state = &premises_kind},
    {.name = "Equivalent",
     .description = "tells if two formulas mean the same.",
     .example = "Equivalent(a='Cat(tom) -> Pet(tom)', b='not Cat(tom) | Pet(tom)')",
     PARAMS(pair),
     .run = run_equivalent},
    {.name = "CheckFormula",
     .description = "checks how a formula is written.",
     .example = "CheckFormula(formula='exists x. (Cat(x) & not Black(x))')",
     PARAMS(formula),
     .run = run_check_formula},
};

const struct ap_function *ap__fol_functions(int32_t *n)
{
    *n = sizeof functions / sizeof *functions;
    return functions;
}
