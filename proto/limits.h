/* limits: every bound that is not a setting, with its unit in its name, its value and its reason.
 *
 * What an operator may change stands in proto/settings; what stands here is structural. Relations between bounds are
 * asserted at the end. A new literal size anywhere else fails review.
 */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

enum {
    KIB = 1024,
    MIB = 1024 * 1024,

    /* Names that travel: long enough for people, short enough for a stack array. Terminator not counted. */
    WORKER_ID_BYTES = 16,        /* random; names one moderator process */
    CALLER_NAME_BYTES_MAX = 64,  /* of a key, as settings name it */
    PROFILE_NAME_BYTES_MAX = 64, /* the check of profiles.name in trainer/schema says the same */
    CATEGORY_BYTES_MAX = 64,     /* a verdict's category */
    DECISION_ID_BYTES = 32,      /* 128 random bits in lower-case hex */
    SECRET_IDS_DRAWN = 16,       /* randomness for so many of them is drawn at once */
    TEXT_HASH_BYTES = 16,        /* keyed BLAKE2b of a text, as in trainer/schema */

    /* JSON (reliability B.2; house D14) */
    JSON_DEPTH_MAX = 64,
    JSON_TOKENS_MAX = 200000,
    JSON_TOKENS_KEPT = 4096,   /* room for so many is kept for the next document; more goes with its own */
    JSON_NUMBER_BYTES_MAX = 64,
    MESSAGES_MAX = 2048,       /* messages, or items, of one request */
    MODERATION_INPUTS_MAX = 2048, /* strings, or parts, of one request to the moderation endpoint */
    MODERATION_JOBS_MAX = 8,   /* of them with the pool at once: one request does not take all moderators */
    SHAPE_DEPTH_MAX = 8,       /* lists and objects inside one another that the tables of a dialect name */
    IDENTIFIER_BYTES_MAX = 64, /* ids and names of tools, as in the API: a longer one is text in disguise */

    /* Text out of requests (spec/wire-formats.md section 5) */
    BASE64_RUN_BYTES_MIN = 1024,  /* a shorter run of letters may be a word */
    BASE64_SNIFF_BYTES = 8 * KIB, /* of a file; when these are not UTF-8 the rest is not decoded */
    PROBLEM_PATH_BYTES_MAX = 96,  /* "messages[2047].tool_calls[199999].function.arguments" has 52 */
    PROBLEM_SENTENCE_BYTES_MAX = 192,

    /* Text handed to the pool */
    SEGMENTS_MAX = 4096,      /* pieces of text in one TASK; more are refused with the request */
    RECALL_TEXT_BYTES_MIN = 256, /* shorter texts are sent each time: a name costs 18 bytes and two look-ups */
    RECALL_NAMES_MAX = 2048, /* texts of one task that have a name; the others are sent each time */
    RECALL_TEXTS_MAX = 32 * KIB, /* a gateway knows of so many that a moderator had them, a moderator so many names: 1 MiB */
    RECALL_LOCKS = 16,           /* of a moderator's names */
    PRINTS_WAYS = 8,             /* prints of a set: of so many the least recently used one is pushed out */
    TASK_KEPT_BYTES = 128 * KIB, /* of the buffer that tasks are written into; a larger one goes with its task */
    LONG_TEXT_BYTES = 64 * KIB, /* more in one TASK is judged in steps, and has half of the slots; below, none takes 20 ms */
    UNSURE_BYTES_MAX = SEGMENTS_MAX / 8, /* names any of them to a review, a bit each */
    BATCH_TASKS_MAX = 16, /* short tasks in one TASKS: a sixteenth of a message each is little beside judging */
    BATCH_BYTES_MAX = 32 * KIB, /* of their bodies: judged in a fraction of a millisecond, so that the first does not wait long */
    BATCH_SEGMENTS_MAX = 64, /* pieces of text in one of them: its verdict is short; a task with more goes alone */
    BATCH_UNSURE_BYTES = BATCH_SEGMENTS_MAX / 8,

    /* ZeroMQ (spec/zeromq.md) */
    ROUTER_MESSAGE_BYTES_MAX = 2 * KIB,   /* what a moderator may send; a VERDICT has some 30 bytes */
    TASK_OVERHEAD_BYTES_MAX = 256 * KIB,  /* added to limits.moderated_text for what a gateway may send */
    /* A slot and the pool have one message under way, by turns. But libzmq wakes the other thread each time that half of a high
     * water mark has been read: of 2 that is each message. */
    ZMQ_POOL_HWM_MESSAGES = 64,           /* from a slot, and to it: a task and probes */
    ZMQ_SLOT_HWM_MESSAGES = 1024,         /* what may wait at a busy REQ: probes, a few bytes each (PROTOCOL.md) */
    ZMQ_ANNOUNCE_HWM_MESSAGES = 16,
    IDENTITY_BYTES_MAX = 255,             /* of a ZeroMQ peer; libzmq knows no longer one */
    ZMQ_SOCKETS_MAX = 8192,               /* of one process; a moderator has threads x slots x gateways */
    ZMQ_HEARTBEAT_MS = 1000,
    ZMQ_HEARTBEAT_TIMEOUT_MS = 3000,
    ZMQ_HEARTBEAT_TTL_MS = 5000,
    ZMQ_HANDSHAKE_MS = 3000,
    ZMQ_RECONNECT_MS = 100,
    ZMQ_RECONNECT_MAX_MS = 5000,
    MSGPACK_DEPTH_MAX = 8,
    MSGPACK_ITEMS_MAX = 3 * SEGMENTS_MAX, /* all objects of one message, arrays included */
    GATEWAY_SILENCE_MS = 3000,            /* a slot that heard nothing for so long rebuilds its socket */
    PING_IDLE_MS = 1000,                  /* an idle slot hears from the gateway once in this time */
    PROBE_BUSY_MS = 100,                  /* a busy slot is probed once in this time */
    PROBES_MAX = 1000,                    /* for one task: unread ones wait at the slot */
    BAD_FRAMES_MAX = 3,                   /* of one slot, then it is forgotten */
    ATTEMPTS_MAX = 2,                     /* a text is sent once more when a moderator gave no verdict */
    PASSES_MAX = 16,                      /* and as often as it came to a slot that left; more are attempts */
    CRASHES_MAX = 2,                      /* moderators that one text may take with it; then it is blocked, */
    POISON_MS = 600000,                   /* and blocked unasked when it comes again within this time */
    POISONS_MAX = 64,                     /* such texts that are known */

