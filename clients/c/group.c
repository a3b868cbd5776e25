/*
 * Group: see group.h.
 */
#include "group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "address.h"
#include "clock.h"
#include "http_client.h"
#include "rpc_client.h"

#define NS_PER_MS UINT64_C(1000000)

enum { REST_FIRST_MS = 250, REST_MOST_MS = 30000, ASK_AGAIN_MS = 100 };

double random_share(void)
{
    uint32_t bits = 0;

    (void)getrandom(&bits, sizeof bits, 0);
    return (double)bits / 4294967296.0; /* 2^32 */
}

/* ---- endpoints ---- */

/* "localhost", 127/8 or ::1, of "host:port". */
static bool is_loopback(const char *authority)
{
    char host[AUTHORITY_SIZE];
    const char *start = authority + (*authority == '[');
    size_t length = (size_t)(strrchr(authority, ':') - start);

    if (length && start[length - 1] == ']')
        length--;
    memcpy(host, start, length);
    host[length] = '\0';
    return strcmp(host, "localhost") == 0 || address_is_loopback(host);
}

struct endpoint *endpoint_new(const char *url, struct error *err)
{
    static const struct {
        const char *text;
        bool grpc, tls;
    } schemes[] = {{"http://", false, false},
                   {"https://", false, true},
                   {"grpc://", true, false},
                   {"grpcs://", true, true}};
    enum { COUNT = sizeof schemes / sizeof *schemes };
    struct endpoint *made;
    size_t i = 0;

    while (i < COUNT &&
           strncmp(url, schemes[i].text, strlen(schemes[i].text)) != 0)
        i++;
    made = i < COUNT ? calloc(1, sizeof *made) : NULL;
    if (i == COUNT)
        (void)fail(err, ERR_USAGE,
                   "'%.100s' is none of http, https, grpc or grpcs://host:port",
                   url);
    else if (!made)
        (void)fail(err, ERR_OUT_OF_MEMORY, "no memory for an endpoint");
    if (!made)
        return NULL;
    if (!authority_read(url + strlen(schemes[i].text), made->authority, err)) {
        free(made);
        return NULL;
    }
    made->grpc = schemes[i].grpc;
    made->tls = schemes[i].tls;
    made->loopback = is_loopback(made->authority);
    made->references = 1;
    (void)snprintf(made->url, sizeof made->url, "%s%.*s", schemes[i].text,
                   AUTHORITY_SIZE - 1, made->authority);
    (void)pthread_mutex_init(&made->mu, NULL);
    return made;
}

void idle_close(struct idle *idle)
{
    http_client_close(idle->http);
    rpc_client_close(idle->rpc);
    free(idle);
}

void endpoint_put(struct endpoint *endpoint)
{
    if (!endpoint || --endpoint->references)
        return;
    while (endpoint->idle) {
        struct idle *idle = endpoint->idle;

        endpoint->idle = idle->next;
        idle_close(idle);
    }
    (void)pthread_mutex_destroy(&endpoint->mu);
    free(endpoint);
}

/* ---- the list ---- */

void group_init(struct group *group, const char *name, bool found,
                uint32_t refresh_ms)
{
    *group = (struct group){
        .name = name, .found = found, .refresh_ns = refresh_ms * NS_PER_MS};
    (void)pthread_mutex_init(&group->mu, NULL);
}

void group_release(struct group *group)
{
    for (size_t i = 0; i < group->count; i++)
        endpoint_put(group->list[i]);
    free(group->list);
    (void)pthread_mutex_destroy(&group->mu);
}

bool group_add(struct group *group, struct endpoint *endpoint,
               struct error *err)
{
    struct endpoint **list =
        realloc(group->list, (group->count + 1) * sizeof(struct endpoint *));

    if (!list) {
        endpoint_put(endpoint);
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for an endpoint");
    }
    group->list = list;
    list[group->count++] = endpoint;
    return true;
}

static bool anybody_well_locked(const struct group *group, uint64_t now)
{
    for (size_t i = 0; i < group->count; i++)
        if (group->list[i]->rests_until_ns <= now)
            return true;
    return false;
}

bool group_wants_refresh(struct group *group)
{
    bool wants = false;
    uint64_t now;

    if (!group->found)
        return false;
    now = clock_now_ns();
    (void)pthread_mutex_lock(&group->mu);
    if (!group->count)
        wants = true;
    else if (now - group->asked_at_ns >= ASK_AGAIN_MS * NS_PER_MS)
        wants = now >= group->refresh_at_ns || !anybody_well_locked(group, now);
    if (wants) {
        group->asked_at_ns = now;
        group->refresh_at_ns = now + group->refresh_ns;
    }
    (void)pthread_mutex_unlock(&group->mu);
    return wants;
}

void group_hurry(struct group *group)
{
    (void)pthread_mutex_lock(&group->mu);
    group->refresh_at_ns = 0;
    (void)pthread_mutex_unlock(&group->mu);
}

