/*
 * Ragged: a rule per operator. It says where the rows of tokens and sequences
 * are in what the operator makes, or that it mixes them, and changes the node of
 * the second graph where tokens of one sequence meet. See ragged_parts.h.
 */
#include <string.h>

#include "ragged_parts.h"

/* One node that is looked at. */
struct look {
    struct survey *survey;
    size_t index;
    const struct eng_node *node;
    struct error *err;
    bool failed; /* err says why */
};

typedef enum ragged_place rule_fn(struct look *look);

static enum ragged_place decline(struct look *look, const char *text)
{
    return survey_decline(look->survey, look->node, text);
}

static enum ragged_place failed(struct look *look)
{
    look->failed = true;
    return PLACE_MIXED;
}

static uint32_t input(const struct look *look, size_t i)
{
    return i < look->node->input_count ? look->node->inputs[i] : ENG_NO_VALUE;
}

static enum ragged_place place_of(struct look *look, size_t i)
{
    if (input(look, i) == ENG_NO_VALUE)
        return PLACE_CONSTANT;
    if (!ragged_resolve(look->survey, input(look, i), look->err))
        look->failed = true;
    return look->survey->places[input(look, i)];
}

static enum ragged_place out_place(const struct look *look)
{
    return survey_by_shape(look->survey, look->node->outputs[0]);
}

/* The axis up to which `value`, of this place, must not be touched: that of
 * tokens, or the sequences'. */
static int lead_of(const struct look *look, uint32_t value,
                   enum ragged_place place)
{
    return place == PLACE_TOKENS ? survey_token_axis(look->survey, value) : 0;
}

/* --- numbers of attributes and constant inputs --- */

enum { NUMBERS_MAX = ENG_RANK_MAX };

/* The elements of input `i`, if it is a constant; -1 otherwise. */
static int constant_ints(struct look *look, size_t i, int64_t *list)
{
    const struct eng_tensor *tensor;
    int64_t count;

    if (input(look, i) == ENG_NO_VALUE || place_of(look, i) != PLACE_CONSTANT)
        return -1;
    tensor = survey_tensor(look->survey, input(look, i), 0);
    count = eng_tensor_count(tensor);
    if (!tensor->data || count > NUMBERS_MAX)
        return -1;
    for (int64_t k = 0; k < count; k++) {
        if (tensor->dtype == ENG_I64)
            list[k] = ((const int64_t *)tensor->data)[k];
        else if (tensor->dtype == ENG_I32)
            list[k] = ((const int32_t *)tensor->data)[k];
        else
            return -1;
    }
    return (int)count;
}

/* An attribute, or where there is none input `i`. */
static int ints_of(struct look *look, const char *name, size_t i, int64_t *list)
{
    const struct eng_attr *attr = rewrite_attr(look->node, name);

    if (!attr)
        return constant_ints(look, i, list);
    if (attr->type != ENG_ATTR_INTS || attr->count > NUMBERS_MAX)
        return -1;
    memcpy(list, attr->ints, attr->count * sizeof *list);
    return (int)attr->count;
}

static int64_t axis_attr(const struct look *look, int64_t fallback, int rank)
{
    int64_t axis = rewrite_int(look->node, "axis", fallback);

    return axis < 0 ? axis + rank : axis;
}

/* --- element by element --- */

/* Input `i` broadcasts to the output without a token or sequence meeting
 * another one. */
static bool lines_up(struct look *look, size_t i, enum ragged_place out)
{
    const struct survey *survey = look->survey;
    uint32_t value = input(look, i), result = look->node->outputs[0];
    enum ragged_place place = place_of(look, i);
    int shift, lead = lead_of(look, result, out);

    if (value == ENG_NO_VALUE)
        return true;
    shift = survey_rank(survey, result) - survey_rank(survey, value);
    if (place == PLACE_SHAPE)
        return survey_is_uniform(survey, value);
    if (place == PLACE_TOKENS)
        return out == PLACE_TOKENS &&
               survey_token_axis(survey, value) + shift == lead;
    if (place == PLACE_SEQUENCES)
        return out == PLACE_SEQUENCES && shift == 0;
    for (int axis = 0;
         place == PLACE_CONSTANT && axis < survey_rank(survey, value) &&
         axis + shift <= lead;
         axis++) {
        if (survey_tensor(survey, value, 0)->dims[axis] != 1)
            return false;
    }
    return place == PLACE_CONSTANT;
}

