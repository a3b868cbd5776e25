/*
 * Accuracy: see accuracy.h.
 */
#include "accuracy.h"

#include <math.h>
#include <string.h>

#include "clock.h"
#include "log.h"

static const struct eng_limits no_limits = {.deadline_ns = CLOCK_NEVER};

enum eng_precision accuracy_precision(const struct srv_bundle *bundle)
{
    enum eng_precision precision = ENG_PRECISION_FP32;

    if (bundle->precision)
        (void)eng_precision_by_name(bundle->precision, &precision);
    return precision;
}

/* The bundle in float32. */
struct exact {
    struct eng_model *model;
    struct pipeline *pipeline;
    struct pipeline_worker *worker;
};

static bool open_exact(const struct srv_bundle *bundle, struct exact *exact,
                       struct error *err)
{
    exact->model = eng_model_open(bundle->model_path, NULL, err);
    if (exact->model)
        exact->pipeline = pipeline_open(bundle, exact->model, err);
    if (exact->pipeline)
        exact->worker = pipeline_worker_new(exact->pipeline, err);
    return exact->worker != NULL;
}

static void close_exact(struct exact *exact)
{
    pipeline_worker_free(exact->worker);
    pipeline_close(exact->pipeline);
    eng_model_put(exact->model);
}

/* The numbers of a value: *count of them, the first of a list or the one. */
static double number_at(const struct pipeline_value *value, size_t i)
{
    return value->kind == PIPELINE_FLOATS ? (double)value->floats.items[i]
                                          : value->number;
}

static size_t number_count(const struct pipeline_value *value)
{
    if (value->kind == PIPELINE_FLOATS)
        return value->floats.count;
    return value->kind == PIPELINE_NUMBER;
}

/* Largest difference of two answers, each result relative to its largest
 * number. */
static double difference(const struct pipeline_output *a,
                         const struct pipeline_output *b)
{
    double worst = 0;

    for (size_t r = 0; r < a->result_count && r < b->result_count; r++) {
        const struct pipeline_value *x = &a->results[r], *y = &b->results[r];
        size_t count = number_count(y);
        double top = 0, most = 0;

        for (size_t i = 0; i < count && number_count(x) == count; i++) {
            top = fmax(top, fabs(number_at(y, i)));
            most = fmax(most, fabs(number_at(x, i) - number_at(y, i)));
        }
        if (most > 0)
            worst = fmax(worst, most / (top > 0 ? top : 1));
    }
    return worst;
}

struct cost {
    double difference;
    const char *example; /* where it is */
    size_t examples;     /* compared */
};

/* Adds what one example shows; examples that are declined show nothing. */
static bool compare_example(const struct bundle_example *example,
                            struct pipeline_worker *worker,
                            const struct exact *exact, struct cost *cost)
{
    struct pipeline_output reduced = {0}, full = {0};
    struct arena arena;
    struct error ignored;
    bool both;

    arena_init(&arena, 0);
    both = pipeline_example_run(worker, example, &no_limits, &arena, &reduced,
                                &ignored) &&
           pipeline_example_run(exact->worker, example, &no_limits, &arena,
                                &full, &ignored);
    if (both) {
        double found = difference(&reduced, &full);

        cost->examples++;
        if (found >= cost->difference) {
            cost->difference = found;
            cost->example = example->name;
        }
    }
    arena_release(&arena);
    return both;
}

/* An expectation that only float32 meets. */
static bool check_example(const struct srv_bundle *bundle,
                          const struct bundle_example *example,
                          struct pipeline_worker *worker,
                          const struct exact *exact, struct error *err)
{
    struct error cause, ignored;

    if (pipeline_example_check(worker, example, &no_limits, &cause) ||
        !pipeline_example_check(exact->worker, example, &no_limits, &ignored))
        return true;
    return fail(err, ERR_DOCUMENT_INVALID,
                "precision %.10s is not accurate enough, fp32 is: %.180s",
                bundle->precision, cause.msg);
}

static bool measure(const struct srv_bundle *bundle,
                    struct pipeline_worker *worker, struct cost *cost,
                    struct error *err)
{
    struct exact exact = {0};
    bool ok = open_exact(bundle, &exact, err);

    for (size_t i = 0; ok && i < bundle->example_count; i++) {
        const struct bundle_example *example = &bundle->examples[i];

        (void)compare_example(example, worker, &exact, cost);
        ok = check_example(bundle, example, worker, &exact, err);
    }
    close_exact(&exact);
    return ok;
}

bool accuracy_check(const struct srv_bundle *bundle,
                    const struct eng_model *model,
                    struct pipeline_worker *worker, struct error *err)
{
    const char *asked = bundle->precision ? bundle->precision : "fp32";
    struct cost cost = {.example = ""};
    struct eng_stats stats;

    eng_model_stats(model, &stats);
    if (stats.precision == ENG_PRECISION_FP32) {
        if (strcmp(asked, eng_precision_name(stats.precision)) != 0)
            log_event(LOG_WARN, "precision",
                      "model=%s asked=%s used=fp32 reason=\"%s\"", bundle->name,
                      asked,
                      accuracy_precision(bundle) == ENG_PRECISION_FP32
                          ? "the engine does not have it"
                          : stats.precision_reason);
        return true;
    }
    if (!measure(bundle, worker, &cost, err))
        return false;
    log_event(LOG_INFO, "precision",
              "model=%s asked=%s used=%s products=%zu of=%zu examples=%zu "
              "difference=%.2g example=\"%s\"",
              bundle->name, asked, eng_precision_name(stats.precision),
              stats.int8_products, stats.products, cost.examples,
              cost.difference, cost.example);
    return true;
}
