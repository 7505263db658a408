/* teacher_server.h - for tests that ask hostile_teacher: started and ended with the group, its counts, an agent on it.
 * The including file has cmocka's headers already. */
#ifndef AP_TEST_TEACHER_SERVER_H
#define AP_TEST_TEACHER_SERVER_H

#include "agent/agent.h"
#include "base/file.h"
#include "llm/remote.h"
#include "testing.h"

#include <curl/curl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

AP_TEST_HELPER struct {
    pid_t pid;
    int in;   /* closing it ends the server */
    int port;
} server;

AP_TEST_HELPER int start_server(void **state)
{
    int in[2], out[2];
    char line[32] = "";
    (void)state;
    if (pipe(in) != 0 || pipe(out) != 0)
        return -1;
    server.pid = fork();
    if (server.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[0]), close(in[1]), close(out[0]), close(out[1]);
        execl(AP_TEST_PROGRAMS "/hostile_teacher", "hostile_teacher", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    server.in = in[1];
    ssize_t n = read(out[0], line, sizeof line - 1);
    close(out[0]);
    return n > 0 && sscanf(line, "port %d", &server.port) == 1 ? 0 : -1;
}

AP_TEST_HELPER int end_server(void **state)
{
    (void)state;
    close(server.in);
    return waitpid(server.pid, NULL, 0) == server.pid ? 0 : -1;
}

/* "http://127.0.0.1:PORT/SETTINGS/v1"; overwritten by the next. */
AP_TEST_HELPER const char *address(const char *settings)
{
    static char url[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s/v1", server.port, settings);
    return url;
}

AP_TEST_HELPER size_t take_body(char *data, size_t one, size_t n, void *buf)
{
    (void)one;
    return ap__buf_add(buf, data, n) == AP_OK ? n : 0;
}

/* GET /count or /reset. */
AP_TEST_HELPER json_t *server_get(const char *what)
{
    char url[64];
    struct ap_buf body;
    json_t *json = NULL;
    ap__buf_init(&body, 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", server.port, what);
    CURL *e = curl_easy_init();
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, &body);
    assert_int_equal(curl_easy_perform(e), CURLE_OK);
    curl_easy_cleanup(e);
    OK(ap__json_parse(ap__buf_cstr(&body), body.len, "server", &json, err));
    ap__buf_deinit(&body);
    return json;
}

AP_TEST_HELPER long counted(const json_t *count, const char *key)
{
    return (long)json_integer_value(json_object_get(count, key));
}

AP_TEST_HELPER int reset_server(void **state)
{
    if (make_dir(state) != 0)
        return -1;
    json_decref(server_get("reset"));
    return 0;
}

/* Quick to fail, for tests. */
AP_TEST_HELPER struct ap_remote_options quick_options(const char *settings)
{
    struct ap_remote_options how = ap__remote_defaults();
    how.url = address(settings);
    how.form.model = "m";
    how.backoff = 0.01;
    how.timeout = 20;
    return how;
}

/* ---- an agent whose questions are "steps=N" ---- */

struct outcomes {
    struct ap_chain *chain; /* (n,) by the job's tag */
    int32_t n;
};

AP_TEST_HELPER ap_status keep_outcome(void *user, const struct ap_agent_job *job, struct ap_chain *chain,
                                      struct ap_err *err)
{
    struct outcomes *all = user;
    (void)err;
    all->chain[job->tag] = *chain;
    ap__chain_init(chain);
    all->n++;
    return AP_OK;
}

/* n chains of `steps` calls and an answer; temperature 1, so that no two requests are the same. */
AP_TEST_HELPER ap_status run_chains(struct ap_llm *llm, int32_t n, const char *question, int32_t in_flight,
                                    struct outcomes *out, struct ap_err *err)
{
    static const char *const sets[] = {"math"};
    struct ap_registry *functions = NULL;
    struct ap_agent_job *job = ap__alloc_array((size_t)n, sizeof *job);
    *out = (struct outcomes){.chain = ap__alloc_array((size_t)n, sizeof *out->chain)};
    for (int32_t i = 0; i < n; i++) {
        ap__chain_init(&out->chain[i]);
        job[i] = (struct ap_agent_job){.tag = (uint64_t)i, .question = question, .seed = 1, .key = (uint64_t)i,
                                       .sampling = {.temperature = 1, .top_p = 1}};
    }
    ap_status status = ap__registry_select(sets, 1, &functions, err);
    struct ap_agent_config config = {.prompt = "Use the functions.", .functions = functions, .max_steps = 30,
                                     .max_bad_calls = 2, .max_call_tokens = 64, .in_flight = in_flight};
    if (status == AP_OK)
        status = ap__agent_run(llm, &config, job, n, keep_outcome, NULL, out, err);
    ap__registry_free(functions);
    ap__free(job);
    return status;
}

AP_TEST_HELPER void free_outcomes(struct outcomes *all, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        ap__chain_deinit(&all->chain[i]);
    ap__free(all->chain);
}

#endif
