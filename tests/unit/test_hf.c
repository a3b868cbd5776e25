/*
 * Hugging Face folders: what is refused, and by which name. That good folders
 * give the right numbers is ops.hf, over the same data.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine.h"

#define GOOD   "tests/data/hf/bert_model"
#define SHARDS "tests/data/hf/bert_shards"

enum { PATH_SIZE = 512, TEXT_MAX = 1 << 16 };

static char folder[] = "/tmp/specserve-hf-XXXXXX";

struct bytes {
    char *data;
    size_t size;
};

static struct bytes read_file(const char *dir, const char *name)
{
    char path[PATH_SIZE];
    struct bytes bytes = {calloc(1, TEXT_MAX + 1), 0};
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "re");
    if (!file)
        fail_msg("%s is missing\n", path);
    bytes.size = fread(bytes.data, 1, TEXT_MAX, file);
    (void)fclose(file);
    return bytes;
}

static void write_file(const char *name, const void *data, size_t size)
{
    char path[PATH_SIZE];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    (void)fclose(file);
}

static void copy_file(const char *from, const char *name)
{
    struct bytes bytes = read_file(from, name);

    write_file(name, bytes.data, bytes.size);
    free(bytes.data);
}

static void remove_file(const char *name)
{
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
    (void)rmdir(path);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int clean(void **state)
{
    static const char *const names[] = {
        "config.json", "model.safetensors", "model.safetensors.index.json",
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        remove_file(names[i]);
    return 0;
}

static int start_good(void **state)
{
    (void)state;
    copy_file(GOOD, "config.json");
    copy_file(GOOD, "model.safetensors");
    return 0;
}

static int start_shards(void **state)
{
    (void)state;
    copy_file(SHARDS, "config.json");
    copy_file(SHARDS, "model.safetensors.index.json");
    copy_file(SHARDS, "model-00001-of-00002.safetensors");
    copy_file(SHARDS, "model-00002-of-00002.safetensors");
    return 0;
}

/* Opening fails with this code, and the sentence holds `text`. */
static void refused(enum err_code code, const char *text)
{
    struct error err = {0};
    struct eng_model *model = eng_model_open(folder, NULL, &err);

    if (model)
        fail_msg("opened, expected an error with '%s'\n", text);
    if (err.code != code || !strstr(err.msg, text))
        fail_msg("error %d '%s', expected %d '%s'\n", (int)err.code, err.msg,
                 (int)code, text);
}

static bool opens(void)
{
    struct error err = {0};
    struct eng_model *model = eng_model_open(folder, NULL, &err);

    if (!model && (err.code == ERR_NONE || err.code == ERR_INTERNAL))
        fail_msg("refused without a reason\n");
    eng_model_put(model);
    return model != NULL;
}

static void append(struct bytes *out, const char *bytes, size_t size)
{
    memcpy(out->data + out->size, bytes, size);
    out->size += size;
}

/* The first `from` becomes `to`. */
static struct bytes replaced(struct bytes in, const char *from, const char *to)
{
    const char *at = memmem(in.data, in.size, from, strlen(from));
    struct bytes out = {NULL, 0};
    const char *behind;

    if (!at) {
        fail_msg("'%s' is not there\n", from);
        return in;
    }
    out.data = calloc(1, in.size + strlen(to) + 1);
    assert_non_null(out.data);
    behind = at + strlen(from);
    append(&out, in.data, (size_t)(at - in.data));
    append(&out, to, strlen(to));
    append(&out, behind, (size_t)(in.data + in.size - behind));
    free(in.data);
    return out;
}

struct change {
    const char *from, *to;
    enum err_code code;
    const char *text;
};

