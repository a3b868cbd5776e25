/*
 * c: a client of one model for C, on clients/c (typed.h); one header.
 */
#include <ctype.h>
#include <string.h>

#include "model.h"
#include "names.h"
#include "out.h"

enum { WIDTH = 78 };

struct writer {
    struct cg_ir *ir;
    const struct cg_model *model;
    const char *prefix; /* "solubility" */
    struct buf *to;
};

/* What a type of a bundle is in C. */
struct type {
    const char *word, *constant, *declared;
    bool by_pointer; /* when it is optional */
};

static const struct type types[] = {
    {"text", "SPECSERVE_TEXT", "const char *", false},
    {"string", "SPECSERVE_TEXT", "const char *", false},
    {"image", "SPECSERVE_BYTES", "struct specserve_bytes ", false},
    {"audio", "SPECSERVE_BYTES", "struct specserve_bytes ", false},
    {"float", "SPECSERVE_FLOAT", "double ", true},
    {"integer", "SPECSERVE_INTEGER", "int64_t ", true},
    {"boolean", "SPECSERVE_BOOLEAN", "bool ", true},
    {"array<float>", "SPECSERVE_FLOATS", "struct specserve_floats ", false},
    {"array<string>", "SPECSERVE_TEXTS", "struct specserve_texts ", false},
    {"object", "SPECSERVE_OBJECT", "const char *", false},
};

/* Of an output, an image is its text: answers hold no bytes. */
static const struct type *type_of(struct cg_ir *ir, const struct doc_node *item,
                                  bool output)
{
    const char *word = output ? cg_model_given(item) : cg_model_type(item);

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].word, word) == 0)
            return output && strstr(types[i].constant, "BYTES") ? &types[0]
                                                                : &types[i];
    cg_fault(ir, (struct cg_loc){.file = cg_model_name(item)}, "bundle",
             "the type '%s' has no form in C", word);
    return &types[0];
}

static const char *member_of(struct cg_ir *ir, const struct doc_node *item)
{
    return cg_c_identifier(ir, cg_model_name(item));
}

/* Text for a comment, which it cannot end. */
static const char *safe(struct cg_ir *ir, const char *text)
{
    char *out = cg_text(ir, "%s", text);

    for (char *c = out; *c; c++)
        if ((c[0] == '*' && c[1] == '/') || (c[0] == '/' && c[1] == '*') ||
            *c == '\\' || iscntrl((unsigned char)*c))
            *c = ' ';
    return out;
}

/* ---- structs ---- */

static void put_member(struct writer *to, const struct doc_node *item,
                       bool optional, bool output)
{
    const struct type *type = type_of(to->ir, item, output);
    const char *doc = safe(to->ir, cg_model_doc(to->ir, to->model, item));

    doc = cg_text(to->ir, "%s%s%s", doc, *doc && optional ? "; " : "",
                  optional ? "optional" : "");
    if (strlen(doc) < WIDTH - 8) {
        buf_printf(to->to, "    /* %s */\n", doc);
    } else {
        buf_string(to->to, "    /*\n");
        cg_wrap(to->to, "     * ", doc, WIDTH);
        buf_string(to->to, "     */\n");
    }
    buf_printf(to->to, "    %s%s%s%s;\n",
               optional && type->by_pointer ? "const " : "", type->declared,
               optional && type->by_pointer ? "*" : "",
               member_of(to->ir, item));
}

static void put_structs(struct writer *to)
{
    const struct cg_model *model = to->model;

    buf_printf(to->to,
               "/* What the model is given. What is optional may be NULL. */\n"
               "struct %s_input {\n",
               to->prefix);
    for (size_t i = 0; i < doc_count(model->inputs); i++) {
        const struct doc_node *item = doc_item(model->inputs, i);

        put_member(to, item, !cg_model_required(item, false), false);
    }
    for (size_t i = 0; i < doc_count(model->parameters); i++) {
        const struct doc_node *item = doc_item(model->parameters, i);

        put_member(to, item, !cg_model_required(item, true), false);
    }
    buf_printf(to->to,
               "};\n\n/* What it gives; texts and arrays live in the answer. "
               "*/\nstruct %s_output {\n",
               to->prefix);
    for (size_t i = 0; i < doc_count(model->outputs); i++)
        put_member(to, doc_item(model->outputs, i), false, true);
    buf_string(to->to, "};\n");
}

