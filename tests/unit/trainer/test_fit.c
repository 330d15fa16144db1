/* fit: what it learns from real texts holds on others, disguise and filler cost little, equal rows give equal files.
 *
 * The figures of whole sets against the bar of the design are the business of tests/bench/models; sanitizers are too slow for it.
 */
#include "support/unit.h"

#include "support/disguise.h"
#include "support/labelled.h"

#include "proto/limits.h"
#include "proto/secret.h"
#include "trainer/evaluate.h"
#include "trainer/fit.h"
#include "trainer/random.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

enum { ALL_ROWS = 1 << 30, TEXT_BYTES_MAX = 64 * KIB };

static const enum model_kind kinds[] = {MODEL_KIND_HASHLINEAR, MODEL_KIND_BOW, MODEL_KIND_FASTTEXT};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

_Static_assert(KINDS == MODEL_KINDS - 1, "every kind but none");

static const struct fit_options plain = {.kind = MODEL_KIND_HASHLINEAR, .seed = 1};

/* Adds every `every`-th row of a train part, `rows_max` at most. */
static void add_rows(struct fit *fit, const char *set, size_t every, size_t rows_max)
{
    struct labelled rows;
    size_t added = 0;

    assert_true(labelled_open(&rows, TEST_DATA, set, "train"));
    for (size_t number = 0; added < rows_max && labelled_next(&rows); number++) {
        if (number % every == 0) {
            assert_status(STATUS_OK, fit_add(fit, rows.text, rows.label));
            added++;
        }
    }
    labelled_close(&rows);
}

static void fit_rows(struct buffer *out, const struct fit_options *options, const char *set, size_t every, size_t rows_max)
{
    struct fit *fit = NULL;

    buffer_init(out, MODEL_FILE_BYTES_MAX);
    assert_status(STATUS_OK, fit_open(&fit, options));
    add_rows(fit, set, every, rows_max);
    assert_status(STATUS_OK, fit_finish(fit, out));
    fit_close(&fit);
    assert_null(fit);
}

static struct model *fit_model(const struct fit_options *options, const char *set, size_t every, size_t rows_max)
{
    struct model *model = NULL;
    struct buffer file;

    fit_rows(&file, options, set, every, rows_max);
    assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
    buffer_free(&file);
    return model;
}

/* The figures on every `every`-th row of a test part, in disguise. */
static struct evaluate_figures judge(const struct model *model, const char *set, size_t every, disguise *change)
{
    static char text[TEXT_BYTES_MAX];
    struct evaluate *evaluate = NULL;
    struct evaluate_figures figures;
    struct labelled rows;

    assert_status(STATUS_OK, evaluate_open(&evaluate));
    assert_true(labelled_open(&rows, TEST_DATA, set, "test"));
    for (size_t number = 0; labelled_next(&rows); number++) {
        if (number % every == 0) {
            size_t count;

            assert_true(disguise_room(rows.text.count) <= sizeof text);
            count = change(text, rows.text);
            assert_status(STATUS_OK, evaluate_add(evaluate, model_score(model, (struct bytes){text, count}), rows.label, 1));
        }
    }
    labelled_close(&rows);
    assert_status(STATUS_OK, evaluate_figures(evaluate, 0.2, 0.8, &figures));
    evaluate_close(&evaluate);
    return figures;
}

static void a_small_set_is_learned_past_the_bar(void **state)
{
    struct model *model = fit_model(&plain, "openai-mod", 1, ALL_ROWS);
    struct evaluate_figures figures = judge(model, "openai-mod", 1, disguise_none);

    (void)state;
    assert_true(figures.auc > 0.883);
    assert_true(figures.pr_auc > 0.785);
    assert_true(figures.f1 > 0.67);
    assert_true(figures.calibration_error < 0.07);
    assert_true(fabs(judge(model, "openai-mod", 1, disguise_full_width).auc - figures.auc) < 1e-9);
    assert_true(fabs(judge(model, "openai-mod", 1, disguise_zero_width).auc - figures.auc) < 1e-9);
    assert_true(judge(model, "openai-mod", 1, disguise_wrapped).auc > figures.auc - 0.02);
    model_close(&model);
}

