/*
 * Ragged: the rules of operators that keep rows apart, and the table of all. A
 * rule says where the rows of tokens and sequences are in what the operator
 * makes, or that it mixes them. See ragged_parts.h.
 */
#include <string.h>

#include "ragged_look.h"

/* --- element by element --- */

/* Input `i` broadcasts to the output without a token or sequence meeting
 * another one. */
static bool lines_up(struct look *look, size_t i, enum ragged_place out)
{
    const struct survey *survey = look->survey;
    uint32_t value = look_input(look, i), result = look->node->outputs[0];
    enum ragged_place place = look_place(look, i);
    int shift, lead = look_lead(look, result, out);

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
    enum ragged_place out = look_out(look);

    if (out == PLACE_MIXED)
        return look_decline(look, "makes something that has no row per token");
    for (size_t i = first; i < look->node->input_count; i++) {
        if (!lines_up(look, i, out))
            return look_decline(look, "mixes rows of different tokens");
    }
    return out;
}

enum ragged_place rule_each(struct look *look)
{
    return all_line_up(look, 0);
}

/* The first input alone; the others are numbers. */
enum ragged_place rule_one(struct look *look)
{
    enum ragged_place out = look_out(look);

    return out != PLACE_MIXED && lines_up(look, 0, out)
               ? out
               : look_decline(look, "mixes rows of different tokens");
}

/* Expand: the shape is no operand. */
enum ragged_place rule_expand(struct look *look)
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

enum ragged_place rule_product(struct look *look)
{
    const struct survey *survey = look->survey;
    enum ragged_place out = look_out(look);
    uint32_t x = look_input(look, 0), w = look_input(look, 1);

    if (!is_plain_product(look) || look_place(look, 1) != PLACE_CONSTANT ||
        survey_rank(survey, w) > 2)
        return look_decline(look, "multiplies something that is no constant");
    if (out == PLACE_MIXED || look_place(look, 0) != out ||
        survey_rank(survey, x) != survey_rank(survey, look->node->outputs[0]) ||
        look_lead(look, x, out) >= survey_rank(survey, x) - 1)
        return look_decline(look, "multiplies along the tokens");
    return all_line_up(look, 2);
}

/* MatMulNBits: everything but the first input is a constant. */
enum ragged_place rule_quantized_weights(struct look *look)
{
    for (size_t i = 1; i < look->node->input_count; i++) {
        if (look_place(look, i) != PLACE_CONSTANT)
            return look_decline(look,
                                "multiplies something that is no constant");
    }
    return rule_one(look);
}

enum ragged_place rule_norm(struct look *look)
{
    int rank = survey_rank(look->survey, look_input(look, 0));
    enum ragged_place place = look_place(look, 0);

    if ((place != PLACE_TOKENS && place != PLACE_SEQUENCES) ||
        look_axis(look, -1, rank) <=
            look_lead(look, look_input(look, 0), place))
        return look_decline(look, "normalises over tokens");
    return all_line_up(look, 0);
}

enum ragged_place rule_softmax(struct look *look)
{
    int rank = survey_rank(look->survey, look_input(look, 0));
    enum ragged_place place = look_place(look, 0);
    int64_t axis = look_axis(look, look->node->version < 13 ? 1 : -1, rank);

    if ((place != PLACE_TOKENS && place != PLACE_SEQUENCES) ||
        axis <= look_lead(look, look_input(look, 0), place))
        return look_decline(look, "runs over tokens");
    return place;
}

/* --- the same elements under another shape --- */

enum ragged_place rule_shape(struct look *look)
{
    enum ragged_place place = look_place(look, 0), out = look_out(look);

    if (place != out || out == PLACE_MIXED)
        return look_decline(look, "makes something that has no row per token");
    /* A batch in the shape would be one, not the number of sequences. */
    if (out == PLACE_SEQUENCES && look_input(look, 1) != ENG_NO_VALUE &&
        look_place(look, 1) != PLACE_CONSTANT)
        return look_decline(look, "has a shape that depends on the batch");
    return out;
}

enum ragged_place rule_transpose(struct look *look)
{
    const struct eng_attr *perm = rewrite_attr(look->node, "perm");
    enum ragged_place place = look_place(look, 0);
    int lead = look_lead(look, look_input(look, 0), place);

    if (place != PLACE_TOKENS && place != PLACE_SEQUENCES)
        return look_decline(look, "moves rows of tokens");
    for (int i = 0; i <= lead; i++) {
        if (!perm || perm->type != ENG_ATTR_INTS || (size_t)i >= perm->count ||
            perm->ints[i] != i)
            return look_decline(look, "moves rows of tokens");
    }
    return place;
}

/* Concat, Split: along an axis behind the rows. */
enum ragged_place rule_axis(struct look *look)
{
    enum ragged_place place = look_place(look, 0);
    int rank = survey_rank(look->survey, look_input(look, 0));
    bool joins = strcmp(look->node->op, "Concat") == 0;

    if ((place != PLACE_TOKENS && place != PLACE_SEQUENCES) ||
        look_axis(look, 0, rank) <= look_lead(look, look_input(look, 0), place))
        return look_decline(look, "cuts or joins along the tokens");
    for (size_t i = 1; joins && i < look->node->input_count; i++) {
        if (look_place(look, i) != place ||
            look_lead(look, look_input(look, i), place) !=
                look_lead(look, look_input(look, 0), place))
            return look_decline(look, "joins rows of different tokens");
    }
    return place;
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
