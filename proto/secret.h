/* secret: key files, keyed hashes, random numbers, wiping (libsodium).
 *
 * Thread: any, after secret_start().
 */
#ifndef PROTO_SECRET_H
#define PROTO_SECRET_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SECRET_BYTES_MAX = 4096,
    SECRET_HASH_KEY_BYTES = 32,
    SECRET_TABLE_KEY_BYTES = 16,
    SHA256_BYTES = 32,
    TABLE_HASH_BYTES = 16,
};

/* Once, by main(), before anything else here. STATUS_UNAVAILABLE when the system has no randomness. */
MUST_CHECK enum status secret_start(void);

/* The content of a key file, without one trailing newline (or CR and newline); at most SECRET_BYTES_MAX; terminated; locked in
 * memory and wiped by secret_free, which takes an empty one too. STATUS_IO, STATUS_TOO_LARGE, STATUS_MALFORMED (empty, or a
 * control byte inside), STATUS_NO_MEMORY. */
struct secret {
    char *data;
    size_t count; /* in bytes, terminator not counted */
};
MUST_CHECK enum status secret_read(struct secret *out, const char *file);
void secret_free(struct secret *secret);
struct bytes secret_view(const struct secret *secret);

/* A key for text hashes out of a file's content of any length (BLAKE2b to 32 bytes). */
void secret_hash_key(unsigned char out[SECRET_HASH_KEY_BYTES], struct bytes material);

/* Keyed BLAKE2b-128 of a text: what names a text in the database, in caches and in logs. Short prompts are guessable, so it
 * is never an unkeyed hash. */
void secret_text_hash(unsigned char out[TEXT_HASH_BYTES], const unsigned char key[SECRET_HASH_KEY_BYTES], struct bytes text);

/* SipHash-2-4 with 128 bits: names something short in a table in memory (a text: proto/secret_print). Nobody who does not know
 * the key can choose two things of the same hash; the key and the hashes stay in the process. */
void secret_table_hash(unsigned char out[TABLE_HASH_BYTES], const unsigned char key[SECRET_TABLE_KEY_BYTES],
                       struct bytes text);

void secret_sha256(unsigned char out[SHA256_BYTES], struct bytes data);

/* Adds a part to a digest of many (32 zeros at first); by its own digest, so that no two lists of parts can be taken for each
 * other. */
void secret_sha256_add(unsigned char digest[SHA256_BYTES], struct bytes part);

/* Cryptographic randomness. */
void secret_random(void *out, size_t count);
uint64_t secret_random_u64(void);

/* Randomness for some decision ids, drawn at once: each draw is a system call. All zero is an empty one. */
struct secret_ids {
    char random[SECRET_IDS_DRAWN * DECISION_ID_BYTES / 2];
    size_t left; /* in bytes */
};

/* A decision id: DECISION_ID_BYTES lower-case hex digits and a terminator. Thread: any, one at a time for each `ids`. */
void secret_decision_id(struct secret_ids *ids, char out[DECISION_ID_BYTES + 1]);

/* Constant time for equal lengths. */
bool secret_equal(struct bytes left, struct bytes right);

void secret_hex(char *out, struct bytes data); /* 2 * count digits and a terminator */

#endif
