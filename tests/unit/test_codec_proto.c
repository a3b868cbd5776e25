/*
 * Bytes become the struct that handlers read, and back.
 */

#include "codec_proto.h"
#include "msg.h"
#include "msg_make.h"
#include "runtime_msg.h"
#include "unit.h"
#include "wire_put.h"

/* A value of `kind` text in an entry of PredictRequest.data. */
static void put_entry(struct buf *out, const char *key, const char *text)
{
    struct buf value = {0}, entry = {0};

    if (key)
        put_text(&entry, 1, key);
    if (text) {
        put_text(&value, 3, text);
        put_buf(&entry, 2, &value);
    }
    put_buf(out, 2, &entry);
}

static void *decode(const struct msg_def *def, struct buf *bytes,
                    struct arena *arena)
{
    void *message = NULL;
    struct error err;

    assert_true(buf_ok(bytes));
    if (!proto_decode(def, bytes->data, bytes->size, arena, &message, &err))
        fail_msg("%s", err.msg);
    buf_release(bytes);
    return message;
}

static void test_codec_proto_decodes_no_bytes_to_an_empty_message(void **state)
{
    struct arena arena = {0};
    struct buf none = {0};
    struct runtime_predict_request *request;

    (void)state;
    request = decode(&runtime_predict_request_def, &none, &arena);
    assert_null(request->input_type);
    assert_int_equal(request->n_data, 0);
    arena_release(&arena);
}

static void test_codec_proto_keeps_the_last_of_equal_keys(void **state)
{
    struct arena arena = {0};
    struct buf bytes = {0};
    struct runtime_predict_request *request;

    (void)state;
    put_entry(&bytes, "b", "first");
    put_entry(&bytes, "a", "only");
    put_entry(&bytes, "b", "second");
    put_entry(&bytes, "c", "kept");
    put_entry(&bytes, "b", "third");
    request = decode(&runtime_predict_request_def, &bytes, &arena);
    assert_int_equal(request->n_data, 3);
    assert_string_equal(request->data[0]->key, "a");
    assert_string_equal(request->data[0]->value->text, "only");
    assert_string_equal(request->data[1]->key, "c");
    assert_string_equal(request->data[2]->key, "b");
    assert_string_equal(request->data[2]->value->text, "third");
    arena_release(&arena);
}

static void test_codec_proto_fills_what_a_map_entry_lacks(void **state)
{
    struct arena arena = {0};
    struct buf bytes = {0}, entry = {0};
    struct runtime_predict_request *request;
    struct runtime_capability *capability;

    (void)state;
    put_entry(&bytes, NULL, NULL);
    request = decode(&runtime_predict_request_def, &bytes, &arena);
    assert_int_equal(request->n_data, 1);
    assert_string_equal(request->data[0]->key, "");
    assert_non_null(request->data[0]->value);
    assert_int_equal(request->data[0]->value->kind_case, 0);

    put_text(&entry, 1, "key");
    put_buf(&bytes, 3, &entry); /* output_schema */
    capability = decode(&runtime_capability_def, &bytes, &arena);
    assert_string_equal(capability->output_schema[0]->key, "key");
    assert_string_equal(capability->output_schema[0]->value, "");
    arena_release(&arena);
}

/* Maps in messages in lists and in single fields are put in order as well. */
static void test_codec_proto_settles_maps_at_every_level(void **state)
{
    struct arena arena = {0};
    struct buf bytes = {0}, inner = {0};
    struct runtime_usage_instructions *usage;

    (void)state;
    put_entry(&inner, "k", "old");
    put_entry(&inner, "k", "new");
    put_buf(&bytes, 3, &inner); /* body_format: PredictRequest */
    usage = decode(&runtime_usage_instructions_def, &bytes, &arena);
    assert_int_equal(usage->body_format->n_data, 1);
    assert_string_equal(usage->body_format->data[0]->value->text, "new");
    arena_release(&arena);
}

