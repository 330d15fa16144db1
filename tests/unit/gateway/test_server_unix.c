/* Tests of server_unix: one file and one listener for all loops, and whose file may be taken away. */
#include "gateway/server_unix.h"

#include "support/folder.h"
#include "support/unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/un.h>

struct fixture {
    struct folder folder;
    char path[PATH_BYTES_MAX + 1];
    struct server_address address;
};

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    folder_open(&fixture->folder);
    folder_path(&fixture->folder, "http", fixture->path);
    assert_status(STATUS_OK, unix_address(&fixture->address, bytes_of(fixture->path)));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    server_address_close(&fixture->address);
    folder_close(&fixture->folder);
    test_free(fixture);
    return 0;
}

/* 0, or the errno of a client that calls. */
static int call(const struct fixture *fixture)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int error =
        connect(fd, (const struct sockaddr *)&fixture->address.socket, fixture->address.socket_bytes) == 0 ? 0 : errno;

    assert_int_equal(0, close(fd));
    return error;
}

static void loops_share_one_socket_that_user_and_group_reach(void **state)
{
    struct fixture *fixture = *state;
    int first = unix_socket(&fixture->address);
    int second = unix_socket(&fixture->address);
    struct stat found;
    int taken;

    assert_true(first >= 0 && second >= 0 && first != second);
    assert_int_equal(0, stat(fixture->path, &found));
    assert_true(S_ISSOCK(found.st_mode));
    assert_int_equal(0660, found.st_mode & 0777);
    assert_int_equal(ECONNREFUSED, call(fixture));
    assert_int_equal(0, listen(first, 8));
    assert_int_equal(0, call(fixture));
    assert_int_equal(0, close(first));
    assert_int_equal(0, call(fixture)); /* the other loop's */
    taken = accept(second, NULL, NULL);
    assert_true(taken >= 0);
    assert_int_equal(0, close(taken));
    assert_int_equal(0, close(second));
}

static void the_file_goes_at_the_end_unless_it_is_another_s(void **state)
{
    struct fixture *fixture = *state;
    int fd = unix_socket(&fixture->address);

    server_address_close(&fixture->address);
    assert_int_equal(-1, access(fixture->path, F_OK));
    server_address_close(&fixture->address);
    assert_int_equal(0, close(fd));

    fd = unix_socket(&fixture->address);
    assert_int_equal(0, unlink(fixture->path));
    folder_write(&fixture->folder, "http", BYTES("another's"));
    server_address_close(&fixture->address);
    assert_int_equal(0, access(fixture->path, F_OK));
    assert_int_equal(0, close(fd));
}

static void a_file_that_was_left_behind_is_replaced_and_one_in_use_is_not(void **state)
{
    struct fixture *fixture = *state;
    struct server_address other = fixture->address;
    int fd = unix_socket(&fixture->address);
    int again;

    other.is_shared = false; /* another process's */
    assert_int_equal(0, listen(fd, 8));
    assert_int_equal(-1, unix_socket(&other));
    assert_int_equal(EADDRINUSE, errno);
    assert_int_equal(0, call(fixture)); /* unharmed */
    assert_int_equal(0, close(fd));
    assert_int_equal(0, close(fixture->address.shared)); /* as a process that was killed */
    fixture->address.is_shared = false;
    assert_int_equal(ECONNREFUSED, call(fixture));
    again = unix_socket(&other);
    assert_true(again >= 0);
    assert_int_equal(0, close(again));
    server_address_close(&other);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct fixture *fixture = *state;

    folder_write(&fixture->folder, "http", BYTES("precious"));
    assert_int_equal(-1, unix_socket(&fixture->address));
    assert_int_equal(EADDRINUSE, errno);
    assert_int_equal(0, access(fixture->path, F_OK));
}

static void a_path_may_be_as_long_as_the_kernel_takes(void **state)
{
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path + 1];
    struct server_address address = {0};
    struct buffer text;

    (void)state;
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_status(STATUS_MALFORMED, unix_address(&address, bytes_of(path)));
    assert_status(STATUS_OK, unix_address(&address, bytes_first(bytes_of(path), sizeof path - 2)));
    assert_status(STATUS_MALFORMED, unix_address(&address, BYTES("")));
    assert_status(STATUS_OK, server_address(&address, "unix:/a/b"));
    buffer_init(&text, KIB);
    assert_status(STATUS_OK, server_address_text(&address, &text));
    assert_bytes("unix:/a/b", buffer_view(&text));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loops_share_one_socket_that_user_and_group_reach, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_file_goes_at_the_end_unless_it_is_another_s, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_was_left_behind_is_replaced_and_one_in_use_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_socket_is_left_alone, set_up, tear_down),
        cmocka_unit_test(a_path_may_be_as_long_as_the_kernel_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
