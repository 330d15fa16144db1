/* test_settings_explain: the sentences of --check say what the settings do, above all what is not judged. */
#include "support/settings_text.h"
#include "support/unit.h"

#include "proto/settings_table.h"

#define SHA256_A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA256_B "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What is explained about a text; the caller frees it. */
static char *explanation_of(const char *text)
{
    struct reading reading;
    char *words = NULL;
    size_t count;
    FILE *out = open_memstream(&words, &count);

    assert_non_null(out);
    assert_read(&reading, text);
    settings_explain(reading.settings, out);
    assert_int_equal(0, fclose(out));
    reading_end(&reading);
    return words;
}

/* Each of the pieces stands in the explanation, each of `absent` does not; both end with NULL. */
static void assert_explained(const char *text, const char *const *present, const char *const *absent)
{
    char *words = explanation_of(text);

    for (; *present != NULL; present++) {
        if (strstr(words, *present) == NULL) {
            fail_msg("'%s' is not in:\n%s", *present, words);
        }
    }
    for (; *absent != NULL; absent++) {
        if (strstr(words, *absent) != NULL) {
            fail_msg("'%s' is in:\n%s", *absent, words);
        }
    }
    free(words);
}

#define PIECES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void it_says_what_is_told_to_callers_and_what_only_observes(void **state)
{
    (void)state;
    assert_explained("gateway: { debug_headers: true }\nprofiles: { a: { observe: true } }\n",
                     PIECES("WHOEVER CALLS LEARNS how he was judged", "Profile a\n  ONLY OBSERVES: what follows is decided"),
                     PIECES("Health and metrics are off."));
    assert_explained("profiles: { a: }\n", PIECES("Profile a\n  Judged:", "what the upstream answers.\n"),
                     PIECES("LEARNS", "OBSERVES", "before it is released"));
    assert_explained("profiles: { a: { responses: true } }\n",
                     PIECES("what the upstream answers as a stream.\n", "Judged before it is released: what the upstream answers",
                            "ANSWERS ARE RELAYED UNJUDGED"),
                     PIECES("what the upstream answers.\n"));
}

static void it_says_who_may_call(void **state)
{
    (void)state;
    assert_explained("", PIECES("listens on 127.0.0.1:8080: programs on this machine may call it, without a key",
                                "Health and metrics are at 127.0.0.1:9090.\n", "Nothing: there are no routes."),
                     PIECES("whoever"));
    assert_explained("gateway: { listen: 0.0.0.0:80, open: true, admin_listen: 0.0.0.0:81 }\n",
                     PIECES("listens on 0.0.0.0:80 and is open: whoever can reach it may call it, without a key",
                            "Health and metrics are at 0.0.0.0:81, for whoever can reach it."),
                     PIECES("programs on this machine"));
    assert_explained("gateway: { admin_listen: off }\n", PIECES("Health and metrics are off."), PIECES("9090"));
    assert_explained("gateway:\n  listen: 0.0.0.0:80\n  keys:\n"
                     "    - { name: team-a, sha256: " SHA256_A ", rate: 50/s, in_flight: 32, routes: [/a, /m] }\n"
                     "    - { name: team-b, sha256: " SHA256_B " }\n"
                     "routes:\n  - { path: /a, upstream: https://a.example, moderation: none }\n"
                     "  - { path: /m, serve: moderations }\nprofiles: { default: }\n",
                     PIECES("listens on 0.0.0.0:80: whoever can reach it may call it with one of these keys",
                            "    team-a: /a, /m; at most 50 in 1s; at most 32 at once.\n", "    team-b: all routes.\n",
                            "/a goes to https://a.example, with what credential the caller sends beside its key;"),
                     PIECES("without a key", "0123456789abcdef"));
}

