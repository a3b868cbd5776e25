/*
 * The registry: ports, leases and who may end them. What a check registers it
 * also takes back.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "conform.h"

enum { MANY = 50, DEAD_WITHIN_S = 10 };

static json_t *registration(const char *model)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:n, s:s, s:{}}", "app_name",
                     "conform", "app_version", "1.2.0", "model_name", model,
                     "process_id", (int)getpid(), "preferred_port", "reason",
                     "conformance test", "metadata");
}

static bool send(struct conform_case *test, const char *verb, const char *path,
                 const json_t *body, struct conform_answer *answer)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    bool ok = conform_ask(
        test,
        &(struct conform_request){
            .verb = verb, .path = path, .body = text, .to_registry = true},
        answer);

    free(text);
    return ok;
}

static bool post(struct conform_case *test, const json_t *body,
                 struct conform_answer *answer)
{
    return send(test, "POST", "/register", body, answer) &&
           conform_expect(test, answer->status == 200,
                          "POST /register answers %d", answer->status);
}

static int port_of(const struct conform_answer *answer)
{
    return (int)json_integer_value(
        json_object_get(answer->json, "assigned_port"));
}

static const char *id_of(const struct conform_answer *answer)
{
    const char *id =
        json_string_value(json_object_get(answer->json, "registration_id"));

    return id ? id : "";
}

/* Takes the registration back, whatever became of the check. */
static void give_back(const struct conform_case *test,
                      struct conform_answer *answer)
{
    struct conform_case quiet = {.subject = test->subject};
    struct conform_answer ignored;
    char path[512];

    (void)snprintf(path, sizeof path, "/unregister/%d?registration_id=%s",
                   port_of(answer), id_of(answer));
    if (port_of(answer))
        (void)send(&quiet, "DELETE", path, NULL, &ignored);
    else
        ignored = (struct conform_answer){0};
    conform_answer_free(&ignored);
    conform_answer_free(answer);
}

void conform_register(struct conform_case *test)
{
    static const struct conform_member members[] = {
        {"success", "boolean"},        {"assigned_port", "integer"},
        {"registration_id", "string"}, {"message", "string"},
        {"expires_at", "string"},      {NULL, NULL}};
    json_t *body = registration("conform-a");
    struct conform_answer answer;

    if (post(test, body, &answer) && conform_shape(test, answer.json, members))
        (void)conform_expect(
            test, json_is_true(json_object_get(answer.json, "success")),
            "success is not true");
    give_back(test, &answer);
    json_decref(body);
}

void conform_unique_ports(struct conform_case *test)
{
    struct conform_answer answers[MANY] = {{0}};
    char name[32];

    for (int i = 0; i < MANY; i++) {
        json_t *body;

        (void)snprintf(name, sizeof name, "conform-%d", i);
        body = registration(name);
        (void)post(test, body, &answers[i]);
        (void)conform_expect(test, port_of(&answers[i]) >= 5100,
                             "port %d is below 5100", port_of(&answers[i]));
        for (int k = 0; k < i; k++)
            (void)conform_expect(
                test, port_of(&answers[k]) != port_of(&answers[i]),
                "port %d was given twice", port_of(&answers[i]));
        json_decref(body);
    }
    for (int i = 0; i < MANY; i++)
        give_back(test, &answers[i]);
}

void conform_required(struct conform_case *test)
{
    static const char *const fields[] = {"app_name", "app_version",
                                         "model_name", "process_id"};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        json_t *body = registration("conform-a");
        struct conform_answer answer;

        (void)json_object_del(body, fields[i]);
        if (send(test, "POST", "/register", body, &answer))
            (void)conform_expect(test, answer.status == 400,
                                 "without %s the answer is %d", fields[i],
                                 answer.status);
        give_back(test, &answer);
        json_decref(body);
    }
}

/* DELETE /unregister/<port> with this query is answered with this status. */
static void unregister(struct conform_case *test, int port, const char *query,
                       int status)
{
    struct conform_answer answer;
    char path[512];

    (void)snprintf(path, sizeof path, "/unregister/%d%s%s", port,
                   *query ? "?registration_id=" : "", query);
    if (send(test, "DELETE", path, NULL, &answer))
        (void)conform_expect(test, answer.status == status,
                             "DELETE /unregister/%d%s is answered with %d, "
                             "not %d",
                             port, *query ? "?registration_id=..." : "",
                             answer.status, status);
    conform_answer_free(&answer);
}

