/* Tests of inflate: every vector, every cut of the small ones, bounds on bytes and memory, random damage. */
#include "gateway/inflate.h"

#include "support/file.h"

#include "proto/limits.h"

#include <zlib.h>

#define FOLDER TEST_VECTORS "/compression"

enum { SMALL_BYTES = 256, DECODED_BYTES_MAX = 16 * MIB, DAMAGED_RUNS = 1500, DAMAGED_BYTES_MAX = 4096 };

/* What came of a body: the decoded bytes, and the most that the decoder held. */
struct outcome {
    struct buffer decoded;
    size_t held_bytes;
    struct inflate *decoder;
    unsigned parts_left; /* then the sink fails */
};

static enum status keep(void *context, struct bytes part)
{
    struct outcome *outcome = context;
    size_t held = inflate_bytes(outcome->decoder);

    assert_true(part.count > 0);
    outcome->held_bytes = held > outcome->held_bytes ? held : outcome->held_bytes;
    if (outcome->parts_left-- == 0) {
        return STATUS_FULL;
    }
    return buffer_append(&outcome->decoded, part);
}

/* Decodes `in`, cut behind its first `first` bytes and then in steps of `step`; the content is in `outcome`. */
static enum status decode(enum coding coding, struct bytes in, size_t first, size_t step, uint64_t bytes_max,
                          struct outcome *outcome)
{
    const struct inflate_sink sink = {keep, outcome};
    enum status status = STATUS_OK;
    size_t count = first;

    buffer_clear(&outcome->decoded);
    assert_status(STATUS_OK, inflate_open(&outcome->decoder, coding, bytes_max, &sink));
    do {
        struct bytes part = bytes_first(in, count);

        do {
            status = inflate_write(outcome->decoder, &part, DECODED_BYTES_MAX);
        } while (status == STATUS_AGAIN);
        assert_true(status != STATUS_OK || part.count == 0);
        in = bytes_from(in, count);
        count = step;
        assert_true(inflate_bytes(outcome->decoder) <= inflate_bytes_max(coding));
    } while (status == STATUS_OK && in.count > 0);
    if (status == STATUS_OK) {
        status = inflate_end(outcome->decoder);
    }
    assert_true(outcome->decoded.count <= bytes_max);
    inflate_close(&outcome->decoder);
    assert_null(outcome->decoder);
    return status;
}

static enum status decode_whole(enum coding coding, struct bytes in, uint64_t bytes_max, struct outcome *outcome)
{
    return decode(coding, in, in.count, in.count, bytes_max, outcome);
}

static struct outcome new_outcome(void)
{
    struct outcome outcome = {.parts_left = UINT32_MAX};

    buffer_init(&outcome.decoded, DECODED_BYTES_MAX);
    return outcome;
}

/* Calls `each` for all files of the manifest. */
static void for_each_vector(void (*each)(const char *name, enum coding coding, struct bytes in, long long decoded_bytes,
                                         struct outcome *outcome))
{
    struct bytes manifest = file_read(FOLDER, "manifest.tsv"), rest = manifest;
    struct outcome outcome = new_outcome();
    unsigned count = 0;

    (void)file_next_line(&rest);
    while (rest.count > 0) {
        struct bytes line = file_next_line(&rest), name = file_next_field(&line), coding = file_next_field(&line);
        char text[64], number[24];
        struct bytes in;

        assert_status(STATUS_OK, bytes_copy(name, text, sizeof text));
        (void)file_next_field(&line);
        assert_status(STATUS_OK, bytes_copy(file_next_field(&line), number, sizeof number));
        in = file_read(FOLDER, text);
        each(text, coding_find(coding), in, strtoll(number, NULL, 10), &outcome);
        free((char *)in.data);
        count++;
    }
    assert_true(count >= 51);
    buffer_free(&outcome.decoded);
    free((char *)manifest.data);
}

static enum status expected(long long decoded_bytes)
{
    return decoded_bytes < 0 ? STATUS_MALFORMED : decoded_bytes > DECODED_BYTES_MAX ? STATUS_TOO_LARGE : STATUS_OK;
}

