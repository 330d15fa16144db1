/* settings_table: the table itself: what every key of prismguard.yaml is, may be, and is by default. */
#include "proto/settings_table.h"

#include "proto/settings.h"

#include <assert.h>
#include <stddef.h>

#define TEXT_MAX .max = PATH_BYTES_MAX
#define AT(member) .offset = offsetof(struct settings, member)
#define LIMIT(member) AT(gateway.limits.member)
#define LIVE_LIMIT(member) LIMIT(member), .live = true /* times and rates; what memory is reckoned from is not */
#define ROUTE(member) .offset = offsetof(struct route_settings, member)
#define PROFILE(member) .offset = offsetof(struct profile_settings, member)
#define KEY(member) .offset = offsetof(struct key_settings, member)

enum {
    SECOND = 1000,
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
    COUNT_MAX = 1000000, /* of connections and the like: more is a slip of the finger */
};

static const struct setting_choice from_choices[] = {
    {"auto", FORMAT_AUTO},
    {"openai_chat", FORMAT_OPENAI_CHAT},
    {"openai_responses", FORMAT_OPENAI_RESPONSES},
    {"claude_chat", FORMAT_CLAUDE_CHAT},
    {"gemini_chat", FORMAT_GEMINI_CHAT},
    {NULL, 0},
};
static const struct setting_choice to_choices[] = {
    {"same", FORMAT_SAME},
    {"openai_chat", FORMAT_OPENAI_CHAT},
    {"openai_responses", FORMAT_OPENAI_RESPONSES},
    {"claude_chat", FORMAT_CLAUDE_CHAT},
    {"gemini_chat", FORMAT_GEMINI_CHAT},
    {NULL, 0},
};
static const struct setting_choice serve_choices[] = {
    {"upstream", SERVE_UPSTREAM}, {"moderations", SERVE_MODERATIONS}, {NULL, 0}};
static const struct setting_choice when_unavailable_choices[] = {
    {"block", WHEN_UNAVAILABLE_BLOCK}, {"allow", WHEN_UNAVAILABLE_ALLOW}, {NULL, 0}};
static const struct setting_choice undecided_choices[] = {
    {"model", UNDECIDED_MODEL}, {"block", UNDECIDED_BLOCK}, {"allow", UNDECIDED_ALLOW}, {NULL, 0}};
static const struct setting_choice unknown_choices[] = {
    {"scan", UNKNOWN_SCAN}, {"block", UNKNOWN_BLOCK}, {NULL, 0}};
static const struct setting_choice images_choices[] = {{"allow", IMAGES_ALLOW}, {"block", IMAGES_BLOCK}, {NULL, 0}};
static const struct setting_choice role_choices[] = {
    {"system", SCOPE_SYSTEM},       {"user", SCOPE_USER},           {"tool", SCOPE_TOOL},
    {"document", SCOPE_DOCUMENT},   {"assistant", SCOPE_ASSISTANT}, {"reasoning", SCOPE_REASONING},
    {"tool_def", SCOPE_TOOL_DEF},   {"media_url", SCOPE_MEDIA_URL}, {NULL, 0}};
static const struct setting_choice since_choices[] = {
    {"all", SINCE_ALL}, {"last_assistant", SINCE_LAST_ASSISTANT}, {NULL, 0}};
static const struct setting_choice model_kind_choices[] = {
    {"hashlinear", MODEL_KIND_HASHLINEAR}, {"bow", MODEL_KIND_BOW}, {"fasttext", MODEL_KIND_FASTTEXT}, {"none", MODEL_KIND_NONE},
    {NULL, 0}};
static const struct setting_choice model_storage_choices[] = {
    {"float32", MODEL_FLOAT32}, {"int8", MODEL_INT8}, {NULL, 0}};
static const struct setting_choice when_full_choices[] = {
    {"undecided", WHEN_FULL_UNDECIDED}, {"block", WHEN_FULL_BLOCK}, {NULL, 0}};
static const struct setting_choice store_choices[] = {
    {"text", STORE_TEXT}, {"hash", STORE_HASH}, {"off", STORE_OFF}, {NULL, 0}};
static const struct setting_choice sampling_choices[] = {
    {"balanced", SAMPLING_BALANCED}, {"latest", SAMPLING_LATEST}, {"random", SAMPLING_RANDOM}, {NULL, 0}};
static const struct setting_choice level_choices[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}, {NULL, 0}};
static const struct setting_choice log_format_choices[] = {
    {"json", LOG_FORMAT_JSON}, {"text", LOG_FORMAT_TEXT}, {NULL, 0}};

