/* wire_security: the right key comes in, no other does, and nothing is bound where nobody guards the door. */
#include "support/unit.h"

#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/secret.h"
#include "proto/wire.h"
#include "proto/wire_zap.h"

#include <czmq.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    char other[64];
};

static const char *const names[] = {"gateway", "moderator", "trainer"};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    (void)snprintf(fixture->dir, sizeof fixture->dir, "/tmp/prismguard-keys-XXXXXX");
    (void)snprintf(fixture->other, sizeof fixture->other, "/tmp/prismguard-keys-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    assert_non_null(mkdtemp(fixture->other));
    assert_status(STATUS_OK, wire_security_make_keys(fixture->dir));
    assert_status(STATUS_OK, wire_security_make_keys(fixture->other));
    *state = fixture;
    return 0;
}

static const char *path_in(const char *dir, const char *name, const char *ending)
{
    static char path[256];

    (void)snprintf(path, sizeof path, "%s/%s.%s", dir, name, ending);
    return path;
}

static void remove_keys(const char *dir)
{
    for (size_t index = 0; index < 3; index++) {
        (void)unlink(path_in(dir, names[index], "key"));
        (void)unlink(path_in(dir, names[index], "pub"));
    }
    (void)rmdir(dir);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    remove_keys(fixture->dir);
    remove_keys(fixture->other);
    free(fixture);
    return 0;
}

static void write_file(const char *path, const char *text, const char *mode)
{
    FILE *file = fopen(path, mode);

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(0, fclose(file));
}

static bool readable(struct wire *wire, long patience_ms)
{
    zmq_pollitem_t item = {wire_handle(wire), 0, ZMQ_POLLIN, 0};

    return zmq_poll(&item, 1, patience_ms) == 1;
}

/* A slot with the keys of `dir` says READY; does the pool hear it? */
static bool slot_is_heard(struct wire *pool, const struct wire_security *keys, long patience_ms)
{
    struct wire *slot = NULL;
    struct bytes identity;
    struct bytes frame;
    zmq_pollitem_t item;
    bool heard = false;

    assert_status(STATUS_OK, wire_open(&slot, WIRE_SLOT, MIB));
    wire_secure(slot, keys);
    assert_status(STATUS_OK, wire_attach(slot, wire_endpoint(pool)));
    item = (zmq_pollitem_t){wire_handle(slot), 0, ZMQ_POLLOUT, 0};
    /* IMMEDIATE: writable only once the handshake is through. */
    if (zmq_poll(&item, 1, patience_ms) == 1) {
        assert_status(STATUS_OK, wire_send(slot, BYTES("READY")));
        heard = readable(pool, patience_ms);
        if (heard) {
            assert_status(STATUS_OK, wire_take(pool, &identity, &frame));
            assert_bytes("READY", frame);
        }
    }
    wire_close(&slot);
    return heard;
}

static void made_keys_are_six_files_and_are_never_overwritten(void **state)
{
    struct fixture *fixture = *state;
    struct stat seen;

    for (size_t index = 0; index < 3; index++) {
        assert_int_equal(0, stat(path_in(fixture->dir, names[index], "key"), &seen));
        assert_int_equal(0600, seen.st_mode & 0777);
        assert_int_equal(CURVE_KEY_TEXT_BYTES + 1, seen.st_size);
        assert_int_equal(0, stat(path_in(fixture->dir, names[index], "pub"), &seen));
    }
    assert_status(STATUS_CONFLICT, wire_security_make_keys(fixture->dir));
}

static int64_t denied(struct metrics *metrics, const char *name)
{
    return series_value(metrics_series(metrics, METRIC_COUNTER, name, "", NULL, 0));
}

static void a_start_without_a_folder_is_without_curve(void **state)
{
    struct fixture *fixture = *state;
    struct wire_security *security = NULL;
    struct metrics *metrics = NULL;
    struct buffer page;

    buffer_init(&page, MIB);
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, wire_security_start(&security, "", WIRE_TRAINER, metrics));
    assert_status(STATUS_OK, wire_security_start(&security, "", WIRE_MODERATOR, metrics));
    assert_null(security);
    assert_status(STATUS_OK, metrics_print(metrics, &page));
    assert_true(bytes_ends_with(buffer_view(&page), BYTES("\nprismguard_trainer_zap_denied_total 0\n"))); /* there, and alone */
    assert_status(STATUS_IO, wire_security_start(&security, "/nowhere", WIRE_MODERATOR, metrics));
    assert_status(STATUS_OK, wire_security_start(&security, fixture->dir, WIRE_MODERATOR, metrics));
    wire_security_close(&security);
    buffer_free(&page);
    metrics_close(&metrics);
}

