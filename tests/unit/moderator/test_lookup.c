/* test_lookup: names become addresses, on a thread that nobody waits for; what a name had stays until it has something else. */
#include "support/unit.h"

#include "moderator/lookup.h"
#include "proto/log.h"
#include "proto/clock.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

enum { WAIT_MS = 30000, SOON_MS = 1 };

/* What the names are said to be, changed by tests while the thread asks. */
struct town {
    pthread_mutex_t lock;
    const char *hosts[ADDRESSES_MAX + 8]; /* of every name; NULL ends them; none: not found */
    unsigned asked;
    sem_t *hangs; /* the next question waits for it; NULL: none does */
};

static struct metrics *metrics;

static enum status find(void *context, const char *host, void (*add)(void *adding, const char *numeric), void *adding)
{
    struct town *town = context;
    sem_t *hangs;
    enum status status;

    (void)pthread_mutex_lock(&town->lock);
    hangs = town->hangs;
    (void)pthread_mutex_unlock(&town->lock);
    if (hangs != NULL) {
        (void)sem_post(&hangs[0]);
        (void)sem_wait(&hangs[1]);
        (void)sem_post(&hangs[2]);
        return STATUS_NOT_FOUND; /* the town may be gone by now */
    }
    (void)pthread_mutex_lock(&town->lock);
    assert_true(strncmp(host, "name", 4) == 0);
    town->asked++;
    for (size_t index = 0; town->hosts[index] != NULL; index++) {
        add(adding, town->hosts[index]);
    }
    status = town->hosts[0] == NULL ? STATUS_NOT_FOUND : STATUS_OK;
    (void)pthread_mutex_unlock(&town->lock);
    return status;
}

static void say(struct town *town, const char *const *hosts, size_t count)
{
    (void)pthread_mutex_lock(&town->lock);
    memset(town->hosts, 0, sizeof town->hosts);
    for (size_t index = 0; index < count; index++) {
        town->hosts[index] = hosts[index];
    }
    (void)pthread_mutex_unlock(&town->lock);
}

static unsigned asked(struct town *town)
{
    unsigned count;

    (void)pthread_mutex_lock(&town->lock);
    count = town->asked;
    (void)pthread_mutex_unlock(&town->lock);
    return count;
}

static struct lookup *open_names(struct town *town, const char *const *endpoints, size_t count)
{
    struct endpoints names = {.count = count};
    const struct lookup_options options = {
        .endpoints = &names, .what = "gateways", .metrics = metrics, .find = find, .context = town, .every_ms = SOON_MS};
    struct lookup *lookup = NULL;

    for (size_t index = 0; index < count; index++) {
        (void)snprintf(names.at[index], sizeof names.at[index], "%s", endpoints[index]);
    }
    assert_status(STATUS_OK, lookup_open(&lookup, &options));
    return lookup;
}

/* The next list, when there is one. */
static struct addresses await(struct lookup_watch *watch)
{
    struct pollfd readable = {.fd = lookup_watch_fd(watch), .events = POLLIN};
    struct addresses addresses;

    assert_int_equal(1, poll(&readable, 1, WAIT_MS));
    assert_true(lookup_watch_read(watch, &addresses));
    return addresses;
}

