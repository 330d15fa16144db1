/* wire_security: key files into CURVE options, and keys made new. */
#include "proto/wire_security.h"

#include "proto/limits.h"
#include "proto/secret.h"
#include "proto/wire_zap.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define PARTIES (WIRE_TRAINER + 1)

static const char *const party_names[PARTIES] = {"gateway", "moderator", "trainer"};

struct wire_security_keys {
    struct secret key; /* Z85 text */
    char public_key[CURVE_KEY_TEXT_BYTES + 1];
    char peer_keys[PARTIES][CURVE_KEY_TEXT_BYTES + 1]; /* of the binding parties, for one that connects */
    struct wire_zap_keys admitted;                     /* by one that binds */
};

/* Apart, so that whoever opens a socket needs a const wire_security only. */
struct in_use {
    pthread_mutex_t lock; /* threads open sockets while main swaps */
    struct wire_security_keys *keys;
};

struct wire_security {
    enum wire_party party;
    char dir[PATH_BYTES_MAX + 1];
    struct in_use *in_use;
    struct wire_zap *zap; /* of one that binds */
};

static bool binds(enum wire_party party)
{
    return party != WIRE_MODERATOR;
}

static enum status path_of(char out[PATH_BYTES_MAX + 1], const char *dir, enum wire_party party, const char *ending)
{
    int length = snprintf(out, PATH_BYTES_MAX + 1, "%s/%s.%s", dir, party_names[party], ending);

    return length > 0 && length <= PATH_BYTES_MAX ? STATUS_OK : STATUS_TOO_LARGE;
}

static enum status read_keys(struct wire_zap_keys *out, const char *dir, enum wire_party party)
{
    char path[PATH_BYTES_MAX + 1];
    enum status status = path_of(path, dir, party, "pub");

    return status == STATUS_OK ? wire_zap_read_keys(out, path) : status;
}

/* The first key of a file of keys. */
static enum status read_public_key(const char *dir, enum wire_party party, char out[CURVE_KEY_TEXT_BYTES + 1])
{
    struct wire_zap_keys keys;
    enum status status = read_keys(&keys, dir, party);

    if (status == STATUS_OK && zmq_z85_encode(out, keys.at[0], CURVE_KEY_BYTES) == NULL) {
        status = STATUS_MALFORMED;
    }
    return status;
}

/* Our secret key, and the public one that belongs to it. */
static enum status read_own_keys(struct wire_security_keys *out, const char *dir, enum wire_party party)
{
    char path[PATH_BYTES_MAX + 1];
    char text[CURVE_KEY_TEXT_BYTES + 1];
    uint8_t raw[CURVE_KEY_BYTES];
    enum status status = path_of(path, dir, party, "key");

    if (status == STATUS_OK) {
        status = secret_read(&out->key, path);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = bytes_copy(secret_view(&out->key), text, sizeof text);
    if (status == STATUS_OK && (out->key.count != CURVE_KEY_TEXT_BYTES || zmq_z85_decode(raw, text) == NULL ||
                                zmq_curve_public(out->public_key, text) != 0)) {
        status = STATUS_MALFORMED;
    }
    explicit_bzero(text, sizeof text);
    explicit_bzero(raw, sizeof raw);
    return status == STATUS_TOO_LARGE ? STATUS_MALFORMED : status;
}

/* A pair that does not belong together is told at once, not by peers that cannot connect. */
static enum status check_pair(const struct wire_security_keys *own, const char *dir, enum wire_party party)
{
    uint8_t raw[CURVE_KEY_BYTES];
    struct wire_zap_keys keys;
    enum status status = read_keys(&keys, dir, party);

    if (status == STATUS_OK && (zmq_z85_decode(raw, own->public_key) == NULL || !wire_zap_admits(&keys, raw))) {
        status = STATUS_MALFORMED;
    }
    return status;
}

static enum status read_all(struct wire_security_keys **out, const char *dir, enum wire_party party)
{
    struct wire_security_keys *keys = calloc(1, sizeof *keys);
    enum status status;

