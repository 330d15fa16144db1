/* unjudged: counts by kind as one line. */
#include "gateway/format/unjudged.h"

#include <assert.h>
#include <stdio.h>

const char *unjudged_name(enum unjudged_kind kind)
{
    static const char *const names[UNJUDGED_KINDS] = {
        [UNJUDGED_TEXTS] = "texts", [UNJUDGED_IMAGES] = "images",   [UNJUDGED_AUDIO] = "audio",
        [UNJUDGED_FILES] = "files", [UNJUDGED_ENCODED] = "encoded",
    };

    assert(kind < UNJUDGED_KINDS);
    return names[kind];
}

struct unjudged unjudged_of(const struct extract_result *extracted)
{
    return (struct unjudged){.counts = {
                                 [UNJUDGED_IMAGES] = extracted->image_count,
                                 [UNJUDGED_AUDIO] = extracted->audio_count,
                                 [UNJUDGED_FILES] = extracted->file_count,
                                 [UNJUDGED_ENCODED] = extracted->encoded_count,
                             }};
}

void unjudged_write(const struct unjudged *unjudged, char out[UNJUDGED_TEXT_ROOM])
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t kind = 0; kind < UNJUDGED_KINDS; kind++) {
        if (unjudged->counts[kind] > 0) {
            int written = snprintf(out + used, UNJUDGED_TEXT_ROOM - used, "%s%s=%zu", used == 0 ? "" : ", ",
                                   unjudged_name((enum unjudged_kind)kind), unjudged->counts[kind]);

            assert(written > 0 && (size_t)written < UNJUDGED_TEXT_ROOM - used);
            used += (size_t)written;
        }
    }
}
