/* test_shelf: models on disk: replaced whole, found again, never believed when damaged, and no more than the bounds allow. */
#include "support/folder.h"
#include "support/unit.h"

#include "moderator/shelf.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum { FILES = 3, HEAD = 88, BYTES_BOUND = 3 * (HEAD + 10) };

struct place {
    struct folder folder;
    struct shelf *shelf;
    struct buffer model;
    struct shelf_label found;
};

static void open_place(struct place *place)
{
    *place = (struct place){0};
    folder_open(&place->folder);
    buffer_init(&place->model, KIB);
    assert_status(STATUS_OK, shelf_open(&place->shelf, place->folder.path, FILES, BYTES_BOUND));
}

static void close_place(struct place *place)
{
    shelf_close(&place->shelf);
    shelf_close(&place->shelf);
    buffer_free(&place->model);
    folder_close(&place->folder);
}

static struct shelf_label label_of(const char *profile, uint64_t version)
{
    return (struct shelf_label){.profile = profile, .version = version, .sha256 = {1, 2, 3}};
}

/* The clock of files stands still for some milliseconds at a time: what is to be older is written a tick before. */
static void await_tick(void)
{
    struct timespec before;
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME_COARSE, &before);
    do {
        (void)poll(NULL, 0, 1);
        (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    } while (now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec);
}

static enum status put(struct place *place, const char *profile, uint64_t version, const char *model, size_t *dropped)
{
    const struct shelf_label label = label_of(profile, version);

    await_tick();
    return shelf_put(place->shelf, &label, bytes_of(model), dropped);
}

static enum status find(struct place *place, const char *profile)
{
    place->found = (struct shelf_label){.profile = profile};
    return shelf_read(place->shelf, &place->found, &place->model);
}

/* The only file of the folder. */
static void path_of_file(const struct place *place, char *out)
{
    DIR *dir = opendir(place->folder.path);
    const struct dirent *entry;
    size_t count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            folder_path(&place->folder, entry->d_name, out);
            count++;
        }
    }
    (void)closedir(dir);
    assert_int_equal(1, count);
}

static void a_model_is_found_again_by_the_next_process(void **state)
{
    static const unsigned char sha256[SHA256_BYTES] = {1, 2, 3};
    struct place place;
    size_t dropped = 9;

    (void)state;
    open_place(&place);
    assert_status(STATUS_NOT_FOUND, find(&place, "default"));
    assert_status(STATUS_OK, put(&place, "default", 7, "weights", &dropped));
    assert_int_equal(0, dropped);
    assert_status(STATUS_OK, put(&place, "default", 8, "better", &dropped));
    shelf_close(&place.shelf);
    assert_status(STATUS_OK, shelf_open(&place.shelf, place.folder.path, FILES, BYTES_BOUND));
    assert_status(STATUS_OK, find(&place, "default"));
    assert_int_equal(8, place.found.version);
    assert_bytes("better", buffer_view(&place.model));
    assert_memory_equal(sha256, place.found.sha256, sizeof sha256);
    assert_status(STATUS_NOT_FOUND, find(&place, "other"));
    close_place(&place);
}

/* Every byte of the head counts, and so does each of the model's, whose digest the caller checks, by its number. */
static void a_file_that_is_torn_or_damaged_is_not_believed(void **state)
{
    char path[PATH_BYTES_MAX + 1];
    char others[PATH_BYTES_MAX + 1];
    struct place place;
    size_t dropped;
    char byte;

    (void)state;
    open_place(&place);
    assert_status(STATUS_OK, put(&place, "default", 7, "weights", &dropped));
    path_of_file(&place, path);
    for (off_t at = 0; at < HEAD; at++) {
        int fd = open(path, O_RDWR);

        assert_int_equal(1, pread(fd, &byte, 1, at));
        byte ^= 1;
        assert_int_equal(1, pwrite(fd, &byte, 1, at));
        assert_status(STATUS_CORRUPT, find(&place, "default"));
        assert_int_equal(0, place.model.count);
        byte ^= 1;
        assert_int_equal(1, pwrite(fd, &byte, 1, at));
        (void)close(fd);
    }
    assert_status(STATUS_OK, find(&place, "default"));
    for (off_t end = HEAD + 6; end >= 0; end--) {
        assert_int_equal(0, truncate(path, end));
        assert_status(STATUS_CORRUPT, find(&place, "default"));
    }
    /* Another profile's file in its place. */
    assert_status(STATUS_OK, put(&place, "other", 1, "weights", &dropped));
    assert_int_equal(0, unlink(path));
    path_of_file(&place, others);
    assert_int_equal(0, rename(others, path));
    assert_status(STATUS_CORRUPT, find(&place, "default"));
    close_place(&place);
}

/* Whoever opens a pipe waits for its other end. */
static void a_pipe_in_its_place_holds_up_nobody(void **state)
{
    char path[PATH_BYTES_MAX + 1];
    struct place place;
    size_t dropped;

    (void)state;
    open_place(&place);
    assert_status(STATUS_OK, put(&place, "default", 7, "weights", &dropped));
    path_of_file(&place, path);
    assert_int_equal(0, unlink(path));
    assert_int_equal(0, mkfifo(path, 0600));
    assert_status(STATUS_CORRUPT, find(&place, "default"));
    assert_status(STATUS_OK, put(&place, "default", 8, "better", &dropped));
    assert_status(STATUS_OK, find(&place, "default"));
    (void)strcpy(strstr(path, ".model"), ".new");
    assert_int_equal(0, mkfifo(path, 0600));
    assert_status(STATUS_IO, put(&place, "default", 9, "best", &dropped));
    assert_status(STATUS_OK, find(&place, "default"));
    assert_int_equal(8, place.found.version);
    close_place(&place);
}

