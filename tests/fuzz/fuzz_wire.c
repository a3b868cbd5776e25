/*
 * Fuzzes the way from wire bytes to a message: scan, unpack, settle, pack.
 *
 * The first byte picks the message. Beside crashes, two promises are checked:
 * what the scan lets through fits the memory it was estimated to need, and what
 * was decoded encodes to something that decodes again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "codec_proto.h"
#include "onnx.pb-c.h"
#include "reflection_v1_msg.h"
#include "registry_msg.h"
#include "runtime_msg.h"
#include "wire_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Recursive, with packed lists: what our own messages are not. */
static const struct msg_def onnx_def = {
    .name = "onnx.ModelProto",
    .descriptor = &onnx__model_proto__descriptor,
    .size = sizeof(Onnx__ModelProto),
};

static const struct msg_def *const defs[] = {
    &runtime_predict_request_def,
    &runtime_predict_response_def,
    &runtime_test_examples_response_def,
    &registry_register_request_def,
    &reflection_v1_server_reflection_request_def,
    &onnx_def,
};

static void check_again(const struct msg_def *def, const void *message)
{
    struct arena arena;
    struct buf out = {0};
    struct error err = {0};
    void *again;

    arena_init(&arena, 0);
    if (!proto_encode(def, message, &out, &err))
        abort();
    if (!proto_decode(def, out.data, out.size, &arena, &again, &err))
        abort();
    buf_release(&out);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct msg_def *def;
    struct arena arena;
    struct error err = {0};
    void *message;

    if (!size)
        return 0;
    def = defs[data[0] % (sizeof defs / sizeof *defs)];
    /* Twice the estimate's limit: blocks of an arena are not filled to the
       last byte. */
    arena_init(&arena, 2 * (size * WIRE_MEMORY_PER_BYTE + WIRE_MEMORY_BASE));
    if (proto_decode(def, data + 1, size - 1, &arena, &message, &err))
        check_again(def, message);
    else if (err.code == ERR_OUT_OF_MEMORY)
        abort();
    arena_release(&arena);
    return 0;
}
