/* model: a file is taken whole or not at all; a score is what its formula says, for any text, on any number of threads. */
#include "support/unit.h"

#include "support/allocations.h"

#include "proto/features.h"
#include "proto/limits.h"
#include "proto/model.h"
#include "proto/model_file.h"
#include "proto/secret.h"
#include "proto/text.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    BITS = MODEL_TABLE_BITS_MIN,
    TABLE = 1 << BITS,
    FILE_BYTES_MAX = 8 * MIB,
    HEAD_BYTES = 64 + 8 * MODEL_SELF_TESTS,
    AT_VERSION = 8,
    AT_KIND = 12,
    AT_FEATURES = 16,
    AT_TABLE_BITS = 20,
    AT_STORAGE = 24,
    AT_BLOCK = 28,
    AT_SLOPE = 40,
    AT_SCALE = 56,
    THREADS = 8,
};

static const char harmless[] = "The garden opens at nine, and the bakers bring bread, tea and newspapers to the old bridge. ";
static const char needle[] = "forbidden poison recipe zzyzx explained in every dangerous detail ";

/* Weights without pattern, between -1 and 1. */
static void fill(float *weights, size_t count)
{
    uint32_t state = 1;

    for (size_t index = 0; index < count; index++) {
        state = state * 1664525u + 1013904223u;
        weights[index] = (float)(int32_t)state / 2147483648.0f;
    }
}

static struct model_parts parts_of(const float *weights, unsigned bits, enum model_storage storage)
{
    return (struct model_parts){
        .kind = MODEL_KIND_HASHLINEAR,
        .storage = storage,
        .table_bits = bits,
        .bias = 0.25,
        .slope = 1.5,
        .offset = -0.5,
        .weights = weights,
    };
}

static void write_file(struct buffer *out, const struct model_parts *parts)
{
    buffer_init(out, FILE_BYTES_MAX);
    assert_status(STATUS_OK, model_write(out, parts));
}

static struct model *open_parts(const struct model_parts *parts)
{
    struct model *model = NULL;
    struct buffer file;

    write_file(&file, parts);
    assert_status(STATUS_OK, model_open(&model, buffer_view(&file)));
    buffer_free(&file);
    return model;
}

static void assert_near(double expected, double actual, double tolerance)
{
    assert_true(fabs(expected - actual) <= tolerance);
}

/* Repeats `text` up to `count` bytes. */
static char *repeated(const char *text, size_t count)
{
    char *out = test_malloc(count);

    for (size_t at = 0; at < count; at++) {
        out[at] = text[at % strlen(text)];
    }
    return out;
}

static double probability_of(const struct model_parts *parts, double score)
{
    return 1 / (1 + exp(-(parts->slope * score + parts->offset)));
}

static void folding_makes_disguised_text_score_as_plain(void **state)
{
    static float weights[TABLE];
    struct model_parts parts = parts_of(weights, BITS, MODEL_FLOAT32);
    struct model *model;

    (void)state;
    fill(weights, TABLE);
    model = open_parts(&parts);
    assert_near(model_score(model, BYTES("bad words")),
                model_score(model, BYTES("B\xE2\x80\x8B\xEF\xBC\xA1\xC2\xAD""d\xE3\x80\x80 WOR\xEF\xBD\x84s\xEF\xBB\xBF")), 0);
    model_close(&model);
}

static void int8_weights_score_within_their_rounding(void **state)
{
    static float weights[TABLE];
    struct model_parts wide = parts_of(weights, BITS, MODEL_FLOAT32);
    struct model_parts narrow = parts_of(weights, BITS, MODEL_INT8);
    struct model *models[2];
    struct buffer file;

    (void)state;
    fill(weights, TABLE);
    models[0] = open_parts(&wide);
    models[1] = open_parts(&narrow);
    write_file(&file, &narrow);
    assert_int_equal(HEAD_BYTES + TABLE + SHA256_BYTES, file.count);
    assert_near(model_score(models[0], BYTES(needle)), model_score(models[1], BYTES(needle)), 0.02);
    assert_true(model_score(models[0], BYTES(needle)) != model_score(models[1], BYTES(needle)));
    buffer_free(&file);
    model_close(&models[0]);
    model_close(&models[1]);
}

static void a_table_of_zeros_gives_the_base_rate(void **state)
{
    static const float weights[TABLE];

    (void)state;
    for (int storage = MODEL_FLOAT32; storage <= MODEL_INT8; storage++) {
        struct model_parts parts = parts_of(weights, BITS, (enum model_storage)storage);
        struct model *model = open_parts(&parts);

        assert_near(probability_of(&parts, 0.25), model_score(model, BYTES("whatever is said")), 1e-12);
        model_close(&model);
    }
}