    /* What the pool's thread takes in one turn from one source, so that no source starves the others */
    POOL_TURN_FRAMES = 256,
    POOL_TURN_JOBS = 64,

    /* Logs and metrics (reliability B.2) */
    LOG_LINE_BYTES_MAX = 8 * KIB,
    LOG_VALUE_BYTES_MAX = 512, /* of one value, before it is escaped; longer ones are cut and marked */
    LOG_QUEUE_BYTES_MAX = 8 * MIB,
    LOG_WRITE_BYTES_MAX = 64 * KIB, /* of one write(2): what a pipe holds */
    LOG_PAUSE_MS = 5, /* lines that come so soon after others are written together */
    LOG_CLOSE_MS = 1000, /* for the last lines at the end of a process */
    LOG_LIMITER_MS = 1000,
    METRICS_SERIES_MAX = 2000,
    METRICS_FOLDED_MAX = 100,       /* of them kept for the label sets called "other", one a metric */
    METRICS_LABELS_BYTES_MAX = KIB, /* of one series, escaped */
    METRICS_TEXT_BYTES_MAX = 8 * MIB, /* all of /metrics: 2,000 histograms fit */
    ADMIN_CONNECTIONS_MAX = 16,
    ADMIN_REQUEST_BYTES_MAX = 8 * KIB,
    ADMIN_ACCEPT_PAUSE_MS = 100, /* after an accept that failed for want of descriptors */
    ADMIN_REQUEST_MS = 5000, /* from accept to the last byte of the answer */
    HEALTH_WAIT_MS = 2000, /* --health: for the whole question and its answer */
    HEALTH_ANSWER_BYTES_MAX = KIB,

    /* What the memory bound reckons with (proto/memory.h; reliability D); what is left is in the settings */
    MEMORY_BASE_BYTES = 24 * MIB,          /* the program, its libraries' tables, certificates */
    MEMORY_THREAD_BYTES = 2 * MIB,         /* stack, allocator's cache, tables of a loop */
    MEMORY_CONNECTION_BYTES = 8 * KIB,     /* a client's socket, parser and request, without the bytes of its head */
    MEMORY_EXCHANGE_BYTES = 8 * KIB,       /* a request in flight, without the fields that it sends */
    MEMORY_TRANSFER_BYTES = 96 * KIB,      /* libcurl's handle and buffers for one, and TLS's */
    MEMORY_UPSTREAM_IDLE_BYTES = 48 * KIB, /* a connection that is kept */
    MEMORY_PEER_BYTES = 2 * 128 * KIB,     /* libzmq's buffers for a moderator's slot, both ways */
    MEMORY_JSON_BYTES = 10 * MIB,          /* a document: all tokens, and the keys of the largest object */
    MEMORY_METRICS_BYTES = 4 * MIB,
    ALLOCATOR_ARENAS_MAX = 2,
    ALLOCATOR_LARGE_BYTES = 128 * KIB, /* mapped, and unmapped when freed */
    ALLOCATOR_KEPT_BYTES = 256 * KIB,  /* free at an arena's end before it is given back */
    ALLOCATOR_LOOK_MS = 10000,         /* the free pages inside arenas are looked at so often, */
    ALLOCATOR_FREE_BYTES = 512 * KIB,  /* and given back when they are so much more than after the last time */

    /* Settings */
    SETTINGS_FILE_BYTES_MAX = MIB,
    SETTINGS_DEPTH_MAX = 8,
    SETTINGS_NODES_MAX = 65536,   /* values, lists and mappings of one file */
    SETTINGS_ENTRIES_MAX = 4096,  /* of one list or mapping */
    SETTINGS_VALUE_BYTES_MAX = 4096, /* one value, variables replaced */
    SETTINGS_FOUND_BYTES_MAX = 80,   /* as much of a bad value is shown */
    SETTINGS_ERRORS_MAX = 20,     /* told, then no more */
    SETTINGS_ITEMS_MAX = 64,      /* of one list value: the largest of those below */
    PATH_BYTES_MAX = 512, /* file names, URLs and endpoints in settings */
    TRUSTED_PROXIES_MAX = 64, /* networks of one gateway's settings */
    NETWORK_TEXT_BYTES_MAX = 49, /* an address and its prefix as text: 45 and 4 */
    ROUTES_MAX = 256,
    KEYS_MAX = 4096,           /* of callers */
    KEY_ROUTES_MAX = 16,       /* that one key may be bound to */
    KEY_ROUTE_BYTES_MAX = 128, /* of the path of such a route */
    PROFILES_MAX = 1024,
    ENDPOINTS_MAX = 16, /* names or addresses in one list of the settings */
    FILES_MAX = 16,     /* keyword files of one profile */
    MODELS_MAX = 16,    /* reviewing models of one profile */
    ROUTE_MODELS_MAX = 64, /* that a route says it has */
    PRIVATE_HOSTS_MAX = 16, /* upstreams that may have private addresses */
    URL_HOSTS_MAX = 64,     /* upstreams that a URL may name */
    URL_CONFIG_BYTES_MAX = 4 * KIB, /* the JSON in a URL, decoded, or of an operator's variable */
    URL_CONFIG_NAME_BYTES_MAX = 64, /* of such a variable */

