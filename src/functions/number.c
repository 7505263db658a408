/* number.c - exact numbers as text: literal -> mpq -> text.
 *
 *   [+-] digits [. digits] [e [+-] digits]     2.50  .5  1e-3
 *   [+-] digits / digits                       1/3
 *
 * All lengths are checked before GMP sees a digit: GMP aborts the program when
 * it cannot allocate. */
#include "functions/value.h"
#include "base/text.h"
#include <string.h>

bool ap__number_fits(const mpq_t number)
{
    return mpz_sizeinbase(mpq_numref(number), 2) <= AP_NUMBER_MAX_BITS &&
           mpz_sizeinbase(mpq_denref(number), 2) <= AP_NUMBER_MAX_BITS;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits_span(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && digit(s[i]))
        i++;
    return i;
}

/* "e-3" at s: its length, 0 when it is not an exponent. */
static size_t exponent_span(const char *s, size_t n)
{
    if (n < 2 || (s[0] != 'e' && s[0] != 'E'))
        return 0;
    size_t sign = (s[1] == '-' || s[1] == '+') ? 1 : 0;
    size_t digits = digits_span(s + 1 + sign, n - 1 - sign);
    return digits > 0 ? 1 + sign + digits : 0;
}

size_t ap__number_span(const char *text, size_t n)
{
    size_t sign = (n > 0 && (text[0] == '-' || text[0] == '+')) ? 1 : 0;
    size_t i = sign;
    size_t whole = digits_span(text + i, n - i);
    i += whole;
    if (whole > 0 && i + 1 < n && text[i] == '/' && digit(text[i + 1]))
        return i + 1 + digits_span(text + i + 1, n - i - 1);
    if (i < n && text[i] == '.') {
        size_t fraction = digits_span(text + i + 1, n - i - 1);
        if (whole + fraction == 0)
            return 0;
        i += 1 + fraction;
    } else if (whole == 0) {
        return 0;
    }
    return i + exponent_span(text + i, n - i);
}

/* Append n digits at s to *out. */
static void read_digits(mpz_t out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mpz_mul_ui(out, out, 10);
        mpz_add_ui(out, out, (unsigned long)(s[i] - '0'));
    }
}

/* Value of the exponent literal at s, or past the ceiling when it is larger. */
static int read_exponent(const char *s, size_t n)
{
    int sign = 1, e = 0;
    size_t i = 1;
    if (i < n && (s[i] == '-' || s[i] == '+'))
        sign = s[i++] == '-' ? -1 : 1;
    for (; i < n && e <= AP_NUMBER_MAX_EXPONENT; i++)
        e = e * 10 + (s[i] - '0');
    return sign * e;
}

/* *out *= 10^shift */
static void scale(mpq_t out, long shift)
{
    mpz_t power;
    mpz_init(power);
    mpz_ui_pow_ui(power, 10, (unsigned long)(shift < 0 ? -shift : shift));
    if (shift < 0)
        mpz_mul(mpq_denref(out), mpq_denref(out), power);
    else
        mpz_mul(mpq_numref(out), mpq_numref(out), power);
    mpz_clear(power);
}

/* s is one literal without sign, n <= AP_NUMBER_MAX_TEXT. */
static bool read_unsigned(const char *s, size_t n, mpq_t out)
{
    size_t whole = digits_span(s, n), i = whole, fraction = 0;
    int exponent = 0;
    mpq_set_ui(out, 0, 1);
    read_digits(mpq_numref(out), s, whole);
    if (i < n && s[i] == '/') {
        mpz_set_ui(mpq_denref(out), 0);
        read_digits(mpq_denref(out), s + i + 1, n - i - 1);
        return mpz_sgn(mpq_denref(out)) != 0;
    }
    if (i < n && s[i] == '.') {
        fraction = digits_span(s + i + 1, n - i - 1);
        read_digits(mpq_numref(out), s + i + 1, fraction);
        i += 1 + fraction;
    }
    if (i < n)
        exponent = read_exponent(s + i, n - i);
    if (exponent > AP_NUMBER_MAX_EXPONENT || exponent < -AP_NUMBER_MAX_EXPONENT)
        return false;
    scale(out, (long)exponent - (long)fraction);
    return true;
}

