/*
 * The team: each part once, whoever runs it; help for a lone run, none for
 * many.
 */
#include "unit.h"

#include <pthread.h>

#include "team.h"

enum { PARTS = 1000, RUNS = 4, ROUNDS = 200 };

struct tally {
    _Atomic int seen[PARTS];
    atomic_int threads_too_high;
};

static void count_part(void *work, int64_t part, int thread)
{
    struct tally *tally = work;

    (void)atomic_fetch_add(&tally->seen[part], 1);
    if (thread < 0 || thread >= 3)
        (void)atomic_fetch_add(&tally->threads_too_high, 1);
}

static void assert_each_once(struct tally *tally)
{
    for (int i = 0; i < PARTS; i++)
        assert_int_equal(tally->seen[i], 1);
    assert_int_equal(tally->threads_too_high, 0);
}

static struct eng_team *new_team(int threads)
{
    struct error err;
    struct eng_team *team = eng_team_new(threads, &err);

    assert_non_null(team);
    return team;
}

static void test_team_runs_each_part_once(void **state)
{
    struct eng_team *team = new_team(3);

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct tally tally = {0};
        struct team_seat seat;

        team_enter(&seat, team);
        assert_true(team_has_help(&seat));
        team_for(&seat, PARTS, count_part, &tally);
        team_leave(&seat);
        assert_each_once(&tally);
    }
    eng_team_free(team);
}

static void test_team_of_one_works_alone(void **state)
{
    struct tally tally = {0};
    struct team_seat seat;

    (void)state;
    team_enter(&seat, NULL);
    assert_false(team_has_help(&seat));
    team_for(&seat, PARTS, count_part, &tally);
    team_leave(&seat);
    assert_each_once(&tally);
    assert_int_equal(team_threads(NULL), 1);
}

static void test_team_gives_help_back_when_others_come(void **state)
{
    struct eng_team *team = new_team(2);
    struct team_seat first, second;

    (void)state;
    team_enter(&first, team);
    assert_true(team_has_help(&first));
    team_enter(&second, team);
    assert_false(team_has_help(&second));
    team_adjust(&first);
    assert_false(team_has_help(&first));
    team_leave(&first);
    team_adjust(&second);
    assert_true(team_has_help(&second));
    team_leave(&second);
    eng_team_free(team);
}

static void *run_many(void *argument)
{
    struct eng_team *team = argument;

    for (int i = 0; i < ROUNDS; i++) {
        struct tally tally = {0};
        struct team_seat seat;

        team_enter(&seat, team);
        for (int k = 0; k < 3; k++) {
            tally = (struct tally){0};
            team_for(&seat, PARTS, count_part, &tally);
            team_adjust(&seat);
        }
        team_leave(&seat);
        assert_each_once(&tally);
    }
    return NULL;
}

static void test_team_serves_runs_side_by_side(void **state)
{
    struct eng_team *team = new_team(3);
    pthread_t threads[RUNS];

    (void)state;
    for (int i = 0; i < RUNS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, team), 0);
    for (int i = 0; i < RUNS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    eng_team_free(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_team_runs_each_part_once),
        cmocka_unit_test(test_team_of_one_works_alone),
        cmocka_unit_test(test_team_gives_help_back_when_others_come),
        cmocka_unit_test(test_team_serves_runs_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