static void test_codec_proto_refuses_the_wrong_wire_type(void **state)
{
    struct arena arena = {0};
    struct error err = {0};
    void *message = NULL;

    (void)state;
    /* input_type, a string, as a varint */
    assert_false(proto_decode(&runtime_predict_request_def, "\x08\x01", 2,
                              &arena, &message, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    assert_null(message);
    arena_release(&arena);
}

static void test_codec_proto_says_when_the_arena_is_used_up(void **state)
{
    struct arena arena;
    struct buf bytes = {0};
    struct error err = {0};
    void *message = NULL;

    (void)state;
    put_entry(&bytes, "key", "value");
    for (size_t limit = 1; limit < 4000; limit += 500) {
        arena_init(&arena, limit);
        assert_false(proto_decode(&runtime_predict_request_def, bytes.data,
                                  bytes.size, &arena, &message, &err));
        assert_int_equal(err.code, ERR_OUT_OF_MEMORY);
        arena_release(&arena);
    }
    buf_release(&bytes);
}

/* Handlers zero their structs and never heard of descriptors. */
static void test_codec_proto_encodes_zeroed_structs(void **state)
{
    struct arena arena = {0};
    struct buf out = {0};
    struct error err;
    float numbers[] = {1.0f, -2.5f};
    struct runtime_float_list floats = {.n_values = 2, .values = numbers};
    struct runtime_value value = {.kind_case = 4, .floats = &floats};
    struct runtime_predict_response_results_entry entry = {.key = (char[]){"y"},
                                                           .value = &value};
    struct runtime_predict_response_results_entry *entries[] = {&entry};
    struct runtime_predict_response reply = {.n_results = 1,
                                             .results = entries};
    struct runtime_predict_response *back;

    (void)state;
    buf_string(&out, "kept"); /* the codec appends */
    assert_true(
        proto_encode(&runtime_predict_response_def, &reply, &out, &err));
    assert_memory_equal(out.data, "kept", 4);
    memmove(out.data, out.data + 4, out.size -= 4);
    back = decode(&runtime_predict_response_def, &out, &arena);
    assert_int_equal(back->n_results, 1);
    assert_string_equal(back->results[0]->key, "y");
    assert_int_equal(back->results[0]->value->floats->n_values, 2);
    assert_true(back->results[0]->value->floats->values[1] == -2.5f);
    assert_false(back->has_success);
    arena_release(&arena);
}

static void test_codec_proto_sends_unknown_fields_back(void **state)
{
    static const char bytes[] = "\x0a\x01x\x9a\x06\x03new";
    struct arena arena = {0};
    struct buf in = {0}, out = {0};
    struct error err;
    void *message;

    (void)state;
    buf_append(&in, bytes, sizeof bytes - 1);
    message = decode(&runtime_predict_request_def, &in, &arena);
    assert_true(
        proto_encode(&runtime_predict_request_def, message, &out, &err));
    assert_int_equal(out.size, sizeof bytes - 1);
    assert_memory_equal(out.data, bytes, out.size);
    buf_release(&out);
    arena_release(&arena);
}

/* Numbers that follow each other, far ones, and an order that is not theirs. */
static void test_codec_proto_takes_messages_made_at_run_time(void **state)
{
    static const struct msg_make_field fields[] = {
        {"text", 500000000, MSG_STR, MSG_ONE},
        {"b", 3, MSG_F64, MSG_ONE},
        {"a", 2, MSG_BOOL, MSG_ONE},
        {"n", 1, MSG_I64, MSG_ONE},
        {"floats", 20000, MSG_F32, MSG_LIST},
        {"words", 20001, MSG_STR, MSG_LIST},
        {"blob", 70000, MSG_BYTES, MSG_ONE}};
    float numbers[] = {1.5F, -2.0F};
    char word[] = "two", *words[] = {word, word};
    struct arena arena = {0};
    struct buf bytes = {0};
    struct error err;
    const struct msg_def *def =
        msg_make(&arena, "a.B", fields, COUNT_OF(fields));
    char *sent, *got;
    void *list;

    (void)state;
    assert_non_null(def);
    sent = msg_new(def, &arena);
    got = word;
    memcpy(sent + def->fields[0].offset, &got, sizeof got);
    *(double *)(void *)(sent + def->fields[1].offset) = 0.25;
    msg_mark(&def->fields[1], sent);
    list = numbers;
    memcpy(sent + def->fields[4].offset, &list, sizeof list);
    *(size_t *)(void *)(sent + def->fields[4].quantifier) = 2;
    list = words;
    memcpy(sent + def->fields[5].offset, &list, sizeof list);
    *(size_t *)(void *)(sent + def->fields[5].quantifier) = 2;
    assert_true(proto_encode(def, sent, &bytes, &err));
    got = decode(def, &bytes, &arena);
    assert_string_equal(*(char **)(void *)(got + def->fields[0].offset), "two");
    assert_true(msg_is_set(&def->fields[1], got));
    assert_true(*(double *)(void *)(got + def->fields[1].offset) == 0.25);
    assert_false(msg_is_set(&def->fields[2], got));
    assert_false(msg_is_set(&def->fields[3], got));
    assert_false(msg_is_set(&def->fields[6], got));
    assert_int_equal(msg_count(&def->fields[4], got), 2);
    assert_true((*(float **)(void *)(got + def->fields[4].offset))[1] == -2.0F);
    assert_string_equal((*(char ***)(void *)(got + def->fields[5].offset))[1],
                        "two");
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codec_proto_decodes_no_bytes_to_an_empty_message),
        cmocka_unit_test(test_codec_proto_keeps_the_last_of_equal_keys),
        cmocka_unit_test(test_codec_proto_fills_what_a_map_entry_lacks),
        cmocka_unit_test(test_codec_proto_settles_maps_at_every_level),
        cmocka_unit_test(test_codec_proto_refuses_the_wrong_wire_type),
        cmocka_unit_test(test_codec_proto_says_when_the_arena_is_used_up),
        cmocka_unit_test(test_codec_proto_encodes_zeroed_structs),
        cmocka_unit_test(test_codec_proto_sends_unknown_fields_back),
        cmocka_unit_test(test_codec_proto_takes_messages_made_at_run_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