static void the_right_key_comes_in_and_a_stranger_s_does_not(void **state)
{
    struct fixture *fixture = *state;
    struct wire_security *gateway = NULL;
    struct wire_security *moderator = NULL;
    struct wire_security *stranger = NULL;
    struct wire *pool = NULL;
    struct metrics *metrics = NULL;

    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, wire_security_start(&gateway, fixture->dir, WIRE_GATEWAY, metrics));
    assert_status(STATUS_OK, wire_security_open(&moderator, fixture->dir, WIRE_MODERATOR));
    /* The stranger knows the gateway's public key, but brings a key of its own. */
    assert_int_equal(0, unlink(path_in(fixture->other, "gateway", "pub")));
    {
        char text[64] = {0};
        FILE *file = fopen(path_in(fixture->dir, "gateway", "pub"), "r");

        assert_non_null(file);
        assert_non_null(fgets(text, sizeof text, file));
        assert_int_equal(0, fclose(file));
        write_file(path_in(fixture->other, "gateway", "pub"), text, "w");
    }
    assert_status(STATUS_OK, wire_security_open(&stranger, fixture->other, WIRE_MODERATOR));
    assert_status(STATUS_OK, wire_open(&pool, WIRE_POOL, ROUTER_MESSAGE_BYTES_MAX));
    wire_secure(pool, gateway);
    assert_status(STATUS_OK, wire_attach(pool, "tcp://127.0.0.1:*"));
    assert_true(slot_is_heard(pool, moderator, 60000));
    assert_int_equal(0, wire_security_denied(gateway));
    do { /* a handshake may take longer than one try on a busy machine */
        assert_false(slot_is_heard(pool, stranger, 500));
    } while (wire_security_denied(gateway) == 0);
    assert_false(slot_is_heard(pool, NULL, 500));
    assert_true(slot_is_heard(pool, moderator, 60000));
    wire_close(&pool);
    wire_security_close(&stranger);
    wire_security_close(&moderator);
    assert_int_equal(wire_security_denied(gateway), denied(metrics, "prismguard_gateway_zap_denied_total"));
    wire_security_close(&gateway);
    metrics_close(&metrics);
}

/* The bound on what subscribers send also counts the frames of the handshake. */
static void announcements_are_heard_through_the_bound_on_subscriptions(void **state)
{
    struct fixture *fixture = *state;
    struct wire_security *trainer = NULL;
    struct wire_security *moderator = NULL;
    struct wire *announce = NULL;
    struct wire *listen = NULL;
    struct bytes identity;
    struct bytes frame;

    assert_status(STATUS_OK, wire_security_open(&trainer, fixture->dir, WIRE_TRAINER));
    assert_status(STATUS_OK, wire_security_open(&moderator, fixture->dir, WIRE_MODERATOR));
    assert_status(STATUS_OK, wire_open(&announce, WIRE_ANNOUNCE, SUBSCRIPTION_BYTES_MAX));
    wire_secure(announce, trainer);
    assert_status(STATUS_OK, wire_attach(announce, "tcp://127.0.0.1:*"));
    assert_status(STATUS_OK, wire_open(&listen, WIRE_LISTEN, ANNOUNCEMENT_BYTES_MAX));
    wire_secure(listen, moderator);
    assert_status(STATUS_OK, wire_attach(listen, wire_endpoint(announce)));
    assert_true(readable(announce, 5000)); /* the subscription has come */
    assert_status(STATUS_OK, wire_take(announce, &identity, &frame));
    assert_status(STATUS_OK, wire_send(announce, BYTES("version 7")));
    assert_true(readable(listen, 5000));
    assert_status(STATUS_OK, wire_take(listen, &identity, &frame));
    assert_bytes("version 7", frame);
    wire_close(&listen);
    wire_close(&announce);
    wire_security_close(&moderator);
    wire_security_close(&trainer);
}

/* The first line of a .pub file. */
static void read_line(char out[64], const char *path)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_non_null(fgets(out, 64, file));
    assert_int_equal(0, fclose(file));
}

