/*
 * Step tokenize (preprocess): text to token ids, with the bundle's tokenizer.
 *
 *   input  text input
 *   ids    model input for the ids, int64 [rows, longest]
 *   mask   model input for 1 = token, 0 = padding; left out if the model has
 *          none
 *   types  model input for the segment of each token; left out likewise
 *   pair   second text input: the tokenizer puts both together; optional
 *
 * Special tokens that a user wrote stay text, unless the input says
 * `specialTokens: parse`. Rows are padded to the longest one. Counts each row's
 * tokens for range_check.
 *
 *   errors  ERR_INPUT_TOO_LONG: more tokens than the input's maxTokens, unless
 *           it says `onExcess: annotate-truncated`; then the row is cut and
 *           marked as extrapolated
 */
#include <string.h>

#include "step.h"
#include "tokenizer.h"

struct tokenize {
    const struct bundle_input *input;
    const struct bundle_input *pair; /* NULL = one text */
    struct tok_tokenizer *tok;
    size_t ids, mask, types; /* model inputs */
    bool has_mask, has_types;
    size_t tokens_max;
};

/* One row's tokens, in the request's arena. */
struct tokens {
    int64_t *ids;
    const int64_t *types; /* NULL = all 0 */
    size_t count;
};

static void close_tokenize(void *state)
{
    struct tokenize *step = state;

    tok_close(step->tok);
}

/* Rows are cut to what the documents say, whatever the tokenizer's file does. */
static bool check_truncation(const struct step_build *build,
                             const struct tokenize *step, struct error *err)
{
    return !step->input->truncate || step->tokens_max != SIZE_MAX ||
           step_fail(build, err,
                     "onExcess: annotate-truncated needs maxTokens");
}

/* What the input takes; else what the ModelSpec says that the model takes. */
static size_t tokens_max(const struct srv_bundle *bundle,
                         const struct bundle_input *input)
{
    if (input->max_tokens > 0)
        return (size_t)input->max_tokens;
    if (bundle->serving.max_sequence_tokens > 0)
        return (size_t)bundle->serving.max_sequence_tokens;
    return SIZE_MAX;
}

/* The second text of a pair, if there is one. */
static bool open_pair(struct step_build *build, struct tokenize *step,
                      struct error *err)
{
    if (!doc_get(build->step->parameters, "pair"))
        return true;
    step->pair = step_text_input(build, "pair", err);
    if (!step->pair)
        return false;
    if (step->pair->parse_specials != step->input->parse_specials)
        return step_fail(build, err,
                         "specialTokens of '%s' and '%s' must be the same",
                         step->input->name, step->pair->name);
    build->pipeline->reads_texts = true; /* ids are of one text */
    return true;
}

/* Some tokens of the vocabulary that are text. */
static bool list_tokens(struct pipeline *pipeline, struct tok_tokenizer *tok,
                        struct error *err)
{
    enum { TOKENS = 64 };
    struct pipeline_padding *padding = &pipeline->padding;
    int64_t *tokens = arena_alloc(&pipeline->arena, TOKENS * sizeof(*tokens));
    int64_t size = (int64_t)tok_vocab_size(tok);

    if (!tokens)
        return call_no_memory(err);
    for (int64_t id = size / 4; id < size && padding->token_count < TOKENS;
         id++)
        if (!tok_is_special(tok, id) && id != tok_pad_id(tok))
            tokens[padding->token_count++] = id;
    padding->tokens = tokens;
    return true;
}

/* What stands in the model's inputs, for who pads them further. */
static bool note_padding(struct pipeline *pipeline, const struct tokenize *step,
                         struct error *err)
{
    struct pipeline_padding *padding = &pipeline->padding;

    padding->pads[step->ids] = tok_pad_id(step->tok);
    padding->roles[step->ids] = PADDING_IDS;
    if (step->has_mask)
        padding->roles[step->mask] = PADDING_MASK;
    if (step->has_types)
        padding->roles[step->types] = PADDING_TYPES;
    if (step->tokens_max < padding->length_max)
        padding->length_max = step->tokens_max;
    return padding->tokens || list_tokens(pipeline, step->tok, err);
}

static bool open_tokenize(struct step_build *build, void **state,
                          struct error *err)
{
    static const char *const known[] = {"input", "ids",  "mask",
                                        "types", "pair", NULL};
    const struct pipeline *pipeline = build->pipeline;
    struct tokenize *step =
        arena_zalloc(&build->pipeline->arena, 1, sizeof(*step));

    if (!step)
        return call_no_memory(err);
    if (!step_params_known(build, known, err))
        return false;
    step->input = step_text_input(build, "input", err);
    if (!step->input || !step_claim_feed(build, "ids", &step->ids, err))
        return false;
    if (!open_pair(build, step, err))
        return false;
    step->has_mask = doc_get(build->step->parameters, "mask") != NULL;
    step->has_types = doc_get(build->step->parameters, "types") != NULL;
    if ((step->has_mask && !step_claim_feed(build, "mask", &step->mask, err)) ||
        (step->has_types &&
         !step_claim_feed(build, "types", &step->types, err)))
        return false;
    if (!*pipeline->bundle->tokenizer_path)
        return step_fail(build, err, "the ModelSpec names no tokenizerUri");
    step->tokens_max = tokens_max(pipeline->bundle, step->input);
    step->tok = tok_open(pipeline->bundle->tokenizer_path, err);
    if (!step->tok)
        return false;
    if (!check_truncation(build, step, err) ||
        !note_padding(build->pipeline, step, err)) {
        close_tokenize(step);
        return false;
    }
    build->pipeline->counts_tokens = true;
    *state = step;
    return true;
}

