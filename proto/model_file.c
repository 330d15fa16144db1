/* model_file: every field is read and written byte by byte, so that the file is the same on every machine. */
#include "proto/model_file.h"

#include "proto/features.h"
#include "proto/secret.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    AT_VERSION = 8,
    AT_KIND = 12,
    AT_FEATURES = 16,
    AT_TABLE_BITS = 20,
    AT_STORAGE = 24,
    AT_BLOCK = 28,
    AT_BIAS = 32,
    AT_SLOPE = 40,
    AT_OFFSET = 48,
    AT_SCALE = 56,
    AT_SELF_TEST = 64,
    AT_WEIGHTS = AT_SELF_TEST + 8 * MODEL_SELF_TESTS,
    INT8_STEPS = 127,
};

static const char magic[] = "PGMODEL\n";

_Static_assert(sizeof magic - 1 == AT_VERSION, "the version follows the magic");
_Static_assert(sizeof(float) == 4 && sizeof(double) == 8, "binary32 and binary64");
_Static_assert(AT_WEIGHTS + 5 * (1u << MODEL_TABLE_BITS_MAX) + SHA256_BYTES <= MODEL_FILE_BYTES_MAX, "the largest fits");

static uint64_t get(const char *at, unsigned count)
{
    uint64_t number = 0;

    for (unsigned index = count; index > 0; index--) {
        number = number << 8 | (unsigned char)at[index - 1];
    }
    return number;
}

static void put(char *at, uint64_t number, unsigned count)
{
    for (unsigned index = 0; index < count; index++) {
        at[index] = (char)(unsigned char)(number >> 8 * index & 0xFF);
    }
}

static double get_real(const char *at)
{
    uint64_t bits = get(at, 8);
    double number;

    memcpy(&number, &bits, sizeof number);
    return number;
}

static void put_real(char *at, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    put(at, bits, 8);
}

static float get_float(const char *at)
{
    uint32_t bits = (uint32_t)get(at, 4);
    float number;

    memcpy(&number, &bits, sizeof number);
    return number;
}

static void put_float(char *at, float number)
{
    uint32_t bits;

    memcpy(&bits, &number, sizeof bits);
    put(at, bits, 4);
}

static size_t weight_bytes(enum model_storage storage)
{
    return storage == MODEL_INT8 ? 1 : 4;
}

float model_file_float(const struct model_file *file, size_t index)
{
    assert(file->storage == MODEL_FLOAT32 && index < file->weights.count / 4);
    return get_float(file->weights.data + 4 * index);
}

int8_t model_file_int8(const struct model_file *file, size_t index)
{
    assert(file->storage == MODEL_INT8 && index < file->weights.count);
    return (int8_t)file->weights.data[index];
}

double model_file_idf(const struct model_file *file, size_t index)
{
    assert(index < file->idfs.count);
    return (double)(unsigned char)file->idfs.data[index] / MODEL_IDF_STEPS;
}

static size_t idf_bytes(enum model_kind kind, unsigned table_bits)
{
    return kind == MODEL_KIND_BOW ? (size_t)1 << table_bits : 0;
}

static bool too_many_terms(const unsigned char *idfs, size_t count)
{
    size_t terms = 0;

    for (size_t index = 0; index < count; index++) {
        terms += idfs[index] != 0;
    }
    return terms > MODEL_TERMS_MAX;
}

/* Of the format, which a kind may change for itself: a file of fasttext that says 1 was made for the mean of its weights. */
static uint32_t version_of(uint64_t kind)
{
    return kind == MODEL_KIND_FASTTEXT ? MODEL_FILE_VERSION_FASTTEXT : MODEL_FILE_VERSION;
}

static enum status check_head(const char *head)
{
    uint64_t table_bits = get(head + AT_TABLE_BITS, 4);
    uint64_t kind = get(head + AT_KIND, 4);

    if (get(head + AT_VERSION, 4) != version_of(kind) || kind == MODEL_KIND_NONE || kind >= MODEL_KINDS ||
        get(head + AT_FEATURES, 4) != FEATURES_VERSION || get(head + AT_BLOCK, 4) != MODEL_BLOCK_CODE_POINTS ||
        get(head + AT_STORAGE, 4) > MODEL_INT8 || table_bits < MODEL_TABLE_BITS_MIN ||
        table_bits > MODEL_TABLE_BITS_MAX) {
        return STATUS_UNSUPPORTED;
    }
    return STATUS_OK;
}

/* Of a head that has been checked. */
static void read_head(struct model_file *out, const char *head)
{
    *out = (struct model_file){
        .kind = (enum model_kind)get(head + AT_KIND, 4),
        .storage = (enum model_storage)get(head + AT_STORAGE, 4),
        .table_bits = (unsigned)get(head + AT_TABLE_BITS, 4),
        .bias = get_real(head + AT_BIAS),
        .slope = get_real(head + AT_SLOPE),
        .offset = get_real(head + AT_OFFSET),
        .scale = get_real(head + AT_SCALE),
    };
    for (size_t index = 0; index < MODEL_SELF_TESTS; index++) {
        out->self_test[index] = get_real(head + AT_SELF_TEST + 8 * index);
    }
    out->weights = (struct bytes){head + AT_WEIGHTS, weight_bytes(out->storage) << out->table_bits};
    out->idfs = (struct bytes){out->weights.data + out->weights.count, idf_bytes(out->kind, out->table_bits)};
}

