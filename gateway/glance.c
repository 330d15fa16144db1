/* glance: lines of events as they come, the paths of each dialect that tell something, and what an event's end makes of them. */
#include "gateway/glance.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum place { PLACE_NAME, PLACE_SPACE, PLACE_DATA, PLACE_TYPE, PLACE_OTHER };

/* The names that are looked at. */
#define NAME_TABLE(row)                                                                                                \
    row(NAME_BLOCK_REASON, "blockReason") row(NAME_CANDIDATES, "candidates") row(NAME_CHOICES, "choices") row(NAME_CODE, "code") \
    row(NAME_CONTENT, "content") row(NAME_CONTENT_BLOCK, "content_block") row(NAME_DELTA, "delta")                     \
    row(NAME_ERROR, "error") row(NAME_EXECUTABLE_CODE, "executableCode") row(NAME_FINISH_REASON, "finishReason")       \
    row(NAME_FUNCTION_CALL, "functionCall") row(NAME_FUNCTION_CALL_OLD, "function_call") row(NAME_ID, "id")            \
    row(NAME_INLINE_DATA, "inlineData") row(NAME_ITEM, "item") row(NAME_OUTPUT, "output") row(NAME_PARTIAL_JSON, "partial_json") \
    row(NAME_PARTS, "parts") row(NAME_PROMPT_FEEDBACK, "promptFeedback") row(NAME_REASONING, "reasoning")              \
    row(NAME_REASONING_CONTENT, "reasoning_content") row(NAME_REFUSAL, "refusal") row(NAME_RESPONSE, "response")       \
    row(NAME_SEQUENCE_NUMBER, "sequence_number") row(NAME_STATUS, "status") row(NAME_TEXT, "text")        \
    row(NAME_THINKING, "thinking")                                                                                     \
    row(NAME_TOOL_CALLS, "tool_calls") row(NAME_TYPE, "type")

enum name {
    NAME_NONE,
#define NAME_ROW(enumerator, text) enumerator,
    NAME_TABLE(NAME_ROW)
#undef NAME_ROW
    NAME_COUNT
};

static const char *const names[NAME_COUNT] = {
#define NAME_ROW(enumerator, text) [enumerator] = text,
    NAME_TABLE(NAME_ROW)
#undef NAME_ROW
};

_Static_assert(NAME_COUNT - 1 <= SKIM_NAMES_MAX, "a name has a number of its own");

/* What a value tells. */
enum tells {
    TELLS_TEXT,   /* content, when it is a string that is not empty */
    TELLS_OBJECT, /* content, when it is an object */
    TELLS_CALL,   /* a type: content when it is that of a call */
    TELLS_ERROR,  /* when it is not null */
    TELLS_KIND,   /* of an error: its code, type or status */
    TELLS_END,    /* when it is a string */
    TELLS_BLOCK,  /* as an end; and the client is to see it */
    TELLS_TYPE,
    TELLS_SEQUENCE,
    TELLS_ID,
};

struct telling {
    uint32_t path;
    enum tells tells;
};

enum { TELLINGS_MAX = 16 };

#define ERROR_KINDS                                                                                                    \
    {SKIM_PATH2(NAME_ERROR, NAME_CODE), TELLS_KIND}, {SKIM_PATH2(NAME_ERROR, NAME_TYPE), TELLS_KIND},                    \
    {SKIM_PATH2(NAME_ERROR, NAME_STATUS), TELLS_KIND}

