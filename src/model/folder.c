/* folder.c - copies a model folder's tokenizer files, or writes those of a GGUF file. */
#include "model/folder.h"

#include "base/file.h"
#include "model/gguf.h"
#include "model/tokenizer_files.h"

#include <stdlib.h>
#include <string.h>

static ap_status copy_if_there(const char *from, const char *to, const char *name, struct ap_err *err)
{
    struct ap_map map = {0};
    char *source = ap__path_join(from, name), *target = ap__path_join(to, name);
    ap_status status = source != NULL && target != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, name, "no memory for a path");
    if (status == AP_OK && ap__file_exists(source)) {
        status = ap__map_open(source, &map, err);
        if (status == AP_OK)
            status = ap__file_write(target, map.data, map.size, err);
        ap__map_close(&map);
    }
    ap__free(target);
    ap__free(source);
    return status;
}

static ap_status write_json(const json_t *value, const char *to, const char *name, struct ap_err *err)
{
    char *path = ap__path_join(to, name), *text = json_dumps(value, JSON_INDENT(1));
    ap_status status = path != NULL && text != NULL ? ap__file_write(path, text, strlen(text), err)
                                                    : ap__fail(err, AP_E_MEMORY, name, "out of memory");
    free(text);
    ap__free(path);
    return status;
}

ap_status ap__folder_write_tokenizer(const json_t *tokenizer, const json_t *config, const char *to, struct ap_err *err)
{
    AP_TRY(ap__mkdirs(to, err));
    AP_TRY(write_json(tokenizer, to, "tokenizer.json", err));
    return write_json(config, to, "tokenizer_config.json", err);
}

/* A GGUF file has no such files; they are made from its metadata. */
static ap_status write_from_gguf(const char *from, const char *to, struct ap_err *err)
{
    json_t *tokenizer = NULL, *config = NULL;
    char *place = NULL;
    ap_status status = ap__tokenizer_files_load(from, &tokenizer, &place, err);
    if (status == AP_OK)
        status = ap__tokenizer_files_config(from, &config, err);
    if (status == AP_OK)
        status = ap__folder_write_tokenizer(tokenizer, config, to, err);
    json_decref(config);
    json_decref(tokenizer);
    ap__free(place);
    return status;
}

ap_status ap__folder_copy_tokenizer(const char *from, const char *to, struct ap_err *err)
{
    static const char *const names[] = {"tokenizer.json",      "tokenizer_config.json", "special_tokens_map.json",
                                        "added_tokens.json",   "chat_template.jinja",   "generation_config.json",
                                        "vocab.json",          "merges.txt",            "tokenizer.model"};
    AP_TRY(ap__mkdirs(to, err));
    if (ap__gguf_is(from))
        return write_from_gguf(from, to, err);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        AP_TRY(copy_if_there(from, to, names[i], err));
    return AP_OK;
}
