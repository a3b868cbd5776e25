/*
 * Ports: see ports.h.
 */
#include "ports.h"

#include <string.h>

bool ports_input(const struct eng_model *model, const char *name, size_t *index)
{
    for (size_t i = 0; i < eng_model_input_count(model); i++) {
        if (strcmp(eng_model_input(model, i)->name, name) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

bool ports_output(const struct eng_model *model, const char *name,
                  size_t *index)
{
    for (size_t i = 0; i < eng_model_output_count(model); i++) {
        if (strcmp(eng_model_output(model, i)->name, name) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}
