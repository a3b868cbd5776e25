/*
 * Step columns (preprocess): a row of a table, named values, as a tensor.
 *
 *   input    required object: {"age": 31, "colour": "red"}
 *   tensor   model input [n] or [1, n]: any type of numbers, or strings
 *   columns  the columns, in the order in which the model was trained on them:
 *     name     key of the object
 *     values   list of texts: the column is a category. Its element is the
 *              place of the value in the list, from 0; in a tensor of strings
 *              the text itself
 *     encode   index (as above), or onehot: an element for each of the values,
 *              1 at its place and 0 elsewhere
 *     missing  stands for a value that is absent or null: a number, `nan`, or a
 *              text of the list; without it the column is required
 *     unknown  the same for a text that is not in the list; without it such a
 *              text is declined. With onehot, 0 is no place at all
 *
 * A column without `values` is a number, or true (1) or false (0); in a tensor
 * of strings it is a text. Keys that are no column are refused by a `strict` API,
 * and otherwise named in a warning.
 *
 *   errors  ERR_VALIDATION_ERROR: a column is missing, has a value of another
 *           type, or a number that the tensor's type cannot hold
 *           ERR_OUT_OF_DOMAIN: a category that is not in the list
 */
#include <math.h>
#include <string.h>

#include "json_object.h"
#include "numbers.h"
#include "step.h"

enum { COLUMNS_MAX = 4096, MORE_KEYS = 64, OBJECT_DEPTH = 4 };

/* What stands for a value that is not there. */
struct stand_in {
    bool given;
    double number;
    const char *text; /* NULL = it is a number */
};

struct column {
    const char *name;
    const char **values; /* NULL = no category */
    size_t value_count;
    bool one_hot;
    struct stand_in missing, unknown;
    size_t at, width; /* its elements */
};

struct columns {
    const struct bundle_input *input;
    size_t tensor; /* model input */
    enum eng_dtype dtype;
    struct column *columns;
    size_t count, width;
};

/* --- while the pipeline is built --- */

/* The place of a text in the list; the number of values if it is not there. */
static size_t place_of(const struct column *column, const char *text)
{
    size_t place = 0;

    while (place < column->value_count &&
           strcmp(column->values[place], text) != 0)
        place++;
    return place;
}

static bool read_values(const struct step_build *build,
                        const struct doc_node *list, struct column *column,
                        struct error *err)
{
    if (!list)
        return true;
    if (list->type != DOC_LIST || doc_count(list) == 0)
        return step_fail(build, err, "the values of '%s' are no list",
                         column->name);
    column->values = arena_zalloc(&build->pipeline->arena, doc_count(list),
                                  sizeof *column->values);
    if (!column->values)
        return call_no_memory(err);
    for (size_t i = 0; i < doc_count(list); i++) {
        const char *text = doc_string(doc_item(list, i), NULL);

        if (!text || place_of(column, text) < column->value_count)
            return step_fail(build, err,
                             "value %zu of '%s' is no text, or there twice", i,
                             column->name);
        column->values[column->value_count++] = text;
    }
    return true;
}

static bool parse_stand_in(const struct doc_node *node,
                           const struct column *column,
                           struct stand_in *stand_in)
{
    const char *text = doc_string(node, NULL);
    bool is_nan = text && !column->values && strcmp(text, "nan") == 0;

    *stand_in = (struct stand_in){.given = true, .text = is_nan ? NULL : text};
    if (is_nan)
        stand_in->number = (double)NAN;
    else if (node->type == DOC_INT || node->type == DOC_NUMBER)
        stand_in->number = node->number;
    return text || node->type == DOC_INT || node->type == DOC_NUMBER;
}

/* It is something that the column could be. */
static bool stands_in(const struct columns *step, const struct column *column,
                      const struct stand_in *stand_in)
{
    char element[sizeof(struct eng_string)];
    bool is_text = step->dtype == ENG_STRING;

    if (stand_in->text)
        return column->values
                   ? place_of(column, stand_in->text) < column->value_count
                   : is_text;
    return !is_text && numbers_put(step->dtype, stand_in->number, element) &&
           (!column->one_hot || !(fabs(stand_in->number) > 0));
}

