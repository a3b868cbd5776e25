/*
 * The queue: order, refusal when full or draining, late and cancelled calls,
 * drain. Handlers wait on a gate that the test opens, never on time.
 */
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include "clock.h"
#include "queue.h"
#include "runtime_msg.h"
#include "unit.h"

/* Shared with the handlers through call->app. */
struct stage {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open; /* handlers may go on */
    int started, answered;
    uint64_t order[64]; /* call ids as they were answered */
};

static void stage_init(struct stage *stage, bool open)
{
    *stage = (struct stage){.lock = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER,
                            .open = open};
}

static void stage_open(struct stage *stage)
{
    (void)pthread_mutex_lock(&stage->lock);
    stage->open = true;
    (void)pthread_cond_broadcast(&stage->changed);
    (void)pthread_mutex_unlock(&stage->lock);
}

static void wait_for(struct stage *stage, const int *counter, int wanted)
{
    (void)pthread_mutex_lock(&stage->lock);
    while (*counter < wanted)
        (void)pthread_cond_wait(&stage->changed, &stage->lock);
    (void)pthread_mutex_unlock(&stage->lock);
}

static char text[] = "x";

/* Waits for the stage, or until the call should stop. */
static bool handle(struct srv_call *call, const void *request, void *reply,
                   struct error *err)
{
    struct stage *stage = call->app;
    struct runtime_health_response *health = reply;
    struct timespec soon;

    (void)request;
    health->status = health->model = health->version = text;
    (void)pthread_mutex_lock(&stage->lock);
    stage->started++;
    (void)pthread_cond_broadcast(&stage->changed);
    while (!stage->open && !call_should_stop(call)) {
        (void)clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 1000000;
        if (soon.tv_nsec >= 1000000000) {
            soon.tv_nsec -= 1000000000;
            soon.tv_sec++;
        }
        (void)pthread_cond_timedwait(&stage->changed, &stage->lock, &soon);
    }
    (void)pthread_mutex_unlock(&stage->lock);
    return call_should_stop(call) ? fail(err, ERR_CANCELLED, "stopped") : true;
}

static void answer(struct srv_call *call)
{
    struct stage *stage = call->app;

    (void)pthread_mutex_lock(&stage->lock);
    stage->order[stage->answered++] = call->id;
    (void)pthread_cond_broadcast(&stage->changed);
    (void)pthread_mutex_unlock(&stage->lock);
}

static const struct op_def op = {.id = "test.wait",
                                 .request = &runtime_health_request_def,
                                 .reply = &runtime_health_response_def,
                                 .run = OP_QUEUE,
                                 .handle = handle};

static void call_start(struct srv_call *call, struct stage *stage, uint64_t id)
{
    *call = (struct srv_call){.id = id,
                              .op = &op,
                              .app = stage,
                              .started_ns = clock_now_ns(),
                              .deadline_ns = CLOCK_NEVER};
}

static void call_end(struct srv_call *call)
{
    arena_release(&call->arena);
    buf_release(&call->out);
}

static struct queue *open_queue(int workers, int length)
{
    struct error err = {0};
    struct queue *queue = queue_new(workers, length, &err);

    assert_non_null(queue);
    return queue;
}

static void test_queue_serves_in_order(void **state)
{
    struct queue *queue = open_queue(1, 16);
    struct srv_call calls[16];
    struct stage stage;

    (void)state;
    stage_init(&stage, true);
    for (uint64_t i = 0; i < 16; i++) {
        call_start(&calls[i], &stage, i);
        assert_true(queue_push(queue, &calls[i], answer));
    }
    wait_for(&stage, &stage.answered, 16);
    for (uint64_t i = 0; i < 16; i++) {
        assert_int_equal(stage.order[i], i);
        assert_int_equal(calls[i].err.code, ERR_NONE);
        call_end(&calls[i]);
    }
    queue_free(queue);
}

static void test_queue_refuses_when_full(void **state)
{
    struct queue *queue = open_queue(1, 2);
    struct srv_call calls[4];
    struct stage stage;
    int waiting, running;

    (void)state;
    stage_init(&stage, false);
    for (uint64_t i = 0; i < 4; i++)
        call_start(&calls[i], &stage, i);
    assert_true(queue_push(queue, &calls[0], answer));
    wait_for(&stage, &stage.started, 1);
    assert_true(queue_push(queue, &calls[1], answer));
    assert_true(queue_push(queue, &calls[2], answer));
    queue_load(queue, &waiting, &running);
    assert_int_equal(waiting, 2);
    assert_int_equal(running, 1);
    assert_false(queue_push(queue, &calls[3], answer));
    assert_int_equal(calls[3].err.code, ERR_OVERLOADED);
    assert_int_equal(calls[3].retry_after_s, 1);
    stage_open(&stage);
    wait_for(&stage, &stage.answered, 3);
    assert_int_equal(stage.started, 3);
    queue_free(queue);
    for (size_t i = 0; i < 4; i++)
        call_end(&calls[i]);
}

