/* bag: each feature of a text once, how often it stands there, a long text's head and tail, and nothing of the text before. */
#include "support/bags.h"
#include "support/unit.h"

#include "proto/features.h"
#include "proto/text.h"
#include "trainer/bag.h"

#include <stdlib.h>

enum { BITS = 18 };

/* All features of a text in rising order, each as often as it stands there; the caller frees them. */
static uint32_t *features_of(struct bytes text, unsigned bits, size_t *out_count)
{
    uint32_t *code_points = test_malloc((text.count + 1) * sizeof *code_points);
    uint32_t *features = test_malloc(FEATURES_PER_CODE_POINT * (text.count + 2) * sizeof *features);
    struct text_reader reader;
    struct features state;
    size_t count;

    text_begin(&reader, text);
    count = text_read(&reader, code_points, text.count + 1);
    features_begin(&state, bits);
    count = features_take(&state, code_points, count, NULL, features);
    count += features_end(&state, NULL, features + count);
    qsort(features, count, sizeof *features, by_number);
    test_free(code_points);
    *out_count = count;
    return features;
}

/* How often the bag says that a feature stands in the text; in one that does not count 1. */
static unsigned times_in(const struct bag *bag, uint32_t feature)
{
    unsigned times = 0;

    for (uint32_t at = 0; at < bag->count; at++) {
        if (bag->features[at] == feature) {
            assert_int_equal(0, times);
            times = bag->counts == NULL ? 1 : bag->counts[at];
        }
    }
    return times;
}

static void assert_holds(struct bag *bag, unsigned bits, struct bytes text, struct bytes equal)
{
    size_t count, different = 0, read = 0;
    uint32_t *expected = features_of(equal, bits, &count);

    bag_fill(bag, text);
    for (size_t at = 0; at < count;) {
        size_t next = at;
        size_t times;

        while (next < count && expected[next] == expected[at]) {
            next++;
        }
        times = bag->counts == NULL ? 1 : next - at < MODEL_TF_COUNT_MAX ? next - at : MODEL_TF_COUNT_MAX;
        assert_int_equal(times, times_in(bag, expected[at]));
        read += times;
        different++;
        at = next;
    }
    assert_int_equal(different, bag->count);
    assert_int_equal(read, bag->read);
    test_free(expected);
}

static void a_bag_holds_each_feature_of_its_text_once(void **state)
{
    static const char *const texts[] = {"a", "", "Hello, world", "the the the", "aa", "\xE5\xA4\xA9\xE6\xB0\x94 \xFF", "a",
                                        "A longer text, of more letters than are read at once without a look at each, with the the"};
    static const unsigned bits[] = {MODEL_TABLE_BITS_MIN, BITS, MODEL_TABLE_BITS_MAX};

    (void)state;
    for (size_t table = 0; table < 2 * sizeof bits / sizeof bits[0]; table++) {
        struct bag *bag = NULL;

        assert_status(STATUS_OK, bag_open(&bag, bits[table / 2], table % 2 == 1));
        for (size_t text = 0; text < sizeof texts / sizeof texts[0]; text++) {
            assert_holds(bag, bits[table / 2], bytes_of(texts[text]), bytes_of(texts[text]));
        }
        bag_close(&bag);
        assert_null(bag);
        bag_close(&bag);
    }
}

static void a_count_has_an_end(void **state)
{
    char many[600];
    struct bag *bag = NULL;

    (void)state;
    memset(many, 'z', sizeof many);
    assert_status(STATUS_OK, bag_open(&bag, BITS, true));
    assert_holds(bag, BITS, (struct bytes){many, sizeof many}, (struct bytes){many, sizeof many});
    assert_holds(bag, BITS, (struct bytes){many, MODEL_TF_COUNT_MAX}, (struct bytes){many, MODEL_TF_COUNT_MAX});
    assert_holds(bag, BITS, BYTES("zz"), BYTES("zz")); /* no text leaves a mark on the next */
    bag_close(&bag);
}

static void a_long_text_keeps_head_and_tail(void **state)
{
    enum { MAX = TRAIN_TEXT_CODE_POINTS_MAX, HALF = MAX / 2 };
    char *text = long_text(3 * MAX);
    char *kept = test_malloc(MAX + 1);

    (void)state;
    for (int counted = 0; counted < 2; counted++) {
        struct bag *bag = NULL;

        assert_status(STATUS_OK, bag_open(&bag, BITS, counted == 1));
        assert_holds(bag, BITS, (struct bytes){text, MAX}, (struct bytes){text, MAX});
        for (size_t extra = 1; extra < 2 * MAX; extra = extra * 3 + 1) {
            size_t count = MAX + extra;

            memcpy(kept, text, HALF);
            kept[HALF] = ' ';
            memcpy(kept + HALF + 1, text + count - HALF, HALF);
            assert_holds(bag, BITS, (struct bytes){text, count}, (struct bytes){kept, MAX + 1});
        }
        bag_close(&bag);
    }
    test_free(text);
    test_free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bag_holds_each_feature_of_its_text_once),
        cmocka_unit_test(a_count_has_an_end),
        cmocka_unit_test(a_long_text_keeps_head_and_tail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
