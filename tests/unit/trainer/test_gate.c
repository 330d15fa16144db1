/* gate: what is good enough passes; what is worse than the live one is refused, on the whole or among the texts of one kind. */
#include "support/unit.h"

#include "trainer/fit.h"
#include "trainer/gate.h"

#include <math.h>
#include <stdio.h>

enum { HELD = 60, TRAINED = 200, ROWS_MAX = 4096 };

static const char *const latin[] = {"a kind word", "an ugly threat"};
static const char *const cyrillic[] = {"\xD0\xB4\xD0\xBE\xD0\xB1\xD1\x80\xD0\xBE\xD0\xB5", "\xD0\xB7\xD0\xBB\xD0\xBE\xD0\xB5"};

/* What a model is taught about either script: the truth, the opposite, or nothing. */
enum lesson { TRUTH, LIE, NOTHING };

static struct bytes text_of(char *room, size_t bytes, const char *words, int number)
{
    return (struct bytes){room, (size_t)snprintf(room, bytes, "%s %d", words, number)};
}

static void teach(struct fit *fit, const char *const words[2], enum lesson lesson)
{
    char room[128];

    for (int number = 0; number < TRAINED && lesson != NOTHING; number++) {
        int label = number % 2;

        assert_status(STATUS_OK, fit_add(fit, text_of(room, sizeof room, words[lesson == LIE ? 1 - label : label], number / 2), label));
    }
}

static void train(enum lesson about_latin, enum lesson about_cyrillic, struct buffer *file)
{
    struct fit *fit = NULL;

    buffer_init(file, MODEL_FILE_BYTES_MAX);
    assert_status(STATUS_OK, fit_open(&fit, &(struct fit_options){
                                                .kind = MODEL_KIND_HASHLINEAR, .seed = 1}));
    teach(fit, latin, about_latin);
    teach(fit, cyrillic, about_cyrillic);
    assert_status(STATUS_OK, fit_finish(fit, file));
    fit_close(&fit);
}

struct place {
    struct holdout *holdout;
    const char *first; /* words of the first row */
    struct profile_settings profile;
    struct buffer live;
    struct buffer file;
    struct gate_figures figures;
    const char *reason;
};

static void hold_out_weighing(struct place *place, const char *const words[2], int rows, double weight)
{
    char room[128];

    place->first = place->first == NULL && rows > 0 ? words[0] : place->first;
    for (int number = 0; number < rows; number++) {
        assert_status(STATUS_OK,
                      holdout_add(place->holdout, text_of(room, sizeof room, words[number % 2], 1000 + number / 2), number % 2,
                                  number < 2 ? weight : 1, 0));
    }
}

static void hold_out(struct place *place, const char *const words[2], int rows)
{
    hold_out_weighing(place, words, rows, 1);
}

static void open_place(struct place *place, int latin_rows, int cyrillic_rows)
{
    *place = (struct place){.profile = {.low = 0.2, .high = 0.8}};
    place->profile.training.min_auc = 0.6;
    place->profile.training.max_regression = 0.005;
    assert_status(STATUS_OK, holdout_open(&place->holdout));
    hold_out(place, latin, latin_rows);
    hold_out(place, cyrillic, cyrillic_rows);
    train(TRUTH, TRUTH, &place->live);
}

static void close_place(struct place *place)
{
    holdout_close(&place->holdout);
    buffer_free(&place->live);
}

static enum status judge(struct place *place, struct bytes live, struct turn *turn)
{
    struct model *model = NULL;
    double scores[ROWS_MAX] = {0};
    struct gate gate = {
        .holdout = place->holdout, .profile = &place->profile, .live = live, .turn = turn, .scores = scores};
    enum status status;

    assert_status(STATUS_OK, model_open(&model, buffer_view(&place->file)));
    gate.model = model;
    place->reason = "none";
    status = gate_judge(&gate, &place->figures, &place->reason);
    if (status == STATUS_OK) { /* the first row is as the model says, not as the live one does */
        char room[128];

        assert_true(fabs(scores[0] - model_score(model, text_of(room, sizeof room, place->first, 1000))) < 1e-12);
    }
    model_close(&model);
    buffer_free(&place->file);
    return status;
}

static void the_first_model_passes_when_it_is_good_enough(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, HELD, HELD);
    train(TRUTH, TRUTH, &place.file);
    assert_status(STATUS_OK, judge(&place, (struct bytes){NULL, 0}, NULL));
    assert_string_equal("", place.reason);
    assert_true(place.figures.all.auc > 0.99 && isnan(place.figures.live_auc));
    assert_int_equal(0, place.figures.bands[BAND_LATIN].count);
    train(LIE, TRUTH, &place.file);
    assert_status(STATUS_OK, judge(&place, (struct bytes){NULL, 0}, NULL));
    assert_string_equal("min_auc", place.reason);
    close_place(&place);
}

