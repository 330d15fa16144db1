/* pool_poison: how many texts are known and for how long, on both sides of each bound. */
#include "support/unit.h"

#include "gateway/pool_poison.h"

#include <stdio.h>

enum { NOW_MS = 1000 };

static bool has(const struct pool_poison *poison, const char *text, uint64_t now_ms)
{
    return pool_poison_has(poison, bytes_of(text), now_ms);
}

static void a_text_is_known_for_its_time_and_no_other_is(void **state)
{
    struct pool_poison poison;

    (void)state;
    pool_poison_init(&poison);
    assert_false(has(&poison, "kills", NOW_MS));
    pool_poison_add(&poison, BYTES("kills"), NOW_MS);
    assert_true(has(&poison, "kills", NOW_MS));
    assert_false(has(&poison, "kill", NOW_MS));
    assert_false(has(&poison, "", NOW_MS));
    assert_true(has(&poison, "kills", NOW_MS + POISON_MS - 1));
    assert_false(has(&poison, "kills", NOW_MS + POISON_MS));
    pool_poison_add(&poison, BYTES("later"), NOW_MS + 1);
    assert_false(has(&poison, "kills", NOW_MS + POISON_MS)); /* its own time counts, not the newest one's */
    assert_true(has(&poison, "later", NOW_MS + POISON_MS));
}

static void the_oldest_makes_room(void **state)
{
    struct pool_poison poison;
    char text[16];

    (void)state;
    pool_poison_init(&poison);
    for (size_t index = 0; index < POISONS_MAX; index++) {
        (void)snprintf(text, sizeof text, "text %zu", index);
        pool_poison_add(&poison, bytes_of(text), NOW_MS);
    }
    assert_true(has(&poison, "text 0", NOW_MS));
    pool_poison_add(&poison, BYTES("one more"), NOW_MS);
    assert_false(has(&poison, "text 0", NOW_MS));
    assert_true(has(&poison, "text 1", NOW_MS));
    assert_true(has(&poison, "one more", NOW_MS));
}

static int start(void **state)
{
    (void)state;
    return secret_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_known_for_its_time_and_no_other_is),
        cmocka_unit_test(the_oldest_makes_room),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