static void test_queue_of_none_takes_what_a_worker_can(void **state)
{
    struct queue *queue = open_queue(2, 0);
    struct srv_call calls[4];
    struct stage stage;

    (void)state;
    stage_init(&stage, false);
    for (uint64_t i = 0; i < 4; i++)
        call_start(&calls[i], &stage, i);
    /* the second comes before a worker woke up for the first, or after */
    assert_true(queue_push(queue, &calls[0], answer));
    assert_true(queue_push(queue, &calls[1], answer));
    assert_false(queue_push(queue, &calls[2], answer));
    assert_int_equal(calls[2].err.code, ERR_OVERLOADED);
    stage_open(&stage);
    wait_for(&stage, &stage.answered, 2);
    /* answered is free again, though the worker may not be back yet */
    assert_true(queue_push(queue, &calls[3], answer));
    wait_for(&stage, &stage.answered, 3);
    queue_free(queue);
    for (size_t i = 0; i < 4; i++)
        call_end(&calls[i]);
}

static void test_queue_does_not_run_late_or_cancelled_calls(void **state)
{
    struct queue *queue = open_queue(1, 4);
    struct srv_call calls[3];
    struct stage stage;

    (void)state;
    stage_init(&stage, false);
    for (uint64_t i = 0; i < 3; i++)
        call_start(&calls[i], &stage, i);
    assert_true(queue_push(queue, &calls[0], answer));
    wait_for(&stage, &stage.started, 1);
    calls[1].deadline_ns = clock_now_ns() - 1;
    atomic_store(&calls[2].cancelled, true);
    assert_true(queue_push(queue, &calls[1], answer));
    assert_true(queue_push(queue, &calls[2], answer));
    stage_open(&stage);
    wait_for(&stage, &stage.answered, 3);
    assert_int_equal(stage.started, 1);
    assert_int_equal(calls[0].err.code, ERR_NONE);
    assert_int_equal(calls[1].err.code, ERR_TIMEOUT);
    assert_int_equal(calls[2].err.code, ERR_CANCELLED);
    queue_free(queue);
    for (size_t i = 0; i < 3; i++)
        call_end(&calls[i]);
}

static void test_queue_drain_lets_running_calls_end(void **state)
{
    struct queue *queue = open_queue(2, 4);
    struct srv_call calls[3];
    struct stage stage;

    (void)state;
    stage_init(&stage, true);
    for (uint64_t i = 0; i < 3; i++)
        call_start(&calls[i], &stage, i);
    assert_true(queue_push(queue, &calls[0], answer));
    assert_true(queue_push(queue, &calls[1], answer));
    queue_drain(queue, 60000);
    assert_int_equal(stage.answered, 2);
    assert_int_equal(calls[0].err.code, ERR_NONE);
    assert_int_equal(calls[1].err.code, ERR_NONE);
    assert_false(queue_push(queue, &calls[2], answer));
    assert_int_equal(calls[2].err.code, ERR_NOT_READY);
    queue_free(queue);
    for (size_t i = 0; i < 3; i++)
        call_end(&calls[i]);
}

static void test_queue_drain_cancels_what_is_left(void **state)
{
    struct queue *queue = open_queue(1, 4);
    struct srv_call calls[2];
    struct stage stage;

    (void)state;
    stage_init(&stage, false); /* never opened: only cancelling ends it */
    for (uint64_t i = 0; i < 2; i++) {
        call_start(&calls[i], &stage, i);
        assert_true(queue_push(queue, &calls[i], answer));
    }
    wait_for(&stage, &stage.started, 1);
    queue_drain(queue, 20);
    assert_int_equal(stage.answered, 2);
    assert_int_equal(stage.started, 1);
    assert_int_equal(calls[0].err.code, ERR_NOT_READY);
    assert_int_equal(calls[1].err.code, ERR_NOT_READY);
    queue_free(queue);
    for (size_t i = 0; i < 2; i++)
        call_end(&calls[i]);
}

/* Nothing waits: whoever asks has to do its work itself. */
static void test_queue_nap_is_none_while_no_call_waits(void **state)
{
    struct queue *queue = open_queue(1, 4);
    struct srv_call call;
    struct stage stage;

    (void)state;
    stage_init(&stage, false);
    assert_false(queue_nap(queue));
    call_start(&call, &stage, 0);
    assert_true(queue_push(queue, &call, answer));
    wait_for(&stage, &stage.started, 1);
    assert_false(queue_nap(queue));
    assert_false(queue_is_ahead(queue));
    stage_open(&stage);
    queue_free(queue);
    call_end(&call);
}

static void test_queue_nap_ends_although_the_worker_is_busy(void **state)
{
    struct queue *queue = open_queue(1, 4);
    struct srv_call calls[3];
    struct stage stage;

    (void)state;
    stage_init(&stage, false); /* no worker comes back during the nap */
    for (uint64_t i = 0; i < 3; i++) {
        call_start(&calls[i], &stage, i);
        assert_true(queue_push(queue, &calls[i], answer));
    }
    wait_for(&stage, &stage.started, 1);
    assert_true(queue_nap(queue));
    assert_true(queue_is_ahead(queue));
    stage_open(&stage);
    queue_free(queue);
    for (size_t i = 0; i < 3; i++)
        call_end(&calls[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_serves_in_order),
        cmocka_unit_test(test_queue_refuses_when_full),
        cmocka_unit_test(test_queue_of_none_takes_what_a_worker_can),
        cmocka_unit_test(test_queue_does_not_run_late_or_cancelled_calls),
        cmocka_unit_test(test_queue_drain_lets_running_calls_end),
        cmocka_unit_test(test_queue_drain_cancels_what_is_left),
        cmocka_unit_test(test_queue_nap_is_none_while_no_call_waits),
        cmocka_unit_test(test_queue_nap_ends_although_the_worker_is_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
