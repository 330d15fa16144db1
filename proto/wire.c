/* wire: one ZeroMQ socket with its role's options; frames in and out without waiting; strangers' transports refused. */
#include "proto/wire.h"

#include "proto/address.h"
#include "proto/limits.h"

#include <arpa/inet.h>
#include <assert.h>
#include <czmq.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wire {
    zsock_t *socket;
    void *handle; /* libzmq's, of that socket */
    enum wire_role role;
    int descriptor;
    bool asked; /* a slot has sent, and has had no answer yet */
    bool told;  /* what has come is taken, or will be told by the descriptor */
    bool rang;  /* the descriptor told, and the socket was not asked since: it tells nothing before that */
    zmq_msg_t identity; /* what wire_take lends */
    zmq_msg_t frame;
    const struct wire_security *security; /* NULL: the NULL mechanism */
    char endpoint[PATH_BYTES_MAX + 1];
};

struct role {
    int type;
    bool binds;
    enum wire_party peer; /* whom one that connects talks to */
    int send_messages; /* high water, each direction */
    int receive_messages;
};

static const struct role roles[] = {
    [WIRE_POOL] = {ZMQ_ROUTER, true, WIRE_MODERATOR, ZMQ_POOL_HWM_MESSAGES, ZMQ_POOL_HWM_MESSAGES},
    [WIRE_SLOT] = {ZMQ_REQ, false, WIRE_GATEWAY, ZMQ_SLOT_HWM_MESSAGES, ZMQ_SLOT_HWM_MESSAGES},
    [WIRE_ANNOUNCE] = {ZMQ_XPUB, true, WIRE_MODERATOR, ZMQ_ANNOUNCE_HWM_MESSAGES, ZMQ_ANNOUNCE_HWM_MESSAGES},
    [WIRE_LISTEN] = {ZMQ_SUB, false, WIRE_TRAINER, ZMQ_ANNOUNCE_HWM_MESSAGES, ZMQ_ANNOUNCE_HWM_MESSAGES},
};

static enum status status_of(int error)
{
    switch (error) {
    case EAGAIN:
    case EINTR:
        return STATUS_AGAIN;
    case EHOSTUNREACH: /* ROUTER_MANDATORY: no such peer */
    case ETERM:
        return STATUS_CLOSED;
    case EFSM: /* not this side's turn */
        return STATUS_CONFLICT;
    case EINVAL:
    case EPROTONOSUPPORT:
    case ENOCOMPATPROTO:
        return STATUS_MALFORMED;
    default:
        return address_status(error);
    }
}

enum status wire_start(void)
{
    /* Before zsys_init(), which would take SIGINT and SIGTERM from the process. */
    zsys_handler_set(NULL);
    if (zsys_init() == NULL) {
        return STATUS_IO;
    }
    zsys_set_logstream(NULL); /* its lines are not ours to print */
    zsys_set_max_sockets(ZMQ_SOCKETS_MAX);
    return STATUS_OK;
}

struct option {
    int name;
    int value;
};

static bool set_options(void *handle, const struct option *options, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        if (zmq_setsockopt(handle, options[index].name, &options[index].value, sizeof options[index].value) != 0) {
            return false;
        }
    }
    return true;
}

