/* recent: what was found out about texts of late, so that the history of a conversation is not judged anew with each turn.
 *
 *   text ──keyed hash──> print ──with the keyed hash of what the finding rests on──> name (128 bits)
 *
 *   profile ──> table of cache.entries ──> set of RECENT_WAYS ──> entry {name, finding, until, used}
 *
 * Two kinds of finding, a table entry each: what keywords and model say of a text (RECENT_JUDGED), and what a reviewer says of it
 * (RECENT_REVIEWED). A finding is a fact about one text and never a verdict: what is undecided, busy or unavailable is not in
 * here, and thresholds and `undecided` are applied anew each time. A name holds the digest of the keywords, or of the review, and
 * the model's version: with new ones all old entries are out of reach at once. That of RECENT_REVIEWED also holds the version of
 * the labels, which rises when people have labelled texts anew, or may have: no finding outranks a person
 * (moderator/history_marks).
 *
 * Entries have no text. Hash keys are random and the process's own, so that nobody can choose texts that meet in a set or in a
 * name. A full set loses its least recently used entry. Profiles have tables of their own, so that no caller of one can push out
 * what is known for another; their numbers are those of moderator/live, and so is their bound.
 *
 * Thread: any; recent_fit one at a time. RECENT_LOCKS locks, by set, each held for one look into one set.
 */
#ifndef MODERATOR_RECENT_H
#define MODERATOR_RECENT_H

#include "moderator/live.h"
#include "moderator/rules.h"
#include "proto/metrics.h"
#include "proto/prints.h"

enum recent_kind { RECENT_JUDGED, RECENT_REVIEWED, RECENT_KINDS };

struct recent;

/* What the findings of one kind rest on, for one profile; both versions may be changed. It belongs to one thread. */
struct recent_basis {
    enum recent_kind kind;
    size_t profile; /* its number */
    uint64_t ttl_ms; /* 0: nothing is kept, and nothing is found */
    uint64_t model_version; /* 0 = none */
    uint64_t labels_version; /* RECENT_REVIEWED: recent_labels_version, from before the labels were asked for */
    unsigned char digest[SHA256_BYTES];
    bool has_ground; /* this and what follows is for recent alone: the keyed hash of all above, with those versions */
    uint64_t ground_version;
    uint64_t ground_labels_version;
    unsigned char ground[TABLE_HASH_BYTES];
};

struct recent_finding {
    double score;   /* RECENT_JUDGED: the model's; NaN where none was asked */
    bool violation; /* a keyword is in it; or the reviewer says so */
    bool drawn;     /* RECENT_JUDGED: at random, for a review: what was judged does not settle the text alone */
    char category[CATEGORY_BYTES_MAX + 1]; /* RECENT_REVIEWED, a violation: the reviewer's */
};

/* Without tables: recent_fit makes them. Borrows all until recent_close. STATUS_NO_MEMORY. */
MUST_CHECK enum status recent_open(struct recent **out, struct live *live, struct metrics *metrics);
void recent_close(struct recent **recent);

/* Gives each of the profiles a table of the size that it says, and takes those of all others. One whose size is as it was keeps
 * what is in it. STATUS_NO_MEMORY: some have none now, and their texts are judged anew each time. */
MUST_CHECK enum status recent_fit(struct recent *recent, const struct settings *settings);

/* The version of the labels of the profile with this number: nothing that was found before it was raised is known by it. 0 where
 * `recent` is NULL. */
uint64_t recent_labels_version(const struct recent *recent, size_t profile);

/* Raises that of the profile of this name: what reviews found so far is known no more. */
void recent_labels_changed(struct recent *recent, const char *name);

/* Of the profile with this index among those of the rules; both versions are 0. STATUS_FULL (live_number). */
MUST_CHECK enum status recent_basis_of(const struct recent *recent, const struct rules *rules, size_t index,
                                       enum recent_kind kind, struct recent_basis *out);

/* The keyed hash of a text. */
struct print recent_print_of(const struct recent *recent, struct bytes text);

/* The same of a text that has a name (recent_names; empty: none), and may be left out then: false when no text that came here has
 * that name, or not any more. */
bool recent_print_named(const struct recent *recent, struct bytes name, struct bytes text, struct print *out);

/* Says that the text of this name, or of this print, is looked for soon, after others: what is looked into is fetched from memory
 * meanwhile. */
void recent_expect_name(const struct recent *recent, struct bytes name);
void recent_expect(const struct recent *recent, struct recent_basis *basis, const struct print *print);

/* False when nothing is known, or not any more. */
bool recent_find(struct recent *recent, struct recent_basis *basis, const struct print *print, uint64_t now_ms,
                 struct recent_finding *out);

/* For basis.ttl_ms. In the place of what was known of it, of what is too old, or of what was not used for longest. */
void recent_keep(struct recent *recent, struct recent_basis *basis, const struct print *print, uint64_t now_ms,
                 const struct recent_finding *finding);

/* What a table of so many entries holds, at most. */
uint64_t recent_table_bytes(uint64_t entries);

#endif
