/*
 * Codec messages: the tables, as specgen would write them.
 */
#include "codec_messages.h"

#include <math.h>

#define UNBOUNDED .min = (double)NAN, .max = (double)NAN

static const struct msg_field float_list_fields[] = {
    {.json = "items",
     .number = 1,
     .kind = MSG_F32,
     .card = MSG_LIST,
     .offset = offsetof(struct float_list, items),
     .quantifier = offsetof(struct float_list, n_items)}};
static const struct msg_def float_list_def = {.name = "test.FloatList",
                                              .size = sizeof(struct float_list),
                                              .fields = float_list_fields,
                                              .field_count = 1};

static const struct msg_field string_list_fields[] = {
    {.json = "items",
     .number = 1,
     .kind = MSG_STR,
     .card = MSG_LIST,
     .offset = offsetof(struct string_list, items),
     .quantifier = offsetof(struct string_list, n_items)}};
static const struct msg_def string_list_def = {.name = "test.StringList",
                                               .size =
                                                   sizeof(struct string_list),
                                               .fields = string_list_fields,
                                               .field_count = 1};

#define CHOICE(name, value, kind_of, message)                                  \
    {                                                                          \
        .json = #name, .number = (value), .kind = (kind_of), .card = MSG_ONE,  \
        .flags = MSG_IN_ONEOF, .offset = offsetof(struct any, name),           \
        .quantifier = offsetof(struct any, kind), .sub = (message)             \
    }
static const struct msg_field any_fields[] = {
    CHOICE(number, ANY_NUMBER, MSG_F64, NULL),
    CHOICE(flag, ANY_FLAG, MSG_BOOL, NULL),
    CHOICE(text, ANY_TEXT, MSG_STR, NULL),
    CHOICE(floats, ANY_FLOATS, MSG_MSG, &float_list_def),
    CHOICE(strings, ANY_STRINGS, MSG_MSG, &string_list_def),
    CHOICE(blob, ANY_BLOB, MSG_BYTES, NULL),
    CHOICE(json, ANY_JSON, MSG_JSON, NULL)};
const struct msg_def any_def = {.name = "test.Any",
                                .size = sizeof(struct any),
                                .shape = MSG_UNTAGGED,
                                .fields = any_fields,
                                .field_count = 7};

static const struct msg_field any_entry_fields[] = {
    {.json = "key",
     .number = 1,
     .kind = MSG_STR,
     .offset = offsetof(struct any_entry, key)},
    {.json = "value",
     .number = 2,
     .kind = MSG_MSG,
     .sub = &any_def,
     .offset = offsetof(struct any_entry, value)}};
static const struct msg_def any_entry_def = {.name = "test.AnyEntry",
                                             .size = sizeof(struct any_entry),
                                             .fields = any_entry_fields,
                                             .field_count = 2};

static const struct msg_rule count_rule = {.min = 0, .max = 1000};
static const struct msg_rule key_rule = {UNBOUNDED, .max_size = 8,
                                         .pattern = "^[a-z]+$"};
static const struct msg_field count_entry_fields[] = {
    {.json = "key",
     .number = 1,
     .kind = MSG_STR,
     .rule = &key_rule,
     .offset = offsetof(struct count_entry, key)},
    {.json = "value",
     .number = 2,
     .kind = MSG_I64,
     .rule = &count_rule,
     .offset = offsetof(struct count_entry, value),
     .quantifier = offsetof(struct count_entry, has_value)}};
static const struct msg_def count_entry_def = {.name = "test.CountEntry",
                                               .size =
                                                   sizeof(struct count_entry),
                                               .fields = count_entry_fields,
                                               .field_count = 2};

static const struct msg_rule label_rule = {UNBOUNDED, .min_size = 1,
                                           .max_size = 10, .pattern = "^[A-Z]"};
static const struct msg_rule size_rule = {.min = -5, .max = 5};
static const struct msg_field inner_fields[] = {
    {.json = "label",
     .number = 1,
     .kind = MSG_STR,
     .flags = MSG_REQUIRED,
     .offset = offsetof(struct inner, label),
     .rule = &label_rule},
    {.json = "size",
     .number = 2,
     .kind = MSG_I32,
     .offset = offsetof(struct inner, size),
     .quantifier = offsetof(struct inner, has_size),
     .rule = &size_rule},
    {.json = "inner",
     .number = 3,
     .kind = MSG_MSG,
     .sub = &inner_def,
     .offset = offsetof(struct inner, inner)}};
const struct msg_def inner_def = {.name = "test.Inner",
                                  .size = sizeof(struct inner),
                                  .fields = inner_fields,
                                  .field_count = 3};

static const struct msg_enum colors[] = {{"red", 1}, {"green", 2}, {NULL, 0}};
static const char *const listed[] = {"one", "two", "three", NULL};
static const struct msg_rule numbers_rule = {
    .min = -100, .max = 100, .max_size = 4};
