/*
 * Values: the data of a prediction by name, and its results.
 *
 *   struct arena arena;
 *   struct runtime_predict_request request;
 *
 *   arena_init(&arena, 0);
 *   runtime_predict_request_init(&request);
 *   request.input_type = "text";
 *   specserve_put_text(&request, &arena, "text", "CCO");
 *
 * What is put lives in the arena; texts and arrays are borrowed, and must live
 * until the call is over. Every put returns false when memory is out.
 *
 * Threads: the caller serialises per request and arena; results are immutable.
 */
#ifndef SPECSERVE_VALUES_H
#define SPECSERVE_VALUES_H

#include "runtime_msg.h"

bool specserve_put_text(struct runtime_predict_request *request,
                        struct arena *arena, const char *key, const char *text);
bool specserve_put_number(struct runtime_predict_request *request,
                          struct arena *arena, const char *key, double number);
bool specserve_put_flag(struct runtime_predict_request *request,
                        struct arena *arena, const char *key, bool flag);
bool specserve_put_floats(struct runtime_predict_request *request,
                          struct arena *arena, const char *key,
                          const float *values, size_t count);
bool specserve_put_texts(struct runtime_predict_request *request,
                         struct arena *arena, const char *key,
                         const char *const *values, size_t count);
/* Images and sounds; base64 over REST. */
bool specserve_put_bytes(struct runtime_predict_request *request,
                         struct arena *arena, const char *key,
                         const void *bytes, size_t size);
/* The text of any JSON value. */
bool specserve_put_json(struct runtime_predict_request *request,
                        struct arena *arena, const char *key, const char *json);

/* The result of this name, or NULL. */
const struct runtime_value *
specserve_result(const struct runtime_predict_response *reply, const char *key);

/* The same as a number or text; false, or NULL: it is absent or another thing.
 */
bool specserve_result_number(const struct runtime_predict_response *reply,
                             const char *key, double *number);
const char *specserve_result_text(const struct runtime_predict_response *reply,
                                  const char *key);

#endif