static const struct change config_changes[] = {
    {"\"model_type\": \"bert\"", "\"model_type\": \"gpt2\"",
     ERR_MODEL_UNSUPPORTED, "model_type 'gpt2'"},
    {"\"model_type\"", "\"model_kind\"", ERR_MODEL_UNSUPPORTED,
     "model_type ''"},
    {"\"BertModel\"", "\"BertForNextSentencePrediction\"",
     ERR_MODEL_UNSUPPORTED, "'BertForNextSentencePrediction'"},
    {"\"BertModel\"", "\"BertModel\", \"BertForMaskedLM\"", ERR_MODEL_INVALID,
     "architectures"},
    {"\"BertModel\"", "7", ERR_MODEL_INVALID, "architectures"},
    {"\"hidden_act\": \"gelu\"", "\"hidden_act\": \"selu\"",
     ERR_MODEL_UNSUPPORTED, "hidden_act 'selu'"},
    {"\"is_decoder\": false", "\"is_decoder\": true", ERR_MODEL_UNSUPPORTED,
     "is_decoder"},
    {"\"add_cross_attention\": false", "\"add_cross_attention\": true",
     ERR_MODEL_UNSUPPORTED, "add_cross_attention"},
    {"\"is_decoder\": false", "\"position_embedding_type\": \"relative_key\"",
     ERR_MODEL_UNSUPPORTED, "position_embedding_type 'relative_key'"},
    {"\"is_decoder\": false", "\"pruned_heads\": {\"0\": [1]}",
     ERR_MODEL_UNSUPPORTED, "pruned_heads"},
    {"\"is_decoder\": false", "\"quantization_config\": {\"bits\": 4}",
     ERR_MODEL_UNSUPPORTED, "quantization_config"},
    {"\"num_attention_heads\": 2", "\"num_attention_heads\": 3",
     ERR_MODEL_INVALID, "3 heads do not divide a width of 16"},
    {"\"num_attention_heads\": 2", "\"num_attention_heads\": null",
     ERR_MODEL_INVALID, "'num_attention_heads' is missing"},
    {"\"num_attention_heads\": 2", "\"num_attention_heads\": 0",
     ERR_MODEL_INVALID, "num_attention_heads"},
    {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000000",
     ERR_MODEL_INVALID, "num_hidden_layers"},
    {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1",
     ERR_MODEL_UNSUPPORTED, "encoder.layer.1"},
    {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", ERR_MODEL_INVALID,
     "'encoder.layer.2.attention.self.query.weight' is missing"},
    {"\"hidden_size\": 16", "\"hidden_size\": 32", ERR_MODEL_INVALID,
     "has shape [40, 16], expected [40, 32]"},
    {"\"hidden_size\": 16", "\"hidden_size\": \"16\"", ERR_MODEL_INVALID,
     "'hidden_size' must be a whole number"},
    {"\"hidden_size\": 16", "\"hidden_size\": 16.5", ERR_MODEL_INVALID,
     "'hidden_size' must be a whole number"},
    {"\"vocab_size\": 40", "\"vocab_size\": 41", ERR_MODEL_INVALID,
     "word_embeddings"},
    {"\"max_position_embeddings\": 12", "\"max_position_embeddings\": 13",
     ERR_MODEL_INVALID, "position_embeddings"},
    {"\"type_vocab_size\": 2", "\"type_vocab_size\": 3", ERR_MODEL_INVALID,
     "token_type_embeddings"},
    {"\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": -1", ERR_MODEL_INVALID,
     "layer_norm_eps"},
    {"\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": 1e999",
     ERR_MODEL_INVALID, "layer_norm_eps"},
    {"\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": NaN", ERR_MODEL_INVALID,
     "config.json"},
    {"\"hidden_size\": 16", "\"hidden_size\": 16, \"hidden_size\": 16",
     ERR_MODEL_INVALID, "'hidden_size' comes twice"},
    {"\"use_cache\": true", "\"x\": [[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]",
     ERR_MODEL_INVALID, "nested too deep"},
    {"\"use_cache\": true", "\"use_cache\": true}", ERR_MODEL_INVALID,
     "config.json"},
};

static void test_config_fields_are_respected_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(config_changes); i++) {
        struct bytes config =
            replaced(read_file(GOOD, "config.json"), config_changes[i].from,
                     config_changes[i].to);

        write_file("config.json", config.data, config.size);
        free(config.data);
        refused(config_changes[i].code, config_changes[i].text);
    }
}

static void test_labels_and_head_must_agree(void **state)
{
    struct bytes config;

    (void)state;
    config = replaced(read_file(SHARDS, "config.json"), "\"2\": \"LABEL_2\"",
                      "\"2\": \"LABEL_2\", \"3\": \"LABEL_3\"");
    write_file("config.json", config.data, config.size);
    refused(ERR_MODEL_INVALID, "has 3 rows, config.json 4 labels");
    config = replaced(config, "BertForSequenceClassification",
                      "BertForTokenClassification");
    config = replaced(config, ", \"3\": \"LABEL_3\"", "");
    write_file("config.json", config.data, config.size);
    assert_true(opens());
    config = replaced(config, "BertForTokenClassification", "BertForMaskedLM");
    write_file("config.json", config.data, config.size);
    refused(ERR_MODEL_INVALID,
            "'cls.predictions.transform.dense.weight' is missing");
    free(config.data);
}

/* --- safetensors --- */

static uint64_t header_size(const struct bytes *file)
{
    uint64_t size;

    memcpy(&size, file->data, sizeof size);
    return size;
}