static void a_fifth_of_a_large_set_is_learned_nearly_to_the_bar_of_all_of_it(void **state)
{
    struct model *model = fit_model(&plain, "tweets-en", 5, ALL_ROWS);
    struct evaluate_figures figures = judge(model, "tweets-en", 2, disguise_none);

    (void)state;
    assert_true(figures.auc > 0.970);
    assert_true(figures.pr_auc > 0.993);
    assert_true(figures.f1 > 0.960);
    assert_true(figures.calibration_error < 0.03);
    assert_true(judge(model, "tweets-en", 4, disguise_wrapped).auc > figures.auc - 0.02);
    model_close(&model);
}

static void every_kind_learns_from_a_twentieth_of_a_set_and_loses_nothing_by_int8(void **state)
{
    static const double auc_min[] = {0.955, 0.935, 0.915}; /* bare, with room for what another compiler rounds */

    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        const struct fit_options wide = {.kind = kinds[kind], .seed = 1};
        struct fit_options narrow = wide;
        struct evaluate_figures figures[2];
        struct model *model;

        narrow.storage = MODEL_INT8;
        model = fit_model(&wide, "tweets-en", 20, ALL_ROWS);
        assert_int_equal(kinds[kind], model_kind_of(model));
        figures[0] = judge(model, "tweets-en", 2, disguise_none);
        assert_true(fabs(judge(model, "tweets-en", 2, disguise_zero_width).auc - figures[0].auc) < 1e-9);
        model_close(&model);
        model = fit_model(&narrow, "tweets-en", 20, ALL_ROWS);
        figures[1] = judge(model, "tweets-en", 2, disguise_none);
        model_close(&model);
        assert_true(figures[0].auc > auc_min[kind]);
        assert_true(figures[0].calibration_error < 0.04);
        assert_true(figures[1].auc > figures[0].auc - 0.001);
    }
}

static void two_hundred_rows_are_enough_to_begin_with(void **state)
{
    double sum = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct model *model = fit_model(&(struct fit_options){.kind = MODEL_KIND_HASHLINEAR, .seed = seed}, "tweets-en", seed, 200);

        sum += judge(model, "tweets-en", 4, disguise_none).auc;
        model_close(&model);
    }
    assert_true(sum / 3 > 0.90);
}

static void equal_rows_and_seeds_give_equal_files(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        const struct fit_options one = {.kind = kinds[kind], .seed = 1};
        const struct fit_options two = {.kind = kinds[kind], .seed = 2};
        struct buffer files[3];

        fit_rows(&files[0], &one, "tweets-en", 100, ALL_ROWS);
        fit_rows(&files[1], &one, "tweets-en", 100, ALL_ROWS);
        fit_rows(&files[2], &two, "tweets-en", 100, ALL_ROWS);
        assert_int_equal(files[0].count, files[1].count);
        assert_memory_equal(files[0].data, files[1].data, files[0].count);
        assert_memory_not_equal(files[0].data, files[2].data, files[0].count);
        for (size_t index = 0; index < 3; index++) {
            buffer_free(&files[index]);
        }
    }
}

/* Of a third of openai-mod, told that so many are violations, every row standing for so many texts by its label. */
static struct model *fit_share(double violation_share, const double stands_for[2])
{
    struct fit *fit = NULL;
    struct model *model = NULL;
    struct labelled rows;
    struct buffer file;

    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    assert_status(STATUS_OK, fit_open(&fit, &plain));
    assert_true(labelled_open(&rows, TEST_DATA, "openai-mod", "train"));
    for (size_t number = 0; labelled_next(&rows); number++) {
        if (number % 3 == 0) {
            assert_status(STATUS_OK, fit_add(fit, rows.text, rows.label));
            fit_weigh(fit, 1, stands_for[rows.label]);
        }
    }
    labelled_close(&rows);
    fit_set_share(fit, violation_share);
    assert_status(STATUS_OK, fit_finish(fit, &file));
    assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
    buffer_free(&file);
    fit_close(&fit);
    return model;
}

static void assert_rarer(const struct model *rare)
{
    struct model *as_drawn = fit_model(&plain, "openai-mod", 3, ALL_ROWS);
    struct evaluate_figures drawn = judge(as_drawn, "openai-mod", 1, disguise_none);
    struct evaluate_figures weighted = judge(rare, "openai-mod", 1, disguise_none);

    assert_true(fabs(drawn.auc - weighted.auc) < 1e-3); /* the ranking is the same */
    assert_true(model_score(rare, BYTES("hello there")) < model_score(as_drawn, BYTES("hello there")));
    assert_true(weighted.f1 < drawn.f1); /* at 2 % violations few texts reach 0.5 */
    model_close(&as_drawn);
}

