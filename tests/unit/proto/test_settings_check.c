/* test_settings_check: values that contradict each other, each with the line where it can be mended; files that are not there. */
#include "support/settings_text.h"
#include "support/unit.h"

#include "proto/settings_check.h"

#define SHA256_A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA256_B "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void assert_accepted(const char *text)
{
    struct reading reading;

    assert_read(&reading, text);
    reading_end(&reading);
}

static void a_listener_that_others_reach_needs_open(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:2: gateway.listen: found '0.0.0.0:8080', which others can reach, and no keys are asked for; "
                   "allowed is a loopback address, keys in 'gateway.keys', or 'gateway.open: true' to let everybody in\n",
                   "gateway:\n  listen: 0.0.0.0:8080\n");
    assert_refused("prismguard.yaml:1: gateway.listen: found 'gateway:80', which others can reach, and no keys are asked for; "
                   "allowed is a loopback address, keys in 'gateway.keys', or 'gateway.open: true' to let everybody in\n",
                   "gateway: { listen: gateway:80, open: false }\n");
    assert_accepted("gateway: { listen: 0.0.0.0:8080, open: true }\n");
    assert_accepted("gateway: { listen: \"[::1]:8080\" }\n");
    assert_accepted("gateway: { listen: 0.0.0.0:8080, keys: [{ name: a, sha256: " SHA256_A " }] }\n");
    assert_refused("prismguard.yaml:1: gateway.open: found 'true', but there are keys in 'gateway.keys'; allowed is one of the two\n",
                   "gateway: { open: true, keys: [{ name: a, sha256: " SHA256_A " }] }\n");
}

static void a_key_is_one_name_and_one_hash_and_its_routes_are_there(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:4: gateway.keys[1].name: found 'a', which the key in line 3 has already\n"
                   "prismguard.yaml:4: gateway.keys[1].routes: found '/b', but no route under 'routes' has this path\n"
                   "prismguard.yaml:5: gateway.keys[2].sha256: found the same as in line 3; allowed is a key for each\n",
                   "gateway:\n  keys:\n    - { name: a, sha256: " SHA256_A ", routes: [/a] }\n"
                   "    - { name: a, sha256: " SHA256_B ", routes: [/a, /b] }\n"
                   "    - { name: c, sha256: " SHA256_A " }\n"
                   "routes: [{ path: /a, upstream: https://a.example, moderation: none }]\n");
}

static void a_url_config_is_bounded_on_both_sides(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:1: gateway.url_config_hosts: missing; with 'url_config: true' it says which upstreams a URL may "
                   "name\n"
                   "prismguard.yaml:1: gateway.url_config_floor: found 'default', allowed is a profile that stands under 'profiles'\n",
                   "gateway: { url_config: true }\n");
    assert_refused("prismguard.yaml:1: gateway.url_config_floor: found 'none', allowed is a profile that stands under 'profiles'\n",
                   "gateway: { url_config: true, url_config_hosts: [a], url_config_floor: none }\nprofiles: { default: }\n");
    assert_accepted("gateway: { url_config: true, url_config_hosts: [a, 'b:1'] }\nprofiles: { default: }\n");
    assert_accepted("gateway: { url_config_hosts: [a] }\n");
}

static void private_upstreams_are_all_none_or_some(void **state)
{
    static const char *const texts[] = {"", "gateway: { allow_private_upstreams: false }\n",
                                        "gateway: { allow_private_upstreams: [] }\n",
                                        "gateway: { allow_private_upstreams: [llm, '[::1]'] }\n",
                                        "gateway: { allow_private_upstreams: true }\n"};
    static const char *const hosts[] = {"other", "false", "LLM", "[::1]"};
    static const bool allowed[][4] = {{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 1, 1}, {1, 1, 1, 1}};

    (void)state;
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        struct reading reading;

        assert_read(&reading, texts[index]);
        for (size_t host = 0; host < 4; host++) {
            assert_int_equal(allowed[index][host], settings_allows_private(&reading.settings->gateway.allow_private_upstreams,
                                                                            bytes_of(hosts[host])));
        }
        reading_end(&reading);
    }
    assert_refused("prismguard.yaml:1: gateway.allow_private_upstreams: found 'true' among others, allowed is true or false alone, or "
                   "a list of hosts\n",
                   "gateway: { allow_private_upstreams: [llm, true] }\n");
}