static const struct setting rows[] = {
    {"gateway.listen", SETTING_LISTEN_ANY, .min = 1, TEXT_MAX, .fallback = "127.0.0.1:8080", AT(gateway.listen),
     .sentence = "The public port: LLM API traffic only. Port 0 picks one."},
    {"gateway.trusted_proxies", SETTING_LIST, .item = SETTING_NETWORK, .item_bytes = NETWORK_TEXT_BYTES_MAX + 1,
     .max = TRUSTED_PROXIES_MAX, .fallback = "", .live = true, AT(gateway.trusted_proxies),
     .count_offset = offsetof(struct settings, gateway.trusted_proxy_count),
     .sentence = "Networks whose X-Forwarded-For names the caller; unix is the proxy on a unix socket."},
    {"gateway.admin_listen", SETTING_LISTEN, .automatic = true, TEXT_MAX, .fallback = "127.0.0.1:9090",
     AT(gateway.admin_listen), .sentence = "Health and metrics: a listener of its own, never the public port."},
    {"gateway.threads", SETTING_NUMBER, .automatic = true, .min = 1, .max = 64, .fallback = "auto", AT(gateway.threads),
     .sentence = "Event loops; auto is one a core."},
    {"gateway.open", SETTING_BOOLEAN, .fallback = "false", AT(gateway.open),
     .sentence = "Lets callers without keys in when `listen` is not loopback."},
    {"gateway.keys[].name", SETTING_LABEL, .required = true, .min = 1, .max = PROFILE_NAME_BYTES_MAX, KEY(name),
     .sentence = "The caller, in logs, metrics and the queue's turns. Callers need a key as soon as one is listed."},
    {"gateway.keys[].sha256", SETTING_SHA256, .required = true, .min = SETTINGS_SHA256_DIGITS, .max = SETTINGS_SHA256_DIGITS,
     KEY(sha256), .sentence = "The key's SHA-256; `prismguard-gateway key NAME` makes both."},
    {"gateway.keys[].rate", SETTING_RATE, .automatic = true, .min = 1, .max = COUNT_MAX, .fallback = "off", KEY(rate),
     .sentence = "Requests in a time, and as many at once; more are a 429."},
    {"gateway.keys[].in_flight", SETTING_NUMBER, .automatic = true, .min = 1, .max = 65536, .fallback = "auto", KEY(in_flight),
     .sentence = "Requests being answered at once, more are a 429; auto is no bound but `limits.in_flight`."},
    {"gateway.keys[].routes", SETTING_LIST, .item = SETTING_PREFIX, .item_bytes = KEY_ROUTE_BYTES_MAX + 1,
     .max = KEY_ROUTES_MAX, .fallback = "", KEY(routes), .count_offset = offsetof(struct key_settings, route_count),
     .sentence = "The paths of the routes that the caller may use; without it all of them."},
    {"gateway.debug_headers", SETTING_BOOLEAN, .fallback = "false", AT(gateway.debug_headers), .live = true,
     .sentence = "Answers tell how they were judged: x-prismguard-* with source, score, model version, timings."},
    {"gateway.url_config", SETTING_BOOLEAN, .fallback = "false", AT(gateway.url_config), .live = true,
     .sentence = "Serves the URL forms of PrismGuard: /{json}$URL and /!NAME$URL."},
    {"gateway.url_config_hosts", SETTING_LIST, .item = SETTING_URL_HOST, .item_bytes = PATH_BYTES_MAX + 1, .max = URL_HOSTS_MAX,
     .fallback = "", AT(gateway.url_config_hosts.at), .count_offset = offsetof(struct settings, gateway.url_config_hosts.count),
     .live = true, .sentence = "The upstreams that such a URL may name; https and port 443 where an item says nothing else."},
    {"gateway.url_config_floor", SETTING_NAME, .min = 1, .max = PROFILE_NAME_BYTES_MAX, .fallback = "default",
     AT(gateway.url_config_floor), .live = true,
     .sentence = "The profile that always judges such a request; a profile that the URL names judges after it."},
    {"gateway.allow_private_upstreams", SETTING_LIST, .item = SETTING_HOST, .item_bytes = HOST_NAME_BYTES_MAX + 1,
     .max = PRIVATE_HOSTS_MAX, .fallback = "false", AT(gateway.allow_private_upstreams.at),
     .count_offset = offsetof(struct settings, gateway.allow_private_upstreams.count),
     .sentence = "The upstreams and reviewers whose addresses may be loopback or private ones; true: all, false: none."},

    {"gateway.limits.connections", SETTING_NUMBER, .min = 1, .max = COUNT_MAX, .fallback = "1024", LIMIT(connections),
     .sentence = "Client connections of the process."},
    {"gateway.limits.connections_per_address", SETTING_NUMBER, .min = 1, .max = COUNT_MAX, .fallback = "128",
     LIMIT(connections_per_address), .sentence = "Client connections of one address."},
    {"gateway.limits.connection_requests", SETTING_NUMBER, .min = 1, .max = COUNT_MAX, .fallback = "1000",
     LIVE_LIMIT(connection_requests), .sentence = "Requests on one connection before it is closed."},
    {"gateway.limits.keep_alive", SETTING_TIME, .min = 100, .max = HOUR, .fallback = "30s", LIVE_LIMIT(keep_alive_ms),
     .sentence = "An idle client connection is closed after it."},
    {"gateway.limits.header_line", SETTING_BYTES, .min = KIB, .max = 64 * KIB, .fallback = "8KiB",
     LIMIT(header_line_bytes), .sentence = "The request line; a field is at most twice that."},
    {"gateway.limits.header_bytes", SETTING_BYTES, .min = 2 * KIB, .max = MIB, .fallback = "32KiB", LIMIT(header_bytes),
     .sentence = "All fields of a request together."},
    {"gateway.limits.header_fields", SETTING_NUMBER, .min = 10, .max = 1000, .fallback = "100", LIMIT(header_fields),
     .sentence = "Fields of a request."},
    {"gateway.limits.request_bytes", SETTING_BYTES, .min = KIB, .max = 256 * MIB, .fallback = "16MiB",
     LIMIT(request_bytes), .sentence = "A request's body, as it is sent and as it is decoded."},
    {"gateway.limits.moderated_text", SETTING_BYTES, .min = KIB, .max = 64 * MIB, .fallback = "4MiB",
     LIMIT(moderated_text_bytes), .sentence = "Text judged for one request; more is refused, never cut."},
    {"gateway.limits.body_budget", SETTING_BYTES, .min = MIB, .max = 65536ULL * MIB, .fallback = "256MiB",
     LIMIT(body_budget_bytes), .sentence = "All request bodies of the process together."},
    {"gateway.limits.in_flight", SETTING_NUMBER, .min = 1, .max = 65536, .fallback = "512", LIMIT(in_flight),
     .sentence = "Requests being answered at once."},
    {"gateway.limits.header_time", SETTING_TIME, .min = 100, .max = HOUR, .fallback = "10s", LIVE_LIMIT(header_time_ms),
     .sentence = "For all of a request's head."},
    {"gateway.limits.body_time", SETTING_TIME, .min = 100, .max = HOUR, .fallback = "30s", LIVE_LIMIT(body_time_ms),
     .sentence = "For all of a request's body."},
    {"gateway.limits.decoders", SETTING_NUMBER, .min = 1, .max = 65536, .fallback = "64", LIMIT(decoders),
     .sentence = "Compressed bodies that are read at once; at most 4 of them brotli."},
    {"gateway.limits.body_rate", SETTING_BYTE_RATE, .max = MIB, .fallback = "1KiB/s", LIVE_LIMIT(body_rate_bytes),
     .sentence = "A body that arrives slower is refused, from 5 s after its head; 0: none."},
    {"gateway.limits.write_stall", SETTING_TIME, .min = 100, .max = HOUR, .fallback = "30s", LIVE_LIMIT(write_stall_ms),
     .sentence = "A client that takes no byte for so long is cut."},
    {"gateway.limits.relay_buffer", SETTING_BYTES, .min = 2 * UPSTREAM_CHUNK_BYTES, .max = 16 * MIB, .fallback = "64KiB",
     LIMIT(relay_buffer_bytes), .sentence = "Unsent bytes of one answer above which its upstream is paused."},
    {"gateway.limits.upstream_buffer", SETTING_BYTES, .min = 16 * KIB, .max = 16 * MIB, .fallback = "128KiB",
     LIMIT(upstream_buffer_bytes),
     .sentence = "Bytes of one answer that the kernel takes before we do; more is faster where the upstream is far away."},
    {"gateway.limits.sse_event", SETTING_BYTES, .min = 4 * KIB, .max = 256 * MIB, .fallback = "8MiB", LIMIT(sse_event_bytes),
     .sentence = "One event of a stream, where they are looked into: Responses, streams that a close ends, delayed heads."},
    {"gateway.limits.stream_budget", SETTING_BYTES, .min = MIB, .max = 65536ULL * MIB, .fallback = "256MiB",
     LIMIT(stream_budget_bytes), .sentence = "Unsent bytes of all answers together; the largest that stands still is cut first."},
    {"gateway.limits.response_bytes", SETTING_BYTES, .min = KIB, .max = 256 * MIB, .fallback = "16MiB",
     LIMIT(response_bytes), .sentence = "An answer that is not a stream."},
    {"gateway.limits.upstream_connections", SETTING_NUMBER, .min = 1, .max = COUNT_MAX, .fallback = "256",
     LIMIT(upstream_connections), .sentence = "Requests under way to one upstream host, over all loops."},
    {"gateway.limits.upstream_idle", SETTING_NUMBER, .max = COUNT_MAX, .fallback = "128", LIMIT(upstream_idle),
     .sentence = "Idle connections kept to one upstream host; each loop has its share."},
    {"gateway.limits.resolve", SETTING_TIME, .min = 10, .max = HOUR, .fallback = "2s", LIVE_LIMIT(resolve_ms),
     .sentence = "For looking up an upstream's name."},
    {"gateway.limits.connect", SETTING_TIME, .min = 10, .max = HOUR, .fallback = "5s", LIVE_LIMIT(connect_ms),
     .sentence = "For connecting to an upstream, TLS included."},
    {"gateway.limits.first_byte", SETTING_TIME, .min = 10, .max = HOUR, .fallback = "600s", LIVE_LIMIT(first_byte_ms),
     .sentence = "For the first byte of an answer: some models think first."},
    {"gateway.limits.idle", SETTING_TIME, .min = 10, .max = HOUR, .fallback = "300s", LIVE_LIMIT(idle_ms),
     .sentence = "Silence inside an answer."},
    {"gateway.limits.total_plain", SETTING_TIME, .min = 10, .max = 24 * HOUR, .fallback = "600s", LIVE_LIMIT(total_plain_ms),
     .sentence = "For an answer that is not a stream."},
    {"gateway.limits.total", SETTING_TIME, .min = 10, .max = 24 * HOUR, .fallback = "3600s", LIVE_LIMIT(total_ms),
     .sentence = "For any answer."},
    {"gateway.limits.drain_lead", SETTING_TIME, .max = HOUR, .fallback = "5s", LIVE_LIMIT(drain_lead_ms),
     .sentence = "After SIGTERM: `/readyz` says 503, and so long all are served still, while balancers look."},
    {"gateway.limits.drain", SETTING_TIME, .max = HOUR, .fallback = "60s", LIVE_LIMIT(drain_ms),
     .sentence = "Then running answers may finish for so long; who connects hears 503."},
    {"gateway.limits.memory", SETTING_BYTES, .max = 1024ULL * 1024 * MIB, .fallback = "0", LIMIT(memory_bytes),
     .sentence = "A gateway whose memory bound (`--check` shows it) is above does not start; 0: the container's limit."},

    {"routes[].path", SETTING_PREFIX, .required = true, .min = 1, TEXT_MAX, ROUTE(path),
     .sentence = "Prefix of the request's path; the longest wins and is stripped (`/` strips nothing)."},
    {"routes[].upstream", SETTING_UPSTREAM, TEXT_MAX, .fallback = "", ROUTE(upstream),
     .sentence = "Where it goes: http or https, host, optional port and path prefix. A route needs it unless it serves "
                 "moderations."},
    {"routes[].serve", SETTING_CHOICE, .choices = serve_choices, .fallback = "upstream", ROUTE(serve),
     .sentence = "Who answers: the upstream, or for moderations the gateway itself, as OpenAI's moderation endpoint."},
    {"routes[].key_file", SETTING_FILE, TEXT_MAX, .fallback = "", ROUTE(key_file),
     .sentence = "Holds the provider's key; without it the caller's own credential is passed on."},
    {"routes[].from", SETTING_CHOICES, .choices = from_choices, .min = 1, .max = 4, .fallback = "auto", ROUTE(from),
     .sentence = "The API formats that clients may speak; auto is all of them."},
    {"routes[].to", SETTING_CHOICE, .choices = to_choices, .fallback = "same", ROUTE(to),
     .sentence = "The API format of the upstream; there is no conversion yet, so that it must be the one in `from`."},
    {"routes[].models", SETTING_LIST, .item = SETTING_MODEL, .item_bytes = PROFILE_NAME_BYTES_MAX + 1,
     .max = ROUTE_MODELS_MAX, .fallback = "", ROUTE(models), .count_offset = offsetof(struct route_settings, model_count),
     .sentence = "Answers the list of models with these; without it the upstream answers."},
    {"routes[].delay_stream_header", SETTING_BOOLEAN, .fallback = "false", ROUTE(delay_stream_header),
     .sentence = "Holds the head of a stream until it has shown text, reasoning or a call of a tool (64 KiB, 10 s at most): one "
                 "that ends, breaks or fails before is an error."},
    {"routes[].moderation", SETTING_NAME, .min = 1, .max = PROFILE_NAME_BYTES_MAX, .fallback = "default", ROUTE(moderation),
     .sentence = "The profile that judges, or none."},

    {"moderation.bind", SETTING_BIND, .min = 1, TEXT_MAX, .fallback = "tcp://127.0.0.1:5555", AT(moderation.bind),
     .sentence = "The gateway's ROUTER socket: moderators connect here."},
    {"moderation.queue.jobs", SETTING_NUMBER, .min = 1, .max = 65536, .fallback = "1024", AT(moderation.queue_jobs),
     .sentence = "Texts waiting for a moderator."},
    {"moderation.queue.bytes", SETTING_BYTES, .min = MIB, .max = 16384ULL * MIB, .fallback = "64MiB",
     AT(moderation.queue_bytes),
     .sentence = "Bytes of all texts that wait for a moderator, and of all that were sent to one and not answered."},
    {"moderation.queue.age", SETTING_TIME, .min = 10, .max = HOUR, .fallback = "2s", AT(moderation.queue_age_ms),
     .sentence = "A text that waited longer is answered as if there were no moderator."},
    {"moderation.deadline.local", SETTING_TIME, .min = 10, .max = HOUR, .fallback = "800ms",
     AT(moderation.deadline_local_ms), .sentence = "For a local verdict; it starts when the text is sent."},
    {"moderation.deadline.review", SETTING_TIME, .min = 10, .max = HOUR, .fallback = "10s",
     AT(moderation.deadline_review_ms), .sentence = "For a review by the LLM."},
    {"moderation.peers", SETTING_NUMBER, .min = 1, .max = 65536, .fallback = "1024", AT(moderation.peers),
     .sentence = "REQ sockets of all moderators together."},

    {"profiles.*.when_unavailable", SETTING_CHOICE, .choices = when_unavailable_choices, .fallback = "block",
     PROFILE(when_unavailable), .sentence = "No verdict can be had: block (503), or allow, counted and visible."},
    {"profiles.*.undecided", SETTING_CHOICE, .choices = undecided_choices, .fallback = "model", PROFILE(undecided),
     .sentence = "Unsure and nobody to ask: the model's nearer side (no model yet: allow), block, or allow."},
    {"profiles.*.observe", SETTING_BOOLEAN, .fallback = "false", PROFILE(observe),
     .sentence = "Decide, count and log, and change nothing: what would be blocked goes on."},
    {"profiles.*.responses", SETTING_BOOLEAN, .fallback = "false", PROFILE(responses),
     .sentence = "Judge plain answers before they are released; streams are not judged."},
    {"profiles.*.unknown", SETTING_CHOICE, .choices = unknown_choices, .fallback = "scan", PROFILE(unknown),
     .sentence = "Content of a shape we do not know: judge every string in it, or block."},
    {"profiles.*.images", SETTING_CHOICE, .choices = images_choices, .fallback = "allow", PROFILE(images),
     .sentence = "Images, audio and files that are no text are not judged: allow (named in the answer), or block."},
    {"profiles.*.scope.roles", SETTING_CHOICES, .choices = role_choices, .min = 1, .max = 8,
     .fallback = "system, user, tool, document", PROFILE(scope_roles), .sentence = "Whose words are judged."},
    {"profiles.*.scope.since", SETTING_CHOICE, .choices = since_choices, .fallback = "all", PROFILE(scope_since),
     .sentence = "all turns, or those after the last_assistant one: a forged one then hides all that stands before it."},
    {"profiles.*.keywords", SETTING_LIST, .item = SETTING_PROFILE_FILE, .item_bytes = PATH_BYTES_MAX + 1, .max = FILES_MAX,
     .fallback = "", PROFILE(keyword_files), .count_offset = offsetof(struct profile_settings, keyword_file_count),
     .sentence = "Files of keywords, in profiles/NAME/ beside this file."},
    {"profiles.*.model.kind", SETTING_CHOICE, .choices = model_kind_choices, .fallback = "hashlinear", PROFILE(model_kind),
     .sentence = "The local model."},
    {"profiles.*.model.low", SETTING_SHARE, .max = 1, .fallback = "0.20", PROFILE(low),
     .sentence = "A score below it passes."},
    {"profiles.*.model.high", SETTING_SHARE, .max = 1, .fallback = "0.80", PROFILE(high),
     .sentence = "A score above it is a violation; what lies between is unsure."},
    {"profiles.*.review.url", SETTING_URL, TEXT_MAX, .fallback = "", PROFILE(review.url),
     .sentence = "The LLM that judges what the model is unsure of (OpenAI chat); empty: no review."},
    {"profiles.*.review.models", SETTING_LIST, .item = SETTING_MODEL, .item_bytes = PROFILE_NAME_BYTES_MAX + 1,
     .max = MODELS_MAX, .fallback = "", PROFILE(review.models),
     .count_offset = offsetof(struct profile_settings, review.model_count),
     .sentence = "Reviewing models, chosen at random; one that fails again and again is left alone for a while."},
    {"profiles.*.review.key_file", SETTING_FILE, TEXT_MAX, .fallback = "", PROFILE(review.key_file),
     .sentence = "Holds the reviewer's key."},
    {"profiles.*.review.prompt", SETTING_PROFILE_FILE, TEXT_MAX, .fallback = "", PROFILE(review.prompt_file),
     .sentence = "The reviewer's instructions, in profiles/NAME/; empty: those built in."},
    {"profiles.*.review.sample_rate", SETTING_SHARE, .max = 1, .fallback = "0.05", PROFILE(review.sample_rate),
     .sentence = "Share of texts reviewed whatever the model says."},
    {"profiles.*.review.timeout", SETTING_TIME, .min = 10, .max = HOUR, .fallback = "10s", PROFILE(review.timeout_ms),
     .sentence = "For one answer of the reviewer."},
    {"profiles.*.review.retries", SETTING_NUMBER, .max = 10, .fallback = "2", PROFILE(review.retries),
     .sentence = "Further calls after one that gave no verdict, of models not yet asked first, within the review's deadline."},
    {"profiles.*.review.concurrency", SETTING_NUMBER, .min = 1, .max = 256, .fallback = "5", PROFILE(review.concurrency),
     .sentence = "Review slots that a moderator opens for this profile."},
    {"profiles.*.review.when_full", SETTING_CHOICE, .choices = when_full_choices, .fallback = "undecided",
     PROFILE(review.when_full), .sentence = "All review slots are busy: as `undecided` says, or block."},
    {"profiles.*.cache.entries", SETTING_NUMBER, .max = COUNT_MAX, .fallback = "4096", PROFILE(cache.entries),
     .sentence = "Texts that a moderator knows again and does not judge anew, 120 bytes each; 0: none."},
    {"profiles.*.cache.ttl", SETTING_TIME, .min = 100, .max = DAY, .fallback = "10m", PROFILE(cache.ttl_ms),
     .sentence = "For so long. A change of the keywords, the thresholds, the review or the model ends it at once, "
                 "a person's label within 4 s."},
    {"profiles.*.store", SETTING_CHOICE, .choices = store_choices, .fallback = "text", PROFILE(store),
     .sentence = "Samples kept in the database: with their text, by hash only, or none."},
    {"profiles.*.retention", SETTING_TIME, .min = HOUR, .max = 3650ULL * DAY, .fallback = "30d", PROFILE(retention_ms),
     .sentence = "A text and its label are deleted so long after they were stored, whoever labelled it."},
    {"profiles.*.training.min_samples", SETTING_NUMBER, .min = 1, .max = COUNT_MAX, .fallback = "200",
     PROFILE(training.min_samples), .sentence = "New samples before a model is trained."},
    {"profiles.*.training.every", SETTING_TIME, .min = 100, .max = 720ULL * HOUR, .fallback = "60m", PROFILE(training.every_ms),
     .sentence = "A model is trained at most so often."},
    {"profiles.*.training.max_samples", SETTING_NUMBER, .min = 1, .max = COUNT_MAX, .fallback = "50000",
     PROFILE(training.max_samples), .sentence = "Samples drawn for one training; memory follows this."},
    {"profiles.*.training.sampling", SETTING_CHOICE, .choices = sampling_choices, .fallback = "balanced",
     PROFILE(training.sampling),
     .sentence = "Which: as many of each label, the newest, or any; half may be those that people labelled, but for the newest."},
    {"profiles.*.training.storage", SETTING_CHOICE, .choices = model_storage_choices, .fallback = "float32",
     PROFILE(training.storage),
     .sentence = "Of the next model's weights; int8: a quarter of the memory and of the file, for at most 0.001 of ROC-AUC."},
    {"profiles.*.training.keep_samples", SETTING_NUMBER, .min = 1, .max = COUNT_MAX, .fallback = "100000",
     PROFILE(training.keep_samples),
     .sentence = "Samples kept; of more the oldest of the larger label are deleted, those that people labelled last."},
    {"profiles.*.training.gate.min_auc", SETTING_SHARE, .max = 1, .fallback = "0.80", PROFILE(training.min_auc),
     .sentence = "A model worse than that on held-out samples is not published, unless the present one is worse still."},
    {"profiles.*.training.gate.max_regression", SETTING_SHARE, .max = 1, .fallback = "0.005",
     PROFILE(training.max_regression), .sentence = "A model worse than the present one by more is not published."},
    {"profiles.*.training.canary", SETTING_SHARE, .max = 1, .fallback = "0", PROFILE(training.canary),
     .sentence = "Share of decisions that a new model makes until reviews drawn at random promote it; 0: it is live at once."},
    {"profiles.*.training.canary_labels", SETTING_NUMBER, .min = 50, .max = TRIAL_ROWS_MAX, .fallback = "500",
     PROFILE(training.canary_labels),
     .sentence = "Labels of texts drawn at random that a new model is judged by before it is promoted."},
    {"profiles.*.training.canary_time", SETTING_TIME, .min = 1000, .max = 90ULL * DAY, .fallback = "7d",
     PROFILE(training.canary_time_ms),
     .sentence = "Without as many labels by then, a new model is set aside and the present one stays."},

    {"moderator.admin_listen", SETTING_LISTEN, .automatic = true, TEXT_MAX, .fallback = "off", AT(moderator.admin_listen),
     .sentence = "Health and metrics; off, as several moderators may share a host and a file."},
    {"moderator.gateways", SETTING_LIST, .item = SETTING_CONNECT, .item_bytes = PATH_BYTES_MAX + 1, .min = 1,
     .max = ENDPOINTS_MAX, .fallback = "tcp://127.0.0.1:5555", AT(moderator.gateways.at),
     .count_offset = offsetof(struct settings, moderator.gateways.count),
     .sentence = "The gateways' `moderation.bind`; every address behind each name, looked up again every 5 s."},
    {"moderator.threads", SETTING_NUMBER, .automatic = true, .min = 1, .max = 64, .fallback = "auto", AT(moderator.threads),
     .sentence = "Judging threads; auto is one a core."},
    {"moderator.slots", SETTING_NUMBER, .min = 2, .max = 64, .fallback = "8", AT(moderator.slots),
     .sentence = "Local REQ sockets per thread and gateway; two at least, as one may have a long text."},
    {"moderator.models", SETTING_LIST, .item = SETTING_CONNECT, .item_bytes = PATH_BYTES_MAX + 1, .max = ENDPOINTS_MAX,
     .fallback = "tcp://127.0.0.1:5556", AT(moderator.models.at),
     .count_offset = offsetof(struct settings, moderator.models.count),
     .sentence = "The trainers' `trainer.publish`; every address behind each name, looked up again every 5 s."},
    {"moderator.state_dir", SETTING_FOLDER, .automatic = true, TEXT_MAX, .fallback = "/var/lib/prismguard",
     AT(moderator.state_dir),
     .sentence = "Labels wait here while the database is away, each process in a folder of its own, and models for the next "
                 "start; off: in memory."},
    {"moderator.spool", SETTING_BYTES, .min = 2 * MIB, .max = 2048ULL * MIB, .fallback = "64MiB", AT(moderator.spool_bytes),
     .sentence = "Bytes of all labels that wait in one folder of `state_dir`."},
    {"moderator.live_models", SETTING_NUMBER, .min = 1, .max = PROFILES_MAX, .fallback = "256", AT(moderator.live_models),
     .sentence = "Models in memory; the least recently used goes, and comes again when its profile is judged."},

    {"trainer.admin_listen", SETTING_LISTEN, .automatic = true, TEXT_MAX, .fallback = "off", AT(trainer.admin_listen),
     .sentence = "Health and metrics."},
    {"trainer.publish", SETTING_BIND, .min = 1, TEXT_MAX, .fallback = "tcp://127.0.0.1:5556", AT(trainer.publish),
     .sentence = "The PUB socket that announces new models."},
    {"trainer.check_every", SETTING_TIME, .min = 100, .max = HOUR, .fallback = "30s", AT(trainer.check_every_ms),
     .sentence = "New samples are looked for so often."},

    {"database.url", SETTING_TEXT, TEXT_MAX, .fallback = "", AT(database.url),
     .sentence = "PostgreSQL, as a URL or a libpq string; empty: no database, no learning."},
    {"database.password_file", SETTING_FILE, TEXT_MAX, .fallback = "", AT(database.password_file),
     .sentence = "Holds the database's password."},
    {"database.hash_key_file", SETTING_FILE, TEXT_MAX, .fallback = "", AT(database.hash_key_file),
     .sentence = "Holds the key of the text hashes (short prompts are guessable)."},

    {"curve.dir", SETTING_FOLDER, .automatic = true, TEXT_MAX, .fallback = "off", AT(curve.dir),
     .sentence = "The CURVE keys of all links (deploy/curve-keys makes them); off, or `curve: off`: loopback and ipc only."},

    {"log.level", SETTING_CHOICE, .choices = level_choices, .fallback = "info", AT(log.level), .live = true,
     .sentence = "The lowest level that is written."},
    {"log.format", SETTING_CHOICE, .choices = log_format_choices, .fallback = "json", AT(log.format),
     .sentence = "One JSON object a line, or text for people."},
};