/* `missing` and `unknown`. */
static bool read_stand_in(const struct step_build *build,
                          const struct columns *step,
                          const struct doc_node *entry, const char *key,
                          struct stand_in *stand_in, struct error *err)
{
    const struct column *column = &step->columns[step->count];
    const struct doc_node *node = doc_get(entry, key);

    return !node ||
           (parse_stand_in(node, column, stand_in) &&
            stands_in(step, column, stand_in)) ||
           step_fail(build, err, "'%s' of column '%s' is nothing it can be",
                     key, column->name);
}

static bool read_encoding(const struct step_build *build,
                          const struct columns *step,
                          const struct doc_node *node, struct column *column,
                          struct error *err)
{
    const char *encode = doc_string(node, NULL);

    column->one_hot = encode && strcmp(encode, "onehot") == 0;
    if (node && !(encode && (column->one_hot || strcmp(encode, "index") == 0)))
        return step_fail(build, err, "'%s' is encoded as index or onehot",
                         column->name);
    if (node && (!column->values || step->dtype == ENG_STRING))
        return step_fail(build, err,
                         "'%s' is encoded, but no category of numbers",
                         column->name);
    return true;
}

static bool is_column_key(const char *key)
{
    static const char *const known[] = {"name", "values", "encode", "missing",
                                        "unknown"};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], key) == 0)
            return true;
    return false;
}

/* The keys of a column, and its name, which no other has. */
static bool check_entry(const struct step_build *build,
                        const struct columns *step,
                        const struct doc_node *entry, struct error *err)
{
    const char *name = doc_string(doc_get(entry, "name"), NULL);

    if (!entry || entry->type != DOC_MAP || !name || !*name)
        return step_fail(build, err, "column %zu has no name", step->count);
    for (size_t i = 0; i < doc_count(entry); i++)
        if (!is_column_key(entry->entries[i].key))
            return step_fail(build, err, "column '%s' has no '%s'", name,
                             entry->entries[i].key);
    for (size_t i = 0; i < step->count; i++)
        if (strcmp(step->columns[i].name, name) == 0)
            return step_fail(build, err, "column '%s' is there twice", name);
    return true;
}

static bool read_column(const struct step_build *build, struct columns *step,
                        const struct doc_node *entry, struct error *err)
{
    struct column *column = &step->columns[step->count];

    if (!check_entry(build, step, entry, err))
        return false;
    *column = (struct column){.name = doc_string(doc_get(entry, "name"), NULL),
                              .at = step->width};
    if (!read_values(build, doc_get(entry, "values"), column, err) ||
        !read_encoding(build, step, doc_get(entry, "encode"), column, err) ||
        !read_stand_in(build, step, entry, "missing", &column->missing, err) ||
        !read_stand_in(build, step, entry, "unknown", &column->unknown, err))
        return false;
    if (column->unknown.given && !column->values)
        return step_fail(build, err, "'%s' is no category: nothing is unknown",
                         column->name);
    column->width = column->one_hot ? column->value_count : 1;
    step->width += column->width;
    step->count++;
    return true;
}

static bool read_columns(const struct step_build *build, struct columns *step,
                         struct error *err)
{
    const struct doc_node *list = doc_get(build->step->parameters, "columns");

    if (!list || list->type != DOC_LIST || doc_count(list) == 0 ||
        doc_count(list) > COLUMNS_MAX)
        return step_fail(build, err, "'columns' is no list of 1 to %d columns",
                         COLUMNS_MAX);
    step->columns = arena_zalloc(&build->pipeline->arena, doc_count(list),
                                 sizeof *step->columns);
    if (!step->columns)
        return call_no_memory(err);
    for (size_t i = 0; i < doc_count(list); i++)
        if (!read_column(build, step, doc_item(list, i), err))
            return false;
    return true;
}

