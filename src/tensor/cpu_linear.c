/* cpu_linear.c - products with a matrix of weights, forward and backward.
 *
 *     y (T,O)  = x (T,I) W^T      forward
 *     dx (T,I) = dy (T,O) W       backward to the input
 *     dW (O,I) += dy^T x          backward to the weight
 *
 * All three are C (M,N) = A B^T summed over k. One side is packed, a block at a time that stays in the second cache;
 * the other streams past it where it lies:
 *
 *     for each block of packed rows, for each block of k:
 *         pack: panels of 2 vectors (k, AP_PANEL)
 *         for each block of streamed rows: tiles (product.h) --> C, or through a buffer --> C transposed
 *
 * With many rows of x the weights are packed, once for all of them. With few the rows are, and every weight is read
 * from memory once, which sgemm does twice: it packs the weights, whatever they are multiplied with. Weights that are
 * not f32 are decoded on the way. Very few rows go to cpu_gemv.c. */
#include "tensor/cpu.h"
#include "tensor/product.h"
#include "tensor/quant.h"

#include <omp.h>
#include <string.h>

/* Products M*N*K up to this are done by the calling thread alone. */
#define SERIAL_MAX 262144.0
/* Rows of a packed block, or as many as the longest blocks of weights; rows of a streamed one; its k. */
enum { PACKED = 128, PACKED_MOST = 256, STREAMED = 4 * AP_TILE, DEPTH = 768, APART = DEPTH + AP_LANES };
/* The largest rank of an adapter that is fused. The gradient of a matrix as thin as that is made of few rows at a time:
 * their columns are neighbours in memory, and the gradient stays in the cache. */
enum { ADAPTER = 64, THIN_DEPTH = 96 };
_Static_assert(DEPTH % 256 == 0, "a block of k is a whole number of the longest blocks of weights");
_Static_assert(PACKED % AP_PANEL == 0, "a packed block is whole panels");
_Static_assert(STREAMED % AP_LANES == 0, "a streamed block is transposed in whole squares");

/* Rows of C's one side: element (r, k) is number k of row r of a matrix, or, by columns, number r of row k; its rows
 * are counted from `first` on. */
struct side {
    struct ap_matrix matrix;
    bool by_columns;
    int32_t first;
};

struct product {
    struct side streamed, packed;
    int32_t K;
    float scale;
};

/* C = the product + the adapter's, which is added to a piece of C while that is in the first cache. */
struct job {
    struct product product, adapter; /* K 0: there is none */
    float *C;
    size_t ldc;
    bool transposed; /* C's rows are the packed side's */
    bool accumulate;
};

struct block {
    AP_ALIGNED float packed[PACKED_MOST * DEPTH], streamed[STREAMED * APART];
    AP_ALIGNED float rows[AP_LANES * APART], out[STREAMED * PACKED_MOST];
    AP_ALIGNED float adapter[PACKED_MOST * ADAPTER];
};

/* ---- operands ---- */

/* Rows [r, r+n), numbers [k, k+K) of each, *apart from another: where they lie, or decoded to scratch (n, APART). Rows
 * whole pages apart would fall into the same few places of the first cache, so they are copied, too. */
static const float *rows_get(float *scratch, const struct ap_matrix *m, int32_t r, int32_t n, int32_t k, int32_t K,
                             int32_t *apart)
{
    *apart = m->cols;
    if (m->dtype == AP_F32 && m->cols % 1024 != 0)
        return (const float *)m->data + (size_t)r * (size_t)m->cols + (size_t)k;
    for (int32_t i = 0; i < n; i++)
        ap__matrix_row(scratch + i * APART, m, r + i, k, K);
    *apart = APART;
    return scratch;
}

/* Columns [c, c+n), numbers [k, k+K) of each, as (K, n) that are *apart: where they lie, or copied as above. */
static const float *columns_get(float *scratch, const struct ap_matrix *m, int32_t c, int32_t n, int32_t k, int32_t K,
                                int32_t *apart)
{
    const float *from = (const float *)m->data + (size_t)k * (size_t)m->cols + (size_t)c;
    *apart = m->cols;
    if (m->cols % 256 != 0)
        return from;
    for (int32_t i = 0; i < K; i++)
        memcpy(scratch + i * STREAMED, from + (size_t)i * (size_t)m->cols, (size_t)n * sizeof *from);
    *apart = STREAMED;
    return scratch;
}