static bool set_role_options(void *handle, enum wire_role role, size_t message_bytes_max)
{
    const struct option common[] = {
        {ZMQ_LINGER, 0},
        {ZMQ_SNDHWM, roles[role].send_messages},
        {ZMQ_RCVHWM, roles[role].receive_messages},
        {ZMQ_HEARTBEAT_IVL, ZMQ_HEARTBEAT_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, ZMQ_HEARTBEAT_TIMEOUT_MS},
        {ZMQ_HEARTBEAT_TTL, ZMQ_HEARTBEAT_TTL_MS},
        {ZMQ_HANDSHAKE_IVL, ZMQ_HANDSHAKE_MS},
        {ZMQ_RECONNECT_IVL, ZMQ_RECONNECT_MS},
        {ZMQ_RECONNECT_IVL_MAX, ZMQ_RECONNECT_MAX_MS},
        {ZMQ_TCP_KEEPALIVE, 1},
    };
    const struct option pool[] = {{ZMQ_ROUTER_MANDATORY, 1}, {ZMQ_ROUTER_HANDOVER, 0}};
    const struct option slot[] = {{ZMQ_IMMEDIATE, 1}, {ZMQ_REQ_RELAXED, 1}};
    const struct option announce[] = {{ZMQ_XPUB_VERBOSE, 1}};
    int64_t bytes_max = (int64_t)message_bytes_max;

    if (!set_options(handle, common, sizeof common / sizeof common[0]) ||
        zmq_setsockopt(handle, ZMQ_MAXMSGSIZE, &bytes_max, sizeof bytes_max) != 0) {
        return false;
    }
    switch (role) {
    case WIRE_POOL:
        return set_options(handle, pool, sizeof pool / sizeof pool[0]);
    case WIRE_SLOT:
        return set_options(handle, slot, sizeof slot / sizeof slot[0]);
    case WIRE_ANNOUNCE:
        return set_options(handle, announce, 1);
    case WIRE_LISTEN:
        return zmq_setsockopt(handle, ZMQ_SUBSCRIBE, "", 0) == 0; /* one topic: everything */
    }
    return false;
}

static int number_of(const struct wire *wire, int option, int otherwise)
{
    int number = otherwise;
    size_t room = sizeof number;

    return zmq_getsockopt(wire->handle, option, &number, &room) == 0 ? number : otherwise;
}

enum status wire_open(struct wire **out, enum wire_role role, size_t message_bytes_max)
{
    struct wire *wire = calloc(1, sizeof *wire);
    enum status status = STATUS_NO_MEMORY;

    assert(message_bytes_max > 0 && message_bytes_max <= INT64_MAX);
    if (wire == NULL) {
        return STATUS_NO_MEMORY;
    }
    wire->role = role;
    zmq_msg_init(&wire->identity);
    zmq_msg_init(&wire->frame);
    wire->socket = zsock_new(roles[role].type);
    if (wire->socket != NULL) {
        wire->handle = zsock_resolve(wire->socket);
    }
    if (wire->handle == NULL || !set_role_options(wire->handle, role, message_bytes_max)) {
        status = status_of(errno);
        goto fail;
    }
    wire->descriptor = number_of(wire, ZMQ_FD, -1);
    *out = wire;
    return STATUS_OK;
fail:
    wire_close(&wire);
    return status;
}

void wire_close(struct wire **wire)
{
    assert(wire != NULL);
    if (*wire == NULL) {
        return;
    }
    zmq_msg_close(&(*wire)->identity);
    zmq_msg_close(&(*wire)->frame);
    zsock_destroy(&(*wire)->socket);
    free(*wire);
    *wire = NULL;
}

static bool is_ipv4(struct bytes host)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr four;

    return bytes_copy(host, text, sizeof text) == STATUS_OK && inet_pton(AF_INET, text, &four) == 1;
}

/* May this endpoint be used with the security the socket has? Without CURVE only where no stranger can come from (house
 * D16: one endless message takes an open ROUTER to a gigabyte in three seconds). */
static enum status check_endpoint(struct bytes endpoint, bool secured, bool *out_tcp, bool *out_ipv6)
{
    struct bytes host;
    struct bytes port;

    *out_tcp = *out_ipv6 = false;
    if (endpoint.count > PATH_BYTES_MAX) {
        return STATUS_MALFORMED;
    }
    if (bytes_starts_with(endpoint, BYTES("ipc://")) || bytes_starts_with(endpoint, BYTES("inproc://"))) {
        return STATUS_OK;
    }
    if (!bytes_starts_with(endpoint, BYTES("tcp://")) ||
        !address_split(bytes_from(endpoint, sizeof "tcp://" - 1), &host, &port) || host.count == 0 || port.count == 0) {
        return STATUS_MALFORMED;
    }
    /* With IPv6 on, an IPv4 address would be told back as "[::ffff:...]". */
    *out_ipv6 = !is_ipv4(host);
    *out_tcp = true;
    return secured || address_is_loopback(host) ? STATUS_OK : STATUS_DENIED;
}