static const struct msg_rule texts_rule = {UNBOUNDED, .max_size = 3,
                                           .values = listed};
static const struct msg_rule bytes_rule = {UNBOUNDED, .max_size = 16};
static const struct msg_rule values_rule = {UNBOUNDED, .max_size = 5};

#define NUMBER(name, n, kind_of)                                               \
    {                                                                          \
        .json = #name, .number = (n), .kind = (kind_of),                       \
        .offset = offsetof(struct sample, name),                               \
        .quantifier = offsetof(struct sample, has_##name)                      \
    }
#define POINTER(name, n, kind_of, message)                                     \
    {                                                                          \
        .json = #name, .number = (n), .kind = (kind_of), .sub = (message),     \
        .offset = offsetof(struct sample, name)                                \
    }
#define LIST(name, n, kind_of, message, limits)                                \
    {                                                                          \
        .json = #name, .number = (n), .kind = (kind_of), .card = MSG_LIST,     \
        .offset = offsetof(struct sample, name), .sub = (message),             \
        .quantifier = offsetof(struct sample, n_##name), .rule = (limits)      \
    }
static const struct msg_field sample_fields[] = {
    NUMBER(yes, 1, MSG_BOOL),
    NUMBER(i32, 2, MSG_I32),
    NUMBER(u32, 3, MSG_U32),
    NUMBER(i64, 4, MSG_I64),
    NUMBER(u64, 5, MSG_U64),
    NUMBER(f32, 6, MSG_F32),
    NUMBER(f64, 7, MSG_F64),
    POINTER(text, 8, MSG_STR, NULL),
    {.json = "bytes",
     .number = 9,
     .kind = MSG_BYTES,
     .rule = &bytes_rule,
     .offset = offsetof(struct sample, bytes),
     .quantifier = offsetof(struct sample, has_bytes)},
    POINTER(free, 10, MSG_JSON, NULL),
    POINTER(when, 11, MSG_TIME, NULL),
    {.json = "color",
     .number = 12,
     .kind = MSG_ENUM,
     .values = colors,
     .offset = offsetof(struct sample, color),
     .quantifier = offsetof(struct sample, has_color)},
    POINTER(inner, 13, MSG_MSG, &inner_def),
    {.json = "nothing",
     .number = 14,
     .kind = MSG_STR,
     .flags = MSG_NULLABLE | MSG_EMIT_ALWAYS,
     .offset = offsetof(struct sample, nothing)},
    {.json = "left",
     .number = 15,
     .kind = MSG_I64,
     .flags = MSG_IN_ONEOF,
     .offset = offsetof(struct sample, left),
     .quantifier = offsetof(struct sample, choice)},
    {.json = "right",
     .number = 16,
     .kind = MSG_STR,
     .flags = MSG_IN_ONEOF,
     .offset = offsetof(struct sample, right),
     .quantifier = offsetof(struct sample, choice)},
    LIST(numbers, 17, MSG_I64, NULL, &numbers_rule),
    LIST(floats, 18, MSG_F32, NULL, NULL),
    LIST(doubles, 19, MSG_F64, NULL, NULL),
    LIST(texts, 20, MSG_STR, NULL, &texts_rule),
    LIST(inners, 21, MSG_MSG, &inner_def, NULL),
    {.json = "values",
     .number = 22,
     .kind = MSG_MSG,
     .card = MSG_MAP,
     .offset = offsetof(struct sample, values),
     .sub = &any_entry_def,
     .quantifier = offsetof(struct sample, n_values),
     .rule = &values_rule},
    {.json = "counts",
     .number = 23,
     .kind = MSG_I64,
     .card = MSG_MAP,
     .offset = offsetof(struct sample, counts),
     .sub = &count_entry_def,
     .quantifier = offsetof(struct sample, n_counts)}};
const struct msg_def sample_def = {.name = "test.Sample",
                                   .size = sizeof(struct sample),
                                   .fields = sample_fields,
                                   .field_count = sizeof sample_fields /
                                                  sizeof sample_fields[0]};

static const struct msg_field open_sample_fields[] = {
    {.json = "text",
     .number = 1,
     .kind = MSG_STR,
     .flags = MSG_REQUIRED,
     .offset = offsetof(struct open_sample, text)},
    {.json = "values",
     .number = 2,
     .kind = MSG_MSG,
     .card = MSG_MAP,
     .flags = MSG_REQUIRED,
     .offset = offsetof(struct open_sample, values),
     .quantifier = offsetof(struct open_sample, n_values),
     .sub = &any_entry_def}};
const struct msg_def open_sample_def = {.name = "test.OpenSample",
                                        .size = sizeof(struct open_sample),
                                        .open = true,
                                        .fields = open_sample_fields,
                                        .field_count = 2};