/* ---- tables ---- */

static void put_values(struct writer *to, const struct doc_node *values)
{
    buf_string(to->to, "     .values = (const char *const[]){");
    for (size_t i = 0; i < doc_count(values); i++) {
        const struct doc_node *value = doc_item(values, i);
        struct buf text = {0};

        if (value->type == DOC_STRING)
            buf_string(&text, value->text);
        else
            doc_write_json(value, &text);
        cg_quote(to->to, text.data ? text.data : "");
        buf_string(to->to, ", ");
        buf_release(&text);
    }
    buf_string(to->to, "NULL},\n");
}

static void put_bound(struct writer *to, const struct doc_node *item,
                      const char *key, const char *member)
{
    if (doc_get(item, key))
        buf_printf(to->to, "     .%s = &(const double){%.17g},\n", member,
                   doc_number(doc_get(item, key), 0));
}

static void put_count(struct writer *to, const struct doc_node *item,
                      const char *key, const char *member)
{
    if (doc_get(item, key))
        buf_printf(to->to, "     .%s = %lld,\n", member,
                   (long long)doc_integer(doc_get(item, key), 0));
}

static void put_row(struct writer *to, const char *of,
                    const struct doc_node *item, bool optional, bool output)
{
    buf_printf(to->to,
               "    {.name = \"%s\",\n     .word = \"%s\",\n     .type = %s,\n"
               "     .offset = offsetof(struct %s_%s, %s),\n",
               cg_model_name(item), cg_model_type(item),
               type_of(to->ir, item, output)->constant, to->prefix, of,
               member_of(to->ir, item));
    if (optional)
        buf_string(to->to, "     .optional = true,\n");
    if (output && cg_model_length(item))
        buf_printf(to->to, "     .length = %lld,\n", cg_model_length(item));
    if (!output) {
        put_count(to, item, "length", "length");
        put_count(to, item, "maxBytes", "max_bytes");
        put_bound(to, item, "minimum", "least");
        put_bound(to, item, "maximum", "most");
        if (doc_get(item, "enum"))
            put_values(to, doc_get(item, "enum"));
    }
    buf_string(to->to, "    },\n");
}

static void put_tables(struct writer *to)
{
    const struct cg_model *model = to->model;

    buf_printf(to->to,
               "\nstatic const struct specserve_member %s_inputs[] = {\n",
               to->prefix);
    for (size_t i = 0; i < doc_count(model->inputs); i++) {
        const struct doc_node *item = doc_item(model->inputs, i);

        put_row(to, "input", item, !cg_model_required(item, false), false);
    }
    for (size_t i = 0; i < doc_count(model->parameters); i++) {
        const struct doc_node *item = doc_item(model->parameters, i);

        put_row(to, "input", item, !cg_model_required(item, true), false);
    }
    buf_printf(to->to,
               "};\n\nstatic const struct specserve_member %s_outputs[] = {\n",
               to->prefix);
    for (size_t i = 0; i < doc_count(model->outputs); i++)
        put_row(to, "output", doc_item(model->outputs, i), false, true);
    buf_printf(to->to,
               "};\n\nstatic const struct specserve_model_info %s_info = {\n",
               to->prefix);
    buf_string(to->to, "    .name = ");
    cg_quote(to->to, model->name);
    buf_string(to->to, ",\n    .version = ");
    cg_quote(to->to, model->version);
    buf_printf(to->to,
               ",\n    .bundle_digest =\n        \"%s\",\n"
               "    .model_digest =\n        \"%s\",\n    .input_type = ",
               model->is.bundle, model->is.model);
    cg_quote(to->to, model->input_type);
    buf_printf(to->to,
               ",\n    .inputs = %s_inputs,\n    .outputs = %s_outputs,\n"
               "    .input_count = sizeof %s_inputs / sizeof *%s_inputs,\n"
               "    .output_count = sizeof %s_outputs / sizeof *%s_outputs,\n"
               "};\n",
               to->prefix, to->prefix, to->prefix, to->prefix, to->prefix,
               to->prefix);
}

