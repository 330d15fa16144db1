/* holdout: a fifth of the texts by their hash alone, kept as they came, judged with both labels. */
#include "support/unit.h"

#include "proto/limits.h"
#include "trainer/fit.h"
#include "trainer/holdout.h"

#include <math.h>
#include <stdio.h>

static void a_fifth_is_held_out_by_the_end_of_the_hash(void **state)
{
    int taken = 0;

    (void)state;
    for (uint64_t number = 0; number < 10000; number++) {
        unsigned char hash[TEXT_HASH_BYTES];
        uint64_t first = number * UINT64_C(0x9e3779b97f4a7c15);
        bool takes;

        memcpy(hash, &first, sizeof first);
        memcpy(hash + sizeof first, &number, sizeof number);
        takes = holdout_takes((struct bytes){(const char *)hash, sizeof hash});
        /* The beginning of the hash has no say: a draw may depend on it. */
        memset(hash, 0, sizeof first);
        assert_int_equal(takes, holdout_takes((struct bytes){(const char *)hash, sizeof hash}));
        taken += takes;
    }
    assert_int_equal(2000, taken);
}

static void rows_are_counted_by_label(void **state)
{
    struct holdout *holdout = NULL;

    (void)state;
    assert_status(STATUS_OK, holdout_open(&holdout));
    assert_int_equal(0, holdout_count(holdout, 0));
    assert_status(STATUS_OK, holdout_add(holdout, BYTES("a"), 0));
    assert_status(STATUS_OK, holdout_add(holdout, BYTES("b"), 1));
    assert_status(STATUS_OK, holdout_add(holdout, BYTES(""), 1));
    assert_int_equal(1, holdout_count(holdout, 0));
    assert_int_equal(2, holdout_count(holdout, 1));
    holdout_close(&holdout);
    holdout_close(&holdout);
}

static void its_bytes_are_bounded(void **state)
{
    static char text[MIB];
    struct holdout *holdout = NULL;

    (void)state;
    assert_status(STATUS_OK, holdout_open(&holdout));
    for (int turn = 0; turn < TRAIN_BYTES_MAX / MIB; turn++) {
        assert_status(STATUS_OK, holdout_add(holdout, (struct bytes){text, sizeof text}, 0));
    }
    assert_status(STATUS_TOO_LARGE, holdout_add(holdout, BYTES("x"), 1));
    assert_int_equal(TRAIN_BYTES_MAX / MIB, holdout_count(holdout, 0));
    assert_int_equal(0, holdout_count(holdout, 1));
    assert_status(STATUS_OK, holdout_add(holdout, BYTES(""), 1));
    holdout_close(&holdout);
}

static struct bytes text_of(char *room, size_t bytes, int number, int label)
{
    int count = snprintf(room, bytes, "%s number %d", label == 0 ? "a kind word" : "an ugly threat", number);

    return (struct bytes){room, (size_t)count};
}

static void what_was_kept_judges_a_model(void **state)
{
    struct fit *fit = NULL;
    struct holdout *holdout = NULL;
    struct model *model = NULL;
    struct evaluate_figures figures;
    struct buffer file;
    char room[64];

    (void)state;
    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    assert_status(STATUS_OK, holdout_open(&holdout));
    assert_status(STATUS_OK, fit_open(&fit, &(struct fit_options){.kind = MODEL_KIND_HASHLINEAR, .seed = 1, .violation_share = (double)NAN}));
    for (int number = 0; number < 100; number++) {
        assert_status(STATUS_OK, fit_add(fit, text_of(room, sizeof room, number, number % 2), number % 2));
    }
    assert_status(STATUS_OK, fit_finish(fit, &file));
    assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
    for (int number = 100; number < 120; number++) {
        assert_status(STATUS_OK, holdout_add(holdout, text_of(room, sizeof room, number, 0), 0));
    }
    assert_status(STATUS_TOO_FEW, holdout_judge(holdout, model, 0.2, 0.8, NULL, &figures));
    for (int number = 100; number < 110; number++) {
        assert_status(STATUS_OK, holdout_add(holdout, text_of(room, sizeof room, number, 1), 1));
    }
    assert_status(STATUS_OK, holdout_judge(holdout, model, 0.2, 0.8, NULL, &figures));
    assert_int_equal(30, figures.count);
    assert_int_equal(10, figures.violations);
    assert_true(figures.auc > 0.99);
    model_close(&model);
    fit_close(&fit);
    holdout_close(&holdout);
    buffer_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fifth_is_held_out_by_the_end_of_the_hash),
        cmocka_unit_test(rows_are_counted_by_label),
        cmocka_unit_test(its_bytes_are_bounded),
        cmocka_unit_test(what_was_kept_judges_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
