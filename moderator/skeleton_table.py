#!/usr/bin/env python3
"""Writes skeleton_table.c: what each character looks like, whatever its script. Needs ICU's libraries; run once a Unicode version.

usage: moderator/skeleton_table.py >moderator/skeleton_table.c

Sources, in this order: ICU's NFKD and case folding; ICU's Traditional-Simplified for Chinese; ICU's confusables (UTS 39), where they
lead to ASCII letters; tests/vectors/unicode/homoglyph-ascii.json (MIT), then the character's name, for what those do not know; the
few lines below. Ends with 1 when the table would change what it has changed once (not idempotent), or differ from NFKC_Casefold in
anything but the iota below and the lunate sigma.
"""
import ctypes
import glob
import json
import pathlib
import re
import string
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
WIDTH = 110
UNITS = 400

LIBRARY = sorted(glob.glob("/usr/lib/*/libicuuc.so.[0-9]*"))[0]
VERSION = re.search(r"\.so\.(\d+)", LIBRARY).group(1)
UC = ctypes.CDLL(LIBRARY)
I18N = ctypes.CDLL(LIBRARY.replace("libicuuc", "libicui18n"))


def utf16(text):
    return text.encode("utf-16-le")


def opened(library, name, *arguments):
    function = getattr(library, f"{name}_{VERSION}")
    function.restype = ctypes.c_void_p
    error = ctypes.c_int(0)
    made = ctypes.c_void_p(function(*arguments, ctypes.byref(error)))
    assert error.value <= 0 and made.value, name
    return made


