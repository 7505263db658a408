/* save.c - lays tensors out in files and streams them.
 *
 *     layout   slot -> dtype, file      (the base's index, or one file after the other up to a ceiling)
 *     write    file by file: header -> slots in the file's order, PIECE numbers at a time
 *     last     index, config.json; what an earlier layout left in the folder is removed */
#include "model/save.h"

#include "base/file.h"
#include "base/json.h"
#include "model/lora.h"
#include "tensor/quant.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SINGLE "model.safetensors"
#define INDEX "model.safetensors.index.json"
enum { PIECE = 1 << 20, MAX_FILES = 4096 };
static const int64_t SHARD_BYTES = 5000000000;

struct layout {
    struct ap_tensor_entry *entry; /* (weight_count,) data: the slot */
    int32_t *file;                 /* (weight_count,) */
    char **name;                   /* (files,) */
    int32_t files;
    enum ap_dtype dtype; /* most of the model's */
};

static void free_layout(struct layout *l)
{
    for (int32_t i = 0; i < l->files; i++)
        ap__free(l->name[i]);
    ap__free(l->name);
    ap__free(l->file);
    ap__free(l->entry);
}

/* ---- values of slots ---- */

void ap__slot_shape(const struct ap_model *m, int32_t i, int32_t *rows, int32_t *cols)
{
    struct ap_matrix W = ap__as_rows(&m->weight[i].W);
    *rows = W.rows;
    *cols = W.cols;
}

/* The adapter of slot i, NULL for embeddings, vectors and the head. */
static const struct ap_lora_pair *pair_of(const struct ap_model *m, int32_t i)
{
    for (int j = 0; m->weight[i].hidden && j < AP_LINEAR_COUNT; j++) {
        int32_t l = (i - 1) / m->layer_slots;
        if (&m->weight[i] == ap__layer_weight(m, l, ap__linear_slot(j)))
            return ap__lora_pair(m, l, j);
    }
    return NULL;
}

void ap__merged_rows(const struct ap_model *m, int32_t i, int32_t first, int32_t rows, float *out, double *scratch)
{
    struct ap_matrix W = ap__as_rows(&m->weight[i].W);
    const struct ap_lora_pair *p = pair_of(m, i);
    for (int32_t r = 0; r < rows; r++)
        ap__matrix_row(out + (size_t)r * (size_t)W.cols, &W, first + r, 0, W.cols);
    if (p != NULL)
        ap__lora_merge(p, first, rows, out, scratch);
}

/* ---- layout ---- */

static ap_status add_file(struct layout *l, const char *name, struct ap_err *err)
{
    if (l->files == MAX_FILES)
        return ap__fail(err, AP_E_TOO_LARGE, name, "more than %d files", MAX_FILES);
    l->name[l->files] = ap__strdup(name);
    return l->name[l->files++] != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, name, "out of memory");
}

static int64_t bytes_of(const struct ap_model *m, const struct layout *l, int32_t i)
{
    return ap__weight_size(&m->weight[i]) * (int64_t)ap__dtype_size(l->entry[i].dtype);
}

/* One file, or several below the ceiling, named as transformers does. */
static ap_status cut_files(const struct ap_model *m, struct layout *l, int64_t ceiling, struct ap_err *err)
{
    int64_t used = 0;
    int32_t files = 1;
    for (int32_t i = 0; i < m->weight_count; i++) {
        if (used > 0 && used + bytes_of(m, l, i) > ceiling) {
            used = 0;
            files++;
        }
        used += bytes_of(m, l, i);
        l->file[i] = files - 1;
    }
    if (files == 1)
        return add_file(l, SINGLE, err);
    for (int32_t f = 0; f < files; f++) {
        char name[64];
        snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", f + 1, files);
        AP_TRY(add_file(l, name, err));
    }
    return AP_OK;
}

/* The files of the base's index. */
static ap_status copy_files(const struct ap_model *m, struct layout *l, const char *index, struct ap_err *err)
{
    json_t *root = NULL;
    AP_TRY(ap__json_load(index, &root, err));
    const json_t *map = json_object_get(root, "weight_map");
    ap_status status = AP_OK;
    for (int32_t i = 0; i < m->weight_count && status == AP_OK; i++) {
        const char *name = ap__json_str_or(map, m->weight[i].name, SINGLE);
        int32_t f = 0;
        while (f < l->files && strcmp(l->name[f], name) != 0)
            f++;
        l->file[i] = f;
        if (f == l->files)
            status = strchr(name, '/') == NULL ? add_file(l, name, err)
                                               : ap__fail(err, AP_E_FORMAT, index, "`%s` is no file name", name);
    }
    json_decref(root);
    return status;
}

