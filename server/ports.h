/*
 * Ports: a model's inputs and outputs by name.
 *
 * Threads: any; no state.
 */
#ifndef SERVER_PORTS_H
#define SERVER_PORTS_H

#include "engine.h"

/* The input, the output of this name, and its index; false if there is none. */
bool ports_input(const struct eng_model *model, const char *name,
                 size_t *index);
bool ports_output(const struct eng_model *model, const char *name,
                  size_t *index);

#endif