static void the_admin_port_is_not_the_public_port(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:1: gateway.admin_listen: found '127.0.0.1:80', the public port; allowed is another one\n",
                   "gateway: { listen: 127.0.0.1:80, admin_listen: 127.0.0.1:80 }\n");
    assert_accepted("gateway: { listen: 127.0.0.1:80, admin_listen: off }\n");
}

static void limits_fit_into_each_other_to_the_byte(void **state)
{
    (void)state;
    assert_accepted("gateway: { limits: { header_line: 16KiB, header_bytes: 32KiB } }\n");
    assert_refused("prismguard.yaml:1: gateway.limits.header_bytes: found 32767B, allowed is at least 32KiB: one field may be twice "
                   "header_line\n",
                   "gateway: { limits: { header_line: 16KiB, header_bytes: 32767B } }\n");
    assert_accepted("gateway: { limits: { request_bytes: 2MiB, body_budget: 2MiB } }\n");
    assert_refused("prismguard.yaml:1: gateway.limits.body_budget: found 2097151B, allowed is at least 2MiB: one body may be "
                   "request_bytes\n",
                   "gateway: { limits: { request_bytes: 2MiB, body_budget: 2097151B } }\n");
    assert_accepted("gateway: { limits: { relay_buffer: 1024KiB, stream_budget: 2272KiB } }\n");
    assert_refused("prismguard.yaml:1: gateway.limits.stream_budget: found 2271KiB, allowed is at least 2272KiB: one answer may have "
                   "relay_buffer, a chunk and a head unsent, in two buffers\n",
                   "gateway: { limits: { relay_buffer: 1024KiB, stream_budget: 2271KiB } }\n");
    assert_accepted("moderation: { queue: { bytes: 4352KiB } }\n");
    assert_refused("prismguard.yaml:1: moderation.queue.bytes: found 4456447B, allowed is at least 4352KiB: one text may be "
                   "gateway.limits.moderated_text, and its envelope is 256KiB\n",
                   "moderation: { queue: { bytes: 4456447B } }\n");
}

static void a_limit_that_only_its_default_breaks_is_told_where_its_section_is(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:2: gateway.limits.header_bytes: found 32KiB, allowed is at least 64KiB: one field may be twice "
                   "header_line\n",
                   "gateway:\n  limits:\n    header_line: 32KiB\n");
    assert_refused("prismguard.yaml:3: gateway.limits.body_budget: found 8MiB, allowed is at least 16MiB: one body may be "
                   "request_bytes\n",
                   "gateway:\n  limits:\n    body_budget: 8MiB\n");
}

static void links_stay_on_this_machine(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:1: moderation.bind: found 'tcp://0.0.0.0:5555', allowed is tcp:// on a loopback address, or "
                   "ipc://: without curve.dir the link is not encrypted\n"
                   "prismguard.yaml:3: trainer.publish: found 'tcp://*:5556', allowed is tcp:// on a loopback address, or "
                   "ipc://: without curve.dir the link is not encrypted\n"
                   "prismguard.yaml:2: moderator.gateways: found 'tcp://b:1', allowed is tcp:// on a loopback address, or "
                   "ipc://: without curve.dir the link is not encrypted\n"
                   "prismguard.yaml:2: moderator.models: found 'tcp://c:1', allowed is tcp:// on a loopback address, or "
                   "ipc://: without curve.dir the link is not encrypted\n",
                   "moderation: { bind: tcp://0.0.0.0:5555 }\nmoderator: { gateways: [ipc:///a, tcp://b:1], models: [tcp://c:1] }\n"
                   "trainer: { publish: \"tcp://*:5556\" }\n");
    assert_accepted("curve: off\nmoderation: { bind: ipc:///run/a }\nmoderator: { gateways: [tcp://localhost:1] }\n");
}

static void links_with_keys_may_leave_this_machine(void **state)
{
    (void)state;
    assert_accepted("moderation: { bind: \"tcp://*:5555\" }\nmoderator: { gateways: [tcp://b:1], models: [tcp://c:1] }\n"
                    "trainer: { publish: tcp://0.0.0.0:5556 }\ncurve: { dir: /run/keys }\n");
    assert_refused("prismguard.yaml:1: moderation.bind: found 'tcp://*:5555', allowed is tcp:// on a loopback address, or "
                   "ipc://: without curve.dir the link is not encrypted\n",
                   "moderation: { bind: \"tcp://*:5555\" }\ncurve: off\n");
    assert_refused("prismguard.yaml:1: curve: found a value, allowed is a mapping\n", "curve: on\n");
}

