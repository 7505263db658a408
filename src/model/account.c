/* account.c - operations counted from shapes; account.h has the formulas. */
#include "model/account.h"

/* Sums over the linears of one block: of weights O x I, and of widths O + I. */
struct block_sums {
    double qkv, rest, kv;          /* weights */
    double qkv_width, rest_width, kv_width;
};

static struct block_sums sums_of(const struct ap_config *c)
{
    double D = c->D, F = c->F, q = (double)c->H * c->Dh, kv = (double)c->Hkv * c->Dh;
    return (struct block_sums){
        .kv = 2 * D * kv,
        .qkv = D * (q + 2 * kv),
        .rest = D * q + 3 * D * F,
        .kv_width = 2 * (D + kv),
        .qkv_width = 3 * D + q + 2 * kv,
        .rest_width = (q + D) + 3 * (D + F),
    };
}

/* Keys that a query sees in blocks [from, to), its own among them. */
static double visible(const struct ap_config *c, int32_t from, int32_t to, int32_t position)
{
    double sum = 0.0;
    for (int32_t l = from; l < to; l++) {
        int32_t window = ap__layer_window(c, l);
        sum += window > 0 && window <= position ? window : position + 1;
    }
    return sum;
}

void ap__account_add(const struct ap_config *c, int32_t position, bool read, double rows, struct ap_work_size *size)
{
    size->T += rows;
    size->Q += read ? rows : 0.0;
    size->P += rows * visible(c, 0, c->L - !read, position);
}

ap_status ap__account_pack(const struct ap_config *c, const struct ap_pack *pack, int32_t first, struct ap_arena *arena,
                           struct ap_work_size *out, struct ap_err *err)
{
    uint8_t *read = ap__arena_zalloc(arena, (size_t)pack->T + 1);
    if (read == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory to count %d tokens", pack->T);
    *out = (struct ap_work_size){0};
    for (int32_t i = 0; i < pack->N; i++)
        read[pack->target_row[i]] = 1;
    for (int32_t t = first; t < pack->T; t++)
        ap__account_add(c, pack->position[t], read[t], 1.0, out);
    return AP_OK;
}

/* Multiply-adds of one pass through all linears, given what a row costs in each kind. */
static double linear(const struct ap_config *c, const struct ap_work_size *s, double qkv, double kv, double rest)
{
    double q = qkv - kv;
    return (c->L - 1) * s->T * (qkv + rest) + s->T * kv + s->Q * (q + rest);
}

static double attention(const struct ap_config *c, const struct ap_work_size *s)
{
    return 2.0 * c->H * c->Dh * s->P;
}

static double head(const struct ap_config *c, const struct ap_work_size *s) { return s->Q * c->V * c->D; }

double ap__account_forward(const struct ap_config *c, const struct ap_work_size *s)
{
    struct block_sums b = sums_of(c);
    return 2.0 * (linear(c, s, b.qkv, b.kv, b.rest) + attention(c, s) + head(c, s));
}

/* Everything has a gradient: that of the first block's input goes to the embedding. */
static double full_step(const struct ap_config *c, const struct ap_work_size *s, const struct block_sums *b)
{
    double backward = 2 * linear(c, s, b->qkv, b->kv, b->rest) + 2 * attention(c, s) + 2 * head(c, s);
    return ap__account_forward(c, s) + 2.0 * backward;
}

double ap__account_step(const struct ap_config *c, const struct ap_work_size *s, int32_t R)
{
    struct block_sums b = sums_of(c);
    if (R == 0)
        return full_step(c, s, &b);
    /* In a model of one block the first is also the last: only Q rows have queries. */
    double first_q = (b.qkv - b.kv) * (c->L > 1 ? s->T : s->Q), first = first_q + b.kv * s->T;
    double first_in = R * c->D * (2 * s->T + (c->L > 1 ? s->T : s->Q));
    double adapter = R * linear(c, s, b.qkv_width, b.kv_width, b.rest_width);
    double backward = linear(c, s, b.qkv, b.kv, b.rest) - first + 3 * adapter - first_in + 2 * attention(c, s) + head(c, s);
    return ap__account_forward(c, s) + 2.0 * backward;
}
