/*
 * One RPC: a srv_call and what gRPC Core wants kept beside it.
 *
 * The request is used where it lies when it came in one slice, and copied once
 * when it came in several. The answer is never copied: the codec's buffer
 * becomes the slice.
 */
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "clock.h"
#include "grpc_internal.h"
#include "wire_scan.h"

enum {
    WRITE_BYTES_PER_MS = 64, /* writes may take longer by size at this rate */
    ARENA_BASE = 128 << 20   /* an arena may grow to this and 4 x the body */
};

static const uint64_t ns_per_ms = 1000000;

/* ---- life ---- */

struct grpc_rpc *rpc_new(const struct grpc_method *method)
{
    struct grpc_rpc *rpc = gpr_zalloc(sizeof *rpc);

    rpc->door = method->door;
    rpc->method = method;
    rpc->joined = grpc_empty_slice();
    grpc_metadata_array_init(&rpc->metadata);
    grpc_call_details_init(&rpc->details);
    atomic_init(&rpc->refs, 1);
    atomic_init(&rpc->give_up_ns, 0);
    atomic_init(&rpc->call.cancelled, false);
    return rpc;
}

void rpc_get(struct grpc_rpc *rpc)
{
    atomic_fetch_add(&rpc->refs, 1);
}

/* Under the lock, so that neither sweep() nor close() sees half of it. */
static void release_core(struct grpc_rpc *rpc)
{
    struct grpc_door *door = rpc->door;

    pthread_mutex_lock(&door->mu);
    if (rpc->newer)
        rpc->newer->older = rpc->older;
    else
        door->live = rpc->older;
    if (rpc->older)
        rpc->older->newer = rpc->newer;
    grpc_call_unref(rpc->core);
    if (!door->live)
        pthread_cond_broadcast(&door->settled);
    pthread_mutex_unlock(&door->mu);
}

void rpc_put(struct grpc_rpc *rpc)
{
    if (atomic_fetch_sub(&rpc->refs, 1) != 1)
        return;
    stream_put(rpc->call.stream);
    rpc_forget_message(rpc);
    grpc_metadata_array_destroy(&rpc->metadata);
    grpc_call_details_destroy(&rpc->details);
    if (rpc->core)
        release_core(rpc);
    gpr_free(rpc);
}

/* gRPC Core names the peer of a socket that it was given "fd:<number>"; the
 * socket stays open as long as a call of it lives, so the number is its own. */
static void find_peer_locked(struct grpc_rpc *rpc)
{
    struct grpc_door *door = rpc->door;
    char *name = grpc_call_get_peer(rpc->core);
    size_t fd =
        strncmp(name, "fd:", 3) == 0 ? strtoul(name + 3, NULL, 10) : SIZE_MAX;

    if (fd < door->peer_count)
        memcpy(rpc->peer, door->peers[fd], sizeof rpc->peer);
    gpr_free(name);
}

void rpc_open(struct grpc_rpc *rpc)
{
    struct grpc_door *door = rpc->door;
    const struct op_def *op = rpc->method->op;

    rpc->busy = !op || op->stream == OP_UNARY;
    pthread_mutex_lock(&door->mu);
    rpc->older = door->live;
    if (door->live)
        door->live->newer = rpc;
    door->live = rpc;
    if (rpc->busy)
        door->busy++;
    find_peer_locked(rpc);
    pthread_mutex_unlock(&door->mu);
}

void rpc_settle(struct grpc_rpc *rpc)
{
    struct grpc_door *door = rpc->door;

    if (!rpc->busy)
        return;
    rpc->busy = false;
    pthread_mutex_lock(&door->mu);
    if (--door->busy == 0)
        pthread_cond_broadcast(&door->settled);
    pthread_mutex_unlock(&door->mu);
}

/* ---- batches ---- */

void rpc_start(struct grpc_rpc *rpc, const grpc_op *ops, size_t count,
               struct grpc_tag *tag)
{
    rpc_get(rpc);
    grpc_tag_leave(tag);
    /* Anything but OK is a batch we put together wrongly. */
    if (grpc_call_start_batch(rpc->core, ops, count, tag, NULL) != GRPC_CALL_OK)
        abort();
}