void wire_secure(struct wire *wire, const struct wire_security *security)
{
    wire->security = security;
}

enum status wire_attach(struct wire *wire, const char *endpoint)
{
    void *handle = wire->handle;
    size_t room = sizeof wire->endpoint;
    bool tcp;
    bool ipv6;
    enum status status = check_endpoint(bytes_of(endpoint), wire->security != NULL, &tcp, &ipv6);

    if (status == STATUS_OK && tcp && wire->security != NULL) {
        status = wire_security_apply(wire->security, handle, roles[wire->role].binds, roles[wire->role].peer);
    }
    if (status != STATUS_OK) {
        return status;
    }
    zsock_set_ipv6(wire->socket, ipv6);
    if ((roles[wire->role].binds ? zmq_bind(handle, endpoint) : zmq_connect(handle, endpoint)) != 0 ||
        zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, wire->endpoint, &room) != 0) {
        return status_of(errno);
    }
    return STATUS_OK;
}

enum status wire_detach(struct wire *wire, const char *endpoint)
{
    assert(!roles[wire->role].binds);
    if (zmq_disconnect(wire->handle, endpoint) != 0) {
        return errno == ENOENT ? STATUS_NOT_FOUND : status_of(errno);
    }
    return STATUS_OK;
}

static int ask(struct wire *wire)
{
    int events = number_of(wire, ZMQ_EVENTS, 0);

    wire->told = (events & ZMQ_POLLIN) == 0;
    wire->rang = false;
    return events;
}

