/*
 * Vectors: see vectors.h.
 */
#include "vectors.h"

#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "utf8.h"

enum { LABELS_SIZE_MAX = 1 << 20 };

struct vectors {
    size_t from, to; /* slots */
};

bool vectors_open(struct step_build *build, void **state, struct error *err)
{
    static const char *const known[] = {"value", "output", NULL};
    struct vectors *step =
        arena_zalloc(&build->pipeline->arena, 1, sizeof(*step));

    if (!step)
        return call_no_memory(err);
    *state = step;
    if (!step_params_known(build, known, err) ||
        !step_reads(build, &step->from, err))
        return false;
    step->to = step->from;
    return step_writes(build, build->pipeline->slots[step->from].width,
                       &step->to, err);
}

bool vectors_apply(const void *state, struct pipeline_call *call,
                   vectors_row *make, struct error *err)
{
    const struct vectors *step = state;
    const struct call_result from = call->results[step->from];
    float *out = call_floats(call, step->to, from.width, err);

    if (!out)
        return false;
    for (size_t row = 0; row < call->rows; row++)
        make(from.floats + row * from.width, out + row * from.width,
             from.width);
    return true;
}

/* ---- labels ---- */

static bool list_labels(const struct step_build *build,
                        const struct doc_node *list, const char **items,
                        struct error *err)
{
    for (size_t i = 0; i < doc_count(list); i++) {
        items[i] = doc_string(doc_item(list, i), NULL);
        if (!items[i])
            return step_fail(build, err, "label %zu is no text", i);
    }
    return true;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;

    for (; *text; count++) {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return count;
}

/* Cuts the text into lines. */
static void split_lines(char *text, const char **items)
{
    while (*text) {
        size_t size = strcspn(text, "\n");
        char *next = text + size + (text[size] == '\n');

        *items++ = text;
        if (size > 0 && text[size - 1] == '\r')
            size--;
        text[size] = '\0';
        text = next;
    }
}

static char *read_labels(const struct step_build *build, const char *name,
                         size_t *size, struct error *err)
{
    const struct srv_bundle *bundle = build->pipeline->bundle;
    int dir = beneath_folder(bundle->dir, err);
    char *text;

    if (dir < 0)
        return NULL;
    text = beneath_read(dir, name, LABELS_SIZE_MAX, &build->pipeline->arena,
                        size, err);
    (void)close(dir);
    return text;
}

static bool file_labels(const struct step_build *build, const char *name,
                        struct bundle_strings *labels, struct error *err)
{
    size_t size = 0;
    char *text = read_labels(build, name, &size, err);
    const char **items;

    if (!text)
        return false;
    if (strlen(text) != size || !utf8_valid(text, size))
        return step_fail(build, err, "'%s' is no UTF-8 text", name);
    labels->count = count_lines(text);
    items =
        arena_zalloc(&build->pipeline->arena, labels->count, sizeof(*items));
    if (!items)
        return call_no_memory(err);
    split_lines(text, items);
    labels->items = items;
    return true;
}

static bool read_list(const struct step_build *build,
                      const struct doc_node *list,
                      struct bundle_strings *labels, struct error *err)
{
    const char **items =
        arena_zalloc(&build->pipeline->arena, doc_count(list), sizeof(*items));

    if (!items)
        return call_no_memory(err);
    *labels = (struct bundle_strings){items, doc_count(list)};
    return list_labels(build, list, items, err);
}

bool vectors_labels(const struct step_build *build, size_t slot,
                    struct bundle_strings *labels, struct error *err)
{
    const struct doc_node *params = build->step->parameters;
    const struct doc_node *list = doc_get(params, "labels");
    const char *file = doc_string(doc_get(params, "labelsFile"), NULL);
    int64_t width = build->pipeline->slots[slot].width;

    if (!list == !file)
        return step_fail(build, err,
                         "needs either 'labels', a list of texts, or "
                         "'labelsFile', a file with one per line");
    if (list ? !read_list(build, list, labels, err)
             : !file_labels(build, file, labels, err))
        return false;
    if (labels->count == 0)
        return step_fail(build, err, "there are no labels");
    return width == WIDTH_UNKNOWN || width == (int64_t)labels->count ||
           step_fail(build, err, "%zu labels for %lld numbers", labels->count,
                     (long long)width);
}

const float *vectors_labelled(const struct pipeline_call *call, size_t slot,
                              size_t row, const struct bundle_strings *labels,
                              struct error *err)
{
    const struct call_result *from = &call->results[slot];

    if (from->width == labels->count)
        return from->floats + row * from->width;
    (void)fail(err, ERR_OUTPUT_INVALID,
               "the model gave %zu numbers for %zu labels", from->width,
               labels->count);
    return NULL;
}
