/* convert.c - opens one kind of file, writes the other. */
#include "model/convert.h"

#include "base/file.h"
#include "base/text.h"
#include "model/folder.h"
#include "model/llama2c.h"
#include "model/save.h"
#include "model/save_gguf.h"
#include "model/source.h"

#include <string.h>

/* "models/student/" is called student, "x/y.gguf" y. */
static void name_of(const char *path, char out[128])
{
    size_t len = strlen(path), start;
    while (len > 1 && path[len - 1] == '/')
        len--;
    for (start = len; start > 0 && path[start - 1] != '/';)
        start--;
    if (len - start > 5 && memcmp(path + len - 5, ".gguf", 5) == 0)
        len -= 5;
    len = len - start < 127 ? len - start : 127;
    memcpy(out, path + start, len);
    out[len] = '\0';
}

static ap_status convert_model(const struct ap_convert *c, bool *same_text, struct ap_err *err)
{
    struct ap_model *m = NULL;
    char name[128];
    bool gguf = ap__ends_with(c->out, ".gguf");
    AP_TRY(ap__model_open(c->in, NULL, &m, err));
    enum ap_dtype stored = ap__source_dtype(m->source);
    bool plain = ap__dtype_size(stored) > 0 || (gguf && stored == AP_Q8_0);
    enum ap_dtype dtype = c->cast ? c->dtype : plain ? stored : AP_F32;
    ap_status status;
    if (gguf) {
        name_of(c->in, name);
        status = ap__model_save_gguf(m, c->out, name, c->in, dtype, same_text, err);
    } else {
        status = ap__model_save_as(m, c->out, &(struct ap_save_options){.cast = true, .dtype = dtype}, err);
        if (status == AP_OK)
            status = ap__folder_copy_tokenizer(c->in, c->out, err);
    }
    ap__model_free(m);
    return status;
}

ap_status ap__model_convert(const struct ap_convert *c, bool *same_text, struct ap_err *err)
{
    *same_text = true;
    if (!ap__ends_with(c->in, ".bin"))
        return convert_model(c, same_text, err);
    if (c->tokenizer == NULL)
        return ap__fail(err, AP_E_ARG, c->in, "a checkpoint of llama2.c needs its tokenizer.bin beside it (--tokenizer)");
    if (ap__ends_with(c->out, ".gguf") || (c->cast && c->dtype != AP_F32))
        return ap__fail(err, AP_E_ARG, c->out, "a checkpoint of llama2.c is converted to a folder in F32 first");
    return ap__llama2c_convert(c->in, c->tokenizer, c->out, err);
}