bool ap__number_parse(const char *text, mpq_t out)
{
    size_t n = strnlen(text, AP_NUMBER_MAX_TEXT + 1);
    if (n == 0 || n > AP_NUMBER_MAX_TEXT || ap__number_span(text, n) != n)
        return false;
    size_t sign = (text[0] == '-' || text[0] == '+') ? 1 : 0;
    if (!read_unsigned(text + sign, n - sign, out))
        return false;
    mpq_canonicalize(out);
    if (text[0] == '-')
        mpq_neg(out, out);
    return ap__number_fits(out);
}

/* Decimals that p/q with this denominator needs, -1 when it does not end. */
static long decimals_needed(const mpz_t denominator)
{
    mpz_t rest, five;
    mpz_init(rest);
    mpz_init_set_ui(five, 5);
    unsigned long twos = mpz_scan1(denominator, 0);
    mpz_tdiv_q_2exp(rest, denominator, twos);
    unsigned long fives = mpz_remove(rest, rest, five);
    bool ends = mpz_cmp_ui(rest, 1) == 0;
    mpz_clear(five);
    mpz_clear(rest);
    return !ends ? -1 : (long)(twos > fives ? twos : fives);
}

/* Print z >= 0 scaled by 10^-decimals. */
static void print_scaled(const mpz_t z, size_t decimals, struct ap_buf *out)
{
    char text[AP_NUMBER_MAX_BITS]; /* z <= 10^64 * 2^1024, 373 digits */
    mpz_get_str(text, 10, z);
    size_t n = strlen(text);
    if (n <= decimals) {
        ap__buf_puts(out, "0.");
        for (size_t i = n; i < decimals; i++)
            ap__buf_putc(out, '0');
        ap__buf_puts(out, text);
        return;
    }
    ap__buf_add(out, text, n - decimals);
    if (decimals > 0) {
        ap__buf_putc(out, '.');
        ap__buf_puts(out, text + n - decimals);
    }
}

void ap__number_print(const mpq_t number, struct ap_buf *out)
{
    long decimals = decimals_needed(mpq_denref(number));
    mpz_t z;
    mpz_init(z);
    mpz_abs(z, mpq_numref(number));
    if (mpq_sgn(number) < 0)
        ap__buf_putc(out, '-');
    if (decimals < 0 || decimals > AP_NUMBER_MAX_DECIMALS) {
        print_scaled(z, 0, out);
        ap__buf_putc(out, '/');
        print_scaled(mpq_denref(number), 0, out);
    } else {
        mpz_t power;
        mpz_init(power);
        mpz_ui_pow_ui(power, 10, (unsigned long)decimals);
        mpz_mul(z, z, power);
        mpz_divexact(z, z, mpq_denref(number));
        print_scaled(z, (size_t)decimals, out);
        mpz_clear(power);
    }
    mpz_clear(z);
}

/* ---- as people write results ---- */

static size_t skip_currency(const char *s)
{
    static const char *const signs[] = {"$", "€", "£"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (ap__starts_with(s, signs[i]))
            return strlen(signs[i]);
    }
    return 0;
}

/* "1,234,567": every comma follows a digit and stands before exactly three. */
static bool separator_at(const char *s, size_t i)
{
    return s[i] == ',' && i > 0 && digit(s[i - 1]) && digit(s[i + 1]) && digit(s[i + 2]) && digit(s[i + 3]) &&
           !digit(s[i + 4]);
}

bool ap__number_read_lenient(const char *text, mpq_t out)
{
    char plain[AP_NUMBER_MAX_TEXT + 2];
    size_t n = 0;
    text += strspn(text, " \t\r\n");
    if (*text == '-' || *text == '+')
        plain[n++] = *text++;
    text += skip_currency(text);
    if (n == 0 && (*text == '-' || *text == '+'))
        plain[n++] = *text++;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (separator_at(text, i))
            continue;
        if (n > AP_NUMBER_MAX_TEXT)
            return false;
        plain[n++] = text[i];
    }
    while (n > 0 && strchr(" \t\r\n", plain[n - 1]) != NULL)
        n--;
    if (n > 0 && plain[n - 1] == '.')
        n--;
    if (n > 0 && plain[n - 1] == '%')
        n--;
    while (n > 0 && plain[n - 1] == ' ')
        n--;
    plain[n] = '\0';
    return ap__number_parse(plain, out);
}
