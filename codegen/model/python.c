/*
 * python: a client of one model for Python, on clients/python (typed.py).
 */
#include <string.h>

#include "json_put.h"
#include "model.h"
#include "names.h"
#include "out.h"

enum { WIDTH = 88 };

struct writer {
    struct cg_ir *ir;
    const struct cg_model *model;
    struct buf *to;
};

static const char *hint(const char *type)
{
    static const char *const rows[][2] = {
        {"text", "str"},
        {"string", "str"},
        {"image", "Union[bytes, str]"},
        {"audio", "Union[bytes, str]"},
        {"float", "float"},
        {"integer", "int"},
        {"boolean", "bool"},
        {"array<float>", "Sequence[float]"},
        {"array<string>", "Sequence[str]"},
        {"object", "Mapping[str, Any]"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i][0], type) == 0)
            return rows[i][1];
    return "Any";
}

/* Quotes and backslashes would end or change a docstring, a new line ends a
 * comment. */
static const char *safe(struct cg_ir *ir, const char *text)
{
    char *out = cg_text(ir, "%s", text);

    for (char *c = out; *c; c++)
        if (*c == '"' || *c == '\\')
            *c = '\'';
        else if (*c == '\n' || *c == '\r')
            *c = ' ';
    return out;
}

static void put_docs(struct writer *to, const struct doc_node *list)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);

        cg_wrap(to->to, "    ",
                cg_text(to->ir, "%s: %s",
                        cg_py_member(to->ir, cg_model_name(item)),
                        safe(to->ir, cg_model_doc(to->ir, to->model, item))),
                WIDTH);
    }
}

/* The attribute of an output; `response` is what all came with. */
static const char *attribute(struct cg_ir *ir, const struct doc_node *item)
{
    const char *name = cg_py_member(ir, cg_model_name(item));

    return strcmp(name, "response") == 0 ? "response_" : name;
}

static void put_result(struct writer *to, const char *class)
{
    const struct doc_node *outputs = to->model->outputs;

    buf_printf(to->to,
               "\n\n@dataclasses.dataclass(frozen=True)\nclass %sResult:\n"
               "    \"\"\"What the model gives.\n\n",
               class);
    put_docs(to, outputs);
    buf_string(to->to, "    \"\"\"\n\n");
    for (size_t i = 0; i < doc_count(outputs); i++)
        buf_printf(to->to, "    %s: %s\n",
                   attribute(to->ir, doc_item(outputs, i)),
                   hint(cg_model_given(doc_item(outputs, i))));
    buf_string(to->to, "    response: PredictResponse  # warnings, time\n");
}

/* ---- tables ---- */

static void put_scalar(struct buf *to, const struct doc_node *node)
{
    if (node->type == DOC_BOOL)
        buf_string(to, node->boolean ? "True" : "False");
    else
        doc_write_json(node, to);
}

static void put_option(struct buf *to, const struct doc_node *item,
                       const char *key, const char *word)
{
    const struct doc_node *node = doc_get(item, key);

    if (!node)
        return;
    buf_printf(to, ", %s=", word);
    put_scalar(to, node);
}

static void put_input(struct writer *to, const struct doc_node *item,
                      bool parameter)
{
    const struct doc_node *values = doc_get(item, "enum");

    buf_printf(to->to, "        Input(\"%s\", \"%s\"", cg_model_name(item),
               cg_model_type(item));
    if (!cg_model_required(item, parameter))
        buf_string(to->to, ", required=False");
    put_option(to->to, item, "maxBytes", "max_bytes");
    put_option(to->to, item, "length", "length");
    put_option(to->to, item, "minimum", "minimum");
    put_option(to->to, item, "maximum", "maximum");
    if (values) {
        buf_string(to->to, ", values=(");
        for (size_t i = 0; i < doc_count(values); i++) {
            put_scalar(to->to, doc_item(values, i));
            buf_string(to->to, ",");
        }
        buf_string(to->to, ")");
    }
    buf_string(to->to, "),\n");
}

static void put_tables(struct writer *to)
{
    const struct cg_model *model = to->model;
    struct buf *out = to->to;

    buf_string(out, "    NAME = ");
    json_put_text(out, model->name);
    buf_string(out, "\n    VERSION = ");
    json_put_text(out, model->version);
    buf_printf(out, "\n    BUNDLE_DIGEST = \"%s\"\n    MODEL_DIGEST = \"%s\"",
               model->is.bundle, model->is.model);
    buf_string(out, "\n    INPUT_TYPE = ");
    json_put_text(out, model->input_type);
    buf_string(out, "\n    INPUTS = (\n");
    for (size_t i = 0; i < doc_count(model->inputs); i++)
        put_input(to, doc_item(model->inputs, i), false);
    for (size_t i = 0; i < doc_count(model->parameters); i++)
        put_input(to, doc_item(model->parameters, i), true);
    buf_string(out, "    )\n    OUTPUTS = {\n");
    for (size_t i = 0; i < doc_count(model->outputs); i++)
        buf_printf(out, "        \"%s\": \"%s\",\n",
                   cg_model_name(doc_item(model->outputs, i)),
                   cg_model_type(doc_item(model->outputs, i)));
    buf_string(out, "    }\n    LENGTHS = {\n");
    for (size_t i = 0; i < doc_count(model->outputs); i++) {
        const struct doc_node *item = doc_item(model->outputs, i);

        if (cg_model_length(item))
            buf_printf(out, "        \"%s\": %lld,\n", cg_model_name(item),
                       cg_model_length(item));
    }
    buf_string(out, "    }\n    ENCODED = (");
    for (size_t i = 0; i < doc_count(model->outputs); i++)
        if (cg_model_encoded(doc_item(model->outputs, i)))
            buf_printf(out, "\"%s\",",
                       cg_model_name(doc_item(model->outputs, i)));
    buf_string(out, ")\n");
}

