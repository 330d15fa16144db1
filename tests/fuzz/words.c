/* words: text folds to the same code points whatever the reader's room, folding again changes nothing, and features do not
 * depend on how the code points were handed over. */
#include "fuzz/fuzz.h"

#include "proto/features.h"
#include "proto/text.h"

enum { TABLE_BITS = 18 };

static size_t fold(struct bytes text, size_t room, uint32_t *out)
{
    struct text_reader reader;
    size_t count = 0, read;

    text_begin(&reader, text);
    while ((read = text_read(&reader, out + count, room)) > 0) {
        fuzz_hold(read <= room);
        count += read;
    }
    return count;
}

static size_t encode(const uint32_t *points, size_t count, char *out)
{
    size_t bytes = 0;

    for (size_t at = 0; at < count; at++) {
        uint32_t point = points[at];

        fuzz_hold(point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF));
        if (point < 0x80) {
            out[bytes++] = (char)point;
        } else if (point < 0x800) {
            out[bytes++] = (char)(0xC0 | point >> 6);
            out[bytes++] = (char)(0x80 | (point & 0x3F));
        } else if (point < 0x10000) {
            out[bytes++] = (char)(0xE0 | point >> 12);
            out[bytes++] = (char)(0x80 | (point >> 6 & 0x3F));
            out[bytes++] = (char)(0x80 | (point & 0x3F));
        } else {
            out[bytes++] = (char)(0xF0 | point >> 18);
            out[bytes++] = (char)(0x80 | (point >> 12 & 0x3F));
            out[bytes++] = (char)(0x80 | (point >> 6 & 0x3F));
            out[bytes++] = (char)(0x80 | (point & 0x3F));
        }
    }
    return bytes;
}

static size_t features_of(const uint32_t *points, size_t count, size_t step, uint32_t *out)
{
    struct features features;
    size_t found = 0;

    features_begin(&features, TABLE_BITS);
    for (size_t at = 0; at < count; at += step) {
        size_t now = count - at < step ? count - at : step;
        size_t more = features_take(&features, points + at, now, NULL, out + found);

        fuzz_hold(more <= FEATURES_PER_CODE_POINT * now);
        found += more;
    }
    found += features_end(&features, NULL, out + found);
    for (size_t at = 0; at < found; at++) {
        fuzz_hold(out[at] < (uint32_t)1 << TABLE_BITS);
    }
    return found;
}

/* With bits for what was seen, the same features come, each once. */
static void hold_new(const uint32_t *points, size_t count, size_t step, const uint32_t *whole, size_t found, uint32_t *out)
{
    uint64_t *seen = calloc(((size_t)1 << TABLE_BITS) / 64, sizeof *seen);
    struct features features;
    size_t kept = 0, marked = 0;

    fuzz_hold(seen != NULL);
    features_begin(&features, TABLE_BITS);
    for (size_t at = 0; at < count; at += step) {
        kept += features_take(&features, points + at, count - at < step ? count - at : step, seen, out + kept);
    }
    kept += features_end(&features, seen, out + kept);
    for (size_t at = 0; at < kept; at++) {
        fuzz_hold((seen[out[at] / 64] >> out[at] % 64 & 1) != 0);
    }
    for (size_t at = 0; at < found; at++) {
        uint64_t bit = (uint64_t)1 << whole[at] % 64;

        marked += (seen[whole[at] / 64] & bit) != 0; /* the first time only */
        seen[whole[at] / 64] &= ~bit;
    }
    fuzz_hold(marked == kept);
    free(seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room = size + 1, features_room = room * FEATURES_PER_CODE_POINT + FEATURES_END;
    size_t step = 1 + (size_t)(fuzz_seed(fuzz_bytes(data, size)) >> 59), count, again, bytes, found;
    uint32_t *once = calloc(room, sizeof *once), *twice = calloc(room, sizeof *twice);
    uint32_t *whole = calloc(features_room, sizeof *whole), *parts = calloc(features_room, sizeof *parts);
    char *text = calloc(room, 4);

    fuzz_hold(once != NULL && twice != NULL && whole != NULL && parts != NULL && text != NULL);
    count = fold(fuzz_bytes(data, size), room, once);
    again = fold(fuzz_bytes(data, size), 1, twice);
    fuzz_hold(count <= size && again == count && memcmp(once, twice, count * sizeof *once) == 0);
    for (size_t at = 0; at < count; at++) {
        fuzz_hold(once[at] != ' ' || (at > 0 && once[at - 1] != ' '));
        (void)text_class_of(once[at]);
    }
    bytes = encode(once, count, text);
    fuzz_hold(fold((struct bytes){text, bytes}, room, twice) == count && memcmp(once, twice, count * sizeof *once) == 0);
    found = features_of(once, count, room, whole);
    fuzz_hold(features_of(once, count, step, parts) == found && memcmp(whole, parts, found * sizeof *whole) == 0);
    hold_new(once, count, step, whole, found, parts);
    free(once);
    free(twice);
    free(whole);
    free(parts);
    free(text);
    return 0;
}
