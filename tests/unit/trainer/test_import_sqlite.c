/* Tests of import_sqlite: a history is read row by row, what is no history is told apart, and SQLite's memory is bounded. */
#include "support/own_folder.h"
#include "support/unit.h"

#include "trainer/import_sqlite.h"

#include <sqlite3.h>

enum { ROWS_MAX = 8, HELD = 100 /* texts that a greedy row holds at once */ };

/* A file of the folder that holds what the statements make. */
static void make(const char *name, const char *statements, char path[PATH_BYTES_MAX + 1])
{
    sqlite3 *file = NULL;

    folder_path(&folder, name, path);
    assert_int_equal(SQLITE_OK, sqlite3_open(path, &file));
    assert_int_equal(SQLITE_OK, sqlite3_exec(file, statements, NULL, NULL, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_close(file));
}

struct taken {
    size_t count;
    size_t text_bytes;
    char rows[ROWS_MAX][32]; /* "label text category" */
};

static enum status take(void *context, const struct import_sqlite_row *row)
{
    struct taken *taken = context;

    assert_in_range(taken->count, 0, ROWS_MAX - 1);
    (void)snprintf(taken->rows[taken->count], sizeof taken->rows[0], "%d %.*s %.*s", row->label,
                   (int)(row->text.count < 9 ? row->text.count : 9), row->text.data, (int)row->category.count,
                   row->category.count == 0 ? "" : row->category.data);
    taken->text_bytes += row->text.count;
    taken->count++;
    return STATUS_OK;
}

static enum status read_rows(const char *path, struct taken *taken, int64_t *broken)
{
    *taken = (struct taken){0};
    return import_sqlite_read(path, &(struct import_sqlite_reader){take, taken}, broken);
}

static void rows_come_by_their_ids_and_broken_ones_are_counted(void **state)
{
    static const char *const rows[] = {"1 bad hate", "0 fine ", "1 worse "};
    char path[PATH_BYTES_MAX + 1];
    struct taken taken;
    int64_t count = 0, broken = 0;

    (void)state;
    make("history.db",
         "CREATE TABLE samples (id INTEGER PRIMARY KEY, text, label, category);"
         "INSERT INTO samples VALUES (9, 'worse', 2, 7 || char(10)), (4, 'fine', 0, 'hate'), (3, 'bad', 1, 'hate'),"
         " (5, '', 0, NULL), (6, x'FF', 0, NULL), (7, 'no number', 'x', NULL), (8, CAST(x'FF' AS TEXT), 1, NULL), (10, NULL, 1, NULL);",
         path);
    assert_status(STATUS_OK, import_sqlite_count(path, &count));
    assert_int_equal(8, count);
    assert_status(STATUS_OK, read_rows(path, &taken, &broken));
    assert_int_equal(5, broken);
    assert_int_equal(3, taken.count);
    for (size_t index = 0; index < taken.count; index++) {
        assert_string_equal(rows[index], taken.rows[index]);
    }
}

static void what_is_no_history_is_told_apart(void **state)
{
    char path[PATH_BYTES_MAX + 1];
    struct taken taken;
    int64_t broken = 0;

    (void)state;
    folder_path(&folder, "nothing.db", path);
    assert_status(STATUS_NOT_FOUND, read_rows(path, &taken, &broken));
    folder_write(&folder, "text.db", BYTES("this is no database, but long enough to be taken for one at first sight"));
    folder_path(&folder, "text.db", path);
    assert_status(STATUS_MALFORMED, read_rows(path, &taken, &broken));
    make("other.db", "CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT)", path);
    assert_status(STATUS_MALFORMED, read_rows(path, &taken, &broken));
}

/* A history whose second row takes about so much of SQLite's memory: its text is the greatest of HELD texts, of which each is there. */
static void make_greedy(const char *name, size_t heap_bytes, char path[PATH_BYTES_MAX + 1])
{
    struct buffer statements;

    buffer_init(&statements, 64 * KIB);
    assert_status(STATUS_OK, buffer_append_text(&statements, "CREATE TABLE sizes (id INTEGER PRIMARY KEY, size);"
                                                             "CREATE VIEW samples AS SELECT id, 0 AS label, '' AS category,"
                                                             " max(hex(zeroblob(size))"));
    for (size_t index = 1; index < HELD; index++) {
        assert_status(STATUS_OK, buffer_append_text(&statements, ", hex(zeroblob(size))"));
    }
    assert_status(STATUS_OK, buffer_append_format(&statements, ") AS text FROM sizes; INSERT INTO sizes VALUES (1, 1), (2, %zu), (3, 1)",
                                                  heap_bytes / HELD / 2));
    assert_status(STATUS_OK, buffer_append(&statements, (struct bytes){"", 1}));
    make(name, statements.data, path);
    buffer_free(&statements);
}

static void a_row_within_sqlites_memory_is_read_and_one_beyond_it_ends_the_history(void **state)
{
    char path[PATH_BYTES_MAX + 1];
    struct taken taken;
    int64_t broken = 0;

    (void)state;
    make_greedy("within.db", SQLITE_HEAP_BYTES_MAX / 20 * 19, path);
    assert_status(STATUS_OK, read_rows(path, &taken, &broken));
    assert_int_equal(3, taken.count);
    assert_in_range(taken.text_bytes, SQLITE_HEAP_BYTES_MAX / 20 * 19 / HELD - 8, SQLITE_HEAP_BYTES_MAX / HELD);
    make_greedy("beyond.db", SQLITE_HEAP_BYTES_MAX, path);
    assert_status(STATUS_NO_MEMORY, read_rows(path, &taken, &broken));
    assert_int_equal(1, taken.count); /* what was read stays */
    assert_in_range(sqlite3_memory_used(), 0, MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_by_their_ids_and_broken_ones_are_counted),
        cmocka_unit_test(what_is_no_history_is_told_apart),
        cmocka_unit_test(a_row_within_sqlites_memory_is_read_and_one_beyond_it_ends_the_history),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
