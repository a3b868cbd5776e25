/*
 * go: a client of one model for Go, on clients/go (typed.go).
 *
 * One file is one package: put it in a folder of its own. Lines that gofmt
 * would align stand alone.
 */
#include <ctype.h>
#include <string.h>

#include "model.h"
#include "names.h"
#include "out.h"

enum { WIDTH = 98 };

struct writer {
    struct cg_ir *ir;
    const struct cg_model *model;
    struct buf *to;
};

/* ---- text ---- */

/* A comment ends with its line, and Go takes no byte order mark in a source. */
static const char *safe(struct cg_ir *ir, const char *text)
{
    static const char mark[] = "\xEF\xBB\xBF";
    char *out = cg_text(ir, "%s", text);

    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            *c = ' ';
        else if (strncmp(c, mark, sizeof mark - 1) == 0)
            for (size_t i = 0; i < sizeof mark - 1; i++)
                c[i] = ' ';
    return out;
}

static void put_comment(struct writer *to, const char *lead, const char *text)
{
    cg_wrap(to->to, lead, safe(to->ir, text), WIDTH);
}

/* A literal, whatever the bytes. */
static void put_text(struct buf *to, const char *text)
{
    buf_char(to, '"');
    for (const char *c = text; *c; c++)
        if (*c == '"' || *c == '\\')
            buf_printf(to, "\\%c", *c);
        else if ((unsigned char)*c >= ' ' && (unsigned char)*c < 0x7F)
            buf_char(to, *c);
        else
            buf_printf(to, "\\x%02x", (unsigned)(unsigned char)*c);
    buf_char(to, '"');
}

/* ---- names ---- */

/* "LogS_low" -> "LogSLow". */
static const char *field_name(struct cg_ir *ir, const struct doc_node *item)
{
    const char *name = cg_pascal(ir, cg_model_name(item));

    return isalpha((unsigned char)*name) ? name : cg_text(ir, "X%s", name);
}

static bool is_taken(struct cg_ir *ir, const struct doc_node *list,
                     size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(field_name(ir, doc_item(list, i)), name) == 0)
            return true;
    return false;
}

/* The field of item `index` of a list that stands behind another: names that
 * become one word are told apart, "Response" is taken. */
static const char *member(struct cg_ir *ir, const struct doc_node *before,
                          const struct doc_node *list, size_t index)
{
    const char *name = field_name(ir, doc_item(list, index));

    while (is_taken(ir, before, doc_count(before), name) ||
           is_taken(ir, list, index, name) || strcmp(name, "Response") == 0)
        name = cg_text(ir, "%s_", name);
    return name;
}

static bool is_keyword(const char *word)
{
    static const char keywords[] =
        " break case chan const continue default defer else fallthrough for "
        "func go goto if import interface main map package range return "
        "select struct switch type var ";
    const char *found = strstr(keywords, word);
    size_t size = strlen(word);

    return size && found && found[-1] == ' ' && found[size] == ' ';
}

/* Letters and digits, in lower case: "all-MiniLM-L6" -> "allminilml6". */
static const char *lower_word(struct cg_ir *ir, const char *text)
{
    char *out = cg_text(ir, "%s", text);
    char *at = out;

    for (const char *c = out; *c; c++)
        if (isalnum((unsigned char)*c))
            *at++ = (char)(*c | 0x20); /* digits have the bit */
    *at = '\0';
    return out;
}

static const char *package_name(struct cg_ir *ir, const char *model)
{
    const char *word = lower_word(ir, model);

    if (is_keyword(word))
        return cg_text(ir, "%smodel", word);
    return isalpha((unsigned char)*word) ? word : cg_text(ir, "model%s", word);
}

/* ---- types ---- */

struct go_type {
    const char *word, *in, *out; /* in documents, of inputs, of outputs */
    bool can_be_nil;             /* then nothing else says that it is absent */
};

static const struct go_type *go_type(const char *type)
{
    static const struct go_type rows[] = {
        {"text", "string", "string", false},
        {"string", "string", "string", false},
        {"image", "[]byte", "[]byte", true},
        {"audio", "[]byte", "[]byte", true},
        {"float", "float64", "float64", false},
        {"integer", "int64", "int64", false},
        {"boolean", "bool", "bool", false},
        {"array<float>", "[]float32", "[]float32", true},
        {"array<string>", "[]string", "[]string", true},
        {"object", "map[string]interface{}", "json.RawMessage", true},
        {NULL, "interface{}", "interface{}", true},
    };
    const struct go_type *row = rows;

    while (row->word && strcmp(row->word, type) != 0)
        row++;
    return row;
}

