/* shape: walks a request along tables of what each of its objects may hold; the same for every dialect.
 *
 * A reader of a dialect has a table for each kind of object: the name of a member, and what reads its value. Readers
 * give text to the extraction or refuse; whatever no table names goes to shape_unknown(), so that nothing is passed
 * over. What is wrong is said with its place, which the walk always knows:
 *
 *   messages[3].content[1].image_url.url      one step for each list and each object inside
 *
 * All readers: STATUS_OK, or a refusal (STATUS_MALFORMED, STATUS_UNSUPPORTED) of which the walk's problem tells.
 * Failures of the extraction stay with it (extract_finish). Thread: any.
 */
#ifndef GATEWAY_FORMAT_SHAPE_H
#define GATEWAY_FORMAT_SHAPE_H

#include "gateway/format/extract.h"
#include "gateway/format/problem.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

struct shape_walk {
    const struct json *json; /* all three are borrowed for the walk */
    struct extract *extract;
    struct problem *problem;     /* set by a refusal */
    enum unknown_choice unknown; /* the profile's */
    const struct json_token *model; /* found by the walk: a string, or NULL where the path names it */
    bool stream;                    /* found by the walk, as far as the body says it */
    size_t depth;
    struct shape_place {
        const char *name;
        size_t index; /* SHAPE_NO_INDEX = an object and no list */
    } places[SHAPE_DEPTH_MAX];
};
#define SHAPE_NO_INDEX SIZE_MAX

/* A member that is known in objects of the kinds in `owners` (bits of the table's own meaning). */
struct shape_member {
    const char *name;
    unsigned owners;
    enum status (*read)(struct shape_walk *walk, const struct json_token *value, const char *name);
};
enum { SHAPE_ANY = 0x7FFFFFFF }; /* owners: all kinds */

/* Refuses what stands at the member `name` of where the walk is; NULL = the place itself. Returns `status`. */
enum status shape_refuse(const struct shape_walk *walk, enum status status, const char *name, const char *sentence);

/* The same for what is not judged, where the profile lets nothing of that kind through (extract_refused). */
enum status shape_refuse_unjudged(const struct shape_walk *walk, const char *name);

/* A value of which nobody knows what it is: no text can be in a number; the rest is scanned whole or refused, as the
 * profile says. */
MUST_CHECK enum status shape_unknown(struct shape_walk *walk, const struct json_token *value, const char *name);

/* A known member with a value of another type: a container is scanned where the profile scans; the rest is refused. */
MUST_CHECK enum status shape_wrong_type(struct shape_walk *walk, const struct json_token *value, const char *name,
                                        const char *sentence);

/* Every member of an object by the table. A member that is null is as if it were not there. */
MUST_CHECK enum status shape_members(struct shape_walk *walk, const struct json_token *object,
                                     const struct shape_member *members, size_t member_count, unsigned owner);

/* One object deeper, and back: for readers that look at it themselves. */
void shape_enter(struct shape_walk *walk, const char *name);
void shape_leave(struct shape_walk *walk);

/* The same for an object at the member `name`, which may hold all of the table. */
MUST_CHECK enum status shape_inner(struct shape_walk *walk, const struct json_token *value, const char *name,
                                   const struct shape_member *members, size_t member_count);

/* Every item of the array `list`, which is the member `name`. */
MUST_CHECK enum status shape_list(struct shape_walk *walk, const struct json_token *list, const char *name,
                                  enum status (*read)(struct shape_walk *walk, const struct json_token *item));

/* Text of the message: a string, or a list of parts. */
MUST_CHECK enum status shape_content(struct shape_walk *walk, const struct json_token *value, const char *name,
                                     enum status (*read)(struct shape_walk *walk, const struct json_token *part));

/* Define a reader for tables out of one for each part, item or message. */
#define SHAPE_CONTENT(reader, read_part) SHAPE_READER(reader, shape_content, read_part)
#define SHAPE_LIST(reader, read_item) SHAPE_READER(reader, shape_list, read_item)
#define SHAPE_MESSAGES(reader, read_message) SHAPE_READER(reader, shape_messages, read_message)
#define SHAPE_READER(reader, shape, read_one)                                                                            \
    static enum status reader(struct shape_walk *walk, const struct json_token *value, const char *name)                 \
    {                                                                                                                    \
        return shape(walk, value, name, read_one);                                                                       \
    }

