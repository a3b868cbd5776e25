/*
 * Safetensors: header first, elements later; see safetensors.h.
 */
#include "safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "half.h"
#include "json_object.h"
#include "tensor.h"

enum { LENGTH_BYTES = 8, TENSOR_DEPTH = 4, TENSOR_FIELDS = 3 };

/* --- one tensor of the header --- */

static bool read_dtype(const struct json_object *fields, struct arena *arena,
                       enum eng_dtype *dtype, struct error *err)
{
    static const struct {
        const char *name;
        enum eng_dtype dtype;
    } types[] = {{"F64", ENG_F64},   {"F32", ENG_F32}, {"F16", ENG_F16},
                 {"BF16", ENG_BF16}, {"I64", ENG_I64}, {"U64", ENG_U64},
                 {"I32", ENG_I32},   {"U32", ENG_U32}, {"I16", ENG_I16},
                 {"U16", ENG_U16},   {"I8", ENG_I8},   {"U8", ENG_U8},
                 {"BOOL", ENG_BOOL}};
    const char *name = "";

    if (!json_object_string(fields, "dtype", arena, &name, err))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, name) == 0) {
            *dtype = types[i].dtype;
            return true;
        }
    }
    return fail(err, ERR_MODEL_UNSUPPORTED, "has the type '%.20s'", name);
}

/* Do bytes and shape agree? */
static bool check_bytes(const struct safetensor *item, struct error *err)
{
    size_t size = eng_tensor_size(&item->form);

    if (size > SIZE_MAX / 2)
        return fail(err, ERR_MODEL_INVALID, "has too many elements");
    if (item->end < item->begin || item->end - item->begin != size)
        return fail(err, ERR_MODEL_INVALID,
                    "has bytes %llu to %llu, its shape needs %zu",
                    (unsigned long long)item->begin,
                    (unsigned long long)item->end, size);
    return true;
}

static bool read_fields(const struct json_object *fields, struct arena *arena,
                        struct safetensor *item, struct error *err)
{
    int64_t dims[ENG_RANK_MAX], offsets[2];
    size_t rank = 0, ends = 0;

    if (fields->count != TENSOR_FIELDS || !json_object_find(fields, "dtype") ||
        !json_object_find(fields, "shape") ||
        !json_object_find(fields, "data_offsets"))
        return fail(err, ERR_MODEL_INVALID,
                    "needs dtype, shape and data_offsets, and nothing else");
    if (!read_dtype(fields, arena, &item->form.dtype, err) ||
        !json_object_sizes(fields, "shape", dims, ENG_RANK_MAX, &rank, err) ||
        !json_object_sizes(fields, "data_offsets", offsets, 2, &ends, err))
        return false;
    if (ends != 2)
        return fail(err, ERR_MODEL_INVALID, "has %zu data_offsets", ends);
    eng_shape_set(&item->form, (int)rank, dims);
    item->begin = (uint64_t)offsets[0];
    item->end = (uint64_t)offsets[1];
    return check_bytes(item, err);
}

static bool check_name(const char *name, struct error *err)
{
    size_t size = strlen(name);

    if (size == 0 || size > SAFETENSORS_NAME_MAX)
        return fail(err, ERR_MODEL_INVALID,
                    "the name of a tensor has %zu bytes, 1 to %d are allowed",
                    size, SAFETENSORS_NAME_MAX);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return fail(err, ERR_MODEL_INVALID,
                        "the name of a tensor holds a control character");
    }
    return true;
}

static bool read_item(const struct json_member *member, struct arena *arena,
                      struct safetensor *item, struct error *err)
{
    static const struct json_limits limits = {TENSOR_DEPTH, TENSOR_FIELDS};
    struct json_object fields;
    struct error cause;

    if (!check_name(member->key, err))
        return false;
    *item = (struct safetensor){.name = member->key};
    if (json_object_read(member->text, member->size, &limits, arena, &fields,
                         &cause) &&
        read_fields(&fields, arena, item, &cause))
        return true;
    if (cause.code == ERR_MALFORMED_JSON || cause.code == ERR_FILE_INVALID)
        cause.code = ERR_MODEL_INVALID;
    return fail(err, cause.code, "tensor '%.80s' %s", member->key, cause.msg);
}

