/*
 * OIP: the Open Inference Protocol v2 on the models of this process.
 *
 *   REST body -> codec_infer.c --+                +-- codec_answer.c -> REST
 *   gRPC message ----------------+-> infer.c -----+-----------------> gRPC
 *                                    inputs.c -> engine -> outputs.c
 *
 * Both protocols meet in the messages of api/foreign/open_inference.proto. In
 * them the REST codec always carries tensors as raw contents: bytes that came
 * raw are used where they lie, numbers in JSON become such bytes. So what an
 * input must be is checked once, in inputs.c, with one set of sentences.
 *
 * The other endpoints (info.c) say what there is: models, their tensors, their
 * configuration in Triton's form and their statistics.
 *
 * Threads: as the call; what is shared is atomic or immutable.
 */
#ifndef OIP_OIP_H
#define OIP_OIP_H

#include "app.h"
#include "call.h"
#include "oip_server.h"

/* Raw contents of a tensor: row-major, little-endian; a BYTES element is its
 * length in four bytes and then itself. */
struct oip_bytes {
    const uint8_t *data;
    size_t size;
};

/* Tensor data in JSON, as the request has it. */
struct oip_data {
    const char *name; /* of the tensor */
    enum eng_dtype dtype;
    const int64_t *dims;
    size_t rank;
    int64_t count; /* product of dims */
    const char *text;
    size_t size;
};

/* ---- names.c: datatypes ---- */

/* "FP32"; "?" for types that the protocol does not have. */
const char *oip_dtype_name(enum eng_dtype dtype);

/* ENG_NONE for unknown names. */
enum eng_dtype oip_dtype_by_name(const char *name);

/* Triton's number for it: TYPE_FP32. */
enum oip_data_type oip_dtype_triton(enum eng_dtype dtype);

/* ---- models.c ---- */

/* The model of this name and version ("" or NULL: the only one there is), on
 * whichever port it is served. NULL: ERR_NOT_FOUND. */
struct srv_app *oip_model(const struct srv_call *call, const char *name,
                          const char *version, struct error *err);

/* Fills `apps` with the models of the process and returns how many. */
size_t oip_models(const struct srv_call *call, struct srv_app *apps[APPS_MAX]);

/* ---- parameters.c: `parameters` of a request, an input or an output ---- */

/* The field `parameters` of a message. */
const struct msg_field *oip_parameters_field(const struct msg_def *def);

/* The value of the message's parameter `key`, or NULL. `def` is the message's,
 * which has a map `parameters`; of several of one name the last one counts. */
const struct oip_infer_parameter *
oip_parameter(const struct msg_def *def, const void *message, const char *key);

/* The parameter is true. */
bool oip_parameter_is_true(const struct msg_def *def, const void *message,
                           const char *key);

/* A whole number >= 0; false if it is none. */
bool oip_parameter_count(const struct oip_infer_parameter *parameter,
                         uint64_t *value);

/* ---- inputs.c ---- */

/*
 * The request's tensors in the order of the model's inputs. Bytes are used
 * where they lie in the request if they are aligned; all else is in the call's
 * arena. ERR_VALIDATION_ERROR names the tensor; ERR_OUT_OF_MEMORY.
 */
bool oip_inputs(struct srv_call *call, const struct eng_model *model,
                const struct oip_model_infer_request *request,
                struct eng_tensor *inputs, struct error *err);

/* ---- outputs.c ---- */

/* Outputs of the model by index, in the order of the answer. */
struct oip_wanted {
    size_t *indexes;
    size_t count;
};

/* Which outputs are wanted: those of the request, or all of them.
 *   ERR_VALIDATION_ERROR  an output is unknown or named twice
 *   ERR_NOT_IMPLEMENTED   it asks for what this server does not do */
bool oip_outputs_wanted(struct srv_call *call, const struct eng_model *model,
                        const struct oip_model_infer_request *request,
                        struct oip_wanted *wanted, struct error *err);

/* Adds the tensors to the reply as raw contents, which point at them where that
 * is possible. ERR_OUT_OF_MEMORY. */
bool oip_outputs(struct srv_call *call, const struct eng_model *model,
                 const struct eng_tensor *outputs,
                 const struct oip_wanted *wanted,
                 struct oip_model_infer_response *reply, struct error *err);

/* ---- encoding.c: Content-Encoding ---- */

enum oip_encoding { OIP_IDENTITY, OIP_GZIP, OIP_DEFLATE };

/* The encoding that a Content-Encoding names; ERR_UNSUPPORTED_MEDIA_TYPE. */
bool oip_encoding_of(const char *header, enum oip_encoding *encoding,
                     struct error *err);

/* The best encoding that an Accept-Encoding (NULL = none) allows. */
enum oip_encoding oip_encoding_accepted(const char *header);

/*
 * Unpacks into the arena. Never writes more than `max` bytes.
 *   ERR_BAD_REQUEST        the bytes are not in this encoding
 *   ERR_PAYLOAD_TOO_LARGE  they unpack to more than `max`
 *   ERR_OUT_OF_MEMORY
 */
bool oip_unpack(enum oip_encoding encoding, const struct oip_bytes *packed,
                size_t max, struct arena *arena, struct oip_bytes *out,
                struct error *err);

/* Replaces the content of `out` by its packed form. ERR_OUT_OF_MEMORY. */
bool oip_pack(enum oip_encoding encoding, struct buf *out, struct error *err);

/* ---- json_data.c: tensor data in JSON ---- */

/*
 * Reads `data` (the text of one JSON array, flat or nested as the shape says)
 * into raw contents of this type and these dimensions, in the arena.
 * ERR_VALIDATION_ERROR, ERR_MALFORMED_JSON, both naming tensor `name`;
 * ERR_OUT_OF_MEMORY.
 */
bool oip_data_read(const struct oip_data *data, struct arena *arena,
                   struct oip_bytes *raw, struct error *err);

/* Appends raw contents as a flat JSON array. ERR_OUTPUT_INVALID: a number is
 * not finite. */
bool oip_data_write(const char *name, enum eng_dtype dtype,
                    const struct oip_bytes *raw, struct buf *out,
                    struct error *err);

#endif