static ap_status choose_files(const struct ap_model *m, const struct ap_save_options *o, struct layout *l,
                              struct ap_err *err)
{
    char *index = o->like != NULL ? ap__path_join(o->like, INDEX) : NULL;
    ap_status status;
    if (o->like != NULL && index == NULL)
        status = ap__fail(err, AP_E_MEMORY, o->like, "out of memory");
    else if (index != NULL && ap__file_exists(index))
        status = copy_files(m, l, index, err);
    else
        status = cut_files(m, l, o->shard_bytes > 0 ? o->shard_bytes : SHARD_BYTES, err);
    ap__free(index);
    return status;
}

/* Names, shapes and dtypes; the latter of the base's tensors unless cast. */
static ap_status describe(const struct ap_model *m, const struct ap_save_options *o, struct layout *l,
                          struct ap_err *err)
{
    struct ap_safetensors *base = NULL;
    ap_status status = o->cast ? AP_OK : ap__safetensors_open_dir(o->like, &base, err);
    for (int32_t i = 0; i < m->weight_count && status == AP_OK; i++) {
        const struct ap_weight *w = &m->weight[i];
        struct ap_tensor_view view = {.dtype = o->dtype};
        if (base != NULL)
            status = ap__safetensors_get(base, w->name, &view, err);
        l->entry[i] = (struct ap_tensor_entry){w->name, view.dtype, w->W.cols > 0 ? 2 : 1, {w->W.rows, 1, 1, 1}, w};
        l->entry[i].shape[1] = w->W.cols > 0 ? w->W.cols : 1;
    }
    ap__safetensors_free(base);
    l->dtype = l->entry[0].dtype;
    return status;
}

static ap_status make_layout(const struct ap_model *m, const struct ap_save_options *o, struct layout *l,
                             struct ap_err *err)
{
    l->entry = ap__alloc_array((size_t)m->weight_count, sizeof *l->entry);
    l->file = ap__alloc_array((size_t)m->weight_count, sizeof *l->file);
    l->name = ap__alloc_array(MAX_FILES, sizeof *l->name);
    if (l->entry == NULL || l->file == NULL || l->name == NULL)
        return ap__fail(err, AP_E_MEMORY, o->like, "out of memory while saving the model");
    AP_TRY(describe(m, o, l, err));
    return choose_files(m, o, l, err);
}

/* ---- files ---- */

/* What converting a piece takes. */
struct piece {
    float *f32;
    void *out;
    double *scratch; /* (largest row,) */
    int32_t numbers; /* a piece's; at least a row */
};

static ap_status make_piece(const struct ap_model *m, struct piece *p, struct ap_err *err)
{
    int32_t rows, cols, widest = 0;
    for (int32_t i = 0; i < m->weight_count; i++) {
        ap__slot_shape(m, i, &rows, &cols);
        widest = cols > widest ? cols : widest;
    }
    p->numbers = widest > PIECE ? widest : PIECE;
    p->f32 = ap__alloc_array((size_t)p->numbers, sizeof *p->f32);
    p->out = ap__alloc_array((size_t)p->numbers, sizeof *p->f32);
    p->scratch = ap__alloc_array((size_t)widest, sizeof *p->scratch);
    return p->f32 != NULL && p->out != NULL && p->scratch != NULL
               ? AP_OK
               : ap__fail(err, AP_E_MEMORY, NULL, "out of memory while saving the model");
}

static void free_piece(struct piece *p)
{
    ap__free(p->scratch);
    ap__free(p->out);
    ap__free(p->f32);
}

static ap_status put_slot(const struct ap_model *m, int32_t i, enum ap_dtype dtype, const struct piece *p,
                          struct ap_safetensors_writer *w, struct ap_err *err)
{
    int32_t rows, cols;
    ap__slot_shape(m, i, &rows, &cols);
    for (int32_t at = 0, n; at < rows; at += n) {
        n = p->numbers / cols < rows - at ? p->numbers / cols : rows - at;
        size_t numbers = (size_t)n * (size_t)cols;
        ap__merged_rows(m, i, at, n, p->f32, p->scratch);
        ap__dtype_from_f32(p->out, p->f32, dtype, numbers);
        AP_TRY(ap__safetensors_put(w, p->out, numbers * ap__dtype_size(dtype), err));
    }
    return AP_OK;
}

static ap_status put_slots(const struct ap_model *m, const char *path, struct ap_tensor_entry *entry, size_t n,
                           const json_t *metadata, const struct piece *p, struct ap_err *err)
{
    struct ap_safetensors_writer *w = NULL;
    AP_TRY(ap__safetensors_begin(path, entry, n, metadata, &w, err));
    for (size_t i = 0; i < n; i++) {
        int32_t slot = (int32_t)((const struct ap_weight *)entry[i].data - m->weight);
        ap_status status = put_slot(m, slot, entry[i].dtype, p, w, err);
        if (status != AP_OK) {
            ap__safetensors_abandon(w);
            return status;
        }
    }
    return ap__safetensors_commit(w, err);
}