static void it_says_what_is_forwarded_where_and_what_is_not_judged(void **state)
{
    (void)state;
    assert_explained("routes: [{ path: /m, serve: moderations }]\nprofiles: { default: }\n",
                     PIECES("/m is OpenAI's moderation endpoint, answered by the gateway itself: judged by profile default, "
                            "forwarded nowhere.\n"),
                     PIECES("goes to"));
    assert_explained("routes:\n- { path: /a, upstream: https://a.example }\n"
                     "- { path: /raw, upstream: https://b.example, key_file: /k, moderation: none }\nprofiles: { default: }\n"
                     "gateway: { allow_private_upstreams: true }\n",
                     PIECES("  /a goes to https://a.example, with the caller's own credential; judged by profile default.\n",
                            "  /raw goes to https://b.example, with the key in /k; NOT judged.\n",
                            "Upstreams may be on this machine or in private networks."),
                     PIECES("Nothing", "$URL"));
    assert_explained("gateway: { allow_private_upstreams: [llm, sidecar] }\n",
                     PIECES("The upstream llm may be on this machine", "The upstream sidecar may be"), PIECES("Upstreams may be"));
    assert_explained("gateway: { url_config: true, url_config_hosts: [a.example, 'b.example/v1'], url_config_floor: low }\n"
                     "profiles: { low: }\n",
                     PIECES("with the caller's own credential, judged by profile low\n    and by the one that the URL names; it may name "
                            "a.example, b.example/v1.\n"),
                     PIECES("may be on this machine"));
}

static void it_says_how_the_services_talk(void **state)
{
    (void)state;
    assert_explained("", PIECES("talk on this machine only, not encrypted (curve: off)"), PIECES("talk encrypted"));
    assert_explained("curve: { dir: /run/keys }\n", PIECES("talk encrypted; the keys in /run/keys say who may"),
                     PIECES("not encrypted"));
}

static void it_says_what_blocks_and_what_is_undecided(void **state)
{
    (void)state;
    assert_explained("profiles: { a: { keywords: [/k.txt] } }\n",
                     PIECES("Profile a\n", "the words of system, user, tool, document; content of a shape we do not know: every string",
                            "Blocks: a keyword of /k.txt.\n",
                            "Blocks: a model's score above 0.8; below 0.2 passes; between them the model is unsure.\n",
                            "Undecided (unsure, and no review is configured): blocked from 0.5 up, the middle between low and high",
                            "As long as no model has been trained: ALLOWED, and counted.\n",
                            "no verdict within 800ms, reviews within 10s): refused with 503.\n",
                            "Samples: none are kept (there is no database.url)"),
                     PIECES("Asks", "UNJUDGED", "Nothing ever"));
    assert_explained("profiles: { a: { undecided: block, unknown: block, scope: { roles: [user] }, when_unavailable: allow } }\n",
                     PIECES("the words of user; content of a shape we do not know: the request is refused",
                            "(unsure, and no review is configured): blocked.\n", "FORWARDED UNJUDGED, and counted.\n"),
                     PIECES("ALLOWED"));
    assert_explained("profiles: { a: { undecided: allow } }\n", PIECES("no review is configured): allowed, and counted.\n"),
                     PIECES("blocked from"));
}

static void it_says_plainly_when_nothing_ever_blocks(void **state)
{
    (void)state;
    assert_explained("profiles: { a: { model: { kind: none } } }\n",
                     PIECES("Nothing ever blocks: there are no keywords, no model and no review.",
                            "ALLOWED, and counted, as there is no model (model.kind: none)."),
                     PIECES("a model's score"));
    assert_explained("profiles: { a: { model: { kind: none }, undecided: block } }\n", PIECES("blocked."), PIECES("Nothing ever"));
}