/* Gives one weight to all features of a text. */
static void weigh(float *weights, unsigned bits, struct bytes text, float weight)
{
    uint32_t code_points[256];
    uint32_t indices[FEATURES_PER_CODE_POINT * 256];
    struct text_reader reader;
    struct features features;
    size_t count;

    text_begin(&reader, text);
    features_begin(&features, bits);
    count = features_take(&features, code_points, text_read(&reader, code_points, 256), NULL, indices);
    for (size_t at = 0; at < count; at++) {
        weights[indices[at]] = weight;
    }
}

static void a_bad_text_is_found_anywhere_in_a_mebibyte_of_harmless_text(void **state)
{
    enum { NEEDLE_BITS = 18 };
    float *weights = test_malloc(sizeof(float) << NEEDLE_BITS);
    struct model_parts parts = parts_of(weights, NEEDLE_BITS, MODEL_FLOAT32);
    struct model *model;
    char *haystack = repeated(harmless, MIB);
    struct model_room *room = NULL;
    struct model_reading reading;
    double clean;

    (void)state;
    assert_status(STATUS_OK, model_room_open(&room));
    memset(weights, 0, sizeof(float) << NEEDLE_BITS);
    weigh(weights, NEEDLE_BITS, BYTES(needle), 1);
    weigh(weights, NEEDLE_BITS, BYTES(harmless), -0.1f);
    model = open_parts(&parts);
    clean = model_score(model, (struct bytes){haystack, MIB});
    assert_true(clean < 0.2);
    for (size_t at = 0; at + sizeof needle < MIB; at += MIB / 13) {
        char kept[sizeof needle];

        memcpy(kept, haystack + at, sizeof kept);
        memcpy(haystack + at, needle, sizeof needle - 1);
        reading = model_read(model, room, (struct bytes){haystack, MIB}, NULL);
        assert_true(reading.probability > 0.9);
        assert_true(reading.probability == model_score(model, (struct bytes){haystack, MIB}));
        /* The window that decided holds the whole needle, or most of it where the next one begins. */
        assert_true(reading.worst_begin < at + sizeof needle / 2 && at + sizeof needle / 2 < reading.worst_end);
        assert_true(reading.worst_end - reading.worst_begin <= 2 * MODEL_BLOCK_CODE_POINTS + 2 * sizeof needle);
        assert_in_range(reading.window_count, MIB / MODEL_BLOCK_CODE_POINTS / 2, MIB / MODEL_BLOCK_CODE_POINTS + 1);
        memcpy(haystack + at, kept, sizeof kept);
    }
    /* At every 1,000th character: by the windows that can hold it, which are those of the whole text. */
    for (size_t at = 0; at + sizeof needle < MIB; at += 1000) {
        size_t begin = at < 2 * MODEL_BLOCK_CODE_POINTS ? 0 : (at / MODEL_BLOCK_CODE_POINTS - 2) * MODEL_BLOCK_CODE_POINTS;
        size_t count = MIB - begin < 6 * MODEL_BLOCK_CODE_POINTS ? MIB - begin : 6 * MODEL_BLOCK_CODE_POINTS;
        char kept[sizeof needle];

        memcpy(kept, haystack + at, sizeof kept);
        memcpy(haystack + at, needle, sizeof needle - 1);
        assert_true(model_score(model, (struct bytes){haystack + begin, count}) > 0.9);
        memcpy(haystack + at, kept, sizeof kept);
    }
    memcpy(haystack + MIB - sizeof needle, needle, sizeof needle);
    assert_true(model_score(model, (struct bytes){haystack, MIB}) > 0.9);
    test_free(haystack);
    test_free(weights);
    model_room_close(&room);
    model_close(&model);
}

static void equal_parts_make_equal_files(void **state)
{
    static float weights[TABLE];
    struct model_parts parts = parts_of(weights, BITS, MODEL_FLOAT32);
    struct buffer files[2];

    (void)state;
    fill(weights, TABLE);
    write_file(&files[0], &parts);
    write_file(&files[1], &parts);
    assert_int_equal(HEAD_BYTES + 4 * TABLE + SHA256_BYTES, files[0].count);
    assert_int_equal(files[0].count, files[1].count);
    assert_memory_equal(files[0].data, files[1].data, files[0].count);
    buffer_free(&files[0]);
    buffer_free(&files[1]);
}

static void a_file_with_any_byte_changed_is_refused(void **state)
{
    static float weights[TABLE];
    struct model_parts parts = parts_of(weights, BITS, MODEL_INT8);
    struct buffer file;

    (void)state;
    fill(weights, TABLE);
    write_file(&file, &parts);
    for (size_t at = 0; at < file.count; at++) {
        struct model *model = NULL;
        char kept = file.data[at];

        file.data[at] = (char)(kept ^ (1 << at % 8));
        assert_true(model_open(&model, buffer_view(&file)) != STATUS_OK);
        assert_null(model);
        file.data[at] = kept;
    }
    buffer_free(&file);
}

