/* recent_names: a name leads to the print that was kept with it, from any thread, and the table is bounded. */
#include "support/unit.h"

#include "moderator/recent_names.h"
#include "proto/limits.h"

#include <pthread.h>

enum { THREADS = 4, NAMES = 2000 };

static struct print random_print(void)
{
    struct print print;

    secret_random(print.bytes, sizeof print.bytes);
    return print;
}

static int start(void **state)
{
    (void)state;
    return secret_start() == STATUS_OK ? 0 : -1;
}

static void a_name_leads_to_its_print(void **state)
{
    const struct print name = random_print();
    const struct print other = random_print();
    const struct print first = random_print();
    const struct print second = random_print();
    struct recent_names *names = NULL;
    struct print found;

    (void)state;
    assert_status(STATUS_OK, recent_names_open(&names));
    assert_false(recent_names_find(names, &name, &found));
    recent_names_keep(names, &name, &first);
    assert_true(recent_names_find(names, &name, &found));
    assert_memory_equal(&first, &found, sizeof found);
    assert_false(recent_names_find(names, &other, &found));
    recent_names_keep(names, &name, &second);
    assert_true(recent_names_find(names, &name, &found));
    assert_memory_equal(&second, &found, sizeof found);
    recent_names_close(&names);
    recent_names_close(&names);
}

static void more_names_than_there_is_room_for_push_others_out(void **state)
{
    enum { KEPT = 2 * RECALL_TEXTS_MAX };
    static struct print kept[KEPT];
    struct recent_names *names = NULL;
    size_t found_count = 0;
    struct print found;

    (void)state;
    assert_status(STATUS_OK, recent_names_open(&names));
    for (size_t index = 0; index < KEPT; index++) {
        kept[index] = random_print();
        recent_names_keep(names, &kept[index], &kept[index]);
        assert_true(recent_names_find(names, &kept[index], &found));
    }
    for (size_t index = 0; index < KEPT; index++) {
        found_count += recent_names_find(names, &kept[index], &found);
    }
    assert_true(found_count <= RECALL_TEXTS_MAX);
    assert_true(found_count > RECALL_TEXTS_MAX * 9 / 10);
    recent_names_close(&names);
}

static void *keep_and_find(void *context)
{
    struct recent_names *names = context;

    for (size_t index = 0; index < NAMES; index++) {
        const struct print name = random_print();
        struct print found;

        recent_names_keep(names, &name, &name);
        assert_true(recent_names_find(names, &name, &found));
        assert_memory_equal(&name, &found, sizeof found);
    }
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    struct recent_names *names = NULL;
    pthread_t threads[THREADS];

    (void)state;
    assert_status(STATUS_OK, recent_names_open(&names));
    for (size_t index = 0; index < THREADS; index++) {
        assert_int_equal(0, pthread_create(&threads[index], NULL, keep_and_find, names));
    }
    for (size_t index = 0; index < THREADS; index++) {
        assert_int_equal(0, pthread_join(threads[index], NULL));
    }
    recent_names_close(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_leads_to_its_print),
        cmocka_unit_test(more_names_than_there_is_room_for_push_others_out),
        cmocka_unit_test(threads_do_not_disturb_each_other),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
