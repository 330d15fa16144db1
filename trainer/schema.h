/* schema: trainer/schema.sql as the build embeds it; a terminated string. */
#ifndef TRAINER_SCHEMA_H
#define TRAINER_SCHEMA_H

extern const char schema_sql[];

#endif