static void check_whole(const char *name, enum coding coding, struct bytes in, long long decoded_bytes, struct outcome *outcome)
{
    enum status status = decode_whole(coding, in, DECODED_BYTES_MAX, outcome);

    if (status != expected(decoded_bytes)) {
        fail_msg("%s: %s", name, status_name(status));
    }
    if (status == STATUS_OK) {
        assert_int_equal(decoded_bytes, outcome->decoded.count);
    }
}

static void every_vector_has_its_verdict(void **state)
{
    (void)state;
    for_each_vector(check_whole);
}

static void check_cuts(const char *name, enum coding coding, struct bytes in, long long decoded_bytes, struct outcome *outcome)
{
    enum status whole;
    struct buffer first;

    (void)decoded_bytes;
    if (in.count > SMALL_BYTES || strncmp(name, "json-64m", 8) == 0) {
        return;
    }
    whole = decode_whole(coding, in, DECODED_BYTES_MAX, outcome);
    first = outcome->decoded;
    buffer_init(&outcome->decoded, DECODED_BYTES_MAX);
    for (size_t cut = 0; cut <= in.count; cut++) {
        size_t step = cut == 0 ? 1 : in.count; /* no cut at 0: byte by byte */

        if (decode(coding, in, cut, step, DECODED_BYTES_MAX, outcome) != whole) {
            fail_msg("%s: another verdict when cut at %zu", name, cut);
        }
        assert_true(whole != STATUS_OK || bytes_equal(buffer_view(&first), buffer_view(&outcome->decoded)));
    }
    buffer_free(&first);
}

static void every_cut_of_a_small_body_gives_the_same(void **state)
{
    (void)state;
    for_each_vector(check_cuts);
}

static void check_bound(const char *name, enum coding coding, struct bytes in, long long decoded_bytes, struct outcome *outcome)
{
    if (decoded_bytes < 0 || decoded_bytes > 4 * MIB) {
        return;
    }
    if (decode_whole(coding, in, (uint64_t)decoded_bytes, outcome) != STATUS_OK ||
        decode_whole(coding, in, (uint64_t)decoded_bytes + 1, outcome) != STATUS_OK ||
        decode_whole(coding, in, (uint64_t)decoded_bytes - 1, outcome) != STATUS_TOO_LARGE) {
        fail_msg("%s: the bound on decoded bytes does not hold", name);
    }
}

static void the_bound_is_met_exactly(void **state)
{
    (void)state;
    for_each_vector(check_bound);
}

/* What comes out in steps of `room` bytes is the same, and no step gives more. */
static void check_room(const char *name, enum coding coding, struct bytes in, long long decoded_bytes, struct outcome *outcome)
{
    static const size_t rooms[] = {1, 7, INFLATE_CHUNK_BYTES - 1, INFLATE_CHUNK_BYTES + 1};
    const struct inflate_sink sink = {keep, outcome};

    for (size_t index = decoded_bytes > KIB ? 2 : 0; index < sizeof rooms / sizeof rooms[0]; index++) {
        struct bytes rest = in;
        enum status status;
        size_t before;

        buffer_clear(&outcome->decoded);
        assert_status(STATUS_OK, inflate_open(&outcome->decoder, coding, DECODED_BYTES_MAX, &sink));
        do {
            before = outcome->decoded.count;
            status = inflate_write(outcome->decoder, &rest, rooms[index]);
            assert_true(outcome->decoded.count - before <= rooms[index]);
        } while (status == STATUS_AGAIN && outcome->decoded.count - before == rooms[index]);
        status = status == STATUS_OK ? inflate_end(outcome->decoder) : status;
        if (status != expected(decoded_bytes) || (status == STATUS_OK && outcome->decoded.count != (size_t)decoded_bytes)) {
            fail_msg("%s in steps of %zu: %s", name, rooms[index], status_name(status));
        }
        inflate_close(&outcome->decoder);
    }
}

static void no_step_gives_more_than_it_was_allowed(void **state)
{
    (void)state;
    for_each_vector(check_room);
}

