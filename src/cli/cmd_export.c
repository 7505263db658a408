/* cmd_export.c - `apprentice export`: a trained model to the files that other programs load.
 *
 *     RUN (student + RUN/dpo) or MODEL (+ --adapter) --> write --> verify --> one line each on stdout */
#include "base/data.h"
#include "base/file.h"
#include "cli/stage.h"
#include "model/model_export.h"
#include "run/probe.h"

#include <stdio.h>

static const char *format = "hf", *dtype, *adapter, *base_dtype, *out_path;
static double shard_gb = 5.0;
static bool verify, only_verify;

static const struct ap_option options[] = {
    AP_OPTION_GROUP("What is written\n"
                    "  hf         the merged model as a Hugging Face folder, in the base's layout (transformers, vLLM)\n"
                    "  peft       the adapter (PEFT, vLLM)\n"
                    "  gguf       the merged model as one file (llama.cpp)\n"
                    "  gguf-lora  the adapter as one file (llama.cpp's --lora)"),
    AP_OPTION_STR("format", "NAME", &format, "hf, peft, gguf or gguf-lora (default: hf)"),
    AP_OPTION_STR("dtype", "NAME", &dtype, "f32, bf16, f16, for gguf also q8_0 (default: as the base is stored)"),
    AP_OPTION_STR("out", "PATH", &out_path, "folder (hf, peft) or file (gguf, gguf-lora)"),
    AP_OPTION_FLOAT("max-shard", 0.001, 1e6, &shard_gb, "hf, of a base in one file: gigabytes per file (default: 5)"),
    AP_OPTION_GROUP("What was trained"),
    AP_OPTION_STR("adapter", "DIR", &adapter, "the adapter (default: a run's RUN/dpo, a model's none)"),
    AP_OPTION_STR("base-dtype", "NAME", &base_dtype,
                  "what the linears were held in, and are merged into (default: the run's, else as stored)"),
    AP_OPTION_GROUP("Proof\n"
                    "  What was written is loaded again and compared with the trained model (base and adapter, not\n"
                    "  merged): its shape, every weight after the rounding of its dtype, and the logits on the run's\n"
                    "  chains, or on generated ones. A mismatch is an error."),
    AP_OPTION_FLAG("verify", &verify, "after writing"),
    AP_OPTION_FLAG("only-verify", &only_verify, "write nothing, verify what is at --out"),
    AP_OPTION_END,
};

/* What an export holds; released in one place. */
struct exporting {
    struct ap_export e;
    struct ap_run run;
    bool has_run;
    char *base, *adapter;
    struct ap_probe probe;
};

/* The run's student, its adapter and the dtype it was trained in, as far as the options do not say otherwise. */
static ap_status locate_run(struct exporting *x, const char *dir, struct ap_err *err)
{
    AP_TRY(ap__run_open(dir, &x->run, err));
    x->has_run = true;
    if (base_dtype == NULL)
        base_dtype = x->run.recipe.student.base_dtype;
    x->base = ap__strdup(x->run.student);
    x->adapter = adapter != NULL ? ap__strdup(adapter) : ap__path_join(dir, "dpo");
    if (x->base == NULL || x->adapter == NULL)
        return ap__fail(err, AP_E_MEMORY, dir, "no memory for a path");
    x->e.base_name = x->run.recipe.student.model;
    if (adapter == NULL && !ap__dir_exists(x->adapter))
        return ap__fail(err, AP_E_STATE, dir, "nothing has been trained yet; run `apprentice train %s` first", dir);
    return AP_OK;
}

static ap_status locate_model(struct exporting *x, const char *name, struct ap_err *err)
{
    AP_TRY(ap__data_find(name, &x->base, err));
    x->e.base_name = name;
    x->adapter = ap__strdup(adapter);
    return adapter == NULL || x->adapter != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, name, "no memory for a path");
}

static bool is_run(const char *dir)
{
    char *store = ap__path_join(dir, "run.db");
    bool yes = store != NULL && ap__file_exists(store);
    ap__free(store);
    return yes;
}

static ap_status locate(struct exporting *x, const char *name, struct ap_err *err)
{
    AP_TRY(is_run(name) ? locate_run(x, name, err) : locate_model(x, name, err));
    AP_TRY(ap__base_dtype_read(base_dtype, "--base-dtype", &x->e.held, err));
    x->e.base = x->base;
    x->e.adapter = x->adapter;
    x->e.out = out_path;
    x->e.shard_bytes = (int64_t)(shard_gb * 1e9);
    x->e.cast = dtype != NULL;
    return dtype == NULL || ap__export_dtype_read(dtype, &x->e.dtype)
               ? AP_OK
               : ap__fail(err, AP_E_ARG, "--dtype", "is f32, bf16, f16 or q8_0, got `%s`", dtype);
}

static ap_status prove(struct exporting *x, struct ap_err *err)
{
    struct ap_export_check c;
    AP_TRY(ap__probe_make(x->has_run ? &x->run : NULL, x->base, &x->probe, err));
    AP_TRY(ap__export_verify(&x->e, x->probe.seq, x->probe.n, &c, err));
    printf("verified: %lld weights are those of the trained model in %s; on %d %s (%lld tokens) logits differ by "
           "%.2g %% (allowed: %g %%), the largest difference is %.3g of %.3g, another token is the likeliest at %lld\n",
           (long long)c.weights, ap__dtype_name(c.dtype), x->probe.n, x->probe.from, (long long)c.tokens,
           100.0 * c.error, 100.0 * c.ceiling, c.difference, c.largest, (long long)c.other_choice);
    return AP_OK;
}

static ap_status export_model(struct exporting *x, const char *name, struct ap_err *err)
{
    bool same_text;
    AP_TRY(locate(x, name, err));
    if (!only_verify) {
        AP_TRY(ap__export_write(&x->e, &same_text, err));
        if (!same_text)
            fprintf(stderr, "%s: llama.cpp does not know how this tokenizer cuts text; it needs token ids from "
                            "`apprentice tokenize`\n", out_path);
        printf("%s: %s of %s\n", out_path, ap__export_format_name(x->e.format), name);
    }
    return verify || only_verify ? prove(x, err) : AP_OK;
}

static ap_status release(struct exporting *x, ap_status status, struct ap_err *err)
{
    ap__probe_deinit(&x->probe);
    ap__free(x->adapter);
    ap__free(x->base);
    return x->has_run ? ap__stage_close(&x->run, status, err) : status;
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err;
    struct exporting x = {0};
    int code = ap__options_parse(&ap__cmd_export, argc, argv, 1, 1, &args);
    if (code >= 0)
        return code;
    if (out_path == NULL)
        return ap__usage_fail(&ap__cmd_export, "say with --out where it is written");
    if (!ap__export_format_read(format, &x.e.format))
        return ap__usage_fail(&ap__cmd_export, "--format is hf, peft, gguf or gguf-lora, got `%s`", format);
    return release(&x, export_model(&x, args.v[0], &err), &err) == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_export = {
    .name = "export",
    .summary = "write a trained model for transformers, PEFT, vLLM and llama.cpp, and verify it",
    .usage = "RUN_FOLDER | MODEL [--adapter DIR] --format NAME --out PATH [--dtype NAME] [--verify]",
    .options = options,
    .example = "apprentice export runs/demo-1 --out merged --verify\n"
               "  apprentice export runs/demo-1 --format gguf --dtype q8_0 --out student.gguf --verify\n"
               "  apprentice export models/student --adapter runs/demo-1/control --format peft --out adapter",
    .run = run,
};