static void a_balanced_draw_is_weighted_back_to_the_true_share(void **state)
{
    struct model *rare = fit_share(0.02, (const double[]){1, 1});

    (void)state;
    assert_rarer(rare);
    model_close(&rare);
}

/* Passes that were drawn at random stand for many that nobody looked at. */
static void a_row_stands_for_its_texts_in_the_calibration_alone(void **state)
{
    struct model *rare = fit_share((double)NAN, (const double[]){20, 1});

    (void)state;
    assert_rarer(rare);
    model_close(&rare);
}

/* Passes that stand for 16 texts shift the probabilities as far as four of each would. */
static void the_calibration_counts_a_row_by_the_root_of_what_it_stands_for(void **state)
{
    double rows[2] = {0, 0};
    struct model *standing, *shared;
    struct labelled set;

    (void)state;
    assert_true(labelled_open(&set, TEST_DATA, "openai-mod", "train"));
    for (size_t number = 0; labelled_next(&set); number++) {
        rows[set.label] += number % 3 == 0;
    }
    labelled_close(&set);
    standing = fit_share((double)NAN, (const double[]){16, 1});
    shared = fit_share(rows[1] / (rows[1] + 4 * rows[0]), (const double[]){1, 1});
    assert_true(labelled_open(&set, TEST_DATA, "openai-mod", "test"));
    while (labelled_next(&set)) {
        assert_true(fabs(model_score(standing, set.text) - model_score(shared, set.text)) < 0.01);
    }
    labelled_close(&set);
    model_close(&standing);
    model_close(&shared);
}

static void too_few_rows_of_a_label_are_refused(void **state)
{
    struct fit *fit = NULL;
    struct model *model = NULL;
    struct buffer file;

    (void)state;
    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    assert_status(STATUS_OK, fit_open(&fit, &plain));
    assert_status(STATUS_TOO_FEW, fit_finish(fit, &file));
    for (int number = 0; number < 20; number++) {
        assert_status(STATUS_OK, fit_add(fit, BYTES("a pleasant day"), 0));
    }
    assert_status(STATUS_TOO_FEW, fit_finish(fit, &file)); /* all labels are equal */
    for (int number = 0; number < TRAIN_FOLDS - 1; number++) {
        assert_status(STATUS_OK, fit_add(fit, BYTES("an awful crime"), 1));
    }
    assert_status(STATUS_TOO_FEW, fit_finish(fit, &file));
    assert_int_equal(0, file.count);
    assert_status(STATUS_OK, fit_add(fit, BYTES("an awful crime"), 1));
    assert_status(STATUS_OK, fit_finish(fit, &file));
    assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
    assert_true(model_score(model, BYTES("awful crime")) > model_score(model, BYTES("pleasant day")));
    model_close(&model);
    buffer_free(&file);
    fit_close(&fit);
    fit_close(&fit);
}

/* What a model of this kind thinks of a text that two rows call harmless and one, of this weight, does not. */
static double judge_disputed(enum model_kind kind, double weight)
{
    _Atomic int fits = 0;
    const struct fit_options options = {.kind = kind, .seed = 1, .fits = &fits};
    struct fit *fit = NULL;
    struct model *model = NULL;
    struct buffer file;
    double score;

    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    assert_status(STATUS_OK, fit_open(&fit, &options));
    for (int number = 0; number < 60; number++) {
        char name = (char)('a' + number % 10); /* many words, as one that stands everywhere tells nothing */
        int label = number / 10 % 3 == 0;
        char text[64];

        (void)snprintf(text, sizeof text, "%s %c%c%c", number % 2 == 0 ? "pleasant" : "awful", name, name, name);
        assert_status(STATUS_OK, fit_add(fit, bytes_of(text), number % 2));
        (void)snprintf(text, sizeof text, "quarrel %c%c", name, name);
        assert_status(STATUS_OK, fit_add(fit, bytes_of(text), label));
        if (label == 1) {
            fit_weigh(fit, weight, 1);
        }
    }
    assert_status(STATUS_OK, fit_finish(fit, &file));
    assert_in_range(fits, 2, TRAIN_FOLDS + 1);
    assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
    score = model_score(model, BYTES("quarrel cc"));
    model_close(&model);
    buffer_free(&file);
    fit_close(&fit);
    return score;
}

