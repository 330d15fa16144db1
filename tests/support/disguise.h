/* disguise: a text as somebody would write it who does not want it found; none of it may cost a judge much. */
#ifndef TESTS_SUPPORT_DISGUISE_H
#define TESTS_SUPPORT_DISGUISE_H

#include "proto/bytes.h"

#include <string.h>

enum { DISGUISE_FILLER_BYTES = 1000 };

/* Room that the largest disguise of `count` bytes needs. */
static inline size_t disguise_room(size_t count)
{
    return 4 * count + DISGUISE_FILLER_BYTES + 2;
}

/* Writes what is judged instead of `text` to `out` and returns its bytes. */
typedef size_t disguise(char *out, struct bytes text);

static inline size_t disguise_none(char *out, struct bytes text)
{
    memcpy(out, text.data, text.count);
    return text.count;
}

/* Printable ASCII as U+FF01 to U+FF5E, spaces as U+3000. */
static inline size_t disguise_full_width(char *out, struct bytes text)
{
    size_t count = 0;

    for (size_t at = 0; at < text.count; at++) {
        unsigned char byte = (unsigned char)text.data[at];

        if (byte == ' ') {
            memcpy(out + count, "\xE3\x80\x80", 3);
            count += 3;
        } else if (byte > ' ' && byte < 0x7F) {
            unsigned code_point = 0xFF01u + byte - '!';

            out[count++] = (char)0xEF;
            out[count++] = (char)(0x80 | (code_point >> 6 & 0x3F));
            out[count++] = (char)(0x80 | (code_point & 0x3F));
        } else {
            out[count++] = text.data[at];
        }
    }
    return count;
}

/* A zero-width space after each ASCII character. */
static inline size_t disguise_zero_width(char *out, struct bytes text)
{
    size_t count = 0;

    for (size_t at = 0; at < text.count; at++) {
        out[count++] = text.data[at];
        if ((unsigned char)text.data[at] < 0x80) {
            memcpy(out + count, "\xE2\x80\x8B", 3);
            count += 3;
        }
    }
    return count;
}

/* 1,000 characters of harmless text around it, half before and half behind. */
static inline size_t disguise_wrapped(char *out, struct bytes text)
{
    static const char filler[] =
        "The garden behind the old library opens every morning at nine, and people from the neighbourhood bring bread, tea and "
        "newspapers. In spring the gardeners plant tulips along the gravel path, and in autumn they collect the leaves in large "
        "wooden boxes. A small bus stops at the corner twice an hour and takes visitors to the market square, where farmers sell "
        "apples, cheese and honey. On Sundays a band plays under the chestnut trees while children feed the ducks by the pond. "
        "The museum next door shows maps of the river, models of sailing ships and a collection of clocks from the last century. "
        "Tickets are cheap, and the guide explains how each clock was built, who repaired it and why it still runs. When it rains "
        "the visitors sit in the cafe, write postcards and watch the boats pass slowly under the stone bridge. In the evening the "
        "lamps are lit, the shops close their shutters, and the town becomes quiet until the bakers start work again. "
        "Every year the school prints a calendar with drawings of the garden. ";
    const size_t half = DISGUISE_FILLER_BYTES / 2;
    size_t count = 0;

    _Static_assert(sizeof filler > DISGUISE_FILLER_BYTES, "no sentence comes twice");
    for (size_t at = 0; at < DISGUISE_FILLER_BYTES; at++) {
        if (at == half) {
            out[count++] = ' ';
            memcpy(out + count, text.data, text.count);
            count += text.count;
            out[count++] = ' ';
        }
        out[count++] = filler[at];
    }
    return count;
}

#endif
