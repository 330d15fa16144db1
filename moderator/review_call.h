/* review_call: HTTP POSTs to reviewing LLMs, several at once, on the thread of moderator/review.
 *
 *   review_calls_open(&calls, room)
 *   review_call_start(calls, place, target, &body, timeout_ms)      place < room: one call at a time in each place
 *   ... zmq_poll over review_calls_poll()'s items, until review_calls_due_ms() ...
 *   review_calls_turn(calls, items, count)
 *   while (review_calls_next(calls, &place)) { review_call_result(...); review_call_end(...); }
 *
 * HTTP/1.1, http and https only, certificates checked, no redirects, no proxies, no netrc, no cookies, an empty Expect field; a
 * connection that dies under a call fails it: libcurl must never send a paid POST twice. An answer longer than
 * REVIEW_ANSWER_BYTES_MAX fails. An address that proto/address_guard refuses is never connected to. Thread: one.
 * Source of the rule: house.md D10, spec/libraries.md 3.
 */
#ifndef MODERATOR_REVIEW_CALL_H
#define MODERATOR_REVIEW_CALL_H

#include "proto/bytes.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

struct review_calls;
struct review_target;

/* Once, by main(), before threads. */
MUST_CHECK enum status review_call_start_library(void);

/* Where to send and with which key (a Bearer token; empty = none). Copies both; the key is wiped at the end. The address may be
 * a private one if `hosts` says so of the URL's host, as of an upstream. STATUS_NO_MEMORY, STATUS_MALFORMED (no http or https
 * URL). */
MUST_CHECK enum status review_target_open(struct review_target **out, const char *url, struct bytes key,
                                          const struct private_hosts *hosts);
void review_target_close(struct review_target **target);

MUST_CHECK enum status review_calls_open(struct review_calls **out, size_t room);

/* Ends what is running. */
void review_calls_close(struct review_calls **calls);

/* Begins a POST of `body`, whose bytes it takes (and leaves `body` empty). The target is borrowed until review_call_end.
 * STATUS_NO_MEMORY: nothing was begun and `body` is as it was. */
MUST_CHECK enum status review_call_start(struct review_calls *calls, size_t place, const struct review_target *target,
                                         struct buffer *body, uint64_t timeout_ms);

/* How many poll items there can be, at most. */
size_t review_calls_items_max(const struct review_calls *calls);

/* Fills the items of the sockets that libcurl waits for; returns their number. */
size_t review_calls_poll(const struct review_calls *calls, zmq_pollitem_t *items);

/* When libcurl wants a turn whatever the sockets do; UINT64_MAX = never. */
uint64_t review_calls_due_ms(const struct review_calls *calls);

/* Tells libcurl what the poll found, and the time. */
void review_calls_turn(struct review_calls *calls, const zmq_pollitem_t *items, size_t count);

/* A place whose call has ended, each told once. */
bool review_calls_next(struct review_calls *calls, size_t *out_place);

/* What came of an ended call: STATUS_OK with the HTTP status and the body (lent until review_call_end), STATUS_TIMEOUT,
 * STATUS_TOO_LARGE, STATUS_DENIED (the address), STATUS_UNAVAILABLE. */
enum status review_call_result(const struct review_calls *calls, size_t place, unsigned *out_http_status, struct bytes *out_body);

/* How long an ended call's answer asks to be left alone (Retry-After); 0 = it says nothing. */
uint64_t review_call_pause_ms(const struct review_calls *calls, size_t place);

/* Frees the place, also when its call is still running. */
void review_call_end(struct review_calls *calls, size_t place);

#endif
