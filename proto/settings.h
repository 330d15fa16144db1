/* settings: prismguard.yaml into structs, by one table.
 *
 * The table (proto/settings_table.c) has one row a key: path, type, unit, minimum, maximum, default, sentence. It feeds
 * the reader, --check, the environment names (PRISMGUARD_GATEWAY_LISTEN) and the README's table. An unknown key, a bad
 * value or a bad unit refuses the file, with file:line, the key, what was found and what is allowed.
 *
 * Shapes: strings are terminated arrays inside the struct; sizes are bytes; times are milliseconds (`_ms`). Names of files are
 * absolute: relative ones are taken from the folder of prismguard.yaml, keywords and prompts from profiles/NAME/ in it.
 * Thread: read whole at start; afterwards the struct is constant and may be read by any thread.
 */
#ifndef PROTO_SETTINGS_H
#define PROTO_SETTINGS_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { SETTINGS_AUTO = 0 }; /* `threads: auto` */
enum { SETTINGS_DIGEST_BYTES = 16 }; /* hexadecimal digits */
enum { SETTINGS_SHA256_DIGITS = 64 };

struct endpoints {
    size_t count;
    char at[ENDPOINTS_MAX][PATH_BYTES_MAX + 1]; /* tcp://host:port, ipc:///path or inproc://name */
};

/* Whose addresses may be private ones. */
struct private_hosts {
    size_t count;
    char at[PRIVATE_HOSTS_MAX][HOST_NAME_BYTES_MAX + 1]; /* names or addresses; or one alone: "true" (all) or "false" (none) */
};

/* Upstreams that a URL may name: [http[s]://]host[:port][/prefix], https where it says nothing. */
struct url_hosts {
    size_t count;
    char at[URL_HOSTS_MAX][PATH_BYTES_MAX + 1];
};

struct limit_settings {
    uint64_t connections;
    uint64_t connections_per_address;
    uint64_t connection_requests;
    uint64_t keep_alive_ms;
    uint64_t header_line_bytes;
    uint64_t header_bytes;
    uint64_t header_fields;
    uint64_t request_bytes;
    uint64_t moderated_text_bytes;
    uint64_t body_budget_bytes;
    uint64_t in_flight;
    uint64_t header_time_ms;
    uint64_t body_time_ms;
    uint64_t body_rate_bytes; /* a second; 0 = none */
    uint64_t decoders;
    uint64_t write_stall_ms;
    uint64_t relay_buffer_bytes; /* high water; low water is half of it */
    uint64_t upstream_buffer_bytes;
    uint64_t sse_event_bytes;
    uint64_t stream_budget_bytes;
    uint64_t response_bytes;
    uint64_t upstream_connections;
    uint64_t upstream_idle;
    uint64_t resolve_ms;
    uint64_t connect_ms;
    uint64_t first_byte_ms;
    uint64_t idle_ms;
    uint64_t total_plain_ms;
    uint64_t total_ms;
    uint64_t drain_lead_ms;
    uint64_t drain_ms;
    uint64_t memory_bytes; /* 0 = the container's limit */
};

struct gateway_settings {
    char listen[PATH_BYTES_MAX + 1];       /* host:port, port 0 picks one (tests read it from the log); or unix:/path */
    char admin_listen[PATH_BYTES_MAX + 1]; /* empty = off */
    uint64_t threads;                      /* SETTINGS_AUTO = one per core */
    bool open;                             /* callers without keys allowed beyond loopback */
    struct private_hosts allow_private_upstreams;
    bool debug_headers;
    bool url_config; /* PrismGuard's URL forms (gateway/url_config.h) */
    struct url_hosts url_config_hosts;
    char url_config_floor[PROFILE_NAME_BYTES_MAX + 1]; /* a profile's name */
    size_t trusted_proxy_count;
    char trusted_proxies[TRUSTED_PROXIES_MAX][NETWORK_TEXT_BYTES_MAX + 1]; /* networks (proto/network.h), or "unix" */
    struct limit_settings limits;
};

/* So many in so much time, and as many at once. */
struct rate_settings {
    uint64_t count; /* 0 = no bound */
    uint64_t period_ms;
};

/* A caller of the gateway, known by a key of which only the hash is here. */
struct key_settings {
    char name[PROFILE_NAME_BYTES_MAX + 1];
    char sha256[SETTINGS_SHA256_DIGITS + 1]; /* of the key, lower-case hexadecimal */
    struct rate_settings rate;
    uint64_t in_flight; /* SETTINGS_AUTO = no bound of its own */
    size_t route_count; /* 0 = all routes */
    char routes[KEY_ROUTES_MAX][KEY_ROUTE_BYTES_MAX + 1]; /* their paths */
    unsigned line;
};

