/*
 * SQLite store: one file, one connection, one writer.
 *
 * The connection keeps the database locked for itself (locking_mode
 * EXCLUSIVE), which refuses a second registry and lets SQLite keep the index
 * of its write-ahead log on the heap: nothing is mapped, and the reset race of
 * that log, which needs two connections, cannot happen. synchronous=FULL makes
 * COMMIT return after the log reached the disk.
 *
 * The file holds credentials (registration ids) and is readable by its owner
 * only. A damaged file is copied aside and refused, never repaired silently.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "store.h"

enum {
    SCHEMA_VERSION = 1,
    APPLICATION_ID = 0x73707372 /* "spsr" */
};

struct sqlite_store {
    sqlite3 *db;
    sqlite3_stmt *put;
    sqlite3_stmt *remove;
};

static const char schema_sql[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);"
    "INSERT INTO meta VALUES ('generation', 0);"
    "CREATE TABLE registration ("
    " port INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " epoch INTEGER NOT NULL, ttl_s INTEGER NOT NULL,"
    " pid INTEGER NOT NULL, start_ticks INTEGER NOT NULL,"
    " registered_s INTEGER NOT NULL, boot_id TEXT NOT NULL,"
    " host TEXT NOT NULL, app_name TEXT NOT NULL,"
    " app_version TEXT NOT NULL, model_name TEXT NOT NULL,"
    " reason TEXT NOT NULL, metadata TEXT NOT NULL,"
    " request_id TEXT NOT NULL);";

/* Columns of both statements, in this order. */
#define COLUMNS                                                                \
    "port, epoch, ttl_s, pid, start_ticks, registered_s, id, boot_id, host, "  \
    "app_name, app_version, model_name, reason, metadata, request_id"

/* What went wrong, in words that name no path. */
static bool unavailable(struct sqlite_store *store, struct error *err)
{
    return fail(err, ERR_STORE_UNAVAILABLE, "the store does not work: %s",
                sqlite3_errmsg(store->db));
}

static bool execute(struct sqlite_store *store, const char *sql,
                    struct error *err)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return unavailable(store, err);
    return true;
}

/* The first column of the first row, as a number. Returns the SQLite code. */
static int ask_number(struct sqlite_store *store, const char *sql,
                      int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *value = sqlite3_column_int64(statement, 0);
        code = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    return code;
}

/* ---- files ---- */

/* Makes the folders of `path` that are missing, for their owner only. */
static bool make_folders(const char *path, struct error *err)
{
    char folder[PATH_MAX];

    if (strlen(path) >= sizeof folder)
        return fail(err, ERR_USAGE, "the path of the store is too long");
    for (const char *at = path; (at = strchr(at + 1, '/'));) {
        size_t length = (size_t)(at - path);

        memcpy(folder, path, length);
        folder[length] = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return fail(err, ERR_STORE_UNAVAILABLE,
                        "cannot make the folder '%s': %s", folder,
                        strerror(errno));
    }
    return true;
}

/* Makes the file if it is missing and takes everybody else's rights away;
 * SQLite gives its log the same mode. */
static bool make_private(const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat status;
    bool ok;

    if (fd < 0)
        return fail(err, ERR_STORE_UNAVAILABLE, "cannot open '%s': %s", path,
                    strerror(errno));
    ok = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
         fchmod(fd, 0600) == 0;
    (void)close(fd);
    if (!ok)
        return fail(err, ERR_STORE_UNAVAILABLE,
                    "'%s' is not a file of this user", path);
    return true;
}

static bool copy_bytes(int from, int to)
{
    char bytes[16384];
    ssize_t got;

    while ((got = read(from, bytes, sizeof bytes)) > 0)
        if (write(to, bytes, (size_t)got) != got)
            return false;
    return got == 0;
}

/* Copies PATH to PATH.corrupt-<time>; for the people who will look at it. */
static bool copy_aside(const char *path, int64_t when)
{
    char copy[PATH_MAX + 32];
    int from = open(path, O_RDONLY | O_CLOEXEC), to = -1;
    bool ok = false;

    (void)snprintf(copy, sizeof copy, "%s.corrupt-%" PRId64, path, when);
    if (from >= 0)
        to = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to >= 0)
        ok = copy_bytes(from, to) && fsync(to) == 0;
    if (from >= 0)
        (void)close(from);
    if (to >= 0)
        (void)close(to);
    return ok;
}