    /* The client side (reliability B.2) */
    REQUEST_EMPTY_LINES_MAX = 2,          /* before a request line */
    CHUNK_EXTENSION_BYTES_MAX = 4 * KIB,  /* of one message; read and forgotten */
    CHUNK_LINE_BYTES = 20,                /* 16 digits of a size and two line ends: framing that a chunk may cost */
    TRAILER_BYTES_MAX = 8 * KIB,          /* of one message; read and forgotten */
    TRAILER_FIELDS_MAX = 16,

    READ_BUFFER_BYTES = 64 * KIB,        /* one a loop, shared by its connections: an idle one owns no read buffer */
    READ_AHEAD_BYTES_MAX = 16 * KIB,     /* of a client, while its request waits or is answered */
    SOCKET_UNSENT_BYTES = 64 * KIB,      /* of a client, in the kernel, beyond what the client's side has room for */
    CORK_BYTES = 16 * KIB,               /* what waits for the end of the turn; more is written at once */
    REPLY_HEAD_BYTES_MAX = 96 * KIB,     /* an upstream's fields at their most, with our own, and an event for an error */
    DECODERS_BROTLI_MAX = 4,             /* of limits.decoders */
    DECODER_BYTES_MAX = 48 * KIB,        /* zlib: state and window */
    DECODER_WINDOW_BYTES_MAX = 4 * MIB,  /* brotli fills it in one go: 7 ms */
    DECODER_BROTLI_BYTES_MAX = 9 * MIB,  /* brotli: a window, the half that it replaces, a block's prefix codes (2.7 MiB) */
    INFLATE_CHUNK_BYTES = 16 * KIB,      /* decoded at a time, on the stack */
    JSON_SLICE_BYTES = 128 * KIB,        /* of a larger body, read as JSON before the loop looks at its time; */
    DECODE_SLICE_BYTES = 128 * KIB,      /* of one body, before another one has its turn; */
    DECODE_SLICE_CODED_BYTES = 8 * KIB,  /* the same of what came: prefix codes cost much, and bring nothing; */
    TURN_BYTES = 512 * KIB,              /* decoded, or read once more, by a loop before it looks at its sockets again; */
    TURN_US = 5000,                      /* the next one is not begun later than that */
    OUT_FIT_BYTES = 4 * KIB,             /* more than that, which the rest of a write does not need, is given back; */
    CORK_FIRST_BYTES = KIB,              /* of its buffer: an event fits, and as much is quick to take and give back */
    BODY_BUDGET_WAIT_MS = 1000,          /* a body that the budget has no room for may wait so long */
    SCRATCH_BYTES_MAX = 32 * KIB,        /* an error's body, a credential, a full list of models */
    FORWARDED_FIELDS_OWN = 2,            /* Authorization and Content-Type, beside the caller's fields */
    FORWARDED_BYTES_OWN = 8 * KIB,
    ADDED_FIELDS_MAX = 24,               /* fields of our own in an answer, those for debugging included */
    ADDED_BYTES_MAX = 2 * KIB,
    LINGER_MS = 5000,                    /* after an early answer: the client may still send, and must see the answer */
    LINGER_BYTES_MAX = 64 * MIB,
    LINGERING_MAX = 32,                  /* of a loop: those that have no place among their address's, and need none for it */
    BODY_RATE_AFTER_MS = 5000,           /* a body may begin as slowly as it likes, for so long */
    HALF_CLOSED_PROBE_MS = 1000,         /* a client that ended its side is asked so often whether it waits: 25 bytes each */
    LISTEN_BACKLOG = 511,
    DESCRIPTORS_OWN = 128,               /* listeners, loops, files, the log */
    SPARE_CONNECTIONS = 64,              /* above limits.connections: each hears why it is refused */
    ADDRESS_SPARE_CONNECTIONS = 8,       /* above limits.connections_per_address: may linger, so that the answer surely arrives */
    CLOSE_IDLE_LOOKS = 8,                /* so many are asked whether they are idle before a new connection hears 503 */
    SILENT_MS = 1000,                    /* a connection that said nothing for so long may give way to another */
    UNSENT_SPARED_PART = 8,              /* of limits.stream_budget is left to heads, errors and ends of answers */
    STANDING_MS = 1000,                  /* an answer of which nothing was taken for so long is cut before others */
    OVERLOAD_SAMPLE_MS = 250,            /* so often the stage of overload is looked for, and who hangs (reliability D) */
    OVERLOAD_LEAVE_PERCENT = 5,          /* a stage is left so far below where it is entered */
    OVERLOAD_ALL_PERCENT = 96,           /* above it nobody's new requests are taken, whatever the fair shares are */
    OVERLOAD_KEEP_ALIVE_MS = 2000,
    OVERLOAD_LAG_MS = 100,               /* of a loop: the first stage */
    OVERLOAD_LAG_MAX_MS = 1000,          /* as bad as it gets */
    OVERLOAD_RETRY_SPREAD_S = 4,         /* those that were refused come back within so many seconds, not all at once */
    TURNED_AWAY_BODY_BYTES_MAX = 64 * KIB, /* read for nothing, so that the connection may stay */
    PACE_BEGINS = 32,                    /* requests that a loop begins in one turn: what they need stays in the cache */
    PACE_JUDGING = 64,                   /* texts of a loop that has no time that are with moderators: two turns of it */
    PACE_LINE = 64,                      /* of a full loop: who has no less than a fair share waits in no longer line */
    PACE_QUEUES = 256,                   /* of those that wait for a turn: by the hash of their callers */
    PACE_LATE_MS = 250,                  /* a caller whose longest waiting request waits so long: its others are refused */
    PACE_WAIT_MAX_MS = 1000,             /* who has waited so long is refused */
    PACE_STANDING_MS = 100,              /* somebody waits, for so long: the processor is full */
    PACE_SLEEP_PART = 2,                 /* a loop that refuses sleeps as much of its time as a half, or it is full */
    PACE_PAUSE_PART = 8,                 /* and one in which somebody waits, as much as this part */
    PACE_SHARE_PART = 2,                 /* while requests wait, who has more than a fair share has a half of in_flight */
    PACE_ACCEPTS = 8,                    /* and a loop takes so many connections in each ACCEPT_PAUSE_MS */
    CONNECTIONS_OF_TEN_DESCRIPTORS = 4,  /* the others are for upstreams, moderators and ourselves */
    ACCEPT_TURN_MAX = 64,                /* connections that one turn of a loop takes */
    ACCEPT_PAUSE_MS = 100,               /* after PACE_ACCEPTS, or an accept that failed for want of descriptors */
    RETRY_AFTER_S = 1,                   /* with every 503, and where an address or a key has too much at once */
    REST_S_MAX = 4,                      /* a connection whose request was turned away is not heard for longer */
    RETRY_AFTER_S_MAX = 24 * 60 * 60,    /* of an upstream's, to be passed on with an error of ours: a day */
    CREDENTIAL_BYTES_MAX = 512,          /* a longer one is no key of a caller; one of `prismguard-gateway key` has 67 */
    KEYS_COUNTED_MAX = 128,              /* keys with series of their own; the others are counted together */
    CONNECTION_NAMES_MAX = 16,           /* that a Connection field may make fields of one hop; more name none */
    REQUEST_ID_BYTES_MAX = 128,          /* of a caller's x-request-id; a longer one is left out */
    TRACE_STATE_BYTES_MAX = 512,         /* of one tracestate field (W3C Trace Context 3.3.1.5) */
    LOOP_TICK_MS = 100,                  /* how exact the timers of connections are */
    POOL_TURN_MS = 1000,                 /* the pool's thread sleeps no longer, to show that it lives */
    THREAD_ALIVE_MS = 3000,              /* a loop, or the pool, that has not turned for so long: the process is not alive */
    THREAD_STUCK_MS = 5000,              /* and after so long it ends, to be started anew */
    DRAIN_LAST_MS = 2000,                /* after limits.drain: for error events and answers on their way */