static const struct telling tellings[DIALECT_COUNT][TELLINGS_MAX] = {
    [DIALECT_OPENAI_CHAT] = {{SKIM_PATH3(NAME_CHOICES, NAME_DELTA, NAME_CONTENT), TELLS_TEXT},
                             {SKIM_PATH4(NAME_CHOICES, NAME_DELTA, NAME_CONTENT, NAME_TEXT), TELLS_TEXT},
                             {SKIM_PATH3(NAME_CHOICES, NAME_DELTA, NAME_REASONING_CONTENT), TELLS_TEXT},
                             {SKIM_PATH3(NAME_CHOICES, NAME_DELTA, NAME_REASONING), TELLS_TEXT},
                             {SKIM_PATH3(NAME_CHOICES, NAME_DELTA, NAME_REFUSAL), TELLS_TEXT},
                             {SKIM_PATH3(NAME_CHOICES, NAME_DELTA, NAME_TOOL_CALLS), TELLS_OBJECT},
                             {SKIM_PATH3(NAME_CHOICES, NAME_DELTA, NAME_FUNCTION_CALL_OLD), TELLS_OBJECT},
                             {SKIM_PATH1(NAME_ERROR), TELLS_ERROR},
                             ERROR_KINDS},
    [DIALECT_OPENAI_RESPONSES] = {{SKIM_PATH1(NAME_TYPE), TELLS_TYPE},
                                  {SKIM_PATH1(NAME_SEQUENCE_NUMBER), TELLS_SEQUENCE},
                                  {SKIM_PATH2(NAME_RESPONSE, NAME_ID), TELLS_ID},
                                  {SKIM_PATH1(NAME_DELTA), TELLS_TEXT},
                                  {SKIM_PATH1(NAME_TEXT), TELLS_TEXT},
                                  {SKIM_PATH3(NAME_ITEM, NAME_CONTENT, NAME_TEXT), TELLS_TEXT},
                                  {SKIM_PATH4(NAME_RESPONSE, NAME_OUTPUT, NAME_CONTENT, NAME_TEXT), TELLS_TEXT},
                                  {SKIM_PATH2(NAME_ITEM, NAME_TYPE), TELLS_CALL},
                                  {SKIM_PATH3(NAME_RESPONSE, NAME_OUTPUT, NAME_TYPE), TELLS_CALL},
                                  {SKIM_PATH1(NAME_ERROR), TELLS_ERROR},
                                  {SKIM_PATH1(NAME_CODE), TELLS_KIND},
                                  {SKIM_PATH3(NAME_RESPONSE, NAME_ERROR, NAME_CODE), TELLS_KIND},
                                  ERROR_KINDS},
    [DIALECT_CLAUDE_CHAT] = {{SKIM_PATH1(NAME_TYPE), TELLS_TYPE},
                             {SKIM_PATH2(NAME_DELTA, NAME_TEXT), TELLS_TEXT},
                             {SKIM_PATH2(NAME_DELTA, NAME_THINKING), TELLS_TEXT},
                             {SKIM_PATH2(NAME_DELTA, NAME_PARTIAL_JSON), TELLS_TEXT},
                             {SKIM_PATH2(NAME_CONTENT_BLOCK, NAME_TEXT), TELLS_TEXT},
                             {SKIM_PATH2(NAME_CONTENT_BLOCK, NAME_THINKING), TELLS_TEXT},
                             {SKIM_PATH2(NAME_CONTENT_BLOCK, NAME_TYPE), TELLS_CALL},
                             {SKIM_PATH1(NAME_ERROR), TELLS_ERROR},
                             ERROR_KINDS},
    [DIALECT_GEMINI_CHAT] = {{SKIM_PATH4(NAME_CANDIDATES, NAME_CONTENT, NAME_PARTS, NAME_TEXT), TELLS_TEXT},
                             {SKIM_PATH4(NAME_CANDIDATES, NAME_CONTENT, NAME_PARTS, NAME_FUNCTION_CALL), TELLS_OBJECT},
                             {SKIM_PATH4(NAME_CANDIDATES, NAME_CONTENT, NAME_PARTS, NAME_INLINE_DATA), TELLS_OBJECT},
                             {SKIM_PATH4(NAME_CANDIDATES, NAME_CONTENT, NAME_PARTS, NAME_EXECUTABLE_CODE), TELLS_OBJECT},
                             {SKIM_PATH2(NAME_CANDIDATES, NAME_FINISH_REASON), TELLS_END},
                             {SKIM_PATH2(NAME_PROMPT_FEEDBACK, NAME_BLOCK_REASON), TELLS_BLOCK},
                             {SKIM_PATH1(NAME_ERROR), TELLS_ERROR},
                             ERROR_KINDS},
};

static void begin_event(struct glance *glance)
{
    skim_init(&glance->skim, names, NAME_COUNT - 1);
    glance->event_bytes = 0;
    glance->data_bytes = 0;
    glance->event_type.count = glance->data_type.count = 0;
    glance->shows = glance->is_call = glance->is_error = glance->is_end = false;
    glance->sequence = -1;
}