static void a_reloaded_list_lets_a_new_key_in_and_a_broken_one_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct wire_security *gateway = NULL;
    struct wire_security *stranger = NULL;
    struct wire_security *moderator = NULL;
    struct wire *pool = NULL;
    char list[256];
    char known[64];
    char added[64];

    (void)snprintf(list, sizeof list, "%s", path_in(fixture->dir, "moderator", "pub"));
    read_line(known, list);
    read_line(added, path_in(fixture->other, "moderator", "pub"));
    assert_status(STATUS_OK, wire_security_open(&gateway, fixture->dir, WIRE_GATEWAY));
    assert_status(STATUS_OK, wire_security_open(&moderator, fixture->dir, WIRE_MODERATOR));
    write_file(path_in(fixture->dir, "moderator", "pub"), known, "w");
    {
        char gateways[64];

        read_line(gateways, path_in(fixture->dir, "gateway", "pub"));
        write_file(path_in(fixture->other, "gateway", "pub"), gateways, "w");
    }
    assert_status(STATUS_OK, wire_security_open(&stranger, fixture->other, WIRE_MODERATOR));
    assert_status(STATUS_OK, wire_open(&pool, WIRE_POOL, ROUTER_MESSAGE_BYTES_MAX));
    wire_secure(pool, gateway);
    assert_status(STATUS_OK, wire_attach(pool, "tcp://127.0.0.1:*"));
    assert_false(slot_is_heard(pool, stranger, 200));

    write_file(list, "# a second machine\n", "a");
    write_file(list, added, "a");
    assert_status(STATUS_OK, wire_security_reload(gateway));
    assert_true(slot_is_heard(pool, stranger, 5000));
    assert_true(slot_is_heard(pool, moderator, 5000));

    write_file(list, "not a key\n", "a");
    assert_status(STATUS_MALFORMED, wire_security_reload(gateway));
    assert_true(slot_is_heard(pool, stranger, 5000));

    write_file(list, known, "w");
    assert_status(STATUS_OK, wire_security_reload(gateway));
    assert_false(slot_is_heard(pool, stranger, 200));
    assert_true(slot_is_heard(pool, moderator, 5000));
    wire_close(&pool);
    wire_security_close(&stranger);
    wire_security_close(&moderator);
    wire_security_close(&gateway);
}

static void a_moderator_s_next_socket_uses_its_new_key(void **state)
{
    struct fixture *fixture = *state;
    struct wire_security *gateway = NULL;
    struct wire_security *moderator = NULL;
    struct wire_security_keys *keys = NULL;
    struct wire *pool = NULL;
    char from[256];

    assert_status(STATUS_OK, wire_security_open(&gateway, fixture->dir, WIRE_GATEWAY));
    assert_status(STATUS_OK, wire_security_open(&moderator, fixture->dir, WIRE_MODERATOR));
    assert_status(STATUS_OK, wire_open(&pool, WIRE_POOL, ROUTER_MESSAGE_BYTES_MAX));
    wire_secure(pool, gateway);
    assert_status(STATUS_OK, wire_attach(pool, "tcp://127.0.0.1:*"));
    /* Half of a new pair is refused, and nothing changes. */
    (void)snprintf(from, sizeof from, "%s", path_in(fixture->other, "moderator", "key"));
    assert_int_equal(0, rename(from, path_in(fixture->dir, "moderator", "key")));
    assert_status(STATUS_MALFORMED, wire_security_read(moderator, &keys));
    assert_null(keys);
    assert_true(slot_is_heard(pool, moderator, 5000));
    /* The whole of it is used, and known to the gateway only once that has reloaded too. */
    (void)snprintf(from, sizeof from, "%s", path_in(fixture->other, "moderator", "pub"));
    assert_int_equal(0, rename(from, path_in(fixture->dir, "moderator", "pub")));
    assert_status(STATUS_OK, wire_security_read(moderator, &keys));
    assert_true(slot_is_heard(pool, moderator, 5000));
    wire_security_use(moderator, &keys);
    assert_null(keys);
    assert_false(slot_is_heard(pool, moderator, 200));
    assert_status(STATUS_OK, wire_security_reload(gateway));
    assert_true(slot_is_heard(pool, moderator, 5000));
    assert_status(STATUS_OK, wire_security_read(NULL, &keys)); /* no CURVE, nothing to do */
    wire_security_use(NULL, &keys);
    wire_close(&pool);
    wire_security_close(&moderator);
    wire_security_close(&gateway);
}

