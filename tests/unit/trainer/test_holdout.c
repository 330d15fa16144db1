/* holdout: the newest texts, kept as they came, judged with both labels. */
#include "support/unit.h"

#include "proto/limits.h"
#include "trainer/fit.h"
#include "trainer/holdout.h"

#include <math.h>
#include <stdio.h>

static void the_newest_are_held_out_and_the_hash_decides_among_equally_old_ones(void **state)
{
    const struct holdout_cuts cuts = {.of[1] = {.made_us = 1700000000000000, .hash = "0123456789abcde"}};
    const struct holdout_cut *cut = &cuts.of[1];
    const struct bytes lower = BYTES("0123456789abcdd\xff");
    const struct bytes same = {(const char *)cut->hash, TEXT_HASH_BYTES};
    const struct bytes higher = BYTES("0123456789abcdf\0");

    (void)state;
    assert_true(holdout_takes(&cuts, 1, cut->made_us + 1, higher));
    assert_false(holdout_takes(&cuts, 1, cut->made_us - 1, lower));
    assert_true(holdout_takes(&cuts, 1, cut->made_us, lower));
    assert_true(holdout_takes(&cuts, 1, cut->made_us, same));
    assert_false(holdout_takes(&cuts, 1, cut->made_us, higher));
}

static void a_fifth_is_held_out_up_to_so_many_rows(void **state)
{
    (void)state;
    assert_int_equal(1, holdout_share(1, 1));
    assert_int_equal(2, holdout_share(TRAIN_LABEL_ROWS_MIN, TRAIN_LABEL_ROWS_MIN));
    assert_int_equal(2000, holdout_share(10000, 10000));
    assert_int_equal(TRAIN_HELD_OUT_MAX, holdout_share(5 * TRAIN_HELD_OUT_MAX, 5 * TRAIN_HELD_OUT_MAX));
    assert_int_equal(TRAIN_HELD_OUT_MAX, holdout_share(50 * TRAIN_HELD_OUT_MAX, 50 * TRAIN_HELD_OUT_MAX));
    /* Of a million as large a part as of those that are drawn. */
    assert_int_equal(1000000 / 50, holdout_share(1000000, 50 * TRAIN_HELD_OUT_MAX));
}

/* Whatever comes later: what a model was trained on is never held out to judge it. */
static void the_cut_only_moves_on(void **state)
{
    int64_t trained = 0;

    (void)state;
    for (int64_t rows = 10; rows < 200000; rows += 1 + rows / 7) {
        int64_t drawn = rows < 25000 ? rows : 25000;
        int64_t kept = rows - holdout_share(rows, drawn); /* the oldest */

        assert_true(kept >= trained);
        trained = kept;
    }
}

/* Nor where a change was noticed, at whatever row of whichever age, until it is old news. */
static void the_cut_only_moves_on_since_a_change_too(void **state)
{
    (void)state;
    assert_int_equal(TRAIN_HELD_OUT_MIN, holdout_share_since(1000, 1000, 0));
    assert_int_equal(TRAIN_HELD_OUT_MIN, holdout_share_since(1000, 1000, 2 * TRAIN_HELD_OUT_MIN));
    assert_int_equal(TRAIN_HELD_OUT_MIN + 1, holdout_share_since(1000, 1000, 2 * TRAIN_HELD_OUT_MIN + 2));
    assert_int_equal(200, holdout_share_since(1000, 1000, 900));
    assert_int_equal(2, holdout_share_since(TRAIN_LABEL_ROWS_MIN, TRAIN_LABEL_ROWS_MIN, 0)); /* no more than without */
    for (int64_t before = 10; before < 100000; before *= 3) {
        int64_t trained = before - holdout_share(before, before < 25000 ? before : 25000);

        for (int64_t rows = before; rows < 4 * before; rows += 1 + rows / 50) {
            int64_t drawn = rows < 25000 ? rows : 25000;
            int64_t kept = rows - holdout_share_since(rows, drawn, rows - before * 9 / 10);

            assert_true(kept >= trained);
            assert_true(kept <= rows - 1);
            trained = kept;
        }
        assert_int_equal(holdout_share(4 * before, 4 * before < 25000 ? 4 * before : 25000),
                         holdout_share_since(4 * before, 4 * before < 25000 ? 4 * before : 25000, 4 * before - before * 9 / 10));
    }
}

