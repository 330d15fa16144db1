/* test_file: whole files, the bound from both sides, and what cannot be read. */
#include "support/own_folder.h"
#include "support/unit.h"

#include "moderator/file.h"

enum { BOUND = 64 * 1024 };

static enum status read_of_size(const struct folder *home, size_t count, struct buffer *out)
{
    char *content = calloc(1, count);
    char path[PATH_BYTES_MAX + 1];
    enum status status;

    assert_non_null(content);
    memset(content, 'x', count);
    folder_write(home, "sized", (struct bytes){content, count});
    free(content);
    folder_path(home, "sized", path);
    status = file_read(path, out);
    return status;
}

static void a_file_is_read_whole_behind_what_was_there(void **state)
{
    char path[PATH_BYTES_MAX + 1];
    struct buffer out;

    buffer_init(&out, BOUND);
    assert_status(STATUS_OK, buffer_append_text(&out, "before "));
    folder_write(*state, "a", BYTES("content\n"));
    folder_path(*state, "a", path);
    assert_status(STATUS_OK, file_read(path, &out));
    assert_bytes("before content\n", buffer_view(&out));
    buffer_free(&out);
}

static void an_empty_file_adds_nothing(void **state)
{
    char path[PATH_BYTES_MAX + 1];
    struct buffer out;

    buffer_init(&out, BOUND);
    folder_write(*state, "empty", (struct bytes){NULL, 0});
    folder_path(*state, "empty", path);
    assert_status(STATUS_OK, file_read(path, &out));
    assert_int_equal(out.count, 0);
    buffer_free(&out);
}

static void a_file_of_the_bound_is_read_and_one_byte_more_is_refused(void **state)
{
    struct buffer out;

    buffer_init(&out, BOUND);
    assert_status(STATUS_OK, read_of_size(*state, BOUND - 1, &out));
    buffer_clear(&out);
    assert_status(STATUS_OK, read_of_size(*state, BOUND, &out));
    assert_int_equal(out.count, BOUND);
    buffer_clear(&out);
    assert_status(STATUS_TOO_LARGE, read_of_size(*state, BOUND + 1, &out));
    assert_int_equal(out.count, 0);
    buffer_free(&out);
}

static void a_device_without_end_is_refused_at_the_bound(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, BOUND);
    assert_status(STATUS_TOO_LARGE, file_read("/dev/zero", &out));
    assert_int_equal(out.count, 0);
    buffer_free(&out);
}

static void a_missing_file_and_a_folder_are_told_apart(void **state)
{
    const struct folder *home = *state;
    char path[PATH_BYTES_MAX + 1];
    struct buffer out;

    buffer_init(&out, BOUND);
    folder_path(home, "nothing", path);
    assert_status(STATUS_NOT_FOUND, file_read(path, &out));
    assert_status(STATUS_IO, file_read(home->path, &out));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_whole_behind_what_was_there),
        cmocka_unit_test(an_empty_file_adds_nothing),
        cmocka_unit_test(a_file_of_the_bound_is_read_and_one_byte_more_is_refused),
        cmocka_unit_test(a_device_without_end_is_refused_at_the_bound),
        cmocka_unit_test(a_missing_file_and_a_folder_are_told_apart),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
