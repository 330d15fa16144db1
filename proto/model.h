/* model: the model file: header, feature settings, weights, calibration, self-test, checksum; and score().
 *
 * A model is constant after model_open and may be shared by any number of threads. Scoring allocates nothing and takes no
 * lock. A file of another format version, feature version or kind, of a wrong size or checksum, or whose self-test texts do
 * not score what they should is refused whole.
 */
#ifndef PROTO_MODEL_H
#define PROTO_MODEL_H

#include "proto/bytes.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdint.h>

struct model;

/* Checks and loads a copy of `file`. STATUS_TOO_LARGE, STATUS_MALFORMED, STATUS_UNSUPPORTED, STATUS_CORRUPT. */
MUST_CHECK enum status model_open(struct model **out, struct bytes file);
void model_close(struct model **model);

enum model_kind model_kind_of(const struct model *model);
uint32_t model_feature_version(const struct model *model);

/* The calibrated probability, 0 to 1, that `text` (UTF-8; broken bytes are read as U+FFFD) is a violation. Long texts are
 * scored in overlapping windows; the worst decides. */
double model_score(const struct model *model, struct bytes text);

#endif