static void a_bomb_leaves_the_decoder_within_its_share(void **state)
{
    static const char *const bombs[] = {"json-64m.gz", "json-64m.zz", "json-64m.br"};
    static const enum coding codings[] = {CODING_GZIP, CODING_DEFLATE, CODING_BROTLI};
    struct outcome outcome = new_outcome();

    (void)state;
    for (size_t index = 0; index < sizeof bombs / sizeof bombs[0]; index++) {
        struct bytes in = file_read(FOLDER, bombs[index]);

        outcome.held_bytes = 0;
        assert_status(STATUS_TOO_LARGE, decode(codings[index], in, 1, in.count, DECODED_BYTES_MAX, &outcome));
        assert_true(outcome.held_bytes > 0 && outcome.held_bytes <= inflate_bytes_max(codings[index]));
        free((char *)in.data);
    }
    buffer_free(&outcome.decoded);
}

/* Deterministic numbers. */
static uint32_t next_number(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void damage(enum coding coding, struct bytes whole, uint64_t *seed, struct outcome *outcome)
{
    char *bytes = malloc(whole.count);
    struct bytes in = {bytes, whole.count};

    assert_non_null(bytes);
    memcpy(bytes, whole.data, whole.count);
    for (uint32_t flips = next_number(seed) % 4; flips > 0; flips--) {
        bytes[next_number(seed) % whole.count] ^= (char)(1u << next_number(seed) % 8);
    }
    if (next_number(seed) % 2 == 0) {
        in.count = next_number(seed) % (whole.count + 1);
    }
    /* decode() checks what was given out and what was held against their bounds. */
    (void)decode(coding, in, next_number(seed) % (in.count + 1), 1 + next_number(seed) % 64, DAMAGED_BYTES_MAX, outcome);
    free(bytes);
}

static void damaged_bodies_never_pass_a_bound(void **state)
{
    static const char *const names[] = {"blocked.json.gz", "members.gz", "blocked.json.zz", "blocked.json.br"};
    static const enum coding codings[] = {CODING_GZIP, CODING_GZIP, CODING_DEFLATE, CODING_BROTLI};
    struct outcome outcome = new_outcome();
    uint64_t seed = 7;

    (void)state;
    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        struct bytes whole = file_read(FOLDER, names[index]);

        for (unsigned run = 0; run < DAMAGED_RUNS; run++) {
            damage(codings[index], whole, &seed, &outcome);
        }
        free((char *)whole.data);
    }
    buffer_free(&outcome.decoded);
}

static void a_coding_is_one_known_token(void **state)
{
    (void)state;
    assert_int_equal(CODING_NONE, coding_find(BYTES("")));
    assert_int_equal(CODING_NONE, coding_find(BYTES("Identity")));
    assert_int_equal(CODING_GZIP, coding_find(BYTES("gzip")));
    assert_int_equal(CODING_GZIP, coding_find(BYTES("X-GZip")));
    assert_int_equal(CODING_DEFLATE, coding_find(BYTES("deflate")));
    assert_int_equal(CODING_BROTLI, coding_find(BYTES("br")));
    assert_int_equal(CODING_OTHER, coding_find(BYTES("zstd")));
    assert_int_equal(CODING_OTHER, coding_find(BYTES("compress")));
    assert_int_equal(CODING_OTHER, coding_find(BYTES("gzip, br")));
    assert_int_equal(CODING_OTHER, coding_find(BYTES("gzip,")));
    assert_int_equal(CODING_OTHER, coding_find(BYTES("identity, gzip")));
    assert_int_equal(CODING_OTHER, coding_find(BYTES("gzip;q=1")));
    assert_string_equal("br", coding_name(CODING_BROTLI));
}

static void no_bytes_are_no_body(void **state)
{
    struct outcome outcome = new_outcome();

    (void)state;
    for (enum coding coding = CODING_GZIP; coding <= CODING_BROTLI; coding++) {
        assert_status(STATUS_MALFORMED, decode_whole(coding, BYTES(""), KIB, &outcome));
    }
    buffer_free(&outcome.decoded);
}