static void a_row_of_more_weight_outweighs_those_of_less(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        assert_true(judge_disputed(kinds[kind], 1) < 0.5);
        assert_true(judge_disputed(kinds[kind], TRAIN_PERSON_WEIGHT) > 0.5);
        assert_true(judge_disputed(kinds[kind], 0.25) < judge_disputed(kinds[kind], 1) - 0.02);
        assert_true(judge_disputed(kinds[kind], 1.5) > judge_disputed(kinds[kind], 1) + 0.02);
    }
}

/* Of texts with one word: four in five are old and were violations, the others are new and are none. Beside them words that never
 * changed. */
static struct fit *add_changed(enum model_kind kind)
{
    const struct fit_options options = {.kind = kind, .seed = 1};
    struct fit *fit = NULL;

    assert_status(STATUS_OK, fit_open(&fit, &options));
    for (int number = 0; number < 300; number++) {
        int label = number % 2;
        bool is_old = number % 5 != 0;
        char text[64];

        (void)snprintf(text, sizeof text, "%s %d", label == 0 ? "pleasant" : "awful", number % 37);
        assert_status(STATUS_OK, fit_add(fit, bytes_of(text), label));
        if (is_old) {
            fit_mark_old(fit);
        }
        (void)snprintf(text, sizeof text, "quarrel %d", number % 41);
        assert_status(STATUS_OK, fit_add(fit, bytes_of(text), is_old ? 1 : 0));
        if (is_old) {
            fit_mark_old(fit);
        }
    }
    return fit;
}

static double judge_changed(struct fit *fit, struct buffer *file)
{
    struct model *model = NULL;
    double score;

    assert_status(STATUS_OK, fit_finish(fit, file));
    assert_status(STATUS_OK, model_open(&model, buffer_view(file)));
    assert_true(model_score(model, BYTES("awful 3")) > model_score(model, BYTES("pleasant 3")) + 0.2);
    score = model_score(model, BYTES("quarrel 3"));
    model_close(&model);
    return score;
}

static void rows_of_before_a_change_hardly_count_once_they_are_discounted(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct fit *fit = add_changed(kinds[kind]);
        struct buffer first, again, discounted;

        buffer_init(&first, MODEL_FILE_BYTES_MAX);
        buffer_init(&again, MODEL_FILE_BYTES_MAX);
        buffer_init(&discounted, MODEL_FILE_BYTES_MAX);
        assert_true(judge_changed(fit, &first) > 0.5);
        assert_true(judge_changed(fit, &again) > 0.5);
        assert_int_equal(first.count, again.count);
        assert_memory_equal(first.data, again.data, first.count); /* the first fit left no trace in the rows */
        assert_true(fabs(fit_discount(fit) - 1.0 / FIT_WEIGHT_STEPS) < 1e-9); /* a sixteenth of a quarter */
        assert_true(judge_changed(fit, &discounted) < 0.5);
        buffer_free(&first);
        buffer_free(&again);
        buffer_free(&discounted);
        fit_close(&fit);
    }
}

static void without_rows_of_before_and_since_nothing_is_discounted(void **state)
{
    (void)state;
    for (int old = 0; old < 2; old++) {
        struct fit *fit = NULL;

        assert_status(STATUS_OK, fit_open(&fit, &plain));
        for (int number = 0; number < 20; number++) {
            assert_status(STATUS_OK, fit_add(fit, BYTES("a text"), number % 2));
            if (old == 1) {
                fit_mark_old(fit);
            }
        }
        assert_true(fabs(fit_discount(fit) - 1) < 1e-12);
        fit_close(&fit);
    }
}

static uint64_t below(uint64_t *random, uint64_t count)
{
    return (random_next(random) >> 32) % count;
}

/* Words that tell much, little or nothing; labels as they come, rare or turned round from some row on; weights of any size. */
static struct fit *add_anything(uint64_t *random, const struct fit_options *options)
{
    struct fit *fit = NULL;
    size_t count = 2 * TRAIN_FOLDS + below(random, 150), old = below(random, count);
    size_t words = 1 + below(random, 12), vocabulary = (size_t)1 << below(random, 12);
    unsigned violations = (unsigned)below(random, 100), noise = (unsigned)below(random, 100);
    bool turns = below(random, 2) == 0;