/* ---- functions ---- */

static void put_functions(struct writer *to)
{
    const char *p = to->prefix;

    buf_printf(to->to,
               "\n/* Belongs to the caller: specserve_typed_free(). The client "
               "must outlive it. */\n"
               "static inline struct specserve_typed *\n"
               "%s_new(struct specserve_client *client, "
               "struct specserve_error *err)\n"
               "{\n    return specserve_typed_new(client, &%s_info, err);\n}\n",
               p, p);
    buf_printf(
        to->to,
        "\n/* Runs the model on one input; errors as "
        "specserve_typed_predict(). */\n"
        "static inline bool\n"
        "%s_predict(struct specserve_typed *model,\n"
        "%*sconst struct %s_input *input,\n"
        "%*sconst struct specserve_options *options,\n"
        "%*sstruct %s_output *output,\n"
        "%*sstruct specserve_answer **answer, struct specserve_error *err)\n"
        "{\n    return specserve_typed_predict(model, input, options, output, "
        "answer,\n                                   err);\n}\n",
        p, (int)strlen(p) + 9, "", p, (int)strlen(p) + 9, "",
        (int)strlen(p) + 9, "", p, (int)strlen(p) + 9, "");
}

static void put_examples(struct writer *to)
{
    const char *line;

    for (size_t i = 0; *(line = cg_model_example(to->ir, to->model, i)); i++)
        cg_wrap(to->to, " * ", safe(to->ir, line), WIDTH);
}

/* No struct is empty, and no two members have one name: "int" is "int_". */
static void check_members(struct writer *to, const struct doc_node *list,
                          const struct doc_node *more)
{
    size_t first = doc_count(list), count = first + doc_count(more);

    if (!count)
        cg_fault(to->ir, (struct cg_loc){.file = to->model->name}, "bundle",
                 "has nothing to be given");
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++) {
            const struct doc_node *one =
                i < first ? doc_item(list, i) : doc_item(more, i - first);
            const struct doc_node *other =
                k < first ? doc_item(list, k) : doc_item(more, k - first);

            if (strcmp(member_of(to->ir, one), member_of(to->ir, other)) == 0)
                cg_fault(to->ir, (struct cg_loc){.file = to->model->name},
                         "bundle", "'%s' and '%s' are one name in C",
                         cg_model_name(one), cg_model_name(other));
        }
}

void cg_model_c(struct cg_ir *ir, const struct cg_model *model, struct buf *out)
{
    const char *name = cg_snake(ir, cg_word(ir, model->name));
    struct writer to = {.ir = ir, .model = model, .to = out};
    const char *guard;

    to.prefix =
        isdigit((unsigned char)*name) ? cg_text(ir, "model_%s", name) : name;
    guard = cg_upper(ir, to.prefix);
    check_members(&to, model->inputs, model->parameters);
    check_members(&to, model->outputs, NULL);
    buf_printf(out,
               "/* Generated by specgen from the bundle of %s %s. Do not edit. "
               "*/\n/*\n",
               safe(ir, model->name), safe(ir, model->version));
    cg_wrap(out, " * ", cg_text(ir, "%s.", safe(ir, model->doc)), WIDTH);
    buf_string(out, " *\n");
    put_examples(&to);
    buf_printf(out,
               " *\n * Threads: any.\n */\n"
               "#ifndef SPECSERVE_MODEL_%s_H\n#define SPECSERVE_MODEL_%s_H\n\n"
               "#include <stddef.h>\n\n#include <specserve/typed.h>\n\n",
               guard, guard);
    put_structs(&to);
    put_tables(&to);
    put_functions(&to);
    buf_string(out, "\n#endif\n");
}
