/* fuzz_gguf.c - libFuzzer entry: bytes as a GGUF file; its tensors, configuration and tokenizer.
 *
 * Every byte that a tensor's view promises is read, in both orders of rows, and
 * unpacked when it is in blocks.  Run in the source tree by `make fuzz`. */
#include "model/gguf.h"
#include "model/source.h"
#include "model/tokenizer.h"
#include "model/tokenizer_files.h"
#include "tensor/ggml_blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int file = -1;
static char path[64];
static unsigned sum;

static void write_file(const uint8_t *data, size_t size)
{
    if (file < 0) {
        file = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (ftruncate(file, 0) != 0 || lseek(file, 0, SEEK_SET) != 0 || write(file, data, size) != (ssize_t)size)
        abort();
}

static void unpack(const struct ap_tensor_view *v)
{
    float values[256];
    size_t numbers = ap__ggml_block_numbers(v->dtype), bytes = ap__ggml_block_bytes(v->dtype);
    for (size_t at = 0; numbers > 0 && at < v->bytes; at += bytes) {
        const uint8_t *block = (const uint8_t *)v->data + at;
        switch (v->dtype) {
        case AP_Q8_0: ap__q8_0_to_f32(values, block, numbers); break;
        case AP_Q4_0: ap__q4_0_to_f32(values, block, numbers); break;
        case AP_Q4_K: ap__q4_k_to_f32(values, block, numbers); break;
        default: ap__q6_k_to_f32(values, block, numbers); break;
        }
        sum += values[0] > values[numbers - 1];
    }
}

static void read_view(const struct ap_tensor_view *v)
{
    for (size_t k = 0; k < v->bytes; k++)
        sum += ((const uint8_t *)v->data)[k];
    unpack(v);
}

static void read_tensors(struct ap_gguf *g)
{
    struct ap_tensor_view v;
    for (size_t i = 0; i < ap__gguf_count(g); i++)
        if (ap__gguf_get(g, ap__gguf_name(g, i), &v, NULL) == AP_OK)
            read_view(&v);
}

static void read_source(void)
{
    struct ap_source *s = NULL;
    struct ap_tensor_view v;
    struct ap_err err;
    if (ap__source_open(path, &s, &err) != AP_OK)
        return;
    for (size_t i = 0; i < ap__source_count(s); i++)
        if (ap__source_get(s, ap__source_name(s, i), &v, &err) == AP_OK) {
            read_view(&v);
            ap__source_forget(s, ap__source_name(s, i));
        }
    sum += (unsigned)ap__source_dtype(s);
    ap__source_free(s);
}

static void read_tokenizer(void)
{
    static const char text[] = "Each  word 12<end> \xFFq\xC3\xA9 <s>ab ab";
    struct ap_tokenizer *tok = NULL;
    struct ap_ids ids = {0};
    struct ap_buf back;
    struct ap_err err;
    json_t *config = NULL;
    ap__buf_init(&back, 0);
    if (ap__tokenizer_open(path, &tok, &err) == AP_OK &&
        ap__tokenizer_encode(tok, text, sizeof text - 1, true, &ids, &err) == AP_OK)
        sum += ap__tokenizer_decode(tok, ids.id, ids.n, true, &back, &err) == AP_OK;
    if (ap__tokenizer_files_config(path, &config, &err) == AP_OK)
        json_decref(config);
    ap__buf_deinit(&back);
    ap__ids_deinit(&ids);
    ap__tokenizer_free(tok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ap_gguf *g = NULL;
    struct ap_err err;
    write_file(data, size);
    if (ap__gguf_open(path, &g, &err) == AP_OK) {
        read_tensors(g);
        ap__gguf_free(g);
        read_source();
        read_tokenizer();
    }
    return sum == 0xFFFFFFFF; /* keep the reads */
}