static void a_route_names_a_profile_that_exists(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:2: routes[0].moderation: found 'default', but there is no such profile under 'profiles'\n"
                   "prismguard.yaml:5: routes[1].moderation: found 'two', but there is no such profile under 'profiles'\n",
                   "routes:\n- { path: /a, upstream: https://a.example }\n- path: /b\n  upstream: https://a.example\n"
                   "  moderation: two\nprofiles: { one: }\n");
    assert_accepted("routes: [{ path: /a, upstream: https://a.example, moderation: none }]\n");
}

static void a_route_calls_an_upstream_or_serves_moderations_itself(void **state)
{
    (void)state;
    assert_accepted("routes: [{ path: /m, serve: moderations }]\nprofiles: { default: }\n");
    assert_accepted("routes: [{ path: /m, serve: upstream, upstream: https://a.example, moderation: none }]\n");
    assert_refused("prismguard.yaml:3: routes[1].upstream: missing; a route needs it unless it says 'serve: moderations'\n",
                   "routes:\n- { path: /a, upstream: https://a.example, moderation: none }\n- { path: /b, moderation: none }\n");
    assert_refused("prismguard.yaml:4: routes[0].upstream: found 'https://a.example', but the route says 'serve: moderations', "
                   "which calls no upstream\n"
                   "prismguard.yaml:5: routes[0].key_file: found a file, but the route says 'serve: moderations', which calls no "
                   "upstream\n"
                   "prismguard.yaml:6: routes[0].models: found a list, but the route says 'serve: moderations', which calls no "
                   "upstream\n"
                   "prismguard.yaml:7: routes[0].moderation: found 'none', allowed is a profile: 'serve: moderations' answers by "
                   "its verdicts\n",
                   "routes:\n- path: /m\n  serve: moderations\n  upstream: https://a.example\n  key_file: /k\n"
                   "  models: [a]\n  moderation: none\n");
    assert_refused("prismguard.yaml:1: routes[0].serve: found 'embeddings', allowed is upstream or moderations\n",
                   "routes: [{ path: /m, serve: embeddings, moderation: none }]\n");
}

static void a_route_converts_nothing(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:1: routes[0].to: found another format than the one in 'from', allowed is the same: "
                   "conversion is not built yet\n",
                   "routes: [{ path: /a, upstream: https://a.example, moderation: none, to: claude_chat }]\n");
    assert_refused("prismguard.yaml:1: routes[0].to: found another format than the one in 'from', allowed is the same: "
                   "conversion is not built yet\n",
                   "routes: [{ path: /a, upstream: https://a.example, moderation: none, from: [claude_chat, gemini_chat], "
                   "to: claude_chat }]\n");
    assert_accepted("routes: [{ path: /a, upstream: https://a.example, moderation: none, from: claude_chat, to: claude_chat }]\n");
    assert_accepted("routes: [{ path: /a, upstream: https://a.example, moderation: none, from: [openai_chat, claude_chat] }]\n");
}

static void a_path_belongs_to_one_route(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:4: routes[2].path: found '/a', which the route in line 2 has already\n",
                   "routes:\n- { path: /a, upstream: https://a.example, moderation: none }\n"
                   "- { path: /b, upstream: https://a.example, moderation: none }\n"
                   "- { path: /a, upstream: https://a.example, moderation: none }\n");
}

static void low_is_not_above_high(void **state)
{
    (void)state;
    assert_accepted("profiles: { a: { model: { low: 0.5, high: 0.5 } } }\n");
    assert_refused("prismguard.yaml:1: profiles.a.model.low: found 0.75, allowed is at most model.high, 0.5\n",
                   "profiles: { a: { model: { low: 0.75, high: 0.5 } } }\n");
}

static void a_review_needs_an_address_and_a_model(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:1: profiles.a.review.models: missing; review.url needs at least one model\n",
                   "profiles: { a: { review: { url: https://a.example } } }\n");
    assert_refused("prismguard.yaml:1: profiles.a.review.url: missing; review.models are named, but not where to ask them\n",
                   "profiles: { a: { review: { models: [m] } } }\n");
}

