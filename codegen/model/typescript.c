/*
 * typescript: a client of one model for TypeScript, on clients/typescript
 * (typed.ts): what it takes and gives as two interfaces, what is checked as a
 * table, and a class that joins them.
 */
#include <string.h>

#include "json_put.h"
#include "model.h"
#include "names.h"
#include "out.h"

enum { WIDTH = 98 };

struct writer {
    struct cg_ir *ir;
    const struct cg_model *model;
    struct buf *to;
};

/* ---- comments ---- */

/* Text that neither ends a comment nor its line; U+2028 and U+2029 end one. */
static const char *safe(struct cg_ir *ir, const char *text)
{
    char *out = cg_text(ir, "%s", text);

    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || (c[0] == '*' && c[1] == '/'))
            *c = ' ';
        else if (strncmp(c, "\xE2\x80\xA8", 3) == 0 ||
                 strncmp(c, "\xE2\x80\xA9", 3) == 0)
            c[0] = c[1] = c[2] = ' ';
    return out;
}

static void put_paragraph(struct writer *to, const char *lead, const char *text)
{
    cg_wrap(to->to, lead, safe(to->ir, text), WIDTH);
}

static void put_member_doc(struct writer *to, const struct doc_node *item)
{
    const char *text = cg_model_doc(to->ir, to->model, item);

    if (!*text)
        return;
    buf_string(to->to, "  /**\n");
    put_paragraph(to, "   * ", text);
    buf_string(to->to, "   */\n");
}

static void put_class_doc(struct writer *to)
{
    const char *text = "";

    buf_string(to->to, "\n/**\n");
    put_paragraph(to, " * ", cg_text(to->ir, "%s.", to->model->doc));
    for (size_t i = 0; *(text = cg_model_example(to->ir, to->model, i)); i++) {
        buf_string(to->to, " *\n");
        put_paragraph(to, " * ", text);
    }
    buf_string(to->to, " */\n");
}

/* ---- types ---- */

static const char *const types[][3] = {
    /* declared, as an input, as an output */
    {"text", "string", "string"},
    {"string", "string", "string"},
    {"image", "Uint8Array | string", "unknown"},
    {"audio", "Uint8Array | string", "unknown"},
    {"float", "number", "number"},
    {"integer", "number", "number"},
    {"boolean", "boolean", "boolean"},
    {"array<float>", "readonly number[] | Float32Array | Float64Array",
     "readonly number[]"},
    {"array<string>", "readonly string[]", "readonly string[]"},
    {"object", "Readonly<Record<string, unknown>>",
     "Readonly<Record<string, unknown>>"},
};

static const char *type_text(const char *type, bool output)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i][0], type) == 0)
            return types[i][output ? 2 : 1];
    return "unknown";
}

/* Of a list of texts or numbers: "a" | "b". */
static void put_values(struct buf *to, const struct doc_node *values,
                       const char *between)
{
    for (size_t i = 0; i < doc_count(values); i++) {
        buf_string(to, i ? between : "");
        doc_write_json(doc_item(values, i), to);
    }
}

static void put_inputs(struct writer *to, const struct doc_node *list,
                       bool parameter)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);
        const struct doc_node *values = doc_get(item, "enum");

        put_member_doc(to, item);
        buf_printf(to->to, "  readonly %s%s: ", cg_model_name(item),
                   cg_model_required(item, parameter) ? "" : "?");
        if (values)
            put_values(to->to, values, " | ");
        else
            buf_string(to->to, type_text(cg_model_type(item), false));
        buf_string(to->to, ";\n");
    }
}

/* The member of an output; `response` is what all came with. */
static const char *member(const struct doc_node *output)
{
    const char *name = cg_model_name(output);

    return strcmp(name, "response") == 0 ? "response_" : name;
}

static void put_outputs(struct writer *to)
{
    const struct doc_node *list = to->model->outputs;

    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);

        put_member_doc(to, item);
        buf_printf(to->to, "  readonly %s: %s;\n", member(item),
                   type_text(cg_model_given(item), true));
    }
}

