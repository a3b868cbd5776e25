/*
 * Ragged: the rules of operators in which tokens of one sequence meet, or rows
 * are picked. They change the node of the second graph. See ragged_parts.h.
 */
#include <string.h>

#include "ragged_look.h"

/* --- where tokens of one sequence meet --- */

static enum ragged_place replaced(struct look *look, const char *op,
                                  const struct eng_attr *attrs,
                                  size_t attr_count, enum ragged_place place)
{
    const uint32_t inputs[] = {look_input(look, 0), look->survey->starts};
    struct rewrite_spec spec = {.domain = REWRITE_DOMAIN,
                                .op = op,
                                .version = 1,
                                .inputs = inputs,
                                .input_count = 2,
                                .attrs = attrs,
                                .attr_count = attr_count};

    return survey_replace(look->survey, look->index, &spec, look->err)
               ? place
               : look_failed(look);
}

static enum ragged_place reduced(struct look *look, const char *how, bool keep)
{
    const struct eng_attr attrs[] = {
        {"how", ENG_ATTR_STRING, 1, {.s = {how, strlen(how)}}},
        {"keepdims", ENG_ATTR_INT, 1, {.i = keep}}};

    return replaced(look, "RaggedReduce", attrs, 2, PLACE_SEQUENCES);
}

/* [batch, length, ...], the form that the ragged operators take. */
static bool is_batch_first(const struct look *look, uint32_t value)
{
    return survey_token_axis(look->survey, value) == 1 &&
           survey_axis(look->survey, value, 0) == 'B';
}

static const char *reduction(const char *op, enum eng_dtype dtype)
{
    static const struct {
        const char *op, *how;
        bool only_floats;
    } table[] = {{"ReduceSum", "sum", false},
                 {"ReduceMean", "mean", true},
                 {"ReduceMax", "max", false}};

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(op, table[i].op) == 0 &&
            (dtype == ENG_F32 ||
             (!table[i].only_floats && (dtype == ENG_I64 || dtype == ENG_I32))))
            return table[i].how;
    }
    return NULL;
}

enum ragged_place rule_reduce(struct look *look)
{
    enum ragged_place place = look_place(look, 0);
    uint32_t x = look_input(look, 0);
    int rank = survey_rank(look->survey, x), lead = look_lead(look, x, place);
    int64_t axes[NUMBERS_MAX];
    int count = look_ints(look, "axes", 1, axes);
    bool behind = count > 0;
    const char *how =
        reduction(look->node->op, survey_tensor(look->survey, x, 0)->dtype);

    if (place != PLACE_TOKENS && place != PLACE_SEQUENCES)
        return look_decline(look, "sums rows of different tokens");
    for (int i = 0; i < count; i++) {
        axes[i] += axes[i] < 0 ? rank : 0;
        behind = behind && axes[i] > lead;
    }
    if (behind)
        return look_out(look);
    if (count == 1 && axes[0] == 1 && place == PLACE_TOKENS && how &&
        is_batch_first(look, x))
        return reduced(look, how, rewrite_int(look->node, "keepdims", 1) != 0);
    return look_decline(look, "sums rows of different sequences");
}

enum ragged_place rule_cumsum(struct look *look)
{
    uint32_t x = look_input(look, 0);
    enum eng_dtype dtype = survey_tensor(look->survey, x, 0)->dtype;
    int64_t axis[NUMBERS_MAX];

    if (look_place(look, 0) == PLACE_TOKENS && is_batch_first(look, x) &&
        survey_rank(look->survey, x) == 2 &&
        (dtype == ENG_I64 || dtype == ENG_I32) &&
        look_constants(look, 1, axis) == 1 && (axis[0] == 1 || axis[0] == -1) &&
        !rewrite_int(look->node, "exclusive", 0) &&
        !rewrite_int(look->node, "reverse", 0))
        return replaced(look, "RaggedCumSum", NULL, 0, PLACE_TOKENS);
    return look_decline(look, "sums rows of different tokens");
}

/* --- picking rows --- */

static void limit_length(struct survey *survey, int64_t length)
{
    if (length < survey->ragged->length_max)
        survey->ragged->length_max = length;
}

/* Ids of the caller, or positions that were counted from them: these start
 * behind the padding's, which is 1 where it is known. */
static enum ragged_place look_up_tokens(struct look *look)
{
    enum { BEHIND_PADDING = 2 };
    struct survey *survey = look->survey;
    uint32_t ids = look_input(look, 1);
    bool counted = false;

    if (!survey_mark_inputs(survey, ids, survey->ids, look->err) ||
        !survey_is_counted(survey, ids, &counted, look->err))
        return look_failed(look);
    if (counted)
        limit_length(survey,
                     survey_tensor(survey, look_input(look, 0), 0)->dims[0] -
                         BEHIND_PADDING);
    return look_out(look);
}

