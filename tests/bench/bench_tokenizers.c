/*
 * Speed of a tokenizer: bytes of text per second, one thread, by rounds.
 *
 *   bench_tokenizers TOKENIZER TEXTS SECONDS [offsets]
 *
 * TEXTS holds texts, each after its size in four little-endian bytes. Prints
 * megabytes per second of the whole file, encoded again and again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "tokenizer.h"

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes;
    long end;

    if (!file || fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) < 0)
        return NULL;
    rewind(file);
    bytes = malloc((size_t)end + 1);
    *size = bytes ? fread(bytes, 1, (size_t)end, file) : 0;
    (void)fclose(file);
    return bytes;
}

/* Encodes every text once; returns the bytes of text, 0 on failure. */
static size_t encode_all(const struct tok_tokenizer *tok, const char *bytes,
                         size_t size, unsigned flags, struct arena arenas[2])
{
    size_t total = 0;

    for (size_t at = 0; at + 4 <= size;) {
        const unsigned char *head = (const unsigned char *)bytes + at;
        size_t length = head[0] | ((size_t)head[1] << 8) |
                        ((size_t)head[2] << 16) | ((size_t)head[3] << 24);
        struct tok_encoding out = {.scratch = &arenas[0], .arena = &arenas[1]};
        struct error err = {0};

        arena_reset(&arenas[0]);
        arena_reset(&arenas[1]);
        if (!tok_encode(tok, bytes + at + 4, length, flags, &out, &err)) {
            (void)fprintf(stderr, "%s\n", err.msg);
            return 0;
        }
        total += length;
        at += 4 + length;
    }
    return total;
}

int main(int argc, char **argv)
{
    unsigned flags = TOK_SPECIALS | TOK_PARSE_SPECIALS;
    struct arena arenas[2];
    struct tok_tokenizer *tok;
    struct error err = {0};
    size_t size, total = 0;
    uint64_t start, spent;
    char *bytes;

    if (argc < 4)
        return 2;
    tok = tok_open(argv[1], &err);
    bytes = read_file(argv[2], &size);
    if (!tok || !bytes) {
        (void)fprintf(stderr, "cannot start: %s\n", err.msg);
        return 2;
    }
    if (argc > 4 && strcmp(argv[4], "offsets") == 0)
        flags |= TOK_OFFSETS;
    arena_init(&arenas[0], 0);
    arena_init(&arenas[1], 0);
    (void)encode_all(tok, bytes, size, flags, arenas); /* warms up */
    start = clock_now_ns();
    do {
        size_t round = encode_all(tok, bytes, size, flags, arenas);

        if (round == 0)
            return 1;
        total += round;
        spent = clock_now_ns() - start;
    } while ((double)spent < strtod(argv[3], NULL) * 1e9);
    (void)printf("%.3f\n", (double)total / 1e6 / ((double)spent / 1e9));
    arena_release(&arenas[0]);
    arena_release(&arenas[1]);
    tok_close(tok);
    free(bytes);
    return 0;
}