static void a_file_of_any_other_length_is_refused(void **state)
{
    static float weights[TABLE];
    struct model_parts parts = parts_of(weights, BITS, MODEL_INT8);
    struct buffer file;
    struct model *model = NULL;

    (void)state;
    fill(weights, TABLE);
    write_file(&file, &parts);
    for (size_t count = 0; count < file.count; count += count < 2 * HEAD_BYTES ? 1 : 97) {
        char *copy = test_malloc(count + 1); /* a read past the end is seen by the sanitizer */

        memcpy(copy, file.data, count);
        assert_status(STATUS_MALFORMED, model_open(&model, (struct bytes){copy, count}));
        test_free(copy);
    }
    assert_status(STATUS_MALFORMED, model_open(&model, bytes_first(buffer_view(&file), file.count - 1)));
    assert_status(STATUS_OK, buffer_append(&file, BYTES("x")));
    assert_status(STATUS_MALFORMED, model_open(&model, buffer_view(&file)));
    assert_status(STATUS_TOO_LARGE, model_open(&model, (struct bytes){file.data, (size_t)MODEL_FILE_BYTES_MAX + 1}));
    assert_null(model);
    buffer_free(&file);
}

/* Changes bytes of a good file and makes its checksum right again. */
static void assert_forged(enum status expected, const struct model_parts *parts, size_t at, const void *bytes, size_t count)
{
    unsigned char sum[SHA256_BYTES];
    struct model *model = NULL;
    struct buffer file;

    write_file(&file, parts);
    memcpy(file.data + at, bytes, count);
    secret_sha256(sum, bytes_first(buffer_view(&file), file.count - SHA256_BYTES));
    memcpy(file.data + file.count - SHA256_BYTES, sum, SHA256_BYTES);
    assert_status(expected, model_open(&model, buffer_view(&file)));
    model_close(&model);
    buffer_free(&file);
}

static void what_a_file_says_is_checked_beyond_its_checksum(void **state)
{
    static float weights[TABLE];
    const struct model_parts parts = parts_of(weights, BITS, MODEL_FLOAT32);
    const struct model_parts narrow = parts_of(weights, BITS, MODEL_INT8);
    const double nan = (double)NAN, zero = 0, other = 12345;
    const float infinite = HUGE_VALF;

    (void)state;
    fill(weights, TABLE);
    assert_forged(STATUS_OK, &parts, AT_VERSION, "\x01", 1);
    assert_forged(STATUS_UNSUPPORTED, &parts, AT_VERSION, "\x02", 1);
    assert_forged(STATUS_UNSUPPORTED, &parts, AT_KIND, "\x00", 1);
    assert_forged(STATUS_UNSUPPORTED, &parts, AT_KIND, (const char[]){MODEL_KINDS}, 1);
    assert_forged(STATUS_UNSUPPORTED, &parts, AT_FEATURES, "\x09", 1);
    assert_forged(STATUS_UNSUPPORTED, &parts, AT_TABLE_BITS, "\x0B", 1);
    assert_forged(STATUS_UNSUPPORTED, &parts, AT_TABLE_BITS, "\x15", 1);
    assert_forged(STATUS_UNSUPPORTED, &parts, AT_TABLE_BITS, "\xFF\xFF\xFF\xFF", 4);
    assert_forged(STATUS_MALFORMED, &parts, AT_TABLE_BITS, "\x14", 1);
    assert_forged(STATUS_UNSUPPORTED, &parts, AT_STORAGE, "\x02", 1);
    assert_forged(STATUS_MALFORMED, &parts, AT_STORAGE, "\x01", 1);
    assert_forged(STATUS_UNSUPPORTED, &parts, AT_BLOCK, "\x01", 1);
    assert_forged(STATUS_MALFORMED, &parts, AT_SLOPE, &nan, 8);
    assert_forged(STATUS_MALFORMED, &parts, AT_SLOPE, &zero, 8);
    assert_forged(STATUS_MALFORMED, &narrow, AT_SCALE, &zero, 8);
    assert_forged(STATUS_MALFORMED, &parts, HEAD_BYTES + 4 * (TABLE - 1), &infinite, 4);
    for (size_t test = 0; test < MODEL_SELF_TESTS; test++) {
        assert_forged(STATUS_CORRUPT, &parts, 64 + 8 * test, &other, 8);
        assert_forged(STATUS_MALFORMED, &parts, 64 + 8 * test, &nan, 8);
    }
    /* The self-test notices a table that was exchanged under a right checksum. */
    weights[0] = 0;
    assert_forged(STATUS_CORRUPT, &parts, HEAD_BYTES, &(float[TABLE]){0}, sizeof weights);
}

