/*
 * SMILES: is a text one, by the grammar of OpenSMILES.
 *
 * Checks atoms, brackets, bonds, branches, ring bonds and dots. It does not
 * check chemistry: valence and aromaticity are not syntax.
 *
 * Threads: any; keeps nothing.
 */
#ifndef PIPELINE_SMILES_H
#define PIPELINE_SMILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SMILES_ELEMENT_COUNT = 118, SMILES_WORDS = 2 };

/* A set of elements: bit Z of the row of words for atomic number Z; bit 0 is
 * the wildcard atom `*`. */
struct smiles_elements {
    uint64_t words[SMILES_WORDS];
};

/* What is wrong, and at which character, counted from 1. */
struct smiles_fault {
    size_t position;
    char text[96];
};

/*
 * Checks `size` bytes; on success `found` holds the elements that are written
 * out (hydrogens that a SMILES implies are not). On failure `fault` is filled.
 */
bool smiles_check(const char *text, size_t size, struct smiles_elements *found,
                  struct smiles_fault *fault);

/* Atomic number of a symbol ("Cl"), or 0. */
int smiles_element(const char *symbol, size_t size);

/* Symbol of an atomic number, 1 to SMILES_ELEMENT_COUNT; "*" for 0. */
const char *smiles_symbol(int number);

void smiles_add(struct smiles_elements *set, int number);
bool smiles_has(const struct smiles_elements *set, int number);

#endif