static void set_header_size(struct bytes *file, uint64_t size)
{
    memcpy(file->data, &size, sizeof size);
}

static void write_changed(const char *from, const char *to)
{
    struct bytes file = read_file(GOOD, "model.safetensors");
    size_t before = file.size;

    file = replaced(file, from, to);
    set_header_size(&file, header_size(&file) + file.size - before);
    write_file("model.safetensors", file.data, file.size);
    free(file.data);
}

/* The tensor that comes first in the file, as the header has it. */
#define FIRST                                                                  \
    "\"embeddings.LayerNorm.bias\":{\"dtype\":\"F32\",\"shape\":[16],"         \
    "\"data_offsets\":[0,64]}"

static const struct change header_changes[] = {
    {"\"data_offsets\":[0,64]", "\"data_offsets\":[0,60]", ERR_MODEL_INVALID,
     "has bytes 0 to 60, its shape needs 64"},
    {"\"data_offsets\":[0,64]", "\"data_offsets\":[4,68]", ERR_MODEL_INVALID,
     "begins at byte 4, behind a gap from 0"},
    {"\"data_offsets\":[64,128]", "\"data_offsets\":[0,64]", ERR_MODEL_INVALID,
     "inside another"},
    {"\"data_offsets\":[0,64]", "\"data_offsets\":[64,0]", ERR_MODEL_INVALID,
     "has bytes 64 to 0"},
    {"\"data_offsets\":[0,64]", "\"data_offsets\":[0,64,128]",
     ERR_MODEL_INVALID, "more than 2"},
    {"\"data_offsets\":[0,64]", "\"data_offsets\":[0]", ERR_MODEL_INVALID,
     "1 data_offsets"},
    {"\"data_offsets\":[0,64]", "\"data_offsets\":[-64,0]", ERR_MODEL_INVALID,
     "data_offsets"},
    {"\"data_offsets\":[0,64]",
     "\"data_offsets\":[18446744073709551552,18446744073709551616]",
     ERR_MODEL_INVALID, "data_offsets"},
    {"\"shape\":[16]", "\"shape\":[4611686018427387904,16]", ERR_MODEL_INVALID,
     "too many elements"},
    {"\"shape\":[16]", "\"shape\":[1,1,1,1,1,1,1,1,16]", ERR_MODEL_INVALID,
     "shape"},
    {"\"shape\":[16]", "\"shape\":[-16]", ERR_MODEL_INVALID, "shape"},
    {"\"shape\":[16]", "\"shape\":[16.5]", ERR_MODEL_INVALID, "shape"},
    {"\"shape\":[16]", "\"shape\":16", ERR_MODEL_INVALID, "shape"},
    {"\"shape\":[16]", "\"shape\":[4,4]", ERR_MODEL_INVALID,
     "has shape [4, 4], expected [16]"},
    {"\"F32\"", "\"F8_E4M3\"", ERR_MODEL_UNSUPPORTED, "'F8_E4M3'"},
    {"\"F32\"", "\"I32\"", ERR_MODEL_UNSUPPORTED, "is int32"},
    {"\"F32\"", "32", ERR_MODEL_INVALID, "dtype"},
    {"\"dtype\":\"F32\",", "", ERR_MODEL_INVALID, "needs dtype"},
    {"\"dtype\":\"F32\",", "\"dtype\":\"F32\",\"stride\":1,", ERR_MODEL_INVALID,
     "embeddings.LayerNorm.bias"},
    {"\"dtype\":\"F32\",", "\"dtype\":\"F32\",\"dtype\":\"F32\",",
     ERR_MODEL_INVALID, "embeddings.LayerNorm.bias"},
    {FIRST, FIRST "," FIRST, ERR_MODEL_INVALID,
     "'embeddings.LayerNorm.bias' comes twice"},
    {FIRST, "\"a\\nb\":{}", ERR_MODEL_INVALID, "control character"},
    {FIRST, "\"\":{}", ERR_MODEL_INVALID, "0 bytes"},
    {FIRST, "\"x\":7", ERR_MODEL_INVALID, "'x'"},
    {FIRST, "\"x\":[[[[[[0]]]]]]", ERR_MODEL_INVALID, "nested too deep"},
    {"embeddings.LayerNorm.bias", "embeddings.LayerNorm.bia5",
     ERR_MODEL_INVALID, "'embeddings.LayerNorm.bias' is missing"},
    {"\"format\":\"pt\"", "\"format\":1", ERR_MODEL_INVALID, "__metadata__"},
    {FIRST,
     FIRST ",\"encoder.adapter\":{\"dtype\":\"F32\",\"shape\":[0],"
           "\"data_offsets\":[64,64]}",
     ERR_MODEL_UNSUPPORTED, "'encoder.adapter' has no place"},
};

