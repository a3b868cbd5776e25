/*
 * Step normalize_text (preprocess): rewrites a text input for the steps that
 * follow, before the tokenizer's own normalizers see it.
 *
 *   input     text input
 *   form      Unicode normalization form: NFC, NFD, NFKC or NFKD; optional
 *   lower     true: lower case
 *   collapse  true: a run of white space becomes one space
 *   strip     true: white space at both ends is dropped
 *
 * Done in this order; at least one of them must be asked for. maxBytes of the
 * input holds for the result, too: NFKD makes up to 11 times as many bytes.
 *
 *   errors  ERR_INPUT_TOO_LONG: the result is longer than maxBytes
 */
#include <string.h>

#include "normal_text.h"
#include "step.h"

struct normalize {
    const struct bundle_input *input;
    struct normal_rules rules;
};

static bool read_form(const struct step_build *build, enum normal_form *form,
                      struct error *err)
{
    static const char *const names[] = {[NORMAL_NFC] = "NFC",
                                        [NORMAL_NFD] = "NFD",
                                        [NORMAL_NFKC] = "NFKC",
                                        [NORMAL_NFKD] = "NFKD"};
    const struct doc_node *node = doc_get(build->step->parameters, "form");
    const char *name = doc_string(node, "");

    *form = NORMAL_AS_IS;
    if (!node)
        return true;
    for (size_t i = NORMAL_NFC; i <= NORMAL_NFKD; i++) {
        if (strcmp(names[i], name) == 0) {
            *form = (enum normal_form)i;
            return true;
        }
    }
    return step_fail(build, err,
                     "form '%.32s' is none of NFC, NFD, NFKC and NFKD", name);
}

static bool read_flag(const struct step_build *build, const char *key,
                      bool *flag, struct error *err)
{
    const struct doc_node *node = doc_get(build->step->parameters, key);

    if (node && node->type != DOC_BOOL)
        return step_fail(build, err, "%s is true or false", key);
    *flag = doc_bool(node, false);
    return true;
}

static bool open_normalize(struct step_build *build, void **state,
                           struct error *err)
{
    static const char *const known[] = {"input", "form",     "lower",
                                        "strip", "collapse", NULL};
    struct normalize *step =
        arena_zalloc(&build->pipeline->arena, 1, sizeof(*step));
    struct normal_rules *rules;

    if (!step)
        return call_no_memory(err);
    rules = &step->rules;
    if (!step_params_known(build, known, err))
        return false;
    step->input = step_text_input(build, "input", err);
    if (!step->input || !read_form(build, &rules->form, err) ||
        !read_flag(build, "lower", &rules->lower, err) ||
        !read_flag(build, "collapse", &rules->collapse, err) ||
        !read_flag(build, "strip", &rules->strip, err))
        return false;
    if (rules->form == NORMAL_AS_IS && !rules->lower && !rules->collapse &&
        !rules->strip)
        return step_fail(
            build, err, "neither form, lower, collapse nor strip is asked for");
    *state = step;
    return true;
}

/* Row `row` as the rules make it, in the request's arena; NULL: err says why. */
static char *normalize_row(const struct normalize *step,
                           struct pipeline_call *call, size_t row,
                           struct error *err)
{
    const char *text = call_text(call, step->input, row);
    const char *made;
    char *kept;
    size_t size;

    arena_reset(call->scratch);
    made = normal_text(call->scratch, &step->rules, text, strlen(text));
    if (!made) {
        (void)call_no_memory(err);
        return NULL;
    }
    size = strlen(made);
    if (step->input->max_bytes > 0 && size > (size_t)step->input->max_bytes) {
        (void)fail(err, ERR_INPUT_TOO_LONG,
                   "input '%s' has %zu bytes when normalized, at most %lld are "
                   "taken",
                   call_name(call, step->input, row), size,
                   (long long)step->input->max_bytes);
        return NULL;
    }
    kept = arena_strdup(call->arena, made);
    if (!kept)
        (void)call_no_memory(err);
    return kept;
}

/* The request's value is borrowed: a copy takes its place. */
static bool apply_normalize(const void *state, struct pipeline_call *call,
                            struct error *err)
{
    const struct normalize *step = state;
    const struct bundle_input *inputs =
        call->pipeline->bundle->signature.inputs;
    struct call_input *input = &call->inputs[step->input - inputs];
    struct pipeline_value *value = arena_zalloc(call->arena, 1, sizeof(*value));
    size_t count = input->value->kind == PIPELINE_STRINGS ? call->rows : 1;
    char **rows = arena_zalloc(call->arena, count, sizeof(*rows));

    if (!value || !rows)
        return call_no_memory(err);
    for (size_t row = 0; row < count; row++) {
        rows[row] = normalize_row(step, call, row, err);
        if (!rows[row])
            return false;
    }
    *value = *input->value;
    if (value->kind == PIPELINE_STRINGS)
        value->strings.items = rows;
    else
        value->string = rows[0];
    input->value = value;
    return true;
}

const struct step_type step_normalize_text = {.name = "normalize_text",
                                              .stage = STEP_PRE,
                                              .open = open_normalize,
                                              .apply = apply_normalize};