void glance_init(struct glance *glance, enum glance_form form, enum dialect dialect, uint64_t event_bytes_max)
{
    memset(glance, 0, sizeof *glance);
    glance->form = form;
    glance->dialect = dialect;
    glance->event_bytes_max = event_bytes_max;
    glance->first_line = true;
    glance->error = ERROR_BAD_GATEWAY;
    begin_event(glance);
}

enum status glance_open(struct glance **out, enum glance_form form, enum dialect dialect, uint64_t event_bytes_max)
{
    struct glance *glance;

    if (form == GLANCE_NONE) {
        *out = NULL;
        return STATUS_OK;
    }
    glance = malloc(sizeof *glance);
    if (glance == NULL) {
        return STATUS_NO_MEMORY;
    }
    glance_init(glance, form, dialect, event_bytes_max);
    *out = glance;
    return STATUS_OK;
}

void glance_close(struct glance **glance)
{
    free(*glance);
    *glance = NULL;
}

/* Appends as much as has room. */
static void keep(char *room, size_t room_bytes, size_t *count, struct bytes part)
{
    if (*count < room_bytes) {
        struct bytes fits = bytes_first(part, room_bytes - *count);

        if (fits.count > 0) {
            memcpy(room + *count, fits.data, fits.count);
            *count += fits.count;
        }
    }
}

static void take_id(struct glance *glance, const struct skim_value *value)
{
    if (value->cut || value->text.count > sizeof glance->response_id || bytes_find(value->text, '\\') >= 0) {
        return; /* not one that the API gives */
    }
    glance->response_id_bytes = 0;
    keep(glance->response_id, sizeof glance->response_id, &glance->response_id_bytes, value->text);
}

static void take_sequence(struct glance *glance, struct bytes text)
{
    unsigned long long number;

    if (bytes_number(text, INT32_MAX, &number) == STATUS_OK) {
        glance->sequence = (int64_t)number;
    }
}

/* "function_call", "custom_tool_call", "tool_use", "server_tool_use", "redacted_thinking": what is no plain text. */
static bool is_call(struct bytes type)
{
    return bytes_ends_with(type, BYTES("_call")) || bytes_ends_with(type, BYTES("tool_use")) ||
           bytes_equal(type, BYTES("redacted_thinking"));
}

/* What an upstream calls its errors (spec/wire-formats.md section 3.14). The first that is known decides. */
static const struct {
    struct bytes word;
    enum error_kind kind;
} error_words[] = {
    {{"insufficient_quota", 18}, ERROR_RATE_LIMIT},     {{"rate_limit_exceeded", 19}, ERROR_RATE_LIMIT},
    {{"rate_limit_error", 16}, ERROR_RATE_LIMIT},       {{"RESOURCE_EXHAUSTED", 18}, ERROR_RATE_LIMIT},
    {{"429", 3}, ERROR_RATE_LIMIT},                     {{"overloaded_error", 16}, ERROR_OVERLOADED},
    {{"overloaded", 10}, ERROR_OVERLOADED},             {{"server_is_overloaded", 20}, ERROR_OVERLOADED},
    {{"UNAVAILABLE", 11}, ERROR_OVERLOADED},            {{"503", 3}, ERROR_OVERLOADED},
    {{"timeout_error", 13}, ERROR_TIMEOUT},             {{"DEADLINE_EXCEEDED", 17}, ERROR_TIMEOUT},
    {{"context_length_exceeded", 23}, ERROR_INVALID_REQUEST}, {{"INVALID_ARGUMENT", 16}, ERROR_INVALID_REQUEST},
};

static void take_kind(struct glance *glance, struct bytes word)
{
    for (size_t index = 0; index < sizeof error_words / sizeof error_words[0]; index++) {
        if (glance->error == ERROR_BAD_GATEWAY && bytes_equal(word, error_words[index].word)) {
            glance->error = error_words[index].kind;
        }
    }
}

