/* quant.c - one switch per direction over the formats, and the int8 format itself.
 *
 *     row piece of any format --> f32          ap__matrix_row
 *     chunks of 1024 numbers  --> NF4, plain   ap__matrix_convert, chunks among the threads
 *     whole rows              --> int8
 *
 * Compiled without contraction to fused multiply-adds: these values are compared bit for bit. */
#include "tensor/quant.h"

#include "tensor/ggml_blocks.h"
#include "tensor/nf4.h"

#include <math.h>

/* Numbers converted at a time, on the stack: a multiple of every block's. */
enum { CHUNK = 1024 };

static bool is_ggml(enum ap_dtype dtype)
{
    return ap__ggml_block_numbers(dtype) > 0;
}

static struct ap_nf4 nf4_of(const struct ap_matrix *W)
{
    return ap__nf4_layout((size_t)W->rows * (size_t)W->cols, W->dtype == AP_NF4_DOUBLE);
}

size_t ap__matrix_bytes(enum ap_dtype dtype, int32_t rows, int32_t cols)
{
    size_t n = (size_t)rows * (size_t)cols;
    switch (dtype) {
    case AP_INT8: return (size_t)rows * sizeof(float) + n;
    case AP_NF4: return ap__nf4_layout(n, false).bytes;
    case AP_NF4_DOUBLE: return ap__nf4_layout(n, true).bytes;
    default: break;
    }
    if (!is_ggml(dtype))
        return n * ap__dtype_size(dtype);
    size_t block = ap__ggml_block_numbers(dtype);
    return (size_t)cols % block == 0 ? n / block * ap__ggml_block_bytes(dtype) : 0;
}

int32_t ap__matrix_unit(enum ap_dtype dtype)
{
    return is_ggml(dtype) ? (int32_t)ap__ggml_block_numbers(dtype) : 1;
}

/* ---- to f32 ---- */

const void *ap__matrix_at(const struct ap_matrix *W, int32_t row, int32_t from)
{
    const uint8_t *data = W->data;
    size_t at = (size_t)row * (size_t)W->cols + (size_t)from;
    switch (W->dtype) {
    case AP_INT8: return data + (size_t)W->rows * sizeof(float) + at;
    case AP_NF4:
    case AP_NF4_DOUBLE: return data + nf4_of(W).at_codes + at / 2;
    default: break;
    }
    if (!is_ggml(W->dtype))
        return data + at * ap__dtype_size(W->dtype);
    return data + at / ap__ggml_block_numbers(W->dtype) * ap__ggml_block_bytes(W->dtype);
}

static void int8_row(float *dst, const struct ap_matrix *W, int32_t row, int32_t from, int32_t n)
{
    const int8_t *q = ap__matrix_at(W, row, from);
    float largest = ((const float *)W->data)[row];
    for (int32_t i = 0; i < n; i++)
        dst[i] = (float)q[i] * largest * (1.0f / 127.0f); /* in this order */
}

static void ggml_row(float *dst, const struct ap_matrix *W, int32_t row, int32_t from, size_t n)
{
    const void *src = ap__matrix_at(W, row, from);
    switch (W->dtype) {
    case AP_Q8_0: ap__q8_0_to_f32(dst, src, n); break;
    case AP_Q4_0: ap__q4_0_to_f32(dst, src, n); break;
    case AP_Q4_K: ap__q4_k_to_f32(dst, src, n); break;
    default: ap__q6_k_to_f32(dst, src, n); break;
    }
}

void ap__matrix_row(float *dst, const struct ap_matrix *W, int32_t row, int32_t from, int32_t n)
{
    if (W->dtype < AP_DTYPE_PLAIN) {
        ap__dtype_to_f32(dst, ap__matrix_at(W, row, from), W->dtype, (size_t)n);
    } else if (W->dtype == AP_INT8) {
        int8_row(dst, W, row, from, n);
    } else if (W->dtype == AP_NF4 || W->dtype == AP_NF4_DOUBLE) {
        struct ap_nf4 nf4 = nf4_of(W);
        ap__nf4_to_f32(dst, &nf4, W->data, (size_t)row * (size_t)W->cols + (size_t)from, (size_t)n);
    } else {
        ggml_row(dst, W, row, from, (size_t)n);
    }
}

