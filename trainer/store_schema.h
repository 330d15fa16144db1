/* store_schema: the files of trainer/schema as the build embeds them; terminated strings. */
#ifndef TRAINER_STORE_SCHEMA_H
#define TRAINER_STORE_SCHEMA_H

#include "proto/limits.h"

/* schema_steps[n] leads from version n to n + 1. */
extern const char *const schema_steps[SCHEMA_VERSION];

#endif
