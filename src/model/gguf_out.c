/* gguf_out.c - the bytes of gguf.c's diagram, from left to right. */
#include "model/gguf_out.h"

#include <string.h>

void ap__gguf_out_deinit(struct ap_gguf_out *o)
{
    ap__replace_abandon(&o->file);
    ap__buf_deinit(&o->infos);
    ap__buf_deinit(&o->meta);
}

/* ------------------------------------------------------------------ metadata */

static void add_u32(struct ap_buf *b, uint32_t value)
{
    ap__buf_add(b, &value, sizeof value);
}

static void add_u64(struct ap_buf *b, uint64_t value)
{
    ap__buf_add(b, &value, sizeof value);
}

static void add_text(struct ap_buf *b, const char *text, size_t len)
{
    add_u64(b, len);
    ap__buf_add(b, text, len);
}

static void add_key(struct ap_gguf_out *o, const char *key, enum ap_gguf_type type)
{
    add_text(&o->meta, key, strlen(key));
    add_u32(&o->meta, (uint32_t)type);
    o->keys++;
}

void ap__gguf_put_u32(struct ap_gguf_out *o, const char *key, uint32_t value)
{
    add_key(o, key, AP_GGUF_U32);
    add_u32(&o->meta, value);
}

void ap__gguf_put_f32(struct ap_gguf_out *o, const char *key, float value)
{
    add_key(o, key, AP_GGUF_F32);
    ap__gguf_add_f32(o, value);
}

void ap__gguf_put_bool(struct ap_gguf_out *o, const char *key, bool value)
{
    add_key(o, key, AP_GGUF_BOOL);
    ap__buf_putc(&o->meta, (char)value);
}

void ap__gguf_put_str(struct ap_gguf_out *o, const char *key, const char *text)
{
    add_key(o, key, AP_GGUF_STRING);
    add_text(&o->meta, text, strlen(text));
}

void ap__gguf_put_array(struct ap_gguf_out *o, const char *key, enum ap_gguf_type type, uint64_t count)
{
    add_key(o, key, AP_GGUF_ARRAY);
    add_u32(&o->meta, (uint32_t)type);
    add_u64(&o->meta, count);
}

void ap__gguf_add_str(struct ap_gguf_out *o, const char *text, size_t len)
{
    add_text(&o->meta, text, len);
}

void ap__gguf_add_f32(struct ap_gguf_out *o, float value)
{
    ap__buf_add(&o->meta, &value, sizeof value);
}

void ap__gguf_add_i32(struct ap_gguf_out *o, int32_t value)
{
    ap__buf_add(&o->meta, &value, sizeof value);
}

/* ------------------------------------------------------------------ tensors */

static uint64_t aligned(uint64_t at)
{
    return (at + AP_GGUF_ALIGNMENT - 1) / AP_GGUF_ALIGNMENT * AP_GGUF_ALIGNMENT;
}

void ap__gguf_out_tensor(struct ap_gguf_out *o, const char *name, enum ap_dtype dtype, int64_t rows, int64_t cols,
                         uint64_t bytes)
{
    add_text(&o->infos, name, strlen(name));
    add_u32(&o->infos, rows > 0 ? 2 : 1);
    add_u64(&o->infos, (uint64_t)cols);
    if (rows > 0)
        add_u64(&o->infos, (uint64_t)rows);
    add_u32(&o->infos, (uint32_t)ap__gguf_type_of(dtype));
    add_u64(&o->infos, o->at);
    o->at = aligned(o->at + bytes);
    o->tensors++;
}

/* Zeros up to the next multiple of the alignment. */
static ap_status pad(struct ap_gguf_out *o, struct ap_err *err)
{
    static const uint8_t zeros[AP_GGUF_ALIGNMENT] = {0};
    return ap__replace_add(&o->file, zeros, aligned(o->file.written) - o->file.written, err);
}

ap_status ap__gguf_out_begin(struct ap_gguf_out *o, const char *path, struct ap_err *err)
{
    struct ap_buf head;
    if (o->meta.failed || o->infos.failed)
        return ap__fail(err, AP_E_MEMORY, path, "out of memory for the file's head");
    ap__buf_init(&head, 0);
    ap__buf_puts(&head, "GGUF");
    add_u32(&head, AP_GGUF_VERSION);
    add_u64(&head, o->tensors);
    add_u64(&head, o->keys);
    ap_status status = head.failed ? ap__fail(err, AP_E_MEMORY, path, "out of memory for the file's head")
                                   : ap__replace_begin(&o->file, path, err);
    if (status == AP_OK)
        status = ap__replace_add(&o->file, head.data, head.len, err);
    if (status == AP_OK)
        status = ap__replace_add(&o->file, o->meta.data, o->meta.len, err);
    if (status == AP_OK)
        status = ap__replace_add(&o->file, o->infos.data, o->infos.len, err);
    if (status == AP_OK)
        status = pad(o, err);
    ap__buf_deinit(&head);
    return status;
}

ap_status ap__gguf_out_data(struct ap_gguf_out *o, const void *data, uint64_t bytes, struct ap_err *err)
{
    AP_TRY(ap__replace_add(&o->file, data, bytes, err));
    return pad(o, err);
}

ap_status ap__gguf_out_finish(struct ap_gguf_out *o, struct ap_err *err)
{
    return ap__replace_commit(&o->file, err);
}
