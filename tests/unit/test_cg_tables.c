/*
 * Generated tables against protobuf-c's own descriptors: number, kind, place
 * of the member and of its presence must be the same for every field of every
 * message, in the real APIs and in the golden one that has a field of every
 * kind.
 */
#include "unit.h"

#include <string.h>

#include <protobuf-c/protobuf-c.h>

#include "diary_msg.h"
#include "registry_msg.h"
#include "runtime_msg.h"
#include "shop_msg.h"

/* Roots; the walk follows what they refer to. */
static const struct msg_def *const roots[] = {
    &shop_everything_def,
    &shop_httpnote_def,
    &diary_line_def,
    &registry_status_response_def,
    &registry_register_request_def,
    &registry_register_response_def,
    &registry_unregister_request_def,
    &registry_unregister_response_def,
    &registry_heartbeat_request_def,
    &registry_heartbeat_response_def,
    &registry_list_response_def,
    &registry_resolve_request_def,
    &registry_resolve_response_def,
    &registry_watch_request_def,
    &registry_watch_event_def,
    &runtime_health_response_def,
    &runtime_capabilities_response_def,
    &runtime_acceptable_ranges_response_def,
    &runtime_predict_request_def,
    &runtime_predict_response_def,
    &runtime_info_response_def,
    &runtime_metrics_response_def,
    &runtime_citation_response_def,
    &runtime_test_examples_response_def,
    &runtime_shutdown_response_def,
};

static const ProtobufCType types[] = {
    [MSG_BOOL] = PROTOBUF_C_TYPE_BOOL,    [MSG_I32] = PROTOBUF_C_TYPE_INT32,
    [MSG_U32] = PROTOBUF_C_TYPE_UINT32,   [MSG_I64] = PROTOBUF_C_TYPE_INT64,
    [MSG_U64] = PROTOBUF_C_TYPE_UINT64,   [MSG_F32] = PROTOBUF_C_TYPE_FLOAT,
    [MSG_F64] = PROTOBUF_C_TYPE_DOUBLE,   [MSG_STR] = PROTOBUF_C_TYPE_STRING,
    [MSG_BYTES] = PROTOBUF_C_TYPE_BYTES,  [MSG_JSON] = PROTOBUF_C_TYPE_STRING,
    [MSG_TIME] = PROTOBUF_C_TYPE_MESSAGE, [MSG_ENUM] = PROTOBUF_C_TYPE_ENUM,
    [MSG_MSG] = PROTOBUF_C_TYPE_MESSAGE,
};

static size_t fields_seen;

static void check_message(const struct msg_def *def, int depth);

static void check_values(const struct msg_field *field,
                         const ProtobufCEnumDescriptor *descriptor)
{
    unsigned count = 0;

    for (const struct msg_enum *value = field->values; value->json; value++) {
        assert_non_null(
            protobuf_c_enum_descriptor_get_value(descriptor, value->number));
        assert_int_not_equal(value->number, 0);
        count++;
    }
    assert_int_equal(count + 1, descriptor->n_values); /* and UNSPECIFIED */
}

static void check_field(const struct msg_field *field,
                        const ProtobufCFieldDescriptor *wire, int depth)
{
    bool in_oneof = (field->flags & MSG_IN_ONEOF) != 0;

    fields_seen++;
    assert_int_equal(field->offset, wire->offset);
    assert_int_equal(field->quantifier, wire->quantifier_offset);
    assert_int_equal(in_oneof,
                     (wire->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0);
    if (field->card == MSG_MAP) {
        assert_int_equal(wire->label, PROTOBUF_C_LABEL_REPEATED);
        assert_int_equal(wire->type, PROTOBUF_C_TYPE_MESSAGE);
        assert_int_equal(field->sub->field_count, 2);
        assert_string_equal(field->sub->fields[0].json, "key");
    } else {
        assert_int_equal(wire->label, field->card == MSG_LIST
                                          ? PROTOBUF_C_LABEL_REPEATED
                                          : PROTOBUF_C_LABEL_OPTIONAL);
        assert_int_equal(wire->type, types[field->kind]);
    }
    if (field->sub) {
        assert_ptr_equal(field->sub->descriptor, wire->descriptor);
        check_message(field->sub, depth + 1);
    }
    if (field->card != MSG_MAP && field->kind == MSG_ENUM)
        check_values(field, wire->descriptor);
}

static const ProtobufCFieldDescriptor *wire_of(const struct msg_def *def,
                                               const struct msg_field *field)
{
    const ProtobufCFieldDescriptor *wire =
        protobuf_c_message_descriptor_get_field(def->descriptor, field->number);

    if (!wire)
        fail_msg("%s: no field %u on the wire", def->name, field->number);
    return wire;
}

static void check_message(const struct msg_def *def, int depth)
{
    const ProtobufCMessageDescriptor *descriptor = def->descriptor;

    if (depth > 8) /* messages may contain themselves */
        return;
    assert_int_equal(def->size, descriptor->sizeof_message);
    if (def->fields)
        assert_int_equal(def->field_count, descriptor->n_fields);
    for (size_t i = 0; i < def->field_count; i++) {
        const ProtobufCFieldDescriptor *wire = wire_of(def, &def->fields[i]);

        if (wire)
            check_field(&def->fields[i], wire, depth);
    }
}

static void test_every_field_is_where_protobuf_c_has_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        check_message(roots[i], 0);
    assert_true(fields_seen > 150);
}

