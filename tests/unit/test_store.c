/*
 * Stores: every row of stores.def does what store.h says.
 *
 * The first group runs on each store; the second is what only a file can
 * suffer: locks, damage, other versions, a full disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commit.h"
#include "store.h"

#include <cmocka.h> /* last: its fail() is a macro */

/* A folder of its own per test. */
struct place {
    char folder[64];
    char path[96];
    char spec[128];
};

static void make_place(struct place *place, const char *kind)
{
    (void)snprintf(place->folder, sizeof place->folder, "/tmp/storeXXXXXX");
    assert_non_null(mkdtemp(place->folder));
    (void)snprintf(place->path, sizeof place->path, "%s/a/registry.db",
                   place->folder);
    if (strcmp(kind, "memory") == 0)
        (void)snprintf(place->spec, sizeof place->spec, "memory");
    else
        (void)snprintf(place->spec, sizeof place->spec, "%s:%s", kind,
                       place->path);
}

static void remove_all(const char *pattern)
{
    glob_t found;

    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            (void)remove(found.gl_pathv[i]);
    globfree(&found);
}

static void clear_place(const struct place *place)
{
    char pattern[96];

    (void)snprintf(pattern, sizeof pattern, "%s/a/*", place->folder);
    remove_all(pattern);
    (void)snprintf(pattern, sizeof pattern, "%s/*", place->folder);
    remove_all(pattern);
    (void)rmdir(place->folder);
}

static struct reg_record *make_record(int port, const char *id)
{
    const struct reg_record draft = {
        .port = port,
        .ttl_s = 90,
        .epoch = 0x100000002,
        .pid = 4711,
        .start_ticks = 123456789,
        .registered_s = 1764936000,
        .id = id,
        .boot_id = "415363ab-af1d-4fbe-a8ec-b2d0ed9d95ee",
        .host = "127.0.0.1",
        .app_name = "PolyNC_API",
        .app_version = "1.2.0",
        .model_name = "PolyNC",
        .reason = "it's \"quoted\"; DROP TABLE registration",
        .metadata = "{\"a\":[1,2]}",
        .request_id = "r-1",
    };
    struct reg_record *record = reg_record_new(&draft);

    assert_non_null(record);
    return record;
}

static bool apply_one(struct reg_store *store, enum reg_change_kind kind,
                      struct reg_record *record, struct error *err)
{
    struct reg_change change = {.kind = kind, .record = record};
    bool ok = store->ops->apply(store->state, &change, 1, err);

    reg_record_put(record);
    return ok;
}

/* What load() shows: how many, and the last one. */
struct seen {
    int count;
    struct reg_record *last;
};

static bool see(void *context, struct reg_record *record, struct error *err)
{
    struct seen *seen = context;

    (void)err;
    seen->count++;
    reg_record_put(seen->last);
    seen->last = reg_record_get(record);
    return true;
}

static struct seen load_all(struct reg_store *store)
{
    struct seen seen = {0};
    struct error err = {0};

    assert_true(store->ops->load(store->state, see, &seen, &err));
    return seen;
}

static void open_store(struct reg_store *store, const struct place *place)
{
    struct error err = {0};

    if (!reg_store_open(store, place->spec, &err))
        fail_msg("%s: %s", place->spec, err.msg);
}

/* ---- every store ---- */

static void test_store_gives_back_what_was_put(void **state)
{
    const struct reg_store_ops *ops = *state;
    struct reg_record *record = make_record(5100, "id-1");
    struct reg_store store = {0};
    struct error err = {0};
    struct place place;
    struct seen seen;

    make_place(&place, ops->name);
    open_store(&store, &place);
    assert_true(apply_one(&store, REG_PUT, reg_record_get(record), &err));
    seen = load_all(&store);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last->port, record->port);
    assert_int_equal(seen.last->ttl_s, record->ttl_s);
    assert_int_equal(seen.last->epoch, record->epoch);
    assert_int_equal(seen.last->pid, record->pid);
    assert_int_equal(seen.last->start_ticks, record->start_ticks);
    assert_int_equal(seen.last->registered_s, record->registered_s);
    assert_string_equal(seen.last->id, record->id);
    assert_string_equal(seen.last->boot_id, record->boot_id);
    assert_string_equal(seen.last->host, record->host);
    assert_string_equal(seen.last->app_name, record->app_name);
    assert_string_equal(seen.last->app_version, record->app_version);
    assert_string_equal(seen.last->model_name, record->model_name);
    assert_string_equal(seen.last->reason, record->reason);
    assert_string_equal(seen.last->metadata, record->metadata);
    assert_string_equal(seen.last->request_id, record->request_id);
    reg_record_put(seen.last);
    reg_record_put(record);
    reg_store_close(&store);
    clear_place(&place);
}

