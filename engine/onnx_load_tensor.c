/*
 * TensorProto -> struct eng_tensor: type, dimensions and exactly as many
 * elements as they need, from raw bytes, typed lists or an external file.
 */
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "onnx_load_parts.h"
#include "tensor.h"

enum { EXTERNAL_KEYS_MAX = 16 };

/* --- external data --- */

struct onnx_external {
    const char *location;
    uint64_t offset;
    bool has_length;
    uint64_t length;
};

static bool check_range(const struct onnx_external *external, size_t size,
                        uint64_t file_size, struct error *err)
{
    if (external->offset > file_size || size > file_size - external->offset)
        return fail(err, ERR_MODEL_INVALID,
                    "needs %zu bytes of external data from byte %llu on, the "
                    "file has %llu",
                    size, (unsigned long long)external->offset,
                    (unsigned long long)file_size);
    return true;
}

static bool parse_number(const char *text, uint64_t *number)
{
    *number = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' ||
            __builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*text - '0'), number))
            return false;
    }
    return *number <= INT64_MAX;
}

/* One key of external_data; `seen` has a bit per key. */
static bool external_key(const struct Onnx__StringStringEntryProto *entry,
                         struct onnx_external *external, unsigned *seen,
                         struct error *err)
{
    static const char *const keys[] = {"location", "offset", "length",
                                       "checksum"};
    const char *value = entry->value ? entry->value : "";
    unsigned key = 0;

    while (key < 4 && (!entry->key || strcmp(entry->key, keys[key]) != 0))
        key++;
    if (key == 4)
        return fail(err, ERR_MODEL_INVALID,
                    "has an unknown key of external data");
    if (*seen >> key & 1)
        return fail(err, ERR_MODEL_INVALID, "gives external '%s' twice",
                    keys[key]);
    *seen |= 1U << key;
    if (key == 0)
        external->location = value;
    if (key == 1 && !parse_number(value, &external->offset))
        return fail(err, ERR_MODEL_INVALID,
                    "has an external offset that is no number");
    if (key == 2 && !parse_number(value, &external->length))
        return fail(err, ERR_MODEL_INVALID,
                    "has an external length that is no number");
    external->has_length |= key == 2;
    return true;
}

static bool parse_external(const struct Onnx__TensorProto *proto,
                           struct onnx_external *external, size_t size,
                           struct error *err)
{
    unsigned seen = 0;

    *external = (struct onnx_external){.location = ""};
    if (proto->n_external_data > EXTERNAL_KEYS_MAX)
        return fail(err, ERR_MODEL_INVALID, "has %zu keys of external data",
                    proto->n_external_data);
    for (size_t i = 0; i < proto->n_external_data; i++) {
        if (!external_key(proto->external_data[i], external, &seen, err))
            return false;
    }
    if (!external->location[0])
        return fail(err, ERR_MODEL_INVALID,
                    "has external data without a location");
    if (external->has_length && external->length != size)
        return fail(err, ERR_MODEL_INVALID,
                    "has %llu external bytes, its shape needs %zu",
                    (unsigned long long)external->length, size);
    return true;
}

/* --- typed lists --- */

static bool want_elements(size_t have, int64_t want, struct error *err)
{
    if ((uint64_t)want == have)
        return true;
    return fail(err, ERR_MODEL_INVALID,
                "holds %zu elements, its shape needs %lld", have,
                (long long)want);
}

/* int32_data holds all types of up to 32 bits; `low` and `high` bound them. */
static bool copy_int32(const struct Onnx__TensorProto *proto,
                       struct eng_tensor *tensor, int32_t low, int32_t high,
                       struct error *err)
{
    size_t size = eng_dtype_size(tensor->dtype);

    for (size_t i = 0; i < proto->n_int32_data; i++) {
        int32_t value = proto->int32_data[i];

        if (value < low || value > high)
            return fail(err, ERR_MODEL_INVALID, "element %zu is outside %s", i,
                        eng_dtype_name(tensor->dtype));
        /* Little endian: the low bytes come first. */
        memcpy((unsigned char *)tensor->data + i * size, &value, size);
    }
    return true;
}

static bool copy_uint64(const struct Onnx__TensorProto *proto,
                        struct eng_tensor *tensor, struct error *err)
{
    size_t size = eng_dtype_size(tensor->dtype);

    for (size_t i = 0; i < proto->n_uint64_data; i++) {
        if (size == 4 && proto->uint64_data[i] > UINT32_MAX)
            return fail(err, ERR_MODEL_INVALID, "element %zu is outside uint32",
                        i);
        memcpy((unsigned char *)tensor->data + i * size, &proto->uint64_data[i],
               size);
    }
    return true;
}

static bool copy_strings(const struct Onnx__TensorProto *proto,
                         struct arena *arena, struct eng_tensor *tensor,
                         struct error *err)
{
    struct eng_string *strings = tensor->data;

    for (size_t i = 0; i < proto->n_string_data; i++) {
        const ProtobufCBinaryData *from = &proto->string_data[i];

        strings[i].text = arena_copy(arena, from->data, from->len);
        strings[i].size = from->len;
        if (!strings[i].text)
            return fail(err, ERR_OUT_OF_MEMORY, "no memory for strings");
    }
    return true;
}