/* dst (K, width), the first AP_LANES columns: the n rows (ld apart) as columns, zero behind. */
static void lanes_pack(float *dst, int32_t width, const float *row, int32_t ld, int32_t n, int32_t K, float scale)
{
    int32_t k = 0;
    for (; k + AP_LANES <= K; k += AP_LANES) {
        ap_vec x[AP_LANES];
#pragma GCC unroll 16
        for (int32_t r = 0; r < AP_LANES; r++)
            x[r] = r < n ? ap__vec_load(row + (size_t)r * (size_t)ld + k) * scale : (ap_vec){0};
        ap__vec_transpose(x);
#pragma GCC unroll 16
        for (int32_t r = 0; r < AP_LANES; r++)
            ap__vec_store(dst + (k + r) * width, x[r]);
    }
    for (; k < K; k++)
        for (int32_t r = 0; r < AP_LANES; r++)
            dst[k * width + r] = r < n ? row[(size_t)r * (size_t)ld + (size_t)k] * scale : 0;
}

/* The same from a matrix whose columns are the rows. */
static void columns_pack(float *dst, int32_t width, const struct ap_matrix *m, int32_t column, int32_t n, int32_t k,
                         int32_t K, float scale)
{
    for (int32_t i = 0; i < K; i++) {
        const float *from = (const float *)m->data + (size_t)(k + i) * (size_t)m->cols + (size_t)column;
        if (n == AP_LANES)
            ap__vec_store(dst + i * width, ap__vec_load(from) * scale);
        for (int32_t r = 0; n < AP_LANES && r < AP_LANES; r++)
            dst[i * width + r] = r < n ? from[r] * scale : 0;
    }
}

/* Columns of weights that are not f32: a piece of a row is decoded once and goes to all panels. */
static void decoded_columns_pack(float *dst, float *row, const struct ap_matrix *m, int32_t column, int32_t n, int32_t k,
                                 int32_t K, int32_t padded, float scale)
{
    for (int32_t r = n; r < padded; r++)
        row[r] = 0;
    for (int32_t i = 0; i < K; i++) {
        ap__matrix_row(row, m, k + i, column, n);
        for (int32_t r = 0; r < padded; r += AP_LANES) {
            int32_t panel = r / AP_PANEL * AP_PANEL, width = ap__min32(AP_PANEL, padded - panel);
            ap__vec_store(dst + panel * K + i * width + (r - panel), ap__vec_load(row + r) * scale);
        }
    }
}

/* To dst the panels of n rows, from number k on: each (K, AP_PANEL), the last perhaps (K, AP_LANES). */
static void pack(float *dst, float *scratch, const struct product *p, int32_t r, int32_t n, int32_t k, int32_t K)
{
    const struct side *s = &p->packed;
    if (s->by_columns)
        k += s->first;
    else
        r += s->first;
    int32_t padded = (n + AP_LANES - 1) / AP_LANES * AP_LANES;
    if (s->by_columns && s->matrix.dtype != AP_F32) {
        decoded_columns_pack(dst, scratch, &s->matrix, r, n, k, K, padded, p->scale);
        return;
    }
    for (int32_t i = 0; i < padded; i += AP_LANES) {
        int32_t panel = i / AP_PANEL * AP_PANEL, width = ap__min32(AP_PANEL, padded - panel), count = ap__min32(AP_LANES, n - i), ld;
        float *to = dst + panel * K + (i - panel);
        if (s->by_columns) {
            columns_pack(to, width, &s->matrix, r + i, count, k, K, p->scale);
            continue;
        }
        const float *row = rows_get(scratch, &s->matrix, r + i, count, k, K, &ld);
        lanes_pack(to, width, row, ld, count, K, p->scale);
    }
}

/* ---- results ---- */

/* C (m, n) = or += out (m, PACKED_MOST). */
static void out_copy(float *C, size_t ldc, const float *out, int32_t m, int32_t n, bool add)
{
    for (int32_t i = 0; i < m; i++)
        for (int32_t j = 0; j < n; j++)
            C[(size_t)i * ldc + (size_t)j] = out[i * PACKED_MOST + j] + (add ? C[(size_t)i * ldc + (size_t)j] : 0);
}

