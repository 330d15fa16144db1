/* chunks: one state for each place in the grammar of RFC 9112 section 7.1, a table for the places that are rare. */
#include "gateway/chunks.h"

#include "gateway/fields.h"
#include "proto/limits.h"

enum state {
    SIZE,        /* digits, and what may end them */
    SIZE_SPACE,  /* space that only a ';' may follow */
    NAME_SPACE,  /* behind a ';' */
    NAME,
    NAME_END,    /* space that only a '=' or ';' may follow */
    VALUE_SPACE, /* behind a '=' */
    VALUE,
    QUOTED,
    ESCAPED,
    QUOTED_END,
    VALUE_END,   /* space that only a ';' may follow */
    LINE_END,    /* CR has come */
    CONTENT,
    CONTENT_END, /* CR is next */
    CONTENT_LINE_END,
    TRAILER,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_END,
    LAST_END,    /* CR of the empty line has come */
    ENDED,
    BAD,
};

/* What a byte can be. Text is whatever may stand in a quoted string or a field's value, a quote and a backslash too. */
enum { IS_TEXT = 1, IS_TOKEN = 2, IS_SPACE = 4, IS_CR = 8, IS_LF = 16 };

static const struct row {
    unsigned char state;
    char byte;           /* or 0, and then one of: */
    unsigned char kinds;
    unsigned char next;
} rows[] = {
    {SIZE_SPACE, 0, IS_SPACE, SIZE_SPACE},  {SIZE_SPACE, ';', 0, NAME_SPACE},
    {NAME_SPACE, 0, IS_SPACE, NAME_SPACE},  {NAME_SPACE, 0, IS_TOKEN, NAME},
    {NAME, 0, IS_TOKEN, NAME},              {NAME, ';', 0, NAME_SPACE},
    {NAME, '=', 0, VALUE_SPACE},            {NAME, 0, IS_SPACE, NAME_END},
    {NAME, 0, IS_CR, LINE_END},             {NAME_END, 0, IS_SPACE, NAME_END},
    {NAME_END, ';', 0, NAME_SPACE},         {NAME_END, '=', 0, VALUE_SPACE},
    {VALUE_SPACE, 0, IS_SPACE, VALUE_SPACE}, {VALUE_SPACE, 0, IS_TOKEN, VALUE},
    {VALUE_SPACE, '"', 0, QUOTED},          {VALUE, 0, IS_TOKEN, VALUE},
    {VALUE, ';', 0, NAME_SPACE},            {VALUE, 0, IS_SPACE, VALUE_END},
    {VALUE, 0, IS_CR, LINE_END},            {QUOTED, '"', 0, QUOTED_END},
    {QUOTED, '\\', 0, ESCAPED},             {QUOTED, 0, IS_TEXT, QUOTED},
    {ESCAPED, 0, IS_TEXT, QUOTED},          {QUOTED_END, ';', 0, NAME_SPACE},
    {QUOTED_END, 0, IS_SPACE, VALUE_END},   {QUOTED_END, 0, IS_CR, LINE_END},
    {VALUE_END, 0, IS_SPACE, VALUE_END},    {VALUE_END, ';', 0, NAME_SPACE},
    {TRAILER, 0, IS_CR, LAST_END},          {TRAILER, 0, IS_TOKEN, TRAILER_NAME},
    {TRAILER_NAME, 0, IS_TOKEN, TRAILER_NAME}, {TRAILER_NAME, ':', 0, TRAILER_VALUE},
    {TRAILER_VALUE, 0, IS_TEXT, TRAILER_VALUE}, {TRAILER_VALUE, 0, IS_CR, TRAILER_END},
    {TRAILER_END, 0, IS_LF, TRAILER},       {LAST_END, 0, IS_LF, ENDED},
};

static unsigned kinds_of(char byte)
{
    unsigned char value = (unsigned char)byte;
    unsigned kinds = (value >= 0x20 && value != 0x7F) || value == '\t' ? IS_TEXT : 0;

    kinds |= fields_is_token((struct bytes){&byte, 1}) ? IS_TOKEN : 0;
    kinds |= byte == ' ' || byte == '\t' ? IS_SPACE : 0;
    kinds |= byte == '\r' ? IS_CR : 0;
    return kinds | (byte == '\n' ? IS_LF : 0);
}

static enum state look_up(enum state state, char byte)
{
    unsigned kinds = kinds_of(byte);

    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        const struct row *row = &rows[index];

        if (row->state == state && (row->byte != 0 ? row->byte == byte : (row->kinds & kinds) != 0)) {
            return (enum state)row->next;
        }
    }
    return BAD;
}

/* A digit of a size, or its end. */
static enum state read_size(struct chunks *chunks, char byte)
{
    int digit = bytes_hex_digit(byte);

    if (digit >= 0) {
        if (chunks->left > UINT64_MAX >> 4) {
            return BAD;
        }
        chunks->left = chunks->left << 4 | (unsigned)digit;
        chunks->sized = true;
        return SIZE;
    }
    if (!chunks->sized) {
        return BAD;
    }
    return byte == '\r' ? LINE_END : byte == ';' ? NAME_SPACE : byte == ' ' || byte == '\t' ? SIZE_SPACE : BAD;
}

static enum state step(struct chunks *chunks, char byte)
{
    enum state state = (enum state)chunks->state;

    switch (state) {
    case SIZE:
        return read_size(chunks, byte);
    case LINE_END:
        if (byte != '\n') {
            return BAD;
        }
        chunks->begun = true;
        return chunks->left > 0 ? CONTENT : TRAILER;
    case CONTENT_END:
        return byte == '\r' ? CONTENT_LINE_END : BAD;
    case CONTENT_LINE_END:
        chunks->sized = false;
        chunks->line_bytes = 0;
        return byte == '\n' ? SIZE : BAD;
    default:
        return look_up(state, byte);
    }
}

/* The bytes of lines have bounds; those of the content do not count here. */
static bool is_within(struct chunks *chunks)
{
    if (chunks->state >= TRAILER) {
        return ++chunks->trailer_bytes <= UPSTREAM_FIELDS_BYTES_MAX;
    }
    return ++chunks->line_bytes <= UPSTREAM_CHUNK_LINE_BYTES_MAX;
}

void chunks_init(struct chunks *chunks)
{
    *chunks = (struct chunks){.state = SIZE};
}

ptrdiff_t chunks_read(struct chunks *chunks, struct bytes in, struct bytes *out)
{
    size_t at = 0;

    *out = (struct bytes){NULL, 0};
    while (at < in.count && chunks->state != ENDED) {
        enum state next;

        if (chunks->state == CONTENT) {
            *out = bytes_first(bytes_from(in, at), chunks->left < in.count ? (size_t)chunks->left : in.count);
            chunks->left -= out->count;
            chunks->state = chunks->left == 0 ? CONTENT_END : CONTENT;
            return (ptrdiff_t)(at + out->count);
        }
        if (!is_within(chunks)) {
            return STATUS_TOO_LARGE;
        }
        next = step(chunks, in.data[at++]);
        if (next == BAD) {
            return STATUS_MALFORMED;
        }
        chunks->state = (uint8_t)next;
    }
    return (ptrdiff_t)in.count;
}

bool chunks_ended(const struct chunks *chunks)
{
    return chunks->state == ENDED;
}