/* A table of the model, by ids or by positions. */
static enum ragged_place look_up(struct look *look)
{
    struct survey *survey = look->survey;
    uint32_t ids = look_input(look, 1), made;
    const struct eng_tensor *tensor = survey_tensor(survey, ids, 0);
    int64_t offset, step, length;

    if (look_place(look, 1) == PLACE_TOKENS)
        return look_up_tokens(look);
    if (look_place(look, 1) != PLACE_SHAPE ||
        !survey_is_position(survey, ids, &offset, &step) || offset < 0 ||
        step < 0)
        return look_decline(look, "looks up something that is no position");
    made =
        survey_position(survey, tensor->dtype, offset, step, tensor->rank == 1);
    if (made == ENG_NO_VALUE)
        return look_decline(look, "has one kind of position too many");
    length = survey_tensor(survey, look_input(look, 0), 0)->dims[0] - offset;
    if (step > 0)
        limit_length(survey, length / step);
    return survey_set_input(survey, look->index, 1, made, look->err)
               ? look_out(look)
               : look_failed(look);
}

enum ragged_place rule_gather(struct look *look)
{
    enum ragged_place place = look_place(look, 0);
    uint32_t x = look_input(look, 0);
    int rank = survey_rank(look->survey, x), lead = look_lead(look, x, place);
    int64_t axis = look_axis(look, 0, rank), index[NUMBERS_MAX];
    int index_rank = survey_rank(look->survey, look_input(look, 1));
    int count = look_constants(look, 1, index);

    if (place == PLACE_CONSTANT && axis == 0)
        return look_up(look);
    if (place == PLACE_TOKENS && axis == 1 && is_batch_first(look, x) &&
        count == 1 && index[0] == 0 && index_rank < 2)
        return reduced(look, "first", index_rank == 1);
    if ((place == PLACE_TOKENS || place == PLACE_SEQUENCES) && axis > lead &&
        look_place(look, 1) == PLACE_CONSTANT)
        return look_out(look);
    return look_decline(look, "picks rows by what is no constant");
}

/* Slice of a table of positions, as long as the sequence: the positions are
 * looked up. */
static enum ragged_place slice_table(struct look *look)
{
    struct survey *survey = look->survey;
    uint32_t table = look_input(look, 0), result = look->node->outputs[0];
    int axis = survey_token_axis(survey, result);
    int64_t axes[NUMBERS_MAX], starts[NUMBERS_MAX], steps[NUMBERS_MAX] = {1};
    struct eng_attr along = {"axis", ENG_ATTR_INT, 1, {.i = axis}};
    uint32_t inputs[] = {table, ENG_NO_VALUE};
    struct rewrite_spec spec = {.domain = "",
                                .op = "Gather",
                                .version = 13,
                                .inputs = inputs,
                                .input_count = 2,
                                .attrs = &along,
                                .attr_count = 1};

    if (axis < 0 || axis > 1 || look_ints(look, "axes", 3, axes) != 1 ||
        (axes[0] != axis && axes[0] != axis - survey_rank(survey, result)) ||
        look_ints(look, "starts", 1, starts) != 1 || starts[0] < 0 ||
        (look_input(look, 4) != ENG_NO_VALUE &&
         look_constants(look, 4, steps) != 1) ||
        steps[0] != 1)
        return look_decline(look, "cuts a table along the tokens");
    inputs[1] = survey_position(survey, ENG_I64, starts[0], 1, true);
    if (inputs[1] == ENG_NO_VALUE)
        return look_decline(look, "has one kind of position too many");
    limit_length(survey,
                 survey_tensor(survey, table, 0)->dims[axis] - starts[0]);
    return survey_replace(survey, look->index, &spec, look->err)
               ? PLACE_TOKENS
               : look_failed(look);
}

/* Slice with inputs: the first token, or along axes behind the rows. */
enum ragged_place rule_slice(struct look *look)
{
    enum ragged_place place = look_place(look, 0);
    uint32_t x = look_input(look, 0);
    int rank = survey_rank(look->survey, x), lead = look_lead(look, x, place);
    int64_t axes[NUMBERS_MAX], starts[NUMBERS_MAX] = {0};
    int64_t ends[NUMBERS_MAX] = {0};
    int count = look_ints(look, "axes", 3, axes);
    bool behind = count > 0;

    if (place == PLACE_CONSTANT)
        return slice_table(look);
    if ((place != PLACE_TOKENS && place != PLACE_SEQUENCES) ||
        look_ints(look, "starts", 1, starts) != count ||
        look_ints(look, "ends", 2, ends) != count)
        return look_decline(look, "cuts along the tokens");
    for (int i = 0; i < count; i++) {
        axes[i] += axes[i] < 0 ? rank : 0;
        behind = behind && axes[i] > lead;
    }
    if (behind)
        return place;
    if (place == PLACE_TOKENS && count == 1 && axes[0] == 1 && starts[0] == 0 &&
        ends[0] == 1 && is_batch_first(look, x))
        return reduced(look, "first", true);
    return look_decline(look, "cuts along the tokens");
}