    /* The upstream side */
    UPSTREAM_CHUNK_BYTES = 16 * KIB,     /* libcurl's CURL_MAX_WRITE_SIZE: the most one write callback hands over */
    UPSTREAM_READ_BYTES = 8 * KIB,       /* libcurl's buffer of each transfer, held as long as it runs; */
    UPSTREAM_STREAM_READ_BYTES = 2 * KIB, /* that of a stream: an event has some hundred bytes, and streams are many */
    STREAM_GUESS_BYTES = 4 * KIB,        /* of a body's beginning and of its end, looked through for "stream": true */
    UPSTREAM_FIELDS_BYTES_MAX = 64 * KIB,
    UPSTREAM_FIELDS_MAX = 200,
    ERROR_EVENT_BYTES_MAX = 4 * KIB, /* the event that ends a broken stream, in any dialect */
    SKIM_PATHS_MAX = 12,           /* lists and objects inside one another that JSON in passing has names for */
    SKIM_VALUE_BYTES_MAX = 128,    /* of a value in passing; those that are looked for have 10 to 60 bytes */
    GLANCE_FIELD_BYTES_MAX = 16,   /* "\xEF\xBB\xBF" "event", "[DONE]": as much of a line tells what it is */
    GLANCE_TYPE_BYTES_MAX = 64,    /* "response.code_interpreter_call_code.delta" has 41 */
    GLANCE_ID_BYTES_MAX = SKIM_VALUE_BYTES_MAX, /* "resp_" and 48 digits */
    DELAY_BYTES_MAX = 64 * KIB,    /* of a stream whose head waits for content (spec/wire-formats.md section 4.5) */
    DELAY_MS = 10000,              /* and so long */
    SSE_NAME_BYTES_MAX = 16 * KIB, /* the type and the id of an event; real ones have 10 to 40 bytes */
    UPSTREAM_CHUNK_LINE_BYTES_MAX = 4 * KIB, /* a chunk's size and extensions, and its line ends */
    UPSTREAM_INTERIM_MAX = 16,           /* 1xx answers before the final one */
    UPSTREAM_HOSTS_MAX = 2 * ROUTES_MAX, /* scheme, host and port; old ones give way to new ones after a reload */
    UPSTREAM_URL_BYTES_MAX = 66 * KIB,   /* a route's prefix and the longest request line a setting allows */
    UPSTREAM_REQUEST_HEAD_BYTES_MAX = 2 * MIB, /* URL and fields as text: twice what limits.header_bytes may be */
    UPSTREAM_SMALL_BODY_BYTES = 32 * KIB, /* copied, and sent with the head in one write */
    UPSTREAM_SPARE_BYTES = 48 * KIB,     /* a handle kept for reuse gives a larger request text back */
    UPSTREAM_HANDLES_IDLE_MAX = 64,      /* libcurl handles kept for reuse, a loop */
    SPARE_EXCHANGES_MAX = 64,            /* and requests' own parts; */
    SPARE_LOOK_MS = 5000,                /* as many as were not needed for so long are freed: memory goes back after a peak */
    UPSTREAM_UNASKED_BYTES_MAX = 64 * KIB, /* taken out of an idle connection before it is ended */
    UPSTREAM_LIFETIME_S = 300,           /* no connection is reused when older, so that changed addresses are seen */
    UPSTREAM_TURN_ROUNDS = 4,            /* rounds of work at the end of one loop turn before sockets have their chance */
    HOST_NAME_BYTES_MAX = 253,           /* RFC 1035 section 2.3.4, in text form */

