/* text: UTF-8 into folded code points, and what each of them is to a word.
 *
 * Folding makes equal what a reader sees as equal, so that no model has to learn it and no writer can hide behind it:
 * capitals of ASCII, Latin-1, Greek and Cyrillic become small letters; full-width forms become ASCII; what shows nothing
 * (control characters, Unicode's default-ignorable code points: soft hyphen, zero-width, direction marks, variation
 * selectors, tags) is dropped; a run of white space is one space, and none at the beginning. A byte that is part of no sound
 * UTF-8 sequence is U+FFFD. The tables are our own and small: ICU's change with its version, and a model's features may not.
 *
 * Any change of what comes out of here changes FEATURES_VERSION. Source of the rule: spec/models.md, "Recommended design".
 * Thread: any; a reader belongs to one.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include "proto/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_reader {
    struct bytes rest;  /* borrowed: not yet read */
    bool after_space;   /* the last code point given out was a space, or there was none yet */
};

/* Borrows `text` until the last text_read. */
void text_begin(struct text_reader *reader, struct bytes text);

/* Writes up to `room` (not 0) folded code points to `out` and returns how many; 0 = the text is at its end. */
size_t text_read(struct text_reader *reader, uint32_t *out, size_t room);

enum text_class {
    TEXT_BREAK,  /* white space, punctuation, symbols: parts words */
    TEXT_LETTER, /* letters, digits, '_' and '\'': a run of them is a word */
    TEXT_ALONE,  /* Chinese characters and kana: each is a word, as they are written without spaces */
};

enum { TEXT_ASCII_COUNT = 0x80 };

/* X(c) for each letter of ASCII, folded: there are no capitals. All others part words. */
#define TEXT_ASCII_LETTERS(X)                                                                                                   \
    X('\'') X('_') X('0') X('1') X('2') X('3') X('4') X('5') X('6') X('7') X('8') X('9') X('a') X('b') X('c') X('d') X('e')      \
    X('f') X('g') X('h') X('i') X('j') X('k') X('l') X('m') X('n') X('o') X('p') X('q') X('r') X('s') X('t') X('u') X('v')       \
    X('w') X('x') X('y') X('z')

/* Of each character of ASCII, an enum text_class. */
extern const unsigned char text_class_ascii[TEXT_ASCII_COUNT];

/* Of a code point that is not ASCII. */
enum text_class text_class_beyond_ascii(uint32_t code_point);

/* Of a folded code point. */
static inline enum text_class text_class_of(uint32_t code_point)
{
    return code_point < TEXT_ASCII_COUNT ? (enum text_class)text_class_ascii[code_point] : text_class_beyond_ascii(code_point);
}

#endif
