/*
 * Packed weights: while a model loads, a weight that its only reader has packed
 * gives its memory back, and it comes back bit by bit when somebody needs it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ops/op.h"
#include "unit.h"

enum { PAGE = 4096, PAGES = 64, COUNT = PAGES * PAGE / 4 - 5, NODES = 2 };

/* A graph whose nodes read one weight, and what a plan makes of a node. */
struct fixture {
    struct eng_graph graph;
    struct eng_value value;
    struct eng_node nodes[NODES];
    uint32_t input;
    int32_t *weight; /* ends five elements before the end of a page */
    struct op_packs *packs;
    struct op_node op;
    const struct eng_tensor *in[1];
    struct error err;
};

static const struct op_impl packed_impl = {.flags = OP_PACKED};
static const struct op_impl plain_impl = {.flags = 0};

static int32_t element(int i)
{
    return i * 7 + 1;
}

static void setup(struct fixture *f, size_t readers)
{
    *f = (struct fixture){.packs = op_packs_new()};
    f->weight = aligned_alloc(PAGE, (size_t)PAGES * PAGE);
    assert_non_null(f->packs);
    assert_non_null(f->weight);
    for (int i = 0; i < COUNT; i++)
        f->weight[i] = element(i);
    f->value.constant = (struct eng_tensor){
        .dtype = ENG_I32, .rank = 1, .dims = {COUNT}, .data = f->weight};
    for (int i = 0; i < NODES; i++)
        f->nodes[i] = (struct eng_node){
            .op = "MatMul", .input_count = 1, .inputs = &f->input};
    f->graph = (struct eng_graph){.values = &f->value,
                                  .value_count = 1,
                                  .nodes = f->nodes,
                                  .node_count = readers};
    f->in[0] = &f->value.constant;
    f->op = (struct op_node){.graph = &f->graph,
                             .node = f->nodes,
                             .impl = &packed_impl,
                             .in_count = 1,
                             .in = f->in,
                             .packs = f->packs};
}

static void teardown(struct fixture *f)
{
    op_packs_free(f->packs);
    free(f->weight);
}

/* Both ways: the elements in the opposite order. */
static void reverse(const void *from, void *to, const void *how)
{
    (void)how;
    for (int i = 0; i < COUNT; i++)
        ((int32_t *)to)[COUNT - 1 - i] = ((const int32_t *)from)[i];
}

static void plain(const void *from, void *to, const void *how)
{
    (void)how;
    memcpy(to, from, COUNT * sizeof(int32_t));
}

static const int32_t *pack(struct fixture *f, op_pack_fn fn, op_pack_fn back)
{
    struct op_pack_key key = {f->weight, fn, NULL, 0};
    const int32_t *bytes =
        op_pack_only(&f->op, &key, back, COUNT * sizeof(int32_t), &f->err);

    assert_non_null(bytes);
    return bytes;
}

/* Pages of the weight that take memory. */
static int resident(const struct fixture *f)
{
    unsigned char map[PAGES];
    int count = 0;

    assert_int_equal(mincore(f->weight, sizeof map * PAGE, map), 0);
    for (int i = 0; i < PAGES; i++)
        count += map[i] & 1;
    return count;
}

static void check_weight(const struct fixture *f)
{
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(f->weight[i], element(i));
}

static void test_only_reader_lets_go_and_gets_it_back(void **state)
{
    struct fixture f;
    const int32_t *packed;

    (void)state;
    setup(&f, 1);
    assert_true(op_packs_load(f.packs, &f.graph, &f.err));
    packed = pack(&f, reverse, reverse);
    assert_int_equal(resident(&f), 1); /* the last page is not whole */
    op_packs_settle(f.packs);
    assert_ptr_equal(pack(&f, reverse, reverse), packed);
    assert_int_equal(packed[COUNT - 1], element(0));
    op_unpack_inputs(&f.op); /* it reads the packed form */
    assert_int_equal(resident(&f), 1);
    f.op.packed = 0;
    f.op.impl = &plain_impl;
    op_unpack_inputs(&f.op);
    check_weight(&f);
    assert_int_equal(packed[COUNT - 1], element(0));
    teardown(&f);
}

static void test_another_packed_form_is_made_from_what_came_back(void **state)
{
    struct fixture f;
    const int32_t *second;

    (void)state;
    setup(&f, 1);
    assert_true(op_packs_load(f.packs, &f.graph, &f.err));
    (void)pack(&f, reverse, reverse);
    op_packs_settle(f.packs);
    second = pack(&f, plain, plain);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(second[i], element(i));
    check_weight(&f);
    teardown(&f);
}

static void test_weight_that_others_read_stays(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, 2);
    assert_true(op_packs_load(f.packs, &f.graph, &f.err));
    (void)pack(&f, reverse, reverse);
    check_weight(&f);
    teardown(&f);

    setup(&f, 1);
    f.graph.outputs = &f.input;
    f.graph.output_count = 1;
    assert_true(op_packs_load(f.packs, &f.graph, &f.err));
    (void)pack(&f, reverse, reverse);
    check_weight(&f);
    teardown(&f);
}

static void test_weight_stays_where_nobody_promised(void **state)
{
    struct eng_graph inner = {0};
    struct fixture f;

    (void)state;
    setup(&f, 1); /* no loading */
    (void)pack(&f, reverse, reverse);
    check_weight(&f);
    assert_true(op_packs_load(f.packs, &f.graph, &f.err));
    op_packs_settle(f.packs);
    (void)pack(&f, reverse, reverse);
    check_weight(&f);
    teardown(&f);

    setup(&f, 1);
    assert_true(op_packs_load(f.packs, &f.graph, &f.err));
    (void)pack(&f, reverse, NULL);
    check_weight(&f);
    f.op.impl = &plain_impl;
    (void)pack(&f, plain, plain);
    check_weight(&f);
    teardown(&f);

    setup(&f, 1); /* an inner graph may read it unseen */
    f.graph.inner = &inner;
    assert_true(op_packs_load(f.packs, &f.graph, &f.err));
    (void)pack(&f, reverse, reverse);
    check_weight(&f);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_reader_lets_go_and_gets_it_back),
        cmocka_unit_test(test_another_packed_form_is_made_from_what_came_back),
        cmocka_unit_test(test_weight_that_others_read_stays),
        cmocka_unit_test(test_weight_stays_where_nobody_promised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
