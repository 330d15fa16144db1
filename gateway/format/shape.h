/* shape: walks a request along tables of what each of its objects may hold; the same for every dialect.
 *
 * A reader of a dialect has a table for each kind of object: the name of a member, and what reads its value. Readers
 * give text to the extraction or refuse; whatever no table names goes to shape_unknown(), so that nothing is passed
 * over. What is wrong is said with its place, which the walk always knows:
 *
 *   messages[3].content[1].image_url.url
 *   array[index].list[item].inner.member
 *
 * All readers: STATUS_OK, or a refusal (STATUS_MALFORMED, STATUS_UNSUPPORTED) of which the walk's problem tells.
 * Failures of the extraction stay with it (extract_finish). Thread: any.
 */
#ifndef GATEWAY_FORMAT_SHAPE_H
#define GATEWAY_FORMAT_SHAPE_H

#include "gateway/format/extract.h"
#include "gateway/format/problem.h"
#include "proto/json.h"
#include "proto/settings.h"
#include "proto/status.h"

struct shape_walk {
    const struct json *json; /* all three are borrowed for the walk */
    struct extract *extract;
    struct problem *problem;     /* set by a refusal */
    enum unknown_choice unknown; /* the profile's */
    const char *array;           /* "messages" while inside it, or NULL; the next likewise */
    size_t index;
    const char *list;
    size_t item;
    const char *inner;
};

/* A member that is known in objects of the kinds in `owners` (bits of the table's own meaning). */
struct shape_member {
    const char *name;
    unsigned owners;
    enum status (*read)(struct shape_walk *walk, const struct json_token *value, const char *name);
};
enum { SHAPE_ANY = 0x7FFFFFFF }; /* owners: all kinds */

/* Refuses what stands at the member `name` of where the walk is; NULL = the place itself. Returns `status`. */
enum status shape_refuse(const struct shape_walk *walk, enum status status, const char *name, const char *sentence);

/* A value of which nobody knows what it is: no text can be in a number; the rest is scanned whole or refused, as the
 * profile says. */
MUST_CHECK enum status shape_unknown(struct shape_walk *walk, const struct json_token *value, const char *name);

/* A known member with a value of another type: a container is scanned where the profile scans; the rest is refused. */
MUST_CHECK enum status shape_wrong_type(struct shape_walk *walk, const struct json_token *value, const char *name,
                                        const char *sentence);

/* Every member of an object by the table. A member that is null is as if it were not there. */
MUST_CHECK enum status shape_members(struct shape_walk *walk, const struct json_token *object,
                                     const struct shape_member *members, size_t member_count, unsigned owner);

/* The same for an object inside an item, which may hold all of the table. */
MUST_CHECK enum status shape_inner(struct shape_walk *walk, const struct json_token *value, const char *name,
                                   const struct shape_member *members, size_t member_count);

/* Every item of the array `list`, which is the member `name`. */
MUST_CHECK enum status shape_list(struct shape_walk *walk, const struct json_token *list, const char *name,
                                  enum status (*read)(struct shape_walk *walk, const struct json_token *item));

/* Readers for tables. */
enum status shape_text(struct shape_walk *walk, const struct json_token *value, const char *name); /* of the message */
enum status shape_line(struct shape_walk *walk, const struct json_token *value, const char *name); /* a name */
enum status shape_file_name(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_image(struct shape_walk *walk, const struct json_token *value, const char *name); /* extract_media */
enum status shape_audio(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_file(struct shape_walk *walk, const struct json_token *value, const char *name);
/* At most IDENTIFIER_BYTES_MAX bytes of ASCII without a space or an escape; any other string is unknown text. */
enum status shape_identifier(struct shape_walk *walk, const struct json_token *value, const char *name);
enum status shape_string(struct shape_walk *walk, const struct json_token *value, const char *name);   /* not judged */
enum status shape_anything(struct shape_walk *walk, const struct json_token *value, const char *name); /* not judged */

#endif
