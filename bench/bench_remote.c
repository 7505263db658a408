/* bench_remote.c - how near chains on a remote server come to its latency alone.
 *
 *     tests/hostile_teacher </dev/zero &             prints "port N"
 *     bench_remote http://127.0.0.1:N > remote.csv
 *
 * 256 chains of 20 calls and an answer, all in flight, against 200 ms of latency:
 * ideal is 21 times 200 ms.  And without latency: requests per second and the
 * processor time that one costs us.  Best of three.
 * CSV: latency_ms,in_flight,requests,seconds,ideal_share,cpu_seconds,requests_per_second */
#include "agent/agent.h"
#include "base/progress.h"
#include "llm/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CHAINS = 256, STEPS = 20, REPEATS = 3 };

static ap_status count_answer(void *user, const struct ap_agent_job *job, struct ap_chain *chain, struct ap_err *err)
{
    int *answers = user;
    (void)job;
    (void)err;
    *answers += chain->end == AP_END_ANSWER && chain->n == STEPS + 1;
    return AP_OK;
}

static ap_status run_once(const char *url, const struct ap_agent_config *config, int32_t in_flight, double *seconds,
                          double *cpu, struct ap_err *err)
{
    char question[32];
    int answers = 0;
    struct ap_llm *llm = NULL;
    struct ap_agent_job job[CHAINS];
    struct ap_remote_options how = ap__remote_defaults();
    how.url = url;
    how.form.model = "m";
    how.in_flight = in_flight;
    snprintf(question, sizeof question, "steps=%d", STEPS);
    for (int i = 0; i < CHAINS; i++)
        job[i] = (struct ap_agent_job){.tag = (uint64_t)i, .question = question, .seed = 1, .key = (uint64_t)i,
                                       .sampling = {.temperature = 1, .top_p = 1}};
    AP_TRY(ap__llm_remote_open(&how, &llm, err));
    double started = ap__now();
    clock_t before = clock();
    ap_status status = ap__agent_run(llm, config, job, CHAINS, count_answer, NULL, &answers, err);
    *seconds = ap__now() - started;
    *cpu = (double)(clock() - before) / CLOCKS_PER_SEC;
    llm->ops->free(llm);
    if (status == AP_OK && answers != CHAINS)
        return ap__fail(err, AP_E_STATE, url, "%d of %d chains came to their answer", answers, CHAINS);
    return status;
}

static ap_status measure(const char *base, int latency, const struct ap_agent_config *config, struct ap_err *err)
{
    char url[256];
    double best = 1e9, best_cpu = 0;
    snprintf(url, sizeof url, "%s/latency=%d/v1", base, latency);
    for (int i = 0; i < REPEATS; i++) {
        double seconds, cpu;
        AP_TRY(run_once(url, config, CHAINS, &seconds, &cpu, err));
        if (seconds < best) {
            best = seconds;
            best_cpu = cpu;
        }
    }
    int requests = CHAINS * (STEPS + 1);
    printf("%d,%d,%d,%.3f,%.3f,%.3f,%.0f\n", latency, CHAINS, requests, best, (STEPS + 1) * latency / 1000.0 / best,
           best_cpu, requests / best);
    return AP_OK;
}

int main(int argc, char **argv)
{
    static const char *const sets[] = {"math"};
    struct ap_registry *functions = NULL;
    struct ap_err err = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: bench_remote http://127.0.0.1:PORT (of tests/hostile_teacher)\n");
        return 2;
    }
    ap_status status = ap__registry_select(sets, 1, &functions, &err);
    struct ap_agent_config config = {.prompt = "Use the functions.", .functions = functions, .max_steps = STEPS + 1,
                                     .max_bad_calls = 1, .max_call_tokens = 64, .in_flight = CHAINS};
    puts("latency_ms,in_flight,requests,seconds,ideal_share,cpu_seconds,requests_per_second");
    if (status == AP_OK)
        status = measure(argv[1], 200, &config, &err);
    if (status == AP_OK)
        status = measure(argv[1], 0, &config, &err);
    ap__registry_free(functions);
    if (status != AP_OK)
        fprintf(stderr, "bench_remote: %s: %s\n", err.place, err.message);
    return status == AP_OK ? 0 : 1;
}