static enum ragged_place all_line_up(struct look *look, size_t first)
{
    enum ragged_place out = out_place(look);

    if (out == PLACE_MIXED)
        return decline(look, "makes something that has no row per token");
    for (size_t i = first; i < look->node->input_count; i++) {
        if (!lines_up(look, i, out))
            return decline(look, "mixes rows of different tokens");
    }
    return out;
}

static enum ragged_place rule_each(struct look *look)
{
    return all_line_up(look, 0);
}

/* The first input alone; the others are numbers. */
static enum ragged_place rule_one(struct look *look)
{
    enum ragged_place out = out_place(look);

    return out != PLACE_MIXED && lines_up(look, 0, out)
               ? out
               : decline(look, "mixes rows of different tokens");
}

/* Expand: the shape is no operand. */
static enum ragged_place rule_expand(struct look *look)
{
    return rule_one(look);
}

/* --- products, norms: along the last axis --- */

static bool is_plain_product(const struct look *look)
{
    const struct eng_node *node = look->node;

    return !rewrite_int(node, "transA", 0) &&
           !rewrite_int(node, "transBatchA", 0) &&
           !rewrite_int(node, "transBatchB", 0);
}

static enum ragged_place rule_product(struct look *look)
{
    const struct survey *survey = look->survey;
    enum ragged_place out = out_place(look);
    uint32_t x = input(look, 0), w = input(look, 1);

    if (!is_plain_product(look) || place_of(look, 1) != PLACE_CONSTANT ||
        survey_rank(survey, w) > 2)
        return decline(look, "multiplies something that is no constant");
    if (out == PLACE_MIXED || place_of(look, 0) != out ||
        survey_rank(survey, x) != survey_rank(survey, look->node->outputs[0]) ||
        lead_of(look, x, out) >= survey_rank(survey, x) - 1)
        return decline(look, "multiplies along the tokens");
    return all_line_up(look, 2);
}

/* MatMulNBits: everything but the first input is a constant. */
static enum ragged_place rule_quantized_weights(struct look *look)
{
    for (size_t i = 1; i < look->node->input_count; i++) {
        if (place_of(look, i) != PLACE_CONSTANT)
            return decline(look, "multiplies something that is no constant");
    }
    return rule_one(look);
}

static enum ragged_place rule_norm(struct look *look)
{
    int rank = survey_rank(look->survey, input(look, 0));
    enum ragged_place place = place_of(look, 0);

    if ((place != PLACE_TOKENS && place != PLACE_SEQUENCES) ||
        axis_attr(look, -1, rank) <= lead_of(look, input(look, 0), place))
        return decline(look, "normalises over tokens");
    return all_line_up(look, 0);
}

static enum ragged_place rule_softmax(struct look *look)
{
    int rank = survey_rank(look->survey, input(look, 0));
    enum ragged_place place = place_of(look, 0);
    int64_t axis = axis_attr(look, look->node->version < 13 ? 1 : -1, rank);

    if ((place != PLACE_TOKENS && place != PLACE_SEQUENCES) ||
        axis <= lead_of(look, input(look, 0), place))
        return decline(look, "runs over tokens");
    return place;
}

/* --- the same elements under another shape --- */

static enum ragged_place rule_shape(struct look *look)
{
    enum ragged_place place = place_of(look, 0), out = out_place(look);

    if (place != out || out == PLACE_MIXED)
        return decline(look, "makes something that has no row per token");
    /* A batch in the shape would be one, not the number of sequences. */
    if (out == PLACE_SEQUENCES && input(look, 1) != ENG_NO_VALUE &&
        place_of(look, 1) != PLACE_CONSTANT)
        return decline(look, "has a shape that depends on the batch");
    return out;
}

static enum ragged_place rule_transpose(struct look *look)
{
    const struct eng_attr *perm = rewrite_attr(look->node, "perm");
    enum ragged_place place = place_of(look, 0);
    int lead = lead_of(look, input(look, 0), place);