static void test_headers_that_lie_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(header_changes); i++) {
        write_changed(header_changes[i].from, header_changes[i].to);
        refused(header_changes[i].code, header_changes[i].text);
    }
}

static void test_no_safetensors_file(void **state)
{
    static const char *const files[] = {
        "", "x", "PK\003\004 zip", "\177ELF\002\001\001\000",
        "version https://git-lfs.github.com/spec/v1\n"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        write_file("model.safetensors", files[i], strlen(files[i]));
        refused(ERR_MODEL_INVALID, "no safetensors file");
    }
}

static void test_header_sizes_outside_the_file(void **state)
{
    struct bytes file = read_file(GOOD, "model.safetensors");
    const uint64_t good = header_size(&file);
    const uint64_t sizes[] = {0,        1,          good - 1,
                              good + 1, file.size,  file.size - 7,
                              1U << 30, UINT64_MAX, UINT64_MAX - 7};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        set_header_size(&file, sizes[i]);
        write_file("model.safetensors", file.data, file.size);
        refused(ERR_MODEL_INVALID, "model.safetensors");
    }
    free(file.data);
}

static void test_every_truncation_is_refused(void **state)
{
    struct bytes file = read_file(GOOD, "model.safetensors");
    size_t header = header_size(&file) + 8;

    (void)state;
    for (size_t size = 0; size < file.size; size += size < header ? 17 : 997) {
        write_file("model.safetensors", file.data, size);
        refused(ERR_MODEL_INVALID, "model.safetensors");
    }
    write_file("model.safetensors", file.data, file.size + 1);
    refused(ERR_MODEL_INVALID, "the tensors need");
    free(file.data);
}

/* Each byte of the header, one after the other: a model or an error. */
static void test_flipped_bytes_are_survived(void **state)
{
    struct bytes file = read_file(GOOD, "model.safetensors");
    size_t header = header_size(&file) + 8, opened = 0;

    (void)state;
    for (size_t i = 0; i < header; i += 3) {
        ((uint8_t *)file.data)[i] ^= (uint8_t)(1U << i % 8);
        write_file("model.safetensors", file.data, file.size);
        opened += opens();
        ((uint8_t *)file.data)[i] ^= (uint8_t)(1U << i % 8);
    }
    /* Only the metadata may differ. */
    assert_in_range(opened, 0, 8);
    free(file.data);
}

static void test_numbers_that_are_none_are_refused(void **state)
{
    struct bytes file = read_file(GOOD, "model.safetensors");
    static const uint32_t bad[] = {0x7f800000U, 0xff800000U, 0x7fc00000U};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        memcpy(file.data + file.size - 4, &bad[i], 4);
        write_file("model.safetensors", file.data, file.size);
        refused(ERR_MODEL_INVALID, "is not finite");
    }
    free(file.data);
}

/* --- files --- */

static void path_of(char path[PATH_SIZE], const char *name)
{
    (void)snprintf(path, PATH_SIZE, "%s/%s", folder, name);
}

static void test_only_regular_files_of_one_name(void **state)
{
    char path[PATH_SIZE], other[PATH_SIZE];

    (void)state;
    path_of(path, "model.safetensors");
    path_of(other, "model-00001-of-00002.safetensors");
    assert_int_equal(rename(path, other), 0);
    refused(ERR_FILE_MISSING, "'model.safetensors' is not in the model's");
    assert_int_equal(symlink(other, path), 0);
    refused(ERR_MODEL_INVALID, "is a link, which is not followed");
    (void)unlink(path);
    assert_int_equal(link(other, path), 0);
    refused(ERR_MODEL_INVALID, "is a file with several names");
    (void)unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    refused(ERR_MODEL_INVALID, "is no regular file");
    (void)unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    refused(ERR_MODEL_INVALID, "is no regular file");
    remove_file("config.json");
    refused(ERR_FILE_MISSING, "'config.json' is not in the model's folder");
}

static void test_file_size_has_a_limit(void **state)
{
    const struct eng_options options = {.file_size_max = 20000};
    struct error err = {0};

    (void)state;
    assert_null(eng_model_open(folder, &options, &err));
    assert_int_equal(err.code, ERR_MODEL_INVALID);
    assert_non_null(strstr(err.msg, "limit 20000"));
}