void wire_linger(struct wire *wire, int linger_ms)
{
    (void)zmq_setsockopt(wire->handle, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
}

bool wire_connected(struct wire *wire)
{
    assert(wire->role == WIRE_SLOT);
    return (ask(wire) & ZMQ_POLLOUT) != 0;
}

void wire_rang(struct wire *wire)
{
    wire->told = false;
    wire->rang = true;
}

bool wire_may_have_changed(const struct wire *wire)
{
    return !wire->told;
}

bool wire_untold(struct wire *wire)
{
    return !wire->told && (ask(wire) & ZMQ_POLLIN) != 0;
}

bool wire_opened(struct wire *wire)
{
    assert(wire->role == WIRE_SLOT);
    return !wire->told && (ask(wire) & ZMQ_POLLOUT) != 0;
}

int wire_descriptor(const struct wire *wire)
{
    return wire->descriptor;
}

const char *wire_endpoint(const struct wire *wire)
{
    return wire->endpoint;
}

void *wire_handle(const struct wire *wire)
{
    return wire->handle;
}

/* A message part with a copy of `content`. */
static bool make_part(zmq_msg_t *part, struct bytes content)
{
    if (zmq_msg_init_size(part, content.count) != 0) {
        return false;
    }
    if (content.count > 0) {
        memcpy(zmq_msg_data(part), content.data, content.count);
    }
    return true;
}

/* libzmq looks at what its own thread reported (room in a pipe, a peer gone) only now and then, to save time, and may say
 * "full" of a pipe that has long been read. Asking for the socket's events makes it look. */
static enum status send_part(void *handle, zmq_msg_t *part, int flags)
{
    int events;
    size_t room = sizeof events;
    enum status status = zmq_msg_send(part, handle, flags | ZMQ_DONTWAIT) < 0 ? status_of(errno) : STATUS_OK;

    if (status == STATUS_AGAIN && zmq_getsockopt(handle, ZMQ_EVENTS, &events, &room) == 0) {
        status = zmq_msg_send(part, handle, flags | ZMQ_DONTWAIT) < 0 ? status_of(errno) : STATUS_OK;
    }
    return status;
}

/* All parts are made before the first is sent: a message begun must be ended. */
static enum status send_parts(struct wire *wire, const struct bytes *contents, size_t count)
{
    enum { PARTS_MAX = 4 };
    zmq_msg_t parts[PARTS_MAX];
    size_t made = 0;
    size_t sent = 0;
    enum status status = STATUS_OK;

    assert(count <= PARTS_MAX);
    wire->told = false;
    while (made < count && make_part(&parts[made], contents[made])) {
        made++;
    }
    if (made < count) {
        status = STATUS_NO_MEMORY;
    }
    while (status == STATUS_OK && sent < count) {
        status = send_part(wire->handle, &parts[sent], sent + 1 < count ? ZMQ_SNDMORE : 0);
        if (status == STATUS_OK) {
            sent++;
        }
    }
    for (size_t index = sent; index < made; index++) {
        zmq_msg_close(&parts[index]);
    }
    return status;
}

enum status wire_send(struct wire *wire, struct bytes frame)
{
    enum status status;

    assert(wire->role != WIRE_POOL);
    if (wire->asked) {
        return STATUS_CONFLICT;
    }
    status = send_parts(wire, &frame, 1);
    wire->asked = wire->role == WIRE_SLOT && status == STATUS_OK;
    /* A REQ drops all that it knows to have come when it sends (libzmq's req.cpp): the descriptor tells what comes now. */
    wire->told = wire->asked && !wire->rang;
    return status;
}

enum status wire_send_to(struct wire *wire, struct bytes identity, struct bytes frame)
{
    const struct bytes parts[] = {identity, {NULL, 0}, frame};

    assert(wire->role == WIRE_POOL);
    return send_parts(wire, parts, sizeof parts / sizeof parts[0]);
}

/* The first part is four bytes, the place of a request number that our REQ sockets do not ask for (no REQ_CORRELATE): the
 * socket drops such a message itself, whether it is its turn to read or not. */
enum status wire_probe(struct wire *wire, struct bytes identity)
{
    const struct bytes parts[] = {identity, BYTES("ping"), {NULL, 0}, {NULL, 0}};

    assert(wire->role == WIRE_POOL);
    return send_parts(wire, parts, sizeof parts / sizeof parts[0]);
}

/* The rest of a message with more parts than it should have. */
static void drop_rest(struct wire *wire, zmq_msg_t *part)
{
    while (zmq_msg_more(part) && zmq_msg_recv(part, wire->handle, ZMQ_DONTWAIT) >= 0) {
    }
}

static struct bytes content_of(zmq_msg_t *part)
{
    return (struct bytes){zmq_msg_data(part), zmq_msg_size(part)};
}

/* Identity and empty delimiter, the two parts that a ROUTER has before the frame. */
static enum status take_envelope(struct wire *wire)
{
    if (zmq_msg_recv(&wire->identity, wire->handle, ZMQ_DONTWAIT) < 0) {
        return status_of(errno);
    }
    if (!zmq_msg_more(&wire->identity)) {
        return STATUS_MALFORMED;
    }
    if (zmq_msg_recv(&wire->frame, wire->handle, ZMQ_DONTWAIT) < 0) {
        return status_of(errno);
    }
    if (zmq_msg_size(&wire->frame) > 0 || !zmq_msg_more(&wire->frame)) {
        drop_rest(wire, &wire->frame);
        return STATUS_MALFORMED;
    }
    return STATUS_OK;
}

static enum status take_parts(struct wire *wire)
{
    enum status status = wire->role == WIRE_POOL ? take_envelope(wire) : STATUS_OK;

    if (status != STATUS_OK) {
        return status;
    }
    if (zmq_msg_recv(&wire->frame, wire->handle, ZMQ_DONTWAIT) < 0) {
        return status_of(errno);
    }
    wire->asked = false;
    if (zmq_msg_more(&wire->frame)) {
        drop_rest(wire, &wire->frame);
        return STATUS_MALFORMED;
    }
    return STATUS_OK;
}

enum status wire_take(struct wire *wire, struct bytes *identity, struct bytes *frame)
{
    enum status status = take_parts(wire);

    wire->told = status == STATUS_AGAIN && errno == EAGAIN; /* it has looked at all that its other thread reported */
    wire->rang = wire->rang && !wire->told;
    if (status == STATUS_OK || status == STATUS_MALFORMED) {
        *identity = content_of(&wire->identity);
    }
    if (status == STATUS_OK) {
        *frame = content_of(&wire->frame);
    }
    return status;
}
