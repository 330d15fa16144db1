/* wire_zap: the ZAP handler of this process (ZeroMQ RFC 27): one thread that admits the CURVE keys of a list.
 *
 * libzmq asks it for every connection to a socket with CURVE. A request that is not exactly of the form, another mechanism or
 * domain, or a key that is not in the list is refused and counted. It must not end before it is closed: any error of its
 * socket aborts the process, because libzmq would then admit everybody.
 */
#ifndef PROTO_WIRE_ZAP_H
#define PROTO_WIRE_ZAP_H

#include "proto/metrics.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_ZAP_DOMAIN "prismguard"

enum { CURVE_KEY_BYTES = 32, CURVE_KEY_TEXT_BYTES = 40, CURVE_KEYS_MAX = 64 };

struct wire_zap_keys {
    size_t count;
    uint8_t at[CURVE_KEYS_MAX][CURVE_KEY_BYTES];
};

struct wire_zap;

/* A file of public keys, one Z85 text of 40 characters a line, `#` comments and empty lines. STATUS_IO, STATUS_MALFORMED
 * (something else, or no key at all), STATUS_FULL. */
MUST_CHECK enum status wire_zap_read_keys(struct wire_zap_keys *out, const char *file);

bool wire_zap_admits(const struct wire_zap_keys *keys, const uint8_t key[CURVE_KEY_BYTES]);

/* Starts the thread with a copy of `keys`. STATUS_CONFLICT when this process has a handler already. */
MUST_CHECK enum status wire_zap_open(struct wire_zap **out, const struct wire_zap_keys *keys);

/* A copy of these keys from now on, whole. Any thread. */
void wire_zap_use(struct wire_zap *zap, const struct wire_zap_keys *keys);

/* Does a handler answer, and refuse a key of zeroes? Waits at most a second. Any thread; NULL asks whoever answers. */
bool wire_zap_answers(const struct wire_zap *zap);

/* Refused connections are counted in `series` too from now on. Borrowed until wire_zap_close. */
void wire_zap_count(struct wire_zap *zap, struct series *series);

uint64_t wire_zap_denied(const struct wire_zap *zap);

/* After every socket with CURVE. Takes NULL. */
void wire_zap_close(struct wire_zap **zap);

#endif
