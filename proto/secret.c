/* secret: libsodium behind our own names: key files in locked memory, keyed hashes, randomness. */
#include "proto/secret.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)SHA256_BYTES == (int)crypto_hash_sha256_BYTES, "a SHA-256 is 32 bytes");
_Static_assert((int)TEXT_HASH_BYTES >= (int)crypto_generichash_BYTES_MIN, "BLAKE2b gives hashes this short");
_Static_assert((int)SECRET_TABLE_KEY_BYTES == (int)crypto_shorthash_siphashx24_KEYBYTES, "SipHash takes keys this long");
_Static_assert((int)TABLE_HASH_BYTES == (int)crypto_shorthash_siphashx24_BYTES, "SipHash gives hashes this long");
_Static_assert((int)SECRET_HASH_KEY_BYTES == (int)crypto_generichash_KEYBYTES, "BLAKE2b takes keys this long");

enum status secret_start(void)
{
    return sodium_init() < 0 ? STATUS_UNAVAILABLE : STATUS_OK;
}

/* Fills `out` as far as the file goes. */
static enum status read_file(const char *file, unsigned char *out, size_t room, size_t *out_count)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    size_t count = 0;
    ssize_t more = -1;

    if (fd < 0) {
        return STATUS_IO;
    }
    while (count < room) {
        more = read(fd, out + count, room - count);
        if (more == 0 || (more < 0 && errno != EINTR)) {
            break;
        }
        count += more > 0 ? (size_t)more : 0;
    }
    (void)close(fd);
    if (more < 0) {
        return STATUS_IO;
    }
    *out_count = count;
    return STATUS_OK;
}

static size_t without_newline(const unsigned char *data, size_t count)
{
    if (count > 0 && data[count - 1] == '\n') {
        count--;
        /* A file that was saved on Windows. */
        if (count > 0 && data[count - 1] == '\r') {
            count--;
        }
    }
    return count;
}

static enum status check_content(const unsigned char *data, size_t count)
{
    if (count == 0) {
        return STATUS_MALFORMED;
    }
    if (count > SECRET_BYTES_MAX) {
        return STATUS_TOO_LARGE;
    }
    for (size_t index = 0; index < count; index++) {
        if (data[index] < 0x20 || data[index] == 0x7F) {
            return STATUS_MALFORMED;
        }
    }
    return STATUS_OK;
}

enum status secret_read(struct secret *out, const char *file)
{
    /* A byte and a newline more than allowed are read, so that a file too large shows itself. */
    enum { ROOM = SECRET_BYTES_MAX + 3 };
    unsigned char *room = sodium_malloc(ROOM);
    size_t count = 0;
    enum status status;

    assert(out != NULL && file != NULL);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = read_file(file, room, ROOM, &count);
    if (status == STATUS_OK) {
        count = without_newline(room, count);
        status = check_content(room, count);
    }
    if (status != STATUS_OK) {
        sodium_free(room);
        return status;
    }
    room[count] = '\0';
    *out = (struct secret){(char *)room, count};
    return STATUS_OK;
}

void secret_free(struct secret *secret)
{
    assert(secret != NULL);
    sodium_free(secret->data); /* wipes first; takes NULL */
    *secret = (struct secret){NULL, 0};
}

struct bytes secret_view(const struct secret *secret)
{
    return (struct bytes){secret->data, secret->count};
}

static void blake2b(unsigned char *out, size_t out_count, struct bytes data, const unsigned char *key, size_t key_count)
{
    int failed = crypto_generichash(out, out_count, (const unsigned char *)data.data, data.count, key, key_count);

    assert(failed == 0); /* it refuses wrong lengths only, and ours are constants */
}

void secret_hash_key(unsigned char out[SECRET_HASH_KEY_BYTES], struct bytes material)
{
    blake2b(out, SECRET_HASH_KEY_BYTES, material, NULL, 0);
}

void secret_text_hash(unsigned char out[TEXT_HASH_BYTES], const unsigned char key[SECRET_HASH_KEY_BYTES],
                      struct bytes text)
{
    blake2b(out, TEXT_HASH_BYTES, text, key, SECRET_HASH_KEY_BYTES);
}

void secret_table_hash(unsigned char out[TABLE_HASH_BYTES], const unsigned char key[SECRET_TABLE_KEY_BYTES], struct bytes text)
{
    (void)crypto_shorthash_siphashx24(out, (const unsigned char *)text.data, text.count, key);
}

void secret_sha256(unsigned char out[SHA256_BYTES], struct bytes data)
{
    (void)crypto_hash_sha256(out, (const unsigned char *)data.data, data.count);
}

void secret_sha256_add(unsigned char digest[SHA256_BYTES], struct bytes part)
{
    unsigned char both[2 * SHA256_BYTES];

    memcpy(both, digest, SHA256_BYTES);
    secret_sha256(both + SHA256_BYTES, part);
    secret_sha256(digest, (struct bytes){(const char *)both, sizeof both});
}

void secret_random(void *out, size_t count)
{
    randombytes_buf(out, count);
}

void secret_decision_id(struct secret_ids *ids, char out[DECISION_ID_BYTES + 1])
{
    if (ids->left == 0) {
        secret_random(ids->random, sizeof ids->random);
        ids->left = sizeof ids->random;
    }
    ids->left -= DECISION_ID_BYTES / 2;
    secret_hex(out, (struct bytes){ids->random + ids->left, DECISION_ID_BYTES / 2});
}

uint64_t secret_random_u64(void)
{
    uint64_t number;

    secret_random(&number, sizeof number);
    return number;
}

bool secret_equal(struct bytes left, struct bytes right)
{
    return left.count == right.count && (left.count == 0 || sodium_memcmp(left.data, right.data, left.count) == 0);
}

void secret_hex(char *out, struct bytes data)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t index = 0; index < data.count; index++) {
        unsigned char byte = (unsigned char)data.data[index];

        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 0x0F];
    }
    *out = '\0';
}
