/* folder.c - copies a model folder's tokenizer files. */
#include "model/folder.h"

#include "base/file.h"

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

ap_status ap__folder_copy_tokenizer(const char *from, const char *to, struct ap_err *err)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                        "generation_config.json"};
    AP_TRY(ap__mkdirs(to, err));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        AP_TRY(copy_if_there(from, to, names[i], err));
    return AP_OK;
}
