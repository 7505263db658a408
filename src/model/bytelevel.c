/* bytelevel.c - bytes <-> the 256 characters that stand for them.
 *
 *     '!'..'~', 0xA1..0xAC, 0xAE..0xFF   stand for themselves, as code points
 *     the other 68, in order             U+0100, U+0101, ... U+0143 */
#include "model/bytelevel.h"

static bool stands_for_itself(int byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

static int character_of(int byte)
{
    int rank = 0;
    if (stands_for_itself(byte))
        return byte;
    for (int b = 0; b < byte; b++)
        rank += !stands_for_itself(b);
    return 0x100 + rank;
}

/* The byte of a code point, or -1. */
static int byte_of(int character)
{
    if (character < 0x100)
        return stands_for_itself(character) ? character : -1;
    int rank = character - 0x100; /* among 0..' ' (33), 0x7F..0xA0 (34), 0xAD */
    return rank < 33 ? rank : rank < 67 ? 0x7F + rank - 33 : rank == 67 ? 0xAD : -1;
}

ap_status ap__bytelevel_encode(const char *bytes, size_t n, struct ap_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        int c = character_of((unsigned char)bytes[i]);
        if (c >= 0x80) {
            ap__buf_putc(out, (char)(0xC0 | c >> 6));
            c = 0x80 | (c & 0x3F);
        }
        ap__buf_putc(out, (char)c);
    }
    return out->failed ? AP_E_MEMORY : AP_OK;
}

bool ap__bytelevel_decode(const char *text, size_t n, struct ap_buf *out)
{
    size_t before = out->len, filled = 0;
    char chunk[64]; /* byte by byte, the buffer's bookkeeping took a tenth of opening a tokenizer */
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)text[i];
        if (c >= 0x80) { /* two bytes reach U+07FF, more than enough */
            bool two = (c & 0xE0) == 0xC0 && i + 1 < n && ((unsigned char)text[i + 1] & 0xC0) == 0x80;
            c = two ? (c & 0x1F) << 6 | ((unsigned char)text[++i] & 0x3F) : -1;
        }
        int byte = c < 0 ? -1 : byte_of(c);
        if (byte < 0) {
            out->len = before;
            if (out->data)
                out->data[before] = '\0';
            return false;
        }
        if (filled == sizeof chunk) {
            ap__buf_add(out, chunk, filled);
            filled = 0;
        }
        chunk[filled++] = (char)byte;
    }
    ap__buf_add(out, chunk, filled);
    return true;
}
