/*
 * Runtime API 1.2: gRPC on the port of REST gives the same answers.
 */
#include <string.h>

#include "conform.h"
#include "request.h"
#include "runtime_server.h"
#include "target.h"

enum { TIMEOUT_MS = 30000 };

/* Members that are of the moment, not of the request. */
static void drop_moment(json_t *answer)
{
    static const char *const keys[] = {
        "computation_time_ms", "uptime_s",         "avg_latency_ms",
        "requests_served",     "requests_running", "requests_waiting",
        "queue_time_ms",       "compute_time_ms"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        (void)json_object_del(answer, keys[i]);
}

/* The endpoint's answer over gRPC; NULL with `err`. */
static json_t *ask_grpc(struct target *target, const struct op_def *op,
                        const struct request_source *source, struct error *err)
{
    struct buf text = {0};
    struct arena arena;
    void *message = NULL;
    json_t *answer = NULL;

    arena_init(&arena, 0);
    if (source ? request_make(target, source, &arena, &message, err)
               : (message = arena_zalloc(&arena, 1, op->request->size)) != NULL)
        if (target_call(target, op, message, &text, err))
            answer = request_parse(text.data, text.size, err);
    arena_release(&arena);
    buf_release(&text);
    return answer;
}

static void compare(struct conform_case *test, const char *what, json_t *rest,
                    json_t *grpc)
{
    drop_moment(rest);
    drop_moment(grpc);
    (void)conform_expect(test, json_equal(rest, grpc),
                         "%s answers otherwise over gRPC", what);
}

/* The endpoints that take nothing. */
static void compare_endpoints(struct conform_case *test, struct target *target)
{
    static const struct {
        const char *path;
        const struct msg_def *reply;
    } endpoints[] = {
        {"/health", &runtime_health_response_def},
        {"/capabilities", &runtime_capabilities_response_def},
        {"/acceptable_ranges", &runtime_acceptable_ranges_response_def},
        {"/info", &runtime_info_response_def},
        {"/metrics", &runtime_metrics_response_def},
        {"/citation", &runtime_citation_response_def},
        {"/test_examples", &runtime_test_examples_response_def},
    };

    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        struct conform_answer answer;
        struct error err = {0};
        json_t *grpc =
            ask_grpc(target, request_op(endpoints[i].reply), NULL, &err);

        if (!grpc && err.code == ERR_NOT_READY && i == 0)
            conform_skip(test, "the port does not speak gRPC");
        else if (conform_get(test, endpoints[i].path, &answer)) {
            compare(test, endpoints[i].path, answer.json, grpc);
            conform_answer_free(&answer);
        }
        json_decref(grpc);
        if (test->outcome != CONFORM_PASSED)
            return;
    }
}

static void compare_predictions(struct conform_case *test,
                                struct target *target)
{
    json_t *requests = conform_requests(test);
    json_t *request;
    size_t index;

    json_array_foreach(requests, index, request)
    {
        struct conform_answer answer;
        struct error err = {0};
        const char *name = json_string_value(json_object_get(request, "name"));
        json_t *grpc =
            ask_grpc(target, request_op(&runtime_predict_response_def),
                     &(struct request_source){.example = name}, &err);

        if (conform_predict(test, json_object_get(request, "body"), &answer))
            compare(test, name ? name : "an example", answer.json, grpc);
        conform_answer_free(&answer);
        json_decref(grpc);
    }
    json_decref(requests);
}

void conform_both_doors(struct conform_case *test)
{
    struct error err = {0};
    struct target *target =
        target_open(&(struct target_options){.name = test->subject->url,
                                             .door = MODEL_GRPC,
                                             .timeout_ms = TIMEOUT_MS},
                    &err);

    if (!conform_expect(test, target != NULL, "%s", err.msg))
        return;
    compare_endpoints(test, target);
    if (test->outcome == CONFORM_PASSED)
        compare_predictions(test, target);
    target_close(target);
}
