/* model_kinds: each kind scores what its formula says, and its file is taken whole, refused or harmless. */
#include "support/unit.h"

#include "support/allocations.h"

#include "proto/features.h"
#include "proto/limits.h"
#include "proto/model.h"
#include "proto/model_file.h"
#include "proto/secret.h"
#include "proto/text.h"

#include <math.h>
#include <stdlib.h>

enum {
    BITS = MODEL_TABLE_BITS_MIN,
    TABLE = 1 << BITS,
    FILE_BYTES_MAX = 8 * MIB,
    HEAD_BYTES = 64 + 8 * MODEL_SELF_TESTS,
    AT_VERSION = 8,
    AT_KIND = 12,
    TEXT_BYTES_MAX = 20000,
};

static const enum model_kind kinds[] = {MODEL_KIND_HASHLINEAR, MODEL_KIND_BOW, MODEL_KIND_FASTTEXT};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

_Static_assert(KINDS == MODEL_KINDS - 1, "every kind but none");

/* Weights without pattern, between -1 and 1; a third of the table is no term, the others have idfs of 1 to 9. */
static struct model_parts parts_of(enum model_kind kind, enum model_storage storage)
{
    static float weights[TABLE];
    static unsigned char idfs[TABLE];
    uint32_t state = 1;

    for (size_t index = 0; index < TABLE; index++) {
        state = state * 1664525u + 1013904223u;
        weights[index] = (float)(int32_t)state / 2147483648.0f;
        idfs[index] = (unsigned char)(state >> 8 & 3 ? MODEL_IDF_STEPS + (state >> 16 & 127) : 0);
    }
    return (struct model_parts){
        .kind = kind,
        .storage = storage,
        .table_bits = BITS,
        .bias = 0.25,
        .slope = 1.5,
        .offset = -0.5,
        .weights = weights,
        .idfs = kind == MODEL_KIND_BOW ? idfs : NULL,
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

/* By the header's formulas, from how often each feature stands in a window; before calibration. */
static double slow_window(const struct model_parts *parts, const unsigned *counts)
{
    double sum = 0, different = 0, all = 0, dot = 0, square = 0;

    for (size_t index = 0; index < TABLE; index++) {
        double weight = (double)parts->weights[index];
        double idf = parts->idfs == NULL ? 0 : (double)parts->idfs[index] / MODEL_IDF_STEPS;
        double tf = model_tf(counts[index]);

        sum += weight * (parts->kind == MODEL_KIND_FASTTEXT ? counts[index] : counts[index] > 0);
        different += counts[index] > 0;
        all += counts[index];
        dot += idf > 0 ? weight * tf : 0;
        square += idf * idf * tf * tf;
    }
    if (parts->kind == MODEL_KIND_BOW) {
        return parts->bias + (square > 0 ? dot / sqrt(square) : 0);
    }
    if (all == 0) {
        return parts->bias;
    }
    return parts->bias + sum / sqrt(parts->kind == MODEL_KIND_FASTTEXT ? all : different);
}

/* Window by window, with nothing shared between them. */
static double slow_score(const struct model_parts *parts, struct bytes text)
{
    static uint32_t code_points[TEXT_BYTES_MAX + 1];
    static uint32_t indices[FEATURES_PER_CODE_POINT * (TEXT_BYTES_MAX + 2)];
    static size_t block_end[TEXT_BYTES_MAX / MODEL_BLOCK_CODE_POINTS + 2];
    struct text_reader reader;
    struct features features;
    size_t count, blocks = 0, written = 0;
    double worst = parts->bias;

    text_begin(&reader, text);
    count = text.count == 0 ? 0 : text_read(&reader, code_points, text.count);
    features_begin(&features, parts->table_bits);
    for (size_t at = 0; at < count; at += MODEL_BLOCK_CODE_POINTS) {
        size_t piece = count - at < MODEL_BLOCK_CODE_POINTS ? count - at : MODEL_BLOCK_CODE_POINTS;

        written += features_take(&features, code_points + at, piece, NULL, indices + written);
        block_end[blocks++] = written;
    }
    written += features_end(&features, NULL, indices + written);
    if (blocks > 0) {
        block_end[blocks - 1] = written;
    }
    for (size_t block = blocks > 1 ? 1 : 0; block < blocks; block++) {
        static unsigned counts[TABLE];
        double score;

        memset(counts, 0, sizeof counts);
        for (size_t at = block < 2 ? 0 : block_end[block - 2]; at < block_end[block]; at++) {
            counts[indices[at]]++;
        }
        score = slow_window(parts, counts);
        worst = block <= 1 || score > worst ? score : worst;
    }
    return worst;
}

static void assert_formula(const struct model_parts *parts, const struct model *model, struct bytes text)
{
    double expected = 1 / (1 + exp(-(parts->slope * slow_score(parts, text) + parts->offset)));

    assert_near(expected, model_score(model, text), 1e-6);
}

static void a_score_is_what_the_formula_says(void **state)
{
    static const char *const short_texts[] = {"", "a", "  ", "Hello, world", "\xFF\xFE\x80 broken", "\xE5\xA4\xA9\xE6\xB0\x94",
                                              "same same same same same"};
    static const size_t lengths[] = {1000, 1023, 1024, 1025, 2047, 2048, 2049, 3000, 4096, 5000, TEXT_BYTES_MAX};
    static char text[TEXT_BYTES_MAX];

    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct model_parts parts = parts_of(kinds[kind], MODEL_FLOAT32);
        struct model *model = open_parts(&parts);

        assert_int_equal(kinds[kind], model_kind_of(model));
        for (size_t index = 0; index < sizeof short_texts / sizeof short_texts[0]; index++) {
            assert_formula(&parts, model, bytes_of(short_texts[index]));
        }
        for (size_t index = 0; index < sizeof lengths / sizeof lengths[0]; index++) {
            for (size_t at = 0; at < lengths[index]; at++) {
                text[at] = (char)('a' + (at * at / 7 + at / 31) % 27);
            }
            assert_formula(&parts, model, (struct bytes){text, lengths[index]});
            memset(text, 'a', lengths[index]); /* more of one feature than is counted */
            assert_formula(&parts, model, (struct bytes){text, lengths[index]});
        }
        assert_near(1 / (1 + exp(-(1.5 * 0.25 - 0.5))), model_score(model, (struct bytes){NULL, 0}), 1e-12);
        model_close(&model);
    }
}

static void int8_weights_score_within_their_rounding(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct model_parts wide = parts_of(kinds[kind], MODEL_FLOAT32);
        struct model_parts narrow = parts_of(kinds[kind], MODEL_INT8);
        struct model *models[2] = {open_parts(&wide), open_parts(&narrow)};
        double scores[2];

        for (size_t at = 0; at < 2; at++) {
            scores[at] = model_score(models[at], BYTES("some words are said here, and others there"));
            model_close(&models[at]);
        }
        assert_near(scores[0], scores[1], 0.02);
        assert_true(scores[0] != scores[1]);
    }
}

