/* test_share: how many are drawn, that processes with one key agree, and what changes a draw. */
#include "support/own_folder.h"
#include "support/unit.h"

#include "moderator/share.h"

enum { TEXTS = 10000 };

static const uint64_t hour_us = 3600ULL * 1000 * 1000;

static int start(void **state)
{
    (void)make_folder(state);
    folder_write(&folder, "hash", BYTES("0123456789abcdef"));
    folder_write(&folder, "other", BYTES("0123456789abcdeg"));
    return 0;
}

static struct share *open_share(const char *file)
{
    struct settings settings = {.profile_count = 0};
    struct share *share = calloc(1, sizeof *share);

    assert_non_null(share);
    if (file != NULL) {
        folder_path(&folder, file, settings.database.hash_key_file);
    }
    share_open(share, &settings);
    return share;
}

static void close_share(struct share *share)
{
    static const struct share wiped;

    share_close(share);
    assert_memory_equal(&wiped, share, sizeof *share);
    free(share);
}

static uint64_t text_number(const struct share *share, int number)
{
    char text[32];

    (void)snprintf(text, sizeof text, "text %d", number);
    return share_of(share, 0, bytes_of(text));
}

/* How many of all texts are drawn, and how many of them by both. */
static int count_drawn(const struct share *one, uint64_t one_us, const struct share *other, uint64_t other_us, double rate,
                       int *out_both)
{
    int drawn = 0;

    *out_both = 0;
    for (int number = 0; number < TEXTS; number++) {
        bool by_one = share_draws(text_number(one, number), one_us, rate);

        drawn += by_one;
        *out_both += by_one && share_draws(text_number(other, number), other_us, rate);
    }
    return drawn;
}

static void the_rate_is_the_share_of_texts_and_all_with_the_key_draw_the_same(void **state)
{
    struct share *one = open_share("hash");
    struct share *other = open_share("hash");
    int both;
    int drawn = count_drawn(one, 0, other, hour_us - 1, 0.2, &both);

    (void)state;
    assert_in_range(drawn, 1800, 2200); /* five standard deviations */
    assert_int_equal(drawn, both);
    assert_int_equal(0, count_drawn(one, 0, other, 0, 0, &both));
    assert_int_equal(TEXTS, count_drawn(one, 0, other, 0, 1, &both));
    close_share(one);
    close_share(other);
}

static void another_key_no_key_and_the_next_hour_draw_others(void **state)
{
    struct share *shares[] = {open_share("hash"), open_share("other"), open_share(NULL), open_share(NULL), open_share("absent")};
    int both;

    (void)state;
    for (size_t index = 1; index < sizeof shares / sizeof *shares; index++) {
        (void)count_drawn(shares[index - 1], 0, shares[index], 0, 0.2, &both);
        assert_in_range(both, 300, 500); /* 400, as if by chance */
    }
    (void)count_drawn(shares[0], 0, shares[0], hour_us, 0.2, &both);
    assert_in_range(both, 300, 500);
    for (size_t index = 0; index < sizeof shares / sizeof *shares; index++) {
        close_share(shares[index]);
    }
}

static void a_part_of_the_decisions_tries_a_version_and_another_part_the_next_one(void **state)
{
    struct share *share = open_share("hash");
    int first = 0;
    int both = 0;
    int drawn_too = 0;

    (void)state;
    for (int number = 0; number < TEXTS; number++) {
        uint64_t decision = text_number(share, number);
        bool tries = share_tries(decision, 7, 0.1);

        first += tries;
        both += tries && share_tries(decision, 8, 0.1);
        drawn_too += tries && share_draws(decision, 0, 0.1);
        assert_false(share_tries(decision, 7, 0));
        assert_true(share_tries(decision, 7, 1));
    }
    assert_in_range(first, 850, 1150);
    assert_in_range(both, 50, 150); /* nobody is always tried upon */
    assert_in_range(drawn_too, 50, 150); /* who is reviewed does not depend on who judges */
    close_share(share);
}

static void a_decision_is_its_texts_in_their_order(void **state)
{
    struct share *share = open_share("hash");
    uint64_t ab = share_of(share, share_of(share, 0, BYTES("a")), BYTES("b"));

    (void)state;
    assert_int_equal(ab, share_of(share, share_of(share, 0, BYTES("a")), BYTES("b")));
    assert_int_not_equal(ab, share_of(share, share_of(share, 0, BYTES("b")), BYTES("a")));
    assert_int_not_equal(ab, share_of(share, 0, BYTES("ab")));
    assert_int_not_equal(share_of(share, 0, BYTES("a")), share_of(share, share_of(share, 0, BYTES("a")), BYTES("")));
    close_share(share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_is_the_share_of_texts_and_all_with_the_key_draw_the_same),
        cmocka_unit_test(another_key_no_key_and_the_next_hour_draw_others),
        cmocka_unit_test(a_part_of_the_decisions_tries_a_version_and_another_part_the_next_one),
        cmocka_unit_test(a_decision_is_its_texts_in_their_order),
    };

    return cmocka_run_group_tests(tests, start, remove_folder);
}
