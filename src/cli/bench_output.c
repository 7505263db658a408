/* bench_output.c - one result, three forms. */
#include "cli/bench_output.h"

#include "base/json.h"

static double rate(const struct ap_bench_result *r) { return r->seconds > 0 ? r->units / r->seconds : 0.0; }
static double speed(const struct ap_bench_result *r) { return r->seconds > 0 ? r->gflop / r->seconds : 0.0; }
static double mib(const struct ap_bench_result *r) { return r->memory / (1 << 20); }

/* ---- table ---- */

void ap__bench_print_head(void)
{
    printf("%-14s %9s %9s %9s %12s %8s %7s %9s %8s %10s %9s %9s\n", "workload", "seconds", "least", "most", "per second", "flat",
           "tree", "GFLOP", "GFLOP/s", "of sgemm", "of peak", "memory");
}

void ap__bench_print_row(const struct ap_bench_result *r)
{
    printf("%-14s %9.3f %9.3f %9.3f %5.4g %-6s", r->name, r->seconds, r->least, r->most, rate(r), r->unit);
    if (r->gflop > 0)
        printf(" %8.0f %7.0f %9.1f %8.1f %8.1f %% %7.1f %%", r->tokens_flat, r->tokens_tree, r->gflop, speed(r),
               100.0 * r->of_sgemm, 100.0 * r->of_peak);
    else
        printf(" %8s %7s %9s %8s %10s %9s", "-", "-", "-", "-", "-", "-");
    printf(" %5.0f MiB\n", mib(r));
    fflush(stdout);
}

void ap__bench_print_profile(const struct ap_bench_result *r)
{
    double rest = r->total;
    if (r->rows == 0)
        return;
    printf("  %-12s %-14s %7s %9s %7s %9s %10s\n", "operation", "matrix", "calls", "seconds", "share", "GFLOP/s", "of sgemm");
    for (int32_t i = 0; i < r->rows; i++) {
        const struct ap_timed_row *t = &r->row[i];
        double gflops = t->seconds > 0 ? t->gflop / t->seconds : 0;
        char matrix[32] = "-";
        if (t->O > 0)
            snprintf(matrix, sizeof matrix, "%d x %d", t->O, t->I);
        printf("  %-12s %-14s %7lld %9.4f %5.1f %% %9.1f %8.1f %%\n", t->op, matrix, (long long)t->calls / r->repeats,
               t->seconds / r->repeats, 100 * t->seconds / r->total, gflops, r->sgemm > 0 ? 100 * gflops / r->sgemm : 0);
        rest -= t->seconds;
    }
    printf("  %-12s %-14s %7s %9.4f %5.1f %%\n", "rest", "-", "-", rest / r->repeats, 100 * rest / r->total);
    fflush(stdout);
}

/* ---- JSON ---- */

static json_t *checks(const struct ap_bench_result *r)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < r->checks; i++)
        json_array_append_new(list, json_real(r->check[i]));
    return list;
}

static json_t *profile(const struct ap_bench_result *r)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < r->rows; i++) {
        const struct ap_timed_row *t = &r->row[i];
        json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:I, s:f, s:f}", "operation", t->op, "rows", t->O, "cols",
                                              t->I, "calls", (json_int_t)t->calls, "seconds", t->seconds / r->repeats,
                                              "gflop", t->gflop / r->repeats));
    }
    return list;
}

ap_status ap__bench_print_json(const struct ap_bench_result *r, struct ap_err *err)
{
    json_t *o = json_pack("{s:s, s:s, s:f, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "workload",
                          r->name, "unit", r->unit, "units", r->units, "threads", r->threads, "repeats", r->repeats,
                          "seconds", r->seconds, "cpu_seconds", r->cpu, "least", r->least, "most", r->most, "per_second", rate(r),
                          "tokens_flat", r->tokens_flat, "tokens_tree", r->tokens_tree, "gflop", r->gflop,
                          "sgemm_gflop_per_second", r->sgemm, "percent_of_sgemm", 100.0 * r->of_sgemm, "peak_gflop_per_second", r->peak,
                          "percent_of_peak", 100.0 * r->of_peak, "peak_mib", mib(r), "check", checks(r));
    if (o != NULL && r->rows > 0)
        json_object_set_new(o, "profile", profile(r));
    char *text = o != NULL ? ap__json_dump(o) : NULL;
    json_decref(o);
    if (text == NULL)
        return ap__fail(err, AP_E_MEMORY, r->name, "no memory for the result");
    puts(text);
    fflush(stdout);
    ap__free(text);
    return AP_OK;
}

/* ---- CSV ---- */

void ap__bench_write_csv_head(FILE *to)
{
    fputs("workload,unit,units,threads,repeats,seconds,least,most,cpu_seconds,per_second,tokens_flat,tokens_tree,gflop,"
          "gflop_per_second,sgemm_gflop_per_second,percent_of_sgemm,peak_gflop_per_second,percent_of_peak,peak_mib\n", to);
}

void ap__bench_write_csv(FILE *to, const struct ap_bench_result *r)
{
    fprintf(to, "%s,%s,%.0f,%d,%d,%.6f,%.6f,%.6f,%.6f,%.4f,%.0f,%.0f,%.3f,%.2f,%.2f,%.2f,%.2f,%.2f,%.1f\n", r->name, r->unit, r->units,
            r->threads, r->repeats, r->seconds, r->least, r->most, r->cpu, rate(r), r->tokens_flat, r->tokens_tree, r->gflop,
            speed(r), r->sgemm, 100.0 * r->of_sgemm, r->peak, 100.0 * r->of_peak, mib(r));
}
