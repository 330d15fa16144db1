/* Tests of account: both sides of the limit, buffers by their room, the marks, and many threads. */
#include "proto/account.h"

#include "support/unit.h"

#include "proto/limits.h"

#include <pthread.h>

struct fixture {
    struct metrics *metrics;
    struct account account;
};

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    account_open(&fixture->account, "tests", 4096, fixture->metrics);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    account_close(&fixture->account); /* ends the process unless it is empty */
    metrics_close(&fixture->metrics);
    test_free(fixture);
    return 0;
}

static void it_holds_up_to_its_limit(void **state)
{
    struct account *account = &((struct fixture *)*state)->account;

    assert_true(account_has_room(account, 4096));
    assert_false(account_has_room(account, 4097));
    assert_status(STATUS_OK, account_charge(account, 4095));
    assert_true(account_has_room(account, 1));
    assert_false(account_has_room(account, 2));
    assert_status(STATUS_FULL, account_charge(account, 2));
    assert_status(STATUS_FULL, account_charge(account, UINT64_MAX));
    assert_int_equal(4095, account_bytes(account));
    assert_status(STATUS_OK, account_charge(account, 1));
    assert_status(STATUS_FULL, account_charge(account, 1));
    account_release(account, 4096);
    assert_status(STATUS_FULL, account_charge(account, 4097));
    assert_int_equal(4096, account_high_bytes(account));
}

static void a_buffer_is_charged_by_its_room_before_it_grows(void **state)
{
    struct account *account = &((struct fixture *)*state)->account;
    struct buffer buffer;

    buffer_init(&buffer, 64 * KIB);
    assert_status(STATUS_OK, account_reserve(account, &buffer, 1));
    assert_int_equal(buffer.room, account_bytes(account));
    assert_status(STATUS_OK, account_reserve(account, &buffer, 4096));
    assert_int_equal(4096, buffer.room);
    assert_int_equal(4096, account_bytes(account));
    assert_status(STATUS_FULL, account_reserve(account, &buffer, 4097));
    assert_int_equal(4096, buffer.room);
    assert_status(STATUS_TOO_LARGE, account_reserve(account, &buffer, 64 * KIB + 1));
    assert_int_equal(4096, account_bytes(account));
    account_free(account, &buffer);
    assert_int_equal(0, account_bytes(account));
    account_free(account, &buffer);
}

static void what_a_buffer_does_not_need_is_given_back(void **state)
{
    struct account *account = &((struct fixture *)*state)->account;
    struct buffer buffer;

    buffer_init(&buffer, 4096);
    assert_status(STATUS_OK, account_reserve(account, &buffer, 4096));
    assert_status(STATUS_OK, buffer_append(&buffer, BYTES("abc")));
    account_fit(account, &buffer);
    assert_int_equal(3, buffer.room);
    assert_int_equal(3, account_bytes(account));
    assert_bytes("abc", buffer_view(&buffer));
    account_fit(account, &buffer);
    assert_int_equal(3, account_bytes(account));
    account_free(account, &buffer);
    assert_int_equal(0, account_bytes(account));
}

static void it_is_exported(void **state)
{
    struct fixture *fixture = *state;
    struct buffer text;

    buffer_init(&text, 64 * KIB);
    assert_status(STATUS_OK, account_charge(&fixture->account, 3000));
    account_release(&fixture->account, 1000);
    assert_status(STATUS_FULL, account_charge(&fixture->account, 3000));
    assert_status(STATUS_OK, metrics_print(fixture->metrics, &text));
    assert_status(STATUS_OK, buffer_append(&text, (struct bytes){"", 1}));
    assert_non_null(strstr(text.data, "prismguard_memory_account_bytes{account=\"tests\"} 2000\n"));
    assert_non_null(strstr(text.data, "prismguard_memory_account_limit_bytes{account=\"tests\"} 4096\n"));
    assert_non_null(strstr(text.data, "prismguard_memory_account_high_bytes{account=\"tests\"} 3000\n"));
    assert_non_null(strstr(text.data, "prismguard_memory_account_refused_total{account=\"tests\"} 1\n"));
    account_release(&fixture->account, 2000);
    buffer_free(&text);
}

static void *take_and_give(void *context)
{
    struct account *account = context;

    for (int index = 0; index < 20000; index++) {
        if (account_charge(account, 1500) == STATUS_OK) {
            account_release(account, 1500);
        }
    }
    return NULL;
}

static void many_threads_leave_nothing_behind(void **state)
{
    struct account *account = &((struct fixture *)*state)->account;
    pthread_t threads[4];

    for (int index = 0; index < 4; index++) {
        assert_int_equal(0, pthread_create(&threads[index], NULL, take_and_give, account));
    }
    for (int index = 0; index < 4; index++) {
        assert_int_equal(0, pthread_join(threads[index], NULL));
    }
    assert_int_equal(0, account_bytes(account));
    assert_true(account_high_bytes(account) <= 4096);
}

int main(void)
{
#define with_account(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        with_account(it_holds_up_to_its_limit),
        with_account(a_buffer_is_charged_by_its_room_before_it_grows),
        with_account(what_a_buffer_does_not_need_is_given_back),
        with_account(it_is_exported),
        with_account(many_threads_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