    if (place != PLACE_TOKENS && place != PLACE_SEQUENCES)
        return decline(look, "moves rows of tokens");
    for (int i = 0; i <= lead; i++) {
        if (!perm || perm->type != ENG_ATTR_INTS || (size_t)i >= perm->count ||
            perm->ints[i] != i)
            return decline(look, "moves rows of tokens");
    }
    return place;
}

/* Concat, Split: along an axis behind the rows. */
static enum ragged_place rule_axis(struct look *look)
{
    enum ragged_place place = place_of(look, 0);
    int rank = survey_rank(look->survey, input(look, 0));
    bool joins = strcmp(look->node->op, "Concat") == 0;

    if ((place != PLACE_TOKENS && place != PLACE_SEQUENCES) ||
        axis_attr(look, 0, rank) <= lead_of(look, input(look, 0), place))
        return decline(look, "cuts or joins along the tokens");
    for (size_t i = 1; joins && i < look->node->input_count; i++) {
        if (place_of(look, i) != place ||
            lead_of(look, input(look, i), place) !=
                lead_of(look, input(look, 0), place))
            return decline(look, "joins rows of different tokens");
    }
    return place;
}

/* --- where tokens of one sequence meet --- */

static enum ragged_place replaced(struct look *look, const char *op,
                                  const struct eng_attr *attrs,
                                  size_t attr_count, enum ragged_place place)
{
    const uint32_t inputs[] = {input(look, 0), look->survey->starts};
    struct rewrite_spec spec = {.domain = REWRITE_DOMAIN,
                                .op = op,
                                .version = 1,
                                .inputs = inputs,
                                .input_count = 2,
                                .attrs = attrs,
                                .attr_count = attr_count};

    return survey_replace(look->survey, look->index, &spec, look->err)
               ? place
               : failed(look);
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

static enum ragged_place rule_reduce(struct look *look)
{
    enum ragged_place place = place_of(look, 0);
    uint32_t x = input(look, 0);
    int rank = survey_rank(look->survey, x), lead = lead_of(look, x, place);
    int64_t axes[NUMBERS_MAX];
    int count = ints_of(look, "axes", 1, axes);
    bool behind = count > 0;
    const char *how =
        reduction(look->node->op, survey_tensor(look->survey, x, 0)->dtype);

    if (place != PLACE_TOKENS && place != PLACE_SEQUENCES)
        return decline(look, "sums rows of different tokens");
    for (int i = 0; i < count; i++) {
        axes[i] += axes[i] < 0 ? rank : 0;
        behind = behind && axes[i] > lead;
    }
    if (behind)
        return out_place(look);
    if (count == 1 && axes[0] == 1 && place == PLACE_TOKENS && how &&
        is_batch_first(look, x))
        return reduced(look, how, rewrite_int(look->node, "keepdims", 1) != 0);
    return decline(look, "sums rows of different sequences");
}

static enum ragged_place rule_cumsum(struct look *look)
{
    uint32_t x = input(look, 0);
    enum eng_dtype dtype = survey_tensor(look->survey, x, 0)->dtype;
    int64_t axis[NUMBERS_MAX];

    if (place_of(look, 0) == PLACE_TOKENS && is_batch_first(look, x) &&
        survey_rank(look->survey, x) == 2 &&
        (dtype == ENG_I64 || dtype == ENG_I32) &&
        constant_ints(look, 1, axis) == 1 && (axis[0] == 1 || axis[0] == -1) &&
        !rewrite_int(look->node, "exclusive", 0) &&
        !rewrite_int(look->node, "reverse", 0))
        return replaced(look, "RaggedCumSum", NULL, 0, PLACE_TOKENS);
    return decline(look, "sums rows of different tokens");
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
    uint32_t ids = input(look, 1);
    bool counted = false;

    if (!survey_mark_inputs(survey, ids, survey->ids, look->err) ||
        !survey_is_counted(survey, ids, &counted, look->err))
        return failed(look);
    if (counted)
        limit_length(survey, survey_tensor(survey, input(look, 0), 0)->dims[0] -
                                 BEHIND_PADDING);
    return out_place(look);
}

/* A table of the model, by ids or by positions. */
static enum ragged_place look_up(struct look *look)
{
    struct survey *survey = look->survey;
    uint32_t ids = input(look, 1), made;
    const struct eng_tensor *tensor = survey_tensor(survey, ids, 0);
    int64_t offset, step, length;

    if (place_of(look, 1) == PLACE_TOKENS)
        return look_up_tokens(look);
    if (place_of(look, 1) != PLACE_SHAPE ||
        !survey_is_position(survey, ids, &offset, &step) || offset < 0 ||
        step < 0)
        return decline(look, "looks up something that is no position");
    made =
        survey_position(survey, tensor->dtype, offset, step, tensor->rank == 1);
    if (made == ENG_NO_VALUE)
        return decline(look, "has one kind of position too many");
    length = survey_tensor(survey, input(look, 0), 0)->dims[0] - offset;
    if (step > 0)
        limit_length(survey, length / step);
    return survey_set_input(survey, look->index, 1, made, look->err)
               ? out_place(look)
               : failed(look);
}

static enum ragged_place rule_gather(struct look *look)
{
    enum ragged_place place = place_of(look, 0);
    uint32_t x = input(look, 0);
    int rank = survey_rank(look->survey, x), lead = lead_of(look, x, place);
    int64_t axis = axis_attr(look, 0, rank), index[NUMBERS_MAX];
    int index_rank = survey_rank(look->survey, input(look, 1));
    int count = constant_ints(look, 1, index);

    if (place == PLACE_CONSTANT && axis == 0)
        return look_up(look);
    if (place == PLACE_TOKENS && axis == 1 && is_batch_first(look, x) &&
        count == 1 && index[0] == 0 && index_rank < 2)
        return reduced(look, "first", index_rank == 1);
    if ((place == PLACE_TOKENS || place == PLACE_SEQUENCES) && axis > lead &&
        place_of(look, 1) == PLACE_CONSTANT)
        return out_place(look);
    return decline(look, "picks rows by what is no constant");
}

/* Slice with inputs: the first token, or along axes behind the rows. */
static enum ragged_place rule_slice(struct look *look)
{
    enum ragged_place place = place_of(look, 0);
    uint32_t x = input(look, 0);
    int rank = survey_rank(look->survey, x), lead = lead_of(look, x, place);
    int64_t axes[NUMBERS_MAX], starts[NUMBERS_MAX] = {0};
    int64_t ends[NUMBERS_MAX] = {0};
    int count = ints_of(look, "axes", 3, axes);
    bool behind = count > 0;

    if ((place != PLACE_TOKENS && place != PLACE_SEQUENCES) ||
        ints_of(look, "starts", 1, starts) != count ||
        ints_of(look, "ends", 2, ends) != count)
        return decline(look, "cuts along the tokens");
    for (int i = 0; i < count; i++) {
        axes[i] += axes[i] < 0 ? rank : 0;
        behind = behind && axes[i] > lead;
    }
    if (behind)
        return place;
    if (place == PLACE_TOKENS && count == 1 && axes[0] == 1 && starts[0] == 0 &&
        ends[0] == 1 && is_batch_first(look, x))
        return reduced(look, "first", true);
    return decline(look, "cuts along the tokens");
}

/* --- attention --- */

/* A mask changes nothing where no padding is. */
static bool is_neutral(struct look *look, size_t i, double neutral)
{
    bool yes = true;

    if (input(look, i) != ENG_NO_VALUE &&
        !survey_is_neutral(look->survey, input(look, i), neutral, &yes,
                           look->err))
        look->failed = true;
    return yes && !look->failed;
}

static enum ragged_place rule_core(struct look *look)
{
    enum { Q, K, V, ADD, KEEP };
    struct survey *survey = look->survey;
    const struct eng_attr *scale = rewrite_attr(look->node, "scale");
    const uint32_t inputs[] = {input(look, Q), input(look, K), input(look, V),
                               survey->starts};
    struct rewrite_spec spec = {.domain = REWRITE_DOMAIN,
                                .op = "RaggedAttention",
                                .version = 1,
                                .inputs = inputs,
                                .input_count = 4,
                                .attrs = scale,
                                .attr_count = scale != NULL};

    for (size_t i = Q; i <= V; i++) {
        if (place_of(look, i) != PLACE_TOKENS ||
            !is_batch_first(look, inputs[i]) ||
            survey_tensor(survey, inputs[i], 0)->dtype != ENG_F32)
            return decline(look, "does not read a row per token");
    }
    if (!is_neutral(look, ADD, 0) ||
        !is_neutral(look, KEEP, !rewrite_int(look->node, "drops", 0)))
        return look->failed ? failed(look)
                            : decline(look, "has more in its scores than a "
                                            "mask of padding");
    return survey_replace(survey, look->index, &spec, look->err) ? PLACE_TOKENS
                                                                 : failed(look);
}

/* com.microsoft EmbedLayerNormalization: positions may be left to it. */
static enum ragged_place rule_embed(struct look *look)
{
    enum { IDS, SEGMENT_IDS, WORD, POSITION, MASK = 7, POSITION_IDS = 8 };
    struct survey *survey = look->survey;
    const struct eng_tensor *table;
    int64_t offset = 0, step = 1;
    uint32_t made;

    if (place_of(look, IDS) != PLACE_TOKENS ||
        place_of(look, POSITION) != PLACE_CONSTANT)
        return decline(look, "does not read a row per token");
    if (input(look, SEGMENT_IDS) != ENG_NO_VALUE &&
        place_of(look, SEGMENT_IDS) != PLACE_TOKENS)
        return decline(look, "has segments that no caller gives");
    if (input(look, POSITION_IDS) != ENG_NO_VALUE &&
        !survey_is_position(survey, input(look, POSITION_IDS), &offset, &step))
        return decline(look, "looks up something that is no position");
    made = survey_position(survey, ENG_I32, offset, step, false);
    table = survey_tensor(survey, input(look, POSITION), 0);
    if (made == ENG_NO_VALUE || offset < 0 || step != 1 || table->rank != 2)
        return decline(look, "looks up something that is no position");
    limit_length(survey, table->dims[0] - offset);
    return survey_mark_inputs(survey, input(look, IDS), survey->ids,
                              look->err) &&
                   survey_set_input(survey, look->index, POSITION_IDS, made,
                                    look->err) &&
                   survey_set_input(survey, look->index, MASK, ENG_NO_VALUE,
                                    look->err)
               ? PLACE_TOKENS
               : failed(look);
}

/* --- the table --- */

static const struct {
    const char *domain, *op;
    rule_fn *rule;
} rules[] = {
#define RAGGED(domain, op, rule) {domain, #op, rule_##rule},
#include "ragged_rules.def"
#undef RAGGED
};

static rule_fn *find_rule(const struct eng_node *node)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strcmp(rules[i].op, node->op) == 0 &&
            strcmp(rules[i].domain, node->domain) == 0)
            return rules[i].rule;
    }
    return NULL;
}

