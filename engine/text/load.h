/*
 * Loading a tokenizer.json: what its parts share. Only load*.c see jansson.
 *
 * Threads: the caller serialises.
 */
#ifndef TEXT_LOAD_H
#define TEXT_LOAD_H

#include <jansson.h>

#include "tokenizer_impl.h"

struct loader {
    struct tok_tokenizer *tok;
    const json_t *root;
    unsigned char *seen; /* one bit per id */
};

/* ---- refusing ---- */

/* "tokenizer: <part> '<what>' is not supported"; returns false. */
bool load_unsupported(struct error *err, const char *part, const char *what);

/* "tokenizer: <what>"; returns false. */
bool load_invalid(struct error *err, const char *what);

bool load_no_memory(struct error *err);

/* ---- reading ---- */

/* Absent or null. */
bool load_is_null(const json_t *value);

/* The component's "type", or "?" when it has none. */
const char *load_type(const json_t *component);

/*
 * Every key of the component is "type" or among the comma-separated `keys`;
 * else ERR_MODEL_UNSUPPORTED names the first that is not.
 */
bool load_check_keys(const json_t *component, const char *keys,
                     struct error *err);

/* A boolean of the component; `otherwise` if it is absent or null. */
bool load_bool(const json_t *component, const char *key, bool otherwise,
               bool *out, struct error *err);

/* A count from `min` to 2^31 - 1; `otherwise` if it is absent or null. */
bool load_count(const json_t *component, const char *key, size_t min,
                size_t otherwise, size_t *out, struct error *err);

/* A string of the component, copied; one is required unless `otherwise`. */
bool load_string(struct loader *load, const json_t *component, const char *key,
                 const char *otherwise, struct tok_string *out,
                 struct error *err);

/* A string of exactly one character. */
bool load_char(const json_t *component, const char *key, const char *otherwise,
               uint32_t *out, struct error *err);

/*
 * A string of the component that is one of `names`, which end with NULL: *place
 * is which one, and stays as it is if the string is absent or null. Another is
 * refused as `part`.
 */
bool load_choice(const json_t *component, const char *key, const char *part,
                 const char *const *names, size_t *place, struct error *err);

/* The {"String": ..} or {"Regex": ..} under "pattern". */
bool load_pattern(struct loader *load, const json_t *component,
                  const struct pattern **out, struct error *err);

/* Reads one component of a chain, whose type is `type`. */
typedef bool load_component(struct loader *load, const json_t *component,
                            const char *type, struct error *err);

/* Reads the chain under `part` of the file: null, one component, or a Sequence,
 * whose components are under `list`. */
bool load_chain(struct loader *load, const char *part, const char *list,
                load_component *one, struct error *err);

/* ---- the parts, in the order in which they are loaded ---- */

bool load_model(struct loader *load, struct error *err);
bool load_added_tokens(struct loader *load, struct error *err);
bool load_normalizers(struct loader *load, struct error *err);
bool load_pre_tokenizers(struct loader *load, struct error *err);
bool load_post_processor(struct loader *load, struct error *err);
bool load_truncation(struct loader *load, struct error *err);
bool load_padding(struct loader *load, struct error *err);
bool load_decoders(struct loader *load, struct error *err);

/* BPE, once it is known whether pieces are bytes; see load_bpe.c. */
bool load_bpe_finish(struct loader *load, struct error *err);

/* The readers of the models, load_model_<function>(). */
#define MODEL(type, function)                                                  \
    bool load_model_##function(struct loader *load, const json_t *model,       \
                               struct error *err);
#include "components.def"

/* Notes that `id` exists; ids beyond the limit and repeated ones fail. */
bool load_take_id(struct loader *load, json_int_t id, const char *token,
                  struct error *err);

/* Reads the object of tokens and ids under "vocab". */
bool load_vocab_object(struct loader *load, const json_t *model,
                       struct error *err);

/* The id of the model's token under `key`; -1 if null, else it must exist. */
bool load_token(const struct loader *load, const json_t *model, const char *key,
                int32_t *id, struct error *err);

/* The id of a token of the model; -1 if it has no such token. */
int32_t load_id_of(const struct loader *load, const char *token);

/* The trie of the model's tokens that begin with `prefix`, by what follows it;
 * of two with the same text the later one counts. */
bool load_trie(const struct loader *load, struct tok_string prefix,
               struct trie *trie, struct error *err);

/* Raises the bound of tokens per byte of text. */
void load_grow(struct loader *load, size_t factor, size_t fixed);

#endif
