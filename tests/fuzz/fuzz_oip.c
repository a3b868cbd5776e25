/*
 * Fuzz: the body of an infer request - JSON, raw tensors behind it, packed or
 * not.
 *
 * The first byte picks the Content-Encoding, the next two say where the JSON
 * ends. What is accepted must have its raw contents inside what was given, and
 * data that came as JSON must read back as the same bytes after it was written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 1 << 20 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static int64_t
count_of(const struct oip_model_infer_request_infer_input_tensor *input)
{
    struct eng_tensor shape = {.rank = (int)input->n_shape,
                               .dtype = oip_dtype_by_name(input->datatype)};

    require(input->n_shape <= ENG_RANK_MAX);
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = input->shape[i];
    return eng_tensor_count(&shape);
}

/* Written as JSON and read again, the contents are the same. */
static void
there_and_back(const struct oip_model_infer_request_infer_input_tensor *input,
               const struct oip_bytes *raw, struct arena *arena)
{
    struct error err = {0};
    struct buf text = {0};
    struct oip_bytes again;
    struct oip_data data = {.name = input->name,
                            .dtype = oip_dtype_by_name(input->datatype),
                            .dims = input->shape,
                            .rank = input->n_shape,
                            .count = count_of(input)};

    require(oip_data_write(input->name, data.dtype, raw, &text, &err));
    data.text = text.data;
    data.size = text.size;
    if (oip_data_read(&data, arena, &again, &err)) {
        require(again.size == raw->size);
        require(raw->size == 0 ||
                memcmp(again.data, raw->data, raw->size) == 0);
    } else {
        require(err.code == ERR_OUT_OF_MEMORY);
    }
    buf_release(&text);
}

static void look(const struct oip_model_infer_request *request,
                 struct arena *arena)
{
    volatile uint8_t sum = 0;

    require(request->n_raw_input_contents == request->n_inputs);
    for (size_t i = 0; i < request->n_inputs; i++) {
        const struct oip_bytes raw = {request->raw_input_contents[i].data,
                                      request->raw_input_contents[i].len};

        for (size_t k = 0; k < raw.size; k++) /* all of it is readable */
            sum = (uint8_t)(sum + raw.data[k]);
        if (!oip_parameter(&oip_model_infer_request_infer_input_tensor_def,
                           request->inputs[i], "binary_data_size"))
            there_and_back(request->inputs[i], &raw, arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const encodings[] = {"identity", "gzip", "deflate"};
    static struct srv_bundle bundle = {.name = "m", .version = "1"};
    static struct srv_app app = {.bundle = &bundle};
    const char *binds[] = {"nobody", NULL};
    const struct op_def op = {.bind_count = 1};
    struct srv_header headers[2];
    struct oip_model_infer_request request;
    struct error err = {0};
    char length[16];

    if (size < 3)
        return 0;
    (void)snprintf(length, sizeof length, "%u", data[1] + 256U * data[2]);
    headers[0] = (struct srv_header){"content-encoding", encodings[*data % 3]};
    headers[1] = (struct srv_header){"inference-header-content-length", length};
    struct srv_call call = {.app = &app,
                            .op = &op,
                            .binds = binds,
                            .headers = headers,
                            .header_count = *data & 128 ? 2 : 1,
                            .body = data + 3,
                            .body_size = size - 3,
                            .body_max = BODY_MAX};

    arena_init(&call.arena, 64 << 20);
    oip_model_infer_request_init(&request);
    if (oip_infer_read(&call, &request, &err))
        look(&request, &call.arena);
    else
        require(err.code != ERR_NONE && err.code != ERR_INTERNAL);
    arena_release(&call.arena);
    return 0;
}