static bool refuse_corrupt(const char *path, struct error *err)
{
    int64_t now_s = clock_wall_s();
    char log_path[PATH_MAX + 8];
    bool copied = copy_aside(path, now_s);

    (void)snprintf(log_path, sizeof log_path, "%s-wal", path);
    (void)copy_aside(log_path, now_s);
    return fail(
        err, ERR_FILE_INVALID,
        "the database is damaged and was not opened; %s '.corrupt-%" PRId64
        "' beside it",
        copied ? "a copy is kept as" : "no copy could be made as", now_s);
}

/* ---- opening ---- */

/*
 * Settings come before the first read: the exclusive lock must be asked for
 * before the write-ahead log is used, or SQLite maps an index of it.
 */
static bool lock_for_us(struct sqlite_store *store, const char *path,
                        struct error *err)
{
    static const char *const settings[] = {"PRAGMA locking_mode=EXCLUSIVE",
                                           "PRAGMA mmap_size=0",
                                           "PRAGMA journal_mode=WAL",
                                           "PRAGMA synchronous=FULL",
                                           "PRAGMA trusted_schema=OFF",
                                           "BEGIN EXCLUSIVE",
                                           "COMMIT"};

    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        int code = sqlite3_exec(store->db, settings[i], NULL, NULL, NULL);

        if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
            return fail(err, ERR_STORE_UNAVAILABLE,
                        "the database is in use by another registry");
        if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT)
            return refuse_corrupt(path, err);
        if (code != SQLITE_OK)
            return unavailable(store, err);
    }
    return true;
}