/* "*" where only a pointer can say that an input is absent. */
static const char *pointer(const struct doc_node *item, bool parameter)
{
    return cg_model_required(item, parameter) ||
                   go_type(cg_model_type(item))->can_be_nil
               ? ""
               : "*";
}

static void put_item_doc(struct writer *to, const struct doc_node *item)
{
    const char *doc = cg_model_doc(to->ir, to->model, item);

    put_comment(to, "\t// ", *doc ? doc : cg_model_name(item));
}

static void put_inputs(struct writer *to, const struct doc_node *before,
                       const struct doc_node *list, bool parameter)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);

        if (i || doc_count(before))
            buf_char(to->to, '\n');
        put_item_doc(to, item);
        buf_printf(to->to, "\t%s %s%s\n", member(to->ir, before, list, i),
                   pointer(item, parameter), go_type(cg_model_type(item))->in);
    }
}

static void put_structs(struct writer *to)
{
    const struct cg_model *model = to->model;

    buf_string(to->to, "\n// Inputs is what the model takes.\n"
                       "type Inputs struct {\n");
    put_inputs(to, NULL, model->inputs, false);
    put_inputs(to, model->inputs, model->parameters, true);
    buf_string(to->to, "}\n\n// Result is what the model gives.\n"
                       "type Result struct {\n");
    for (size_t i = 0; i < doc_count(model->outputs); i++) {
        const struct doc_node *item = doc_item(model->outputs, i);

        put_item_doc(to, item);
        buf_printf(to->to, "\t%s %s\n\n",
                   member(to->ir, NULL, model->outputs, i),
                   go_type(cg_model_given(item))->out);
    }
    buf_string(to->to, "\t// Warnings, time, and all else that came.\n"
                       "\tResponse *specserve.RuntimePredictResponse\n}\n");
}

/* ---- the table ---- */

static void put_scalar(struct buf *to, const struct doc_node *node)
{
    if (node->type == DOC_STRING)
        put_text(to, node->text);
    else
        doc_write_json(node, to);
}

static void put_bound(struct buf *to, const struct doc_node *item,
                      const char *key, const char *field)
{
    if (!doc_get(item, key))
        return;
    buf_printf(to, ", %s: specserve.Ptr[float64](", field);
    put_scalar(to, doc_get(item, key));
    buf_char(to, ')');
}

static void put_row(struct writer *to, const struct doc_node *item,
                    bool parameter)
{
    const struct doc_node *values = doc_get(item, "enum");

    buf_printf(to->to, "\t\t{Name: \"%s\", Type: \"%s\"", cg_model_name(item),
               cg_model_type(item));
    if (!cg_model_required(item, parameter))
        buf_string(to->to, ", Optional: true");
    if (doc_get(item, "maxBytes"))
        buf_printf(to->to, ", MaxBytes: %lld",
                   (long long)doc_integer(doc_get(item, "maxBytes"), 0));
    if (doc_get(item, "length"))
        buf_printf(to->to, ", Length: %lld",
                   (long long)doc_integer(doc_get(item, "length"), 0));
    put_bound(to->to, item, "minimum", "Minimum");
    put_bound(to->to, item, "maximum", "Maximum");
    for (size_t i = 0; i < doc_count(values); i++) {
        buf_string(to->to, i ? ", " : ", Values: []interface{}{");
        put_scalar(to->to, doc_item(values, i));
    }
    buf_string(to->to, doc_count(values) ? "}},\n" : "},\n");
}

static void put_spec(struct writer *to)
{
    const struct cg_model *model = to->model;

    buf_string(to->to, "\nvar spec = specserve.ModelSpec{\n\tName: ");
    put_text(to->to, model->name);
    buf_string(to->to, ", Version: ");
    put_text(to->to, model->version);
    buf_string(to->to, ", InputType: ");
    put_text(to->to, model->input_type);
    buf_printf(to->to,
               ",\n\tBundleDigest: \"%s\",\n\n\tModelDigest: \"%s\",\n\n"
               "\tInputs: []specserve.ModelInput{\n",
               model->is.bundle, model->is.model);
    for (size_t i = 0; i < doc_count(model->inputs); i++)
        put_row(to, doc_item(model->inputs, i), false);
    for (size_t i = 0; i < doc_count(model->parameters); i++)
        put_row(to, doc_item(model->parameters, i), true);
    buf_string(to->to, "\t},\n\tOutputs: []specserve.ModelOutput{\n");
    for (size_t i = 0; i < doc_count(model->outputs); i++) {
        const struct doc_node *item = doc_item(model->outputs, i);

        buf_printf(to->to, "\t\t{Name: \"%s\", Type: \"%s\"",
                   cg_model_name(item), cg_model_type(item));
        if (cg_model_encoded(item))
            buf_string(to->to, ", Encoded: true");
        if (cg_model_length(item))
            buf_printf(to->to, ", Length: %lld", cg_model_length(item));
        buf_string(to->to, "},\n");
    }
    buf_string(to->to, "\t},\n}\n");
}

