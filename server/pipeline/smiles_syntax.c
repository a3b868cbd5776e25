/*
 * Step smiles_syntax (preprocess): declines a text that is no SMILES.
 *
 *   input         text input to check
 *   elements      symbols that are taken; spec.elements if not given
 *   rareElements  symbols that mark the answer as extrapolated
 *   characters    characters of the training texts; others mark the answer as
 *                 unreliable; no check if not given
 *
 *   errors  ERR_INVALID_INPUT: breaks the grammar, says where
 *           ERR_OUT_OF_DOMAIN: an element that is not taken, a wildcard atom
 */
#include <stdio.h>
#include <string.h>

#include "smiles.h"
#include "step.h"

/* Longest list of symbols in a warning. */
enum { LIST_SIZE = 96 };

struct check {
    const struct bundle_input *input;
    struct smiles_elements taken, rare;
    bool any_character;
    bool trained[128]; /* by ASCII character */
};

static bool add_symbol(const struct step_build *build, const char *symbol,
                       struct smiles_elements *set, struct error *err)
{
    int number = smiles_element(symbol, strlen(symbol));

    if (number == 0)
        return step_fail(build, err, "'%s' is no symbol of an element", symbol);
    smiles_add(set, number);
    return true;
}

static bool add_symbols(const struct step_build *build,
                        const struct doc_node *list,
                        struct smiles_elements *set, struct error *err)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        if (!add_symbol(build, doc_string(doc_item(list, i), ""), set, err))
            return false;
    }
    return true;
}

static bool read_elements(const struct step_build *build, struct check *check,
                          struct error *err)
{
    const struct doc_node *params = build->step->parameters;
    const struct doc_node *list = doc_get(params, "elements");
    const struct bundle_strings *declared = &build->pipeline->bundle->elements;

    if (!add_symbols(build, doc_get(params, "rareElements"), &check->rare, err))
        return false;
    if (list)
        return add_symbols(build, list, &check->taken, err);
    if (declared->count == 0)
        return step_fail(build, err,
                         "neither parameter 'elements' nor "
                         "spec.elements says what is taken");
    for (size_t i = 0; i < declared->count; i++) {
        if (!add_symbol(build, declared->items[i], &check->taken, err))
            return false;
    }
    return true;
}

static bool open_check(struct step_build *build, void **state,
                       struct error *err)
{
    static const char *const known[] = {"input", "elements", "rareElements",
                                        "characters", NULL};
    struct check *check =
        arena_zalloc(&build->pipeline->arena, 1, sizeof(*check));
    const char *characters;

    if (!check)
        return call_no_memory(err);
    if (!step_params_known(build, known, err))
        return false;
    check->input = step_text_input(build, "input", err);
    if (!check->input || !read_elements(build, check, err))
        return false;
    characters =
        doc_string(doc_get(build->step->parameters, "characters"), NULL);
    check->any_character = !characters;
    for (; characters && *characters; characters++)
        check->trained[*characters & 0x7f] = true;
    *state = check;
    return true;
}

/* "Au, Ir" of the elements that are in both sets. */
static bool list_common(const struct smiles_elements *a,
                        const struct smiles_elements *b, char *out)
{
    size_t used = 0;

    *out = '\0';
    for (int z = 1; z <= SMILES_ELEMENT_COUNT; z++) {
        if (!smiles_has(a, z) || !smiles_has(b, z) || used + 8 > LIST_SIZE)
            continue;
        used += (size_t)snprintf(out + used, LIST_SIZE - used, "%s%s",
                                 used > 0 ? ", " : "", smiles_symbol(z));
    }
    return used > 0;
}

static bool check_elements(const struct check *check,
                           struct pipeline_call *call, size_t row,
                           const struct smiles_elements *found,
                           struct error *err)
{
    struct smiles_elements foreign;
    char list[LIST_SIZE];

    if (smiles_has(found, 0))
        return fail(err, ERR_OUT_OF_DOMAIN,
                    "input '%s' has a wildcard atom '*'; the model takes "
                    "whole molecules",
                    call_name(call, check->input, row));
    for (size_t i = 0; i < SMILES_WORDS; i++)
        foreign.words[i] = ~check->taken.words[i];
    if (list_common(found, &foreign, list))
        return fail(err, ERR_OUT_OF_DOMAIN,
                    "input '%s' has elements the model was not trained on: %s",
                    call_name(call, check->input, row), list);
    if (list_common(found, &check->rare, list))
        call_mark(call, row, BAND_EXTRAPOLATED,
                  "few training compounds have these elements: %s", list);
    return true;
}

static void check_characters(const struct check *check,
                             struct pipeline_call *call, size_t row,
                             const char *text)
{
    for (; !check->any_character && *text; text++) {
        if (check->trained[*text & 0x7f])
            continue;
        call_mark(call, row, BAND_UNRELIABLE,
                  "no training text has the character '%c'", *text);
        return;
    }
}

static bool apply_check(const void *state, struct pipeline_call *call,
                        struct error *err)
{
    const struct check *check = state;

    for (size_t row = 0; row < call->rows; row++) {
        const char *text = call_text(call, check->input, row);
        struct smiles_elements found;
        struct smiles_fault fault;

        if (!smiles_check(text, strlen(text), &found, &fault))
            return fail(err, ERR_INVALID_INPUT,
                        "input '%s' is not a SMILES: %s (character %zu)",
                        call_name(call, check->input, row), fault.text,
                        fault.position);
        if (!check_elements(check, call, row, &found, err))
            return false;
        check_characters(check, call, row, text);
    }
    return true;
}

const struct step_type step_smiles_syntax = {.name = "smiles_syntax",
                                             .stage = STEP_PRE,
                                             .open = open_check,
                                             .apply = apply_check};
