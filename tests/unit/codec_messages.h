/*
 * Codec messages: one hand-made message with every kind and cardinality that
 * contract.h knows, so that the codec tests do not change with api/.
 *
 * Threads: tests are single-threaded.
 */
#ifndef TESTS_CODEC_MESSAGES_H
#define TESTS_CODEC_MESSAGES_H

#include "contract.h"
#include "msg.h"

/* What every protobuf-c struct begins with. */
struct head {
    const void *descriptor;
    unsigned unknown_count;
    void *unknown;
};

struct float_list {
    struct head head;
    size_t n_items;
    float *items;
};

struct string_list {
    struct head head;
    size_t n_items;
    char **items;
};

enum any_case {
    ANY_NONE,
    ANY_NUMBER,
    ANY_FLAG,
    ANY_TEXT,
    ANY_FLOATS,
    ANY_STRINGS,
    ANY_BLOB,
    ANY_JSON
};

/* As Value of the Runtime API: the bare value in JSON. */
struct any {
    struct head head;
    int kind;
    union {
        double number;
        int flag;
        char *text;
        struct float_list *floats;
        struct string_list *strings;
        struct msg_bytes blob;
        char *json;
    };
};

struct any_entry {
    struct head head;
    char *key;
    struct any *value;
};

struct count_entry {
    struct head head;
    char *key;
    int has_value;
    int64_t value;
};

struct inner {
    struct head head;
    char *label; /* required */
    int has_size;
    int32_t size;
    struct inner *inner;
};

struct sample {
    struct head head;
    int has_yes;
    int yes;
    int has_i32;
    int32_t i32;
    int has_u32;
    uint32_t u32;
    int has_i64;
    int64_t i64;
    int has_u64;
    uint64_t u64;
    int has_f32;
    float f32;
    int has_f64;
    double f64;
    char *text;
    int has_bytes;
    struct msg_bytes bytes;
    char *free;
    struct msg_time *when;
    int has_color;
    int color;
    struct inner *inner;
    char *nothing; /* nullable, always written */
    int choice;
    union {
        int64_t left;
        char *right;
    };
    size_t n_numbers;
    int64_t *numbers;
    size_t n_floats;
    float *floats;
    size_t n_doubles;
    double *doubles;
    size_t n_texts;
    char **texts;
    size_t n_inners;
    struct inner **inners;
    size_t n_values;
    struct any_entry **values;
    size_t n_counts;
    struct count_entry **counts;
};

/* Required: text and values; keys that nobody knows are skipped. */
struct open_sample {
    struct head head;
    char *text;
    size_t n_values;
    struct any_entry **values;
};

extern const struct msg_def any_def, inner_def, sample_def, open_sample_def;

#endif