static bool numbers_are_sound(const struct model_file *file)
{
    bool sound = isfinite(file->bias) && isfinite(file->offset) && isfinite(file->slope) && file->slope > 0 &&
                 isfinite(file->scale) && file->scale > 0;

    for (size_t index = 0; index < MODEL_SELF_TESTS; index++) {
        sound = sound && isfinite(file->self_test[index]);
    }
    for (size_t at = 0; sound && file->storage == MODEL_FLOAT32 && at < file->weights.count; at += 4) {
        sound = isfinite(get_float(file->weights.data + at));
    }
    return sound && !too_many_terms((const unsigned char *)file->idfs.data, file->idfs.count);
}

enum status model_file_read(struct model_file *out, struct bytes file)
{
    struct model_file read;
    unsigned char sum[SHA256_BYTES];
    enum status status;

    if (file.count > MODEL_FILE_BYTES_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (file.count < AT_WEIGHTS || memcmp(file.data, magic, AT_VERSION) != 0) {
        return STATUS_MALFORMED;
    }
    status = check_head(file.data);
    if (status != STATUS_OK) {
        return status;
    }
    read_head(&read, file.data);
    if (file.count != AT_WEIGHTS + read.weights.count + read.idfs.count + SHA256_BYTES) {
        return STATUS_MALFORMED;
    }
    secret_sha256(sum, bytes_first(file, file.count - SHA256_BYTES));
    if (memcmp(sum, file.data + file.count - SHA256_BYTES, SHA256_BYTES) != 0) {
        return STATUS_CORRUPT;
    }
    if (!numbers_are_sound(&read)) {
        return STATUS_MALFORMED;
    }
    *out = read;
    return STATUS_OK;
}

/* False when a weight is not finite. */
static bool largest_weight(const struct model_parts *parts, float *out)
{
    float largest = 0;

    for (size_t index = 0; index < (size_t)1 << parts->table_bits; index++) {
        float size = fabsf(parts->weights[index]);

        if (!isfinite(size)) {
            return false;
        }
        largest = size > largest ? size : largest;
    }
    *out = largest;
    return true;
}

static void put_weights(char *at, const struct model_parts *parts, double scale)
{
    for (size_t index = 0; index < (size_t)1 << parts->table_bits; index++) {
        if (parts->storage == MODEL_INT8) {
            at[index] = (char)lrint((double)parts->weights[index] / scale);
        } else {
            put_float(at + 4 * index, parts->weights[index]);
        }
    }
}

enum status model_file_begin(struct buffer *out, const struct model_parts *parts)
{
    size_t idfs = idf_bytes(parts->kind, parts->table_bits);
    size_t weights = weight_bytes(parts->storage) << parts->table_bits;
    double scale = 1;
    float largest;
    char *at;
    enum status status;

    assert(parts->table_bits >= MODEL_TABLE_BITS_MIN && parts->table_bits <= MODEL_TABLE_BITS_MAX && out->count == 0);
    if (parts->kind == MODEL_KIND_NONE || parts->kind >= MODEL_KINDS) {
        return STATUS_UNSUPPORTED;
    }
    assert((idfs > 0) == (parts->idfs != NULL));
    if (!isfinite(parts->bias) || !isfinite(parts->offset) || !isfinite(parts->slope) || !(parts->slope > 0) ||
        !largest_weight(parts, &largest) || too_many_terms(parts->idfs, idfs)) {
        return STATUS_MALFORMED;
    }
    if (parts->storage == MODEL_INT8 && largest > 0) {
        scale = (double)largest / INT8_STEPS;
    }
    status = buffer_reserve(out, AT_WEIGHTS + weights + idfs + SHA256_BYTES, &at);
    if (status != STATUS_OK) {
        return status;
    }
    memset(at, 0, AT_WEIGHTS);
    memcpy(at, magic, AT_VERSION);
    put(at + AT_VERSION, version_of((uint64_t)parts->kind), 4);
    put(at + AT_KIND, (uint64_t)parts->kind, 4);
    put(at + AT_FEATURES, FEATURES_VERSION, 4);
    put(at + AT_TABLE_BITS, parts->table_bits, 4);
    put(at + AT_STORAGE, (uint64_t)parts->storage, 4);
    put(at + AT_BLOCK, MODEL_BLOCK_CODE_POINTS, 4);
    put_real(at + AT_BIAS, parts->bias);
    put_real(at + AT_SLOPE, parts->slope);
    put_real(at + AT_OFFSET, parts->offset);
    put_real(at + AT_SCALE, scale);
    put_weights(at + AT_WEIGHTS, parts, scale);
    if (idfs > 0) {
        memcpy(at + AT_WEIGHTS + weights, parts->idfs, idfs);
    }
    buffer_used(out, AT_WEIGHTS + weights + idfs);
    return STATUS_OK;
}

void model_file_look(struct model_file *file, const struct buffer *out)
{
    read_head(file, out->data);
    assert(out->count == AT_WEIGHTS + file->weights.count + file->idfs.count);
}

enum status model_file_seal(struct buffer *out, const double self_test[MODEL_SELF_TESTS])
{
    unsigned char sum[SHA256_BYTES];

    for (size_t index = 0; index < MODEL_SELF_TESTS; index++) {
        put_real(out->data + AT_SELF_TEST + 8 * index, self_test[index]);
    }
    secret_sha256(sum, buffer_view(out));
    return buffer_append(out, (struct bytes){(const char *)sum, sizeof sum});
}
