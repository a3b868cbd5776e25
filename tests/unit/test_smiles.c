/*
 * SMILES: the grammar of OpenSMILES, and where a text breaks it.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smiles.h"

static const char *const good[] = {
    "C",
    "CCO",
    "c1ccccc1",
    "C%12CCCCC%12",
    "C1CC2CC1CC2",
    "C1CCC=1",
    "C=1CCC1",
    "F/C=C/F",
    "F/C=C\\F",
    "C1CC/1",
    "[Na+].[Cl-]",
    "[13CH4]",
    "[H][H]",
    "[OH3+]",
    "[Fe++]",
    "[Fe+3]",
    "[se]1cccc1",
    "[nH]1cccc1",
    "N[C@@H](C)C(=O)O",
    "[C@TH1](F)(Cl)(Br)I",
    "[Co@OH12](F)(Cl)(Br)(I)(N)O",
    "[CH3:1][OH:20]",
    "C(C)(C)C",
    "C(=O)(O)",
    "CC(.O)",
    "C12CCCCC1CCCC2",
    "C0CC0",
    "*",
    "[*]C",
    "C$C",
    "c:c",
    "C-C",
    "BrCl",
};

struct bad {
    const char *text;
    size_t position;
    const char *says;
};

static const struct bad bad[] = {
    {"", 1, "empty"},
    {"hello world", 1, "'h' is not part of a SMILES"},
    {"CC hello", 3, "byte 0x20"},
    {"CC\n", 3, "byte 0x0a"},
    {"C\xc3\xa9", 2, "byte 0xc3"},
    {"CNa", 3, "'a' is not part"},
    {"CK", 2, "'K' is an atom that needs brackets"},
    {"H2O", 1, "'H' is an atom that needs brackets"},
    {"C(C", 2, "branch is never closed"},
    {"C(C(C)", 2, "branch is never closed"},
    {"CC)", 3, "never opened"},
    {"(C)", 1, "without an atom before"},
    {"C()", 3, "without an atom before"},
    {"C((C))", 3, "without an atom before"},
    {"C(C=)C", 5, "without an atom before"},
    {"C1CC", 2, "ring bond 1 is never closed"},
    {"C%12CC", 2, "ring bond 12 is never closed"},
    {"C%1CC", 2, "two digits"},
    {"1CC1", 1, "directly follow"},
    {"C.1CC1", 3, "directly follow"},
    {"C(C)1CC1", 5, "directly follow"},
    {"C11", 3, "already joined"},
    {"C1C1", 4, "already joined"},
    {"C12CCC12", 8, "already joined"},
    {"C=1CCC-1", 8, "'-' here and '=' where it opens"},
    {"=C", 1, "bond without an atom before"},
    {"C=", 2, "bond without an atom after"},
    {"C==C", 3, "bond without an atom before"},
    {"C.=C", 3, "bond without an atom before"},
    {"C=.C", 3, "dot without an atom before"},
    {".C", 1, "dot without an atom before"},
    {"C.", 2, "dot without an atom after"},
    {"C..C", 3, "dot without an atom before"},
    {"[", 1, "bracket is never closed"},
    {"[C", 1, "bracket is never closed"},
    {"[]", 2, "']' is not the symbol"},
    {"[Xx]", 2, "'X' is not the symbol"},
    {"[13]", 4, "']' is not the symbol"},
    {"[C+", 1, "bracket is never closed"},
    {"[CH4C]", 5, "'C' is not possible here"},
    {"[C+-]", 4, "'-' is not possible here"},
    {"[C+16]", 3, "beyond 15"},
    {"[C:]", 4, "class needs a number"},
    {"[C@TH3]", 3, "from 1 to 2"},
    {"[l]", 2, "'l' is not the symbol"},
    {"[[C]]", 2, "'[' is not the symbol"},
};

static void test_smiles_takes_the_grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct smiles_elements found;
        struct smiles_fault fault;

        if (!smiles_check(good[i], strlen(good[i]), &found, &fault))
            fail_msg("'%s': %s at %zu\n", good[i], fault.text, fault.position);
    }
}

static void test_smiles_says_what_is_wrong_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct smiles_elements found;
        struct smiles_fault fault = {0};

        if (smiles_check(bad[i].text, strlen(bad[i].text), &found, &fault))
            fail_msg("'%s' was taken\n", bad[i].text);
        if (fault.position != bad[i].position ||
            !strstr(fault.text, bad[i].says))
            fail_msg("'%s': %s at %zu\n", bad[i].text, fault.text,
                     fault.position);
    }
}

static void test_smiles_finds_the_elements_that_are_written(void **state)
{
    static const char text[] = "[Na+].Clc1cc[se]c1C(=O)[2H]";
    static const int in[] = {1, 6, 8, 11, 17, 34};
    struct smiles_elements found;
    struct smiles_fault fault;
    size_t count = 0;

    (void)state;
    assert_true(smiles_check(text, strlen(text), &found, &fault));
    for (size_t i = 0; i < COUNT_OF(in); i++)
        assert_true(smiles_has(&found, in[i]));
    for (int z = 0; z <= SMILES_ELEMENT_COUNT; z++)
        count += smiles_has(&found, z);
    assert_int_equal(count, COUNT_OF(in));
}

static void test_smiles_knows_each_element_by_its_symbol(void **state)
{
    (void)state;
    for (int z = 1; z <= SMILES_ELEMENT_COUNT; z++)
        assert_int_equal(
            smiles_element(smiles_symbol(z), strlen(smiles_symbol(z))), z);
    assert_int_equal(smiles_element("Xx", 2), 0);
    assert_int_equal(smiles_element("", 0), 0);
    assert_int_equal(smiles_element("*", 1), 0);
}

/* "ID,InChIKey,Name,smiles,logS,...": the fourth field, names in quotes. */
static bool smiles_field(char *line, char **start, size_t *size)
{
    bool quoted = false;
    int field = 0;

    *start = line;
    for (char *c = line; *c; c++) {
        if (*c == '"')
            quoted = !quoted;
        if (*c != ',' || quoted)
            continue;
        if (field++ == 3) {
            *size = (size_t)(c - *start);
            return true;
        }
        *start = c + 1;
    }
    return false;
}

