/* spool: nothing acknowledged is lost, the order stays, the bound holds, and damage costs what is damaged and no more. */
#include "support/unit.h"

#include "moderator/spool.h"
#include "proto/limits.h"
#include "proto/secret.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    struct spool *spool;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    (void)snprintf(fixture->dir, sizeof fixture->dir, "/tmp/prismguard-spool-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    assert_status(STATUS_OK, spool_open(&fixture->spool, fixture->dir, 64 * MIB));
    *state = fixture;
    return 0;
}

static void for_each_file(const char *dir, void (*visit)(const char *path))
{
    DIR *folder = opendir(dir);
    const struct dirent *entry;
    char path[512];

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
            visit(path);
        }
    }
    (void)closedir(folder);
}

static void remove_file(const char *path)
{
    (void)unlink(path);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    spool_close(&fixture->spool);
    for_each_file(fixture->dir, remove_file);
    assert_int_equal(0, rmdir(fixture->dir));
    free(fixture);
    return 0;
}

static void reopen(struct fixture *fixture, uint64_t bytes_max)
{
    spool_close(&fixture->spool);
    assert_status(STATUS_OK, spool_open(&fixture->spool, fixture->dir, bytes_max));
}

static void append_number(struct spool *spool, int number)
{
    char text[32];

    (void)snprintf(text, sizeof text, "record %d", number);
    assert_status(STATUS_OK, spool_append(spool, bytes_of(text)));
}

static void next_is(struct spool *spool, int number)
{
    char text[32];
    struct bytes record;

    (void)snprintf(text, sizeof text, "record %d", number);
    assert_status(STATUS_OK, spool_next(spool, &record));
    assert_bytes(text, record);
}

static void nothing_is_next(struct spool *spool)
{
    struct bytes record;

    assert_status(STATUS_NOT_FOUND, spool_next(spool, &record));
}

static void records_come_back_in_order_and_again_until_they_are_forgotten(void **state)
{
    struct spool *spool = ((struct fixture *)*state)->spool;

    nothing_is_next(spool);
    for (int number = 0; number < 5; number++) {
        append_number(spool, number);
    }
    assert_status(STATUS_OK, spool_sync(spool));
    assert_int_equal(5, spool_count(spool));
    next_is(spool, 0);
    next_is(spool, 1);
    spool_rewind(spool);
    next_is(spool, 0);
    next_is(spool, 1);
    assert_status(STATUS_OK, spool_forget(spool));
    assert_int_equal(3, spool_count(spool));
    append_number(spool, 5);
    spool_rewind(spool);
    for (int number = 2; number <= 5; number++) {
        next_is(spool, number);
    }
    nothing_is_next(spool);
    assert_status(STATUS_OK, spool_forget(spool));
    assert_int_equal(0, spool_count(spool));
    assert_int_equal(0, spool_bytes(spool));
}

static void what_was_not_forgotten_is_there_after_a_restart(void **state)
{
    struct fixture *fixture = *state;

    for (int number = 0; number < 4; number++) {
        append_number(fixture->spool, number);
    }
    next_is(fixture->spool, 0);
    assert_status(STATUS_OK, spool_forget(fixture->spool));
    reopen(fixture, 64 * MIB);
    /* The place inside a segment is not kept: delivered again rather than lost. */
    for (int number = 0; number < 4; number++) {
        next_is(fixture->spool, number);
    }
    nothing_is_next(fixture->spool);
}

static void a_process_that_is_killed_loses_nothing_it_synced(void **state)
{
    struct fixture *fixture = *state;
    pid_t child;
    int how;

    spool_close(&fixture->spool);
    child = fork();
    if (child == 0) {
        struct spool *spool = NULL;

        if (spool_open(&spool, fixture->dir, MIB) == STATUS_OK && spool_append(spool, BYTES("record 0")) == STATUS_OK &&
            spool_append(spool, BYTES("record 1")) == STATUS_OK && spool_sync(spool) == STATUS_OK) {
            (void)raise(SIGKILL);
        }
        _exit(1);
    }
    assert_int_equal(child, waitpid(child, &how, 0));
    assert_true(WIFSIGNALED(how));
    assert_status(STATUS_OK, spool_open(&fixture->spool, fixture->dir, MIB));
    assert_int_equal(2, spool_count(fixture->spool));
    next_is(fixture->spool, 0);
    next_is(fixture->spool, 1);
    nothing_is_next(fixture->spool);
}

static void the_bound_holds_to_the_byte(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t one = 12 + 8; /* head and "record N" */

    reopen(fixture, 3 * one);
    for (int number = 0; number < 3; number++) {
        append_number(fixture->spool, number);
    }
    assert_int_equal(3 * one, spool_bytes(fixture->spool));
    assert_status(STATUS_FULL, spool_append(fixture->spool, BYTES("")));
    reopen(fixture, 3 * one + 12);
    assert_status(STATUS_OK, spool_append(fixture->spool, BYTES("")));
    assert_status(STATUS_FULL, spool_append(fixture->spool, BYTES("")));
    reopen(fixture, one); /* a smaller bound than what is there: kept, and nothing added */
    assert_int_equal(4, spool_count(fixture->spool));
    assert_status(STATUS_FULL, spool_append(fixture->spool, BYTES("")));
}