/* --- attention --- */

/* A mask changes nothing where no padding is. */
static bool is_neutral(struct look *look, size_t i, double neutral)
{
    bool yes = true;

    if (look_input(look, i) != ENG_NO_VALUE &&
        !survey_is_neutral(look->survey, look_input(look, i), neutral, &yes,
                           look->err))
        look->failed = true;
    return yes && !look->failed;
}

enum ragged_place rule_core(struct look *look)
{
    enum { Q, K, V, ADD, KEEP };
    struct survey *survey = look->survey;
    const struct eng_attr *scale = rewrite_attr(look->node, "scale");
    const uint32_t inputs[] = {look_input(look, Q), look_input(look, K),
                               look_input(look, V), survey->starts};
    struct rewrite_spec spec = {.domain = REWRITE_DOMAIN,
                                .op = "RaggedAttention",
                                .version = 1,
                                .inputs = inputs,
                                .input_count = 4,
                                .attrs = scale,
                                .attr_count = scale != NULL};

    for (size_t i = Q; i <= V; i++) {
        if (look_place(look, i) != PLACE_TOKENS ||
            !is_batch_first(look, inputs[i]) ||
            survey_tensor(survey, inputs[i], 0)->dtype != ENG_F32)
            return look_decline(look, "does not read a row per token");
    }
    if (!is_neutral(look, ADD, 0) ||
        !is_neutral(look, KEEP, !rewrite_int(look->node, "drops", 0)))
        return look->failed
                   ? look_failed(look)
                   : look_decline(look, "has more in its scores than a "
                                        "mask of padding");
    return survey_replace(survey, look->index, &spec, look->err)
               ? PLACE_TOKENS
               : look_failed(look);
}

/* --- com.microsoft EmbedLayerNormalization --- */

enum { IDS, SEGMENT_IDS, WORD, POSITION, MASK = 7, POSITION_IDS };

/* Segments of the caller, or the same one for all. */
static enum ragged_place embed_segments(struct look *look)
{
    struct survey *survey = look->survey;
    uint32_t segments = look_input(look, SEGMENT_IDS), made;
    int64_t offset, step;

    if (segments == ENG_NO_VALUE ||
        look_place(look, SEGMENT_IDS) == PLACE_TOKENS)
        return PLACE_TOKENS;
    if (!survey_is_position(survey, segments, &offset, &step) || step != 0)
        return look_decline(look, "has segments that no caller gives");
    made = survey_position(survey, ENG_I32, offset, 0, false);
    if (made == ENG_NO_VALUE)
        return look_decline(look, "has one kind of position too many");
    return survey_set_input(survey, look->index, SEGMENT_IDS, made, look->err)
               ? PLACE_TOKENS
               : look_failed(look);
}

/* Positions that were counted from the ids, places in the sequence, or left to
 * the operator. */
static enum ragged_place embed_positions(struct look *look)
{
    enum { BEHIND_PADDING = 2 };
    struct survey *survey = look->survey;
    uint32_t given = look_input(look, POSITION_IDS), made;
    int64_t length =
        survey_tensor(survey, look_input(look, POSITION), 0)->dims[0];
    int64_t offset = 0, step = 1;
    bool counted = false;

    if (given != ENG_NO_VALUE &&
        look_place(look, POSITION_IDS) == PLACE_TOKENS) {
        if (!survey_is_counted(survey, given, &counted, look->err))
            return look_failed(look);
        if (counted)
            limit_length(survey, length - BEHIND_PADDING);
        return PLACE_TOKENS;
    }
    if (given != ENG_NO_VALUE &&
        !survey_is_position(survey, given, &offset, &step))
        return look_decline(look, "looks up something that is no position");
    made = survey_position(survey, ENG_I32, offset, step, false);
    if (made == ENG_NO_VALUE || offset < 0 || step != 1)
        return look_decline(look, "looks up something that is no position");
    limit_length(survey, length - offset);
    return survey_set_input(survey, look->index, POSITION_IDS, made, look->err)
               ? PLACE_TOKENS
               : look_failed(look);
}

enum ragged_place rule_embed(struct look *look)
{
    if (look_place(look, IDS) != PLACE_TOKENS ||
        look_place(look, POSITION) != PLACE_CONSTANT)
        return look_decline(look, "does not read a row per token");
    if (embed_segments(look) != PLACE_TOKENS ||
        embed_positions(look) != PLACE_TOKENS)
        return PLACE_MIXED;
    return survey_mark_inputs(look->survey, look_input(look, IDS),
                              look->survey->ids, look->err) &&
                   survey_set_input(look->survey, look->index, MASK,
                                    ENG_NO_VALUE, look->err)
               ? PLACE_TOKENS
               : look_failed(look);
}