static void test_smiles_takes_all_of_aqsoldb(void **state)
{
    FILE *file = fopen("models/solubility/train/aqsoldb.csv", "r");
    char *line = NULL;
    size_t capacity = 0, count = 0;

    (void)state;
    assert_non_null(file);
    assert_true(getline(&line, &capacity, file) > 0); /* the header */
    for (; getline(&line, &capacity, file) > 0; count++) {
        struct smiles_elements found;
        struct smiles_fault fault;
        char *text = NULL;
        size_t size = 0;

        assert_true(smiles_field(line, &text, &size));
        if (!smiles_check(text, size, &found, &fault))
            fail_msg("'%.*s': %s at %zu\n", (int)size, text, fault.text,
                     fault.position);
    }
    assert_int_equal(count, 9982);
    free(line);
    (void)fclose(file);
}

/* Never reads outside, never loops: every cut and many changes of a text. */
static void test_smiles_survives_random_texts(void **state)
{
    static const char alphabet[] = "CNOclnos()[]=#@+-1239%.H/\\*BrFi$:&\xc3";
    uint64_t random = 42;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        size_t size = unit_random(&random) % 24;
        char *text = malloc(size + 1);
        struct smiles_elements found;
        struct smiles_fault fault = {0};

        assert_non_null(text);
        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[unit_random(&random) % (sizeof(alphabet) - 1)];
        if (!smiles_check(text, size, &found, &fault)) {
            assert_true(fault.position >= 1 && fault.position <= size + 1);
            assert_true(fault.text[0] != '\0');
        }
        free(text);
    }
}

static void test_smiles_bounds_the_depth_of_branches(void **state)
{
    enum { DEPTH = 300 };
    struct smiles_elements found;
    struct smiles_fault fault;
    char text[4 * DEPTH];
    size_t size = 0;

    (void)state;
    for (int i = 0; i < DEPTH; i++) {
        text[size++] = 'C';
        text[size++] = '(';
    }
    assert_false(smiles_check(text, size, &found, &fault));
    assert_non_null(strstr(fault.text, "deeper than 256"));
    assert_int_equal(fault.position, 2 * 257);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smiles_takes_the_grammar),
        cmocka_unit_test(test_smiles_says_what_is_wrong_and_where),
        cmocka_unit_test(test_smiles_finds_the_elements_that_are_written),
        cmocka_unit_test(test_smiles_knows_each_element_by_its_symbol),
        cmocka_unit_test(test_smiles_takes_all_of_aqsoldb),
        cmocka_unit_test(test_smiles_survives_random_texts),
        cmocka_unit_test(test_smiles_bounds_the_depth_of_branches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