static void one_that_is_worse_on_the_whole_is_refused(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, HELD, HELD);
    train(TRUTH, NOTHING, &place.file);
    assert_status(STATUS_OK, judge(&place, buffer_view(&place.live), NULL));
    assert_string_equal("max_regression", place.reason);
    assert_true(place.figures.live_auc > place.figures.all.auc + 0.005);
    assert_int_equal(HELD, place.figures.bands[BAND_CYRILLIC].count);
    assert_int_equal(HELD / 2, place.figures.bands[BAND_CYRILLIC].violations);
    /* The same as the live one, or a live one that cannot be read: nothing is worse. */
    train(TRUTH, TRUTH, &place.file);
    assert_status(STATUS_OK, judge(&place, buffer_view(&place.live), NULL));
    assert_string_equal("", place.reason);
    train(TRUTH, TRUTH, &place.file);
    assert_status(STATUS_OK, judge(&place, BYTES("no model"), NULL));
    assert_string_equal("", place.reason);
    close_place(&place);
}

/* Few of the texts are Cyrillic: what is lost there is within what the profile allows on the whole. */
static void one_that_fails_a_script_is_refused_where_there_are_enough_of_its_texts(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, 20 * HELD, 2 * GATE_BAND_ROWS_MIN);
    place.profile.training.max_regression = 0.1;
    train(TRUTH, LIE, &place.file);
    assert_status(STATUS_OK, judge(&place, buffer_view(&place.live), NULL));
    assert_true(place.figures.live_auc - place.figures.all.auc < 0.1);
    assert_string_equal("max_regression_cyrillic", place.reason);
    close_place(&place);

    open_place(&place, 20 * HELD, 2 * GATE_BAND_ROWS_MIN - 1);
    place.profile.training.max_regression = 0.1;
    train(TRUTH, LIE, &place.file);
    assert_status(STATUS_OK, judge(&place, buffer_view(&place.live), NULL));
    assert_string_equal("", place.reason);
    close_place(&place);
}

/* Two rows of a hundred: as many as before, and they tell no more than those two. */
static void rows_that_tell_little_are_too_few_for_a_script(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, 20 * HELD, 0);
    hold_out_weighing(&place, cyrillic, 2 * GATE_BAND_ROWS_MIN, 100);
    place.profile.training.max_regression = 0.5;
    train(TRUTH, LIE, &place.file);
    assert_status(STATUS_OK, judge(&place, buffer_view(&place.live), NULL));
    assert_int_equal(2 * GATE_BAND_ROWS_MIN, place.figures.bands[BAND_CYRILLIC].count);
    assert_true(place.figures.bands[BAND_CYRILLIC].effective[1] < 2);
    assert_string_equal("", place.reason);
    close_place(&place);
}

/* What violates has changed: both are poor, and the live one, which has learned the opposite, is worse. */
static void a_poor_one_replaces_one_that_is_poorer(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, HELD, HELD);
    buffer_free(&place.live);
    place.profile.training.min_auc = 0.95;
    train(LIE, LIE, &place.live);
    train(TRUTH, LIE, &place.file);
    assert_status(STATUS_OK, judge(&place, buffer_view(&place.live), NULL));
    assert_true(place.figures.all.auc < place.profile.training.min_auc && place.figures.live_auc < place.figures.all.auc);
    assert_string_equal("", place.reason);
    /* One no better than it is refused as ever. */
    train(LIE, LIE, &place.file);
    assert_status(STATUS_OK, judge(&place, buffer_view(&place.live), NULL));
    assert_string_equal("min_auc", place.reason);
    close_place(&place);
}

static void a_cancelled_one_decides_nothing(void **state)
{
    atomic_bool cancelled = true;
    struct turn turn = {.cancelled = &cancelled};
    struct place place;

    (void)state;
    open_place(&place, HELD, 0);
    train(TRUTH, TRUTH, &place.file);
    assert_status(STATUS_CLOSED, judge(&place, (struct bytes){NULL, 0}, &turn));
    assert_string_equal("none", place.reason);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_model_passes_when_it_is_good_enough),
        cmocka_unit_test(one_that_is_worse_on_the_whole_is_refused),
        cmocka_unit_test(one_that_fails_a_script_is_refused_where_there_are_enough_of_its_texts),
        cmocka_unit_test(rows_that_tell_little_are_too_few_for_a_script),
        cmocka_unit_test(a_poor_one_replaces_one_that_is_poorer),
        cmocka_unit_test(a_cancelled_one_decides_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
