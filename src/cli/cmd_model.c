/* cmd_model.c - `apprentice model`: make, describe, deepen and convert models. */
#include "base/data.h"
#include "cli/command.h"
#include "cli/model_info.h"
#include "model/convert.h"
#include "model/grow.h"
#include "model/model_export.h"
#include "model/vocabulary.h"

#include <stdio.h>
#include <string.h>

static const char *words = "models/vocabulary/words.txt", *out_dir, *dtype, *tokenizer;
static int64_t hidden = 128, layers = 4, heads = 4, kv_heads = 2, ffn = 352, context = 2048, seed = 1;
static bool as_json;

static const struct ap_option options[] = {
    AP_OPTION_GROUP("new: a random model with the bundled vocabulary"),
    AP_OPTION_STR("vocabulary", "FILE", &words, "list of whole-word tokens (default: models/vocabulary/words.txt)"),
    AP_OPTION_INT("hidden", 8, 65536, &hidden, "model width D (default: 128)"),
    AP_OPTION_INT("layers", 1, 1024, &layers, "layers L (default: 4); grow: how many there shall be"),
    AP_OPTION_INT("heads", 1, 1024, &heads, "query heads H (default: 4)"),
    AP_OPTION_INT("kv-heads", 1, 1024, &kv_heads, "key/value heads Hkv (default: 2)"),
    AP_OPTION_INT("ffn", 8, 1048576, &ffn, "feed-forward width F (default: 352)"),
    AP_OPTION_INT("context", 16, 1048576, &context, "longest context in tokens (default: 2048)"),
    AP_OPTION_INT("seed", 0, INT64_MAX, &seed, "of the random weights (default: 1)"),
    AP_OPTION_GROUP("grow, convert"),
    AP_OPTION_STR("out", "DIR", &out_dir, "where the grown or converted model is written"),
    AP_OPTION_GROUP("convert: between folders and .gguf files, whichever --out names"),
    AP_OPTION_STR("dtype", "NAME", &dtype, "f32, bf16, f16, and q8_0 for GGUF (default: as it is stored)"),
    AP_OPTION_STR("tokenizer", "FILE", &tokenizer, "tokenizer.bin of a llama2.c checkpoint, model.bin"),
    AP_OPTION_GROUP("info"),
    AP_OPTION_FLAG("json", &as_json, "as one JSON object"),
    AP_OPTION_END,
};

static ap_status make_new(const char *dir, struct ap_err *err)
{
    char *list = NULL;
    struct ap_vocabulary made;
    struct ap_model *model = NULL;
    AP_TRY(ap__data_find(words, &list, err));
    ap_status status = ap__vocabulary_write(list, dir, &made, err);
    ap__free(list);
    AP_TRY(status);
    struct ap_config config = {
        .D = (int32_t)hidden, .L = (int32_t)layers, .H = (int32_t)heads, .Hkv = (int32_t)kv_heads,
        .Dh = (int32_t)(hidden / heads), .F = (int32_t)ffn, .V = made.size, .max_position = (int32_t)context,
        .theta = 10000.0f, .eps = 1e-5f, .tied = true, .bos = -1, .eos = made.end};
    status = ap__model_new(&config, (uint64_t)seed, &model, err);
    if (status == AP_OK)
        status = ap__model_save(model, dir, AP_F32, err);
    if (status == AP_OK)
        fprintf(stderr, "%s: %lld parameters, %d tokens\n", dir, (long long)ap__model_parameters(model), made.size);
    ap__model_free(model);
    return status;
}

static ap_status show_info(const char *name, struct ap_err *err)
{
    char *path = NULL;
    AP_TRY(ap__data_find(name, &path, err));
    ap_status status = ap__model_info(path, as_json, err);
    ap__free(path);
    return status;
}

static ap_status convert(const char *name, struct ap_err *err)
{
    char *in = NULL;
    bool same_text = true;
    struct ap_convert c = {.out = out_dir, .tokenizer = tokenizer, .cast = dtype != NULL};
    if (dtype != NULL && !ap__export_dtype_read(dtype, &c.dtype))
        return ap__fail(err, AP_E_ARG, "--dtype", "is f32, f16, bf16 or q8_0, got `%s`", dtype);
    AP_TRY(ap__data_find(name, &in, err));
    c.in = in;
    ap_status status = ap__model_convert(&c, &same_text, err);
    if (status == AP_OK && !same_text)
        fprintf(stderr, "%s: llama.cpp does not know how this tokenizer cuts text; it needs token ids from `apprentice "
                        "tokenize`\n", out_dir);
    ap__free(in);
    return status;
}

static ap_status grow(const char *name, struct ap_err *err)
{
    char *dir = NULL;
    AP_TRY(ap__data_find(name, &dir, err));
    ap_status status = ap__model_grow(dir, (int32_t)layers, out_dir, err);
    ap__free(dir);
    return status;
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err;
    ap_status status;
    int code = ap__options_parse(&ap__cmd_model, argc, argv, 2, 2, &args);
    if (code >= 0)
        return code;
    if (strcmp(args.v[0], "new") == 0) {
        if (hidden % heads != 0 || heads % kv_heads != 0)
            return ap__usage_fail(&ap__cmd_model, "--hidden must divide by --heads, and --heads by --kv-heads");
        status = make_new(args.v[1], &err);
    } else if (strcmp(args.v[0], "info") == 0) {
        status = show_info(args.v[1], &err);
    } else if (strcmp(args.v[0], "grow") == 0) {
        if (out_dir == NULL)
            return ap__usage_fail(&ap__cmd_model, "grow needs --layers and --out");
        status = grow(args.v[1], &err);
    } else if (strcmp(args.v[0], "convert") == 0) {
        if (out_dir == NULL)
            return ap__usage_fail(&ap__cmd_model, "convert needs --out");
        status = convert(args.v[1], &err);
    } else {
        return ap__usage_fail(&ap__cmd_model, "the action is new, info, grow or convert, got `%s`", args.v[0]);
    }
    return status == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_model = {
    .name = "model",
    .summary = "make, describe, deepen and convert models",
    .usage = "new DIR | info DIR | grow DIR --layers N --out DIR | "
             "convert MODEL --out DIR|FILE.gguf",
    .options = options,
    .example = "apprentice model info models/student\n"
               "apprentice model convert models/student --out student.gguf --dtype q8_0",
    .run = run,
};