static bool check_tensor(const struct step_build *build,
                         const struct columns *step, struct error *err)
{
    const struct eng_port *port =
        eng_model_input(build->pipeline->model, step->tensor);
    int64_t last = port->rank > 0 ? port->dims[port->rank - 1] : -1;

    if (port->rank < 1 || port->rank > 2 ||
        (port->rank == 2 && port->dims[0] > 1))
        return step_fail(build, err,
                         "the model's input '%s' is not [n] or [1, n]",
                         port->name);
    return last < 0 || last == (int64_t)step->width ||
           step_fail(build, err,
                     "the columns make %zu elements, the model's input '%s' "
                     "has %lld",
                     step->width, port->name, (long long)last);
}

static bool open_columns(struct step_build *build, void **state,
                         struct error *err)
{
    static const char *const known[] = {"input", "tensor", "columns", NULL};
    struct columns *step =
        arena_zalloc(&build->pipeline->arena, 1, sizeof(*step));
    const char *name;

    if (!step)
        return call_no_memory(err);
    *state = step;
    if (!step_params_known(build, known, err))
        return false;
    name = step_param(build, "input", err);
    if (!name)
        return false;
    step->input = bundle_find_input(build->pipeline->bundle, name);
    if (!step->input || !step->input->required ||
        step->input->type != BUNDLE_OBJECT)
        return step_fail(build, err, "'%s' is no required input of type object",
                         name);
    if (!step_claim_port(build, "tensor", &step->tensor, err))
        return false;
    step->dtype = eng_model_input(build->pipeline->model, step->tensor)->dtype;
    return read_columns(build, step, err) && check_tensor(build, step, err);
}

/* --- while a request runs --- */

struct row {
    const struct columns *step;
    struct pipeline_call *call;
    struct json_object object;
    char *elements;
};

static bool no_value(const struct row *row, const struct column *column,
                     const char *what, struct error *err)
{
    return fail(err, ERR_VALIDATION_ERROR, "data.%s.%.64s %s",
                row->step->input->name, column->name, what);
}

static bool put_number(const struct row *row, const struct column *column,
                       double number, struct error *err)
{
    enum eng_dtype dtype = row->step->dtype;

    /* A float holds what rounds to a finite one. */
    if ((dtype == ENG_F32 && isfinite(number) && !isfinite((float)number)) ||
        !numbers_put(dtype, number,
                     row->elements + column->at * eng_dtype_size(dtype)))
        return fail(err, ERR_VALIDATION_ERROR, "data.%s.%.64s: %g is no %s",
                    row->step->input->name, column->name, number,
                    eng_dtype_name(dtype));
    return true;
}

static void put_text(const struct row *row, const struct column *column,
                     const char *text)
{
    struct eng_string string = {text, strlen(text)};

    memcpy(row->elements + column->at * sizeof string, &string, sizeof string);
}

static bool put_place(const struct row *row, const struct column *column,
                      size_t place, struct error *err)
{
    enum eng_dtype dtype = row->step->dtype;
    bool fits = true;

    if (dtype == ENG_STRING && column->values) {
        put_text(row, column, column->values[place]);
        return true;
    }
    if (!column->one_hot)
        return put_number(row, column, (double)place, err);
    for (size_t i = 0; i < column->width; i++)
        fits = numbers_put(dtype, i == place,
                           row->elements +
                               (column->at + i) * eng_dtype_size(dtype)) &&
               fits;
    return fits || no_value(row, column, "has no place in the tensor", err);
}

static bool put_stand_in(const struct row *row, const struct column *column,
                         const struct stand_in *stand_in, struct error *err)
{
    if (!stand_in->text)
        return column->one_hot
                   ? put_place(row, column, column->value_count, err)
                   : put_number(row, column, stand_in->number, err);
    if (column->values)
        return put_place(row, column, place_of(column, stand_in->text), err);
    put_text(row, column, stand_in->text);
    return true;
}

static bool put_string(const struct row *row, const struct column *column,
                       struct error *err)
{
    const char *text = "";
    size_t place;

