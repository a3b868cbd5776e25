/*
 * Runtime API 1.2: what the endpoints that describe the model answer.
 */
#include <string.h>
#include <time.h>

#include "conform.h"

static const char *const paths[] = {
    "/health",  "/capabilities", "/acceptable_ranges", "/info",
    "/metrics", "/citation",     "/test_examples"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The endpoint answers, and has these members. */
static void check(struct conform_case *test, const char *path,
                  const struct conform_member *members)
{
    struct conform_answer answer;

    if (conform_get(test, path, &answer))
        (void)conform_shape(test, answer.json, members);
    conform_answer_free(&answer);
}

void conform_endpoints(struct conform_case *test)
{
    struct conform_answer answer;

    for (size_t i = 0; i < COUNT(paths); i++) {
        if (conform_get(test, paths[i], &answer))
            (void)conform_expect(
                test, strcmp(answer.type, "application/json") == 0,
                "GET %s is of type '%s'", paths[i], answer.type);
        conform_answer_free(&answer);
    }
}

void conform_version(struct conform_case *test)
{
    static const struct conform_member members[] = {{"version", "=1.2.0"},
                                                    {NULL, NULL}};

    check(test, "/health", members);
    check(test, "/acceptable_ranges", members);
}

void conform_health(struct conform_case *test)
{
    check(test, "/health",
          (const struct conform_member[]){{"status", "=ok"},
                                          {"model", "string"},
                                          {"version", "string"},
                                          {NULL, NULL}});
}

void conform_capabilities(struct conform_case *test)
{
    check(test, "/capabilities",
          (const struct conform_member[]){{"model", "string"},
                                          {"capabilities", "array"},
                                          {"capabilities.[]", "object"},
                                          {NULL, NULL}});
}

void conform_capability(struct conform_case *test)
{
    check(test, "/capabilities",
          (const struct conform_member[]){
              {"capabilities.[].name", "string"},
              {"capabilities.[].input_types", "array"},
              {"capabilities.[].input_types.[]", "string"},
              {"capabilities.[].output_schema", "object"},
              {"capabilities.[].description", "string"},
              {NULL, NULL}});
}

void conform_elements(struct conform_case *test)
{
    check(test, "/capabilities",
          (const struct conform_member[]){{"?elements", "array"},
                                          {"?elements.[]", "string"},
                                          {NULL, NULL}});
}

static bool is_listed(const json_t *value, const char *const *words,
                      size_t count)
{
    const char *text = json_string_value(value);

    for (size_t i = 0; text && i < count; i++)
        if (strcmp(words[i], text) == 0)
            return true;
    return false;
}

/* "array" is what older servers say for both kinds of list. */
static void check_words(struct conform_case *test, const json_t *capability)
{
    static const char *const inputs[] = {"text", "image", "audio", "tabular"};
    static const char *const outputs[] = {
        "array<float>", "array<string>", "array", "float", "string", "object"};
    const char *key;
    json_t *value;
    size_t index;

    json_array_foreach(json_object_get(capability, "input_types"), index, value)
    {
        (void)conform_expect(test, is_listed(value, inputs, COUNT(inputs)),
                             "'%s' is no input type", json_string_value(value));
    }
    json_object_foreach(json_object_get(capability, "output_schema"), key,
                        value)
    {
        (void)conform_expect(test, is_listed(value, outputs, COUNT(outputs)),
                             "'%s' is no output type",
                             json_is_string(value) ? json_string_value(value)
                                                   : key);
    }
}

void conform_vocabulary(struct conform_case *test)
{
    struct conform_answer answer;
    json_t *capability;
    size_t index;

    (void)conform_get(test, "/capabilities", &answer);
    json_array_foreach(json_object_get(answer.json, "capabilities"), index,
                       capability)
    {
        check_words(test, capability);
    }
    conform_answer_free(&answer);
}

void conform_ranges(struct conform_case *test)
{
    check(test, "/acceptable_ranges",
          (const struct conform_member[]){{"model", "string"},
                                          {"version", "string"},
                                          {"description", "string"},
                                          {"property_ranges", "object"},
                                          {NULL, NULL}});
}

void conform_training_range(struct conform_case *test)
{
    static const struct conform_member members[] = {
        {"property_ranges.*.property_name", "string"},
        {"property_ranges.*.unit", "string"},
        {"property_ranges.*.training_range.min", "number"},
        {"property_ranges.*.training_range.max", "number"},
        {"property_ranges.*.training_range.mean", "number"},
        {NULL, NULL}};
    struct conform_answer answer;
    const char *name;
    json_t *property;

    if (conform_get(test, "/acceptable_ranges", &answer))
        (void)conform_shape(test, answer.json, members);
    json_object_foreach(json_object_get(answer.json, "property_ranges"), name,
                        property)
    {
        json_t *range = json_object_get(property, "training_range");
        double mean = json_number_value(json_object_get(range, "mean"));

        (void)conform_expect(
            test,
            json_number_value(json_object_get(range, "min")) <= mean &&
                mean <= json_number_value(json_object_get(range, "max")),
            "the mean of '%s' is outside min and max", name);
    }
    conform_answer_free(&answer);
}

void conform_reliable_range(struct conform_case *test)
{
    check(test, "/acceptable_ranges",
          (const struct conform_member[]){
              {"property_ranges.*.reliable_range.min", "number"},
              {"property_ranges.*.reliable_range.max", "number"},
              {"property_ranges.*.reliable_range.note", "string"},
              {"property_ranges.*.training_samples", "integer"},
              {"property_ranges.*.validation_metrics", "object"},
              {NULL, NULL}});
}

void conform_scope(struct conform_case *test)
{
    check(test, "/acceptable_ranges",
          (const struct conform_member[]){
              {"chemical_scope.supported_features", "array"},
              {"chemical_scope.supported_features.[]", "string"},
              {"chemical_scope.limitations", "array"},
              {"chemical_scope.limitations.[]", "string"},
              {"usage_recommendations", "array"},
              {"usage_recommendations.[]", "string"},
              {NULL, NULL}});
}

void conform_info(struct conform_case *test)
{
    check(test, "/info",
          (const struct conform_member[]){{"name", "string"},
                                          {"description", "string"},
                                          {"license", "string"},
                                          {"citation", "string"},
                                          {"maintainer", "string"},
                                          {NULL, NULL}});
}

void conform_metrics(struct conform_case *test)
{
    check(test, "/metrics",
          (const struct conform_member[]){{"uptime_s", "number"},
                                          {"requests_served", "integer"},
                                          {"avg_latency_ms", "number"},
                                          {"last_error", "string|null"},
                                          {NULL, NULL}});
}

/* Entries "@type{key, ...}" with balanced braces, at least one. */
static bool is_bibtex(const char *text)
{
    const char *at = strchr(text, '@');
    int depth = 0;

    if (!at || !strchr(at, '{') || !strchr(at, ','))
        return false;
    for (; *at; at++) {
        depth += (*at == '{') - (*at == '}');
        if (depth < 0)
            return false;
    }
    return depth == 0;
}

void conform_citation(struct conform_case *test)
{
    static const struct conform_member members[] = {
        {"paper_citation", "string"},
        {"software_bibtex", "string"},
        {NULL, NULL}};
    struct conform_answer answer;

    if (conform_get(test, "/citation", &answer) &&
        conform_shape(test, answer.json, members)) {
        const char *paper =
            json_string_value(json_object_get(answer.json, "paper_citation"));
        const char *software =
            json_string_value(json_object_get(answer.json, "software_bibtex"));

        (void)(conform_expect(test, *paper, "paper_citation is empty") &&
               conform_expect(test, is_bibtex(software),
                              "software_bibtex is no BibTeX"));
    }
    conform_answer_free(&answer);
}

/* ---- examples ---- */

void conform_examples(struct conform_case *test)
{
    static const struct conform_member members[] = {
        {"examples", "array"},
        {"examples.[].name", "string"},
        {"examples.[].description", "string"},
        {"examples.[].category", "string"},
        {NULL, NULL}};
    struct conform_answer answer;
    json_t *example;
    size_t index;

    if (conform_get(test, "/test_examples", &answer))
        (void)conform_shape(test, answer.json, members);
    json_array_foreach(json_object_get(answer.json, "examples"), index, example)
    {
        (void)conform_expect(
            test, json_object_get(example, "data") || conform_input_of(example),
            "example %zu has no input", index);
    }
    conform_answer_free(&answer);
}

void conform_instructions(struct conform_case *test)
{
    check(test, "/test_examples",
          (const struct conform_member[]){
              {"usage_instructions.endpoint", "=/predict"},
              {"usage_instructions.method", "=POST"},
              {"usage_instructions.body_format.input_type", "string"},
              {"usage_instructions.body_format.data", "object"},
              {"expected_output", "object"},
              {"notes", "array"},
              {"notes.[]", "string"},
              {NULL, NULL}});
}

/* ---- the model's name ---- */

void conform_one_name(struct conform_case *test)
{
    static const struct {
        const char *path, *key;
    } places[] = {{"/health", "model"},
                  {"/capabilities", "model"},
                  {"/acceptable_ranges", "model"},
                  {"/info", "name"}};
    char first[256] = "";

    for (size_t i = 0; i < COUNT(places); i++) {
        struct conform_answer answer;
        const char *name;

        if (conform_get(test, places[i].path, &answer)) {
            name =
                json_string_value(json_object_get(answer.json, places[i].key));
            if (!*first && name)
                (void)strncpy(first, name, sizeof first - 1);
            (void)conform_expect(test, name && strcmp(name, first) == 0,
                                 "%s says '%s', /health '%s'", places[i].path,
                                 name ? name : "", first);
        }
        conform_answer_free(&answer);
    }
}
