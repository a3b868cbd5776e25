/*
 * Target: see target.h.
 */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "codec_json.h"
#include "codec_proto.h"
#include "json_put.h"
#include "registry_client.h"
#include "utf8.h"

struct target {
    struct target_options options;
    struct registry_addresses instances;
    size_t at; /* the instance in use */
    char address[AUTHORITY_SIZE];
    struct model_client *client; /* of `address`; NULL = not open */
};

/* ---- finding ---- */

static bool ask_registry(struct target *target, struct error *err)
{
    const struct target_options *options = &target->options;
    struct registry_client *registry =
        registry_client_open(options->registry, err);
    bool ok;

    if (!registry)
        return false;
    ok = registry_client_resolve(registry, options->name, options->timeout_ms,
                                 &target->instances, err);
    registry_client_close(registry);
    return ok;
}

/* The address of the instance at `at`. */
static void take_instance(struct target *target)
{
    const struct registry_address *instance =
        &target->instances.list[target->at];

    (void)snprintf(target->address, sizeof target->address,
                   strchr(instance->host, ':') ? "[%s]:%d" : "%s:%d",
                   instance->host, instance->port);
}

static bool find(struct target *target, struct error *err)
{
    static const char scheme[] = "http://";
    const char *name = target->options.name;

    if (strncmp(name, scheme, sizeof scheme - 1) == 0)
        return authority_read(name + sizeof scheme - 1, target->address, err);
    if (strchr(name, ':'))
        return authority_read(name, target->address, err);
    if (!ask_registry(target, err))
        return false;
    take_instance(target);
    return true;
}

struct target *target_open(const struct target_options *options,
                           struct error *err)
{
    struct target *target = calloc(1, sizeof *target);

    if (!target) {
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for the target");
        return NULL;
    }
    target->options = *options;
    if (find(target, err))
        return target;
    target_close(target);
    return NULL;
}

void target_close(struct target *target)
{
    if (!target)
        return;
    model_client_close(target->client);
    free(target);
}

const char *target_address(const struct target *target)
{
    return target->address;
}

/* ---- calling ---- */

/* False when there is no other instance. */
static bool next_instance(struct target *target)
{
    if (target->at + 1 >= target->instances.count)
        return false;
    target->at++;
    take_instance(target);
    model_client_close(target->client);
    target->client = NULL;
    return true;
}

static bool call_any(struct target *target, const struct op_def *op,
                     const struct buf *body, struct model_answer *answer,
                     struct error *err)
{
    const struct target_options *options = &target->options;

    do {
        if (!target->client)
            target->client =
                model_client_open(options->door, target->address, err);
        if (!target->client)
            return false;
        if (model_client_call(target->client, op, body, options->timeout_ms,
                              answer, err))
            return true;
    } while (err->code == ERR_NOT_READY && next_instance(target));
    return false;
}

static bool encode(const struct target *target, const struct op_def *op,
                   const void *request, struct buf *body, struct error *err)
{
    return target->options.door == MODEL_GRPC
               ? proto_encode(op->request, request, body, err)
               : json_encode(op->request, request, body, err);
}

static void put_text(struct buf *out, const char *text)
{
    if (utf8_valid(text, strlen(text)))
        json_put_text(out, text);
    else
        buf_string(out, "\"(not UTF-8)\"");
}

/* A gRPC failure as the object that REST would have answered. */
static void put_failure(struct buf *out, const struct model_answer *answer)
{
    buf_string(out, "{\"success\":false,\"error\":");
    put_text(out, answer->text);
    buf_string(out, ",\"error_code\":");
    if (*answer->reason)
        put_text(out, answer->reason);
    else
        buf_printf(out, "\"GRPC_%d\"", answer->status);
    buf_char(out, '}');
}

/* The message of a gRPC answer as JSON. */
static bool put_message(struct buf *out, const struct op_def *op,
                        const struct model_answer *answer, struct error *err)
{
    struct arena arena;
    void *message = NULL;
    bool ok;

    arena_init(&arena, 0);
    ok = proto_decode(op->reply, answer->bytes, answer->size, &arena, &message,
                      err) &&
         json_encode(op->reply, message, out, err);
    arena_release(&arena);
    return ok;
}

/* The body of a REST answer, if it is JSON. */
static bool put_body(struct buf *out, const struct model_answer *answer,
                     struct error *err)
{
    struct error why = {0};
    struct arena arena;
    bool ok;

    arena_init(&arena, 0);
    ok = json_check(answer->bytes, answer->size, &arena, &why) ||
         fail(err, ERR_BAD_REQUEST, "HTTP status %d, and no JSON: %.160s",
              answer->status, why.msg);
    arena_release(&arena);
    buf_append(out, answer->bytes, answer->size);
    return ok;
}

static bool read_answer(const struct target *target, const struct op_def *op,
                        const struct model_answer *from, struct buf *out,
                        struct error *err)
{
    struct error why = {0};

    if (target->options.door == MODEL_REST)
        return put_body(out, from, err);
    if (!from->ok)
        put_failure(out, from);
    else if (!put_message(out, op, from, &why))
        return fail(err, ERR_BAD_REQUEST, "no message of this method: %.160s",
                    why.msg);
    return true;
}

bool target_call(struct target *target, const struct op_def *op,
                 const void *request, struct buf *answer, struct error *err)
{
    struct buf body = {0};
    struct model_answer got;
    bool ok;

    buf_clear(answer);
    ok = encode(target, op, request, &body, err) &&
         call_any(target, op, &body, &got, err) &&
         read_answer(target, op, &got, answer, err);
    buf_release(&body);
    return ok && (buf_ok(answer) ||
                  fail(err, ERR_OUT_OF_MEMORY, "no memory for the answer"));
}