static void test_index_and_shards_must_agree(void **state)
{
    static const struct change changes[] = {
        {"\"weight_map\"", "\"weight_mop\"", ERR_MODEL_INVALID,
         "has no weight_map"},
        {"model-00001-of-00002.safetensors", "../model.safetensors",
         ERR_MODEL_INVALID, "is no name of a safetensors file"},
        {"model-00001-of-00002.safetensors", "/etc/passwd.safetensors",
         ERR_MODEL_INVALID, "is no name of a safetensors file"},
        {"model-00001-of-00002.safetensors", "model.bin", ERR_MODEL_INVALID,
         "is no name of a safetensors file"},
        {"model-00001-of-00002.safetensors", "other.safetensors",
         ERR_FILE_MISSING, "'other.safetensors'"},
        {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
         ERR_MODEL_INVALID, "is not in the file it names"},
        {"\"classifier.bias\": \"model", "\"classifier.bia5\": \"model",
         ERR_MODEL_INVALID, "'classifier.bia5'"},
        {"\"bert.embeddings.LayerNorm.bias\": "
         "\"model-00001-of-00002.safetensors\",",
         "", ERR_MODEL_INVALID, "the files hold"},
        {"\"weight_map\": {", "\"weight_map\": {\"x\": 7,", ERR_MODEL_INVALID,
         "'x' must be a string"},
    };

    (void)state;
    assert_true(opens());
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        struct bytes index =
            replaced(read_file(SHARDS, "model.safetensors.index.json"),
                     changes[i].from, changes[i].to);

        write_file("model.safetensors.index.json", index.data, index.size);
        free(index.data);
        refused(changes[i].code, changes[i].text);
    }
}

/* --- running --- */

/* What a run says of ids [1, tokens] that are all `id`. */
static enum err_code run_code(int64_t tokens, int64_t id)
{
    int64_t data[3][64];
    struct eng_tensor inputs[3], outputs[2];
    struct error err = {0};
    struct eng_model *model = eng_model_open(folder, NULL, &err);
    struct eng_run *run = model ? eng_run_new(model, &err) : NULL;

    assert_non_null(run);
    for (size_t i = 0; i < 3; i++) {
        for (int64_t t = 0; t < tokens; t++)
            data[i][t] = i == 0 ? id : 1;
        inputs[i] = (struct eng_tensor){
            .dtype = ENG_I64, .rank = 2, .dims = {1, tokens}, .data = data[i]};
    }
    (void)eng_run_execute(run, inputs, outputs, NULL, &err);
    eng_run_free(run);
    eng_model_put(model);
    return err.code;
}

static void test_ids_and_positions_outside_their_tables(void **state)
{
    (void)state;
    assert_int_equal(run_code(12, 39), ERR_NONE);
    assert_int_equal(run_code(13, 39), ERR_VALIDATION_ERROR);
    assert_int_equal(run_code(12, 40), ERR_VALIDATION_ERROR);
    assert_int_equal(run_code(12, INT64_MAX), ERR_VALIDATION_ERROR);
    assert_int_equal(run_code(12, (int64_t)1 << 32), ERR_VALIDATION_ERROR);
}

static void test_ports_are_described(void **state)
{
    struct error err = {0};
    struct eng_model *model = eng_model_open(GOOD, NULL, &err);

    (void)state;
    assert_non_null(model);
    assert_int_equal(eng_model_input_count(model), 3);
    assert_string_equal(eng_model_input(model, 2)->name, "token_type_ids");
    assert_string_equal(eng_model_input(model, 0)->symbol[1], "sequence");
    assert_int_equal(eng_model_output_count(model), 2);
    assert_string_equal(eng_model_output(model, 0)->name, "last_hidden_state");
    assert_int_equal(eng_model_output(model, 0)->dims[2], 16);
    assert_string_equal(eng_model_output(model, 1)->name, "pooler_output");
    eng_model_put(model);
}

#define CASE(test, setup) cmocka_unit_test_setup_teardown(test, setup, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_config_fields_are_respected_or_refused, start_good),
        CASE(test_labels_and_head_must_agree, start_shards),
        CASE(test_headers_that_lie_are_refused, start_good),
        CASE(test_no_safetensors_file, start_good),
        CASE(test_header_sizes_outside_the_file, start_good),
        CASE(test_every_truncation_is_refused, start_good),
        CASE(test_flipped_bytes_are_survived, start_good),
        CASE(test_numbers_that_are_none_are_refused, start_good),
        CASE(test_only_regular_files_of_one_name, start_good),
        CASE(test_file_size_has_a_limit, start_good),
        CASE(test_index_and_shards_must_agree, start_shards),
        CASE(test_ids_and_positions_outside_their_tables, start_good),
        cmocka_unit_test(test_ports_are_described),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
