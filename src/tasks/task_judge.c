/* task_judge.c - verdicts, and whether a right answer was also found in the right way.
 *
 *   chain --answer--> checker --> correct / incorrect / invalid (no answer)
 *   correct chain --> sound?  no error observation; the premises are the gold ones
 *                     and the last Prove asked for the gold goal (by the prover) */
#include "tasks/task.h"

#include "functions/call.h"
#include "functions/prover.h"
#include <string.h>

ap_status ap__task_judge(const struct ap_task *task, const struct ap_problem *problem, struct ap_chain *chain,
                         struct ap_err *err)
{
    bool correct;
    chain->verdict = AP_INVALID;
    if (!chain->answer)
        return AP_OK;
    AP_TRY(ap__checker_judge(&task->checker, chain->answer, problem->answer, &correct, err));
    chain->verdict = correct ? AP_CORRECT : AP_INCORRECT;
    return AP_OK;
}

/* The first argument of a call if it is a string; the caller frees it. */
static ap_status string_argument(const char *text, char **out, struct ap_err *err)
{
    struct ap_call call;
    *out = NULL;
    struct ap_err unread;
    ap_status st = ap__call_parse(text, strlen(text), &call, &unread);
    if (st != AP_OK)
        return st == AP_E_MEMORY ? ap__fail(err, st, NULL, "no memory for a call") : AP_OK;
    if (call.n == 1 && call.args[0].value.kind == AP_VALUE_STRING) {
        *out = ap__strdup(call.args[0].value.as.string);
        if (!*out)
            st = ap__fail(err, AP_E_MEMORY, NULL, "no memory for a formula");
    }
    ap__call_deinit(&call);
    return st;
}

/* Does the call's formula mean the same as gold?  Unreadable ones do not. */
static ap_status same_formula(struct ap_prover *prover, const char *call, const char *gold, bool *same,
                              struct ap_err *err)
{
    char *formula;
    struct ap_err unread = {0};
    *same = false;
    AP_TRY(string_argument(call, &formula, err));
    if (!formula)
        return AP_OK;
    ap_status st = AP_OK;
    if (strcmp(formula, gold) == 0)
        *same = true;
    else
        st = ap__prover_equivalent(prover, formula, gold, same, &unread);
    ap__free(formula);
    if (st == AP_E_MEMORY)
        *err = unread;
    return st == AP_E_MEMORY ? st : AP_OK;
}

static ap_status premises_sound(struct ap_prover *prover, const struct ap_problem *problem,
                                const struct ap_chain *chain, bool *sound, struct ap_err *err)
{
    int32_t premise = 0;
    for (int32_t i = 0; i < chain->n && *sound; i++) {
        if (strcmp(chain->step[i].function, "AddPremise") != 0)
            continue;
        if (premise == problem->premise_count)
            *sound = false;
        else
            AP_TRY(same_formula(prover, chain->step[i].call, problem->premise[premise++], sound, err));
    }
    *sound &= premise == problem->premise_count;
    return AP_OK;
}

static int32_t last_prove(const struct ap_chain *chain)
{
    int32_t at = chain->n - 1;
    while (at >= 0 && strcmp(chain->step[at].function, "Prove") != 0)
        at--;
    return at;
}

/* The gold chain's goal, the caller frees it; NULL when there is none. */
static ap_status gold_goal(const struct ap_problem *problem, char **out, struct ap_err *err)
{
    *out = NULL;
    for (int32_t i = problem->call_count - 1; i >= 0; i--)
        if (strncmp(problem->call[i], "Prove(", 6) == 0)
            return string_argument(problem->call[i], out, err);
    return AP_OK;
}

/* The last Prove asks for the gold goal and the answer is what it returned. */
static ap_status goal_sound(struct ap_prover *prover, const struct ap_problem *problem, const struct ap_chain *chain,
                            bool *sound, struct ap_err *err)
{
    char *goal;
    AP_TRY(gold_goal(problem, &goal, err));
    if (!goal)
        return AP_OK;
    int32_t at = last_prove(chain);
    ap_status st = AP_OK;
    if (at < 0 || strcmp(chain->step[at].result, chain->answer) != 0)
        *sound = false;
    else
        st = same_formula(prover, chain->step[at].call, goal, sound, err);
    ap__free(goal);
    return st;
}

ap_status ap__task_sound(const struct ap_task *task, const struct ap_problem *problem, const struct ap_chain *chain,
                         bool *sound, struct ap_err *err)
{
    struct ap_prover *prover = ap__registry_prover(task->functions);
    *sound = chain->answer != NULL && chain->verdict == AP_CORRECT;
    for (int32_t i = 0; i < chain->n; i++)
        *sound &= !chain->step[i].error;
    if (!*sound || problem->premise_count == 0)
        return AP_OK;
    AP_TRY(premises_sound(prover, problem, chain, sound, err));
    return *sound ? goal_sound(prover, problem, chain, sound, err) : AP_OK;
}
