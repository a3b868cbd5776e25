#include "h2_fixture.h"

#include "h2_frames.h"
#include "unit.h"

void h2_fixture_init(struct h2_fixture *f)
{
    *f = (struct h2_fixture){0};
    assert_true(
        h2_guard_init(&f->guard, &(struct h2_rules){.max_message = LIMIT,
                                                    .max_streams = STREAMS}));
    put_opening(&f->client);
}

void h2_fixture_release(struct h2_fixture *f)
{
    h2_guard_release(&f->guard);
    buf_release(&f->client);
    buf_release(&f->core);
}

struct h2_head core_frame(const struct h2_fixture *f, int number)
{
    const unsigned char *bytes = (const unsigned char *)f->core.data;
    size_t at = H2_PREFACE + H2_HEAD;

    for (; number > 0; number--)
        at += H2_HEAD + h2_head_read(bytes + at).size;
    assert_true(at + H2_HEAD <= f->core.size);
    return h2_head_read(bytes + at);
}

void assert_core(const struct h2_fixture *f, int number, int type,
                 uint32_t stream)
{
    struct h2_head head = core_frame(f, number);

    assert_int_equal(head.type, type);
    assert_int_equal(head.stream, stream);
}