/* API formats: a bit each, in the order of gateway/format/dialect.h. */
enum format_choice {
    FORMAT_SAME = 0, /* `to`: as the client speaks */
    FORMAT_OPENAI_CHAT = 1 << 0,
    FORMAT_OPENAI_RESPONSES = 1 << 1,
    FORMAT_CLAUDE_CHAT = 1 << 2,
    FORMAT_GEMINI_CHAT = 1 << 3,
    FORMAT_AUTO = FORMAT_OPENAI_CHAT | FORMAT_OPENAI_RESPONSES | FORMAT_CLAUDE_CHAT | FORMAT_GEMINI_CHAT, /* `from`: any */
};

enum serve_choice { SERVE_UPSTREAM, SERVE_MODERATIONS };

struct route_settings {
    char path[PATH_BYTES_MAX + 1];     /* prefix, begins with '/' */
    char upstream[PATH_BYTES_MAX + 1]; /* http(s)://host[:port][/prefix], no query, no user; empty = none, as `serve` says */
    enum serve_choice serve;
    char key_file[PATH_BYTES_MAX + 1]; /* empty = the caller's credential is passed on; absolute once read, as every _file */
    unsigned from; /* bits of enum format_choice */
    enum format_choice to;
    size_t model_count;
    char models[ROUTE_MODELS_MAX][PROFILE_NAME_BYTES_MAX + 1]; /* none: the upstream is asked which there are */
    bool delay_stream_header;
    char moderation[PROFILE_NAME_BYTES_MAX + 1]; /* a profile's name, or "none" */
    unsigned line;                               /* in the file, for errors found later */
};

struct pool_settings {
    char bind[PATH_BYTES_MAX + 1];
    uint64_t queue_jobs;
    uint64_t queue_bytes;
    uint64_t queue_age_ms;
    uint64_t deadline_local_ms;
    uint64_t deadline_review_ms;
    uint64_t peers;
};

enum undecided { UNDECIDED_MODEL, UNDECIDED_BLOCK, UNDECIDED_ALLOW };
enum when_unavailable { WHEN_UNAVAILABLE_BLOCK, WHEN_UNAVAILABLE_ALLOW };
enum when_full { WHEN_FULL_UNDECIDED, WHEN_FULL_BLOCK };
enum model_kind { MODEL_KIND_NONE, MODEL_KIND_HASHLINEAR, MODEL_KIND_BOW, MODEL_KIND_FASTTEXT, MODEL_KINDS };
enum store_choice { STORE_TEXT, STORE_HASH, STORE_OFF };
/* How a model's weights are kept, in its file and in memory; int8: rounded to 255 steps of one scale. */
enum model_storage { MODEL_FLOAT32 = 0, MODEL_INT8 = 1 };

enum sampling_choice { SAMPLING_BALANCED, SAMPLING_LATEST, SAMPLING_RANDOM };
enum unknown_choice { UNKNOWN_SCAN, UNKNOWN_BLOCK };
enum images_choice { IMAGES_ALLOW, IMAGES_BLOCK };
enum since_choice { SINCE_ALL, SINCE_LAST_ASSISTANT };

/* Whose words are judged: a bit a role (spec/wire-formats.md section 5). A tool's words are what it returned, and what it was
 * called with: its name and its arguments. */
enum scope_role {
    SCOPE_SYSTEM = 1 << 0,
    SCOPE_USER = 1 << 1,
    SCOPE_TOOL = 1 << 2,
    SCOPE_DOCUMENT = 1 << 3,
    SCOPE_ASSISTANT = 1 << 4,
    SCOPE_REASONING = 1 << 5, /* of the assistant */
    SCOPE_TOOL_DEF = 1 << 6,  /* names, descriptions and schemas of tools and of the answer */
    SCOPE_MEDIA_URL = 1 << 7, /* where images, recordings and files are to be fetched */
};

struct review_settings {
    char url[PATH_BYTES_MAX + 1]; /* empty = no review */
    size_t model_count;
    char models[MODELS_MAX][PROFILE_NAME_BYTES_MAX + 1];
    char key_file[PATH_BYTES_MAX + 1];
    char prompt_file[PATH_BYTES_MAX + 1]; /* empty = built in; absolute once read: profiles/NAME/ beside the file is prefixed */
    double sample_rate;                   /* 0 to 1 */
    uint64_t timeout_ms;
    uint64_t retries; /* calls after the first, for one request */
    uint64_t concurrency;
    enum when_full when_full;
};

/* What was found out about texts of late. */
struct cache_settings {
    uint64_t entries; /* 0 = every text is judged anew */
    uint64_t ttl_ms;
};

struct training_settings {
    uint64_t min_samples;
    uint64_t every_ms;
    uint64_t max_samples;
    enum sampling_choice sampling;
    enum model_storage storage;
    uint64_t keep_samples;
    double min_auc;
    double max_regression;
    double canary; /* the part of the decisions that a new version makes while it is on trial; 0 = it is live at once */
    uint64_t canary_labels;
    uint64_t canary_time_ms;
};