def transformed(function, *begin):
    def transform(text):
        out, error = ctypes.create_string_buffer(2 * UNITS), ctypes.c_int(0)
        count = function(*begin, utf16(text), len(utf16(text)) // 2, out, UNITS, ctypes.byref(error))
        assert error.value <= 0
        return out.raw[:2 * count].decode("utf-16-le")
    return transform


NORMALIZE = getattr(UC, f"unorm2_normalize_{VERSION}")
nfkd = transformed(NORMALIZE, opened(UC, "unorm2_getNFKDInstance"))
casefold = transformed(NORMALIZE, opened(UC, "unorm2_getNFKCCasefoldInstance"))
confusable = transformed(getattr(I18N, f"uspoof_getSkeleton_{VERSION}"), opened(I18N, "uspoof_open"), 0)
HANS = opened(I18N, "utrans_openU", utf16("Hant-Hans"), 9, 0, None, 0, None)

CATEGORIES = "Cn Lu Ll Lt Lm Lo Mn Me Mc Nd Nl No Zs Zl Zp Cc Cf Co Cs Pd Ps Pe Pc Po Sm Sc Sk So Pi Pf".split()
# Numbers of ICU's UScriptCode and UProperty.
COMMON, INHERITED, ARABIC, BOPOMOFO, COPTIC, CYRILLIC, GREEK, HAN, HANGUL, HEBREW = 0, 1, 2, 5, 7, 8, 14, 17, 18, 19
HIRAGANA, KATAKANA, LATIN, SYRIAC = 20, 22, 25, 34
SEPARATE = (HAN, HIRAGANA, KATAKANA, BOPOMOFO)
DEFAULT_IGNORABLE, SCRIPT = 5, 0x100A

WHITE_CONTROLS = "\t\n\v\f\r\x85"
KANA_VOICED = "\u3099\u309A"
# What is left out beside marks and the ignorable: the replacement character, and the Arabic stretcher.
NOTHING = "\uFFFD\u0640"
# Small capitals, which UTS 39 holds apart; through them Cyrillic's small letters, which look like small capitals, are the capitals' letters.
SMALL = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢĸıɩʍ", "abcdefghijklmnopqrstuvwyzkiim"))
# Letters in dark circles, in dark squares, and of flags.
ENCLOSED = {chr(first + at): chr(ord("a") + at) for first in (0x1F150, 0x1F170, 0x1F1E6) for at in range(26)}
ASCII = set(string.ascii_lowercase + string.digits)
# The iota below: a letter to NFKC_Casefold, a mark among marks to whoever reads.
IOTA_BELOW = "\u0345"

LIKE = json.loads((ROOT / "tests/vectors/unicode/homoglyph-ascii.json").read_text())
HOMOGLYPHS = {}
for key in string.digits + string.ascii_uppercase + string.ascii_lowercase:
    HOMOGLYPHS.update({character: key.lower() for character in LIKE[key] if ord(character) > 127})
for key, like in list(HOMOGLYPHS.items()):  # a small letter whose capital looks so
    HOMOGLYPHS.setdefault(casefold(key), like)
# The letter c to all that look, though a sigma to case folding.
LUNATE = "\u03F2\u03F9"
# The letter o to all that look: vowel signs of Indic scripts, and the Chinese zero.
RINGS = "\u0C02\u0C82\u0D02\u0D82\u3007"
# What is one letter of ASCII with a bar, a hook, a tail or a curl, by its name.
DECORATED = re.compile(r"(?:LATIN|MODIFIER) (?:(?:SMALL|CAPITAL) LETTER|LETTER SMALL(?: CAPITAL)?) ([A-Z]) WITH ")
# A stroke, which is read as i or as l.
STROKES = set(LIKE["1"])


def simplified(character):
    text = utf16(character)
    out = ctypes.create_string_buffer(text + bytes(64))
    count, limit, error = ctypes.c_int(len(text) // 2), ctypes.c_int(len(text) // 2), ctypes.c_int(0)
    getattr(I18N, f"utrans_transUChars_{VERSION}")(HANS, out, ctypes.byref(count), 32, 0, ctypes.byref(limit), ctypes.byref(error))
    assert error.value <= 0
    return out.raw[:2 * count.value].decode("utf-16-le")


def category(character):
    return CATEGORIES[getattr(UC, f"u_charType_{VERSION}")(ord(character)) & 0xFF]


def ignorable(character):
    return bool(getattr(UC, f"u_hasBinaryProperty_{VERSION}")(ord(character), DEFAULT_IGNORABLE))


def script(character):
    return getattr(UC, f"u_getIntPropertyValue_{VERSION}")(ord(character), SCRIPT)


def name(character):
    out, error = ctypes.create_string_buffer(2 * WIDTH), ctypes.c_int(0)
    getattr(UC, f"u_charName_{VERSION}")(ord(character), 0, out, 2 * WIDTH, ctypes.byref(error))
    assert error.value <= 0
    return out.value.decode()


def is_mark(character):
    """A vowel or tone of a script that writes them as marks, and all but the first letter of a Hangul syllable."""
    if character in RINGS:
        return False
    if character in KANA_VOICED or 0x1160 < ord(character) < 0x1200:
        return True
    return category(character) in ("Mn", "Mc") and not ignorable(character) and \
        script(character) not in (COMMON, INHERITED, LATIN, GREEK, CYRILLIC, ARABIC, HEBREW, SYRIAC, COPTIC)


def is_dropped(character):
    kind = category(character)
    if character in RINGS:
        return False
    if character in NOTHING or ignorable(character) or kind == "Cf" or (kind == "Cc" and character not in WHITE_CONTROLS):
        return True
    return kind in ("Mn", "Me") and not is_mark(character)


def is_gap(character):
    return character in WHITE_CONTROLS or category(character)[0] in "PSZ"


def is_alone(character):
    return script(character) in SEPARATE and category(character)[0] == "L"


def kept(text):
    return "".join(character for character in text if not is_dropped(character))


def plain(text):
    """NFKD without marks and the ignorable, case folded."""
    parts = [ENCLOSED.get(c) or kept(nfkd(casefold(kept(nfkd(c))))) for c in text]
    return "".join(parts)


def like_ascii(character):
    """The ASCII letters that it looks like, or itself."""
    skeleton = confusable(character)
    text = "".join(SMALL.get(c, c) for c in plain(skeleton))
    text = "m" if text == "rn" else text  # UTS 39 takes m for r and n
    text = "b" if skeleton == "ß" else text  # and a beta for this
    if skeleton in ("l", "I", "1", "|") and character in STROKES:
        text = "1"
    if text and set(text) <= ASCII and (len(text) == 1 or not is_gap(character)):
        return text
    found = HOMOGLYPHS.get(character, character)
    decorated = DECORATED.match(name(character))
    if found == character and decorated:
        return decorated[1].lower()
    return "1" if found in "il1" and character in STROKES else found


def look(character):
    if ord(character) < 128 or is_dropped(character) or is_mark(character):
        return character
    if character in RINGS:
        return "o"
    if character in SMALL:
        return SMALL[character]
    if script(character) in SEPARATE:
        simple = simplified(character)
        return simple if len(simple) == 1 and simplified(simple) == simple else character
    return character if script(character) == HANGUL else like_ascii(character)


def skeleton_of(character, known={}):
    if character not in known:
        known[character] = "" if is_dropped(character) else \
            "c" if character in LUNATE else "".join(look(c) for c in plain(character))
    return known[character]


def assigned():
    for point in range(0x80, 0x110000):
        if not 0xD800 <= point < 0xE000 and category(chr(point)) not in ("Cn", "Co"):
            yield chr(point)


def ranges(holds):
    """Ranges of what holds, also across what is not assigned."""
    found = []
    between = False
    for point in range(0x80, 0x110000):
        character = chr(point)
        if 0xD800 <= point < 0xE000 or (category(character) in ("Cn", "Co") and not ignorable(character)):
            continue
        if not holds(character):
            between = True
        elif found and not between:
            found[-1][1] = point
        else:
            found.append([point, point])
            between = False
    return found


def check(table):
    wrong = 0
    for character, text in table.items():
        if any(skeleton_of(c) != c for c in text if ord(c) > 127):
            wrong += 1
            print(f"not idempotent: U+{ord(character):04X}", file=sys.stderr)
    for character in assigned():
        folded = casefold(character)
        if "".join(skeleton_of(c) for c in folded) != skeleton_of(character) and IOTA_BELOW not in nfkd(character) and \
                IOTA_BELOW not in nfkd(nfkd(character)) and character not in "\u037A" + LUNATE:
            wrong += 1
            print(f"differs when folded: U+{ord(character):04X}", file=sys.stderr)
    return wrong


def literal(text):
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write_text(name, parts):
    print(f"const char *const {name}[] = {{")
    line = ""
    for part in map(literal, parts):
        if len(line) + len(part) > WIDTH:
            print(f'    "{line}",')
            line = ""
        line += part
    print(f'    "{line}",\n    NULL,\n}};\n')


def write_ranges(name, found):
    line = "   "
    print(f"const struct skeleton_range {name}[] = {{")
    for first, last in found:
        part = f" {{0x{first:X}, 0x{last:X}}},"
        if len(line) + len(part) > WIDTH + 10:
            print(line)
            line = "   "
        line += part
    print(f"{line}\n}};\nconst size_t {name}_count = sizeof {name} / sizeof *{name};\n")


def main():
    table = {c: skeleton_of(c) for c in assigned() if not 0xAC00 <= ord(c) < 0xD7A4 and skeleton_of(c) != c}
    if check(table):
        return 1
    version = ctypes.create_string_buffer(4)
    getattr(UC, f"u_getUnicodeVersion_{VERSION}")(version)
    print("/* skeleton_table: what each character looks like. Written by skeleton_table.py, "
          f"Unicode {version.raw[0]}.{version.raw[1]}; not by hand. */")
    print('#include "moderator/skeleton_table.h"\n')
    print("/* Characters in pairs: one, and the one that it looks like. UTF-8, as all of this. */")
    write_text("skeleton_pairs", [c + text for c, text in table.items() if len(text) == 1])
    print("/* A character, the several that it looks like, an end of line. */")
    write_text("skeleton_sequences", [c + text + "\n" for c, text in table.items() if len(text) > 1])
    print("/* White space, punctuation, symbols. */")
    write_ranges("skeleton_gaps", ranges(is_gap))
    print("/* Marks, and what shows nothing. */")
    write_ranges("skeleton_dropped", ranges(lambda character: not skeleton_of(character)))
    print("/* Vowels and tones that are written as marks, but are letters. */")
    write_ranges("skeleton_marks", ranges(is_mark))
    print("/* Chinese characters and kana: written without spaces. */")
    write_ranges("skeleton_alone", ranges(is_alone))
    return 0


if __name__ == "__main__":
    sys.exit(main())