static const struct msg_field *field_of(const struct msg_def *def,
                                        const char *json)
{
    for (size_t i = 0; i < def->field_count; i++)
        if (strcmp(def->fields[i].json, json) == 0)
            return &def->fields[i];
    fail_msg("%s has no field '%s'", def->name, json);
    return NULL;
}

static void test_limits_of_the_schema_are_in_the_rules(void **state)
{
    const struct msg_def *def = &shop_everything_def;
    const struct msg_field *labels = field_of(def, "labels");

    (void)state;
    assert_true(field_of(def, "count")->rule->min == 1);
    assert_true(field_of(def, "count")->rule->max == 9007199254740991.0);
    assert_null(field_of(def, "wide")->rule);
    assert_null(field_of(def, "weight")->rule);
    assert_int_equal(field_of(def, "name")->rule->max_size, 40);
    assert_string_equal(field_of(def, "name")->rule->pattern, "^[a-z|]+$");
    assert_string_equal(field_of(def, "form")->rule->values[0], "v1");
    assert_null(field_of(def, "form")->rule->values[1]);
    assert_int_equal(field_of(def, "tags")->rule->min_size, 1);
    assert_string_equal(field_of(def, "tags")->rule->pattern, "^t");
    assert_int_equal(labels->rule->max_size, 3);
    assert_int_equal(labels->sub->fields[0].rule->max_size, 4);
    assert_int_equal(labels->sub->fields[1].rule->max_size, 8);
}

static void test_setters_mark_what_they_set(void **state)
{
    struct shop_everything all;
    struct shop_any any;
    uint8_t byte = 7;

    (void)state;
    shop_everything_init(&all);
    shop_everything_set_flag(&all, true);
    shop_everything_set_default(&all, false);
    shop_everything_set_size(&all, SHOP_SIZE_X_LARGE);
    shop_everything_set_photo(&all, (struct msg_bytes){1, &byte});
    assert_true(all.has_flag && all.flag);
    assert_true(all.has_default_ && !all.default_);
    assert_true(all.has_size && all.size == SHOP_SIZE_X_LARGE);
    assert_true(all.has_photo && all.photo.len == 1 && all.photo.data == &byte);
    assert_false(all.has_count);

    shop_any_init(&any);
    assert_int_equal(any.kind_case, 0);
    shop_any_set_number(&any, 2.5);
    assert_int_equal(any.kind_case, field_of(&shop_any_def, "number")->number);
    shop_any_set_blob(&any, (struct msg_bytes){1, &byte});
    assert_int_equal(any.kind_case, field_of(&shop_any_def, "blob")->number);
    assert_ptr_equal(any.blob.data, &byte);
}

static void test_new_messages_are_initialised(void **state)
{
    struct arena arena;
    struct shop_money *money;

    (void)state;
    arena_init(&arena, 0);
    money = shop_money_new(&arena);
    assert_non_null(money);
    assert_ptr_equal(money->base.descriptor, shop_money_def.descriptor);
    assert_false(money->has_cents);
    arena_release(&arena);

    arena_init(&arena, 1);
    assert_null(shop_money_new(&arena));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_is_where_protobuf_c_has_it),
        cmocka_unit_test(test_limits_of_the_schema_are_in_the_rules),
        cmocka_unit_test(test_setters_mark_what_they_set),
        cmocka_unit_test(test_new_messages_are_initialised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