static void a_large_window_is_refused(void **state)
{
    struct outcome outcome = new_outcome();

    (void)state;
    assert_status(STATUS_MALFORMED, decode_whole(CODING_BROTLI, BYTES("\x11\x1e\x03"), KIB, &outcome));
    assert_status(STATUS_OK, decode_whole(CODING_BROTLI, BYTES("\x06"), KIB, &outcome)); /* empty, with the smallest window */
    assert_int_equal(0, outcome.decoded.count);
    buffer_free(&outcome.decoded);
}

/* A run of one byte. */
static void a_body_may_have_its_bound_of_a_larger_window(void **state)
{
    const struct bytes at_bound = BYTES("\x9f\xff\xff\x3f\x00\x24\xf0\xe2\xb1\x40\x72\xef\x7f\x00");
    const struct bytes above = BYTES("\x9f\x00\x00\x40\x00\x24\xf0\xe2\xb1\x40\x74\xef\x7f\x00");
    const struct bytes above_in_small_window = BYTES("\x9b\x00\x00\x40\x00\x24\xf0\xe2\xb1\x40\x74\xef\x7f\x00");
    struct outcome outcome = new_outcome();

    (void)state;
    assert_status(STATUS_OK, decode_whole(CODING_BROTLI, at_bound, DECODED_BYTES_MAX, &outcome));
    assert_int_equal(DECODER_WINDOW_BYTES_MAX, outcome.decoded.count);
    assert_status(STATUS_TOO_LARGE, decode_whole(CODING_BROTLI, above, DECODED_BYTES_MAX, &outcome));
    assert_status(STATUS_OK, decode_whole(CODING_BROTLI, above_in_small_window, DECODED_BYTES_MAX, &outcome));
    assert_int_equal(DECODER_WINDOW_BYTES_MAX + 1, outcome.decoded.count);
    buffer_free(&outcome.decoded);
}

static void what_the_sink_says_is_passed_on(void **state)
{
    struct bytes in = file_read(FOLDER, "zeros-4m.gz");
    struct outcome outcome = new_outcome();

    (void)state;
    outcome.parts_left = 2;
    assert_status(STATUS_FULL, decode_whole(CODING_GZIP, in, DECODED_BYTES_MAX, &outcome));
    assert_int_equal(2 * INFLATE_CHUNK_BYTES, outcome.decoded.count);
    free((char *)in.data);
    buffer_free(&outcome.decoded);
}

/* A body whose decoded bytes fill the decoder's chunk to its last byte ends there, and one byte later. */
static void a_full_chunk_is_no_end(void **state)
{
    struct outcome outcome = new_outcome();
    char *plain = calloc(1, 2 * INFLATE_CHUNK_BYTES + 1);

    (void)state;
    assert_non_null(plain);
    for (size_t count = INFLATE_CHUNK_BYTES - 1; count <= 2 * INFLATE_CHUNK_BYTES + 1; count++) {
        unsigned char coded[KIB];
        uLongf coded_bytes = sizeof coded;

        count += count == INFLATE_CHUNK_BYTES + 2 ? INFLATE_CHUNK_BYTES - 3 : 0;
        assert_int_equal(Z_OK, compress(coded, &coded_bytes, (const Bytef *)plain, count));
        assert_status(STATUS_OK,
                      decode_whole(CODING_DEFLATE, (struct bytes){(const char *)coded, coded_bytes}, MIB, &outcome));
        assert_int_equal(count, outcome.decoded.count);
    }
    free(plain);
    buffer_free(&outcome.decoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_has_its_verdict),
        cmocka_unit_test(every_cut_of_a_small_body_gives_the_same),
        cmocka_unit_test(the_bound_is_met_exactly),
        cmocka_unit_test(no_step_gives_more_than_it_was_allowed),
        cmocka_unit_test(a_bomb_leaves_the_decoder_within_its_share),
        cmocka_unit_test(damaged_bodies_never_pass_a_bound),
        cmocka_unit_test(a_coding_is_one_known_token),
        cmocka_unit_test(no_bytes_are_no_body),
        cmocka_unit_test(a_large_window_is_refused),
        cmocka_unit_test(a_body_may_have_its_bound_of_a_larger_window),
        cmocka_unit_test(what_the_sink_says_is_passed_on),
        cmocka_unit_test(a_full_chunk_is_no_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