/* Strings by name; they change nothing, but must be that. */
static bool check_metadata(const struct json_member *member,
                           struct arena *arena, struct error *err)
{
    static const struct json_limits limits = {1, SAFETENSORS_COUNT_MAX};
    struct json_object fields;

    if (!json_object_read(member->text, member->size, &limits, arena, &fields,
                          err))
        return false;
    for (size_t i = 0; i < fields.count; i++) {
        if (json_member_kind(&fields.members[i]) != '"')
            return fail(err, ERR_MODEL_INVALID,
                        "'__metadata__' must hold strings only");
    }
    return true;
}

/* --- the header --- */

static int by_bytes(const void *a, const void *b)
{
    const struct safetensor *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Each tensor begins where the one before it ends, the last at the end. */
static bool check_cover(const struct safetensors *file, uint64_t data_size,
                        struct error *err)
{
    uint64_t at = 0;

    for (size_t i = 0; i < file->count; i++) {
        const struct safetensor *item = &file->items[i];

        if (item->begin != at)
            return fail(err, ERR_MODEL_INVALID,
                        "tensor '%.80s' begins at byte %llu, %s %llu",
                        item->name, (unsigned long long)item->begin,
                        item->begin < at ? "inside another, which ends at"
                                         : "behind a gap from",
                        (unsigned long long)at);
        at = item->end;
    }
    return at == data_size ||
           fail(err, ERR_MODEL_INVALID,
                "the tensors need %llu bytes, the file has %llu",
                (unsigned long long)at, (unsigned long long)data_size);
}

static bool read_items(struct safetensors *file,
                       const struct json_object *header, struct arena *arena,
                       struct error *err)
{
    file->items = arena_zalloc(arena, header->count + 1, sizeof *file->items);
    if (!file->items)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for %zu tensors",
                    header->count);
    for (size_t i = 0; i < header->count; i++) {
        const struct json_member *member = &header->members[i];

        if (strcmp(member->key, "__metadata__") == 0) {
            if (!check_metadata(member, arena, err))
                return false;
            continue;
        }
        if (!read_item(member, arena, &file->items[file->count], err))
            return false;
        file->count++;
    }
    qsort(file->items, file->count, sizeof *file->items, by_bytes);
    return true;
}

static bool parse_header(struct safetensors *file, const char *text,
                         size_t size, struct arena *arena, struct error *err)
{
    static const struct json_limits limits = {TENSOR_DEPTH,
                                              SAFETENSORS_COUNT_MAX + 1};
    struct json_object header;

    if (text[0] != '{')
        return fail(err, ERR_MODEL_INVALID, "the header is no JSON object");
    return json_object_read(text, size, &limits, arena, &header, err) &&
           read_items(file, &header, arena, err);
}

/* The header's size; 0 with an error. */
static size_t header_size(int file, uint64_t file_size, struct error *err)
{
    unsigned char bytes[LENGTH_BYTES];
    uint64_t size = 0;

    if (file_size < LENGTH_BYTES ||
        !folder_file_read(file, 0, bytes, sizeof bytes)) {
        (void)fail(err, ERR_MODEL_INVALID, "no safetensors file: %llu bytes",
                   (unsigned long long)file_size);
        return 0;
    }
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        size = size << 8 | bytes[i];
    if (size < 2 || size > file_size - LENGTH_BYTES ||
        size > SAFETENSORS_HEADER_MAX) {
        (void)fail(err, ERR_MODEL_INVALID,
                   "no safetensors file: a header of %llu bytes in a file of "
                   "%llu, limit %d",
                   (unsigned long long)size, (unsigned long long)file_size,
                   SAFETENSORS_HEADER_MAX);
        return 0;
    }
    return (size_t)size;
}

static bool read_header(struct safetensors *file, uint64_t file_size,
                        struct arena *arena, struct error *err)
{
    size_t size = header_size(file->file, file_size, err);
    char *text = size ? malloc(size) : NULL;
    bool ok = false;

