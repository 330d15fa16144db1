/* relay_fields: which fields of an upstream's answer pass, and which of ours join them. */
#include "gateway/relay_fields.h"

#include "gateway/reply.h"
#include "proto/limits.h"

/* Fields that speak of the connection between upstream and gateway, or of the upstream's site, and not of the answer; and orders
 * that a server in front of us (deploy/nginx.conf) would take as ours: to answer with a file or page of its own instead, or to
 * keep or slow the answer. "X-Accel-Buffering: no" is no more than streams need. */
static bool is_kept_from_client(struct bytes name)
{
    static const struct bytes names[] = {
        {"set-cookie", 10},           {"strict-transport-security", 25}, {"content-security-policy", 23},
        {"permissions-policy", 18},   {"x-frame-options", 15},           {"x-xss-protection", 16},
        {"referrer-policy", 15},      {"alt-svc", 7},                    {"content-security-policy-report-only", 35},
        {"x-content-type-options", 22}, {"set-cookie2", 11},             {"clear-site-data", 15},
        {"nel", 3},                   {"report-to", 9},                  {"reporting-endpoints", 19},
        {"x-accel-redirect", 16},     {"x-accel-expires", 15},           {"x-accel-limit-rate", 18},
        {"x-accel-charset", 15},      {"x-sendfile", 10},                {"x-lighttpd-send-file", 20},
        {"x-sendfile2", 11},          {"x-litespeed-location", 20},      {"x-reproxy-url", 13},
    };

    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        if (bytes_equal_nocase(name, names[index])) {
            return true;
        }
    }
    return bytes_equal_nocase(bytes_first(name, 13), BYTES("x-prismguard-")) || reply_is_hop_field(name);
}

static enum status collect_fields(struct fields *out, const struct fields *from, const struct fields *added)
{
    enum status status = STATUS_OK;

    for (size_t index = 0; status == STATUS_OK && index < fields_count(from); index++) {
        struct field field = fields_at(from, index);

        if (!is_kept_from_client(field.name) && !fields_is_named_one_hop(from, field.name)) {
            status = fields_add(out, field.name, field.value);
        }
    }
    for (size_t index = 0; added != NULL && status == STATUS_OK && index < fields_count(added); index++) {
        struct field field = fields_at(added, index);
        struct bytes theirs;

        if (!fields_find(out, field.name, &theirs)) {
            status = fields_add(out, field.name, field.value);
        }
    }
    return status;
}

enum status relay_fields_open(struct fields **out, const struct fields *from, const struct fields *added)
{
    struct fields *fields = NULL;
    size_t added_count = added == NULL ? 0 : fields_count(added);
    enum status status = fields_open(&fields, fields_count(from) + added_count, REPLY_HEAD_BYTES_MAX);

    if (status == STATUS_OK) {
        status = collect_fields(fields, from, added);
    }
    if (status != STATUS_OK) {
        fields_close(&fields);
        return status;
    }
    *out = fields;
    return STATUS_OK;
}