/* Token ids of the request, taken as they are. */
static bool copy_ids(const struct tokenize *step, struct pipeline_call *call,
                     const struct pipeline_ids *from,
                     struct tok_encoding *encoding, struct error *err)
{
    size_t vocabulary = tok_vocab_size(step->tok);

    for (size_t i = 0; i < from->count; i++) {
        if (from->items[i] < 0 || (size_t)from->items[i] >= vocabulary)
            return fail(err, ERR_VALIDATION_ERROR,
                        "%d is no token id: the vocabulary has %zu",
                        from->items[i], vocabulary);
    }
    encoding->whole = from->count;
    encoding->count = step->input->truncate && from->count > step->tokens_max
                          ? step->tokens_max
                          : from->count;
    encoding->ids =
        arena_zalloc(call->arena, encoding->count, sizeof(*encoding->ids));
    if (!encoding->ids)
        return call_no_memory(err);
    for (size_t i = 0; i < encoding->count; i++)
        encoding->ids[i] = from->items[i];
    return true;
}

static bool encode_text(const struct tokenize *step, struct pipeline_call *call,
                        size_t row, struct tok_encoding *encoding,
                        struct error *err)
{
    struct tok_text first = {.bytes = call_text(call, step->input, row)};
    struct tok_text second = {0};
    unsigned flags = TOK_SPECIALS | (step->input->truncate ? TOK_TRUNCATE : 0) |
                     (step->input->parse_specials ? TOK_PARSE_SPECIALS : 0);

    first.size = strlen(first.bytes);
    encoding->arena = call->arena;
    arena_reset(call->scratch);
    if (!step->pair)
        return tok_encode(step->tok, first.bytes, first.size, flags, encoding,
                          err);
    second.bytes = call_text(call, step->pair, row);
    second.size = strlen(second.bytes);
    return tok_encode_pair(step->tok, first, second, flags, encoding, err);
}

static bool encode_row(const struct tokenize *step, struct pipeline_call *call,
                       size_t row, struct tokens *out, struct error *err)
{
    const struct pipeline_ids *ids = call_ids(call, step->input, row);
    struct tok_encoding encoding = {
        .scratch = call->scratch,
        .max_tokens = step->input->truncate ? step->tokens_max : 0};

    if (ids ? !copy_ids(step, call, ids, &encoding, err)
            : !encode_text(step, call, row, &encoding, err))
        return false;
    if (encoding.count > step->tokens_max)
        return fail(err, ERR_INPUT_TOO_LONG,
                    "input '%s' has %zu tokens, at most %zu are taken",
                    call_name(call, step->input, row), encoding.count,
                    step->tokens_max);
    if (encoding.count < encoding.whole)
        call_mark(call, row, BAND_EXTRAPOLATED,
                  "the text has %zu tokens and was cut to %zu", encoding.whole,
                  encoding.count);
    *out = (struct tokens){encoding.ids, encoding.type_ids, encoding.count};
    call->marks[row].tokens = encoding.count;
    call->marks[row].truncated = encoding.count < encoding.whole;
    return true;
}

/* An int64 tensor [rows, columns] of zeros in the request's arena. */
static bool make_feed(struct pipeline_call *call, size_t index, size_t columns,
                      struct error *err)
{
    int64_t *data =
        arena_zalloc(call->arena, call->rows * columns, sizeof(*data));

    if (!data)
        return call_no_memory(err);
    call->feeds[index] =
        (struct eng_tensor){.dtype = ENG_I64,
                            .rank = 2,
                            .dims = {(int64_t)call->rows, (int64_t)columns},
                            .data = data};
    return true;
}

static void fill_row(const struct tokenize *step, struct pipeline_call *call,
                     const struct tokens *tokens, size_t row, size_t columns)
{
    int64_t *ids = (int64_t *)call->feeds[step->ids].data + row * columns;
    int64_t *mask =
        step->has_mask ? (int64_t *)call->feeds[step->mask].data + row * columns
                       : NULL;
    int64_t *types =
        step->has_types
            ? (int64_t *)call->feeds[step->types].data + row * columns
            : NULL;
    int64_t pad = tok_pad_id(step->tok);

    for (size_t i = 0; i < columns; i++) {
        ids[i] = i < tokens->count ? tokens->ids[i] : pad;
        if (mask)
            mask[i] = i < tokens->count;
        if (types && tokens->types && i < tokens->count)
            types[i] = tokens->types[i];
    }
}

static bool apply_tokenize(const void *state, struct pipeline_call *call,
                           struct error *err)
{
    const struct tokenize *step = state;
    struct tokens *rows = arena_zalloc(call->arena, call->rows, sizeof(*rows));
    size_t longest = 0;

    if (!rows)
        return call_no_memory(err);
    for (size_t row = 0; row < call->rows; row++) {
        if (!encode_row(step, call, row, &rows[row], err))
            return false;
        if (rows[row].count > longest)
            longest = rows[row].count;
    }
    if (longest == 0)
        return fail(err, ERR_INVALID_INPUT, "input '%s' is empty",
                    step->input->name);
    if (!make_feed(call, step->ids, longest, err) ||
        (step->has_mask && !make_feed(call, step->mask, longest, err)) ||
        (step->has_types && !make_feed(call, step->types, longest, err)))
        return false;
    for (size_t row = 0; row < call->rows; row++)
        fill_row(step, call, &rows[row], row, longest);
    return true;
}

const struct step_type step_tokenize = {.name = "tokenize",
                                        .stage = STEP_PRE,
                                        .open = open_tokenize,
                                        .apply = apply_tokenize,
                                        .close = close_tokenize};