static void reseal(struct buffer *file)
{
    unsigned char sum[SHA256_BYTES];

    secret_sha256(sum, bytes_first(buffer_view(file), file->count - SHA256_BYTES));
    memcpy(file->data + file->count - SHA256_BYTES, sum, SHA256_BYTES);
}

/* Whatever the file says now: no model, or one that says probabilities. */
static bool is_taken(const struct buffer *file)
{
    struct model *model = NULL;
    double score;

    if (model_open(&model, buffer_view(file)) != STATUS_OK) {
        assert_null(model);
        return false;
    }
    score = model_score(model, BYTES("one two three"));
    assert_true(score >= 0 && score <= 1);
    model_close(&model);
    return true;
}

static void a_file_with_any_byte_changed_is_refused(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct model_parts parts = parts_of(kinds[kind], MODEL_INT8);
        struct buffer file;

        write_file(&file, &parts);
        assert_int_equal(HEAD_BYTES + TABLE * (kinds[kind] == MODEL_KIND_BOW ? 2 : 1) + SHA256_BYTES, file.count);
        assert_true(is_taken(&file));
        for (size_t at = 0; at < file.count; at++) {
            char kept = file.data[at];

            file.data[at] = (char)(kept ^ (1 << at % 8));
            assert_false(is_taken(&file));
            file.data[at] = kept;
        }
        buffer_free(&file);
    }
}

static void a_byte_changed_under_a_right_checksum_does_no_harm(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct model_parts parts = parts_of(kinds[kind], MODEL_INT8);
        struct buffer file;

        write_file(&file, &parts);
        for (size_t at = 0; at + SHA256_BYTES < file.count; at += at < 2 * HEAD_BYTES ? 1 : 7) {
            char kept = file.data[at];

            file.data[at] = (char)~kept;
            reseal(&file);
            (void)is_taken(&file);
            file.data[at] = kept;
        }
        /* A file of one kind is none of another. */
        for (size_t other = 0; other < KINDS; other++) {
            file.data[AT_KIND] = (char)kinds[other];
            reseal(&file);
            assert_int_equal(other == kind, is_taken(&file));
        }
        buffer_free(&file);
    }
}