static void a_trial_needs_what_tells_how_good_a_model_is(void **state)
{
    (void)state;
    assert_accepted("profiles: { a: { review: { url: https://a.example, models: [m] }, training: { canary: 0.1 } } }\n");
    assert_accepted("profiles: { a: { training: { canary: 0 } } }\n");
    assert_refused("prismguard.yaml:1: profiles.a.training.canary: found 0.1, allowed is 0 without a review and its sample_rate, "
                   "which tell how good a new model is\n",
                   "profiles: { a: { training: { canary: 0.1 } } }\n");
    assert_refused("prismguard.yaml:1: profiles.a.training.canary: found 0.1, allowed is 0 without a review and its sample_rate, "
                   "which tell how good a new model is\n",
                   "profiles: { a: { review: { url: https://a.example, models: [m], sample_rate: 0 }, "
                   "training: { canary: 0.1 } } }\n");
    assert_refused("prismguard.yaml:1: profiles.a.training.canary: found 0.1, allowed is 0 without store: text: a new model is "
                   "judged by texts\n",
                   "profiles: { a: { review: { url: https://a.example, models: [m] }, store: hash, "
                   "training: { canary: 0.1 } } }\n");
}

static void training_may_draw_as_many_as_it_needs(void **state)
{
    (void)state;
    assert_accepted("profiles: { a: { training: { min_samples: 9, max_samples: 9 } } }\n");
    assert_accepted("profiles: { a: { training: { min_samples: 9, keep_samples: 9 } } }\n");
    assert_refused("prismguard.yaml:1: profiles.a.training.keep_samples: found 8, allowed is at least 9: min_samples are needed "
                   "to train\n",
                   "profiles: { a: { training: { min_samples: 9, keep_samples: 8 } } }\n");
    assert_refused("prismguard.yaml:1: profiles.a.training.max_samples: found 8, allowed is at least 9: min_samples are needed to "
                   "train\n",
                   "profiles: { a: { training: { min_samples: 9, max_samples: 8 } } }\n");
}

static void nothing_is_contradicted_by_a_value_that_was_refused(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:1: gateway.open: found 'yes', allowed is true or false\n",
                   "gateway: { listen: 0.0.0.0:1, open: yes }\n");
    assert_refused("prismguard.yaml:1: curve: found a value, allowed is a mapping\n",
                   "curve: on\nmoderation: { bind: \"tcp://*:5555\" }\n");
    assert_refused("prismguard.yaml:2: profiles.a b: a profile's name is of letters, digits, - and _ (at most 64), and not none\n",
                   "routes: [ { path: /a, upstream: https://a.example, moderation: a-b } ]\nprofiles: { a b: }\n");
    assert_refused("prismguard.yaml:1: gateway.limits.header_line: found '16kb', allowed is 1KiB to 64KiB (units B, KiB, MiB)\n",
                   "gateway: { limits: { header_line: 16kb, header_bytes: 2KiB } }\n");
}

static void all_problems_are_told_in_one_go(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:2: gateway.threads: found 'two', allowed is auto or 1 to 64\n"
                   "prismguard.yaml:1: gateway.listen: found '0.0.0.0:1', which others can reach, and no keys are asked for; "
                   "allowed is a loopback address, keys in 'gateway.keys', or 'gateway.open: true' to let everybody in\n"
                   "prismguard.yaml:4: profiles.a.model.low: found 0.75, allowed is at most model.high, 0.5\n"
                   "prismguard.yaml:4: profiles.a.review.models: missing; review.url needs at least one model\n",
                   "gateway: { listen: 0.0.0.0:1,\n  threads: two }\n"
                   "profiles:\n  a: { model: { low: 0.75, high: 0.5 }, review: { url: https://r.example } }\n");
}

/* --check's words about `text`; the caller frees them. */
static char *report_of(const char *text, enum status expected, bool explained)
{
    struct folder folder;
    char file[PATH_BYTES_MAX + 1];
    char *told = NULL;
    char *words = NULL;
    size_t told_count;
    size_t words_count;
    FILE *errors = open_memstream(&told, &told_count);
    FILE *out = open_memstream(&words, &words_count);
    char *found;

    folder_open(&folder);
    folder_write(&folder, "prismguard.yaml", bytes_of(text));
    folder_path(&folder, "prismguard.yaml", file);
    assert_non_null(errors);
    assert_non_null(out);
    assert_status(expected, settings_report(file, out, errors, NULL));
    assert_int_equal(0, fclose(errors));
    assert_int_equal(0, fclose(out));
    assert_int_equal(explained, words_count > 0);
    while ((found = strstr(told, folder.path)) != NULL) {
        memmove(found, found + strlen(folder.path) + 1, strlen(found + strlen(folder.path)));
    }
    folder_close(&folder);
    free(words);
    return told;
}

