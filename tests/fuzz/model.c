/* model: a file of a model is loaded whole or refused; what is loaded says probabilities. The input changes bytes of a sound file
 * (two bytes of place, one of content, again and again), whose checksum is then put right, or it is a file itself. */
#include "fuzz/fuzz.h"

#include "proto/model.h"

#include <sodium.h>

enum { PLACE_BYTES = 3, HEAD_BYTES = 64 };

static void hold_file(struct bytes file)
{
    static const char *const texts[] = {"", "a", "you idiot \xff\xf0\x9f\x98\x80", "one two three four five six seven"};
    struct model *model = NULL;
    enum status status = model_open(&model, file);

    fuzz_hold((status == STATUS_OK) == (model != NULL));
    if (status != STATUS_OK) {
        fuzz_hold(status == STATUS_MALFORMED || status == STATUS_UNSUPPORTED || status == STATUS_CORRUPT ||
                  status == STATUS_TOO_LARGE);
        return;
    }
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        double score = model_score(model, bytes_of(texts[index]));

        fuzz_hold(score >= 0 && score <= 1);
    }
    model_close(&model);
}

static void make_sound(struct buffer *file, enum model_kind kind)
{
    static float weights[1 << MODEL_TABLE_BITS_MIN];
    static unsigned char idfs[1 << MODEL_TABLE_BITS_MIN];
    const struct model_parts parts = {.kind = kind, .storage = MODEL_INT8, .table_bits = MODEL_TABLE_BITS_MIN,
                                      .bias = 0.5, .slope = 1, .offset = -1, .weights = weights,
                                      .idfs = kind == MODEL_KIND_BOW ? idfs : NULL};

    for (size_t index = 0; index < sizeof weights / sizeof weights[0]; index++) {
        weights[index] = (float)((int)(index * 2654435761U >> 20 & 0xFF) - 128) / 64;
        idfs[index] = (unsigned char)(index % 5 == 0 ? 0 : MODEL_IDF_STEPS + index % 100);
    }
    fuzz_hold(model_write(file, &parts) == STATUS_OK);
}

static void hold_changed(enum model_kind kind, const uint8_t *data, size_t size)
{
    size_t sealed;
    struct buffer file;

    buffer_init(&file, MIB);
    make_sound(&file, kind);
    sealed = file.count - crypto_hash_sha256_BYTES;
    for (size_t at = 0; at + PLACE_BYTES <= size; at += PLACE_BYTES) {
        size_t place = (size_t)data[at] << 8 | data[at + 1];

        /* The head, twice as often as all the rest together. */
        file.data[place & 1 ? place / 2 % sealed : place / 2 % (HEAD_BYTES * 2)] = (char)data[at + 2];
    }
    (void)crypto_hash_sha256((unsigned char *)file.data + sealed, (const unsigned char *)file.data, sealed);
    hold_file(buffer_view(&file));
    buffer_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hold_file(fuzz_bytes(data, size));
    for (int kind = MODEL_KIND_NONE + 1; kind < MODEL_KINDS; kind++) {
        hold_changed((enum model_kind)kind, data, size);
    }
    return 0;
}