    if (!column->values && row->step->dtype != ENG_STRING)
        return no_value(row, column, "must be a number", err);
    if (!json_object_string(&row->object, column->name, row->call->arena, &text,
                            err))
        return err->code == ERR_OUT_OF_MEMORY
                   ? false
                   : no_value(row, column, "is no text", err);
    if (!column->values) {
        put_text(row, column, text);
        return true;
    }
    place = place_of(column, text);
    if (place < column->value_count)
        return put_place(row, column, place, err);
    if (column->unknown.given)
        return put_stand_in(row, column, &column->unknown, err);
    return fail(err, ERR_OUT_OF_DOMAIN,
                "data.%s.%.64s is '%.64s', which this model does not know",
                row->step->input->name, column->name, text);
}

static bool put_value(const struct row *row, const struct column *column,
                      const struct json_member *member, struct error *err)
{
    bool is_text = column->values || row->step->dtype == ENG_STRING;
    char kind = json_member_kind(member);
    double number = kind == 't';

    if (kind == 0 || kind == 'n')
        return column->missing.given
                   ? put_stand_in(row, column, &column->missing, err)
                   : no_value(row, column, "is missing", err);
    if (kind == '"')
        return put_string(row, column, err);
    if (is_text || kind == '{' || kind == '[')
        return no_value(row, column,
                        is_text ? "must be a text" : "must be a number", err);
    if (kind != 't' && kind != 'f' &&
        (!json_object_double(&row->object, column->name, &number, err) ||
         !isfinite(number)))
        return no_value(row, column, "is no number that can be read", err);
    return put_number(row, column, number, err);
}

/* Keys that are no columns. */
static bool check_keys(const struct row *row, struct error *err)
{
    const struct columns *step = row->step;

    for (size_t i = 0; i < row->object.count; i++) {
        const char *key = row->object.members[i].key;
        size_t k = 0;

        while (k < step->count && strcmp(step->columns[k].name, key) != 0)
            k++;
        if (k < step->count)
            continue;
        if (row->call->pipeline->bundle->api.strict)
            return fail(err, ERR_VALIDATION_ERROR,
                        "data.%s.%.64s is no column of this model",
                        step->input->name, key);
        call_warn(row->call, "data.%s.%.64s is no column: ignored",
                  step->input->name, key);
    }
    return true;
}

static bool read_object(struct row *row, struct error *err)
{
    const struct pipeline *pipeline = row->call->pipeline;
    const struct json_limits limits = {OBJECT_DEPTH,
                                       row->step->count + MORE_KEYS};
    const char *json =
        row->call->inputs[row->step->input - pipeline->bundle->signature.inputs]
            .value->json;
    struct error found = {0};

    if (json_object_read(json, strlen(json), &limits, row->call->arena,
                         &row->object, &found))
        return true;
    return fail(err,
                found.code == ERR_OUT_OF_MEMORY ? found.code
                                                : ERR_VALIDATION_ERROR,
                "data.%s is no row of this table: %.160s",
                row->step->input->name, found.msg);
}

static bool apply_columns(const void *state, struct pipeline_call *call,
                          struct error *err)
{
    const struct columns *step = state;
    const struct eng_port *port =
        eng_model_input(call->pipeline->model, step->tensor);
    struct row row = {.step = step, .call = call};
    size_t matched = 0;

    row.elements =
        arena_zalloc(call->arena, step->width, eng_dtype_size(step->dtype));
    if (!row.elements)
        return call_no_memory(err);
    if (!read_object(&row, err))
        return false;
    for (size_t i = 0; i < step->count; i++) {
        const struct json_member *member =
            json_object_find(&row.object, step->columns[i].name);

        matched += member != NULL;
        if (!put_value(&row, &step->columns[i], member, err))
            return false;
    }
    call->feeds[step->tensor] =
        (struct eng_tensor){.dtype = step->dtype,
                            .rank = port->rank,
                            .dims = {port->rank == 2 ? 1 : (int64_t)step->width,
                                     (int64_t)step->width},
                            .data = row.elements};
    return matched == row.object.count || check_keys(&row, err);
}

const struct step_type step_columns = {.name = "columns",
                                       .stage = STEP_PRE,
                                       .open = open_columns,
                                       .apply = apply_columns};