void ap__matrix_to_f32(float *dst, const struct ap_matrix *W)
{
#pragma omp parallel for if ((int64_t)W->rows * W->cols > 1 << 20)
    for (int32_t r = 0; r < W->rows; r++)
        ap__matrix_row(dst + (size_t)r * (size_t)W->cols, W, r, 0, W->cols);
}

/* ---- from one format to another ---- */

/* dst (n,) = numbers [at, at + n) of the flattened matrix; at is a multiple of CHUNK, n one too or up to the end. */
static void read_flat(float *dst, const struct ap_matrix *W, size_t at, size_t n)
{
    size_t cols = (size_t)W->cols;
    while (n > 0) {
        size_t from = at % cols, piece = cols - from < n ? cols - from : n;
        ap__matrix_row(dst, W, (int32_t)(at / cols), (int32_t)from, (int32_t)piece);
        dst += piece;
        at += piece;
        n -= piece;
    }
}

static void int8_from(void *data, const struct ap_matrix *W, int32_t row)
{
    float x[CHUNK], largest = 0;
    int8_t *q = (int8_t *)data + (size_t)W->rows * sizeof(float) + (size_t)row * (size_t)W->cols;
    for (int32_t from = 0; from < W->cols; from += CHUNK) {
        int32_t n = W->cols - from < CHUNK ? W->cols - from : CHUNK;
        ap__matrix_row(x, W, row, from, n);
        for (int32_t i = 0; i < n; i++)
            largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    }
    ((float *)data)[row] = largest;
    if (!(largest > 0))
        return; /* the numbers are 0 already */
    float factor = 1.0f / largest * 127.0f; /* in this order */
    for (int32_t from = 0; from < W->cols; from += CHUNK) {
        int32_t n = W->cols - from < CHUNK ? W->cols - from : CHUNK;
        ap__matrix_row(x, W, row, from, n);
        for (int32_t i = 0; i < n; i++)
            q[from + i] = (int8_t)rintf(x[i] * factor);
    }
}

static ap_status nf4_from(const struct ap_matrix *out, void *data, const struct ap_matrix *W, struct ap_err *err)
{
    struct ap_nf4 nf4 = nf4_of(out);
    float *scale = ap__alloc_array(nf4.blocks, sizeof *scale);
    if (scale == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for the scales of %zu blocks", nf4.blocks);
#pragma omp parallel for if (nf4.n > 1 << 16)
    for (size_t at = 0; at < nf4.n; at += CHUNK) {
        float x[CHUNK];
        size_t n = nf4.n - at < CHUNK ? nf4.n - at : CHUNK;
        read_flat(x, W, at, n);
        ap__nf4_from_f32(data, scale, &nf4, x, at, n);
    }
    ap__nf4_put_scales(data, &nf4, scale);
    ap__free(scale);
    return AP_OK;
}

ap_status ap__matrix_convert(const struct ap_matrix *out, void *data, const struct ap_matrix *W, struct ap_err *err)
{
    if (out->dtype == AP_NF4 || out->dtype == AP_NF4_DOUBLE)
        return nf4_from(out, data, W, err);
    if (out->dtype == AP_INT8) {
#pragma omp parallel for if ((int64_t)W->rows * W->cols > 1 << 16)
        for (int32_t r = 0; r < W->rows; r++)
            int8_from(data, W, r);
        return AP_OK;
    }
    size_t total = (size_t)W->rows * (size_t)W->cols, size = ap__dtype_size(out->dtype);
#pragma omp parallel for if (total > 1 << 16)
    for (size_t at = 0; at < total; at += CHUNK) {
        float x[CHUNK];
        size_t n = total - at < CHUNK ? total - at : CHUNK;
        read_flat(x, W, at, n);
        ap__dtype_from_f32((uint8_t *)data + at * size, x, out->dtype, n);
    }
    return AP_OK;
}