    assert_status(STATUS_OK, fit_open(&fit, options));
    for (size_t number = 0; number < count; number++) {
        bool first = number < 2 * TRAIN_FOLDS; /* there are enough of both labels */
        int label = first ? (int)(number % 2) : below(random, 100) < violations;
        char text[512];
        size_t bytes = 0;

        for (size_t word = below(random, words + 1); word > 0; word--) {
            size_t meaning = below(random, 100) < noise ? 0 : (size_t)label + 1;

            bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "w%zu ", 3 * (size_t)below(random, vocabulary) + meaning);
        }
        assert_status(STATUS_OK, fit_add(fit, (struct bytes){text, bytes}, turns && number < old && !first ? 1 - label : label));
        fit_weigh(fit, ldexp(1, (int)below(random, 11)) / FIT_WEIGHT_STEPS, 1 + (double)below(random, 100));
        if (number < old) {
            fit_mark_old(fit);
        }
    }
    return fit;
}

static void any_rows_of_any_weight_give_a_model(void **state)
{
    enum { SETS = 40 };
    uint64_t random = 1;

    (void)state;
    for (int set = 0; set < SETS; set++) {
        const struct fit_options options = {.kind = kinds[set % KINDS], .seed = random_next(&random)};
        struct fit *fit = add_anything(&random, &options);
        struct buffer file;

        buffer_init(&file, MODEL_FILE_BYTES_MAX);
        assert_status(STATUS_OK, fit_finish(fit, &file));
        (void)fit_discount(fit);
        assert_status(STATUS_OK, fit_finish(fit, &file));
        buffer_free(&file);
        fit_close(&fit);
    }
}

static void a_fit_knows_how_much_unseen_texts_surprised_it(void **state)
{
    struct fit *fit = NULL;
    struct buffer file;
    const struct change_sums *surprises;

    (void)state;
    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    assert_status(STATUS_OK, fit_open(&fit, &plain));
    for (int number = 0; number < 400; number++) {
        char text[64];

        (void)snprintf(text, sizeof text, "%s %d", number % 2 == 0 ? "pleasant" : "awful", number % 37);
        assert_status(STATUS_OK, fit_add(fit, bytes_of(text), number % 2));
        fit_weigh(fit, 1, 1 + number % 2);
    }
    assert_status(STATUS_OK, fit_finish(fit, &file));
    surprises = fit_surprises(fit);
    for (int label = 0; label < 2; label++) {
        assert_true(fabs(surprises[label].weights - 200 * (1 + label)) < 1e-6);
        assert_true(fabs(surprises[label].surprises) < 0.01 * surprises[label].weights);
    }
    buffer_free(&file);
    fit_close(&fit);
}

static void twenty_rows_and_texts_that_hold_nothing_give_a_model(void **state)
{
    static const char *const texts[] = {"", " ", "\xFF\xFE", "a", "\xE2\x80\x8B"};

    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        const struct fit_options options = {.kind = kinds[kind], .seed = 1};
        struct fit *fit = NULL;
        struct model *model = NULL;
        struct buffer file;

        buffer_init(&file, MODEL_FILE_BYTES_MAX);
        assert_status(STATUS_OK, fit_open(&fit, &options));
        for (int number = 0; number < 20; number++) {
            assert_status(STATUS_OK, fit_add(fit, bytes_of(texts[number % 5]), number % 2));
        }
        assert_status(STATUS_OK, fit_finish(fit, &file));
        assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
        assert_true(fabs(model_score(model, BYTES("nobody has seen this")) - 0.5) < 0.2);
        model_close(&model);
        buffer_free(&file);
        fit_close(&fit);
    }
}

static void a_file_that_does_not_fit_is_not_made(void **state)
{
    struct fit *fit = NULL;
    struct buffer file;

    (void)state;
    buffer_init(&file, MIB);
    assert_status(STATUS_OK, fit_open(&fit, &plain));
    for (int number = 0; number < 10; number++) {
        assert_status(STATUS_OK, fit_add(fit, number % 2 == 0 ? BYTES("good") : BYTES("bad"), number % 2));
    }
    assert_status(STATUS_TOO_LARGE, fit_finish(fit, &file));
    assert_int_equal(0, file.count);
    buffer_free(&file);
    fit_close(&fit);
}

struct fitting {
    struct fit *fit;
    struct buffer file;
    enum status status;
    uint64_t ended_us; /* CPU time of the thread */
};