static void parts_that_make_no_model_are_refused_and_leave_nothing(void **state)
{
    static float weights[TABLE];
    struct model_parts good = parts_of(weights, BITS, MODEL_INT8);
    struct model_parts bad[7] = {good, good, good, good, good, good, good};
    struct buffer out;

    (void)state;
    bad[0].bias = (double)NAN;
    bad[1].slope = 0;
    bad[2].slope = -1;
    bad[3].slope = (double)INFINITY;
    bad[4].offset = (double)INFINITY;
    bad[5].kind = MODEL_KIND_NONE;
    bad[6].kind = MODEL_KINDS;
    buffer_init(&out, FILE_BYTES_MAX);
    for (size_t index = 0; index < 7; index++) {
        assert_status(STATUS_OK, model_write(&out, &good));
        assert_status(index < 5 ? STATUS_MALFORMED : STATUS_UNSUPPORTED, model_write(&out, &bad[index]));
        assert_int_equal(0, out.count);
    }
    weights[TABLE - 1] = NAN;
    assert_status(STATUS_MALFORMED, model_write(&out, &good));
    weights[TABLE - 1] = 0;
    buffer_free(&out);
    buffer_init(&out, HEAD_BYTES + TABLE + SHA256_BYTES - 1);
    assert_status(STATUS_TOO_LARGE, model_write(&out, &good));
    assert_int_equal(0, out.count);
    buffer_free(&out);
    buffer_init(&out, HEAD_BYTES + TABLE + SHA256_BYTES);
    assert_status(STATUS_OK, model_write(&out, &good));
    buffer_free(&out);
}

struct scorer {
    const struct model *model;
    const char *text;
    double scores[64];
};

static void *score_many(void *context)
{
    struct scorer *scorer = context;

    for (size_t index = 0; index < 64; index++) {
        scorer->scores[index] = model_score(scorer->model, (struct bytes){scorer->text, 97 * index});
    }
    return NULL;
}

static void many_threads_score_with_one_model_and_agree(void **state)
{
    static float weights[TABLE];
    struct model_parts parts = parts_of(weights, BITS, MODEL_FLOAT32);
    struct model *model;
    char *text = repeated(harmless, 97 * 64);
    static struct scorer alone, scorers[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    fill(weights, TABLE);
    model = open_parts(&parts);
    alone = (struct scorer){.model = model, .text = text};
    (void)score_many(&alone);
    for (size_t index = 0; index < THREADS; index++) {
        scorers[index] = (struct scorer){.model = model, .text = text};
        assert_int_equal(0, pthread_create(&threads[index], NULL, score_many, &scorers[index]));
    }
    for (size_t index = 0; index < THREADS; index++) {
        assert_int_equal(0, pthread_join(threads[index], NULL));
        assert_memory_equal(alone.scores, scorers[index].scores, sizeof alone.scores);
    }
    test_free(text);
    model_close(&model);
}

static void scoring_allocates_nothing(void **state)
{
    static float weights[TABLE];
    struct model_parts parts = parts_of(weights, BITS, MODEL_INT8);
    struct model *model;
    char *text = repeated(harmless, 100000);
    size_t before;

    (void)state;
    fill(weights, TABLE);
    before = atomic_load(&allocations);
    model = open_parts(&parts);
    assert_true(atomic_load(&allocations) > before); /* the count counts */
    before = atomic_load(&allocations);
    for (size_t count = 0; count < 100000; count += 9973) {
        (void)model_score(model, (struct bytes){text, count});
    }
    assert_int_equal(before, atomic_load(&allocations));
    test_free(text);
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding_makes_disguised_text_score_as_plain),
        cmocka_unit_test(int8_weights_score_within_their_rounding),
        cmocka_unit_test(a_table_of_zeros_gives_the_base_rate),
        cmocka_unit_test(a_bad_text_is_found_anywhere_in_a_mebibyte_of_harmless_text),
        cmocka_unit_test(equal_parts_make_equal_files),
        cmocka_unit_test(a_file_with_any_byte_changed_is_refused),
        cmocka_unit_test(a_file_of_any_other_length_is_refused),
        cmocka_unit_test(what_a_file_says_is_checked_beyond_its_checksum),
        cmocka_unit_test(parts_that_make_no_model_are_refused_and_leave_nothing),
        cmocka_unit_test(many_threads_score_with_one_model_and_agree),
        cmocka_unit_test(scoring_allocates_nothing),
    };

    if (secret_start() != STATUS_OK) {
        return 1;
    }
    allocations_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
