/* peak.c - the largest product that stays in the caches, again and again. */
#include "tensor/peak.h"

#include "base/alloc.h"
#include "base/progress.h"
#include "tensor/libopenblas.h"


static struct ap_sgemm multiply(const float *A, const float *B, float *C, int n, double seconds)
{
    double best = 0.0, begun = ap__now(), now = begun, flop = 2.0 * n * n * (double)n;
    int products = 0;
    do {
        double start = now;
        ap__libopenblas.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, n, n, 1.0f, A, n, B, n, 0.0f, C, n);
        now = ap__now();
        best = flop / (now - start) > best ? flop / (now - start) : best;
        products++;
    } while (now - begun < seconds);
    return (struct ap_sgemm){1e-9 * best, 1e-9 * products * flop / (now - begun)};
}

struct ap_sgemm ap__sgemm_measure(double seconds)
{
    enum { N = 1024 };
    float *block = ap__libopenblas_load(NULL) == AP_OK ? ap__alloc_array(3 * (size_t)N * N, sizeof *block) : NULL;
    if (block == NULL)
        return (struct ap_sgemm){0};
    for (size_t i = 0; i < 2 * (size_t)N * N; i++)
        block[i] = (float)(i % 17) - 8.0f;
    struct ap_sgemm sgemm = multiply(block, block + (size_t)N * N, block + 2 * (size_t)N * N, N, seconds);
    ap__free(block);
    return sgemm;
}

double ap__peak_sgemm(double seconds)
{
    static double most;
    double best = ap__sgemm_measure(seconds).best;
    most = best > most ? best : most;
    return most;
}
