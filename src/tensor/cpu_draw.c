/* cpu_draw.c - one pass over a row for each: largest, weights, sum, and the place of a draw.
 *
 *     p: | block | block | bl      whole blocks are passed by their sums, ids one by one in the last */
#include "tensor/draw.h"
#include "tensor/vector.h"

#include <math.h>

enum { BLOCK = 1024 };

static int32_t whole(int32_t n) { return n - n % AP_LANES; }

static int32_t block_at(int32_t from, int32_t n) { return n - from < BLOCK ? n - from : BLOCK; }

static float block_largest(const float *x, int32_t n)
{
    ap_vec most = -INFINITY - (ap_vec){0};
    for (int32_t i = 0; i < whole(n); i += AP_LANES)
        most = ap__vec_max(ap__vec_load(x + i), most);
    float top = ap__vec_largest(most);
    for (int32_t i = whole(n); i < n; i++)
        top = x[i] > top ? x[i] : top;
    return top;
}

int32_t ap__largest(const float *x, int32_t n)
{
    float top = -INFINITY;
    int32_t block = 0, at = 0;
    for (int32_t i = 0; i < n; i += BLOCK) {
        float most = block_largest(x + i, block_at(i, n));
        block = most > top ? i : block;
        top = most > top ? most : top;
    }
    for (n = block_at(block, n); at < n && !(x[block + at] == top);)
        at++;
    return at < n ? block + at : 0;
}

void ap__exp_weights(float *x, int32_t n, float top, float scale)
{
    float power = scale * AP_LOG2E;
    for (int32_t i = 0; i < whole(n); i += AP_LANES)
        ap__vec_store(x + i, ap__vec_exp2((ap__vec_load(x + i) - top) * power));
    for (int32_t i = whole(n); i < n; i++)
        x[i] = ap__exp2((x[i] - top) * power);
}

/* Of at most BLOCK numbers. */
static float block_sum(const float *x, int32_t n)
{
    ap_vec a = {0}, b = {0};
    int32_t i = 0;
    for (; i + 2 * AP_LANES <= n; i += 2 * AP_LANES) {
        a += ap__vec_load(x + i);
        b += ap__vec_load(x + i + AP_LANES);
    }
    float sum = ap__vec_sum(a + b);
    for (; i < n; i++)
        sum += x[i];
    return sum;
}

double ap__sum(const float *x, int32_t n)
{
    double sum = 0.0;
    for (int32_t i = 0; i < n; i += BLOCK)
        sum += (double)block_sum(x + i, block_at(i, n));
    return sum;
}

double ap__sum_from(const float *p, int32_t n, float least, bool by_mass)
{
    const ap_vec one = 1.0f - (ap_vec){0};
    double sum = 0.0;
    for (int32_t from = 0; from < n; from += BLOCK) {
        int32_t i = from, end = from + block_at(from, n);
        ap_vec part = {0};
        for (; i + AP_LANES <= end; i += AP_LANES) {
            ap_vec x = ap__vec_load(p + i);
            part += (ap_vec)((ap_ivec)(by_mass ? x : one) & (x >= least));
        }
        for (; i < end; i++)
            part[0] += p[i] >= least ? (by_mass ? p[i] : 1.0f) : 0.0f;
        sum += (double)ap__vec_sum(part);
    }
    return sum;
}

/* ap__draw in a block, with so much of it left; the last one with any weight guards the rounding. */
static int32_t draw_in_block(const float *p, int32_t n, double left)
{
    int32_t last = 0;
    for (int32_t i = 0; i < n && left >= 0.0; i++) {
        if (p[i] <= 0.0f)
            continue;
        last = i;
        left -= (double)p[i];
    }
    return last;
}

int32_t ap__draw(const float *p, int32_t n, double share)
{
    double left = share * ap__sum(p, n);
    int32_t at = 0, last = 0; /* blocks: this one, and the last one with any weight */
    for (; at < n; at += BLOCK) {
        double sum = (double)block_sum(p + at, block_at(at, n));
        last = sum > 0.0 ? at : last;
        if (left < sum)
            break;
        left -= sum;
    }
    at = at < n ? at : last;
    return at + draw_in_block(p + at, block_at(at, n), left);
}