    /* Names and addresses */
    RESOLVE_NAMES_MAX = 256,    /* names known or asked for, a loop */
    RESOLVE_WAITERS_MAX = 1024, /* transfers that wait for one name */
    RESOLVE_ADDRESSES_MAX = 8,  /* of one name; more are not looked at */
    RESOLVE_TTL_MS = 30000,     /* getaddrinfo tells no TTL of its own */
    RESOLVE_MISSING_TTL_MS = 1000,

    /* Models and training (spec/models.md) */
    MODEL_FILE_BYTES_MAX = 256 * MIB,
    MODEL_TABLE_BITS_MIN = 12,
    MODEL_TABLE_BITS_MAX = 20,
    MODEL_TERMS_MAX = 65535,      /* of a bow model's vocabulary: a number fits 16 bits */
    MODEL_TF_COUNT_MAX = 255,     /* more of one term in a text counts as so many */
    MODEL_BLOCK_CODE_POINTS = 2048, /* a text is scored in windows of two blocks that overlap by one */
    TRAIN_TEXT_CODE_POINTS_MAX = 16384, /* a training row longer than this keeps head and tail */
    SAMPLE_TEXT_BYTES_MAX = MIB,
    TRAIN_BYTES_MAX = 256 * MIB,     /* texts of one training run; half of it a label */
    TRAIN_RUN_MS = 30 * 60 * 1000,   /* a run that takes longer is given up */
    TRAIN_TURN_US = 30,              /* of a run's computation, before whoever waits for its processor comes first */
    TRAIN_AWAY_US = 5000,            /* longer than a tick: a run that was away for so long has a turn as long */
    TRAIN_PERSON_WEIGHT = 4,         /* a row that a person labelled counts as so many of the reviewer's */
    TRAIN_STANDS_FOR_MAX = 100,      /* a row that was drawn with a smaller probability stands for so many texts and no more */
    TRAIN_TELL_MS = 10000,           /* the log says so often how far a run is, and at each step */
    TRAIN_REST_MS = 30000,           /* beside `every`: of a profile whose run was stopped or failed; doubled with each failure */
    TRAIN_REST_DOUBLINGS = 7,
    TRAIN_REST_MAX_MS = TRAIN_REST_MS << TRAIN_REST_DOUBLINGS, /* about an hour */
    TRAIN_ROWS_BYTES_MAX = 256 * MIB, /* features of the rows of one training run; half of it a label */
    TRAIN_HELD_OUT_MAX = 4096,       /* rows of either label, the newest, that judge a model and never train it */
    GATE_BAND_ROWS_MIN = 20,         /* of either label: texts of one script or length that are judged for themselves */
    GATE_BAND_ERRORS = 3,            /* standard errors by which a regression among them is more than chance */
    TRAIN_HELD_OUT_MIN = 50,         /* of either label, where only what came since a change is of use */
    CHANGE_ROWS_MIN = 10,            /* as so many of equal weight the texts on either side of a change tell */
    CHANGE_ERRORS = 4,               /* standard errors by which a rise of the surprise is a change, looked for at every moment */
    TRAIN_FOLDS = 5,                 /* parts that calibration scores in turn; each label needs a row in each */
    TRAIN_UNSEEN_ENOUGH = 8192,      /* scores to calibrate by: their two numbers are then known to some hundredths */
    TRAIN_THINNED_ROWS_MIN = TRAIN_FOLDS * TRAIN_UNSEEN_ENOUGH, /* where one part is enough to calibrate by */
    TRAIN_LABEL_ROWS_MIN = 10,       /* of either label, before a first training */
    MODEL_VERSIONS_KEPT = 16,        /* of one profile, the live one aside; older ones are deleted */
    TRIAL_ROWS_MAX = 4096,           /* texts drawn at random, the newest, that tell how good a version is */
    TRIAL_BYTES_MAX = 16 * MIB,      /* of them: the leader's thread scores them, within its lease */
    TRIAL_TURN_MS = 200,             /* of each of the leader's turns, and the profile at hand */
    TRIAL_EARLY_MIN = 100,           /* texts after which a version on trial may be refused before there are enough */
    TRIAL_VIOLATIONS_MIN = 20,       /* among the texts that a version is promoted by: recall is known by them alone */
    TRIAL_DECIDED_MIN = 10,          /* and judged by the version itself: moderators can use it */
    TRIAL_ERRORS = 2,                /* standard errors by which being behind is more than chance */
    TRIAL_ERRORS_EARLY = 4,          /* the same before there are enough, where it is looked at again and again */
    FIGURES_BYTES_MAX = 4 * KIB,     /* the figures of a model, as JSON */

