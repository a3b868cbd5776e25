/*
 * Request: what a registration may say, and whose process it names.
 *
 * The schema of the API has checked types and sizes already; here stand the
 * rules it cannot express, and those that keep the library safe without it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json_scan.h"
#include "state.h"

enum {
    NAME_MAX_BYTES = 64,
    REASON_MAX_BYTES = 256,
    METADATA_MAX_BYTES = 4096,
    METADATA_MAX_KEYS = 32,
    METADATA_MAX_DEPTH = 16
};

/* Plain ASCII that starts with a letter or digit: nothing that a path, a log
 * line or a reader's eye could take for something else. */
static bool check_name(const char *field, const char *name, const char *others,
                       struct error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789";
    size_t length = name ? strlen(name) : 0;

    if (length == 0 || length > NAME_MAX_BYTES)
        return fail(err, ERR_VALIDATION_ERROR,
                    "%s is required and has 1 to %d characters", field,
                    NAME_MAX_BYTES);
    for (size_t i = 0; i < length; i++)
        if (!strchr(letters, name[i]) && (i == 0 || !strchr(others, name[i])))
            return fail(err, ERR_VALIDATION_ERROR,
                        "%s: character %zu is not allowed", field, i + 1);
    return true;
}

static bool check_length(const char *field, const char *text, size_t max,
                         struct error *err)
{
    if (text && strlen(text) > max)
        return fail(err, ERR_VALIDATION_ERROR, "%s is longer than %zu bytes",
                    field, max);
    return true;
}

/* Counts the keys of the metadata; the values only have to be JSON. */
static bool scan_metadata(struct json_scan *scan, struct error *err)
{
    const char *text;
    size_t size;
    int keys = 0;

    if (!json_scan_expect(scan, '{', err))
        return false;
    if (json_scan_accept(scan, '}'))
        return json_scan_end(scan, err);
    do {
        if (++keys > METADATA_MAX_KEYS)
            return fail(err, ERR_VALIDATION_ERROR,
                        "metadata has more than %d keys", METADATA_MAX_KEYS);
        if (!json_scan_string(scan, &text, &size, err) ||
            !json_scan_expect(scan, ':', err) ||
            !json_scan_skip(scan, METADATA_MAX_DEPTH, &text, &size, err))
            return false;
    } while (json_scan_accept(scan, ','));
    return json_scan_expect(scan, '}', err) && json_scan_end(scan, err);
}

static bool check_metadata(const char *metadata, struct error *err)
{
    struct json_scan scan;
    struct arena arena;
    bool ok;

    if (!metadata)
        return true;
    if (!check_length("metadata", metadata, METADATA_MAX_BYTES, err))
        return false;
    arena_init(&arena, 0);
    json_scan_init(&scan, metadata, strlen(metadata), &arena);
    ok = scan_metadata(&scan, err);
    arena_release(&arena);
    if (!ok && err->code == ERR_MALFORMED_JSON)
        return fail(err, ERR_VALIDATION_ERROR, "metadata is not an object");
    return ok;
}

bool reg_is_before_1_2(const char *version)
{
    char *end;
    long major = strtol(version, &end, 10), minor = 0;

    if (end == version)
        return false;
    if (*end == '.')
        minor = strtol(end + 1, NULL, 10);
    return major < 1 || (major == 1 && minor < 2);
}

static bool check_process(const struct reg_request *request, struct error *err)
{
    if (!request->has_pid) {
        if (reg_is_before_1_2(request->app_version))
            return true;
        return fail(err, ERR_VALIDATION_ERROR,
                    "process_id is required from app_version 1.2 on");
    }
    /* 1 is the first process of the machine; on another host, in a container,
     * it may well be the server */
    if (request->pid < (request->host_is_local ? 2 : 1))
        return fail(err, ERR_VALIDATION_ERROR,
                    "process_id %" PRId64 " is not a server's process",
                    request->pid);
    return true;
}

bool reg_check_request(const struct reg_request *request, struct error *err)
{
    uint32_t ttl_s = request->ttl_s;

    if (!check_name("app_name", request->app_name, " ._-+:()", err) ||
        !check_name("app_version", request->app_version, "._-+", err) ||
        !check_name("model_name", request->model_name, "._-", err) ||
        !check_length("reason", request->reason, REASON_MAX_BYTES, err) ||
        !check_length("request_id", request->request_id, NAME_MAX_BYTES, err) ||
        !check_metadata(request->metadata, err) || !check_process(request, err))
        return false;
    if (request->preferred_port < 0 ||
        request->preferred_port > REG_PORT_HIGHEST)
        return fail(err, ERR_VALIDATION_ERROR,
                    "preferred_port %d is not in 1-%d", request->preferred_port,
                    REG_PORT_HIGHEST);
    if (ttl_s > 0 && (ttl_s < REG_TTL_MIN_S || ttl_s > REG_TTL_MAX_S))
        return fail(err, ERR_VALIDATION_ERROR, "ttl_s %u is not in %d-%d",
                    ttl_s, REG_TTL_MIN_S, REG_TTL_MAX_S);
    return true;
}

/* TCP does not tell who called, so the process must at least belong to the
 * registry's own user. */
bool reg_identify(const struct registry *registry,
                  const struct reg_request *request,
                  struct reg_process *process, struct error *err)
{
    *process = (struct reg_process){.fd = -1};
    if (!request->has_pid)
        return true;
    process->pid = request->pid;
    if (!request->host_is_local)
        return true;
    if (!reg_process_open(request->pid, process, err))
        return false;
    if (!registry->options.any_user && process->uid != getuid()) {
        reg_process_close(process);
        return fail(err, ERR_PERMISSION_DENIED,
                    "process_id %" PRId64 " belongs to another user",
                    request->pid);
    }
    return true;
}
