/* dialect: the API families a client may speak; each has its shapes of requests, answers, streams and errors.
 *
 * Source: spec/wire-formats.md section 1. A further family is one more name here and one more column where a table is
 * indexed by it (gateway/format/errors).
 */
#ifndef GATEWAY_FORMAT_DIALECT_H
#define GATEWAY_FORMAT_DIALECT_H

enum dialect {
    DIALECT_OPENAI_CHAT,
    DIALECT_OPENAI_RESPONSES,
    DIALECT_CLAUDE_CHAT,
    DIALECT_GEMINI_CHAT,
    DIALECT_COUNT,
};

#endif
