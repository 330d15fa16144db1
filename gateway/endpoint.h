/* endpoint: which endpoint of which API a request means, by one table of methods and endings of paths.
 *
 *   POST .../chat/completions                    openai_chat        judged
 *   POST .../responses                           openai_responses   judged
 *   POST .../messages                            claude_chat        judged
 *   POST .../models/{model}:generateContent      gemini_chat        judged
 *   GET  .../models                                                 the list of models
 *   POST .../responses/{id}/cancel without a body                   passed on, too: it names an answer under way, no more
 *   GET, HEAD, DELETE, OPTIONS without a body                       passed on: there is nothing in it to judge
 *   all others                                                      refused: a body of no known shape cannot be judged
 *
 * The version before an ending is not looked at (v1, v1beta, v1alpha, or none). What no row names still has a dialect, to
 * be answered in (spec/wire-formats.md section 0.1). Thread: any.
 */
#ifndef GATEWAY_ENDPOINT_H
#define GATEWAY_ENDPOINT_H

#include "gateway/fields.h"
#include "gateway/format/dialect.h"
#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>

enum endpoint_use { ENDPOINT_REFUSED, ENDPOINT_JUDGED, ENDPOINT_PASSED, ENDPOINT_MODELS };

struct endpoint {
    enum dialect dialect;
    enum endpoint_use use;
};

/* `path` without the query; `fields` of the request. */
struct endpoint endpoint_find(struct bytes method, struct bytes path, bool has_body, const struct fields *fields);

/* The dialect alone. */
enum dialect endpoint_dialect(struct bytes path, const struct fields *fields);

/* Whether the answer will be a stream, as far as the path tells or the first and the last bytes of the body do: a guess, which
 * decides about comfort and never about what is right. */
bool endpoint_expects_stream(struct bytes path, struct bytes body);

/* Adds the field in which the dialect's API wants its key. `scratch` holds the value on the way. Statuses of fields_add
 * and buffer_append. */
MUST_CHECK enum status endpoint_add_key(enum dialect dialect, struct bytes key, struct fields *fields,
                                        struct buffer *scratch);

/* Whether somebody may take a field of the caller for one that carries a credential, in any dialect: '_' for '-' too. */
bool endpoint_may_be_credential(struct bytes name);

/* The credential that a field of the caller carries into *out and true, or false: a Bearer token, or the value of another of
 * those fields. Lends as the field does. */
bool endpoint_credential(struct field field, struct bytes *out);

/* The next value of the parameter `key` of a query, taken off *query: what is left of it begins behind that value. False at the
 * end. As written: percent-encoded. */
bool endpoint_next_key(struct bytes *query, struct bytes *out);

/* Appends the query ("?a=b&c=d", or nothing) without the parameter `key`, in which Gemini's API takes a credential.
 * Statuses of buffer_append. */
MUST_CHECK enum status endpoint_append_query_without_key(struct bytes query, struct buffer *out);

/* Whether a path that is passed leads to answers that the upstream keeps ("/v1/responses/{id}", "/v1/conversations/{id}/items"),
 * or to a part of one. */
bool endpoint_shows_answers(struct bytes path);

#endif
