/* prompt.c - what the model reads before its first call, and gold chains in the same form.
 *
 *     system     prompt, newline, help of the functions    \
 *     assistant  bootstrap call      (scaffold)             | prefix: the same for all questions of a task
 *     tool       its result          (scaffold)            /
 *     user       the question
 *     assistant  call <|end|>   tool result   assistant call <|end|> ...   assistant Answer(...) <|end|>
 *
 * Templates that show functions get them as tools instead of the help.  Models
 * that were not made by us are told how a chain goes.
 *
 * A tool message gets its tokens when the next call is cued, here as in a live
 * chain, so neither has tokens for the observation of the last call. */
#include "agent/agent.h"

#include <string.h>

#define ONE_CALL "Every message of yours is exactly one function call. Its result follows, then the next call is yours. "

/* How functions and calls are shown to a model. */
struct manner {
    enum ap_call_form form;
    bool explain;
};

static struct manner manner_of(const struct ap_template *tmpl)
{
    return tmpl ? (struct manner){.form = ap__template_form(tmpl), .explain = !ap__template_ours(tmpl)}
                : (struct manner){.form = AP_FORM_TEXT};
}

/* How a chain goes, for models that were not taught it; our own know. */
static const char *rules_for(struct manner manner)
{
    if (!manner.explain)
        return "";
    return manner.form == AP_FORM_TEXT
               ? ONE_CALL "Write nothing but the call, like the examples below; call Answer when you are done.\n"
               : ONE_CALL "Call Answer when you are done.";
}

static ap_status add_system(const struct ap_agent_config *config, struct manner manner, struct ap_conversation *out,
                            struct ap_err *err)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap__buf_puts(&text, config->prompt);
    ap__buf_putc(&text, '\n');
    ap__buf_puts(&text, rules_for(manner));
    if (out->form == AP_FORM_TEXT)
        ap__registry_help(config->functions, &text);
    ap_status status = text.failed
                           ? ap__fail(err, AP_E_MEMORY, NULL, "no memory for the prompt")
                           : ap__conversation_take(out, AP_SYSTEM, ap__buf_take(&text), false, err);
    ap__buf_deinit(&text);
    return status;
}

/* Functions that the template shows itself. */
static ap_status add_tools(const struct ap_agent_config *config, struct manner manner, struct ap_conversation *out,
                           struct ap_err *err)
{
    out->form = manner.form;
    if (out->form == AP_FORM_TEXT)
        return AP_OK;
    out->functions = config->functions;
    out->tools = ap__registry_schema(config->functions);
    return out->tools ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "no memory for the functions' schemas");
}

static ap_status add_example(struct ap_env *env, const char *call, struct ap_conversation *out, struct ap_err *err)
{
    struct ap_call_result result = {0};
    AP_TRY(ap__env_call(env, call, strlen(call), &result, err));
    ap_status status = AP_OK;
    if (result.error)
        status = ap__fail(err, AP_E_ARG, NULL, "bootstrap call `%.80s` fails: %s", call, result.text);
    if (status == AP_OK)
        status = ap__conversation_add_call(out, call, true, err);
    if (status == AP_OK)
        status = ap__conversation_add(out, AP_TOOL, result.text, true, err);
    ap__call_result_deinit(&result);
    return status;
}

static ap_status add_bootstrap(const struct ap_agent_config *config, struct ap_conversation *out, struct ap_err *err)
{
    if (config->bootstrap_count == 0)
        return AP_OK;
    struct ap_env *env = NULL;
    AP_TRY(ap__env_new(config->functions, &env, err));
    ap_status status = AP_OK;
    for (int32_t i = 0; i < config->bootstrap_count && status == AP_OK; i++)
        status = add_example(env, config->bootstrap[i], out, err);
    ap__env_free(env);
    return status;
}

static ap_status build_prefix(const struct ap_agent_config *config, struct manner manner, struct ap_conversation *out,
                              struct ap_err *err)
{
    *out = (struct ap_conversation){0};
    ap_status status = add_tools(config, manner, out, err);
    if (status == AP_OK)
        status = add_system(config, manner, out, err);
    if (status == AP_OK)
        status = add_bootstrap(config, out, err);
    if (status != AP_OK)
        ap__conversation_deinit(out);
    return status;
}

ap_status ap__prompt_prefix(const struct ap_agent_config *config, const struct ap_template *tmpl,
                            struct ap_conversation *out, struct ap_err *err)
{
    return build_prefix(config, manner_of(tmpl), out, err);
}

ap_status ap__prompt_prefix_for(const struct ap_agent_config *config, const struct ap_llm *llm,
                                struct ap_conversation *out, struct ap_err *err)
{
    struct manner manner = llm->tmpl ? manner_of(llm->tmpl) : (struct manner){llm->form, llm->explain};
    return build_prefix(config, manner, out, err);
}

/* One call of a given chain: its message with tokens, its step, and its observation, yet without tokens. */
static ap_status render_call(struct ap_env *env, const struct ap_template *tmpl, const char *call,
                             struct ap_conversation *c, struct ap_chain *chain, struct ap_err *err)
{
    struct ap_call_result result = {0};
    AP_TRY(ap__conversation_add_call(c, call, false, err));
    AP_TRY(ap__conversation_encode(c, tmpl, err));
    size_t first = c->tokens.n;
    while (first > 0 && c->tokens.role[first - 1] == AP_TOKEN_CALL)
        first--;
    ap_status status = ap__env_call(env, call, strlen(call), &result, err);
    if (status == AP_OK)
        status = ap__conversation_add(c, AP_TOOL, result.text, false, err);
    if (status == AP_OK)
        status = ap__chain_add_step(chain, call, &result, (int32_t)first, (int32_t)(c->tokens.n - first), err);
    ap__call_result_deinit(&result);
    return status;
}

static ap_status render_all(struct ap_env *env, const struct ap_template *tmpl, const char *const *calls, int32_t n,
                            struct ap_conversation *c, struct ap_chain *chain, bool *ok, struct ap_err *err)
{
    *ok = true;
    for (int32_t i = 0; i < n; i++) {
        if (chain->answer) {
            *ok = false;
            break;
        }
        AP_TRY(render_call(env, tmpl, calls[i], c, chain, err));
        *ok = *ok && !chain->step[i].error;
    }
    chain->end = chain->answer ? AP_END_ANSWER : AP_END_STEPS;
    chain->tokens = c->tokens;
    c->tokens = (struct ap_tokens){0};
    return AP_OK;
}

ap_status ap__prompt_render_after(const struct ap_conversation *prefix, const struct ap_registry *functions,
                                  const struct ap_template *tmpl, const char *question, const char *const *calls,
                                  int32_t n, struct ap_chain *out, bool *ok, struct ap_err *err)
{
    struct ap_env *env = NULL;
    struct ap_conversation c = {0};
    ap__chain_init(out);
    ap_status status = ap__env_new(functions, &env, err);
    if (status == AP_OK)
        status = ap__conversation_copy(prefix, &c, err);
    if (status == AP_OK)
        status = ap__conversation_add(&c, AP_USER, question, false, err);
    if (status == AP_OK)
        status = render_all(env, tmpl, calls, n, &c, out, ok, err);
    if (status != AP_OK)
        ap__chain_deinit(out);
    ap__conversation_deinit(&c);
    ap__env_free(env);
    return status;
}