static uint64_t cpu_us(clockid_t clock)
{
    struct timespec time;

    assert_int_equal(0, clock_gettime(clock, &time));
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void *finish(void *context)
{
    struct fitting *fitting = context;

    fitting->status = fit_finish(fitting->fit, &fitting->file);
    fitting->ended_us = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

static void fitting_open(struct fitting *fitting, enum model_kind kind, struct turn *turn)
{
    enum { ROWS = 12000 };
    const struct fit_options options = {.kind = kind, .seed = 1, .turn = turn};

    *fitting = (struct fitting){0};
    buffer_init(&fitting->file, MODEL_FILE_BYTES_MAX);
    assert_status(STATUS_OK, fit_open(&fitting->fit, &options));
    add_rows(fitting->fit, "tweets-en", 1, ROWS);
}

static void fitting_close(struct fitting *fitting)
{
    fit_close(&fitting->fit);
    buffer_free(&fitting->file);
}

/* What one takes that nobody cancels, by this compiler on this machine. */
static uint64_t whole_us(enum model_kind kind)
{
    struct fitting fitting;
    uint64_t from_us;

    fitting_open(&fitting, kind, NULL);
    from_us = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    (void)finish(&fitting);
    assert_status(STATUS_OK, fitting.status);
    fitting_close(&fitting);
    return fitting.ended_us - from_us;
}

/* Counted in the thread's own CPU time, which no load on the machine stretches. */
static void assert_cancelled_after(enum model_kind kind, uint64_t after_us)
{
    enum { SOON_US = 200000 };
    atomic_bool cancelled = false;
    struct turn turn = {.cancelled = &cancelled};
    struct fitting fitting;
    pthread_t thread;
    clockid_t clock;
    uint64_t at_us;

    fitting_open(&fitting, kind, &turn);
    assert_int_equal(0, pthread_create(&thread, NULL, finish, &fitting));
    assert_int_equal(0, pthread_getcpuclockid(thread, &clock));
    do {
        (void)sched_yield();
        at_us = cpu_us(clock);
    } while (at_us < after_us);
    atomic_store(&cancelled, true);
    assert_int_equal(0, pthread_join(thread, NULL));
    assert_status(STATUS_CLOSED, fitting.status);
    assert_int_equal(0, fitting.file.count);
    assert_in_range(fitting.ended_us - at_us, 0, SOON_US);
    fitting_close(&fitting);
}

/* In the midst of several passes. */
static void a_fit_ends_soon_after_it_is_cancelled(void **state)
{
    uint64_t us = whole_us(MODEL_KIND_HASHLINEAR);

    (void)state;
    for (uint64_t quarters = 1; quarters <= 3; quarters++) {
        assert_cancelled_after(MODEL_KIND_HASHLINEAR, quarters * us / 4);
    }
    assert_cancelled_after(MODEL_KIND_BOW, whole_us(MODEL_KIND_BOW) / 2);
    assert_cancelled_after(MODEL_KIND_FASTTEXT, whole_us(MODEL_KIND_FASTTEXT) / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_set_is_learned_past_the_bar),
        cmocka_unit_test(a_fifth_of_a_large_set_is_learned_nearly_to_the_bar_of_all_of_it),
        cmocka_unit_test(every_kind_learns_from_a_twentieth_of_a_set_and_loses_nothing_by_int8),
        cmocka_unit_test(two_hundred_rows_are_enough_to_begin_with),
        cmocka_unit_test(equal_rows_and_seeds_give_equal_files),
        cmocka_unit_test(a_balanced_draw_is_weighted_back_to_the_true_share),
        cmocka_unit_test(a_row_stands_for_its_texts_in_the_calibration_alone),
        cmocka_unit_test(the_calibration_counts_a_row_by_the_root_of_what_it_stands_for),
        cmocka_unit_test(too_few_rows_of_a_label_are_refused),
        cmocka_unit_test(a_row_of_more_weight_outweighs_those_of_less),
        cmocka_unit_test(rows_of_before_a_change_hardly_count_once_they_are_discounted),
        cmocka_unit_test(without_rows_of_before_and_since_nothing_is_discounted),
        cmocka_unit_test(any_rows_of_any_weight_give_a_model),
        cmocka_unit_test(a_fit_knows_how_much_unseen_texts_surprised_it),
        cmocka_unit_test(twenty_rows_and_texts_that_hold_nothing_give_a_model),
        cmocka_unit_test(a_file_that_does_not_fit_is_not_made),
        cmocka_unit_test(a_fit_ends_soon_after_it_is_cancelled),
    };

    return secret_start() == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
