/*
 * Reply: what several handlers of the registry write the same way.
 *
 * Texts are borrowed by the message or live in the call's arena. A text for
 * which there is no memory is left out, and the encoder then refuses the
 * message, because the field is required.
 *
 * Threads: any.
 */
#ifndef REGISTRY_HANDLERS_REPLY_H
#define REGISTRY_HANDLERS_REPLY_H

#include "app.h"
#include "call.h"
#include "registry.h"
#include "registry_msg.h"
#include "registry_server.h"

/* A borrowed text as a member; messages are only read once they are filled. */
char *reply_text(const char *text);

/* "2025-12-05T12:00:00" in the arena. */
char *reply_time(int64_t wall_s, struct arena *arena);

/* Fills one entry of a list or event, without the registration id. */
void reply_registration(struct registry_registration *reply,
                        const struct reg_row *row, bool is_alive,
                        struct arena *arena);

/* The rows of a list as messages in the arena. ERR_OUT_OF_MEMORY. */
bool reply_registrations(const struct reg_list *list, struct arena *arena,
                         struct registry_registration ***replies,
                         struct error *err);

#endif