static void a_record_above_its_bound_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char *large = calloc(1, SPOOL_RECORD_BYTES_MAX + 1);
    struct bytes record;

    assert_non_null(large);
    assert_status(STATUS_TOO_LARGE, spool_append(fixture->spool, (struct bytes){large, SPOOL_RECORD_BYTES_MAX + 1}));
    assert_status(STATUS_OK, spool_append(fixture->spool, (struct bytes){large, SPOOL_RECORD_BYTES_MAX}));
    assert_status(STATUS_OK, spool_next(fixture->spool, &record));
    assert_int_equal(SPOOL_RECORD_BYTES_MAX, record.count);
    free(large);
}

static void many_segments_keep_the_order_and_give_their_bytes_back(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 40, RECORD_BYTES = 500 * KIB };
    char *text = calloc(1, RECORD_BYTES);
    struct bytes record;

    assert_non_null(text);
    for (int number = 0; number < COUNT; number++) {
        (void)snprintf(text, RECORD_BYTES, "%d", number);
        assert_status(STATUS_OK, spool_append(fixture->spool, (struct bytes){text, RECORD_BYTES}));
    }
    reopen(fixture, 64 * MIB);
    assert_int_equal(COUNT, spool_count(fixture->spool));
    for (int number = 0; number < COUNT; number++) {
        assert_status(STATUS_OK, spool_next(fixture->spool, &record));
        assert_int_equal(number, atol(record.data));
        if (number == COUNT / 2) {
            uint64_t before = spool_bytes(fixture->spool);

            assert_status(STATUS_OK, spool_forget(fixture->spool));
            assert_true(spool_bytes(fixture->spool) < before);
            assert_int_equal(COUNT - number - 1, spool_count(fixture->spool));
        }
    }
    assert_status(STATUS_OK, spool_forget(fixture->spool));
    assert_int_equal(0, spool_bytes(fixture->spool));
    append_number(fixture->spool, 7);
    next_is(fixture->spool, 7);
    free(text);
}

/* The one segment of the fixture, with `change` done to its byte `at`, or cut there. */
static void damage(struct fixture *fixture, off_t at, bool cut)
{
    char path[128];
    int fd;
    char byte;

    spool_close(&fixture->spool);
    (void)snprintf(path, sizeof path, "%s/00000001.spool", fixture->dir);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    if (cut) {
        assert_int_equal(0, ftruncate(fd, at));
    } else {
        assert_int_equal(1, pread(fd, &byte, 1, at));
        byte ^= 0x10;
        assert_int_equal(1, pwrite(fd, &byte, 1, at));
    }
    assert_int_equal(0, close(fd));
    assert_status(STATUS_OK, spool_open(&fixture->spool, fixture->dir, MIB));
}

static void a_file_cut_anywhere_keeps_its_whole_records(void **state)
{
    struct fixture *fixture = *state;

    for (off_t at = 59; at >= 0; at--) {
        while (spool_count(fixture->spool) < 3) {
            append_number(fixture->spool, (int)spool_count(fixture->spool));
        }
        damage(fixture, at, true);
        assert_int_equal(at / 20, spool_count(fixture->spool));
        assert_int_equal(at % 20, spool_damaged_bytes(fixture->spool));
        for (int number = 0; number < at / 20; number++) {
            next_is(fixture->spool, number);
        }
        nothing_is_next(fixture->spool);
        spool_rewind(fixture->spool);
    }
}

static void a_flipped_bit_is_found_wherever_it_is(void **state)
{
    struct fixture *fixture = *state;

    for (off_t at = 0; at < 60; at++) {
        while (spool_count(fixture->spool) < 3) {
            append_number(fixture->spool, (int)spool_count(fixture->spool));
        }
        damage(fixture, at, false);
        assert_int_equal(at / 20, spool_count(fixture->spool));
        assert_int_equal(60 - at / 20 * 20, spool_damaged_bytes(fixture->spool));
    }
}

static void two_processes_cannot_have_one_folder(void **state)
{
    struct fixture *fixture = *state;
    struct spool *second = NULL;

    assert_status(STATUS_CONFLICT, spool_open(&second, fixture->dir, MIB));
    assert_null(second);
    assert_status(STATUS_IO, spool_open(&second, "/proc/no/such/folder", MIB));
}

static void check_mode(const char *path)
{
    struct stat seen;

    assert_int_equal(0, stat(path, &seen));
    assert_int_equal(0600, seen.st_mode & 0777);
}

static void nobody_else_can_read_the_files(void **state)
{
    struct fixture *fixture = *state;

    append_number(fixture->spool, 1);
    for_each_file(fixture->dir, check_mode);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_come_back_in_order_and_again_until_they_are_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_forgotten_is_there_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_process_that_is_killed_loses_nothing_it_synced, setup, teardown),
        cmocka_unit_test_setup_teardown(the_bound_holds_to_the_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_above_its_bound_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(many_segments_keep_the_order_and_give_their_bytes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_cut_anywhere_keeps_its_whole_records, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flipped_bit_is_found_wherever_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(two_processes_cannot_have_one_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_else_can_read_the_files, setup, teardown),
    };
    if (secret_start() != STATUS_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