    /* What a person gives to and takes from the trainer's command line */
    RECORD_BYTES_MAX = 97 * 64 * KIB,                        /* a label in a file: each byte of its text may be six */
    SQLITE_HEAP_BYTES_MAX = 64 * MIB,                        /* while PrismGuard's history is read */
    IMPORT_BATCH_BYTES_MAX = 8 * MIB,                        /* texts of one statement */

    /* The trainer's leader (spec/reliability.md C) */
    LEADER_CHECK_MS = 1000,          /* the epoch is asked for, and announced, once in this time */
    LEADER_LEASE_MS = 3000,          /* nothing is announced later than this after the last good check */
    LEADER_SESSION_MS = 12000,       /* the server ends a leader's session that asked nothing for so long */
    LEADER_IN_TRANSACTION_MS = 10000, /* and a trainer's session that says nothing inside of a transaction */
    LEADER_CANCELS_MAX = 10000,      /* wishes to end a training, heard at one turn; the rest at the next */
    LEADER_STANDBY_MS = 2000,        /* a standby tries the lock at least once in this time */
    LEADER_TAKE_OVER_MS = 20000,     /* from a leader's hang to its successor's first announcement; the sum of what is above */
    UPKEEP_EVERY_MS = 60000,         /* all profiles are looked through for what is to be deleted so often */
    UPKEEP_RETENTION_S = 30 * 24 * 3600, /* of samples of a profile that no file names any more: the default of `retention` */
    UPKEEP_TURN_MS = 200,            /* of each of the leader's turns, and the batch at hand */
    ANNOUNCE_NEWS_MS = 200,          /* what is new is said again so soon, */
    ANNOUNCE_NEWS_COUNT = 10,        /* and so often at first: where half are lost, all ten are once in a thousand times */
    ANNOUNCE_EVERY_MS = 1000,
    SUBSCRIPTION_BYTES_MAX = 4 * KIB, /* what a subscriber may send: a subscription has a byte, a CURVE handshake some hundred */
    PUBLISH_TURN_MS = 5000,          /* an announcing loop that has not turned for so long is dead */

    /* The database (spec/postgres.md) */
    SCHEMA_VERSION = 9,              /* files in trainer/schema; who meets another version writes nothing */
    SAMPLE_BATCH_MAX = 256,
    SAMPLE_SLICE_ROWS = 16,          /* of a draw that the server is asked for at once: some 80 us of its work */
    SAMPLE_SLICE_BYTES = 8 * KIB,    /* of their texts, about; a longer text comes alone */
    HISTORY_QUEUE_BYTES_MAX = 8 * MIB,
    DB_CONNECT_S = 5,
    DB_STATEMENT_MS = 60000,
    DB_LOOK_MS = 50,                 /* who waits for the server looks so often whether it shall go on */
    DB_CANCEL_MS = 100,              /* a cancel of a session that is left has so long to reach the server */
    DB_LOCK_MS = 5000,
    DB_IDLE_IN_TRANSACTION_MS = 30000,
    DB_USER_TIMEOUT_MS = 10000,
    DB_KEEPALIVE_IDLE_S = 5,
    DB_KEEPALIVE_INTERVAL_S = 2,
    DB_KEEPALIVES = 3,
    DB_SERVER_VERSION_MIN = 150000,  /* PostgreSQL 15, as PQserverVersion counts */
    DB_VALUES_MAX = 16,              /* parameters of one statement */
    DB_ARRAY_BYTES_MAX = 320 * MIB,  /* array parameters of one statement, encoded */

    /* Samples on disk while the database is away */
    SPOOL_RECORD_BYTES_MAX = SAMPLE_TEXT_BYTES_MAX + 4 * KIB, /* a text and what is known of it */
    SPOOL_SEGMENT_BYTES = 4 * MIB,                            /* one file */
    SPOOL_SEGMENTS_MAX = 1024,
    STATE_FOLDERS_MAX = 64, /* moderators that share a state_dir */
    SPOOL_ADOPT_MS = 5000,  /* a folder that a dead process left is looked for so often */

    /* Models on disk, of all processes that share a state_dir */
    SHELF_FILES_MAX = PROFILES_MAX,
    SHELF_BYTES_MAX = 1024 * MIB,

    /* The reviewing LLM */
    REVIEW_ANSWER_BYTES_MAX = 64 * KIB,
    REVIEW_PROMPT_BYTES_MAX = 64 * KIB,
    REVIEW_REQUEST_BYTES_MAX = MIB, /* the JSON sent; a text that does not fit is not reviewed */
    REVIEW_PART_BYTES = 256 * KIB,  /* texts of one request: what a reviewing model reads at once; a longer one goes alone */
    REVIEW_PART_TEXTS_MAX = 256,
    REVIEW_MARGIN_MS = 50,          /* an answer leaves so long before the gateway gives the task up, or a tenth of its time */
    REVIEW_RETRY_MS = 100,          /* before the second call; doubled, with jitter */
    REVIEW_RETRY_MAX_MS = 2000,
    REVIEW_CIRCUIT_FAILURES = 5,    /* in a row within REVIEW_CIRCUIT_MS: a model is left alone */
    REVIEW_CIRCUIT_MS = 10000,
    REVIEW_OPEN_MS = 2000,          /* until it is probed; doubled with each failed probe */
    REVIEW_OPEN_MAX_MS = 30000,
    REVIEW_REST_MAX_MS = 60000,     /* of a Retry-After */

