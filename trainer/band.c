/* band: counts letters by ranges of code points. */
#include "trainer/band.h"

#include "proto/utf8.h"

#include <assert.h>

/* Unicode 16 blocks; letters of a script outside of them are rare. */
static const struct range {
    uint32_t first;
    uint32_t last;
    enum band band;
} ranges[] = {
    {'A', 'Z', BAND_LATIN},
    {'a', 'z', BAND_LATIN},
    {0xC0, 0x24F, BAND_LATIN},
    {0x250, 0x36F, BANDS}, /* sounds, modifiers, marks: of no script */
    {0x370, 0x3FF, BAND_OTHER},
    {0x400, 0x52F, BAND_CYRILLIC},
    {0x530, 0x5FF, BAND_OTHER},
    {0x600, 0x6FF, BAND_ARABIC},
    {0x700, 0x74F, BAND_OTHER},
    {0x750, 0x77F, BAND_ARABIC},
    {0x780, 0x10FF, BAND_OTHER},
    {0x1100, 0x11FF, BAND_CJK},
    {0x1200, 0x1DFF, BAND_OTHER},
    {0x1E00, 0x1EFF, BAND_LATIN},
    {0x1F00, 0x1FFF, BAND_OTHER},
    {0x3040, 0x31FF, BAND_CJK},
    {0x3400, 0x4DBF, BAND_CJK},
    {0x4E00, 0x9FFF, BAND_CJK},
    {0xAC00, 0xD7AF, BAND_CJK},
    {0xF900, 0xFAFF, BAND_CJK},
    {0xFB50, 0xFDFF, BAND_ARABIC},
    {0xFE70, 0xFEFE, BAND_ARABIC},
    {0xFF21, 0xFF3A, BAND_LATIN}, /* full-width */
    {0xFF41, 0xFF5A, BAND_LATIN},
    {0xFF66, 0xFFDC, BAND_CJK},
    {0x20000, 0x323AF, BAND_CJK},
};

static enum band band_of_point(uint32_t point)
{
    for (size_t index = 0; index < sizeof ranges / sizeof *ranges && point >= ranges[index].first; index++) {
        if (point <= ranges[index].last) {
            return ranges[index].band;
        }
    }
    return BANDS;
}

/* Of a sound sequence. */
static uint32_t point_of(const unsigned char *at, size_t count)
{
    static const unsigned char lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t point = at[0] & lead_bits[count];

    for (size_t index = 1; index < count; index++) {
        point = point << 6 | (at[index] & 0x3F);
    }
    return point;
}

enum band band_of_script(struct bytes text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const unsigned char *end = at + text.count;
    size_t counts[BANDS + 1] = {0};
    enum band most = BAND_OTHER;

    for (int points = 0; at < end && points < BAND_CODE_POINTS_MAX; points++) {
        size_t count = utf8_sequence(at, end);

        if (count > 0) {
            counts[band_of_point(point_of(at, count))]++;
        }
        at += count > 0 ? count : 1;
    }
    for (int band = BAND_LATIN; band < BAND_OTHER; band++) {
        most = counts[band] > counts[most] ? (enum band)band : most;
    }
    return most;
}

enum band band_of_length(struct bytes text)
{
    return text.count <= BAND_SHORT_BYTES ? BAND_SHORT : text.count <= BAND_MIDDLE_BYTES ? BAND_MIDDLE : BAND_LONG;
}

const char *band_name(enum band band)
{
    static const char *const names[] = {"latin", "cyrillic", "arabic", "cjk", "other", "short", "middle", "long"};

    assert(band < sizeof names / sizeof *names);
    return names[band];
}
