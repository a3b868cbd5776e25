/*
 * Codecs of the REST forms, for each other and for tests.
 *
 * Threads: as the call.
 */
#ifndef OIP_CODEC_H
#define OIP_CODEC_H

#include "oip.h"

/* {"error": "..."} */
void oip_write_failure(struct srv_call *call);

/* codec_infer.c: the body of an infer request, JSON and what follows it, into
 * `message`, a struct oip_model_infer_request. See op_codec.decode. */
bool oip_infer_read(struct srv_call *call, void *message, struct error *err);

/* codec_raw.c: a body that is the raw tensor of the model's only input. */
bool oip_raw_read(struct srv_call *call, const struct oip_bytes *body,
                  struct oip_model_infer_request *to, struct error *err);

/* codec_answer.c: see op_codec.encode. */
bool oip_infer_write(struct srv_call *call, const void *message,
                     struct error *err);

#endif
