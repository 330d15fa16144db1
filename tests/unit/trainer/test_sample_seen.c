/* sample_seen: knows each hash it was told, the one of zeros too, and stops at its room. */
#include "support/unit.h"

#include "trainer/sample_seen.h"

static struct bytes hash_of(unsigned char *room, uint64_t first, uint64_t last)
{
    memcpy(room, &first, sizeof first);
    memcpy(room + sizeof first, &last, sizeof last);
    return (struct bytes){(const char *)room, TEXT_HASH_BYTES};
}

static void a_hash_is_known_once_it_was_added(void **state)
{
    unsigned char room[TEXT_HASH_BYTES];
    struct sample_seen *seen = NULL;

    (void)state;
    assert_status(STATUS_OK, sample_seen_open(&seen, 1000));
    for (uint64_t number = 0; number < 1000; number++) {
        /* The same leading bytes again and again: a crowd around one slot. */
        struct bytes hash = hash_of(room, number % 3, number);

        assert_false(sample_seen_has(seen, hash));
        assert_status(STATUS_OK, sample_seen_add(seen, hash));
        assert_true(sample_seen_has(seen, hash));
    }
    assert_true(sample_seen_has(seen, hash_of(room, 0, 0)));
    assert_false(sample_seen_has(seen, hash_of(room, 0, 1)));
    sample_seen_close(&seen);
    sample_seen_close(&seen);
}

static void its_room_is_its_bound(void **state)
{
    unsigned char room[TEXT_HASH_BYTES];
    struct sample_seen *seen = NULL;

    (void)state;
    assert_status(STATUS_OK, sample_seen_open(&seen, 3));
    for (uint64_t number = 0; number < 3; number++) {
        assert_status(STATUS_OK, sample_seen_add(seen, hash_of(room, number, 0)));
    }
    assert_status(STATUS_FULL, sample_seen_add(seen, hash_of(room, 3, 0)));
    assert_false(sample_seen_has(seen, hash_of(room, 3, 0)));
    assert_status(STATUS_OK, sample_seen_add(seen, hash_of(room, 2, 0)));
    sample_seen_close(&seen);

    assert_status(STATUS_OK, sample_seen_open(&seen, 0));
    assert_status(STATUS_FULL, sample_seen_add(seen, hash_of(room, 0, 0)));
    assert_false(sample_seen_has(seen, hash_of(room, 0, 0)));
    sample_seen_close(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_is_known_once_it_was_added),
        cmocka_unit_test(its_room_is_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