static void rows_are_counted_by_label(void **state)
{
    struct holdout *holdout = NULL;

    (void)state;
    assert_status(STATUS_OK, holdout_open(&holdout));
    assert_int_equal(0, holdout_count(holdout, 0));
    assert_status(STATUS_OK, holdout_add(holdout, BYTES("a"), 0, 1, 0));
    assert_status(STATUS_OK, holdout_add(holdout, BYTES("b"), 1, 1, 0));
    assert_status(STATUS_OK, holdout_add(holdout, BYTES(""), 1, 1, 0));
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
        assert_status(STATUS_OK, holdout_add(holdout, (struct bytes){text, sizeof text}, 0, 1, 0));
    }
    assert_status(STATUS_TOO_LARGE, holdout_add(holdout, BYTES("x"), 1, 1, 0));
    assert_int_equal(TRAIN_BYTES_MAX / MIB, holdout_count(holdout, 0));
    assert_int_equal(0, holdout_count(holdout, 1));
    assert_status(STATUS_OK, holdout_add(holdout, BYTES(""), 1, 1, 0));
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
    struct compare_figures compared;
    double scores[31];
    struct buffer file;
    char room[64];

    (void)state;
    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    assert_status(STATUS_OK, holdout_open(&holdout));
    assert_status(STATUS_OK, fit_open(&fit, &(struct fit_options){.kind = MODEL_KIND_HASHLINEAR, .seed = 1}));
    for (int number = 0; number < 100; number++) {
        assert_status(STATUS_OK, fit_add(fit, text_of(room, sizeof room, number, number % 2), number % 2));
    }
    assert_status(STATUS_OK, fit_finish(fit, &file));
    assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
    for (int number = 100; number < 120; number++) {
        assert_status(STATUS_OK, holdout_add(holdout, text_of(room, sizeof room, number, 0), 0, 1, 0));
    }
    assert_status(STATUS_TOO_FEW, holdout_judge(holdout, model, 0.2, 0.8, NULL, NULL, &figures));
    for (int number = 100; number < 110; number++) {
        assert_status(STATUS_OK, holdout_add(holdout, text_of(room, sizeof room, number, 1), 1, 1, 0));
    }
    assert_status(STATUS_OK, holdout_judge(holdout, model, 0.2, 0.8, NULL, NULL, &figures));
    assert_int_equal(30, figures.count);
    assert_int_equal(10, figures.violations);
    assert_true(figures.auc > 0.99 && fabs(figures.effective - 30) < 1e-9);
    /* One that is wrong of a text which stands for a hundred. */
    assert_status(STATUS_OK, holdout_add(holdout, text_of(room, sizeof room, 200, 0), 1, 100, 0));
    assert_status(STATUS_OK, holdout_judge(holdout, model, 0.2, 0.8, NULL, scores, &figures));
    assert_true(figures.auc < 0.2 && figures.effective < 2);
    assert_status(STATUS_OK, holdout_compare(holdout, BAND_SHORT, scores, scores, &compared));
    assert_true(fabs(compared.one_auc - figures.auc) < 1e-9 && compared.effective[1] < 2);
    model_close(&model);
    fit_close(&fit);
    holdout_close(&holdout);
    buffer_free(&file);
}

/* The later half of either label, which came last, is what the model said it is not. */
static void what_was_kept_tells_of_a_change(void **state)
{
    enum { KEPT = 400 };
    static const double even[] = {1, 1};
    const struct change_sums before = {0};
    struct holdout *holdout = NULL;
    struct change_found found = {0};
    double scores[KEPT];

    (void)state;
    assert_status(STATUS_OK, holdout_open(&holdout));
    for (int number = 0; number < KEPT; number++) {
        int label = number >= KEPT / 2; /* one label after the other, as they are drawn */
        int age = number % (KEPT / 2);

        assert_status(STATUS_OK, holdout_add(holdout, BYTES("text"), label, 1, 10 * age + label));
        scores[number] = fabs((age % 20 == 0) - fabs(label - 0.05));
    }
    assert_status(STATUS_NOT_FOUND, holdout_find_change(holdout, scores, even, &before, &found));
    for (int number = 0; number < KEPT; number++) {
        if (number % (KEPT / 2) >= 120) {
            scores[number] = 1 - scores[number];
        }
    }
    assert_status(STATUS_OK, holdout_find_change(holdout, scores, even, &before, &found));
    assert_in_range(found.since_us, 1190, 1220);
    /* Where one label counts for next to nothing, so does what only it says. */
    for (int number = 0; number < KEPT / 2; number++) {
        scores[number] = number % 20 == 0 ? 0.95 : 0.05;
    }
    assert_status(STATUS_OK, holdout_find_change(holdout, scores, even, &before, &found));
    assert_status(STATUS_NOT_FOUND, holdout_find_change(holdout, scores, (const double[]){1, 0.001}, &before, &found));
    holdout_close(&holdout);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_are_held_out_and_the_hash_decides_among_equally_old_ones),
        cmocka_unit_test(a_fifth_is_held_out_up_to_so_many_rows),
        cmocka_unit_test(the_cut_only_moves_on),
        cmocka_unit_test(the_cut_only_moves_on_since_a_change_too),
        cmocka_unit_test(what_was_kept_tells_of_a_change),
        cmocka_unit_test(rows_are_counted_by_label),
        cmocka_unit_test(its_bytes_are_bounded),
        cmocka_unit_test(what_was_kept_judges_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