    if (!size)
        return false;
    if (!text)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the header");
    file->data_start = LENGTH_BYTES + size;
    if (!folder_file_read(file->file, LENGTH_BYTES, text, size))
        (void)fail(err, ERR_MODEL_INVALID, "the header cannot be read");
    else
        ok = parse_header(file, text, size, arena, err) &&
             check_cover(file, file_size - file->data_start, err);
    free(text);
    return ok;
}

bool safetensors_open(struct safetensors *file, int folder, const char *name,
                      uint64_t size_max, struct arena *arena, struct error *err)
{
    struct error cause;
    uint64_t size = 0;

    file->file = folder_file_open(folder, name, &size, &cause);
    if (file->file < 0)
        return fail(err, cause.code, "'%.80s' %s", name, cause.msg);
    if (size > size_max)
        return fail(err, ERR_MODEL_INVALID,
                    "'%.80s' has %llu bytes, limit %llu", name,
                    (unsigned long long)size, (unsigned long long)size_max);
    if (read_header(file, size, arena, &cause))
        return true;
    if (cause.code == ERR_MALFORMED_JSON)
        cause.code = ERR_MODEL_INVALID;
    return fail(err, cause.code, "'%.60s': %s", name, cause.msg);
}

void safetensors_close(struct safetensors *file)
{
    if (file->file >= 0)
        (void)close(file->file);
    file->file = -1;
}

/* --- elements --- */

static bool check_finite(const float *x, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(x[i]))
            return fail(err, ERR_MODEL_INVALID, "element %zu is not finite", i);
    }
    return true;
}

/*
 * 16-bit elements become floats in the place they are read to: they lie in its
 * upper half, and are widened from the front on, each before its bytes are
 * written over.
 */
static void widen(float *to, size_t count, enum eng_dtype from)
{
    const unsigned char *half = (const unsigned char *)to + 2 * count;

    for (size_t i = 0; i < count; i++) {
        uint16_t bits;

        memcpy(&bits, half + 2 * i, sizeof bits);
        to[i] = from == ENG_F16 ? half_f16_to_float(bits)
                                : half_bf16_to_float(bits);
    }
}

static bool read_elements(const struct safetensors *file,
                          const struct safetensor *item,
                          struct eng_tensor *tensor, struct error *err)
{
    size_t size = eng_tensor_size(&item->form);
    size_t whole = eng_tensor_size(tensor);
    unsigned char *to = (unsigned char *)tensor->data + (whole - size);

    if (!folder_file_read(file->file, file->data_start + item->begin, to, size))
        return fail(err, ERR_MODEL_INVALID, "cannot be read from the file");
    if (item->form.dtype != ENG_F32)
        widen(tensor->data, whole / sizeof(float), item->form.dtype);
    return check_finite(tensor->data, whole / sizeof(float), err);
}

bool safetensors_read(const struct safetensors *file,
                      const struct safetensor *item, struct arena *arena,
                      struct eng_tensor *tensor, struct error *err)
{
    struct eng_tensor made = item->form;
    struct error cause;

    if (made.dtype != ENG_F32 && made.dtype != ENG_F16 &&
        made.dtype != ENG_BF16)
        return fail(err, ERR_MODEL_UNSUPPORTED,
                    "tensor '%.80s' is %s, not a float of at most 32 bits",
                    item->name, eng_dtype_name(made.dtype));
    made.dtype = ENG_F32;
    if (eng_tensor_size(&made) > SIZE_MAX / 2)
        return fail(err, ERR_MODEL_INVALID,
                    "tensor '%.80s' has too many elements", item->name);
    made.data = eng_weight_alloc(arena, eng_tensor_size(&made));
    if (!made.data)
        return fail(err, ERR_OUT_OF_MEMORY, "tensor '%.80s' needs %zu bytes",
                    item->name, eng_tensor_size(&made));
    if (!read_elements(file, item, &made, &cause))
        return fail(err, cause.code, "tensor '%.80s' %s", item->name,
                    cause.msg);
    *tensor = made;
    return true;
}