static void square_transposed(float *C, size_t ldc, const float *out, int32_t rows, bool add)
{
    ap_vec x[AP_LANES];
#pragma GCC unroll 16
    for (int32_t i = 0; i < AP_LANES; i++)
        x[i] = ap__vec_load(out + i * PACKED_MOST);
    ap__vec_transpose(x);
#pragma GCC unroll 16
    for (int32_t i = 0; i < AP_LANES; i++) {
        if (i >= rows)
            continue;
        float *to = C + (size_t)i * ldc;
        ap__vec_store(to, add ? ap__vec_load(to) + x[i] : x[i]);
    }
}

/* C (n, m) = or += out (m, PACKED_MOST) transposed. */
static void out_transposed(float *C, size_t ldc, const float *out, int32_t m, int32_t n, bool add)
{
    int32_t i = 0;
    for (; i + AP_LANES <= m; i += AP_LANES)
        for (int32_t j = 0; j < n; j += AP_LANES)
            square_transposed(C + (size_t)j * ldc + (size_t)i, ldc, out + i * PACKED_MOST + j, n - j, add);
    for (; i < m; i++)
        for (int32_t j = 0; j < n; j++) {
            float *to = C + (size_t)j * ldc + (size_t)i;
            *to = out[i * PACKED_MOST + j] + (add ? *to : 0);
        }
}

/* ---- blocks ---- */

/* Streamed rows [m, m+rows), numbers [k, k+K) of each. */
struct piece {
    int32_t m, rows, k, K;
};

/* What panel c of a block's panels asks for of the piece that comes next; together they ask for all of it. */
static struct ap_ahead piece_ahead(const struct side *s, const struct piece *next, int32_t c, int32_t panels)
{
    int32_t each = (AP_TILE + panels - 1) / panels, row = s->first + next->m + c * each * (STREAMED / AP_TILE);
    const char *first = ap__matrix_at(&s->matrix, row, next->k), *second = ap__matrix_at(&s->matrix, row + 1, next->k);
    const char *end = ap__matrix_at(&s->matrix, row, next->k + next->K);
    return (struct ap_ahead){first, second - first, (int32_t)(end - first), each};
}

/* One panel's product.  Columns are not asked for: they are read for gradients alone, which wait for other things. */
static void multiply(const struct side *s, const struct ap_product *p, const struct piece *next, int32_t c, int32_t panels)
{
    if (s->by_columns) {
        ap__product_ta(p);
    } else if (next->rows == 0) {
        ap__product(p);
    } else {
        struct ap_ahead ahead = piece_ahead(s, next, c, panels);
        ap__product_ahead(p, &ahead);
    }
}

/* C (rows, width) += the adapter's part of it: streamed rows from m on, packed ones in columns c to c+width of its block. */
static void adapter_add(const struct job *j, const struct block *b, float *C, int32_t ldc, int32_t m, int32_t rows,
                        int32_t c, int32_t width)
{
    int32_t K = j->adapter.K;
    const struct side *s = &j->adapter.streamed;
    const float *A = (const float *)s->matrix.data + (size_t)(s->first + m) * (size_t)K;
    ap__product(&(struct ap_product){A, b->adapter + c * K, C, K, width, ldc, rows, width, K, true});
}

/* A piece with the n packed rows that stand in C from row or column `at` on. */
static void streamed_block(const struct job *j, struct block *b, const struct piece *now, const struct piece *next, int32_t at,
                           int32_t n)
{
    int32_t lda, m = now->m, rows = now->rows, k = now->k, K = now->K;
    int32_t padded = (n + AP_LANES - 1) / AP_LANES * AP_LANES, panels = (n + AP_PANEL - 1) / AP_PANEL;
    bool add = j->accumulate || k > 0, is_last = k + K == j->product.K;
    const struct side *s = &j->product.streamed;
    const float *A = s->by_columns ? columns_get(b->streamed, &s->matrix, m, rows, s->first + k, K, &lda)
                                   : rows_get(b->streamed, &s->matrix, s->first + m, rows, k, K, &lda);
    for (int32_t c = 0; c < padded; c += AP_PANEL) {
        int32_t width = ap__min32(AP_PANEL, padded - c);
        bool direct = !j->transposed && c + width <= n;
        float *C = direct ? j->C + (size_t)m * j->ldc + (size_t)(at + c) : b->out + c;
        int32_t ldc = direct ? (int32_t)j->ldc : PACKED_MOST;
        struct ap_product p = {A, b->packed + c * K, C, lda, width, ldc, rows, width, K, direct && add};
        multiply(s, &p, next, c / AP_PANEL, panels);
        if (is_last && j->adapter.K > 0)
            adapter_add(j, b, C, ldc, m, rows, c, width);
        if (!direct && !j->transposed)
            out_copy(j->C + (size_t)m * j->ldc + (size_t)(at + c), j->ldc, C, rows, n - c, add);
    }
    if (j->transposed)
        out_transposed(j->C + (size_t)at * j->ldc + (size_t)m, j->ldc, b->out, rows, n, add);
}

