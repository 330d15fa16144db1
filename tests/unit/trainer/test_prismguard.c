/* prismguard: defaults, every member that means something here, and those that are not what they should be. */
#include "support/unit.h"

#include "trainer/prismguard.h"

#include "proto/limits.h"
#include "proto/secret.h"

static void written(struct bytes json, bool has_files, const char *const *parts)
{
    const struct prismguard_profile profile = {.name = "old", .json = json, .has_prompt = has_files, .has_keywords = has_files};
    struct buffer yaml;
    const char *wrong = NULL;

    buffer_init(&yaml, MIB);
    assert_status(STATUS_OK, prismguard_write(&profile, &yaml, &wrong));
    assert_string_equal("", wrong);
    assert_status(STATUS_OK, buffer_append(&yaml, (struct bytes){"", 1}));
    for (; *parts != NULL; parts++) {
        if (strstr(yaml.data, *parts) == NULL) {
            fail_msg("'%s' is not in:\n%s", *parts, yaml.data);
        }
    }
    buffer_free(&yaml);
}

static void what_is_left_out_is_prismguards_default(void **state)
{
    static const char *const parts[] = {
        "profiles:\n  old:\n    model: { kind: bow, low: 0.2, high: 0.8 }",
        "url: \"https://api.openai.com/v1/chat/completions\"\n      models: [\"gpt-4o-mini\"]\n",
        "\"MOD_AI_API_KEY\"",
        "sample_rate: 0.3\n      timeout: 10000ms\n      retries: 2\n      when_full: block\n",
        "min_samples: 200\n      every: 60m\n      max_samples: 50000\n      sampling: balanced\n      keep_samples: 100000\n",
        NULL};

    (void)state;
    written((struct bytes){NULL, 0}, false, parts);
    written(BYTES("{}"), false, parts);
    written(BYTES("{\"ai\":{\"timeout\":null},\"prompt\":{}}"), false, parts);
}

static void what_is_said_is_taken_over(void **state)
{
    static const char json[] =
        "{\"ai\":{\"base_url\":\"https://llm.example/v1//\",\"model\":\" a , \\\"b\\\",,c\",\"timeout\":2.5,\"max_retries\":0,"
        "\"api_key_env\":\"X\\nY\"},\"prompt\":{\"template_file\":\"p.txt\"},\"probability\":{\"ai_review_rate\":0.05,"
        "\"low_risk_threshold\":0.1,\"high_risk_threshold\":0.95,\"enable_concurrency_limit_fallback\":true},"
        "\"local_model_type\":\"fasttext\",\"bow_training\":{\"min_samples\":1},\"fasttext_training\":{\"min_samples\":7,"
        "\"retrain_interval_minutes\":5,\"max_samples\":9,\"max_db_items\":0,\"sample_loading\":\"latest_full\"}}";
    static const char *const parts[] = {
        "keywords: [keywords.txt]", "model: { kind: fasttext, low: 0.1, high: 0.95 }",
        "url: \"https://llm.example/v1/chat/completions\"\n      models: [\"a\", \"\\\"b\\\"\", \"c\"]\n", "\"X\\nY\"\n", "prompt: \"p.txt\"",
        "sample_rate: 0.05\n      timeout: 2500ms\n      retries: 0\n      when_full: undecided\n",
        "min_samples: 7\n      every: 5m\n      max_samples: 9\n      sampling: latest\n      keep_samples: 1000000\n", NULL};

    (void)state;
    written(BYTES(json), true, parts);
}

static void what_is_wrong_is_named(void **state)
{
    static const char *const rows[][2] = {
        {"{\"ai\":{\"timeout\":\"10\"}}", "timeout"}, {"{\"ai\":{\"model\":[\"a\"]}}", "model"},
        {"{\"local_model_type\":\"other\"}", "local_model_type"}, {"[]", ""}, {"{", ""}};

    (void)state;
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        const struct prismguard_profile profile = {.name = "old", .json = bytes_of(rows[index][0])};
        struct buffer yaml;
        const char *wrong = NULL;

        buffer_init(&yaml, MIB);
        assert_status(STATUS_MALFORMED, prismguard_write(&profile, &yaml, &wrong));
        assert_string_equal(rows[index][1], wrong);
        buffer_free(&yaml);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_is_prismguards_default),
        cmocka_unit_test(what_is_said_is_taken_over),
        cmocka_unit_test(what_is_wrong_is_named),
    };

    assert_status(STATUS_OK, secret_start());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
