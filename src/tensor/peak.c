/* peak.c - the largest product that stays in the caches, again and again. */
#include "tensor/peak.h"

#include "base/progress.h"

#include <cblas.h>
#include <string.h>

static double best_product(const float *A, const float *B, float *C, int n, double seconds)
{
    double best = 0.0, begun = ap__now(), flop = 2.0 * n * n * (double)n;
    do {
        double start = ap__now();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, n, n, 1.0f, A, n, B, n, 0.0f, C, n);
        double rate = flop / (ap__now() - start);
        best = rate > best ? rate : best;
    } while (ap__now() - begun < seconds);
    return 1e-9 * best;
}

double ap__peak_sgemm(double seconds)
{
    enum { N = 1024 };
    float *block = ap__alloc_array(3 * (size_t)N * N, sizeof *block);
    if (block == NULL)
        return 0.0;
    for (size_t i = 0; i < 2 * (size_t)N * N; i++)
        block[i] = (float)(i % 17) - 8.0f;
    double best = best_product(block, block + (size_t)N * N, block + 2 * (size_t)N * N, N, seconds);
    ap__free(block);
    return best;
}

const char *ap__blas_better_kernels(void)
{
#if defined(__x86_64__)
    if (strcmp(openblas_get_corename(), "Prescott") != 0) /* of 2004 */
        return NULL;
    if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#endif
    return NULL;
}