/* ---- tables ---- */

static void put_option(struct buf *to, const struct doc_node *item,
                       const char *key, const char *word)
{
    const struct doc_node *node = doc_get(item, key);

    if (!node)
        return;
    buf_printf(to, ", %s: ", word);
    doc_write_json(node, to);
}

static void put_input_rows(struct writer *to, const struct doc_node *list,
                           bool parameter)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);

        buf_printf(to->to, "    { name: \"%s\", type: \"%s\"",
                   cg_model_name(item), cg_model_type(item));
        if (!cg_model_required(item, parameter))
            buf_string(to->to, ", optional: true");
        put_option(to->to, item, "maxBytes", "maxBytes");
        put_option(to->to, item, "length", "length");
        put_option(to->to, item, "minimum", "minimum");
        put_option(to->to, item, "maximum", "maximum");
        if (doc_get(item, "enum")) {
            buf_string(to->to, ", values: [");
            put_values(to->to, doc_get(item, "enum"), ", ");
            buf_char(to->to, ']');
        }
        buf_string(to->to, " },\n");
    }
}

static void put_output_rows(struct writer *to)
{
    const struct doc_node *list = to->model->outputs;

    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);

        buf_printf(to->to, "    { name: \"%s\", type: \"%s\"",
                   cg_model_name(item), cg_model_type(item));
        if (strcmp(member(item), cg_model_name(item)) != 0)
            buf_printf(to->to, ", member: \"%s\"", member(item));
        if (cg_model_encoded(item))
            buf_string(to->to, ", encoded: true");
        if (cg_model_length(item))
            buf_printf(to->to, ", length: %lld", cg_model_length(item));
        buf_string(to->to, " },\n");
    }
}

static void put_fact(struct buf *to, const char *key, const char *text)
{
    buf_printf(to, "  %s: ", key);
    json_put_text(to, text);
    buf_string(to, ",\n");
}

static void put_facts(struct writer *to)
{
    const struct cg_model *model = to->model;

    buf_string(to->to, "\nconst facts: specserve.ModelFacts = {\n");
    put_fact(to->to, "name", model->name);
    put_fact(to->to, "version", model->version);
    put_fact(to->to, "bundleDigest", model->is.bundle);
    put_fact(to->to, "modelDigest", model->is.model);
    put_fact(to->to, "inputType", model->input_type);
    buf_string(to->to, "  inputs: [\n");
    put_input_rows(to, model->inputs, false);
    put_input_rows(to, model->parameters, true);
    buf_string(to->to, "  ],\n  outputs: [\n");
    put_output_rows(to);
    buf_string(to->to, "  ],\n};\n");
}

void cg_model_typescript(struct cg_ir *ir, const struct cg_model *model,
                         struct buf *out)
{
    struct writer to = {ir, model, out};
    static const char *const taken[] = {"Float32Array", "Float64Array",
                                        "Readonly",     "Record",
                                        "Uint8Array",   NULL};
    const char *class = cg_model_class(ir, model, taken);

    buf_printf(out,
               "// Generated by specgen from the bundle of %s %s. Do not "
               "edit.\nimport * as specserve from \"specserve\";\n",
               safe(ir, model->name), safe(ir, model->version));
    buf_printf(out,
               "\n/** What the model takes. */\nexport interface %sInputs {\n",
               class);
    put_inputs(&to, model->inputs, false);
    put_inputs(&to, model->parameters, true);
    buf_printf(out,
               "}\n\n/** What the model gives. */\n"
               "export interface %sResult {\n",
               class);
    put_outputs(&to);
    buf_string(out,
               "  /** Warnings, time; answerOf() has the headers. */\n"
               "  readonly response: specserve.runtime.PredictResponse;\n}\n");
    put_facts(&to);
    put_class_doc(&to);
    buf_printf(out,
               "export class %s extends specserve.TypedModel<%sInputs, "
               "%sResult> {\n"
               "  constructor(client: specserve.Client) {\n"
               "    super(client, facts);\n  }\n}\n",
               class, class, class);
}