/* Puts the one that is known already in the place of a new one. */
static void keep_known(struct group *group, struct endpoint **place)
{
    for (size_t i = 0; i < group->count; i++) {
        struct endpoint *old = group->list[i];

        if (strcmp(old->url, (*place)->url) == 0) {
            endpoint_put(*place);
            old->references++;
            *place = old;
            return;
        }
    }
}

void group_replace(struct group *group, struct endpoint **list, size_t count)
{
    (void)pthread_mutex_lock(&group->mu);
    for (size_t i = 0; i < count; i++)
        keep_known(group, &list[i]);
    for (size_t i = 0; i < group->count; i++)
        endpoint_put(group->list[i]);
    free(group->list);
    group->list = list;
    group->count = count;
    (void)pthread_mutex_unlock(&group->mu);
}

bool group_is_empty(struct group *group)
{
    bool empty;

    (void)pthread_mutex_lock(&group->mu);
    empty = group->count == 0;
    (void)pthread_mutex_unlock(&group->mu);
    return empty;
}

/* ---- choosing ---- */

static bool was_tried(const struct tried *tried,
                      const struct endpoint *endpoint)
{
    for (size_t i = 0; i < tried->count; i++)
        if (tried->list[i] == endpoint)
            return true;
    return false;
}

/* One of those that are well, not `other`, and not tried if `fresh`; NULL if
 * there are none. One pass, so that any number is drawn from evenly. */
static struct endpoint *draw_one_locked(const struct group *group, uint64_t now,
                                        const struct tried *fresh,
                                        const struct endpoint *other)
{
    struct endpoint *drawn = NULL;
    size_t seen = 0;

    for (size_t i = 0; i < group->count; i++) {
        struct endpoint *at = group->list[i];

        if (at->rests_until_ns > now || at == other ||
            (fresh && was_tried(fresh, at)))
            continue;
        if (random_share() * (double)++seen < 1)
            drawn = at;
    }
    return drawn;
}

/* The less busy of two that are drawn. */
static struct endpoint *draw_locked(const struct group *group, uint64_t now,
                                    const struct tried *fresh)
{
    struct endpoint *one = draw_one_locked(group, now, fresh, NULL);
    struct endpoint *two = one ? draw_one_locked(group, now, fresh, one) : NULL;

    return two && two->pending < one->pending ? two : one;
}

/* All rest: the one that is first to be back. */
static struct endpoint *first_back_locked(const struct group *group)
{
    struct endpoint *best = NULL;

    for (size_t i = 0; i < group->count; i++)
        if (!best || group->list[i]->rests_until_ns < best->rests_until_ns)
            best = group->list[i];
    return best;
}

static uint64_t rest_ns(unsigned failures)
{
    unsigned doubled = failures - 1 < 10 ? failures - 1 : 10;
    uint64_t ms = (uint64_t)REST_FIRST_MS << doubled;

    return (ms < REST_MOST_MS ? ms : REST_MOST_MS) * NS_PER_MS;
}

struct endpoint *group_choose(struct group *group, struct tried *tried)
{
    uint64_t now = clock_now_ns();
    struct endpoint *best;

    (void)pthread_mutex_lock(&group->mu);
    best = draw_locked(group, now, tried);
    if (!best)
        best = draw_locked(group, now, NULL);
    if (!best)
        best = first_back_locked(group);
    if (best) {
        if (best->failures) /* one call tries it, the others wait for that */
            best->rests_until_ns = now + rest_ns(best->failures);
        best->pending++;
        best->references++;
        tried->list[tried->count++] = best;
    }
    (void)pthread_mutex_unlock(&group->mu);
    return best;
}

bool group_has_other(struct group *group, const struct tried *tried)
{
    uint64_t now = clock_now_ns();
    bool has = false;

    (void)pthread_mutex_lock(&group->mu);
    for (size_t i = 0; i < group->count && !has; i++)
        has = group->list[i]->rests_until_ns <= now &&
              !was_tried(tried, group->list[i]);
    (void)pthread_mutex_unlock(&group->mu);
    return has;
}

void group_well(struct group *group, struct endpoint *endpoint)
{
    (void)pthread_mutex_lock(&group->mu);
    endpoint->failures = 0;
    endpoint->rests_until_ns = 0;
    (void)pthread_mutex_unlock(&group->mu);
}

void group_failed(struct group *group, struct endpoint *endpoint)
{
    (void)pthread_mutex_lock(&group->mu);
    endpoint->failures++;
    endpoint->rests_until_ns = clock_now_ns() + rest_ns(endpoint->failures);
    (void)pthread_mutex_unlock(&group->mu);
}

void group_done(struct group *group, struct endpoint *endpoint)
{
    (void)pthread_mutex_lock(&group->mu);
    endpoint->pending--;
    (void)pthread_mutex_unlock(&group->mu);
}

void group_forget(struct group *group, struct tried *tried)
{
    (void)pthread_mutex_lock(&group->mu);
    while (tried->count)
        endpoint_put(tried->list[--tried->count]);
    (void)pthread_mutex_unlock(&group->mu);
}
