/* convert.h - the same model in another kind of file.
 *
 *     DIR or FILE.gguf --> DIR (safetensors) or FILE.gguf          llama2.c's model.bin --> DIR */
#ifndef AP_CONVERT_H
#define AP_CONVERT_H

#include "tensor/dtype.h"
#include "base/status.h"

struct ap_convert {
    const char *in, *out;  /* out: a path that ends in .gguf, or a folder */
    const char *tokenizer; /* of llama2.c's model.bin: its tokenizer.bin */
    bool cast;             /* write matrices in dtype; else as they are stored, or F32 if that is in blocks */
    enum ap_dtype dtype;
};
/* *same_text: as in gguf_write.h when a GGUF file was written, else true. */
ap_status ap__model_convert(const struct ap_convert *c, bool *same_text, struct ap_err *err) AP_MUST_CHECK;

#endif
