/* cmd_solve.c - `apprentice solve`: one chain, printed as it happens.
 *
 *     Question: Ann has 3 boxes ...
 *     1  Product(a=3, b=12)
 *        36
 *     2  Answer(value=36)
 *     Answer: 36 */
#include "base/progress.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "tasks/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double temperature = 0.0;
static int64_t seed = 1, problem_number = 0;
static bool as_json;

static const struct ap_option options[] = {
    AP_OPTION_GROUP("Model"),
    AP_LOCAL_OPTIONS,
    AP_OPTION_GROUP("Chain"),
    AP_OPTION_FLOAT("temperature", 0.0, 10.0, &temperature, "0 = the likeliest token each time"),
    AP_OPTION_INT("seed", 0, INT64_MAX, &seed, "of the draws and of --problem"),
    AP_OPTION_INT("problem", 1, 100000000, &problem_number, "instead of a question: the task's held-out problem 1, 2, ..."),
    AP_OPTION_GROUP("Output"),
    AP_OPTION_FLAG("json", &as_json, "print the chain as one JSON object"),
    AP_REMOTE_OPTIONS,
    AP_OPTION_END,
};

/* ---- as it happens ---- */

struct show {
    bool colour;
    int32_t steps;
    struct ap_chain chain; /* kept for the end */
};

/* Text that a model wrote must not steer the terminal. */
static void print_clean(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        putchar(c < 32 || c == 127 ? ' ' : c);
    }
}

static void print_line(const struct show *show, const char *before, const char *colour, const char *text)
{
    fputs(before, stdout);
    if (show->colour)
        fputs(colour, stdout);
    print_clean(text);
    fputs(show->colour ? "\x1b[0m\n" : "\n", stdout);
}

static void show_step(void *user, const struct ap_agent_job *job, const struct ap_step *step)
{
    struct show *show = user;
    char number[16];
    (void)job;
    if (as_json)
        return;
    snprintf(number, sizeof number, "%-3d", ++show->steps);
    print_line(show, number, "\x1b[1m", step->call);
    if (strcmp(step->function, "Answer") != 0 || step->error)
        print_line(show, "   ", step->error ? "\x1b[31m" : "\x1b[32m", step->result);
    fflush(stdout);
}

static ap_status keep_chain(void *user, const struct ap_agent_job *job, struct ap_chain *chain, struct ap_err *err)
{
    struct show *show = user;
    (void)job;
    (void)err;
    show->chain = *chain;
    ap__chain_init(chain);
    return AP_OK;
}

/* ---- at the end ---- */

static void print_end(const struct show *show, const struct ap_problem *problem)
{
    const struct ap_chain *c = &show->chain;
    if (c->answer)
        print_line(show, "Answer: ", "\x1b[1m", c->answer);
    else
        printf("No answer: %s\n", ap__end_text(c->end));
    if (problem)
        printf("Gold: %s (%s)\n", problem->answer, ap__verdict_text(c->verdict));
}

static json_t *steps_json(const struct ap_chain *c)
{
    json_t *steps = json_array();
    for (int32_t i = 0; i < c->n; i++)
        json_array_append_new(steps, json_pack("{s:s, s:s, s:b}", "call", c->step[i].call, "result", c->step[i].result,
                                               "error", c->step[i].error));
    return steps;
}

static ap_status print_json(const struct show *show, const char *question, const struct ap_problem *problem,
                            struct ap_err *err)
{
    const struct ap_chain *c = &show->chain;
    json_t *all = json_pack("{s:s, s:o, s:s?, s:s, s:i, s:f}", "question", question, "steps", steps_json(c), "answer",
                            c->answer, "end", ap__end_text(c->end), "tokens", c->new_tokens, "seconds", c->seconds);
    if (all && problem) {
        json_object_set_new(all, "gold", json_string(problem->answer));
        json_object_set_new(all, "verdict", json_string(ap__verdict_text(c->verdict)));
    }
    char *text = all ? ap__json_dump(all) : NULL;
    if (text)
        puts(text);
    ap__free(text);
    json_decref(all);
    return text ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "no memory for the chain as JSON");
}

/* ---- the command ---- */

static ap_status solve(const struct ap_task *task, struct ap_llm *llm, const char *question,
                       const struct ap_problem *problem, struct ap_err *err)
{
    const char *no_colour = getenv("NO_COLOR");
    struct show show = {.colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour)};
    struct ap_agent_job job = {.question = question, .seed = (uint64_t)seed,
                               .sampling = {.temperature = (float)temperature, .top_p = 1.0f}};
    if (!as_json)
        print_line(&show, "Question: ", "", question);
    ap_status status = ap__agent_run(llm, &task->agent, &job, 1, keep_chain, show_step, &show, err);
    if (status == AP_OK && problem)
        status = ap__task_judge(task, problem, &show.chain, err);
    if (status == AP_OK && as_json)
        status = print_json(&show, question, problem, err);
    else if (status == AP_OK)
        print_end(&show, problem);
    if (status == AP_OK && !show.chain.answer)
        status = ap__fail(err, AP_E_LIMIT, NULL, "the chain ended without an answer: %s", ap__end_text(show.chain.end));
    ap__chain_deinit(&show.chain);
    return status;
}

static ap_status solve_task(const char *name, const char *question, struct ap_err *err)
{
    struct ap_task *task = NULL;
    struct ap_llm *llm = NULL;
    struct ap_problems problems = {0};
    ap_status status = ap__task_open(name, &task, err);
    if (status == AP_OK && !question)
        status = ap__task_problems(task, AP_HELDOUT, (uint64_t)seed, problem_number - 1, 1, &problems, err);
    if (status == AP_OK)
        status = ap__model_options_open(&llm, err);
    if (status == AP_OK)
        status = solve(task, llm, question ? question : problems.item[0].question, question ? NULL : problems.item, err);
    ap__model_options_close(llm);
    ap__problems_deinit(&problems);
    ap__task_free(task);
    return status;
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err;
    int code = ap__options_parse(&ap__cmd_solve, argc, argv, 1, 2, &args);
    if (code >= 0)
        return code;
    if ((args.n == 2) == (problem_number > 0))
        return ap__usage_fail(&ap__cmd_solve, "give either a question or --problem");
    ap__interrupt_install();
    return solve_task(args.v[0], args.n == 2 ? args.v[1] : NULL, &err) == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_solve = {
    .name = "solve",
    .summary = "solve one problem and print the chain as it happens",
    .usage = "TASK \"QUESTION\" | TASK --problem N [--model DIR] [--adapter DIR] [--temperature X] [--json]",
    .options = options,
    .example = "apprentice solve math-word \"Ann has 3 boxes with 12 eggs each. How many eggs has she?\"\n"
               "apprentice solve fol-entailment --problem 7 --model models/teacher\n"
               "apprentice solve math-word --problem 7 --url https://api.openai.com/v1 --remote-model gpt-4.1-mini \\\n"
               "    --key-env OPENAI_API_KEY --style tools",
    .run = run,
};
