/*
 * The queue's batches and turns, with a model that is none: calls leave their
 * work, and the work waits on a gate that the test opens.
 */
#include <string.h>

#include <pthread.h>

#include "clock.h"
#include "queue.h"
#include "runtime_msg.h"
#include "unit.h"

enum { MOST = 32 };

struct stage {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    double share; /* of a full batch, that each call says */
    int begun;    /* runs */
    int answered;
    size_t sizes[MOST];   /* of each run */
    uint64_t order[MOST]; /* ids, as they ran */
    int ran;
};

static char text[] = "x";

static void run(struct srv_call *const *calls, size_t count)
{
    struct stage *stage = calls[0]->app;

    (void)pthread_mutex_lock(&stage->lock);
    stage->sizes[stage->begun++] = count;
    for (size_t i = 0; i < count; i++)
        stage->order[stage->ran++] = calls[i]->id;
    (void)pthread_cond_broadcast(&stage->changed);
    while (!stage->open)
        (void)pthread_cond_wait(&stage->changed, &stage->lock);
    (void)pthread_mutex_unlock(&stage->lock);
}

/* The job of a call with an odd id fails. */
static bool finish(struct srv_call *call, void *reply, struct error *err)
{
    struct runtime_health_response *health = reply;

    health->status = health->model = health->version = text;
    return call->id % 2 == 0 || fail(err, ERR_INVALID_INPUT, "it is odd");
}

static const struct call_work work = {run, finish};

static bool handle(struct srv_call *call, const void *request, void *reply,
                   struct error *err)
{
    struct stage *stage = call->app;

    (void)request;
    (void)reply;
    (void)err;
    call_defer(call, &work, NULL, stage->share);
    return true;
}

static const struct op_def op = {.id = "test.batch",
                                 .request = &runtime_health_request_def,
                                 .reply = &runtime_health_response_def,
                                 .run = OP_QUEUE,
                                 .handle = handle};

static void answer(struct srv_call *call)
{
    struct stage *stage = call->app;

    (void)pthread_mutex_lock(&stage->lock);
    stage->answered++;
    (void)pthread_cond_broadcast(&stage->changed);
    (void)pthread_mutex_unlock(&stage->lock);
}

struct fixture {
    struct stage stage;
    struct queue *queue;
    struct srv_call calls[MOST];
    uint64_t count;
};

static void begin(struct fixture *f, int workers, int length, double share)
{
    struct error err = {0};

    *f = (struct fixture){.stage = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                    .changed = PTHREAD_COND_INITIALIZER,
                                    .share = share}};
    f->queue = queue_new(workers, length, &err);
    assert_non_null(f->queue);
}

static struct srv_call *push(struct fixture *f, const char *peer, bool taken)
{
    struct srv_call *call = &f->calls[f->count];

    *call = (struct srv_call){.id = 2 * f->count++,
                              .op = &op,
                              .app = &f->stage,
                              .peer = peer,
                              .started_ns = clock_now_ns(),
                              .deadline_ns = CLOCK_NEVER};
    assert_int_equal(queue_push(f->queue, call, answer), taken);
    return call;
}

static void wait_for(struct fixture *f, const int *counter, int wanted)
{
    (void)pthread_mutex_lock(&f->stage.lock);
    while (*counter < wanted)
        (void)pthread_cond_wait(&f->stage.changed, &f->stage.lock);
    (void)pthread_mutex_unlock(&f->stage.lock);
}

/* Lets the work go on until `answered` calls are answered. */
static void end(struct fixture *f, int answered)
{
    (void)pthread_mutex_lock(&f->stage.lock);
    f->stage.open = true;
    (void)pthread_cond_broadcast(&f->stage.changed);
    (void)pthread_mutex_unlock(&f->stage.lock);
    wait_for(f, &f->stage.answered, answered);
    queue_free(f->queue);
    for (uint64_t i = 0; i < f->count; i++) {
        arena_release(&f->calls[i].arena);
        buf_release(&f->calls[i].out);
    }
}

static void test_batch_of_an_idle_queue_is_one_call_at_once(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 2, 8, 0.1);
    push(&f, "a", true);
    wait_for(&f, &f.stage.begun, 1); /* nothing else came, and it runs */
    assert_int_equal(f.stage.sizes[0], 1);
    end(&f, 1);
}

static void test_batch_takes_what_waits_in_order(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 1, 8, 0.1);
    push(&f, "a", true);
    wait_for(&f, &f.stage.begun, 1);
    for (int i = 0; i < 5; i++)
        push(&f, "a", true);
    end(&f, 6);
    assert_int_equal(f.stage.begun, 2);
    assert_int_equal(f.stage.sizes[1], 5);
    for (uint64_t i = 0; i < 6; i++) {
        assert_int_equal(f.stage.order[i], 2 * i);
        assert_int_equal(f.calls[i].err.code, ERR_NONE);
        assert_int_equal(f.calls[i].http_status, 200);
    }
}