/* Whether GET /registry lists the port; the entry is borrowed from `list`. */
static const json_t *listed(struct conform_case *test, int port,
                            struct conform_answer *list)
{
    json_t *entry;
    size_t index;

    if (!send(test, "GET", "/registry", NULL, list) ||
        !conform_expect(test, list->status == 200, "GET /registry answers %d",
                        list->status))
        return NULL;
    json_array_foreach(json_object_get(list->json, "registrations"), index,
                       entry)
    {
        if (json_integer_value(json_object_get(entry, "port")) == port)
            return entry;
    }
    return NULL;
}

void conform_unregister(struct conform_case *test)
{
    static const struct conform_member members[] = {{"success", "boolean"},
                                                    {"message", "string"},
                                                    {"freed_port", "integer"},
                                                    {NULL, NULL}};
    json_t *body = registration("conform-a");
    struct conform_answer answer, freed, list = {0};
    char path[512];

    if (post(test, body, &answer)) {
        (void)snprintf(path, sizeof path, "/unregister/%d?registration_id=%s",
                       port_of(&answer), id_of(&answer));
        if (send(test, "DELETE", path, NULL, &freed) &&
            conform_expect(test, freed.status == 200,
                           "DELETE /unregister answers %d", freed.status) &&
            conform_shape(test, freed.json, members))
            (void)conform_expect(test, !listed(test, port_of(&answer), &list),
                                 "the registration is still listed");
        conform_answer_free(&freed);
        conform_answer_free(&list);
    }
    give_back(test, &answer);
    json_decref(body);
}

void conform_unregister_errors(struct conform_case *test)
{
    json_t *body = registration("conform-a");
    struct conform_answer answer, list = {0};

    if (post(test, body, &answer)) {
        unregister(test, port_of(&answer), "", 400);
        unregister(test, port_of(&answer), "brain_reg_0_0000_wrong", 403);
        (void)conform_expect(test,
                             listed(test, port_of(&answer), &list) != NULL,
                             "a wrong id ended the registration");
        unregister(test, 1, "brain_reg_0_0000_wrong", 404);
    }
    conform_answer_free(&list);
    give_back(test, &answer);
    json_decref(body);
}

void conform_list(struct conform_case *test)
{
    static const struct conform_member members[] = {
        {"success", "boolean"},
        {"count", "integer"},
        {"registrations", "array"},
        {"registrations.[].port", "integer"},
        {"registrations.[].app_name", "string"},
        {"registrations.[].app_version", "string"},
        {"registrations.[].model_name", "string"},
        {"registrations.[].process_id", "integer|null"},
        {"registrations.[].registered_at", "string"},
        {"registrations.[].last_heartbeat", "string|null"},
        {"registrations.[].expires_at", "string"},
        {NULL, NULL}};
    json_t *body = registration("conform-a");
    struct conform_answer answer, list = {0};
    const json_t *entry = NULL;

    if (post(test, body, &answer)) {
        entry = listed(test, port_of(&answer), &list);
        (void)(conform_expect(test, entry != NULL,
                              "the registration is not listed") &&
               conform_shape(test, list.json, members) &&
               conform_expect(test,
                              json_integer_value(json_object_get(
                                  entry, "process_id")) == getpid(),
                              "process_id is not the one registered"));
    }
    conform_answer_free(&list);
    give_back(test, &answer);
    json_decref(body);
}

void conform_list_hides_ids(struct conform_case *test)
{
    json_t *body = registration("conform-a"),
           *other = registration("conform-b");
    struct conform_answer one, two = {0}, list = {0};
    json_int_t last = 0;
    json_t *entry;
    size_t index;

    (void)(post(test, body, &one) && post(test, other, &two) &&
           listed(test, port_of(&one), &list));
    json_array_foreach(json_object_get(list.json, "registrations"), index,
                       entry)
    {
        json_int_t port = json_integer_value(json_object_get(entry, "port"));

        (void)conform_expect(test, port > last, "port %d comes after %d",
                             (int)port, (int)last);
        (void)conform_expect(test, !json_object_get(entry, "registration_id"),
                             "registration_id is shown");
        last = port;
    }
    conform_answer_free(&list);
    give_back(test, &two);
    give_back(test, &one);
    json_decref(body);
    json_decref(other);
}