static void test_store_keeps_one_record_per_port(void **state)
{
    const struct reg_store_ops *ops = *state;
    struct reg_store store = {0};
    struct error err = {0};
    struct place place;
    struct seen seen;

    make_place(&place, ops->name);
    open_store(&store, &place);
    assert_true(apply_one(&store, REG_PUT, make_record(5100, "old"), &err));
    assert_true(apply_one(&store, REG_PUT, make_record(5100, "new"), &err));
    /* a late deletion of the old owner does not hurt the new one */
    assert_true(apply_one(&store, REG_DELETE, make_record(5100, "old"), &err));
    seen = load_all(&store);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.last->id, "new");
    reg_record_put(seen.last);
    assert_true(apply_one(&store, REG_DELETE, make_record(5100, "new"), &err));
    assert_int_equal(load_all(&store).count, 0);
    reg_store_close(&store);
    clear_place(&place);
}

static void test_store_base_rises_with_every_open(void **state)
{
    const struct reg_store_ops *ops = *state;
    struct place place;
    uint64_t last = 0;

    make_place(&place, ops->name);
    for (int i = 0; i < 5; i++) {
        struct reg_store store = {0};

        open_store(&store, &place);
        assert_true(store.base > last);
        last = store.base;
        reg_store_close(&store);
    }
    clear_place(&place);
}

static void test_store_that_is_durable_survives_closing(void **state)
{
    const struct reg_store_ops *ops = *state;
    struct reg_store store = {0};
    struct error err = {0};
    struct place place;
    struct seen seen;

    make_place(&place, ops->name);
    open_store(&store, &place);
    assert_true(apply_one(&store, REG_PUT, make_record(5101, "id-2"), &err));
    reg_store_close(&store);
    open_store(&store, &place);
    seen = load_all(&store);
    assert_int_equal(seen.count, ops->durable ? 1 : 0);
    reg_record_put(seen.last);
    reg_store_close(&store);
    clear_place(&place);
}

struct worker {
    struct reg_commit *commit;
    int port;
    bool ok;
};

static void *put_one(void *context)
{
    struct worker *worker = context;
    char id[16];
    struct reg_ticket ticket = {.change = {.kind = REG_PUT}};
    struct error err = {0};

    (void)snprintf(id, sizeof id, "id-%d", worker->port);
    ticket.change.record = make_record(worker->port, id);
    reg_commit_submit(worker->commit, &ticket);
    worker->ok = reg_commit_wait(worker->commit, &ticket, &err);
    reg_record_put(ticket.change.record);
    return NULL;
}

