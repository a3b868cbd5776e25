/*
 * REST rules: what the guard must know of the endpoints and of the program's
 * options - which hosts it answers for, how large a body each endpoint takes.
 *
 * Threads: immutable once made.
 */
#ifndef DOOR_REST_RULES_H
#define DOOR_REST_RULES_H

#include "door.h"
#include "http_head.h"
#include "route.h"

struct rest_rules {
    struct http_rules http;
    const struct door_options *options;
    const struct route_table *routes;
    size_t max_body; /* of endpoints without a limit of their own */
    const char **hosts;
    char bound_host[64]; /* the bound address as Host writes it */
};

/* `options` (complete) and `routes` must outlive the rules, which must stay
 * where they are. ERR_OUT_OF_MEMORY. */
bool rest_rules_init(struct rest_rules *rules,
                     const struct door_options *options,
                     const struct route_table *routes, struct error *err);

void rest_rules_release(struct rest_rules *rules);

/* The target without scheme and host: "http://host:1/path" -> "/path". */
const char *rest_origin_form(const char *target);

#endif
