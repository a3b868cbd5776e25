/*
 * Graph text: see graph_text.h.
 */
#include "graph_text.h"

static void write_shape(const struct eng_tensor *tensor, FILE *file)
{
    (void)fprintf(file, ":%s[", eng_dtype_name(tensor->dtype));
    for (int i = 0; i < tensor->rank; i++)
        (void)fprintf(file, i ? ",%lld" : "%lld", (long long)tensor->dims[i]);
    (void)fputc(']', file);
}

static void write_value(const struct eng_graph *graph, uint32_t value,
                        FILE *file)
{
    if (value == ENG_NO_VALUE) {
        (void)fputc('-', file);
        return;
    }
    (void)fputs(graph->values[value].name, file);
    if (graph->values[value].constant.data)
        write_shape(&graph->values[value].constant, file);
}

static void write_list(const struct eng_graph *graph, const uint32_t *values,
                       size_t count, FILE *file)
{
    for (size_t i = 0; i < count; i++) {
        (void)fputs(i ? ", " : "", file);
        write_value(graph, values[i], file);
    }
}

static void write_string(const struct eng_string *s, FILE *file)
{
    (void)fprintf(file, "%.*s", (int)s->size, s->text);
}

static void write_element(const struct eng_attr *attr, size_t i, FILE *file)
{
    if (attr->type == ENG_ATTR_FLOATS)
        (void)fprintf(file, "%g", (double)attr->floats[i]);
    else if (attr->type == ENG_ATTR_INTS)
        (void)fprintf(file, "%lld", (long long)attr->ints[i]);
    else if (attr->type == ENG_ATTR_STRINGS)
        write_string(&attr->strings[i], file);
}

static void write_attr(const struct eng_attr *attr, FILE *file)
{
    bool list = attr->type == ENG_ATTR_FLOATS || attr->type == ENG_ATTR_INTS ||
                attr->type == ENG_ATTR_STRINGS;

    (void)fprintf(file, " %s=", attr->name);
    if (attr->type == ENG_ATTR_FLOAT)
        (void)fprintf(file, "%g", (double)attr->f);
    else if (attr->type == ENG_ATTR_INT)
        (void)fprintf(file, "%lld", (long long)attr->i);
    else if (attr->type == ENG_ATTR_STRING)
        write_string(&attr->s, file);
    else if (attr->type == ENG_ATTR_TENSOR)
        write_shape(attr->tensor, file);
    for (size_t i = 0; list && i < attr->count; i++) {
        (void)fputc(i ? ',' : '[', file);
        write_element(attr, i, file);
    }
    if (list)
        (void)fputs(attr->count ? "]" : "[]", file);
}

void graph_text_write(const struct eng_graph *graph, FILE *file)
{
    (void)fputs("inputs ", file);
    write_list(graph, graph->inputs, graph->input_count, file);
    (void)fputc('\n', file);
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct eng_node *node = &graph->nodes[i];

        write_list(graph, node->outputs, node->output_count, file);
        (void)fprintf(file, " = %s(", node->op);
        write_list(graph, node->inputs, node->input_count, file);
        (void)fputc(')', file);
        for (size_t k = 0; k < node->attr_count; k++)
            write_attr(&node->attrs[k], file);
        if (node->domain[0])
            (void)fprintf(file, " : %s", node->domain);
        (void)fputc('\n', file);
    }
    (void)fputs("outputs ", file);
    write_list(graph, graph->outputs, graph->output_count, file);
    (void)fputc('\n', file);
}