static void closed(struct grpc_tag *tag, bool ok)
{
    struct grpc_rpc *rpc = tag->owner;

    (void)ok;
    if (rpc->core_cancelled)
        atomic_store(&rpc->call.cancelled, true);
    rpc_put(rpc);
}

void rpc_watch(struct grpc_rpc *rpc)
{
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

    op.data.recv_close_on_server.cancelled = &rpc->core_cancelled;
    rpc->watched = true;
    if (!rpc->closed.done)
        rpc->closed = (struct grpc_tag){.done = closed, .owner = rpc};
    rpc_start(rpc, &op, 1, &rpc->closed);
}

size_t rpc_add_head(struct grpc_rpc *rpc, grpc_op *ops, size_t count)
{
    if (rpc->head_sent)
        return count;
    rpc->head_sent = true;
    ops[count] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    return count + 1;
}

uint64_t rpc_write_limit_ns(const struct grpc_rpc *rpc, size_t size)
{
    return clock_now_ns() +
           (rpc->door->stall_ms + size / WRITE_BYTES_PER_MS) * ns_per_ms;
}

/* ---- receive ---- */

/* A text in the call's arena, or "" when the arena is used up. */
static const char *copy_slice(struct srv_call *call, const grpc_slice *slice)
{
    const char *text = arena_copy(&call->arena, GRPC_SLICE_START_PTR(*slice),
                                  GRPC_SLICE_LENGTH(*slice));

    return text ? text : "";
}

static void fill_headers(struct grpc_rpc *rpc)
{
    struct srv_call *call = &rpc->call;
    struct srv_header *headers =
        arena_zalloc(&call->arena, rpc->metadata.count, sizeof *headers);

    if (!headers)
        return;
    for (size_t i = 0; i < rpc->metadata.count; i++) {
        headers[i].name = copy_slice(call, &rpc->metadata.metadata[i].key);
        headers[i].value = copy_slice(call, &rpc->metadata.metadata[i].value);
    }
    call->headers = headers;
    call->header_count = rpc->metadata.count;
}

/* The earlier of the client's deadline and the endpoint's. */
static uint64_t find_deadline(const struct grpc_rpc *rpc, uint64_t now_ns)
{
    uint32_t own_ms = rpc->method->op->deadline_ms;
    uint64_t own_ns;
    gpr_timespec left;

    if (!own_ms)
        own_ms = rpc->door->deadline_ms;
    own_ns = now_ns + own_ms * ns_per_ms;
    left = gpr_time_sub(rpc->deadline, gpr_now(rpc->deadline.clock_type));
    if (left.tv_sec < 0)
        return now_ns;
    if (left.tv_sec > own_ms / 1000)
        return own_ns;
    now_ns += (uint64_t)left.tv_sec * 1000 * ns_per_ms + (uint64_t)left.tv_nsec;
    return now_ns < own_ns ? now_ns : own_ns;
}

static void fill_call(struct grpc_rpc *rpc)
{
    struct srv_call *call = &rpc->call;

    arena_init(&call->arena,
               WIRE_MEMORY_PER_BYTE * rpc->door->max_body + (size_t)ARENA_BASE);
    call->door = DOOR_GRPC;
    call->id = atomic_fetch_add(rpc->door->next_id, 1);
    call->op = rpc->method->op;
    call->app = rpc->method->app;
    call->finished = rpc->method->finished;
    call->peer = rpc->peer;
    call->peer_is_local = address_is_loopback(rpc->peer);
    call->started_ns = clock_now_ns();
    call->deadline_ns = find_deadline(rpc, call->started_ns);
    fill_headers(rpc);
}