struct typed_list {
    size_t count;
    const void *elements; /* NULL: needs a conversion */
    int32_t low, high;    /* of int32_data */
};

/* Which of the typed lists this dtype uses. */
static struct typed_list pick_list(const struct Onnx__TensorProto *proto,
                                   enum eng_dtype dtype)
{
    struct typed_list list = {proto->n_int32_data, NULL, INT32_MIN, INT32_MAX};

    switch (dtype) {
    case ENG_F32:
        return (struct typed_list){proto->n_float_data, proto->float_data, 0,
                                   0};
    case ENG_F64:
        return (struct typed_list){proto->n_double_data, proto->double_data, 0,
                                   0};
    case ENG_I64:
        return (struct typed_list){proto->n_int64_data, proto->int64_data, 0,
                                   0};
    case ENG_U32:
    case ENG_U64:
        list.count = proto->n_uint64_data;
        break;
    case ENG_STRING:
        list.count = proto->n_string_data;
        break;
    case ENG_U8:
    case ENG_BOOL:
        list.low = 0;
        list.high = dtype == ENG_BOOL ? 1 : UINT8_MAX;
        break;
    case ENG_I8:
        list.low = INT8_MIN;
        list.high = INT8_MAX;
        break;
    case ENG_U16:
    case ENG_F16:
    case ENG_BF16:
        list.low = 0;
        list.high = UINT16_MAX;
        break;
    case ENG_I16:
        list.low = INT16_MIN;
        list.high = INT16_MAX;
        break;
    case ENG_I32:
    case ENG_NONE:
        break;
    }
    return list;
}

static bool copy_typed(const struct Onnx__TensorProto *proto,
                       struct arena *arena, struct eng_tensor *tensor,
                       struct error *err)
{
    struct typed_list list = pick_list(proto, tensor->dtype);
    size_t lists = proto->n_float_data + proto->n_double_data +
                   proto->n_int32_data + proto->n_int64_data +
                   proto->n_uint64_data + proto->n_string_data;

    if (!want_elements(lists, eng_tensor_count(tensor), err) ||
        !want_elements(list.count, eng_tensor_count(tensor), err))
        return false;
    if (list.elements)
        memcpy(tensor->data, list.elements, eng_tensor_size(tensor));
    else if (tensor->dtype == ENG_STRING)
        return copy_strings(proto, arena, tensor, err);
    else if (tensor->dtype == ENG_U32 || tensor->dtype == ENG_U64)
        return copy_uint64(proto, tensor, err);
    else
        return copy_int32(proto, tensor, list.low, list.high, err);
    return true;
}

/* --- the tensor --- */

static bool copy_raw(const struct Onnx__TensorProto *proto,
                     const struct wire_span *raw, struct eng_tensor *tensor,
                     struct error *err)
{
    size_t size = eng_tensor_size(tensor);

    if (tensor->dtype == ENG_STRING)
        return fail(err, ERR_MODEL_INVALID, "has strings as raw data");
    if (proto->n_float_data || proto->n_int32_data || proto->n_int64_data ||
        proto->n_double_data || proto->n_uint64_data || proto->n_string_data)
        return fail(err, ERR_MODEL_INVALID, "has both raw and typed elements");
    if (raw->size != size)
        return fail(err, ERR_MODEL_INVALID,
                    "holds %zu bytes, its shape needs %zu", raw->size, size);
    if (size)
        memcpy(tensor->data, raw->bytes, size);
    return true;
}

static bool read_shape(const struct Onnx__TensorProto *proto,
                       struct eng_tensor *tensor, struct error *err)
{
    int32_t type = proto->data_type;

    *tensor = (struct eng_tensor){.dtype = (enum eng_dtype)type};
    if (type <= 0 || type > 64)
        return fail(err, ERR_MODEL_INVALID, "has the unknown data type %d",
                    type);
    if (!eng_dtype_size(tensor->dtype))
        return fail(err, ERR_MODEL_UNSUPPORTED, "has data type %d", type);
    if (proto->n_dims > ENG_RANK_MAX)
        return fail(err, ERR_MODEL_UNSUPPORTED, "has rank %zu, limit %d",
                    proto->n_dims, ENG_RANK_MAX);
    eng_shape_set(tensor, (int)proto->n_dims, proto->dims);
    if (eng_tensor_size(tensor) > SIZE_MAX / 2)
        return fail(err, ERR_MODEL_INVALID,
                    "has a dimension below 0, or too many elements");
    if (proto->segment)
        return fail(err, ERR_MODEL_UNSUPPORTED, "comes in segments");
    return true;
}

/* How many bytes the file itself gives: guards the allocation that follows. */
static size_t bytes_at_hand(const struct Onnx__TensorProto *proto,
                            const struct wire_span *raw)
{
    size_t elements = proto->n_float_data + proto->n_double_data +
                      proto->n_int32_data + proto->n_int64_data +
                      proto->n_uint64_data + proto->n_string_data;

    return raw->size + elements * sizeof(struct eng_string);
}