/* ---- the method ---- */

static void put_values(struct writer *to, const struct doc_node *before,
                       const struct doc_node *list, bool parameter)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);
        const char *field = member(to->ir, before, list, i);

        if (cg_model_required(item, parameter)) {
            buf_printf(to->to, "\tvalues[\"%s\"] = in.%s\n",
                       cg_model_name(item), field);
            continue;
        }
        buf_printf(to->to,
                   "\tif in.%s != nil {\n\t\tvalues[\"%s\"] = %sin.%s\n\t}\n",
                   field, cg_model_name(item), pointer(item, parameter), field);
    }
}

static void put_client(struct writer *to)
{
    const struct cg_model *model = to->model;

    buf_string(
        to->to,
        "\n// Client calls the model. It is safe for many goroutines.\n"
        "type Client struct{ model *specserve.TypedModel }\n\n"
        "// New calls the model at the instances that `client` knows.\n"
        "func New(client *specserve.Client) *Client {\n"
        "\treturn &Client{specserve.NewTypedModel(client, &spec)}\n}\n\n"
        "// Predict runs the model on one input. The first call compares what "
        "the server has with what\n// this client was made for; a difference "
        "is specserve.ErrModelChanged.\n"
        "func (c *Client) Predict(ctx context.Context, in Inputs, options "
        "...specserve.Option) (*Result, error) {\n"
        "\tvalues := map[string]interface{}{}\n");
    put_values(to, NULL, model->inputs, false);
    put_values(to, model->inputs, model->parameters, true);
    buf_string(to->to, "\tfound, response, err := c.model.Predict(ctx, values, "
                       "options...)\n"
                       "\tif err != nil {\n\t\treturn nil, err\n\t}\n"
                       "\tout := &Result{Response: response}\n");
    for (size_t i = 0; i < doc_count(model->outputs); i++) {
        const struct doc_node *item = doc_item(model->outputs, i);
        bool known = go_type(cg_model_given(item))->word != NULL;

        buf_printf(to->to, "\tout.%s = found[\"%s\"]%s%s%s\n",
                   member(to->ir, NULL, model->outputs, i), cg_model_name(item),
                   known ? ".(" : "",
                   known ? go_type(cg_model_given(item))->out : "",
                   known ? ")" : "");
    }
    buf_string(to->to, "\treturn out, nil\n}\n");
}

/* ---- the file ---- */

static void put_examples(struct writer *to)
{
    const char *text = "";

    for (size_t i = 0; *(text = cg_model_example(to->ir, to->model, i)); i++) {
        buf_string(to->to, "//\n");
        put_comment(to, "// ", text);
    }
}

static bool gives_objects(const struct cg_model *model)
{
    for (size_t i = 0; i < doc_count(model->outputs); i++)
        if (strcmp(cg_model_given(doc_item(model->outputs, i)), "object") == 0)
            return true;
    return false;
}

void cg_model_go(struct cg_ir *ir, const struct cg_model *model,
                 struct buf *out)
{
    struct writer to = {ir, model, out};
    const char *package = package_name(ir, model->name);

    buf_printf(out,
               "// Code generated by specgen from the bundle of %s %s. DO NOT "
               "EDIT.\n\n",
               safe(ir, model->name), safe(ir, model->version));
    put_comment(&to, "// ",
                cg_text(ir, "Package %s is a typed client of %s %s: %s.",
                        package, model->name, model->version, model->doc));
    put_examples(&to);
    buf_printf(out,
               "package %s\n\nimport (\n\t\"context\"\n%s\n"
               "\t\"specserve\"\n)\n",
               package, gives_objects(model) ? "\t\"encoding/json\"\n" : "");
    put_structs(&to);
    put_spec(&to);
    put_client(&to);
}