/* The payload in one piece; the slice lives as long as the payload. */
static const grpc_slice *join_payload(struct grpc_rpc *rpc, size_t size)
{
    grpc_byte_buffer_reader reader;
    grpc_slice *first = NULL;

    if (!grpc_byte_buffer_reader_init(&reader, rpc->payload))
        return &rpc->joined;
    if (grpc_byte_buffer_reader_peek(&reader, &first) &&
        GRPC_SLICE_LENGTH(*first) == size) {
        grpc_byte_buffer_reader_destroy(&reader);
        return first;
    }
    grpc_byte_buffer_reader_destroy(&reader);
    if (grpc_byte_buffer_reader_init(&reader, rpc->payload)) {
        rpc->joined = grpc_byte_buffer_reader_readall(&reader);
        grpc_byte_buffer_reader_destroy(&reader);
    }
    return &rpc->joined;
}

bool rpc_receive(struct grpc_rpc *rpc)
{
    const struct op_def *op = rpc->method->op;
    size_t limit = op->max_body ? op->max_body : rpc->door->max_body;
    const grpc_slice *bytes;
    char text[80];
    size_t size;

    fill_call(rpc);
    rpc->call.body_max = limit;
    if (!rpc->payload) {
        call_refuse(&rpc->call, ERR_BAD_REQUEST, 0, "the call has no message");
        return false;
    }
    size = grpc_byte_buffer_length(rpc->payload);
    if (size > limit) {
        (void)snprintf(text, sizeof text,
                       "the message is larger than %zu bytes", limit);
        call_refuse(&rpc->call, ERR_PAYLOAD_TOO_LARGE, 0, text);
        return false;
    }
    bytes = join_payload(rpc, size);
    rpc->call.body = GRPC_SLICE_START_PTR(*bytes);
    rpc->call.body_size = GRPC_SLICE_LENGTH(*bytes);
    return true;
}

void rpc_forget_message(struct grpc_rpc *rpc)
{
    struct srv_call *call = &rpc->call;

    arena_release(&call->arena);
    buf_release(&call->out);
    if (rpc->payload)
        grpc_byte_buffer_destroy(rpc->payload);
    grpc_slice_unref(rpc->joined);
    rpc->payload = NULL;
    rpc->joined = grpc_empty_slice();
    call->body = NULL;
    call->body_size = 0;
    call->headers = NULL;
    call->header_count = 0;
    call->request = NULL;
    call->reply = NULL;
    call->retry_after_s = 0;
    call->grpc_status = 0;
    error_clear(&call->err);
}

/* ---- answer ---- */

grpc_byte_buffer *rpc_take_bytes(struct buf *out)
{
    grpc_byte_buffer *bytes;
    size_t size = out->size;
    grpc_slice slice = grpc_empty_slice();

    if (size)
        slice = grpc_slice_new(buf_take(out, &size), size, free);
    bytes = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return bytes;
}

/* The message to send, or NULL: a failure has none, nor has a stream. */
static grpc_byte_buffer *answer_bytes(struct grpc_rpc *rpc)
{
    const struct op_def *op = rpc->method->op;

    if (rpc->call.grpc_status || !op || op->stream == OP_EACH ||
        rpc->call.stream)
        return NULL;
    return rpc_take_bytes(&rpc->call.out);
}

void rpc_finish(struct grpc_rpc *rpc, struct grpc_tag *tag)
{
    size_t size = rpc->call.out.size, count = 0;
    grpc_byte_buffer *message = answer_bytes(rpc);
    struct grpc_ending ending;
    grpc_op ops[4];

    count = rpc_add_head(rpc, ops, count);
    if (message) {
        ops[count] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
        ops[count++].data.send_message.send_message = message;
    }
    grpc_ending_init(&ending, &rpc->call);
    ops[count++] = grpc_ending_op(&ending);
    if (!rpc->watched) {
        rpc->watched = true;
        ops[count] = (grpc_op){.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
        ops[count++].data.recv_close_on_server.cancelled = &rpc->core_cancelled;
    }
    atomic_store(&rpc->give_up_ns, rpc_write_limit_ns(rpc, size));
    rpc_start(rpc, ops, count, tag);
    grpc_ending_release(&ending);
    if (message)
        grpc_byte_buffer_destroy(message);
}
