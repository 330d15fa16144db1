/* models: the answer to "which models are there", in the list form of each dialect.
 *
 *   openai   {"object":"list","data":[{"id":"gpt","object":"model","created":0,"owned_by":"prismguard"}]}
 *   claude   {"data":[{"type":"model","id":"...","display_name":"...","created_at":"..."}],"has_more":false,...}
 *   gemini   {"models":[{"name":"models/...","displayName":"...","supportedGenerationMethods":[...]}]}
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_MODELS_H
#define GATEWAY_FORMAT_MODELS_H

#include "gateway/format/dialect.h"
#include "proto/bytes.h"
#include "proto/settings.h"
#include "proto/status.h"

/* Appends the list of the route's models. STATUS_TOO_LARGE or STATUS_NO_MEMORY of the buffer, which then is as it was. */
MUST_CHECK enum status models_list(enum dialect dialect, const struct route_settings *route, struct buffer *out);

#endif
