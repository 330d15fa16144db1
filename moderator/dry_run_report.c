/* dry_run_report: a dry run in words, and as JSON. */
#include "moderator/dry_run_report.h"

#include "moderator/ladder.h"
#include "proto/json.h"
#include "proto/limits.h"

enum { REPORT_BYTES_MAX = 64 * KIB };

static double microseconds(uint64_t ns)
{
    return (double)ns / 1000;
}

static void tell_verdict(const struct dry_run *run, FILE *out)
{
    const struct message_verdict *verdict = &run->verdict;

    (void)fprintf(out, "verdict     %s", outcome_name(verdict->outcome));
    if (verdict->outcome == OUTCOME_UNSURE) {
        (void)fprintf(out, ": a review decides, and without one it is %s", outcome_name(verdict->fallback));
    }
    (void)fprintf(out, " (source %s", verdict_source_name(verdict->source));
    if (verdict->category.count > 0) {
        (void)fprintf(out, ", category %.*s", (int)verdict->category.count, verdict->category.data);
    }
    (void)fprintf(out, ")\n");
}

static void tell_keywords(const struct dry_run *run, FILE *out)
{
    double took_us = microseconds(run->keywords_ns);

    if (run->keyword_hit) {
        (void)fprintf(out, "keywords    hit in %.1f us: \"%.*s\" (%s:%u), one of %zu\n", took_us, (int)run->keyword.count,
                      run->keyword.data, run->keyword_file, run->keyword_line, run->keyword_count);
    } else {
        (void)fprintf(out, "keywords    none of %zu, in %.1f us\n", run->keyword_count, took_us);
    }
}

static void tell_model(const struct dry_run *run, FILE *out)
{
    const struct model_reading *reading = &run->reading;

    if (run->model_from == DRY_RUN_NO_MODEL) {
        (void)fprintf(out, "model       none: %s\n", run->no_model);
        return;
    }
    (void)fprintf(out, "model       %s, ", model_kind_name(run->model_kind));
    if (run->model_from == DRY_RUN_FILE) {
        (void)fprintf(out, "of %s\n", run->model_file);
    } else {
        (void)fprintf(out, "version %llu", (unsigned long long)run->model_version);
        if (run->model_from == DRY_RUN_STATE_DIR) {
            (void)fprintf(out, ", the last good copy in %s; the database: %s", run->state_dir, run->no_database);
        }
        (void)fprintf(out, "\n");
    }
    (void)fprintf(out, "score       %.4f in %.1f us, of %zu window%s; the worst: bytes %zu to %zu\n", reading->probability,
                  microseconds(run->model_ns), reading->window_count, reading->window_count == 1 ? "" : "s",
                  reading->worst_begin, reading->worst_end);
    (void)fprintf(out, "thresholds  below %.4g it is allowed, above %.4g blocked\n", run->profile->low, run->profile->high);
}

static void tell_review(const struct dry_run *run, FILE *out)
{
    const struct review_settings *review = &run->profile->review;

    if (!ladder_has_review(run->profile)) {
        (void)fprintf(out, "review      none: the profile has no review\n");
        return;
    }
    if (run->verdict.outcome == OUTCOME_UNSURE) {
        (void)fprintf(out, "review      would be asked:");
        for (size_t index = 0; index < review->model_count; index++) {
            (void)fprintf(out, "%s %s", index == 0 ? "" : ",", review->models[index]);
        }
    } else {
        (void)fprintf(out, "review      not needed");
    }
    if (!run->keyword_hit && run->sample_rate > 0) {
        (void)fprintf(out, "; %.4g %% of texts are reviewed whatever the model says", 100 * run->sample_rate);
    }
    (void)fprintf(out, "\n");
}

void dry_run_tell(const struct dry_run *run, FILE *out)
{
    tell_verdict(run, out);
    (void)fprintf(out, "profile     %s of %s\n", run->profile->name, run->settings_file);
    (void)fprintf(out, "text        %zu bytes\n", run->text.count);
    tell_keywords(run, out);
    tell_model(run, out);
    tell_review(run, out);
}

static void write_verdict(struct json_writer *writer, const struct message_verdict *verdict)
{
    json_write_key(writer, "verdict");
    json_write_object_begin(writer);
    json_write_key(writer, "outcome");
    json_write_text(writer, outcome_name(verdict->outcome));
    json_write_key(writer, "fallback");
    if (verdict->outcome == OUTCOME_UNSURE) {
        json_write_text(writer, outcome_name(verdict->fallback));
    } else {
        json_write_null(writer);
    }
    json_write_key(writer, "source");
    json_write_text(writer, verdict_source_name(verdict->source));
    json_write_key(writer, "category");
    json_write_string(writer, verdict->category);
    json_write_object_end(writer);
}