static int64_t counted(const char *result)
{
    const struct metric_label labels[] = {{"of", "gateways"}, {"result", result}};

    return series_value(metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_lookups_total", "", labels, 2));
}

static int64_t known(void)
{
    const struct metric_label label = {"of", "gateways"};

    return series_value(metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_addresses", "", &label, 1));
}

static void a_list_is_sorted_and_knows_each_address_once(void **state)
{
    struct addresses list = {0};

    (void)state;
    assert_true(addresses_add(&list, "b"));
    assert_true(addresses_add(&list, "a"));
    assert_true(addresses_add(&list, "c"));
    assert_true(addresses_add(&list, "b"));
    assert_int_equal(3, list.count);
    assert_string_equal("a", list.at[0]);
    assert_string_equal("b", list.at[1]);
    assert_string_equal("c", list.at[2]);
    assert_true(addresses_have(&list, "c"));
    assert_false(addresses_have(&list, "d"));
}

static void a_full_list_keeps_the_first_in_order(void **state)
{
    struct addresses list = {0};
    char name[16];

    (void)state;
    for (int index = ADDRESSES_MAX; index > 0; index--) {
        (void)snprintf(name, sizeof name, "n%02d", index);
        assert_true(addresses_add(&list, name));
    }
    assert_false(addresses_add(&list, "n99"));
    assert_true(addresses_add(&list, "n01")); /* is there */
    assert_false(addresses_add(&list, "n00"));
    assert_int_equal(ADDRESSES_MAX, list.count);
    assert_string_equal("n00", list.at[0]);
    (void)snprintf(name, sizeof name, "n%02d", ADDRESSES_MAX - 1);
    assert_string_equal(name, list.at[ADDRESSES_MAX - 1]);
}

static void what_needs_no_question_is_there_at_once(void **state)
{
    static const char *const endpoints[] = {"tcp://127.0.0.1:5555", "ipc:///run/x", "tcp://[::1]:5", "tcp://127.0.0.1:5555",
                                            "inproc://name", "tcp://nonsense"};
    struct town town = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct lookup *lookup = open_names(&town, endpoints, 6);
    struct lookup_watch *watch = NULL;
    struct addresses addresses;

    (void)state;
    assert_int_equal(5, known());
    assert_status(STATUS_OK, lookup_watch_open(&watch, lookup));
    addresses = await(watch);
    assert_int_equal(5, addresses.count);
    assert_string_equal("inproc://name", addresses.at[0]);
    assert_string_equal("ipc:///run/x", addresses.at[1]);
    assert_string_equal("tcp://127.0.0.1:5555", addresses.at[2]);
    assert_string_equal("tcp://[::1]:5", addresses.at[3]);
    assert_string_equal("tcp://nonsense", addresses.at[4]); /* told by whoever connects to it */
    assert_false(lookup_watch_read(watch, &addresses));
    assert_int_equal(0, asked(&town));
    lookup_watch_close(&watch);
    lookup_watch_close(&watch);
    lookup_close(&lookup);
    lookup_close(&lookup);
}

static void every_address_of_a_name_is_followed_as_they_come_and_go(void **state)
{
    static const char *const endpoints[] = {"tcp://name:5555", "tcp://10.0.0.2:5555"};
    static const char *const two[] = {"10.0.0.2", "10.0.0.1", "10.0.0.1"};
    static const char *const other[] = {"fe80::1", "10.0.0.1"};
    struct town town = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct lookup *lookup;
    struct lookup_watch *watch = NULL;
    struct lookup_watch *second = NULL;
    struct addresses addresses;
    unsigned before;

    (void)state;
    say(&town, two, 3);
    lookup = open_names(&town, endpoints, 2);
    assert_status(STATUS_OK, lookup_watch_open(&watch, lookup));
    assert_status(STATUS_OK, lookup_watch_open(&second, lookup));
    do {
        addresses = await(watch);
    } while (addresses.count != 2);
    assert_string_equal("tcp://10.0.0.1:5555", addresses.at[0]);
    assert_string_equal("tcp://10.0.0.2:5555", addresses.at[1]);
    say(&town, other, 2);
    do {
        addresses = await(watch);
    } while (addresses.count != 3);
    assert_string_equal("tcp://10.0.0.1:5555", addresses.at[0]);
    assert_string_equal("tcp://10.0.0.2:5555", addresses.at[1]); /* written down, whatever the name is */
    assert_string_equal("tcp://[fe80::1]:5555", addresses.at[2]);
    do {
        addresses = await(second);
    } while (addresses.count != 3);
    /* Not found: it keeps what it had, and nobody is woken. */
    before = (unsigned)counted("failed");
    say(&town, NULL, 0);
    while (counted("failed") < before + 3) {
        (void)poll(NULL, 0, 1);
    }
    assert_false(lookup_watch_read(watch, &addresses));
    assert_int_equal(3, known());
    lookup_watch_close(&watch);
    lookup_watch_close(&second);
    lookup_close(&lookup);
}

static void more_addresses_than_fit_are_left_out_and_counted(void **state)
{
    static const char *const endpoints[] = {"tcp://name:1"};
    static char text[ADDRESSES_MAX + 1][16];
    const char *hosts[ADDRESSES_MAX + 1];
    struct town town = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct lookup *lookup;
    struct lookup_watch *watch = NULL;
    int64_t before = counted("too_many");
    int64_t fine;

    (void)state;
    for (size_t index = 0; index <= ADDRESSES_MAX; index++) {
        (void)snprintf(text[index], sizeof text[index], "10.0.1.%zu", 100 + index);
        hosts[index] = text[index];
    }
    say(&town, hosts, ADDRESSES_MAX);
    lookup = open_names(&town, endpoints, 1);
    assert_status(STATUS_OK, lookup_watch_open(&watch, lookup));
    while (await(watch).count != ADDRESSES_MAX) {
    }
    assert_int_equal(before, counted("too_many"));
    say(&town, hosts, ADDRESSES_MAX + 1);
    while (counted("too_many") == before) {
        (void)poll(NULL, 0, 1);
    }
    fine = known();
    assert_int_equal(ADDRESSES_MAX, fine);
    lookup_watch_close(&watch);
    lookup_close(&lookup);
}

static void each_name_that_is_not_found_is_told(void **state)
{
    static const char *const endpoints[] = {"tcp://name1:1", "tcp://name2:1", "tcp://name3:1"};
    struct town town = {.lock = PTHREAD_MUTEX_INITIALIZER};
    int64_t before = counted("failed");
    int64_t suppressed = (int64_t)log_suppressed();
    struct lookup *lookup;

    (void)state;
    say(&town, NULL, 0);
    lookup = open_names(&town, endpoints, 3);
    while (counted("failed") < before + 4) { /* the first turn is over */
        (void)poll(NULL, 0, 1);
    }
    suppressed = (int64_t)log_suppressed() - suppressed;
    assert_true(counted("failed") - before - suppressed >= 3); /* a limit for all lets one pass in a second */
    lookup_close(&lookup);
}

static void a_question_that_hangs_holds_nobody_up(void **state)
{
    static const char *const endpoints[] = {"tcp://name:1", "tcp://10.0.0.9:1"};
    static sem_t hangs[3]; /* it has been asked; it may go on; it has */
    struct town town = {.lock = PTHREAD_MUTEX_INITIALIZER, .hangs = hangs};
    struct lookup *lookup;
    struct lookup_watch *watch = NULL;

    (void)state;
    for (int index = 0; index < 3; index++) {
        assert_int_equal(0, sem_init(&hangs[index], 0, 0));
    }
    lookup = open_names(&town, endpoints, 2);
    assert_int_equal(0, sem_wait(&hangs[0]));
    assert_status(STATUS_OK, lookup_watch_open(&watch, lookup));
    assert_int_equal(1, await(watch).count); /* the literal one */
    lookup_watch_close(&watch);
    lookup_close(&lookup); /* it would stand here */
    assert_int_equal(0, sem_post(&hangs[1]));
    assert_int_equal(0, sem_wait(&hangs[2]));
}

static void the_system_knows_localhost(void **state)
{
    struct endpoints names = {.count = 1, .at = {"tcp://localhost:7"}};
    const struct lookup_options options = {.endpoints = &names, .what = "gateways", .metrics = metrics};
    struct lookup *lookup = NULL;
    struct lookup_watch *watch = NULL;
    struct addresses addresses;

    (void)state;
    assert_status(STATUS_OK, lookup_open(&lookup, &options));
    assert_status(STATUS_OK, lookup_watch_open(&watch, lookup));
    do {
        addresses = await(watch);
    } while (addresses.count == 0);
    assert_true(addresses_have(&addresses, "tcp://127.0.0.1:7") || addresses_have(&addresses, "tcp://[::1]:7"));
    lookup_watch_close(&watch);
    lookup_close(&lookup);
}

static int start(void **state)
{
    (void)state;
    return metrics_open(&metrics) == STATUS_OK ? 0 : -1;
}

static int finish(void **state)
{
    (void)state;
    metrics_close(&metrics);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_sorted_and_knows_each_address_once),
        cmocka_unit_test(a_full_list_keeps_the_first_in_order),
        cmocka_unit_test(what_needs_no_question_is_there_at_once),
        cmocka_unit_test(every_address_of_a_name_is_followed_as_they_come_and_go),
        cmocka_unit_test(more_addresses_than_fit_are_left_out_and_counted),
        cmocka_unit_test(each_name_that_is_not_found_is_told),
        cmocka_unit_test(a_question_that_hangs_holds_nobody_up),
        cmocka_unit_test(the_system_knows_localhost),
    };

    return cmocka_run_group_tests(tests, start, finish);
}