/* The one behind `now` of rows [m0, m1), which pass once for each `depth` of the K numbers; no rows: that was the last. */
static struct piece piece_after(const struct piece *now, int32_t m0, int32_t m1, int32_t depth, int32_t K)
{
    int32_t m = now->m + now->rows, k = now->k;
    if (m == m1) {
        m = m0;
        k += now->K;
    }
    return (struct piece){m, k < K ? ap__min32(STREAMED, m1 - m) : 0, k, ap__min32(depth, K - k)};
}

/* Streamed rows [m0, m1) with packed rows [n0, n1). */
static void part(const struct job *j, int32_t m0, int32_t m1, int32_t n0, int32_t n1)
{
    struct block b;
    int32_t most = j->product.packed.matrix.dtype == AP_F32 ? PACKED : PACKED_MOST, K = j->product.K;
    int32_t depth = j->product.streamed.by_columns && n1 - n0 <= ADAPTER ? THIN_DEPTH : DEPTH;
    const struct piece first = {m0, ap__min32(STREAMED, m1 - m0), 0, ap__min32(depth, K)};
    for (int32_t n = n0; n < n1 && m0 < m1; n += most) {
        int32_t count = ap__min32(most, n1 - n);
        if (j->adapter.K > 0)
            pack(b.adapter, b.rows, &j->adapter, n, count, 0, j->adapter.K);
        for (struct piece now = first, next; now.rows > 0; now = next) {
            if (now.m == m0)
                pack(b.packed, b.rows, &j->product, n, count, now.k, now.K);
            next = piece_after(&now, m0, m1, depth, K);
            streamed_block(j, &b, &now, next.rows == 0 && n + most < n1 ? &first : &next, n, count);
        }
    }
}

/* First of the rows of thread i of `parts`, a multiple of unit. */
static int32_t part_start(int32_t n, int32_t i, int32_t parts, int32_t unit)
{
    return ap__min32(n, (int32_t)((int64_t)((n + unit - 1) / unit) * i / parts) * unit);
}

/* C of M streamed and N packed rows, its longer side shared out; columns of blocks must not be parted. */
static void run(const struct job *j, int32_t M, int32_t N)
{
    const struct side *packed = &j->product.packed;
    bool by_streamed = M >= N || (packed->by_columns && ap__matrix_unit(packed->matrix.dtype) > 1);
    int32_t side = by_streamed ? M : N, unit = by_streamed ? AP_TILE : AP_LANES, parts = (side + unit - 1) / unit;
    int32_t threads = (double)M * N * j->product.K <= SERIAL_MAX || omp_in_parallel() ? 1 : ap__min32(omp_get_max_threads(), parts);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int32_t i = omp_get_thread_num(), n = omp_get_num_threads();
        int32_t from = part_start(side, i, n, unit), to = part_start(side, i + 1, n, unit);
        if (by_streamed)
            part(j, from, to, 0, N);
        else
            part(j, 0, M, from, to);
    }
}

/* ---- the operations ---- */

static struct side rows_of(const float *x, int32_t rows, int32_t cols)
{
    return (struct side){{AP_F32, rows, cols, x}, false, 0};
}

static void gemv(float *y, const float *x, const struct ap_matrix *W, int32_t T, bool accumulate, float scale)
{
    bool serial = (double)T * W->rows * W->cols <= SERIAL_MAX || omp_in_parallel();
    int32_t unit = AP_LANES, parts = serial ? 1 : ap__min32(omp_get_max_threads(), (W->rows + unit - 1) / unit);
#pragma omp parallel for num_threads(parts) if (parts > 1)
    for (int32_t i = 0; i < parts; i++)
        ap__cpu_gemv(y, x, W, T, accumulate, scale, part_start(W->rows, i, parts, unit),
                     part_start(W->rows, i + 1, parts, unit));
}

