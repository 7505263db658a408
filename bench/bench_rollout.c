/* bench_rollout.c - chains per second, from problems to answers.
 *
 *     bench_rollout [MODEL_DIR [ADAPTER_DIR]] > rollout.csv
 *
 * 64 chains of the task math-word (8 problems x 8 samples, temperature 1, the
 * full function help as prompt) for 1, 8 and 64 chains in flight.
 *
 *   script   what a chain says is cut every 9 tokens, for 5 calls whose results
 *            are "42": the same work for any model, without calling functions
 *   agent    real chains; only with a MODEL_DIR, which should have learned the task
 *
 * Without MODEL_DIR: random weights (D=128, 3 layers) with the bundled
 * vocabulary.  Warm-up, then the best of three (and the least CPU time, for busy
 * machines).
 * CSV: mode,in_flight,chains,seconds,cpu_seconds,chains_per_second,new_tokens_per_second,tokens_computed,tokens_shared */
#include "base/data.h"
#include "base/file.h"
#include "base/progress.h"
#include "model/vocabulary.h"
#include "tasks/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PROBLEMS = 8, SAMPLES = 8, CHAINS = PROBLEMS * SAMPLES, CALLS = 5, CALL_TOKENS = 9, REPEATS = 3 };

struct bench {
    struct ap_task *task;
    struct ap_problems problems;
    struct ap_local_options model;
    int64_t new_tokens;
};

static const struct ap_sampling DRAWN = {.temperature = 1.0f, .top_p = 1.0f};

static const char *question_of(const struct bench *b, int chain)
{
    return b->problems.item[chain / SAMPLES].question;
}

/* ---- script ---- */

struct scripted {
    struct ap_conversation c;
    int calls;
};

static ap_status ask(struct ap_llm *llm, struct scripted *s, int chain, struct ap_err *err)
{
    struct ap_request request = {.id = (uint64_t)chain, .conversation = &s->c, .sampling = DRAWN, .max_tokens = CALL_TOKENS,
                                 .stream = {1, (uint64_t)chain, (uint64_t)s->calls}};
    return llm->ops->submit(llm, &request, err);
}

static ap_status start(struct bench *b, struct ap_llm *llm, const struct ap_conversation *prefix, struct scripted *s,
                       int chain, struct ap_err *err)
{
    AP_TRY(ap__conversation_copy(prefix, &s->c, err));
    AP_TRY(ap__conversation_add(&s->c, AP_USER, question_of(b, chain), false, err));
    return ask(llm, s, chain, err);
}

static ap_status go_on(struct ap_llm *llm, struct scripted *s, int chain, int *done, struct ap_err *err)
{
    if (++s->calls == CALLS) {
        llm->ops->release(llm, &s->c);
        ++*done;
        return AP_OK;
    }
    AP_TRY(ap__conversation_add(&s->c, AP_TOOL, "42", false, err));
    return ask(llm, s, chain, err);
}

static ap_status run_script(struct bench *b, struct ap_llm *llm, int32_t in_flight, struct ap_err *err)
{
    struct scripted chain[CHAINS] = {0};
    struct ap_conversation prefix;
    int next = 0, done = 0;
    AP_TRY(ap__prompt_prefix(&b->task->agent, llm->tmpl, &prefix, err));
    ap_status status = AP_OK;
    while (done < CHAINS && status == AP_OK) {
        struct ap_completion completion[CHAINS];
        int32_t n = 0;
        for (; status == AP_OK && next < CHAINS && next - done < in_flight; next++)
            status = start(b, llm, &prefix, &chain[next], next, err);
        if (status == AP_OK)
            status = llm->ops->poll(llm, completion, CHAINS, &n, err);
        for (int32_t i = 0; i < n && status == AP_OK; i++) {
            b->new_tokens += completion[i].new_tokens;
            status = go_on(llm, &chain[completion[i].id], (int)completion[i].id, &done, err);
        }
    }
    for (int i = 0; i < CHAINS; i++) {
        llm->ops->release(llm, &chain[i].c);
        ap__conversation_deinit(&chain[i].c);
    }
    ap__conversation_deinit(&prefix);
    return status;
}

/* ---- agent ---- */

static ap_status count_tokens(void *user, const struct ap_agent_job *job, struct ap_chain *chain, struct ap_err *err)
{
    struct bench *b = user;
    (void)job;
    (void)err;
    b->new_tokens += chain->new_tokens;
    return AP_OK;
}