static void test_store_writers_share_commits(void **state)
{
    enum { COUNT = 40 };
    const struct reg_store_ops *ops = *state;
    struct reg_store store = {0};
    struct reg_commit commit;
    struct worker workers[COUNT];
    pthread_t threads[COUNT];
    struct place place;
    struct seen seen;

    make_place(&place, ops->name);
    open_store(&store, &place);
    reg_commit_init(&commit, &store);
    for (int i = 0; i < COUNT; i++) {
        workers[i] = (struct worker){.commit = &commit, .port = 5100 + i};
        assert_int_equal(
            pthread_create(&threads[i], NULL, put_one, &workers[i]), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_true(workers[i].ok);
    }
    assert_true(commit.batches >= 1 && commit.batches <= COUNT);
    seen = load_all(&store);
    assert_int_equal(seen.count, COUNT);
    reg_record_put(seen.last);
    reg_commit_release(&commit);
    reg_store_close(&store);
    clear_place(&place);
}

/* Changes that queue up before anybody waits are one write. */
static void test_store_waiting_changes_are_one_write(void **state)
{
    const struct reg_store_ops *ops = *state;
    struct reg_ticket tickets[10] = {0};
    struct reg_store store = {0};
    struct reg_commit commit;
    struct error err = {0};
    struct place place;

    make_place(&place, ops->name);
    open_store(&store, &place);
    reg_commit_init(&commit, &store);
    for (int i = 0; i < 10; i++) {
        char id[16];

        (void)snprintf(id, sizeof id, "id-%d", i);
        tickets[i].change.record = make_record(5100 + i, id);
        reg_commit_submit(&commit, &tickets[i]);
    }
    for (int i = 0; i < 10; i++) {
        assert_true(reg_commit_wait(&commit, &tickets[i], &err));
        reg_record_put(tickets[i].change.record);
    }
    assert_int_equal(commit.batches, 1);
    reg_commit_release(&commit);
    reg_store_close(&store);
    clear_place(&place);
}

/* ---- files ---- */

static void test_store_unknown_kind_is_a_usage_error(void **state)
{
    struct reg_store store = {0};
    struct error err = {0};

    (void)state;
    assert_false(reg_store_open(&store, "redis:x", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_false(reg_store_open(&store, "sqlite", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_false(reg_store_open(&store, "sqlite:", &err));
    assert_int_equal(err.code, ERR_USAGE);
}

static void test_sqlite_files_are_for_their_owner_only(void **state)
{
    struct reg_store store = {0};
    struct error err = {0};
    struct stat status;
    struct place place;
    char log_path[128];

    (void)state;
    make_place(&place, "sqlite");
    (void)umask(0);
    open_store(&store, &place);
    assert_true(apply_one(&store, REG_PUT, make_record(5100, "id"), &err));
    assert_int_equal(stat(place.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    (void)snprintf(log_path, sizeof log_path, "%s-wal", place.path);
    assert_int_equal(stat(log_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    reg_store_close(&store);
    clear_place(&place);
}

static void test_sqlite_refuses_a_second_registry(void **state)
{
    struct reg_store store = {0}, second = {0};
    struct error err = {0};
    struct place place;

    (void)state;
    make_place(&place, "sqlite");
    open_store(&store, &place);
    assert_false(reg_store_open(&second, place.spec, &err));
    assert_int_equal(err.code, ERR_STORE_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "another registry"));
    reg_store_close(&second);
    reg_store_close(&store);
    open_store(&second, &place);
    reg_store_close(&second);
    clear_place(&place);
}

/* Runs SQL on the closed database. */
static void alter(const struct place *place, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

static void test_sqlite_refuses_a_newer_schema(void **state)
{
    struct reg_store store = {0};
    struct error err = {0};
    struct place place;

    (void)state;
    make_place(&place, "sqlite");
    open_store(&store, &place);
    reg_store_close(&store);
    alter(&place, "PRAGMA user_version=2");
    assert_false(reg_store_open(&store, place.spec, &err));
    assert_int_equal(err.code, ERR_FILE_INVALID);
    assert_non_null(strstr(err.msg, "version 2"));
    reg_store_close(&store);
    clear_place(&place);
}

static void test_sqlite_refuses_a_foreign_database(void **state)
{
    struct reg_store store = {0};
    struct error err = {0};
    struct place place;
    char folder[80];

    (void)state;
    make_place(&place, "sqlite");
    (void)snprintf(folder, sizeof folder, "%s/a", place.folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    alter(&place, "CREATE TABLE mine (x)");
    assert_false(reg_store_open(&store, place.spec, &err));
    assert_int_equal(err.code, ERR_FILE_INVALID);
    reg_store_close(&store);
    clear_place(&place);
}

static void overwrite(const struct place *place, off_t at)
{
    int fd = open(place->path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "garbage garbage!", 16, at), 16);
    (void)close(fd);
}

static size_t count_files(const struct place *place, const char *suffix)
{
    char pattern[160];
    glob_t found;
    size_t count = 0;

    (void)snprintf(pattern, sizeof pattern, "%s%s", place->path, suffix);
    if (glob(pattern, 0, NULL, &found) == 0)
        count = found.gl_pathc;
    globfree(&found);
    return count;
}

/* The header, and a page in the middle. */
static void test_sqlite_damage_is_refused_and_a_copy_kept(void **state)
{
    static const off_t places[] = {0, 4096};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct reg_store store = {0};
        struct error err = {0};
        struct place place;

        make_place(&place, "sqlite");
        open_store(&store, &place);
        for (int port = 5100; port < 5200; port++) {
            char id[16];

            (void)snprintf(id, sizeof id, "id-%d", port);
            assert_true(
                apply_one(&store, REG_PUT, make_record(port, id), &err));
        }
        reg_store_close(&store);
        overwrite(&place, places[i]);
        assert_false(reg_store_open(&store, place.spec, &err));
        assert_int_equal(err.code, ERR_FILE_INVALID);
        assert_int_equal(count_files(&place, ".corrupt-*"), 1);
        reg_store_close(&store);
        clear_place(&place);
    }
}

static void limit_file_size(rlim_t size)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_sqlite_full_disk_is_an_error_and_passes(void **state)
{
    struct reg_store store = {0};
    struct error err = {0};
    struct place place;
    struct seen seen;
    bool ok;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    make_place(&place, "sqlite");
    open_store(&store, &place);
    assert_true(apply_one(&store, REG_PUT, make_record(5100, "a"), &err));
    limit_file_size(1);
    ok = apply_one(&store, REG_PUT, make_record(5101, "b"), &err);
    limit_file_size(RLIM_INFINITY);
    assert_false(ok);
    assert_int_equal(err.code, ERR_STORE_UNAVAILABLE);
    seen = load_all(&store);
    assert_int_equal(seen.count, 1);
    reg_record_put(seen.last);
    assert_true(apply_one(&store, REG_PUT, make_record(5102, "c"), &err));
    seen = load_all(&store);
    assert_int_equal(seen.count, 2);
    reg_record_put(seen.last);
    reg_store_close(&store);
    clear_place(&place);
}

static void test_sqlite_refuses_links_and_devices(void **state)
{
    struct reg_store store = {0};
    struct error err = {0};
    struct place place;
    char link_path[96], spec[128];

    (void)state;
    make_place(&place, "sqlite");
    open_store(&store, &place);
    reg_store_close(&store);
    (void)snprintf(link_path, sizeof link_path, "%s/link", place.folder);
    assert_int_equal(symlink(place.path, link_path), 0);
    (void)snprintf(spec, sizeof spec, "sqlite:%s", link_path);
    assert_false(reg_store_open(&store, spec, &err));
    assert_int_equal(err.code, ERR_STORE_UNAVAILABLE);
    reg_store_close(&store);
    assert_false(reg_store_open(&store, "sqlite:/dev/null", &err));
    reg_store_close(&store);
    clear_place(&place);
}

/* The first group, on one store. */
static int run_on(const struct reg_store_ops *ops)
{
    /* cmocka hands the state over as void * */
    void *state = (void *)(uintptr_t)ops;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_store_gives_back_what_was_put, state),
        cmocka_unit_test_prestate(test_store_keeps_one_record_per_port, state),
        cmocka_unit_test_prestate(test_store_base_rises_with_every_open, state),
        cmocka_unit_test_prestate(test_store_that_is_durable_survives_closing,
                                  state),
        cmocka_unit_test_prestate(test_store_writers_share_commits, state),
        cmocka_unit_test_prestate(test_store_waiting_changes_are_one_write,
                                  state),
    };

    return cmocka_run_group_tests_name(ops->name, tests, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_unknown_kind_is_a_usage_error),
        cmocka_unit_test(test_sqlite_files_are_for_their_owner_only),
        cmocka_unit_test(test_sqlite_refuses_a_second_registry),
        cmocka_unit_test(test_sqlite_refuses_a_newer_schema),
        cmocka_unit_test(test_sqlite_refuses_a_foreign_database),
        cmocka_unit_test(test_sqlite_damage_is_refused_and_a_copy_kept),
        cmocka_unit_test(test_sqlite_full_disk_is_an_error_and_passes),
        cmocka_unit_test(test_sqlite_refuses_links_and_devices),
    };
    int failed = 0;

    for (size_t i = 0; reg_store_kinds[i]; i++)
        failed += run_on(reg_store_kinds[i]);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