    /* What was found out about texts of late */
    RECENT_WAYS = 16,  /* entries of a set: of so many the least recently used one is pushed out */
    RECENT_LOCKS = 16, /* for all sets */

    /* Keywords */
    KEYWORD_FILE_BYTES_MAX = 4 * MIB,
    KEYWORD_BYTES_MAX = 1024, /* one line of a keyword file */
    KEYWORDS_MAX = 100000,    /* of one profile; 10 000 compile in a second */
    KEYWORD_ERRORS_MAX = 20,  /* told before the reader gives up */
    EXPRESSIONS_MAX = 2000,   /* of one profile; they compile some hundred times slower than keywords */
    OUTLINE_CHUNK_BYTES = 4 * KIB, /* of a text, outlined and scanned in one step */
    OUTLINE_BYTES_MAX = 4 * KIB, /* of one keyword; a longer one is found as it is written only */
    KEYWORD_GAP_MAX = 32,     /* characters between two letters that are still read as one word */
    KEYWORD_SPAN_BYTES_MAX = 64 * KIB, /* from the first to the last byte of a keyword in a text, with all that is invisible */
    SECOND_READING_BYTES_MAX = 16 * KIB, /* of a text in another order, scanned in one step */
    FOLD_CHUNK_BYTES = 16 * KIB, /* text is folded and scanned in steps of this size: memory does not follow the text */
    FOLD_MARKS_MAX = 30,         /* on one letter, folded together (UAX 15, Stream-Safe): putting n in order takes n * n steps */

    /* A moderator's slots and timers */
    REPLY_BYTES_MAX = 1792,  /* READY, VERDICT, VERDICTS, BUSY as written; below what the ROUTER takes */
    BATCH_JUDGE_US = 5000,   /* a TASKS that took so long is answered; what it has not begun comes again */
    JUDGE_STEP_US = 1000,    /* of a long text: so often other slots are looked at */
    SLOT_LEAVE_MS = 1500,    /* at the end: a slot waits so long for the task or PING that it answers with BYE */
    SLOT_FLUSH_MS = 20,      /* the last replies reach the kernel before their sockets are closed without linger */
    SLOT_LINGER_MS = 500,    /* or, where a BYE was the last one, with so much of it: an unheard one costs a crash's suspicion */
    REVIEW_DRAIN_MS = 10000, /* at the end: reviews that are under way may still answer */
    RETIRED_MAX = 4,         /* parts that reloads replaced and that still end; then a reload is refused */
    MODERATOR_END_S = 30,    /* at the end: whatever hangs then (a database), the process does not */
    ADDRESSES_MAX = 32,      /* behind all names of one list of endpoints; more are left out */
    LOOKUP_EVERY_MS = 5000,
    SLOT_CHECK_MS = 80,      /* a waiting slot looks whether its connection is there: libzmq connects again after 100 ms */
    SLOT_JOIN_MS = 5000,     /* a socket not connected by then is given up: libzmq does not try again once it was refused */
    SLOT_BACKOFF_MS = 100,
    SLOT_BACKOFF_MAX_MS = 5000,
    ANNOUNCEMENT_BYTES_MAX = KIB, /* a MODEL has 22 bytes at most */
    LIVE_FLOOR_MS = 10000,   /* a model that was used so recently is not pushed out by another profile's */
    LIVE_WAIT_MS = 250,      /* a task waits so long for a model that is away: below half of the shortest usual deadline */
    LIVE_RETRY_MS = 1000,    /* one that could not be had is not asked for again so soon */
    FEED_SILENCE_MS = 5000,  /* no announcement for so long: look into the table, and say that the feed is stale */
    DB_BACKOFF_MS = 100,
    DB_BACKOFF_MAX_MS = 5000,
    HISTORY_LOOKUP_MS = 500,     /* an earlier label is waited for no longer: the review goes on without */
    HISTORY_MARKS_MS = 2000,     /* whether people have changed labels is looked at so often */
    HISTORY_QUESTIONS_MAX = 64,  /* look-ups that wait for the database; more are not made */
    HISTORY_FLUSH_MS = 200,  /* the first queued label waits no longer for company */
    HISTORY_HANG_MS = 1000,  /* a statement that takes longer may take very long: labels go to the disk meanwhile */
    HISTORY_DRAIN_MS = 5000, /* at the end of the process */
};

_Static_assert(REST_S_MAX == RETRY_AFTER_S + OVERLOAD_RETRY_SPREAD_S - 1, "who comes when told to does not wait");
_Static_assert(TURN_BYTES % JSON_SLICE_BYTES == 0, "a turn is whole slices");
_Static_assert(LOOP_TICK_MS < POOL_TURN_MS && POOL_TURN_MS < THREAD_ALIVE_MS && THREAD_ALIVE_MS < THREAD_STUCK_MS,
               "liveness fails before the process ends itself, and not while a thread only sleeps");