void conform_heartbeat(struct conform_case *test)
{
    json_t *body = registration("conform-a");
    struct conform_answer answer, beat = {0};
    char path[64], before[64] = "", after[64] = "";

    if (post(test, body, &answer)) {
        (void)snprintf(
            before, sizeof before, "%s",
            json_string_value(json_object_get(answer.json, "expires_at")));
        (void)usleep(1100 * 1000);
        (void)snprintf(path, sizeof path, "/heartbeat/%d", port_of(&answer));
        if (send(test, "POST", path, NULL, &beat) &&
            conform_expect(test, beat.status == 200,
                           "POST /heartbeat answers %d", beat.status))
            (void)snprintf(
                after, sizeof after, "%s",
                json_string_value(json_object_get(beat.json, "expires_at")));
        (void)conform_expect(test, strcmp(after, before) > 0,
                             "expires_at was %s and is %s", before, after);
    }
    conform_answer_free(&beat);
    give_back(test, &answer);
    json_decref(body);
}

void conform_heartbeat_unknown(struct conform_case *test)
{
    struct conform_answer answer;

    if (send(test, "POST", "/heartbeat/1", NULL, &answer))
        (void)conform_expect(test, answer.status == 404,
                             "POST /heartbeat/1 answers %d", answer.status);
    conform_answer_free(&answer);
}

/* Registers `model` asking for a port. */
static void ask_port(struct conform_case *test, const char *model, int port,
                     struct conform_answer *answer)
{
    json_t *body = registration(model);

    (void)json_object_set_new(body, "preferred_port", json_integer(port));
    (void)post(test, body, answer);
    json_decref(body);
}

void conform_preferred_port(struct conform_case *test)
{
    struct conform_answer again, same, low;
    int free_port;

    ask_port(test, "conform-b", 4817, &again);
    free_port = port_of(&again);
    (void)conform_expect(test, free_port == 4817,
                         "port 4817 was asked for, %d given", free_port);
    ask_port(test, "conform-c", free_port, &same);
    (void)conform_expect(test, port_of(&same) && port_of(&same) != free_port,
                         "port %d was given twice", free_port);
    ask_port(test, "conform-d", 80, &low);
    (void)conform_expect(test, port_of(&low) >= 1024,
                         "the privileged port %d was given", port_of(&low));
    give_back(test, &low);
    give_back(test, &same);
    give_back(test, &again);
}

void conform_duplicate(struct conform_case *test)
{
    json_t *body = registration("conform-a");
    struct conform_answer one, two = {0};

    if (post(test, body, &one) && post(test, body, &two))
        (void)(conform_expect(test, port_of(&one) == port_of(&two),
                              "ports %d and %d", port_of(&one),
                              port_of(&two)) &&
               conform_expect(test, strcmp(id_of(&one), id_of(&two)) == 0,
                              "two ids for one registration"));
    conform_answer_free(&two);
    give_back(test, &one);
    json_decref(body);
}

/* ---- a process that dies ---- */

/* The registration is gone before the time is over. */
static bool goes(struct conform_case *test, int port)
{
    uint64_t end = clock_now_ns() + DEAD_WITHIN_S * UINT64_C(1000000000);

    while (test->outcome == CONFORM_PASSED && clock_now_ns() < end) {
        struct conform_answer list = {0};
        bool there = listed(test, port, &list) != NULL;

        conform_answer_free(&list);
        if (!there)
            return true;
        (void)usleep(50 * 1000);
    }
    return false;
}

void conform_dead_process(struct conform_case *test)
{
    json_t *body = registration("conform-a");
    struct conform_answer answer;
    pid_t child = fork();

    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    (void)json_object_set_new(body, "process_id", json_integer(child));
    if (conform_expect(test, child > 0, "no process starts") &&
        post(test, body, &answer)) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        (void)conform_expect(test, goes(test, port_of(&answer)),
                             "it is still listed after %d s", DEAD_WITHIN_S);
        give_back(test, &answer);
    } else if (child > 0) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        conform_answer_free(&answer);
    }
    json_decref(body);
}