static void it_says_who_reviews_and_where_samples_go(void **state)
{
    (void)state;
    assert_explained("profiles:\n  a: { review: { url: \"https://r.example/v1?key=hunter2\", models: [m], concurrency: 3 } }\n"
                     "database: { url: host=/tmp }\n",
                     PIECES("Asks https://r.example/v1 what the model is unsure of", "and 5 % of all texts;",
                            "at most 3 at once for each moderator; when all are busy: undecided.",
                            "Undecided (unsure, and the reviewer is busy or gives no answer)",
                            "Samples: text and verdict are kept in the database, from reviews, for 30d, at most 100000.",
                            "after 200 new samples, every 1h at most, from at most 50000; published from AUC 0.8 up."),
                     PIECES("no review is configured", "hunter2"));
    assert_explained("profiles: { a: { store: hash } }\ndatabase: { url: host=/tmp }\n",
                     PIECES("a keyed hash and the verdict are kept, no text, in the database, from reviews, for 30d.\n"),
                     PIECES("Training", "at most 100000"));
    assert_explained("profiles: { a: { store: off } }\ndatabase: { url: host=/tmp }\n",
                     PIECES("Samples: none are kept (store: off)"), PIECES("Training"));
    assert_explained("profiles: { a: { review: { url: http://r/, models: [m] }, training: { canary: 0.1, canary_time: 3d } } }\n"
                     "database: { url: host=/tmp }\n",
                     PIECES("A new model makes 10 % of the decisions until 500 labels", "after 3d it is set aside"),
                     PIECES("it is live at once"));
}

static void it_says_what_is_known_again(void **state)
{
    (void)state;
    assert_explained("profiles: { a: { cache: { entries: 100, ttl: 90s } } }\n",
                     PIECES("A text that is sent again within 90s is known again and not judged anew, of 100 texts for each"),
                     PIECES("4096"));
    assert_explained("profiles: { a: { cache: { entries: 0 } } }\n", PIECES("Profile a"), PIECES("judged anew"));
}

static void no_secret_is_explained(void **state)
{
    (void)state;
    assert_explained("database: { url: \"postgresql://me:hunter2@db/x\" }\nprofiles: { a: }\n", PIECES("Samples"), PIECES("hunter2"));
}

static void the_table_has_one_row_a_setting(void **state)
{
    char *words = NULL;
    size_t count;
    FILE *out = open_memstream(&words, &count);
    size_t lines = 0;

    (void)state;
    assert_non_null(out);
    settings_print_table(out);
    assert_int_equal(0, fclose(out));
    for (const char *at = words; (at = strstr(at, "\n| `")) != NULL; at++) {
        lines++;
    }
    assert_int_equal(settings_table_count(), lines);
    assert_non_null(strstr(words, "| `gateway.threads` | auto or 1 to 64 | `auto` | `PRISMGUARD_GATEWAY_THREADS` | start | Event "
                                  "loops; auto is one a core. |\n"));
    assert_non_null(strstr(words, "| `routes[].path` | a path such as /openai: letters, digits, - . _ ~, no / at the end (at most "
                                  "512 bytes) | (required) |  | reload | "));
    assert_non_null(strstr(words, "| `database.url` | text without control characters (at most 512 bytes) | (empty) | "
                                  "`PRISMGUARD_DATABASE_URL` | start |"));
    free(words);
}

static void the_written_table_is_the_table(void **state)
{
    static char written[64 * KIB];
    FILE *file = fopen(TEST_ROOT "/deploy/SETTINGS.md", "re");
    char *words = NULL;
    size_t count;
    FILE *out = open_memstream(&words, &count);

    (void)state;
    assert_non_null(file);
    assert_non_null(out);
    written[fread(written, 1, sizeof written - 1, file)] = '\0';
    assert_int_equal(0, fclose(file));
    settings_print_table(out);
    assert_int_equal(0, fclose(out));
    if (strcmp(words, written) != 0) {
        fail_msg("deploy/SETTINGS.md is old: build/bin/prismguard-gateway --settings >deploy/SETTINGS.md");
    }
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_who_may_call),
        cmocka_unit_test(it_says_what_is_told_to_callers_and_what_only_observes),
        cmocka_unit_test(it_says_what_is_forwarded_where_and_what_is_not_judged),
        cmocka_unit_test(it_says_how_the_services_talk),
        cmocka_unit_test(it_says_what_blocks_and_what_is_undecided),
        cmocka_unit_test(it_says_plainly_when_nothing_ever_blocks),
        cmocka_unit_test(it_says_who_reviews_and_where_samples_go),
        cmocka_unit_test(it_says_what_is_known_again),
        cmocka_unit_test(no_secret_is_explained),
        cmocka_unit_test(the_table_has_one_row_a_setting),
        cmocka_unit_test(the_written_table_is_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