static void without_a_handler_nothing_is_bound(void **state)
{
    struct fixture *fixture = *state;
    struct wire_security *gateway = NULL;
    const struct wire_zap_keys nobody = {0};
    struct wire_zap *zap = NULL;
    struct wire *pool = NULL;

    assert_false(wire_zap_answers(zap));
    assert_status(STATUS_OK, wire_security_open(&gateway, fixture->dir, WIRE_GATEWAY));
    assert_true(wire_zap_answers(NULL));
    assert_status(STATUS_CONFLICT, wire_zap_open(&zap, &nobody));
    assert_status(STATUS_OK, wire_open(&pool, WIRE_POOL, ROUTER_MESSAGE_BYTES_MAX));
    /* Without keys an address beyond loopback is refused before it is tried. */
    assert_status(STATUS_DENIED, wire_attach(pool, "tcp://0.0.0.0:*"));
    wire_secure(pool, gateway);
    assert_status(STATUS_OK, wire_attach(pool, "tcp://0.0.0.0:*"));
    wire_close(&pool);
    wire_security_close(&gateway);
}

static void the_handler_is_gone_once_its_owner_closed_it(void **state)
{
    struct fixture *fixture = *state;
    struct wire_security *gateway = NULL;

    assert_status(STATUS_OK, wire_security_open(&gateway, fixture->dir, WIRE_GATEWAY));
    wire_security_close(&gateway);
    assert_null(gateway);
    assert_false(wire_zap_answers(NULL));
}

/* Runs in a process of its own: a handler whose socket is torn away under it. */
enum { LOSS_WAIT_MS = 20000 };

static int lose_the_handler(const char *list)
{
    struct wire_zap_keys keys;
    struct wire_zap *zap = NULL;

    if (wire_zap_read_keys(&keys, list) != STATUS_OK || wire_zap_open(&zap, &keys) != STATUS_OK || !wire_zap_answers(zap)) {
        return 1;
    }
    /* The context ends, so the handler's wait fails. (zsys_shutdown would close its socket under it, from this thread.) */
    if (zmq_ctx_shutdown(zsys_init()) != 0) {
        return 2;
    }
    (void)poll(NULL, 0, LOSS_WAIT_MS);
    return 3;
}

static void a_handler_that_dies_takes_the_process_with_it(void **state)
{
    struct fixture *fixture = *state;
    char list[256];
    char *arguments[] = {(char *)(uintptr_t)"test", list, NULL};
    char *environment[] = {NULL};
    pid_t child;
    int how;

    (void)snprintf(list, sizeof list, "%s", path_in(fixture->dir, "moderator", "pub"));
    assert_int_equal(0, posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environment));
    assert_int_equal(child, waitpid(child, &how, 0));
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
}

static void files_that_are_no_keys_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct wire_security *security = NULL;
    struct wire_zap_keys keys;
    const char *pub = path_in(fixture->dir, "moderator", "pub");
    char path[256];

    (void)snprintf(path, sizeof path, "%s", pub);
    write_file(path, "", "w");
    assert_status(STATUS_MALFORMED, wire_zap_read_keys(&keys, path));
    write_file(path, "0123456789012345678901234567890123456789 x\n", "w");
    assert_status(STATUS_MALFORMED, wire_zap_read_keys(&keys, path));
    write_file(path, "", "w");
    for (int line = 0; line < CURVE_KEYS_MAX; line++) {
        write_file(path, "0123456789012345678901234567890123456789\n", "a");
    }
    assert_status(STATUS_OK, wire_zap_read_keys(&keys, path));
    write_file(path, "0123456789012345678901234567890123456789\n", "a");
    assert_status(STATUS_FULL, wire_zap_read_keys(&keys, path));
    /* A secret key whose public twin is not in its .pub file. */
    write_file(path, "0123456789012345678901234567890123456789\n", "w");
    assert_status(STATUS_MALFORMED, wire_security_open(&security, fixture->dir, WIRE_MODERATOR));
    assert_int_equal(0, unlink(path));
    assert_status(STATUS_IO, wire_security_open(&security, fixture->dir, WIRE_MODERATOR));
    assert_null(security);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made_keys_are_six_files_and_are_never_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_start_without_a_folder_is_without_curve, setup, teardown),
        cmocka_unit_test_setup_teardown(the_right_key_comes_in_and_a_stranger_s_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(announcements_are_heard_through_the_bound_on_subscriptions, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reloaded_list_lets_a_new_key_in_and_a_broken_one_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_moderator_s_next_socket_uses_its_new_key, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_handler_nothing_is_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(the_handler_is_gone_once_its_owner_closed_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_handler_that_dies_takes_the_process_with_it, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_are_no_keys_are_refused, setup, teardown),
    };
    if (secret_start() != STATUS_OK || wire_start() != STATUS_OK) {
        return 1;
    }
    if (argc > 1) {
        return lose_the_handler(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