/* An item whose member `type` says what it may hold: the members whose owners have a bit of its kind. */
struct shape_kind {
    const char *name;
    unsigned bit;
    const char *required; /* a member that must be there, or NULL */
    unsigned role;        /* whose words it holds, where they are not those of the message; or 0 */
};
struct shape_item {
    const struct shape_kind *kinds;
    size_t kind_count;
    const struct shape_member *members;
    size_t member_count;
};

/* One item. Of a type that is unknown, its text is judged beside that of its neighbours, as a server that knows it may
 * read it, and all its strings once more; or it is refused, as the profile says. */
MUST_CHECK enum status shape_item(struct shape_walk *walk, const struct json_token *item, const struct shape_item *shape);

/* The body's root: known members to their readers, each of which begins and ends its own message (NULL: settings, which
 * nobody reads). Strings under all others are judged: many servers have fields of their own beside the known ones. */
struct shape_field {
    const char *name;
    enum status (*read)(struct shape_walk *walk, const struct json_token *value, const char *name);
};
MUST_CHECK enum status shape_root(struct shape_walk *walk, const struct json_token *root,
                                  const struct shape_field *fields, size_t field_count);

/* Such readers: what tools and answers are described by, and settings that may reach the model. */
enum status shape_root_definitions(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_root_setting(struct shape_walk *walk, const struct json_token *value, const char *name);

/* The root of a dialect where `model` and the list `messages` must be there, and `stream` may be. */
MUST_CHECK enum status shape_conversation(struct shape_walk *walk, const struct json_token *root, const char *messages,
                                          const struct shape_field *fields, size_t field_count);

/* A list of 1 to MESSAGES_MAX messages. */
MUST_CHECK enum status shape_messages(struct shape_walk *walk, const struct json_token *list, const char *name,
                                      enum status (*read)(struct shape_walk *walk, const struct json_token *message));

/* A member of the root that must be a string when it is there; NULL into *out when it is not. */
MUST_CHECK enum status shape_find_string(struct shape_walk *walk, const struct json_token *root, const char *name,
                                         const struct json_token **out);

/* A member of the root that is true or false; false when it is not there. */
MUST_CHECK enum status shape_find_flag(struct shape_walk *walk, const struct json_token *root, const char *name,
                                       bool *out);

/* Readers for tables. */
enum status shape_text(struct shape_walk *walk, const struct json_token *value, const char *name); /* of the message */
enum status shape_line(struct shape_walk *walk, const struct json_token *value, const char *name); /* a name */
enum status shape_file_name(struct shape_walk *walk, const struct json_token *value, const char *name);
/* A file that is not here: counted, and its address is read as its name is. */
enum status shape_file_url(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_image(struct shape_walk *walk, const struct json_token *value, const char *name); /* extract_media */
enum status shape_audio(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_file(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_values(struct shape_walk *walk, const struct json_token *value, const char *name); /* extract_values */
/* At most IDENTIFIER_BYTES_MAX bytes of ASCII without a space or an escape; any other string is unknown text. */
enum status shape_identifier(struct shape_walk *walk, const struct json_token *value, const char *name);
/* The id of a file or an image that lies with the provider: counted as not judged. */
enum status shape_file_id(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_image_id(struct shape_walk *walk, const struct json_token *value, const char *name);
/* What a tool is called by and with: every string of a value, a string, or every string of the JSON in a string. */
enum status shape_called(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_called_text(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_called_json(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_thoughts(struct shape_walk *walk, const struct json_token *value, const char *name); /* scope reasoning */
enum status shape_definitions(struct shape_walk *walk, const struct json_token *value, const char *name); /* tool_def */
/* Settings of the API: its strings are identifiers, or text in disguise (extract_settings). */
enum status shape_setting(struct shape_walk *walk, const struct json_token *value, const char *name);
/* A signature, or words that only the provider can read: base64, which is not judged; any other string is text. */
enum status shape_sealed(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_string(struct shape_walk *walk, const struct json_token *value, const char *name);   /* not judged */
enum status shape_anything(struct shape_walk *walk, const struct json_token *value, const char *name); /* not judged */

#endif