static void a_model_above_the_buffer_is_refused(void **state)
{
    struct place place;
    size_t dropped;

    (void)state;
    open_place(&place);
    assert_status(STATUS_OK, put(&place, "default", 7, "weights", &dropped));
    buffer_free(&place.model);
    buffer_init(&place.model, 6);
    assert_status(STATUS_TOO_LARGE, find(&place, "default"));
    buffer_free(&place.model);
    buffer_init(&place.model, 7);
    assert_status(STATUS_OK, find(&place, "default"));
    close_place(&place);
}

static void more_files_than_allowed_push_out_the_longest_unwritten(void **state)
{
    struct place place;
    size_t dropped;

    (void)state;
    open_place(&place);
    assert_status(STATUS_OK, put(&place, "a", 1, "1", &dropped));
    assert_status(STATUS_OK, put(&place, "b", 1, "1", &dropped));
    assert_status(STATUS_OK, put(&place, "c", 1, "1", &dropped));
    assert_status(STATUS_OK, put(&place, "a", 2, "1", &dropped)); /* in its own place: nobody goes, and `b` is the oldest */
    assert_int_equal(0, dropped);
    assert_status(STATUS_OK, put(&place, "d", 1, "1", &dropped));
    assert_int_equal(1, dropped);
    assert_status(STATUS_NOT_FOUND, find(&place, "b"));
    assert_status(STATUS_OK, find(&place, "a"));
    assert_status(STATUS_OK, find(&place, "c"));
    assert_status(STATUS_OK, find(&place, "d"));
    close_place(&place);
}

static void the_bytes_are_bounded(void **state)
{
    char large[BYTES_BOUND + 1] = {0};
    struct place place;
    size_t dropped;

    (void)state;
    open_place(&place);
    assert_status(STATUS_OK, put(&place, "a", 1, "0123456789", &dropped));
    assert_status(STATUS_OK, put(&place, "b", 1, "0123456789", &dropped));
    assert_status(STATUS_OK, put(&place, "c", 1, "0123456789", &dropped)); /* full to the byte */
    assert_int_equal(0, dropped);
    assert_status(STATUS_OK, put(&place, "c", 2, "0123456789.", &dropped));
    assert_int_equal(1, dropped);
    assert_status(STATUS_NOT_FOUND, find(&place, "a"));
    memset(large, 'x', BYTES_BOUND - HEAD + 1);
    assert_status(STATUS_TOO_LARGE, put(&place, "d", 1, large, &dropped));
    assert_int_equal(0, dropped);
    large[BYTES_BOUND - HEAD] = '\0';
    assert_status(STATUS_OK, put(&place, "d", 1, large, &dropped));
    assert_int_equal(2, dropped);
    close_place(&place);
}

/* A process that died while it wrote leaves the last good one, and its rest is in nobody's way. */
static void a_write_that_was_cut_off_changes_nothing(void **state)
{
    char path[PATH_BYTES_MAX + 1];
    struct place place;
    size_t dropped;
    int fd;

    (void)state;
    open_place(&place);
    assert_status(STATUS_OK, put(&place, "default", 7, "weights", &dropped));
    path_of_file(&place, path);
    (void)strcpy(strstr(path, ".model"), ".new");
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(200, pwrite(fd, (char[200]){0}, 200, 0));
    assert_int_equal(0, flock(fd, LOCK_EX)); /* it is still at it */
    assert_status(STATUS_OK, find(&place, "default"));
    assert_status(STATUS_CONFLICT, put(&place, "default", 8, "better", &dropped));
    assert_status(STATUS_OK, find(&place, "default"));
    assert_int_equal(7, place.found.version);
    (void)close(fd); /* it is gone */
    assert_status(STATUS_OK, put(&place, "default", 8, "better", &dropped));
    assert_status(STATUS_OK, find(&place, "default"));
    assert_bytes("better", buffer_view(&place.model));
    close_place(&place);
}

static void a_folder_that_cannot_be_is_told(void **state)
{
    struct shelf *shelf = NULL;

    (void)state;
    assert_status(STATUS_IO, shelf_open(&shelf, "/nonexistent/models", FILES, BYTES_BOUND));
    assert_status(STATUS_IO, shelf_open(&shelf, "/dev/null", FILES, BYTES_BOUND));
    assert_null(shelf);
}

static int start(void **state)
{
    (void)state;
    assert_status(STATUS_OK, secret_start());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_found_again_by_the_next_process),
        cmocka_unit_test(a_file_that_is_torn_or_damaged_is_not_believed),
        cmocka_unit_test(a_pipe_in_its_place_holds_up_nobody),
        cmocka_unit_test(a_model_above_the_buffer_is_refused),
        cmocka_unit_test(more_files_than_allowed_push_out_the_longest_unwritten),
        cmocka_unit_test(the_bytes_are_bounded),
        cmocka_unit_test(a_write_that_was_cut_off_changes_nothing),
        cmocka_unit_test(a_folder_that_cannot_be_is_told),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