/* SQLite's own check of pages, indexes and constraints. */
static bool is_intact(struct sqlite_store *store)
{
    sqlite3_stmt *statement = NULL;
    bool ok = false;

    if (sqlite3_prepare_v2(store->db, "PRAGMA integrity_check(1)", -1,
                           &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        ok = strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    (void)sqlite3_finalize(statement);
    return ok;
}

static bool check_schema(struct sqlite_store *store, const char *path,
                         struct error *err)
{
    int64_t version = 0, application = 0, tables = 0;
    char sql[sizeof schema_sql + 128];

    if (!is_intact(store) ||
        ask_number(store, "PRAGMA user_version", &version) != SQLITE_OK ||
        ask_number(store, "PRAGMA application_id", &application) != SQLITE_OK ||
        ask_number(store, "SELECT count(*) FROM sqlite_schema", &tables) !=
            SQLITE_OK)
        return refuse_corrupt(path, err);
    if (tables > 0 && application != APPLICATION_ID)
        return fail(err, ERR_FILE_INVALID,
                    "the file is a database of another program");
    if (version > SCHEMA_VERSION)
        return fail(err, ERR_FILE_INVALID,
                    "the database has schema version %" PRId64
                    "; this registry knows versions up to %d",
                    version, SCHEMA_VERSION);
    if (tables > 0)
        return true;
    (void)snprintf(sql, sizeof sql,
                   "BEGIN; %s PRAGMA application_id=%d;"
                   "PRAGMA user_version=%d; COMMIT",
                   schema_sql, APPLICATION_ID, SCHEMA_VERSION);
    return execute(store, sql, err);
}

/* Counts the openings; each run has 2^32 numbers of its own. */
static bool next_base(struct sqlite_store *store, uint64_t *base,
                      struct error *err)
{
    int64_t value = 0;

    if (!execute(store,
                 "UPDATE meta SET value = value + 1 WHERE key = 'generation'",
                 err))
        return false;
    if (ask_number(store, "SELECT value FROM meta WHERE key = 'generation'",
                   &value) != SQLITE_OK ||
        value <= 0)
        return fail(err, ERR_FILE_INVALID, "the database has no generation");
    *base = (uint64_t)value << 32;
    return true;
}

static bool prepare(struct sqlite_store *store, struct error *err)
{
    if (sqlite3_prepare_v2(store->db,
                           "INSERT OR REPLACE INTO registration (" COLUMNS
                           ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                           -1, &store->put, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(store->db,
                           "DELETE FROM registration WHERE port = ? AND id = ?",
                           -1, &store->remove, NULL) != SQLITE_OK)
        return unavailable(store, err);
    return true;
}

static void sqlite_close(void *state)
{
    struct sqlite_store *store = state;

    if (!store)
        return;
    (void)sqlite3_finalize(store->put);
    (void)sqlite3_finalize(store->remove);
    (void)sqlite3_close(store->db);
    free(store);
}

static bool sqlite_open(const char *location, void **state, uint64_t *base,
                        struct error *err)
{
    struct sqlite_store *store;

    if (!*location)
        return fail(err, ERR_USAGE, "sqlite needs a path, as in sqlite:PATH");
    if (!make_folders(location, err) || !make_private(location, err))
        return false;
    store = calloc(1, sizeof *store);
    if (!store)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for the store");
    if (sqlite3_open_v2(location, &store->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        (void)fail(err, ERR_STORE_UNAVAILABLE, "the database does not open");
        goto fail;
    }
    if (!lock_for_us(store, location, err) ||
        !check_schema(store, location, err) || !next_base(store, base, err) ||
        !prepare(store, err))
        goto fail;
    *state = store;
    return true;
fail:
    sqlite_close(store);
    return false;
}

/* ---- reading and writing ---- */

static const char *column_text(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

static bool visit_row(sqlite3_stmt *row, reg_store_visit *visit, void *context,
                      struct error *err)
{
    struct reg_record draft = {
        .port = sqlite3_column_int(row, 0),
        .epoch = (uint64_t)sqlite3_column_int64(row, 1),
        .ttl_s = (uint32_t)sqlite3_column_int64(row, 2),
        .pid = sqlite3_column_int64(row, 3),
        .start_ticks = (uint64_t)sqlite3_column_int64(row, 4),
        .registered_s = sqlite3_column_int64(row, 5),
        .id = column_text(row, 6),
        .boot_id = column_text(row, 7),
        .host = column_text(row, 8),
        .app_name = column_text(row, 9),
        .app_version = column_text(row, 10),
        .model_name = column_text(row, 11),
        .reason = column_text(row, 12),
        .metadata = column_text(row, 13),
        .request_id = column_text(row, 14),
    };
    struct reg_record *record = reg_record_new(&draft);
    bool ok;

    if (!record)
        return fail(err, ERR_OUT_OF_MEMORY, "no memory for a registration");
    ok = visit(context, record, err);
    reg_record_put(record);
    return ok;
}

static bool sqlite_load(void *state, reg_store_visit *visit, void *context,
                        struct error *err)
{
    struct sqlite_store *store = state;
    sqlite3_stmt *row = NULL;
    bool ok = true;
    int code;

    if (sqlite3_prepare_v2(store->db,
                           "SELECT " COLUMNS " FROM registration ORDER BY port",
                           -1, &row, NULL) != SQLITE_OK)
        return unavailable(store, err);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && ok)
        ok = visit_row(row, visit, context, err);
    if (ok && code != SQLITE_DONE)
        ok = unavailable(store, err);
    (void)sqlite3_finalize(row);
    return ok;
}

static int put_record(sqlite3_stmt *put, const struct reg_record *record)
{
    const int64_t numbers[] = {
        record->port, (int64_t)record->epoch,       record->ttl_s,
        record->pid,  (int64_t)record->start_ticks, record->registered_s};
    const char *const texts[] = {
        record->id,       record->boot_id,     record->host,
        record->app_name, record->app_version, record->model_name,
        record->reason,   record->metadata,    record->request_id};
    int column = 1, code;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)sqlite3_bind_int64(put, column++, numbers[i]);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        (void)sqlite3_bind_text(put, column++, texts[i], -1, SQLITE_STATIC);
    code = sqlite3_step(put);
    (void)sqlite3_reset(put);
    return code;
}

static int remove_record(sqlite3_stmt *remove_row,
                         const struct reg_record *record)
{
    int code;

    (void)sqlite3_bind_int(remove_row, 1, record->port);
    (void)sqlite3_bind_text(remove_row, 2, record->id, -1, SQLITE_STATIC);
    code = sqlite3_step(remove_row);
    (void)sqlite3_reset(remove_row);
    return code;
}

static bool sqlite_apply(void *state, const struct reg_change *changes,
                         size_t count, struct error *err)
{
    struct sqlite_store *store = state;

    if (!execute(store, "BEGIN IMMEDIATE", err))
        return false;
    for (size_t i = 0; i < count; i++) {
        int code = changes[i].kind == REG_PUT
                       ? put_record(store->put, changes[i].record)
                       : remove_record(store->remove, changes[i].record);

        if (code != SQLITE_DONE)
            goto undo;
    }
    if (sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return true;
undo:
    (void)unavailable(store, err);
    /* SQLite has rolled back by itself after some errors */
    (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

extern const struct reg_store_ops reg_store_sqlite;
const struct reg_store_ops reg_store_sqlite = {.name = "sqlite",
                                               .durable = true,
                                               .open = sqlite_open,
                                               .load = sqlite_load,
                                               .apply = sqlite_apply,
                                               .close = sqlite_close};