static void a_fasttext_file_that_was_made_for_a_mean_is_refused_as_of_another_version(void **state)
{
    struct model_parts parts = parts_of(MODEL_KIND_FASTTEXT, MODEL_INT8);
    struct model *model = NULL;
    struct buffer file;

    (void)state;
    write_file(&file, &parts);
    assert_int_equal(MODEL_FILE_VERSION_FASTTEXT, file.data[AT_VERSION]);
    file.data[AT_VERSION] = MODEL_FILE_VERSION;
    reseal(&file);
    assert_status(STATUS_UNSUPPORTED, model_open(&model, buffer_view(&file)));
    assert_null(model);
    buffer_free(&file);
}

static void a_file_of_any_other_length_is_refused(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct model_parts parts = parts_of(kinds[kind], MODEL_FLOAT32);
        struct model *model = NULL;
        struct buffer file;

        write_file(&file, &parts);
        for (size_t count = 0; count < file.count; count += count < 2 * HEAD_BYTES ? 1 : 97) {
            char *copy = test_malloc(count + 1); /* a read past the end is seen by the sanitizer */

            memcpy(copy, file.data, count);
            assert_status(STATUS_MALFORMED, model_open(&model, (struct bytes){copy, count}));
            test_free(copy);
        }
        assert_status(STATUS_OK, buffer_append(&file, BYTES("x")));
        assert_status(STATUS_MALFORMED, model_open(&model, buffer_view(&file)));
        assert_null(model);
        buffer_free(&file);
    }
}

static void a_vocabulary_is_as_large_as_its_numbers_and_no_larger(void **state)
{
    enum { LARGE_BITS = 17, LARGE = 1 << LARGE_BITS, AT_IDFS = HEAD_BYTES + LARGE };
    static float weights[LARGE];
    static unsigned char idfs[LARGE];
    struct model_parts parts = parts_of(MODEL_KIND_BOW, MODEL_INT8);
    struct buffer file;

    (void)state;
    parts.table_bits = LARGE_BITS;
    parts.weights = weights;
    parts.idfs = idfs;
    for (size_t index = 0; index < LARGE; index++) {
        weights[index] = index % 3 == 0 ? 1 : -1;
        idfs[index] = index % 2 == 1 && index > 1 ? MODEL_IDF_STEPS : 0;
    }
    write_file(&file, &parts); /* MODEL_TERMS_MAX of them */
    assert_true(is_taken(&file));
    file.data[AT_IDFS] = 1;
    reseal(&file);
    assert_false(is_taken(&file));
    idfs[0] = 1;
    assert_status(STATUS_MALFORMED, model_write(&file, &parts));
    assert_int_equal(0, file.count);
    buffer_free(&file);
}

static void scoring_allocates_nothing(void **state)
{
    static char text[TEXT_BYTES_MAX];

    (void)state;
    memset(text, 'b', sizeof text);
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct model_parts parts = parts_of(kinds[kind], MODEL_FLOAT32);
        size_t before = atomic_load(&allocations);
        struct model *model = open_parts(&parts);

        assert_true(atomic_load(&allocations) > before); /* the count counts */
        before = atomic_load(&allocations);
        for (size_t count = 0; count < sizeof text; count += 997) {
            (void)model_score(model, (struct bytes){text, count});
        }
        assert_int_equal(before, atomic_load(&allocations));
        model_close(&model);
    }
}

static void kinds_have_names(void **state)
{
    (void)state;
    assert_string_equal("hashlinear", model_kind_name(MODEL_KIND_HASHLINEAR));
    assert_string_equal("bow", model_kind_name(MODEL_KIND_BOW));
    assert_string_equal("fasttext", model_kind_name(MODEL_KIND_FASTTEXT));
    assert_string_equal("none", model_kind_name(MODEL_KIND_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_is_what_the_formula_says),
        cmocka_unit_test(int8_weights_score_within_their_rounding),
        cmocka_unit_test(a_file_with_any_byte_changed_is_refused),
        cmocka_unit_test(a_fasttext_file_that_was_made_for_a_mean_is_refused_as_of_another_version),
        cmocka_unit_test(a_byte_changed_under_a_right_checksum_does_no_harm),
        cmocka_unit_test(a_file_of_any_other_length_is_refused),
        cmocka_unit_test(a_vocabulary_is_as_large_as_its_numbers_and_no_larger),
        cmocka_unit_test(scoring_allocates_nothing),
        cmocka_unit_test(kinds_have_names),
    };

    if (secret_start() != STATUS_OK) {
        return 1;
    }
    allocations_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