static ap_status run_agent(struct bench *b, struct ap_llm *llm, int32_t in_flight, struct ap_err *err)
{
    struct ap_agent_config config = b->task->agent;
    struct ap_agent_job jobs[CHAINS];
    config.in_flight = in_flight;
    for (int i = 0; i < CHAINS; i++)
        jobs[i] = (struct ap_agent_job){.question = question_of(b, i), .sampling = DRAWN, .seed = 1, .key = (uint64_t)i};
    return ap__agent_run(llm, &config, jobs, CHAINS, count_tokens, NULL, b, err);
}

/* ---- measuring ---- */

typedef ap_status (*work)(struct bench *b, struct ap_llm *llm, int32_t in_flight, struct ap_err *err);

static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One run in a model opened for it, so that nothing is cached. */
static ap_status once(struct bench *b, work run, int32_t in_flight, double *seconds, double *cpu,
                      struct ap_session_stats *stats, struct ap_err *err)
{
    struct ap_llm *llm;
    AP_TRY(ap__llm_local_open(&b->model, &llm, err));
    b->new_tokens = 0;
    double from = ap__now(), cpu_from = cpu_now();
    ap_status status = run(b, llm, in_flight, err);
    *seconds = ap__now() - from;
    *cpu = cpu_now() - cpu_from;
    *stats = ap__llm_local_stats(llm);
    llm->ops->free(llm);
    return status;
}

static ap_status measure(struct bench *b, const char *mode, work run, struct ap_err *err)
{
    static const int32_t in_flight[] = {1, 8, 64};
    for (size_t f = 0; f < sizeof in_flight / sizeof *in_flight; f++) {
        double best = 1e9, best_cpu = 1e9, seconds, cpu;
        struct ap_session_stats stats;
        for (int r = 0; r <= REPEATS; r++) {
            AP_TRY(once(b, run, in_flight[f], &seconds, &cpu, &stats, err));
            best = r > 0 && seconds < best ? seconds : best;
            best_cpu = r > 0 && cpu < best_cpu ? cpu : best_cpu;
        }
        printf("%s,%d,%d,%.4f,%.4f,%.1f,%.0f,%lld,%lld\n", mode, in_flight[f], CHAINS, best, best_cpu, CHAINS / best,
               (double)b->new_tokens / best, (long long)stats.tokens_computed, (long long)stats.tokens_shared);
        fflush(stdout);
    }
    return AP_OK;
}

static ap_status make_random_model(const char *dir, struct ap_err *err)
{
    struct ap_vocabulary made;
    struct ap_model *m = NULL;
    char *words = NULL;
    AP_TRY(ap__data_find("models/vocabulary/words.txt", &words, err));
    ap_status status = ap__vocabulary_write(words, dir, &made, err);
    ap__free(words);
    AP_TRY(status);
    struct ap_config shape = {.D = 128, .L = 3, .H = 4, .Hkv = 2, .Dh = 32, .F = 352, .V = made.size, .max_position = 2048,
                              .theta = 10000.0f, .eps = 1e-5f, .tied = true, .bos = -1, .eos = made.end};
    AP_TRY(ap__model_new(&shape, 1, &m, err));
    status = ap__model_save(m, dir, AP_F32, err);
    ap__model_free(m);
    return status;
}

static void remove_model(const char *dir)
{
    static const char *const files[] = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = ap__path_join(dir, files[i]);
        if (path)
            unlink(path);
        ap__free(path);
    }
    rmdir(dir);
}

static ap_status bench(struct bench *b, struct ap_err *err)
{
    char random_dir[] = "/tmp/bench-rollout-XXXXXX";
    bool random = b->model.dir == NULL;
    if (random) {
        if (!mkdtemp(random_dir))
            return ap__fail_errno(err, random_dir, "cannot make a folder");
        b->model.dir = random_dir;
    }
    ap_status status = random ? make_random_model(random_dir, err) : AP_OK;
    if (status == AP_OK)
        status = ap__task_open("math-word", &b->task, err);
    if (status == AP_OK)
        status = ap__task_problems(b->task, AP_HELDOUT, 1, 0, PROBLEMS, &b->problems, err);
    puts("mode,in_flight,chains,seconds,cpu_seconds,chains_per_second,new_tokens_per_second,tokens_computed,tokens_shared");
    if (status == AP_OK)
        status = measure(b, "script", run_script, err);
    if (status == AP_OK && !random)
        status = measure(b, "agent", run_agent, err);
    ap__problems_deinit(&b->problems);
    ap__task_free(b->task);
    if (random)
        remove_model(random_dir);
    return status;
}

int main(int argc, char **argv)
{
    struct bench b = {.model = {.dir = argc > 1 ? argv[1] : NULL, .adapter = argc > 2 ? argv[2] : NULL}};
    struct ap_err err = {0};
    if (bench(&b, &err) == AP_OK)
        return 0;
    fprintf(stderr, "bench_rollout: %s: %s\n", err.place, err.message);
    return 1;
}