    if (keys == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = read_own_keys(keys, dir, party);
    if (status == STATUS_OK) {
        status = check_pair(keys, dir, party);
    }
    if (status == STATUS_OK && binds(party)) {
        status = read_keys(&keys->admitted, dir, WIRE_MODERATOR);
    }
    for (enum wire_party peer = 0; status == STATUS_OK && !binds(party) && peer <= WIRE_TRAINER; peer++) {
        if (binds(peer)) {
            status = read_public_key(dir, peer, keys->peer_keys[peer]);
        }
    }
    if (status != STATUS_OK) {
        wire_security_drop(&keys);
        return status;
    }
    *out = keys;
    return STATUS_OK;
}

enum status wire_security_open(struct wire_security **out, const char *dir, enum wire_party party)
{
    struct wire_security *security = calloc(1, sizeof *security);
    struct in_use *in_use = calloc(1, sizeof *in_use);
    enum status status;

    if (security == NULL || in_use == NULL) {
        free(security);
        free(in_use);
        return STATUS_NO_MEMORY;
    }
    security->party = party;
    security->in_use = in_use;
    (void)pthread_mutex_init(&in_use->lock, NULL);
    status = bytes_copy(bytes_of(dir), security->dir, sizeof security->dir);
    if (status == STATUS_OK) {
        status = read_all(&in_use->keys, dir, party);
    }
    if (status == STATUS_OK && binds(party)) {
        status = wire_zap_open(&security->zap, &in_use->keys->admitted);
    }
    if (status != STATUS_OK) {
        wire_security_close(&security);
        return status;
    }
    *out = security;
    return STATUS_OK;
}

enum status wire_security_start(struct wire_security **out, const char *dir, enum wire_party party, struct metrics *metrics)
{
    static const char *const denied[] = {[WIRE_GATEWAY] = "prismguard_gateway_zap_denied_total",
                                         [WIRE_TRAINER] = "prismguard_trainer_zap_denied_total"};
    struct series *series = NULL;
    enum status status;

    if (binds(party)) { /* it is there, and 0, where CURVE is off */
        series = metrics_series(metrics, METRIC_COUNTER, denied[party], "Connections refused for a key that is not known.",
                                NULL, 0);
    }
    if (dir[0] == '\0') {
        return STATUS_OK;
    }
    status = wire_security_open(out, dir, party);
    if (status == STATUS_OK && series != NULL) {
        wire_zap_count((*out)->zap, series);
    }
    return status;
}

void wire_security_close(struct wire_security **security)
{
    if (*security == NULL) {
        return;
    }
    wire_zap_close(&(*security)->zap);
    wire_security_drop(&(*security)->in_use->keys);
    (void)pthread_mutex_destroy(&(*security)->in_use->lock);
    free((*security)->in_use);
    free(*security);
    *security = NULL;
}

enum status wire_security_read(const struct wire_security *security, struct wire_security_keys **out)
{
    return security == NULL ? STATUS_OK : read_all(out, security->dir, security->party);
}

void wire_security_use(struct wire_security *security, struct wire_security_keys **keys)
{
    struct wire_security_keys *old;

    if (*keys == NULL) {
        return;
    }
    if (security->zap != NULL) {
        wire_zap_use(security->zap, &(*keys)->admitted);
    }
    (void)pthread_mutex_lock(&security->in_use->lock);
    old = security->in_use->keys;
    security->in_use->keys = *keys;
    (void)pthread_mutex_unlock(&security->in_use->lock);
    *keys = NULL;
    wire_security_drop(&old);
}

void wire_security_drop(struct wire_security_keys **keys)
{
    if (*keys != NULL) {
        secret_free(&(*keys)->key);
        free(*keys);
        *keys = NULL;
    }
}

enum status wire_security_reload(struct wire_security *security)
{
    struct wire_security_keys *keys = NULL;
    enum status status = wire_security_read(security, &keys);

