/* message_pack: the fields that messages are made of, written and read one by one through msgpack-c.
 *
 * Both sides keep the first failure and ignore what follows, so that a message is a plain list of its fields and the end
 * is the one place to ask. Internal to proto/message*.
 *
 * Reading takes one object at a time off the front: msgpack-c then builds no tree and reserves nothing. The bytes must have
 * passed message_check() before. Thread: any.
 */
#ifndef PROTO_MESSAGE_PACK_H
#define PROTO_MESSAGE_PACK_H

#include "proto/bytes.h"
#include "proto/message.h"
#include "proto/status.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packer {
    struct buffer *out; /* borrowed until pack_end */
    size_t start;       /* what was there before */
    enum status status;
    msgpack_packer inner;
};

void pack_begin(struct packer *packer, struct buffer *out);
void pack_head(struct packer *packer, size_t item_count, enum message_type type); /* array, version, type */
void pack_array(struct packer *packer, size_t count);
void pack_unsigned(struct packer *packer, uint64_t number);
void pack_real(struct packer *packer, float number); /* float 32 */
void pack_text(struct packer *packer, struct bytes text); /* str */
void pack_binary(struct packer *packer, struct bytes data); /* bin */
void pack_packed(struct packer *packer, struct bytes packed); /* objects that are msgpack already */

/* STATUS_TOO_LARGE, STATUS_NO_MEMORY: the buffer is again as it was at pack_begin. */
MUST_CHECK enum status pack_end(struct packer *packer);

struct unpacker {
    struct bytes rest; /* not read yet; lent by the frame */
    bool bad;
};

/* Checks the whole frame and reads array, version and type. STATUS_MALFORMED, STATUS_TOO_LARGE (message_check.h),
 * STATUS_UNSUPPORTED (another version, an unknown type). */
MUST_CHECK enum status unpack_head(struct unpacker *unpacker, struct bytes frame, size_t *out_count,
                                   enum message_type *out_type);

/* The same for a frame that must be of that type and length. */
MUST_CHECK enum status unpack_begin(struct unpacker *unpacker, struct bytes frame, enum message_type type,
                                    size_t item_count);

/* Each answers zero or nothing once something was bad. */
size_t unpack_array(struct unpacker *unpacker, size_t count_max);
uint64_t unpack_unsigned(struct unpacker *unpacker, uint64_t max);
float unpack_score(struct unpacker *unpacker); /* float 32; 0 to 1, or NaN for none */
struct bytes unpack_text(struct unpacker *unpacker, size_t bytes_max);
struct bytes unpack_binary(struct unpacker *unpacker, size_t bytes_min, size_t bytes_max);

/* STATUS_MALFORMED when anything was bad or is left over. */
MUST_CHECK enum status unpack_end(const struct unpacker *unpacker);

bool score_is_sound(float score);

/* Names go into answers, labels and log lines: UTF-8 without control characters. */
bool name_is_sound(struct bytes name, size_t bytes_max);

/* A profile's name: the same, and not empty. */
bool profile_is_sound(struct bytes profile);

#endif
