/* extract: gathers what is to be judged in a request, message by message, and hands it over in segments.
 *
 * The reader of a dialect (gateway/format/chat_request) knows the shapes and says what each string is; what is in
 * scope, how pieces are joined and what no text model can read is decided here, the same for every dialect
 * (spec/wire-formats.md section 5).
 *
 *   extract_begin(user)                           segments, each with its role and a line feed at its end
 *     text "forb"  text "idden"                     user      "forbidden\n"        pieces of one message touch: a word
 *     file name "a.txt"  data "aGVsbG8="            document  "a.txt\nhello\n"     split over two hides nothing
 *     strings of a shape that nobody knows          user      one a line, whatever the scope says
 *     image                                         -         counted
 *   extract_end()
 *
 * Pieces of two messages never touch: whoever reads a conversation reads its messages apart.
 *
 * Nothing is ever cut: text beyond the bound is STATUS_TOO_LARGE. Like a json_writer it remembers its first failure,
 * and everything after that does nothing: one look at extract_finish() is enough.
 *
 * Not judged, but counted: images, audio, files that are not text, and, in unknown shapes only, runs of base64 of 1 KiB
 * and more that hold no text, and such data URLs. Strings that a model is known to read as text are judged even when they
 * look like base64: "how_to_build_..." does as well.
 *
 * Thread: any, one at a time.
 */
#ifndef GATEWAY_FORMAT_EXTRACT_H
#define GATEWAY_FORMAT_EXTRACT_H

#include "proto/json.h"
#include "proto/message.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>

struct extract;

struct extract_options {
    unsigned scope_roles;  /* bits of enum scope_role */
    enum since_choice since;
    enum images_choice images;
    size_t text_bytes_max; /* of all segments together, their line feeds included */
    /* Takes a segment; its text is lent during the call. A failure ends the extraction. */
    enum status (*add)(void *context, const struct segment *segment);
    void *context;
};

struct extract_result {
    size_t segment_count;
    size_t text_bytes;
    size_t image_count; /* not judged */
    size_t audio_count;
    size_t file_count;
    size_t encoded_count; /* runs of base64 in unknown shapes */
};

/* STATUS_NO_MEMORY. */
MUST_CHECK enum status extract_open(struct extract **out, const struct extract_options *options);
void extract_close(struct extract **extract);

/* A message of somebody: one bit of enum scope_role, or 0 for a message whose role nobody knows: it is judged as the
 * user's, whatever the scope says. */
void extract_begin(struct extract *extract, unsigned role);
void extract_end(struct extract *extract);

/* Messages that begin from now on are turns of the conversation, or are not. */
void extract_turns(struct extract *extract, bool follow);

/* With SINCE_LAST_ASSISTANT a request is walked twice: the first time to count its turns, and nothing else; then, of the turns up
 * to the assistant's last one, only the system's words are judged. */
bool extract_counts_turns(const struct extract *extract);
void extract_turns_counted(struct extract *extract);

/* Whose words follow, where one message holds those of several (the result of a tool in a user's message). What each of
 * them says stays in one segment. Returns the role until now, to go back to. */
unsigned extract_role(struct extract *extract, unsigned role);

/* Between the two. Tokens are strings but where it says otherwise. */

/* Text of the message itself; touches what came before. */
void extract_text(struct extract *extract, const struct json *json, const struct json_token *text);

/* The same on a line of its own (the name of a speaker). */
void extract_line(struct extract *extract, const struct json *json, const struct json_token *text);

/* The name of a file: scope_role document. */
void extract_file_name(struct extract *extract, const struct json *json, const struct json_token *name);

/* Every string value under a token of any type: of a shape that nobody knows; beside all messages, a message of its own. Keys
 * that are no identifiers are text too, here and below. */
void extract_strings(struct extract *extract, const struct json *json, const struct json_token *value);

/* The key of a member that nobody knows: text, where it is no identifier. */
void extract_key(struct extract *extract, const struct json *json, const struct json_token *key);

/* At most IDENTIFIER_BYTES_MAX bytes of printable ASCII without a space: not a sentence. Some writers escape each slash. */
bool extract_is_identifier(const struct json *json, const struct json_token *string);

/* The same for settings of the API, whose strings are identifiers: those that are none. */
void extract_settings(struct extract *extract, const struct json *json, const struct json_token *value);

/* The same for a value of free shape that is somebody's words (what a tool returned): each string is a line of the role.
 * Runs of base64 may stand in it (`encoded`), or are words like all others. */
enum encoded { ENCODED_COUNTED, ENCODED_JUDGED };
void extract_values(struct extract *extract, const struct json *json, const struct json_token *value,
                    enum encoded encoded);

/* JSON in a string (what a tool is called with): the values in it as by extract_values. What is no JSON is a line of text. */
void extract_json_text(struct extract *extract, const struct json *json, const struct json_token *text);

enum media { MEDIA_IMAGE, MEDIA_AUDIO, MEDIA_FILE };

/* The content of an image, a recording or a file: a URL, a data URL or, but for images, bare base64. What is text by
 * its label, or is valid UTF-8, is judged as a document; the rest is counted, and what is labelled as an image or a recording
 * always. A URL is judged with scope_role media_url. False, and nothing is done, when it
 * is none of these: then it is a string that nobody knows. */
bool extract_media(struct extract *extract, const struct json *json, const struct json_token *content,
                   enum media media);

/* Bare base64 with its media type beside it, which is believed as that of a data URL is; empty = none. False, and nothing
 * is done, when it is no base64. */
bool extract_encoded(struct extract *extract, const struct json *json, const struct json_token *content,
                     struct bytes media_type);

/* The same with the media type as a token, however it is escaped; NULL, or what is no string: none. */
bool extract_encoded_as(struct extract *extract, const struct json *json, const struct json_token *content,
                        const struct json_token *media_type);

/* Something whose content is not here (a file named by its id). */
void extract_count(struct extract *extract, enum media media);

/* How many things of it were not judged. */
size_t extract_unjudged(const struct extract_result *result);

/* Whether there was one until now, and `images` refuses that. */
bool extract_refused(const struct extract *extract);

/* STATUS_OK, or the first failure: STATUS_TOO_LARGE (text_bytes_max), STATUS_NO_MEMORY, or what `add` said. */
MUST_CHECK enum status extract_finish(const struct extract *extract, struct extract_result *out);

#endif
