/*
 * Bench data: the inputs of a model, from files or made up, and its outputs as
 * files.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "half.h"

enum { PATH_SIZE = 4096, OPEN_DIMENSION = 128 };

/* --- from a folder --- */

static bool read_inputs(const char *folder, size_t count, struct arena *arena,
                        struct eng_tensor *inputs, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        char path[PATH_SIZE];

        (void)snprintf(path, sizeof path, "%s/input_%zu.pb", folder, i);
        if (!eng_tensor_read(path, arena, &inputs[i], err))
            return false;
    }
    return true;
}

/* --- by shape --- */

/* The dimensions of "8x128"; false when it is no such thing. */
static bool parse_dims(const char *text, struct eng_tensor *tensor)
{
    tensor->rank = 0;
    while (tensor->rank < ENG_RANK_MAX) {
        char *end;

        errno = 0;
        tensor->dims[tensor->rank++] = strtoll(text, &end, 10);
        if (errno || end == text || tensor->dims[tensor->rank - 1] < 0)
            return false;
        if (!*end)
            return true;
        if (*end != 'x')
            return false;
        text = end + 1;
    }
    return false;
}

/* The last --shape that is for this input, behind its '='; NULL = none. A
 * shape without a name is for every input. */
static const char *shape_for(const struct bench_options *options,
                             const char *name)
{
    const char *found = NULL;

    for (size_t i = 0; i < options->shape_count; i++) {
        const char *text = options->shapes[i], *equals = strrchr(text, '=');

        if (!equals)
            found = text;
        else if (strlen(name) == (size_t)(equals - text) &&
                 strncmp(name, text, strlen(name)) == 0)
            found = equals + 1;
    }
    return found;
}

static bool has_input(const struct eng_model *model, const char *shape)
{
    const char *equals = strrchr(shape, '=');
    size_t length = equals ? (size_t)(equals - shape) : 0;

    for (size_t i = 0; i < eng_model_input_count(model); i++) {
        const char *name = eng_model_input(model, i)->name;

        if (!equals ||
            (strlen(name) == length && strncmp(name, shape, length) == 0))
            return true;
    }
    return false;
}

static bool set_shape(const struct bench_options *options,
                      const struct eng_port *port, struct eng_tensor *in,
                      struct error *err)
{
    const char *text = shape_for(options, port->name);

    *in = (struct eng_tensor){.dtype = port->dtype};
    if (text)
        return parse_dims(text, in) ||
               fail(err, ERR_USAGE, "'%.80s' is no shape such as 8x128", text);
    if (port->rank < 0)
        return fail(err, ERR_USAGE,
                    "the model does not say the rank of '%.80s': --shape "
                    "%.80s=...",
                    port->name, port->name);
    in->rank = port->rank;
    for (int i = 0; i < port->rank; i++) {
        int64_t open = i ? OPEN_DIMENSION : 1;

        in->dims[i] = port->dims[i] >= 0 ? port->dims[i] : open;
    }
    return true;
}

/* --- elements --- */

static void put_number(const struct eng_tensor *tensor, size_t i, int value)
{
    size_t size = eng_dtype_size(tensor->dtype);
    unsigned char *at = (unsigned char *)tensor->data + i * size;
    float single = (float)value;
    double wide = value;
    uint16_t half = tensor->dtype == ENG_F16 ? half_f16_of_float(single)
                                             : half_bf16_of_float(single);
    int64_t whole = value; /* little endian: the low bytes come first */

    if (tensor->dtype == ENG_F32)
        memcpy(at, &single, size);
    else if (tensor->dtype == ENG_F64)
        memcpy(at, &wide, size);
    else if (tensor->dtype == ENG_F16 || tensor->dtype == ENG_BF16)
        memcpy(at, &half, size);
    else if (tensor->dtype == ENG_STRING)
        *(struct eng_string *)(void *)at = (struct eng_string){"a", 1};
    else
        memcpy(at, &whole, size);
}

/* Valid as token ids, masks, token types, flags and features. */
static int element(const struct eng_port *port, size_t i)
{
    if (port->dtype == ENG_BOOL || strstr(port->name, "mask"))
        return 1;
    if (strstr(port->name, "type"))
        return 0;
    return (int)(1 + i % 7);
}

static bool make_input(const struct bench_options *options,
                       const struct eng_port *port, struct arena *arena,
                       struct eng_tensor *in, struct error *err)
{
    size_t size, count;

    if (!set_shape(options, port, in, err))
        return false;
    size = eng_tensor_size(in);
    in->data = size == SIZE_MAX ? NULL : arena_zalloc(arena, 1, size + 1);
    if (!in->data)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for input '%.80s'",
                    port->name);
    count = (size_t)eng_tensor_count(in);
    for (size_t i = 0; i < count; i++)
        put_number(in, i, element(port, i));
    return true;
}

bool bench_inputs(const struct bench_options *options,
                  const struct eng_model *model, struct arena *arena,
                  struct eng_tensor *inputs, struct error *err)
{
    size_t count = eng_model_input_count(model);

    if (count > BENCH_PORTS_MAX ||
        eng_model_output_count(model) > BENCH_PORTS_MAX)
        return fail(err, ERR_USAGE, "more than %d inputs or outputs",
                    BENCH_PORTS_MAX);
    if (options->data)
        return read_inputs(options->data, count, arena, inputs, err);
    for (size_t i = 0; i < options->shape_count; i++) {
        if (!has_input(model, options->shapes[i]))
            return fail(err, ERR_USAGE, "--shape %.80s: no such input",
                        options->shapes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (!make_input(options, eng_model_input(model, i), arena, &inputs[i],
                        err))
            return false;
    }
    return true;
}

/* --- outputs as TensorProto: dims = 1, data_type = 2, raw_data = 9 --- */

static void put_varint(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_char(out, (char)(value | 0x80));
    buf_char(out, (char)value);
}

static void put_tensor(struct buf *out, const struct eng_tensor *tensor)
{
    size_t size = eng_tensor_size(tensor);

    for (int i = 0; i < tensor->rank; i++) {
        buf_char(out, 1 << 3);
        put_varint(out, (uint64_t)tensor->dims[i]);
    }
    buf_char(out, 2 << 3);
    put_varint(out, tensor->dtype);
    buf_char(out, 9 << 3 | 2);
    put_varint(out, size);
    buf_append(out, tensor->data, size);
}

bool bench_write_outputs(const char *folder, const struct eng_tensor *outputs,
                         size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct buf bytes = {0};
        char path[PATH_SIZE];
        FILE *file;
        bool ok;

        if (outputs[i].dtype == ENG_STRING)
            continue;
        (void)snprintf(path, sizeof path, "%s/output_%zu.pb", folder, i);
        put_tensor(&bytes, &outputs[i]);
        file = fopen(path, "wb");
        ok = file && buf_ok(&bytes) &&
             fwrite(bytes.data, 1, bytes.size, file) == bytes.size;
        ok = (!file || fclose(file) == 0) && ok;
        buf_release(&bytes);
        if (!ok)
            return fail(err, ERR_FILE_MISSING, "cannot write '%.200s'", path);
    }
    return true;
}