static void assert_reported(const char *lines, const char *text, enum status expected, bool explained)
{
    char *told = report_of(text, expected, explained);

    assert_string_equal(lines, told);
    free(told);
}

#define MISSING(file) "found '" file "', which cannot be read (No such file or directory); allowed is a file that can\n"

static void files_that_cannot_be_read_are_told_with_their_lines(void **state)
{
    (void)state;
    assert_reported("prismguard.yaml:2: routes[0].key_file: " MISSING("/nonexistent/provider")
                    "prismguard.yaml:5: profiles.a.keywords[1]: " MISSING("/nonexistent/k.txt")
                    "prismguard.yaml:6: profiles.a.review.key_file: found '/tmp', which cannot be read (it is a folder); allowed is "
                    "a file that can\n"
                    "prismguard.yaml:6: profiles.a.review.prompt: " MISSING("profiles/a/p.txt")
                    "prismguard.yaml:7: database.password_file: " MISSING("/nonexistent/password")
                    "prismguard.yaml:7: database.hash_key_file: " MISSING("hash")
                    "prismguard.yaml:8: curve.dir: found '/dev/null', which cannot be read (Permission denied); allowed is a folder "
                    "that can\n",
                    "routes:\n- { path: /a, upstream: https://a.example, moderation: a, key_file: /nonexistent/provider }\n"
                    "profiles:\n  a:\n    keywords: [/dev/null, /nonexistent/k.txt]\n"
                    "    review: { url: https://r.example, models: [m], key_file: /tmp, prompt: p.txt }\n"
                    "database: { password_file: /nonexistent/password, hash_key_file: hash }\ncurve: { dir: /dev/null }\n",
                    STATUS_NOT_FOUND, true);
    assert_reported("", "profiles: { a: { keywords: [/dev/null] }, b: }\ncurve: { dir: /tmp }\n", STATUS_OK, true);
    assert_reported("prismguard.yaml:1: gateway.threads: found 'two', allowed is auto or 1 to 64\n"
                    "prismguard.yaml:2: curve.dir: found '/nonexistent/keys', which cannot be read (No such file or directory); "
                    "allowed is a folder that can\n",
                    "gateway: { threads: two }\ncurve: { dir: /nonexistent/keys }\n", STATUS_MALFORMED, false);
}

static void a_service_reads_settings_whose_files_are_for_others(void **state)
{
    (void)state;
    assert_accepted("curve: { dir: /nonexistent/keys }\nprofiles: { a: { keywords: [/nonexistent/k.txt] } }\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_that_others_reach_needs_open),
        cmocka_unit_test(a_key_is_one_name_and_one_hash_and_its_routes_are_there),
        cmocka_unit_test(a_url_config_is_bounded_on_both_sides),
        cmocka_unit_test(private_upstreams_are_all_none_or_some),
        cmocka_unit_test(the_admin_port_is_not_the_public_port),
        cmocka_unit_test(limits_fit_into_each_other_to_the_byte),
        cmocka_unit_test(a_limit_that_only_its_default_breaks_is_told_where_its_section_is),
        cmocka_unit_test(links_stay_on_this_machine),
        cmocka_unit_test(links_with_keys_may_leave_this_machine),
        cmocka_unit_test(a_route_names_a_profile_that_exists),
        cmocka_unit_test(a_route_calls_an_upstream_or_serves_moderations_itself),
        cmocka_unit_test(a_route_converts_nothing),
        cmocka_unit_test(a_path_belongs_to_one_route),
        cmocka_unit_test(low_is_not_above_high),
        cmocka_unit_test(a_review_needs_an_address_and_a_model),
        cmocka_unit_test(a_trial_needs_what_tells_how_good_a_model_is),
        cmocka_unit_test(training_may_draw_as_many_as_it_needs),
        cmocka_unit_test(nothing_is_contradicted_by_a_value_that_was_refused),
        cmocka_unit_test(all_problems_are_told_in_one_go),
        cmocka_unit_test(files_that_cannot_be_read_are_told_with_their_lines),
        cmocka_unit_test(a_service_reads_settings_whose_files_are_for_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