struct profile_settings {
    char name[PROFILE_NAME_BYTES_MAX + 1];
    enum when_unavailable when_unavailable;
    enum undecided undecided;
    enum unknown_choice unknown;
    bool observe; /* verdicts are told and not obeyed */
    bool responses; /* plain answers are judged before they are released */
    enum images_choice images; /* and all else that cannot be judged */
    unsigned scope_roles;      /* bits of enum scope_role */
    enum since_choice scope_since;
    size_t keyword_file_count;
    char keyword_files[FILES_MAX][PATH_BYTES_MAX + 1]; /* absolute once read */
    enum model_kind model_kind;
    double low;  /* below: pass */
    double high; /* above: violation */
    struct review_settings review;
    struct cache_settings cache;
    enum store_choice store;
    uint64_t retention_ms; /* of a text and its label */
    struct training_settings training;
    unsigned line;
};

struct moderator_settings {
    char admin_listen[PATH_BYTES_MAX + 1]; /* empty = off */
    struct endpoints gateways;
    uint64_t threads; /* SETTINGS_AUTO = one per core */
    uint64_t slots;   /* local REQ sockets per thread and gateway */
    struct endpoints models;
    char state_dir[PATH_BYTES_MAX + 1]; /* absolute once read; empty = no spool */
    uint64_t spool_bytes;
    uint64_t live_models; /* in memory at a time */
};

struct trainer_settings {
    char admin_listen[PATH_BYTES_MAX + 1];
    char publish[PATH_BYTES_MAX + 1];
    uint64_t check_every_ms;
};

struct database_settings {
    char url[PATH_BYTES_MAX + 1]; /* libpq connection string or URL; empty = no database */
    char password_file[PATH_BYTES_MAX + 1];
    char hash_key_file[PATH_BYTES_MAX + 1];
};

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/* CURVE on every tcp link between the services (proto/wire_security.h). */
struct curve_settings {
    char dir[PATH_BYTES_MAX + 1]; /* of the key files, absolute once read; empty = off: loopback and ipc only */
};

struct log_settings {
    enum log_level level;
    enum log_format format;
};

struct settings {
    char file[PATH_BYTES_MAX + 1]; /* as given; messages name it */
    char digest[SETTINGS_DIGEST_BYTES + 1]; /* of the file's bytes: who read the same file says the same */
    struct gateway_settings gateway;
    bool has_routes; /* the file has a list of routes, be it empty */
    size_t route_count;
    struct route_settings *routes; /* longest path first */
    size_t key_count; /* 0 = callers need no key */
    struct key_settings *keys; /* as in the file */
    struct pool_settings moderation;
    size_t profile_count;
    struct profile_settings *profiles;
    struct moderator_settings moderator;
    struct trainer_settings trainer;
    struct database_settings database;
    struct curve_settings curve;
    struct log_settings log;
    char strange_variables[PATH_BYTES_MAX + 1]; /* PRISMGUARD_... of the environment that mean nothing: "a, b"; a warning */
};

/* Reads `file` with its environment. Every problem is one line on `errors` ("prismguard.yaml:12: gateway.threads: found
 * 'two', allowed is auto or 1 to 64"); up to 20 are told before it gives up. STATUS_MALFORMED when any was found,
 * STATUS_IO when the file cannot be read, STATUS_TOO_LARGE. `*out` is untouched on failure, the caller's on success. */
MUST_CHECK enum status settings_open(struct settings **out, const char *file, FILE *errors);

void settings_close(struct settings **settings);

/* Whether an upstream of this name (or address, IPv6 in brackets) may have a private address. */
bool settings_allows_private(const struct private_hosts *hosts, struct bytes name);

/* NULL when there is no such profile. */
const struct profile_settings *settings_profile(const struct settings *settings, struct bytes name);

/* What the configuration means, in words: who may call, what is judged, what blocks, what is undecided. For --check. */
void settings_explain(const struct settings *settings, FILE *out);

/* What --check does: as settings_open, and each file and folder that is named and cannot be read is one more problem. (A
 * service finds that out by itself, of those it needs.) What the values mean is written on `out` when they hold, whether the
 * files can be read or not; *settings are the caller's then (NULL: not wanted). STATUS_OK, STATUS_NOT_FOUND when only files are
 * missing, or as settings_open. */
MUST_CHECK enum status settings_report(const char *file, FILE *out, FILE *errors, struct settings **settings);

/* Whether a caller may be called so. */
bool settings_is_key_name(const char *name);

/* Whether a listener's "host:port" is on loopback (proto/address.h), or a unix socket: only this machine reaches it. */
bool settings_is_loopback(const char *listen);

/* The table as Markdown: deploy/SETTINGS.md is the output of `prismguard-gateway --settings`. */
void settings_print_table(FILE *out);

#endif
