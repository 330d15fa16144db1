/* settings_table: one row a key of prismguard.yaml; everything that is known about a key stands in its row.
 *
 * Paths: "gateway.limits.connections", "routes[].path" (of each item), "profiles.*.model.low" (of each profile). A row's
 * offset counts from struct settings, or from that of a route, a profile or a key, as its path says (its scope).
 *
 * Of the parts of proto/settings.c, for them and their tests. Thread: any; the table is constant.
 */
#ifndef PROTO_SETTINGS_TABLE_H
#define PROTO_SETTINGS_TABLE_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum setting_scope { SETTING_OF_FILE, SETTING_OF_ROUTE, SETTING_OF_PROFILE, SETTING_OF_KEY };

enum setting_type {
    /* min and max are of the number, in its unit */
    SETTING_NUMBER, /* uint64_t; with `automatic`, "auto" is SETTINGS_AUTO */
    SETTING_BYTES,  /* uint64_t, in bytes: B, KiB, MiB */
    SETTING_BYTE_RATE, /* uint64_t, in bytes a second: B/s, KiB/s, MiB/s */
    SETTING_TIME,   /* uint64_t, in milliseconds: ms, s, m, h */
    SETTING_SHARE,  /* double, 0 to 1 */
    SETTING_RATE,   /* struct rate_settings: number/s, /m or /h; with `automatic`, "off" is a count of 0 */
    /* no min, no max */
    SETTING_BOOLEAN, /* bool */
    SETTING_CHOICE,  /* an enum (int): one of `choices` */
    /* char[]; min and max are of its length in bytes */
    SETTING_TEXT,         /* printable */
    SETTING_NAME,         /* a profile's name, or "none" */
    SETTING_LABEL,        /* letters, digits, - and _ */
    SETTING_SHA256,       /* 64 hexadecimal digits */
    SETTING_PREFIX,       /* a route's path */
    SETTING_LISTEN,       /* host:port; with `automatic`, "off" is the empty string */
    SETTING_LISTEN_ANY,   /* host:port, or unix:/path */
    SETTING_UPSTREAM,     /* URL without query */
    SETTING_URL,          /* URL */
    SETTING_FILE,         /* a file; relative to the folder of prismguard.yaml */
    SETTING_FOLDER,       /* a folder; relative as a file is; with `automatic`, "off" is the empty string */
    SETTING_PROFILE_FILE, /* a file; relative to profiles/NAME/ in that folder */
    SETTING_BIND,         /* a ZeroMQ endpoint to bind */
    /* lists; min and max are of the number of items; `item` says what one is, `item_bytes` its room, terminator counted */
    SETTING_LIST,
    SETTING_CHOICES, /* unsigned: the bits of several of `choices` */
    /* of an item only */
    SETTING_CONNECT, /* a ZeroMQ endpoint to connect to */
    SETTING_MODEL,   /* a model's name: printable, no space */
    SETTING_HOST,    /* a name, an IPv4 address, or an IPv6 address in brackets */
    SETTING_URL_HOST, /* [http[s]://]host[:port][/prefix] */
    SETTING_NETWORK, /* addresses of one prefix (proto/network.h), or "unix" */
};

struct setting_choice {
    const char *name; /* NULL ends the list */
    int value;
};

struct setting {
    const char *path;
    enum setting_type type;
    bool automatic; /* "auto" (numbers) or "off" (texts) is allowed too */
    bool required;  /* has no default: each route, or key, must say it */
    bool live;      /* of SETTING_OF_FILE: a reload changes it; routes, profiles and keys are live as they are */
    uint64_t min;
    uint64_t max;
    const char *fallback; /* the default, as it would be written in the file; items of lists apart by ", " */
    const char *sentence;
    const struct setting_choice *choices;
    size_t offset;
    size_t count_offset; /* SETTING_LIST: of its size_t count */
    enum setting_type item;
    size_t item_bytes;
};

size_t settings_table_count(void);
const struct setting *settings_table_row(size_t index);

/* The row with this path, NULL when there is none. */
const struct setting *settings_table_find(struct bytes path);

/* Whether `path` is the beginning of a row's path, up to a dot, "[]" or ".*": a section of the file. "" is one. */
bool settings_table_is_section(struct bytes path);

/* Appends the names allowed in a section: "listen, admin_listen, threads". STATUS_TOO_LARGE, STATUS_NO_MEMORY. */
MUST_CHECK enum status settings_table_children(struct bytes section, struct buffer *out);

enum setting_scope setting_scope(const struct setting *row);

/* Whether a reload changes it (proto/settings_keep.h); the others wait for the next start. */
bool setting_is_live(const struct setting *row);

/* Appends PRISMGUARD_GATEWAY_LISTEN for "gateway.listen". Only rows of SETTING_OF_FILE have one. */
MUST_CHECK enum status setting_environment(const struct setting *row, struct buffer *out);

/* Appends what is allowed, in words: "auto or 1 to 64". */
MUST_CHECK enum status setting_allowed(const struct setting *row, struct buffer *out);

/* Appends a number in its unit as a person would write it: 65536 -> "64KiB", 90000 -> "90s", 7 -> "7". */
MUST_CHECK enum status setting_number(enum setting_type type, uint64_t number, struct buffer *out);

#endif