    if (status == STATUS_OK) {
        wire_security_use(security, &keys);
    }
    return status;
}

uint64_t wire_security_denied(const struct wire_security *security)
{
    return security->zap == NULL ? 0 : wire_zap_denied(security->zap);
}

static bool set_text(void *handle, int option, const char *text, size_t count)
{
    return zmq_setsockopt(handle, option, text, count) == 0;
}

static bool set_keys(const struct wire_security_keys *keys, void *handle, bool server, enum wire_party peer)
{
    char text[CURVE_KEY_TEXT_BYTES + 1];
    int one = 1;
    bool set = bytes_copy(secret_view(&keys->key), text, sizeof text) == STATUS_OK &&
               set_text(handle, ZMQ_CURVE_SECRETKEY, text, sizeof text);

    explicit_bzero(text, sizeof text);
    if (server) {
        return set && zmq_setsockopt(handle, ZMQ_CURVE_SERVER, &one, sizeof one) == 0 &&
               set_text(handle, ZMQ_ZAP_DOMAIN, WIRE_ZAP_DOMAIN, sizeof WIRE_ZAP_DOMAIN - 1);
    }
    return set && set_text(handle, ZMQ_CURVE_PUBLICKEY, keys->public_key, sizeof keys->public_key) &&
           set_text(handle, ZMQ_CURVE_SERVERKEY, keys->peer_keys[peer], sizeof keys->peer_keys[peer]);
}

enum status wire_security_apply(const struct wire_security *security, void *handle, bool server,
                                enum wire_party peer)
{
    bool set;

    assert(server == binds(security->party));
    if (server && !wire_zap_answers(security->zap)) {
        return STATUS_UNAVAILABLE;
    }
    (void)pthread_mutex_lock(&security->in_use->lock);
    set = set_keys(security->in_use->keys, handle, server, peer);
    (void)pthread_mutex_unlock(&security->in_use->lock);
    return set ? STATUS_OK : STATUS_IO;
}

/* A new file, never an old one. */
static enum status write_key(const char *dir, enum wire_party party, const char *ending, const char *text, mode_t mode)
{
    char path[PATH_BYTES_MAX + 1];
    char line[CURVE_KEY_TEXT_BYTES + 2];
    enum status status = path_of(path, dir, party, ending);
    ssize_t written;
    int fd;

    if (status != STATUS_OK) {
        return status;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return errno == EEXIST ? STATUS_CONFLICT : STATUS_IO;
    }
    (void)snprintf(line, sizeof line, "%s\n", text);
    written = write(fd, line, sizeof line - 1);
    explicit_bzero(line, sizeof line);
    if (fsync(fd) != 0 || close(fd) != 0 || written != (ssize_t)sizeof line - 1) {
        return STATUS_IO;
    }
    return STATUS_OK;
}

static enum status make_pair(const char *dir, enum wire_party party)
{
    char public_key[CURVE_KEY_TEXT_BYTES + 1];
    char secret_key[CURVE_KEY_TEXT_BYTES + 1];
    enum status status;

    if (zmq_curve_keypair(public_key, secret_key) != 0) {
        return STATUS_UNAVAILABLE;
    }
    status = write_key(dir, party, "key", secret_key, 0600);
    explicit_bzero(secret_key, sizeof secret_key);
    return status == STATUS_OK ? write_key(dir, party, "pub", public_key, 0644) : status;
}

enum status wire_security_make_keys(const char *dir)
{
    char path[PATH_BYTES_MAX + 1];
    enum status status = STATUS_OK;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return STATUS_IO;
    }
    for (enum wire_party party = 0; status == STATUS_OK && party <= WIRE_TRAINER; party++) {
        status = path_of(path, dir, party, "key");
        if (status == STATUS_OK && access(path, F_OK) == 0) {
            status = STATUS_CONFLICT;
        }
    }
    for (enum wire_party party = 0; status == STATUS_OK && party <= WIRE_TRAINER; party++) {
        status = make_pair(dir, party);
    }
    return status;
}
