/*
 * Read: config.json and the small files beside it, for init.
 *
 * Threads: one.
 */
#ifndef SERVER_INIT_READ_H
#define SERVER_INIT_READ_H

#include "init/init.h"

/*
 * Fills what the files of facts->dir say: config.json, modules.json with the
 * pooling's config.json, sentence_bert_config.json, the licence of README.md.
 * A file that is not there says nothing.
 *   ERR_FILE_INVALID  no JSON, or a field of another type; names file and field
 *   ERR_OUT_OF_MEMORY
 */
bool init_read(struct init_facts *facts, struct error *err);

#endif
