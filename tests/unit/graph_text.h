/*
 * Graph text: a graph as lines, for tests that compare graphs.
 */
#ifndef TESTS_GRAPH_TEXT_H
#define TESTS_GRAPH_TEXT_H

#include <stdio.h>

#include "graph.h"

/* Inputs, a node a line, outputs; tests/passes/README.md has the form. */
void graph_text_write(const struct eng_graph *graph, FILE *file);

#endif