/* ---- the method ---- */

static void put_arguments(struct writer *to, const struct doc_node *list,
                          bool parameter, bool required)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const struct doc_node *item = doc_item(list, i);
        const char *name = cg_py_member(to->ir, cg_model_name(item));

        if (cg_model_required(item, parameter) != required)
            continue;
        if (required)
            buf_printf(to->to, "        %s: %s,\n", name,
                       hint(cg_model_type(item)));
        else
            buf_printf(to->to, "        %s: Optional[%s] = None,\n", name,
                       hint(cg_model_type(item)));
    }
}

static void put_values(struct writer *to, const struct doc_node *list)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        const char *name = cg_model_name(doc_item(list, i));

        buf_printf(to->to, "            \"%s\": %s,\n", name,
                   cg_py_member(to->ir, name));
    }
}

static void put_predict(struct writer *to, const char *class, bool is_async)
{
    const struct cg_model *model = to->model;

    buf_printf(to->to, "\n    %sdef predict(\n        self,\n        *,\n",
               is_async ? "async " : "");
    put_arguments(to, model->inputs, false, true);
    put_arguments(to, model->parameters, true, true);
    put_arguments(to, model->inputs, false, false);
    put_arguments(to, model->parameters, true, false);
    buf_printf(to->to,
               "        options: Optional[Options] = None,\n"
               "    ) -> %sResult:\n        \"\"\"Runs the model on one "
               "input.\"\"\"\n        response = %sself._run({\n",
               class, is_async ? "await " : "");
    put_values(to, model->inputs);
    put_values(to, model->parameters);
    buf_string(to->to, "        }, options)\n"
                       "        found = self._take(response)\n");
    buf_printf(to->to, "        return %sResult(\n", class);
    for (size_t i = 0; i < doc_count(model->outputs); i++) {
        const char *name = cg_model_name(doc_item(model->outputs, i));

        buf_printf(to->to, "            %s=found[\"%s\"],\n",
                   attribute(to->ir, doc_item(model->outputs, i)), name);
    }
    buf_string(to->to, "            response=response,\n        )\n");
}

static void put_examples(struct writer *to)
{
    const char *text = "";

    for (size_t i = 0; *(text = cg_model_example(to->ir, to->model, i)); i++)
        cg_wrap(to->to, "    ", safe(to->ir, text), WIDTH);
}

static void put_class(struct writer *to, const char *class, bool is_async)
{
    const char *prefix = is_async ? "Async" : "";

    buf_printf(to->to, "\n\nclass %s%s(%sTypedModel):\n", prefix, class,
               prefix);
    cg_wrap(to->to, "    ",
            cg_text(to->ir, "\"\"\"%s.", safe(to->ir, to->model->doc)), WIDTH);
    buf_char(to->to, '\n');
    put_docs(to, to->model->inputs);
    put_docs(to, to->model->parameters);
    buf_char(to->to, '\n');
    put_examples(to);
    buf_string(to->to, "    \"\"\"\n\n");
    put_tables(to);
    put_predict(to, class, is_async);
}

void cg_model_python(struct cg_ir *ir, const struct cg_model *model,
                     struct buf *out)
{
    struct writer to = {ir, model, out};
    static const char *const taken[] = {"Any",
                                        "AsyncTypedModel",
                                        "False",
                                        "Input",
                                        "Mapping",
                                        "None",
                                        "Optional",
                                        "Options",
                                        "PredictResponse",
                                        "Sequence",
                                        "True",
                                        "TypedModel",
                                        "Union",
                                        NULL};
    const char *class = cg_model_class(ir, model, taken);

    buf_printf(out,
               "# Generated by specgen from the bundle of %s %s. Do not edit.\n"
               "\"\"\"A typed client of %s %s.\"\"\"\n"
               "from __future__ import annotations\n\nimport dataclasses\n"
               "from typing import Any, Mapping, Optional, Sequence, Union\n\n"
               "from specserve import Options\n"
               "from specserve.runtime import PredictResponse\n"
               "from specserve.typed import AsyncTypedModel, Input, "
               "TypedModel\n\n"
               "_USED = (Any, Mapping, Sequence, Union)\n",
               safe(ir, model->name), safe(ir, model->version),
               safe(ir, model->name), safe(ir, model->version));
    put_result(&to, class);
    put_class(&to, class, false);
    put_class(&to, class, true);
}