size_t settings_table_count(void)
{
    return sizeof rows / sizeof rows[0];
}

const struct setting *settings_table_row(size_t index)
{
    assert(index < settings_table_count());
    return &rows[index];
}

const struct setting *settings_table_find(struct bytes path)
{
    for (size_t index = 0; index < settings_table_count(); index++) {
        if (bytes_equal(bytes_of(rows[index].path), path)) {
            return &rows[index];
        }
    }
    return NULL;
}

/* What a path says after the section; false when it is not in the section. "gateway", "gateway.limits.idle" -> ".limits.idle". */
static bool path_within(const char *path, struct bytes section, struct bytes *out_rest)
{
    struct bytes whole = bytes_of(path);
    struct bytes rest = bytes_from(whole, section.count);

    if (!bytes_starts_with(whole, section) || rest.count == 0) {
        return false;
    }
    *out_rest = rest;
    return section.count == 0 || rest.data[0] == '.' || rest.data[0] == '[';
}

bool settings_table_is_section(struct bytes path)
{
    struct bytes rest;

    for (size_t index = 0; index < settings_table_count(); index++) {
        if (path_within(rows[index].path, path, &rest)) {
            return true;
        }
    }
    return false;
}

/* The first name of a rest: ".limits.idle" -> "limits", "routes[].path" -> "routes". */
static struct bytes first_name(struct bytes rest)
{
    size_t begin = rest.data[0] == '.' ? 1 : 0;
    size_t end = begin;

