/* import_sqlite: one statement over the history, and what of a row may be kept. */
#include "trainer/import_sqlite.h"

#include "proto/limits.h"
#include "trainer/records.h"

#include <sqlite3.h>
#include <unistd.h>

enum { BUSY_MS = 2000 }; /* a PrismGuard that still writes is waited for so long */

/* SQLITE_OPEN_READONLY: a history in WAL mode is read with its log, and never written. */
static enum status open_file(sqlite3 **out, const char *path)
{
    sqlite3 *file = NULL;

    if (access(path, F_OK) != 0) {
        return STATUS_NOT_FOUND;
    }
    (void)sqlite3_hard_heap_limit64(SQLITE_HEAP_BYTES_MAX);
    if (sqlite3_open_v2(path, &file, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        (void)sqlite3_close(file);
        return STATUS_IO;
    }
    (void)sqlite3_db_config(file, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(file, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_limit(file, SQLITE_LIMIT_LENGTH, RECORD_BYTES_MAX);
    (void)sqlite3_busy_timeout(file, BUSY_MS);
    *out = file;
    return STATUS_OK;
}

static enum status status_of(int code)
{
    switch (code) {
    case SQLITE_ROW:
    case SQLITE_DONE:
    case SQLITE_OK:
        return STATUS_OK;
    case SQLITE_NOMEM:
        return STATUS_NO_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return STATUS_IO;
    default:
        return STATUS_MALFORMED; /* no database, no such table, a corrupt page */
    }
}

static struct bytes column(sqlite3_stmt *statement, int index)
{
    const char *data = (const char *)sqlite3_column_text(statement, index);

    return (struct bytes){data, data == NULL ? 0 : (size_t)sqlite3_column_bytes(statement, index)};
}

static enum status take_row(sqlite3_stmt *statement, const struct import_sqlite_reader *reader, int64_t *out_broken)
{
    /* Asked first: whoever reads a blob as a text makes it one. */
    bool is_sound = sqlite3_column_type(statement, 0) == SQLITE_TEXT && sqlite3_column_type(statement, 1) == SQLITE_INTEGER;
    struct import_sqlite_row row = {
        .text = column(statement, 0), .label = sqlite3_column_int64(statement, 1) == 0 ? 0 : 1, .category = column(statement, 2)};

    if (!is_sound || !records_is_text(row.text)) {
        (*out_broken)++;
        return STATUS_OK;
    }
    if (row.label == 0 || !records_is_category(row.category)) {
        row.category = (struct bytes){NULL, 0};
    }
    return reader->on_row(reader->context, &row);
}

enum status import_sqlite_count(const char *path, int64_t *out)
{
    sqlite3 *file = NULL;
    sqlite3_stmt *statement = NULL;
    enum status status = open_file(&file, path);

    if (status == STATUS_OK) {
        status = status_of(sqlite3_prepare_v2(file, "SELECT count(*) FROM samples", -1, &statement, NULL));
    }
    if (status == STATUS_OK) {
        int code = sqlite3_step(statement);

        status = status_of(code);
        if (code == SQLITE_ROW) {
            *out = sqlite3_column_int64(statement, 0);
        }
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(file);
    return status;
}

enum status import_sqlite_read(const char *path, const struct import_sqlite_reader *reader, int64_t *out_broken)
{
    sqlite3 *file = NULL;
    sqlite3_stmt *statement = NULL;
    int code = SQLITE_OK;
    enum status status = open_file(&file, path);

    *out_broken = 0;
    if (status == STATUS_OK) {
        code = sqlite3_prepare_v2(file, "SELECT text, label, category FROM samples ORDER BY id", -1, &statement, NULL);
        status = status_of(code);
    }
    while (status == STATUS_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        status = take_row(statement, reader, out_broken);
    }
    if (status == STATUS_OK) {
        status = status_of(code);
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(file);
    return status;
}
