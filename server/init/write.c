/*
 * Write: the documents. Only what the files said or what the server needs is in
 * them; a person's part is a gap.
 */
#include <string.h>

#include "bundle.h"
#include "init/init.h"

/* --- ModelSpec --- */

static void put_steps(struct buf *out, const char *stage,
                      const struct buf *steps)
{
    if (steps->size)
        buf_printf(out, "    %s:\n      steps:\n%s", stage, steps->data);
}

static const char *family_of(const struct init_facts *facts)
{
    return *facts->family ? facts->family : BUNDLE_GAP "family of the model";
}

void init_write_modelspec(const struct init_plan *plan, struct buf *out)
{
    const struct init_facts *facts = plan->facts;

    buf_printf(
        out,
        "# What the model is. What it offers is in "
        "%s.modelservice.yaml.\n"
        "# Written by `specserve init`; `specserve validate` tells what "
        "is to be filled in.\n"
        "apiVersion: piqc.ai/v1alpha1\nkind: ModelSpec\n\n"
        "metadata:\n  name: \"%s\"\n  version: \"0.1.0\"\n"
        "  description: \"" BUNDLE_GAP "what the model is, in a "
        "sentence\"\n\n"
        "spec:\n  identity:\n    model:\n      id: \"%s\"\n      family: ",
        facts->name, facts->name, facts->name);
    init_quote(out, family_of(facts));
    buf_printf(out,
               "\n      task: %s\n      framework: %s\n"
               "      precision: fp32\n      artifacts:\n"
               "        modelUri: ",
               plan->task, facts->framework);
    init_quote(out, facts->uri);
    if (plan->max_tokens) {
        buf_string(out, "\n        tokenizerUri: ");
        init_quote(out, facts->tokenizer);
    }
    buf_string(out, "\n\n  runtime:\n    accelerator: {vendor: any, type: cpu, "
                    "count: 1}\n");
    if (plan->batch)
        buf_string(out, "    batch:\n      maxBatchSize: 32\n");
    if (plan->max_tokens)
        buf_printf(out, "%s      maxSequenceLengthTokens: %lld\n",
                   plan->batch ? "" : "    batch:\n",
                   (long long)plan->max_tokens);
    buf_string(out, "\n  operations:\n    serving: {protocol: http, "
                    "maxConcurrency: 64, timeoutSeconds: 30}\n");
    if (plan->pre.size || plan->post.size)
        buf_string(out, "\n  pipeline:\n");
    put_steps(out, "preprocess", &plan->pre);
    put_steps(out, "postprocess", &plan->post);
    buf_string(out, "\n  governance:\n    compliance:\n      governance:\n"
                    "        owner: \"" BUNDLE_GAP "who answers for the model\""
                    "\n");
}

/* --- ModelService --- */

static void put_port(struct buf *out, const struct eng_port *port)
{
    buf_string(out, "      - {name: ");
    init_quote(out, port->name);
    buf_printf(out, ", dtype: %s, shape: [", eng_dtype_name(port->dtype));
    for (int d = 0; d < port->rank; d++)
        buf_printf(out, "%s%lld", d ? ", " : "", (long long)port->dims[d]);
    buf_string(out, "]}\n");
}

/* Left out where the model does not give a rank. */
static void put_tensors(struct buf *out, const struct eng_model *model)
{
    for (size_t i = 0; i < eng_model_input_count(model); i++)
        if (eng_model_input(model, i)->rank < 0)
            return;
    for (size_t i = 0; i < eng_model_output_count(model); i++)
        if (eng_model_output(model, i)->rank < 0 ||
            !eng_model_output(model, i)->dtype)
            return;
    buf_string(out, "    tensors:\n      inputs:\n");
    for (size_t i = 0; i < eng_model_input_count(model); i++)
        put_port(out, eng_model_input(model, i));
    buf_string(out, "      outputs:\n");
    for (size_t i = 0; i < eng_model_output_count(model); i++)
        put_port(out, eng_model_output(model, i));
}

static void put_block(struct buf *out, const char *key, const struct buf *lines)
{
    if (lines->size)
        buf_printf(out, "  %s:\n%s", key, lines->data);
}

void init_write_modelservice(const struct init_plan *plan, struct buf *out)
{
    const struct init_facts *facts = plan->facts;
    const char *name = facts->name;

    buf_printf(out,
               "# What the model offers. Written by `specserve init`.\n"
               "apiVersion: specserve/v1alpha1\nkind: ModelService\n"
               "metadata:\n  name: \"%s\"\n  version: \"0.1.0\"\n"
               "  description: \"" BUNDLE_GAP "what the service is for, in a "
               "sentence\"\n"
               "spec:\n  modelSpec: \"%s.modelspec.yaml\"\n"
               "  behaviorSpec: \"%s.behavior.yaml\"\n  info:\n    license: ",
               name, name, name);
    init_quote(out, *facts->license ? facts->license
                                    : BUNDLE_GAP "licence of the weights");
    buf_printf(out,
               "\n    maintainer: \"" BUNDLE_GAP "who maintains the service\"\n"
               "    citationUrl: \"" BUNDLE_GAP "where the model is described\""
               "\n"
               "  citation:\n    paper: \"" BUNDLE_GAP "the paper, or none\"\n"
               "    softwareBibtex: citation.bib\n"
               "  signature:\n    inputs:\n%s    outputs:\n%s",
               plan->inputs.data, plan->outputs.data);
    put_tensors(out, facts->model);
    buf_printf(out,
               "  capabilities:\n  - name: %s\n    inputTypes: [%s]\n"
               "    outputs: {%s}\n    batch: %s\n"
               "    description: \"" BUNDLE_GAP "what a caller gets\"\n",
               plan->capability, plan->takes, plan->offered.data,
               plan->batch ? "true" : "false");
    put_block(out, "steps", &plan->steps);
    put_block(out, "examples", &plan->examples);
    put_block(out, "notes", &plan->notes);
    buf_string(out, "  intendedUse:\n    primary: \"" BUNDLE_GAP
                    "what it may be used for\"\n    outOfScope: [\"" BUNDLE_GAP
                    "what it must not be used for\"]\n");
}

/* --- BehaviorSpec and citation --- */

void init_write_behavior(const struct init_plan *plan, struct buf *out)
{
    const char *name = plan->facts->name;

    buf_printf(out,
               "# How the model must behave. Written by `specserve init`: no "
               "rule is made up.\n"
               "apiVersion: specserve/v1alpha1\nkind: BehaviorSpec\n"
               "metadata:\n  name: \"%s-behavior\"\n  version: \"0.1.0\"\n"
               "  description: \"" BUNDLE_GAP "rules the answers must keep"
               "\"\n"
               "spec:\n  appliesTo:\n    modelSpec: \"%s.modelspec.yaml\"\n"
               "    modelService: \"%s.modelservice.yaml\"\n    class: %s\n"
               "  precedence: [absolute, policy, operator, user, default]\n",
               name, name, name,
               plan->kind == INIT_EMBEDDING ? "embedding" : "predictive");
}

void init_write_citation(const struct init_plan *plan, struct buf *out)
{
    buf_printf(out,
               "@misc{%s,\n  title = {%s},\n  note = {" BUNDLE_GAP
               "how to cite the model}\n}\n",
               plan->facts->name, plan->facts->name);
}