static void hear(struct glance *glance, enum tells tells, const struct skim_value *value)
{
    bool is_string = value->type == JSON_STRING;

    switch (tells) {
    case TELLS_TEXT:
        glance->shows = glance->shows || (is_string && value->text.count > 0);
        break;
    case TELLS_OBJECT:
        glance->shows = glance->shows || value->type == JSON_OBJECT;
        break;
    case TELLS_CALL:
        glance->is_call = glance->is_call || (is_string && is_call(value->text));
        break;
    case TELLS_ERROR:
        glance->is_error = glance->is_error || value->type != JSON_NULL;
        break;
    case TELLS_KIND:
        take_kind(glance, value->text);
        break;
    case TELLS_BLOCK:
        glance->shows = glance->shows || is_string;
        glance->is_end = glance->is_end || is_string;
        break;
    case TELLS_END:
        glance->is_end = glance->is_end || is_string;
        break;
    case TELLS_TYPE:
        glance->data_type.count = 0;
        keep(glance->data_type.text, sizeof glance->data_type.text, &glance->data_type.count, value->text);
        break;
    case TELLS_SEQUENCE:
        take_sequence(glance, value->text);
        break;
    default: /* TELLS_ID */
        take_id(glance, value);
        break;
    }
}

static void skim_data(struct glance *glance, struct bytes part)
{
    const struct telling *rows = tellings[glance->dialect];
    struct skim_value value;

    while (skim_next(&glance->skim, &part, &value)) {
        for (size_t index = 0; index < TELLINGS_MAX && rows[index].path != 0; index++) {
            if (rows[index].path == value.path) {
                hear(glance, rows[index].tells, &value);
                break;
            }
        }
    }
}

static struct bytes type_of(const struct glance *glance)
{
    return glance->data_type.count > 0 ? (struct bytes){glance->data_type.text, glance->data_type.count}
                                       : (struct bytes){glance->event_type.text, glance->event_type.count};
}

/* OpenAI's responses: the type of an event can begin, end or fail the stream. */
static void read_response_type(struct glance *glance, struct bytes type)
{
    glance->created = glance->created || bytes_equal(type, BYTES("response.created"));
    glance->is_end = bytes_equal(type, BYTES("response.completed")) || bytes_equal(type, BYTES("response.incomplete")) ||
                     bytes_equal(type, BYTES("response.cancelled"));
    glance->is_error = bytes_equal(type, BYTES("response.failed")) || bytes_equal(type, BYTES("error"));
    glance->next_sequence = glance->sequence >= 0 ? glance->sequence + 1 : glance->next_sequence + 1;
}

/* What an event, or a value of the list, adds to the stream. What stands behind an error is no content: whether the two come in
 * one read or in two must make no difference. */
static void add_up(struct glance *glance)
{
    glance->failed = glance->failed || glance->is_error;
    glance->content = glance->content || (!glance->failed && (glance->shows || glance->is_call));
}

/* The event is complete. */
static void conclude(struct glance *glance)
{
    struct bytes data = {glance->data, glance->data_bytes < sizeof glance->data ? glance->data_bytes : sizeof glance->data};
    struct bytes type = type_of(glance);

    glance->event_count++;
    if (glance->dialect == DIALECT_OPENAI_RESPONSES) {
        read_response_type(glance, type);
    } else {
        glance->is_end = glance->is_end || (glance->dialect == DIALECT_CLAUDE_CHAT && bytes_equal(type, BYTES("message_stop")));
        glance->is_error = glance->is_error || bytes_equal(type, BYTES("error"));
    }
    glance->ended = glance->ended || glance->is_end || (glance->data_bytes == 6 && bytes_equal(data, BYTES("[DONE]")));
    add_up(glance);
}

/* A line has come to its end. */
static void end_line(struct glance *glance)
{
    bool blank = glance->place == PLACE_NAME && glance->name_bytes == 0;

    if (glance->place == PLACE_NAME && glance->name_bytes > 0 && glance->name[0] == '{' &&
        glance->dialect == DIALECT_GEMINI_CHAT) {
        glance->failed = true; /* its errors come without "data:" */
    }
    if (blank) {
        if (glance->data_bytes > 0) {
            conclude(glance);
        }
        begin_event(glance);
    }
    if (glance->place == PLACE_DATA) {
        skim_data(glance, BYTES("\n"));
    }
    glance->place = PLACE_NAME;
    glance->name_bytes = 0;
    glance->first_line = false;
}