_Static_assert(MSGPACK_ITEMS_MAX >= 2 * SEGMENTS_MAX + RECALL_NAMES_MAX + 64, "a full TASK or RECALL passes the checker");
_Static_assert(TASK_OVERHEAD_BYTES_MAX >= 16 * SEGMENTS_MAX + 18 * RECALL_NAMES_MAX + 1024,
               "headers and names of all segments fit beside the text");
_Static_assert(TASK_KEPT_BYTES >= 2 * LONG_TEXT_BYTES, "tasks of short texts share a buffer");
_Static_assert(PROBES_MAX + 2 <= ZMQ_SLOT_HWM_MESSAGES, "probes never fill a slot's pipe");
_Static_assert(GATEWAY_SILENCE_MS >= 2 * PING_IDLE_MS, "one lost PING rebuilds no socket");
_Static_assert(SLOT_CHECK_MS < ZMQ_RECONNECT_MS, "a lost connection is seen before there is another");
_Static_assert(ADDRESSES_MAX >= ENDPOINTS_MAX, "every address that can be written down has its slots");
_Static_assert(SLOT_JOIN_MS > ZMQ_HANDSHAKE_MS, "a slow handshake may end");
_Static_assert(SLOT_LEAVE_MS > PING_IDLE_MS, "an idle slot hears a PING before it leaves");
_Static_assert(REPLY_BYTES_MAX >= CATEGORY_BYTES_MAX + UNSURE_BYTES_MAX + 128, "the longest VERDICT fits");
_Static_assert(REPLY_BYTES_MAX >= BATCH_TASKS_MAX * (CATEGORY_BYTES_MAX + BATCH_SEGMENTS_MAX / 8 + 32) + 32,
               "so does the longest VERDICTS");
_Static_assert(BATCH_BYTES_MAX <= LONG_TEXT_BYTES, "nothing in a TASKS is judged in steps");
_Static_assert(MSGPACK_ITEMS_MAX >= BATCH_TASKS_MAX * (3 * BATCH_SEGMENTS_MAX + 4) + 8, "a full TASKS passes the checker");
_Static_assert(BATCH_BYTES_MAX + BATCH_TASKS_MAX * (18 * BATCH_SEGMENTS_MAX + 8) + 64 <= TASK_OVERHEAD_BYTES_MAX,
               "a slot takes a full TASKS, whatever text it takes");
_Static_assert(ZMQ_POOL_HWM_MESSAGES * ROUTER_MESSAGE_BYTES_MAX <= MEMORY_PEER_BYTES / 2, "so much may lie there from a slot");
_Static_assert((int)REPLY_BYTES_MAX < (int)ROUTER_MESSAGE_BYTES_MAX, "the gateway takes every reply");
_Static_assert(DB_ARRAY_BYTES_MAX / SAMPLE_BATCH_MAX > SAMPLE_TEXT_BYTES_MAX, "a full batch of the longest texts fits");
_Static_assert(RECORD_BYTES_MAX == 6 * SAMPLE_TEXT_BYTES_MAX + 64 * KIB, "the longest text fits a record, whatever is escaped");
_Static_assert(LEADER_CHECK_MS < LEADER_LEASE_MS && LEADER_LEASE_MS < LEADER_SESSION_MS, "silent before fenced");
_Static_assert(LEADER_SESSION_MS + LEADER_STANDBY_MS + LEADER_CHECK_MS < LEADER_TAKE_OVER_MS, "a hang is over in time");
_Static_assert(UPSTREAM_HOSTS_MAX >= ROUTES_MAX + URL_HOSTS_MAX, "every route and every URL's host may have a record");
_Static_assert(REPLY_HEAD_BYTES_MAX >= UPSTREAM_FIELDS_BYTES_MAX + 4 * UPSTREAM_FIELDS_MAX + 16 * KIB,
               "the largest head of an upstream fits with our own fields");
_Static_assert(TRAIN_LABEL_ROWS_MIN >= TRAIN_FOLDS, "calibration has a row of either label in each part");
_Static_assert(LOG_LINE_BYTES_MAX < LOG_QUEUE_BYTES_MAX, "a line fits the queue");
_Static_assert(SHELF_BYTES_MAX >= 2 * MODEL_FILE_BYTES_MAX, "the largest model has room beside another");
_Static_assert(SETTINGS_ENTRIES_MAX >= PROFILES_MAX && SETTINGS_ENTRIES_MAX >= ROUTES_MAX && SETTINGS_ENTRIES_MAX >= KEYS_MAX,
               "full tables can be written down");
_Static_assert(SETTINGS_NODES_MAX >= 8 * KEYS_MAX, "so can all keys with all that is said of each");
_Static_assert(METRICS_SERIES_MAX >= 8 * KEYS_COUNTED_MAX, "series of keys leave room for others");
_Static_assert(SETTINGS_ITEMS_MAX >= ENDPOINTS_MAX && SETTINGS_ITEMS_MAX >= FILES_MAX && SETTINGS_ITEMS_MAX >= MODELS_MAX &&
                   SETTINGS_ITEMS_MAX >= ROUTE_MODELS_MAX && SETTINGS_ITEMS_MAX >= PRIVATE_HOSTS_MAX &&
                   SETTINGS_ITEMS_MAX >= URL_HOSTS_MAX && SETTINGS_ITEMS_MAX >= KEY_ROUTES_MAX,
               "every list of the settings fits");
_Static_assert(SETTINGS_VALUE_BYTES_MAX > PATH_BYTES_MAX, "a value too long for its setting is read, and refused by name");

#endif