    while (end < rest.count && rest.data[end] != '.' && rest.data[end] != '[') {
        end++;
    }
    return (struct bytes){rest.data + begin, end - begin};
}

enum status settings_table_children(struct bytes section, struct buffer *out)
{
    struct bytes last = {NULL, 0};
    enum status status = STATUS_OK;

    /* Rows of one section stand together, so comparing with the last name is enough. */
    for (size_t index = 0; index < settings_table_count() && status == STATUS_OK; index++) {
        struct bytes rest;
        struct bytes name;

        if (!path_within(rows[index].path, section, &rest)) {
            continue;
        }
        name = first_name(rest);
        if (bytes_equal(name, last)) {
            continue;
        }
        status = last.count > 0 ? buffer_append_text(out, ", ") : STATUS_OK;
        if (status == STATUS_OK) {
            status = buffer_append(out, name);
        }
        last = name;
    }
    return status;
}

enum setting_scope setting_scope(const struct setting *row)
{
    struct bytes path = bytes_of(row->path);

    if (bytes_starts_with(path, BYTES("routes[]."))) {
        return SETTING_OF_ROUTE;
    }
    if (bytes_starts_with(path, BYTES("gateway.keys[]."))) {
        return SETTING_OF_KEY;
    }
    return bytes_starts_with(path, BYTES("profiles.*.")) ? SETTING_OF_PROFILE : SETTING_OF_FILE;
}

bool setting_is_live(const struct setting *row)
{
    return row->live || setting_scope(row) != SETTING_OF_FILE;
}

enum status setting_environment(const struct setting *row, struct buffer *out)
{
    enum status status = buffer_append_text(out, "PRISMGUARD_");

    assert(setting_scope(row) == SETTING_OF_FILE);
    for (const char *at = row->path; *at != '\0' && status == STATUS_OK; at++) {
        char upper = *at == '.' ? '_' : *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;

        status = buffer_append(out, (struct bytes){&upper, 1});
    }
    return status;
}