static void write_keywords(struct json_writer *writer, const struct dry_run *run)
{
    json_write_key(writer, "keywords");
    json_write_object_begin(writer);
    json_write_key(writer, "count");
    json_write_integer(writer, (int64_t)run->keyword_count);
    json_write_key(writer, "ns");
    json_write_integer(writer, (int64_t)run->keywords_ns);
    json_write_key(writer, "hit");
    json_write_bool(writer, run->keyword_hit);
    if (run->keyword_hit) {
        json_write_key(writer, "keyword");
        json_write_string(writer, run->keyword);
        json_write_key(writer, "file");
        json_write_text(writer, run->keyword_file);
        json_write_key(writer, "line");
        json_write_integer(writer, run->keyword_line);
    }
    json_write_object_end(writer);
}

static void write_reading(struct json_writer *writer, const struct dry_run *run)
{
    json_write_key(writer, "score");
    json_write_real(writer, run->reading.probability);
    json_write_key(writer, "windows");
    json_write_integer(writer, (int64_t)run->reading.window_count);
    json_write_key(writer, "worst_window");
    json_write_array_begin(writer);
    json_write_integer(writer, (int64_t)run->reading.worst_begin);
    json_write_integer(writer, (int64_t)run->reading.worst_end);
    json_write_array_end(writer);
    json_write_key(writer, "ns");
    json_write_integer(writer, (int64_t)run->model_ns);
    json_write_key(writer, "low");
    json_write_real(writer, run->profile->low);
    json_write_key(writer, "high");
    json_write_real(writer, run->profile->high);
}

static void write_model(struct json_writer *writer, const struct dry_run *run)
{
    json_write_key(writer, "model");
    json_write_object_begin(writer);
    json_write_key(writer, "kind");
    json_write_text(writer, model_kind_name(run->model_kind));
    switch (run->model_from) {
    case DRY_RUN_NO_MODEL:
        json_write_key(writer, "why");
        json_write_text(writer, run->no_model);
        break;
    case DRY_RUN_FILE:
        json_write_key(writer, "file");
        json_write_text(writer, run->model_file);
        write_reading(writer, run);
        break;
    case DRY_RUN_STATE_DIR:
        json_write_key(writer, "state_dir");
        json_write_text(writer, run->state_dir);
        json_write_key(writer, "database");
        json_write_text(writer, run->no_database);
        __attribute__((fallthrough));
    case DRY_RUN_DATABASE:
        json_write_key(writer, "version");
        json_write_integer(writer, (int64_t)run->model_version);
        write_reading(writer, run);
        break;
    }
    json_write_object_end(writer);
}

static void write_review(struct json_writer *writer, const struct dry_run *run)
{
    const struct review_settings *review = &run->profile->review;

    json_write_key(writer, "review");
    json_write_object_begin(writer);
    json_write_key(writer, "wanted");
    json_write_bool(writer, run->verdict.outcome == OUTCOME_UNSURE);
    json_write_key(writer, "models");
    json_write_array_begin(writer);
    for (size_t index = 0; ladder_has_review(run->profile) && index < review->model_count; index++) {
        json_write_text(writer, review->models[index]);
    }
    json_write_array_end(writer);
    json_write_key(writer, "sample_rate");
    json_write_real(writer, run->sample_rate);
    json_write_object_end(writer);
}

enum status dry_run_tell_json(const struct dry_run *run, FILE *out)
{
    struct json_writer writer;
    struct buffer text;

    buffer_init(&text, REPORT_BYTES_MAX);
    json_writer_init(&writer, &text);
    json_write_object_begin(&writer);
    write_verdict(&writer, &run->verdict);
    json_write_key(&writer, "profile");
    json_write_text(&writer, run->profile->name);
    json_write_key(&writer, "text_bytes");
    json_write_integer(&writer, (int64_t)run->text.count);
    write_keywords(&writer, run);
    write_model(&writer, run);
    write_review(&writer, run);
    json_write_object_end(&writer);
    if (writer.status == STATUS_OK) {
        (void)fprintf(out, "%.*s\n", (int)text.count, text.data);
    }
    buffer_free(&text);
    return writer.status;
}
