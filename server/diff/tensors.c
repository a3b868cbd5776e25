/*
 * Bundle diff, tensors: what callers of the Open Inference Protocol see, from
 * the model files themselves.
 */
#include <string.h>

#include "diff/diff.h"

typedef size_t count_ports(const struct eng_model *model);
typedef const struct eng_port *get_port(const struct eng_model *model,
                                        size_t index);

struct side {
    const char *word;
    bool is_input;
    count_ports *count;
    get_port *port;
};

static const struct eng_port *find(const struct eng_model *model,
                                   const struct side *side, const char *name)
{
    for (size_t i = 0; i < side->count(model); i++)
        if (strcmp(side->port(model, i)->name, name) == 0)
            return side->port(model, i);
    return NULL;
}

static const char *shape_text(struct bundle_diff *diff,
                              const struct eng_port *port)
{
    const char *text = "";

    if (port->rank < 0)
        return "any shape";
    for (int i = 0; i < port->rank; i++)
        text = bundle_diff_path(diff, "%s%s%lld", text, i ? ", " : "",
                                (long long)port->dims[i]);
    return bundle_diff_path(diff, "[%s]", text);
}

/* Does every shape that `narrow` has fit `wide`? */
static bool fits(const struct eng_port *narrow, const struct eng_port *wide)
{
    if (wide->rank < 0)
        return true;
    if (wide->rank != narrow->rank)
        return false;
    for (int i = 0; i < wide->rank; i++)
        if (wide->dims[i] >= 0 && wide->dims[i] != narrow->dims[i])
            return false;
    return true;
}

/* Inputs may take more shapes than before, outputs may have fewer. */
static void compare(struct bundle_diff *diff, const struct side *side,
                    const struct eng_port *was, const struct eng_port *now)
{
    const char *path =
        bundle_diff_path(diff, "tensors.%s.%s", side->word, was->name);

    if (was->dtype != now->dtype)
        bundle_change(diff, BUNDLE_RULE_T2, path, "was %s, is %s",
                      eng_dtype_name(was->dtype), eng_dtype_name(now->dtype));
    if (!(side->is_input ? fits(was, now) : fits(now, was)))
        bundle_change(diff, BUNDLE_RULE_T3, path, "was %s, is %s",
                      shape_text(diff, was), shape_text(diff, now));
}

static void compare_side(struct bundle_diff *diff, const struct side *side)
{
    const struct eng_model *was = diff->was.model, *now = diff->now.model;

    for (size_t i = 0; i < side->count(was); i++) {
        const struct eng_port *port = side->port(was, i);
        const struct eng_port *other = find(now, side, port->name);
        const struct eng_port *there =
            i < side->count(now) ? side->port(now, i) : NULL;

        if (other)
            compare(diff, side, port, other);
        else
            bundle_diff_gone(
                diff, BUNDLE_RULE_T1,
                bundle_diff_path(diff, "tensors.%s.%s", side->word, port->name),
                there && !find(was, side, there->name) ? there->name : NULL);
    }
    for (size_t i = 0; i < side->count(now); i++) {
        const char *name = side->port(now, i)->name;

        if (!find(was, side, name))
            bundle_change(
                diff, side->is_input ? BUNDLE_RULE_T4 : BUNDLE_RULE_A2,
                bundle_diff_path(diff, "tensors.%s.%s", side->word, name),
                "is new");
    }
}

void bundle_diff_tensors(struct bundle_diff *diff)
{
    static const struct side sides[] = {
        {"inputs", true, eng_model_input_count, eng_model_input},
        {"outputs", false, eng_model_output_count, eng_model_output}};

    for (size_t i = 0; diff->was.model && i < 2; i++)
        compare_side(diff, &sides[i]);
}