/* The field's name is complete. */
static void begin_value(struct glance *glance)
{
    struct bytes name = {glance->name, glance->name_bytes};

    if (glance->first_line && bytes_starts_with(name, BYTES("\xEF\xBB\xBF"))) {
        name = bytes_from(name, 3);
    }
    glance->place = bytes_equal(name, BYTES("data")) || bytes_equal(name, BYTES("event")) ? PLACE_SPACE : PLACE_OTHER;
    if (glance->dialect == DIALECT_GEMINI_CHAT && name.count > 0 && name.data[0] == '{') {
        glance->failed = true; /* its errors come without "data:" */
    }
    glance->name[0] = name.count > 0 ? name.data[0] : '\0'; /* all that the value needs to know */
}

/* A part of the line's value, without its end. */
static void take_value(struct glance *glance, struct bytes part)
{
    if (glance->place == PLACE_SPACE && part.count > 0) {
        glance->place = glance->name[0] == 'd' ? PLACE_DATA : PLACE_TYPE;
        glance->event_type.count = glance->place == PLACE_TYPE ? 0 : glance->event_type.count;
        part = part.data[0] == ' ' ? bytes_from(part, 1) : part;
    }
    if (glance->place == PLACE_DATA) {
        size_t kept = glance->data_bytes;

        keep(glance->data, sizeof glance->data, &kept, part);
        glance->data_bytes += part.count;
        skim_data(glance, part);
    } else if (glance->place == PLACE_TYPE) {
        keep(glance->event_type.text, sizeof glance->event_type.text, &glance->event_type.count, part);
    }
}

/* A part of one line, without its end. */
static void take_line(struct glance *glance, struct bytes part)
{
    ptrdiff_t colon;

    if (glance->place != PLACE_NAME) {
        take_value(glance, part);
        return;
    }
    colon = bytes_find(part, ':');
    keep(glance->name, sizeof glance->name, &glance->name_bytes, colon < 0 ? part : bytes_first(part, (size_t)colon));
    if (colon >= 0) {
        begin_value(glance);
        take_value(glance, bytes_from(part, (size_t)colon + 1));
    }
}

static enum status follow_events(struct glance *glance, struct bytes chunk)
{
    while (chunk.count > 0) {
        size_t count = 0;

        while (count < chunk.count && chunk.data[count] != '\n' && chunk.data[count] != '\r') {
            count++;
        }
        if (count > 0) {
            glance->after_cr = false;
            take_line(glance, bytes_first(chunk, count));
        }
        glance->event_bytes += count < chunk.count ? count + 1 : count;
        if (glance->event_bytes > glance->event_bytes_max) {
            return STATUS_TOO_LARGE;
        }
        if (count < chunk.count) {
            bool is_half = glance->after_cr && chunk.data[count] == '\n'; /* of CR LF */

            if (!is_half) {
                end_line(glance);
            }
            glance->after_cr = chunk.data[count] == '\r';
            count++;
        }
        chunk = bytes_from(chunk, count);
    }
    return STATUS_OK;
}

/* Values of the list are its events. Only where the list stands is looked at, and what its values tell. */
static void follow_list(struct glance *glance, struct bytes chunk)
{
    bool was_begun = glance->skim.depth > 0;

    skim_data(glance, chunk);
    if (skim_is_lost(&glance->skim) || (!was_begun && glance->skim.depth > 0 && (glance->skim.objects & 1) != 0)) {
        glance->form = GLANCE_NONE; /* a plain answer, or no JSON */
        return;
    }
    glance->ended = skim_is_whole(&glance->skim);
    add_up(glance);
}

enum status glance_follow(struct glance *glance, struct bytes chunk)
{
    switch (glance == NULL ? GLANCE_NONE : glance->form) {
    case GLANCE_EVENTS:
        return follow_events(glance, chunk);
    case GLANCE_LIST:
        follow_list(glance, chunk);
        return STATUS_OK;
    default:
        return STATUS_OK;
    }
}

void glance_finish(struct glance *glance)
{
    bool done = glance->data_bytes == 6 && memcmp(glance->data, "[DONE]", 6) == 0;

    if (glance->form == GLANCE_EVENTS && glance->data_bytes > 0 && (done || skim_is_whole(&glance->skim))) {
        conclude(glance);
        begin_event(glance);
    }
}

struct bytes glance_response_id(const struct glance *glance)
{
    return (struct bytes){glance->response_id, glance->response_id_bytes};
}
