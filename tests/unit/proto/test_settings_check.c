/* test_settings_check: values that contradict each other, each with the line where it can be mended; files that are not there. */
#include "support/settings_text.h"
#include "support/unit.h"

#include "proto/settings_check.h"

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
                   "allowed is a loopback address, or 'gateway.open: true' to let everybody in\n",
                   "gateway:\n  listen: 0.0.0.0:8080\n");
    assert_refused("prismguard.yaml:1: gateway.listen: found 'gateway:80', which others can reach, and no keys are asked for; "
                   "allowed is a loopback address, or 'gateway.open: true' to let everybody in\n",
                   "gateway: { listen: gateway:80, open: false }\n");
    assert_accepted("gateway: { listen: 0.0.0.0:8080, open: true }\n");
    assert_accepted("gateway: { listen: \"[::1]:8080\" }\n");
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

static void training_may_draw_as_many_as_it_needs(void **state)
{
    (void)state;
    assert_accepted("profiles: { a: { training: { min_samples: 9, max_samples: 9 } } }\n");
    assert_refused("prismguard.yaml:1: profiles.a.training.max_samples: found 8, allowed is at least 9: min_samples are needed to "
                   "train\n",
                   "profiles: { a: { training: { min_samples: 9, max_samples: 8 } } }\n");
}

static void contradictions_are_looked_for_among_good_values_only(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:1: gateway.open: found 'yes', allowed is true or false\n",
                   "gateway: { listen: 0.0.0.0:1, open: yes }\n");
}

static void files_that_cannot_be_read_are_told(void **state)
{
    struct reading reading;
    char text[3 * PATH_BYTES_MAX];
    char *told = NULL;
    size_t count;
    FILE *errors;

    (void)state;
    assert_read(&reading, "profiles:\n  a: { keywords: [/nonexistent/k.txt], review: { url: https://r.example, models: [m],\n"
                          "       prompt: /nonexistent/p.txt } }\n");
    errors = open_memstream(&told, &count);
    assert_non_null(errors);
    assert_status(STATUS_NOT_FOUND, settings_check_files(reading.settings, errors));
    assert_int_equal(0, fclose(errors));
    (void)snprintf(text, sizeof text,
                   "%s:2: profiles.a.keywords: '/nonexistent/k.txt' cannot be read: No such file or directory\n"
                   "%s:2: profiles.a.review.prompt: '/nonexistent/p.txt' cannot be read: No such file or directory\n",
                   reading.file, reading.file);
    assert_string_equal(text, told);
    free(told);
    reading_end(&reading);

    assert_read(&reading, "profiles: { a: { keywords: [/dev/null] }, b: }\ncurve: { dir: /tmp }\n");
    assert_status(STATUS_OK, settings_check_files(reading.settings, stderr));
    reading_end(&reading);

    assert_read(&reading, "curve: { dir: /nonexistent/keys }\n");
    errors = open_memstream(&told, &count);
    assert_non_null(errors);
    assert_status(STATUS_NOT_FOUND, settings_check_files(reading.settings, errors));
    assert_int_equal(0, fclose(errors));
    (void)snprintf(text, sizeof text, "%s: curve.dir: '/nonexistent/keys' cannot be read: No such file or directory\n",
                   reading.file);
    assert_string_equal(text, told);
    free(told);
    reading_end(&reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_that_others_reach_needs_open),
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
        cmocka_unit_test(training_may_draw_as_many_as_it_needs),
        cmocka_unit_test(contradictions_are_looked_for_among_good_values_only),
        cmocka_unit_test(files_that_cannot_be_read_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
