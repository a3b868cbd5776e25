/*
 * Rest answer: the JSON that a registry answers over REST.
 *
 * Reads the fields it knows, in whatever order and company they come; a field
 * of another type than expected counts as absent.
 *
 * Threads: any; the caller serialises per arena.
 */
#ifndef CLIENTS_C_REST_ANSWER_H
#define CLIENTS_C_REST_ANSWER_H

#include "arena.h"
#include "buf.h"
#include "registry_client.h"

/* Absent texts are NULL, absent numbers 0. */
struct rest_fields {
    const char *registration_id, *message, *expires_at, *error;
    int64_t assigned_port, ttl_s;
    bool has_success, success;
};

/* Texts live in `arena`. ERR_MALFORMED_JSON: it is not an object. */
bool rest_read_fields(const struct buf *answer, struct arena *arena,
                      struct rest_fields *fields, struct error *err);

/* Reads {"instances":[{"host":..,"port":..}]}, as many as fit.
 * ERR_MALFORMED_JSON. */
bool rest_read_instances(const struct buf *answer, struct arena *arena,
                         struct registry_addresses *found, struct error *err);

#endif