bool ragged_survey_node(struct survey *survey, size_t index, struct error *err)
{
    const struct eng_node *node = &survey->from->nodes[index];
    struct look look = {survey, index, node, err, false};
    rule_fn *rule = find_rule(node);
    enum ragged_place place;

    survey->seen[index] = true;
    place = rule ? rule(&look)
                 : survey_decline(survey, node,
                                  "has no rule that keeps rows apart");
    for (size_t i = 0; i < node->output_count && !look.failed; i++) {
        uint32_t value = node->outputs[i];
        bool fits = survey_by_shape(survey, value) == place;

        if (survey->places[value] != PLACE_CONSTANT)
            survey->places[value] = fits ? place : PLACE_MIXED;
    }
    return !look.failed;
}

bool ragged_resolve(struct survey *survey, uint32_t value, struct error *err)
{
    enum ragged_place before = survey->places[value];
    char *reason = survey->ragged->reason;
    uint32_t producer = survey->from->values[value].producer;
    bool had_reason = *reason;

    if ((before != PLACE_SHAPE && before != PLACE_UNKNOWN) ||
        producer == ENG_NO_VALUE || survey->seen[producer])
        return true;
    if (!ragged_survey_node(survey, producer, err))
        return false;
    if (before == PLACE_SHAPE && survey->places[value] != PLACE_TOKENS) {
        survey->places[value] = PLACE_SHAPE;
        if (!had_reason)
            *reason = '\0';
    }
    return true;
}