void ap__cpu_linear(float *y, const float *x, const struct ap_matrix *W, int32_t T, bool accumulate, float scale)
{
    if (ap__cpu_gemv_pays(W, T))
        gemv(y, x, W, T, accumulate, scale);
    else
        ap__cpu_linear_rows(y, x, W, 0, W->rows, T, accumulate, scale);
}

/* The sides of x W^T; few: rows of x, so that they are packed. */
static struct product forward_product(const float *x, const struct ap_matrix *W, int32_t first, int32_t T, float scale, bool few)
{
    struct side input = rows_of(x, T, W->cols), weights = {*W, false, first};
    return (struct product){few ? weights : input, few ? input : weights, W->cols, scale};
}

static bool are_few(int32_t T, int32_t O) { return T < O && T <= 2 * PACKED; }

void ap__cpu_linear_rows(float *y, const float *x, const struct ap_matrix *W, int32_t first, int32_t O, int32_t T,
                         bool accumulate, float scale)
{
    bool few = are_few(T, O);
    struct job j = {.product = forward_product(x, W, first, T, scale, few), .C = y, .ldc = (size_t)O, .transposed = few,
                    .accumulate = accumulate};
    run(&j, few ? O : T, few ? T : O);
}

void ap__cpu_linear_adapted(float *y, const float *x, const struct ap_matrix *W, const float *u, const struct ap_matrix *B,
                            float scale, int32_t T, bool accumulate)
{
    if (ap__cpu_gemv_pays(W, T) || B->cols > ADAPTER) {
        ap__cpu_linear(y, x, W, T, accumulate, 1.0f);
        ap__cpu_linear(y, u, B, T, true, scale);
        return;
    }
    int32_t O = W->rows;
    bool few = are_few(T, O);
    struct job j = {forward_product(x, W, 0, T, 1.0f, few), forward_product(u, B, 0, T, scale, few), y, (size_t)O, few, accumulate};
    run(&j, few ? O : T, few ? T : O);
}

/* The sides of dy times rows [first, first+O) of W. */
static struct product backward_product(const float *dy, const struct ap_matrix *W, int32_t first, int32_t O, int32_t T, float scale)
{
    return (struct product){rows_of(dy, T, O), {*W, true, first}, O, scale};
}

void ap__cpu_linear_dx(float *dx, const float *dy, const struct ap_matrix *W, int32_t T, bool accumulate, float scale)
{
    ap__cpu_linear_rows_dx(dx, dy, W, 0, W->rows, T, accumulate, scale);
}

void ap__cpu_linear_rows_dx(float *dx, const float *dy, const struct ap_matrix *W, int32_t first, int32_t O, int32_t T,
                            bool accumulate, float scale)
{
    struct job j = {.product = backward_product(dy, W, first, O, T, scale), .C = dx, .ldc = (size_t)W->cols,
                    .accumulate = accumulate};
    run(&j, T, W->cols);
}

void ap__cpu_linear_adapted_dx(float *dx, const float *dy, const struct ap_matrix *W, const float *du,
                               const struct ap_matrix *A, int32_t T, bool accumulate)
{
    bool fits = A->rows <= ADAPTER;
    struct job j = {.product = backward_product(dy, W, 0, W->rows, T, 1.0f), .C = dx, .ldc = (size_t)W->cols,
                    .accumulate = accumulate};
    if (fits)
        j.adapter = backward_product(du, A, 0, A->rows, T, 1.0f);
    run(&j, T, W->cols);
    if (!fits)
        ap__cpu_linear_dx(dx, du, A, T, true, 1.0f);
}

void ap__cpu_linear_dw(float *dW, const float *dy, const float *x, int32_t T, int32_t O, int32_t I, float scale)
{
    struct side output = rows_of(dy, T, O), input = rows_of(x, T, I);
    output.by_columns = input.by_columns = true;
    bool few = O < I; /* the smaller side is packed */
    struct job j = {.product = {few ? input : output, few ? output : input, T, scale}, .C = dW, .ldc = (size_t)I,
                    .transposed = few, .accumulate = true};
    run(&j, few ? I : O, few ? O : I);
}
