/*
 * Text: a model with a tokenizer. Which answer it gives follows, in this order:
 *
 *   one vector for a text    an output of that name, as exporters of
 *                            sentence-transformers write it
 *   labels or a score        logits [rows, n] of a sequence classification
 *   pooled vectors           a vector for each token, and how to pool them
 *   tensors as they are      everything else
 */
#include <stdio.h>
#include <string.h>

#include "bundle.h"
#include "init/init.h"

enum { TOKENS_MAX = 8192, BYTES_PER_TOKEN = 32 };

/* --- input --- */

static int64_t smaller(int64_t a, int64_t b)
{
    return a && (!b || a < b) ? a : b;
}

static void plan_input(struct init_plan *plan)
{
    const struct init_facts *facts = plan->facts;
    int64_t most = smaller(facts->max_tokens, facts->positions);

    if (!most)
        most = (int64_t)facts->truncation;
    if (!most) {
        most = 512;
        init_note(plan, BUNDLE_GAP "nothing says how many tokens the model "
                                   "takes; 512 is a guess");
    }
    if (most > TOKENS_MAX)
        most = TOKENS_MAX;
    plan->max_tokens = most;
    plan->takes = "text";
    buf_printf(&plan->inputs,
               "    - {name: text, type: text, required: true, maxBytes: %lld, "
               "maxTokens: %lld, onExcess: annotate-truncated}\n",
               (long long)most * BYTES_PER_TOKEN, (long long)most);
    init_step(
        plan, true, "tokenize", "tokenize", "input: text, ids: input_ids%s%s",
        init_input(facts, "attention_mask") ? ", mask: attention_mask" : "",
        init_input(facts, "token_type_ids") ? ", types: token_type_ids" : "");
}

/* What no step fills. */
static bool check_inputs(const struct init_plan *plan, struct error *err)
{
    static const char *const filled[] = {"input_ids", "attention_mask",
                                         "token_type_ids"};
    const struct init_facts *facts = plan->facts;

    for (size_t i = 0; i < eng_model_input_count(facts->model); i++) {
        const struct eng_port *port = eng_model_input(facts->model, i);
        bool known = false;

        for (size_t k = 0; k < sizeof filled / sizeof filled[0]; k++)
            known = known || strcmp(filled[k], port->name) == 0;
        if (!known || port->dtype != ENG_I64)
            return fail(err, ERR_MODEL_UNSUPPORTED,
                        "no step fills the text model's input '%.80s' (%s)",
                        port->name, eng_dtype_name(port->dtype));
    }
    return true;
}

/* --- answers --- */

static const struct eng_port *find_float(const struct init_plan *plan, int rank,
                                         const char *const *names)
{
    for (; *names; names++) {
        const struct eng_port *port = init_output(plan->facts, *names);

        if (port && port->dtype == ENG_F32 && port->rank == rank)
            return port;
    }
    return NULL;
}

/* ", length: 384" where the model says it. */
static const char *length_of(int64_t length, char text[48])
{
    text[0] = '\0';
    if (length > 0)
        (void)snprintf(text, 48, ", length: %lld", (long long)length);
    return text;
}

static void plan_embedding(struct init_plan *plan, const char *from,
                           int64_t length)
{
    char text[48];

    plan->kind = INIT_EMBEDDING;
    plan->task = plan->capability = "embedding";
    init_offer(plan, "embedding", "array<float>", "%s%s",
               length_of(length, text), from);
    buf_printf(&plan->examples,
               "  - name: sentence\n"
               "    data: {text: \"The cat sits on the mat.\"}\n"
               "    description: \"a short sentence\"\n"
               "    category: sentence\n"
               "    expect: {success: true%s",
               length > 0 ? ", " : "");
    if (length > 0)
        buf_printf(&plan->examples, "length: {embedding: %lld}",
                   (long long)length);
    if (plan->facts->normalizes)
        buf_string(&plan->examples,
                   ", norm: {embedding: 1.0, tolerance: 0.001}");
    buf_string(&plan->examples, "}\n");
}

/* The vector that the model itself pools. */
static void plan_vector(struct init_plan *plan, const struct eng_port *port)
{
    char from[160];

    (void)snprintf(from, sizeof from, ", from: {tensor: %.100s}", port->name);
    plan_embedding(plan, from, port->dims[1]);
}