/* bool tensors hold 0 and 1 only, whatever the file's bytes are. */
static void tidy_bools(struct eng_tensor *tensor)
{
    unsigned char *bytes = tensor->data;

    for (size_t i = 0; i < eng_tensor_size(tensor); i++)
        bytes[i] = bytes[i] != 0;
}

static bool alloc_elements(struct arena *arena, struct eng_tensor *tensor,
                           struct error *err)
{
    size_t size = eng_tensor_size(tensor);

    tensor->data = eng_weight_alloc(arena, size);
    return tensor->data ||
           fail(err, ERR_OUT_OF_MEMORY, "needs %zu bytes", size);
}

static bool load_external(const struct onnx_tensor_source *source,
                          struct arena *arena, struct eng_tensor *tensor,
                          struct error *err)
{
    size_t size = eng_tensor_size(tensor);
    struct onnx_external external;
    struct error cause;
    uint64_t file_size = 0;
    bool ok = false;
    int file;

    if (source->folder < 0)
        return fail(err, ERR_MODEL_INVALID, "may not have external data here");
    if (tensor->dtype == ENG_STRING)
        return fail(err, ERR_MODEL_INVALID, "has external strings");
    if (!parse_external(source->proto, &external, size, err))
        return false;
    file =
        folder_file_open(source->folder, external.location, &file_size, &cause);
    if (file < 0)
        return fail(err, ERR_MODEL_INVALID, "has external data that %s",
                    cause.msg);
    if (check_range(&external, size, file_size, err) &&
        alloc_elements(arena, tensor, err))
        ok = folder_file_read(file, external.offset, tensor->data, size) ||
             fail(err, ERR_MODEL_INVALID, "has unreadable external data");
    (void)close(file);
    return ok;
}

static bool load_elements(const struct onnx_tensor_source *source,
                          struct arena *arena, struct eng_tensor *tensor,
                          struct error *err)
{
    const struct Onnx__TensorProto *proto = source->proto;
    struct wire_span own = {proto->raw_data.data, proto->raw_data.len};
    const struct wire_span *raw = source->raw ? source->raw : &own;

    if (proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return load_external(source, arena, tensor, err);
    if (eng_tensor_size(tensor) > bytes_at_hand(proto, raw))
        return fail(err, ERR_MODEL_INVALID,
                    "holds fewer elements than its shape needs");
    if (!alloc_elements(arena, tensor, err))
        return false;
    if (source->raw || proto->has_raw_data)
        return copy_raw(proto, raw, tensor, err);
    return copy_typed(proto, arena, tensor, err);
}

bool onnx_load_tensor(const struct onnx_tensor_source *source,
                      struct arena *arena, struct eng_tensor *tensor,
                      struct error *err)
{
    struct error cause;

    if (!read_shape(source->proto, tensor, &cause) ||
        !load_elements(source, arena, tensor, &cause))
        return fail(err, cause.code, "tensor '%.80s' %s", source->name,
                    cause.msg);
    if (tensor->dtype == ENG_BOOL)
        tidy_bools(tensor);
    return true;
}

/* raw_data is cut out first, so that protobuf-c does not copy it. */
static struct Onnx__TensorProto *unpack_tensor(struct wire_span span,
                                               struct wire_span *raw,
                                               bool *has_raw, struct error *err)
{
    enum { RAW_DATA = 9 };
    struct buf rest = {0}, cut = {0};
    struct Onnx__TensorProto *proto = NULL;

    if (!wire_cut(span, RAW_DATA, &rest, &cut, err))
        goto out;
    *has_raw = cut.size > 0;
    /* As protobuf has it, the last one counts. */
    if (*has_raw)
        memcpy(raw, cut.data + cut.size - sizeof *raw, sizeof *raw);
    proto =
        onnx__tensor_proto__unpack(NULL, rest.size, (const uint8_t *)rest.data);
    if (!proto)
        fail(err, ERR_MODEL_INVALID, "a tensor cannot be parsed");
out:
    buf_release(&rest);
    buf_release(&cut);
    return proto;
}

bool onnx_load_tensor_bytes(struct wire_span span, int folder,
                            struct arena *arena, struct eng_tensor *tensor,
                            const char **name, struct error *err)
{
    struct wire_span raw = {NULL, 0};
    bool has_raw = false, ok;
    struct Onnx__TensorProto *proto = unpack_tensor(span, &raw, &has_raw, err);
    struct onnx_tensor_source source = {proto, has_raw ? &raw : NULL, folder,
                                        ""};

    if (!proto)
        return false;
    if (proto->name)
        source.name = proto->name;
    ok = onnx_name_check(source.name, "tensor", err) &&
         onnx_load_tensor(&source, arena, tensor, err);
    if (ok && name) {
        *name = arena_strdup(arena, source.name);
        ok = *name || fail(err, ERR_OUT_OF_MEMORY, "no memory for a name");
    }
    onnx__tensor_proto__free_unpacked(proto, NULL);
    return ok;
}