static void test_batch_ends_when_it_is_full(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 1, 16, 0.4);
    push(&f, "a", true);
    wait_for(&f, &f.stage.begun, 1);
    for (int i = 0; i < 7; i++)
        push(&f, "a", true);
    end(&f, 8);
    assert_int_equal(f.stage.sizes[1], 3); /* 0.4 + 0.4 + 0.4 */
    assert_int_equal(f.stage.sizes[2], 3);
    assert_int_equal(f.stage.sizes[3], 1);
}

static void test_batch_leaves_other_workers_their_share(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 2, 16, 0.01);
    push(&f, "a", true);
    push(&f, "a", true);
    wait_for(&f, &f.stage.begun, 2);
    for (int i = 0; i < 8; i++)
        push(&f, "a", true);
    end(&f, 10);
    assert_true(f.stage.begun >= 4);
    for (int i = 0; i < f.stage.begun; i++)
        assert_true(f.stage.sizes[i] <= 4);
}

static void test_batch_drops_who_is_late_or_gone(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 1, 8, 0.1);
    push(&f, "a", true);
    wait_for(&f, &f.stage.begun, 1);
    push(&f, "a", true);
    push(&f, "a", true)->deadline_ns = clock_now_ns() - 1;
    atomic_store(&push(&f, "a", true)->cancelled, true);
    push(&f, "a", true);
    end(&f, 5);
    assert_int_equal(f.stage.sizes[1], 2);
    assert_int_equal(f.calls[1].err.code, ERR_NONE);
    assert_int_equal(f.calls[2].err.code, ERR_TIMEOUT);
    assert_int_equal(f.calls[3].err.code, ERR_CANCELLED);
    assert_int_equal(f.calls[4].err.code, ERR_NONE);
}

static void test_batch_fails_for_one_call_alone(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 1, 8, 0.1);
    push(&f, "a", true);
    wait_for(&f, &f.stage.begun, 1);
    push(&f, "a", true);
    push(&f, "a", true)->id = 7;
    push(&f, "a", true);
    end(&f, 4);
    assert_int_equal(f.stage.sizes[1], 3);
    assert_int_equal(f.calls[1].err.code, ERR_NONE);
    assert_int_equal(f.calls[2].err.code, ERR_INVALID_INPUT);
    assert_int_equal(f.calls[3].err.code, ERR_NONE);
}

static void test_queue_lets_peers_take_turns(void **state)
{
    static const uint64_t order[] = {0, 2, 10, 4, 12, 6, 8};
    struct fixture f;

    (void)state;
    begin(&f, 1, 8, 1);
    push(&f, "a", true);
    wait_for(&f, &f.stage.begun, 1);
    for (int i = 0; i < 4; i++)
        push(&f, "a", true);
    push(&f, "b", true);
    push(&f, "b", true);
    end(&f, 7);
    for (size_t i = 0; i < COUNT_OF(order); i++)
        assert_int_equal(f.stage.order[i], order[i]);
}

static void test_queue_makes_room_for_a_peer_with_less(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 1, 3, 1);
    push(&f, "a", true);
    wait_for(&f, &f.stage.begun, 1);
    for (int i = 0; i < 3; i++)
        push(&f, "a", true);
    push(&f, "a", false); /* full */
    push(&f, "b", true);  /* for the last one of a */
    push(&f, "b", false); /* a has two, b one */
    end(&f, 5);
    assert_int_equal(f.calls[3].err.code, ERR_OVERLOADED);
    assert_int_equal(f.calls[3].retry_after_s, 1);
    assert_int_equal(f.calls[4].err.code, ERR_OVERLOADED);
    assert_int_equal(f.calls[5].err.code, ERR_NONE);
    assert_int_equal(f.calls[6].err.code, ERR_OVERLOADED);
    assert_int_equal(f.stage.ran, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_of_an_idle_queue_is_one_call_at_once),
        cmocka_unit_test(test_batch_takes_what_waits_in_order),
        cmocka_unit_test(test_batch_ends_when_it_is_full),
        cmocka_unit_test(test_batch_leaves_other_workers_their_share),
        cmocka_unit_test(test_batch_drops_who_is_late_or_gone),
        cmocka_unit_test(test_batch_fails_for_one_call_alone),
        cmocka_unit_test(test_queue_lets_peers_take_turns),
        cmocka_unit_test(test_queue_makes_room_for_a_peer_with_less),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