static void plan_pooling(struct init_plan *plan, const struct eng_port *port)
{
    const char *method = plan->facts->pooling;

    if (!*method) {
        method = "mean";
        init_note(plan,
                  BUNDLE_GAP "no 1_Pooling/config.json says how the vectors of "
                             "the tokens are pooled; the mean is a guess");
    }
    init_step(plan, false, "pool", "pooling",
              "tensor: %s, method: %s, output: embedding", port->name, method);
    if (plan->facts->normalizes)
        init_step(plan, false, "normalize", "l2_normalize", "value: embedding");
    plan_embedding(plan, "", port->dims[2]);
}

static void put_labels(struct init_plan *plan, int64_t count)
{
    const struct init_facts *facts = plan->facts;
    bool named = (int64_t)facts->label_count == count;

    if (!named)
        init_note(plan, BUNDLE_GAP "nothing names the %lld labels",
                  (long long)count);
    for (int64_t i = 0; i < count; i++) {
        buf_string(&plan->steps, i ? ", " : "");
        if (named)
            init_quote(&plan->steps, facts->labels[i]);
        else
            buf_printf(&plan->steps, "\"LABEL_%lld\"", (long long)i);
    }
}

static void example_of_text(struct init_plan *plan, const char *expect)
{
    buf_printf(&plan->examples,
               "  - name: sentence\n"
               "    data: {text: \"The cat sits on the mat.\"}\n"
               "    description: \"a short sentence\"\n"
               "    category: sentence\n"
               "    expect: {success: true%s}\n",
               expect);
}

/* One number: a regression, or how well two texts go together. */
static void plan_score(struct init_plan *plan, const struct eng_port *port)
{
    plan->kind = INIT_CLASSES;
    plan->task = "regression";
    plan->capability = "score";
    init_offer(plan, "score", "float", ", from: {tensor: %s, index: 0}",
               port->name);
    example_of_text(plan, ", finite: [score]");
}

static void plan_classes(struct init_plan *plan, const struct eng_port *port)
{
    bool many = strcmp(plan->facts->problem, "multi_label_classification") == 0;
    long long count = (long long)port->dims[1];

    plan->kind = INIT_CLASSES;
    plan->task = "text-classification";
    plan->capability = "classification";
    init_step(plan, false, "probabilities", many ? "sigmoid" : "softmax",
              "value: %s, output: probabilities", port->name);
    buf_string(&plan->post, "        - {name: label, type: argmax}\n");
    buf_string(&plan->steps, "    label: {value: probabilities, label: label, "
                             "score: score, labels: [");
    put_labels(plan, port->dims[1]);
    buf_string(&plan->steps, "]}\n");
    init_offer(plan, "label", "string", "%s", "");
    init_offer(plan, "score", "float", "%s", "");
    init_offer(plan, "probabilities", "array<float>", ", length: %lld", count);
    example_of_text(plan, ", finite: [score]");
}

static bool plan_answer(struct init_plan *plan)
{
    static const char *const vectors[] = {"sentence_embedding",  "embedding",
                                          "embeddings",          "text_embeds",
                                          "sentence_embeddings", NULL};
    static const char *const logits[] = {"logits", "scores", NULL};
    static const char *const tokens[] = {
        "last_hidden_state", "token_embeddings", "hidden_states", NULL};
    const struct eng_port *port = find_float(plan, 2, vectors);

    if (port) {
        plan_vector(plan, port);
        return true;
    }
    port = find_float(plan, 2, logits);
    if (port && port->dims[1] > 0) {
        if (port->dims[1] == 1)
            plan_score(plan, port);
        else
            plan_classes(plan, port);
        return true;
    }
    port = find_float(plan, 3, tokens);
    if (port)
        plan_pooling(plan, port);
    return port != NULL;
}

/* Every output has a row for each text, of a known length. */
static bool has_rows(const struct eng_model *model)
{
    for (size_t i = 0; i < eng_model_output_count(model); i++) {
        const struct eng_port *port = eng_model_output(model, i);
        bool fits = port->rank > 0 && port->dims[0] < 0;

        for (int d = 1; d < port->rank; d++)
            fits = fits && port->dims[d] >= 0;
        if (!fits)
            return false;
    }
    return true;
}

bool init_plan_text(struct init_plan *plan, struct error *err)
{
    if (!check_inputs(plan, err))
        return false;
    plan_input(plan);
    plan->batch = true;
    if (plan_answer(plan))
        return true;
    plan->batch = has_rows(plan->facts->model);
    if (!init_plan_outputs(plan, err))
        return false;
    example_of_text(plan, "");
    return true;
}
