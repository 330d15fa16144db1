/* message_pack: msgpack-c with a sticky first failure on both sides. */
#include "proto/message_pack.h"

#include "proto/message_check.h"
#include "proto/utf8.h"

#include <math.h>

static int append_packed(void *context, const char *data, size_t count)
{
    struct packer *packer = context;

    if (packer->status == STATUS_OK) {
        packer->status = buffer_append(packer->out, (struct bytes){data, count});
    }
    return packer->status == STATUS_OK ? 0 : -1;
}

void pack_begin(struct packer *packer, struct buffer *out)
{
    *packer = (struct packer){.out = out, .start = out->count, .status = STATUS_OK};
    msgpack_packer_init(&packer->inner, packer, append_packed);
}

/* msgpack-c's own results say no more than packer->status does, here and below. */
void pack_array(struct packer *packer, size_t count)
{
    (void)msgpack_pack_array(&packer->inner, count);
}

void pack_unsigned(struct packer *packer, uint64_t number)
{
    (void)msgpack_pack_uint64(&packer->inner, number);
}

void pack_real(struct packer *packer, float number)
{
    (void)msgpack_pack_float(&packer->inner, number);
}

void pack_text(struct packer *packer, struct bytes text)
{
    (void)msgpack_pack_str(&packer->inner, text.count);
    pack_packed(packer, text);
}

void pack_binary(struct packer *packer, struct bytes data)
{
    (void)msgpack_pack_bin(&packer->inner, data.count);
    pack_packed(packer, data);
}

void pack_packed(struct packer *packer, struct bytes packed)
{
    (void)append_packed(packer, packed.data, packed.count);
}

void pack_head(struct packer *packer, size_t item_count, enum message_type type)
{
    pack_array(packer, item_count);
    pack_unsigned(packer, MESSAGE_VERSION);
    pack_unsigned(packer, type);
}

enum status pack_end(struct packer *packer)
{
    if (packer->status != STATUS_OK) {
        packer->out->count = packer->start;
    }
    return packer->status;
}

enum status unpack_head(struct unpacker *unpacker, struct bytes frame, size_t *out_count, enum message_type *out_type)
{
    enum status status = message_check(frame);
    size_t count;
    uint64_t version;
    uint64_t type;

    if (status != STATUS_OK) {
        return status;
    }
    *unpacker = (struct unpacker){.rest = frame};
    count = unpack_array(unpacker, MSGPACK_ITEMS_MAX);
    version = unpack_unsigned(unpacker, UINT64_MAX);
    if (!unpacker->bad && version != MESSAGE_VERSION) {
        return STATUS_UNSUPPORTED; /* what stands behind another version is not ours to judge */
    }
    type = unpack_unsigned(unpacker, UINT64_MAX);
    if (unpacker->bad) {
        return STATUS_MALFORMED;
    }
    if (type < MESSAGE_READY || type > MESSAGE_VERDICTS) {
        return STATUS_UNSUPPORTED;
    }
    *out_count = count;
    *out_type = (enum message_type)type;
    return STATUS_OK;
}

enum status unpack_begin(struct unpacker *unpacker, struct bytes frame, enum message_type type, size_t item_count)
{
    size_t found_count;
    enum message_type found;
    enum status status = unpack_head(unpacker, frame, &found_count, &found);

    if (status != STATUS_OK) {
        return status;
    }
    return found == type && found_count == item_count ? STATUS_OK : STATUS_MALFORMED;
}

static msgpack_object unpack_object(struct unpacker *unpacker, msgpack_object_type type)
{
    msgpack_unpacked unpacked;
    msgpack_object object = {.type = MSGPACK_OBJECT_NIL};
    size_t used = 0;

    if (unpacker->bad) {
        return object;
    }
    msgpack_unpacked_init(&unpacked);
    if (unpacker->rest.count > 0 &&
        msgpack_unpack_next(&unpacked, unpacker->rest.data, unpacker->rest.count, &used) == MSGPACK_UNPACK_SUCCESS &&
        unpacked.data.type == type) {
        object = unpacked.data; /* a number or a view into the frame: nothing of it belongs to `unpacked` */
        unpacker->rest = bytes_from(unpacker->rest, used);
    } else {
        unpacker->bad = true;
    }
    msgpack_unpacked_destroy(&unpacked);
    return object;
}

size_t unpack_array(struct unpacker *unpacker, size_t count_max)
{
    size_t count = 0;

    if (unpacker->bad || message_check_array(&unpacker->rest, &count) != STATUS_OK || count > count_max) {
        unpacker->bad = true;
        return 0;
    }
    return count;
}

uint64_t unpack_unsigned(struct unpacker *unpacker, uint64_t max)
{
    uint64_t value;

    if (!unpacker->bad && unpacker->rest.count > 0 && (unsigned char)unpacker->rest.data[0] < 0x80) {
        value = (unsigned char)unpacker->rest.data[0]; /* most are so small, and a task has one for each segment */
        unpacker->rest = bytes_from(unpacker->rest, 1);
    } else {
        value = unpack_object(unpacker, MSGPACK_OBJECT_POSITIVE_INTEGER).via.u64;
    }
    if (unpacker->bad || value > max) {
        unpacker->bad = true;
        return 0;
    }
    return value;
}

bool score_is_sound(float score)
{
    return isnan(score) || (score >= 0 && score <= 1);
}

float unpack_score(struct unpacker *unpacker)
{
    msgpack_object object = unpack_object(unpacker, MSGPACK_OBJECT_FLOAT32);
    float score = unpacker->bad ? 0 : (float)object.via.f64;

    if (!score_is_sound(score)) {
        unpacker->bad = true;
        return 0;
    }
    return score;
}

struct bytes unpack_text(struct unpacker *unpacker, size_t bytes_max)
{
    struct bytes text = {NULL, 0};

    if (unpacker->bad || message_check_text(&unpacker->rest, &text) != STATUS_OK || text.count > bytes_max) {
        unpacker->bad = true;
        return (struct bytes){NULL, 0};
    }
    return text;
}

struct bytes unpack_binary(struct unpacker *unpacker, size_t bytes_min, size_t bytes_max)
{
    msgpack_object object = unpack_object(unpacker, MSGPACK_OBJECT_BIN);

    if (unpacker->bad || object.via.bin.size < bytes_min || object.via.bin.size > bytes_max) {
        unpacker->bad = true;
        return (struct bytes){NULL, 0};
    }
    return (struct bytes){object.via.bin.ptr, object.via.bin.size};
}

enum status unpack_end(const struct unpacker *unpacker)
{
    return unpacker->bad || unpacker->rest.count > 0 ? STATUS_MALFORMED : STATUS_OK;
}

bool name_is_sound(struct bytes name, size_t bytes_max)
{
    if (name.count > bytes_max || utf8_sound_bytes(name) != name.count) {
        return false;
    }
    for (size_t index = 0; index < name.count; index++) {
        unsigned char byte = (unsigned char)name.data[index];

        if (byte < 0x20 || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

bool profile_is_sound(struct bytes profile)
{
    return profile.count > 0 && name_is_sound(profile, PROFILE_NAME_BYTES_MAX);
}