static ap_status write_file(const struct ap_model *m, const char *dir, const struct layout *l, int32_t file,
                            const struct piece *p, struct ap_err *err)
{
    size_t n = 0;
    char *path = ap__path_join(dir, l->name[file]);
    struct ap_tensor_entry *entry = ap__alloc_array((size_t)m->weight_count, sizeof *entry);
    json_t *metadata = json_pack("{s:s}", "format", "pt"); /* transformers refuses files without it */
    ap_status status;
    for (int32_t i = 0; entry != NULL && i < m->weight_count; i++)
        if (l->file[i] == file)
            entry[n++] = l->entry[i];
    if (path == NULL || entry == NULL || metadata == NULL)
        status = ap__fail(err, AP_E_MEMORY, dir, "out of memory while saving the model");
    else
        status = put_slots(m, path, entry, n, metadata, p, err);
    json_decref(metadata);
    ap__free(entry);
    ap__free(path);
    return status;
}

static ap_status write_files(const struct ap_model *m, const char *dir, const struct layout *l, struct ap_err *err)
{
    struct piece p = {0};
    ap_status status = make_piece(m, &p, err);
    for (int32_t f = 0; f < l->files && status == AP_OK; f++)
        status = write_file(m, dir, l, f, &p, err);
    free_piece(&p);
    return status;
}

/* ---- index and config ---- */

static ap_status write_json(const char *dir, const char *name, const json_t *value, struct ap_err *err)
{
    char *path = ap__path_join(dir, name), *text = json_dumps(value, JSON_INDENT(2));
    ap_status status = path != NULL && text != NULL ? ap__file_write(path, text, strlen(text), err)
                                                    : ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    free(text);
    ap__free(path);
    return status;
}

static ap_status write_index(const struct ap_model *m, const char *dir, const struct layout *l, struct ap_err *err)
{
    int64_t total = 0;
    json_t *map = json_object();
    for (int32_t i = 0; i < m->weight_count; i++) {
        total += bytes_of(m, l, i);
        json_object_set_new(map, m->weight[i].name, json_string(l->name[l->file[i]]));
    }
    json_t *root = json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)total, "weight_map", map);
    ap_status status = root != NULL ? write_json(dir, INDEX, root, err)
                                    : ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    json_decref(root);
    return status;
}

/* Readers look for one of the two first; only what was just written may be there. */
static void remove_other_layout(const char *dir, const struct layout *l)
{
    bool single = l->files == 1 && strcmp(l->name[0], SINGLE) == 0;
    char *path = ap__path_join(dir, single ? INDEX : SINGLE);
    if (path != NULL)
        unlink(path);
    ap__free(path);
}

/* The base's config.json with the dtype that the weights now have. */
static ap_status copy_config(const char *like, const char *dir, const struct ap_save_options *o,
                             const struct layout *l, struct ap_err *err)
{
    static const char *const name[] = {[AP_F32] = "float32", [AP_BF16] = "bfloat16", [AP_F16] = "float16"};
    char *path = ap__path_join(like, "config.json");
    json_t *root = NULL;
    ap_status status = path != NULL ? ap__json_load(path, &root, err)
                                    : ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    if (status == AP_OK && o->cast) {
        bool recent = json_object_get(root, "dtype") != NULL; /* transformers 5 calls torch_dtype so */
        if (json_object_set_new(root, recent ? "dtype" : "torch_dtype", json_string(name[l->dtype])) != 0)
            status = ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    }
    if (status == AP_OK)
        status = write_json(dir, "config.json", root, err);
    json_decref(root);
    ap__free(path);
    return status;
}

static bool same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

ap_status ap__model_save_as(const struct ap_model *m, const char *dir, const struct ap_save_options *options,
                            struct ap_err *err)
{
    struct layout l = {0};
    if (options->like != NULL && same_folder(options->like, dir))
        return ap__fail(err, AP_E_ARG, dir, "the model would be written over the one it comes from");
    if (options->cast ? ap__dtype_size(options->dtype) == 0 : options->like == NULL)
        return ap__fail(err, AP_E_ARG, dir, "a model is saved as F32, BF16 or F16");
    AP_TRY(ap__mkdirs(dir, err));
    ap_status status = make_layout(m, options, &l, err);
    if (status == AP_OK)
        status = write_files(m, dir, &l, err);
    if (status == AP_OK && !(l.files == 1 && strcmp(l.name[0], SINGLE) == 0))
        status = write_index(m, dir, &l, err);
    if (status == AP_OK)
        remove_other_layout(dir, &l);
    if (status == AP_OK)
        status = options->like != NULL ? copy_config(options->like, dir, options, &l, err)
                                       : ap__config_save(&m->config, dir, l.dtype, err);
    free_layout(&l);
    return status;
}

ap_status ap__model_save(const struct ap_model *m, const char *dir, enum ap_dtype dtype, struct ap_err *err)
{
    return ap__model_save_as(m, dir, &(struct ap_save_options){.cast = true, .dtype = dtype}, err);
}
