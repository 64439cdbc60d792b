#include "base/clock.h"

#include "digits.h"

#include <time.h>

#define SECONDS_MOST ((int64_t)253402300799) /* 9999-12-31T23:59:59Z */
#define DAY_SECONDS 86400

static int64_t wall_then, mono_then;

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * SECOND + t.tv_nsec / 1000;
}

void clock_tick(void)
{
    wall_then = clock_wall_now();
    mono_then = clock_mono_now();
}

int64_t clock_wall(void)
{
    return wall_then;
}

int64_t clock_mono(void)
{
    return mono_then;
}

int64_t clock_wall_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

struct date {
    int year, month, day; /* month and day from 1 */
};

/* Howard Hinnant's days_from_civil and civil_from_days, for years from 1970: 400 years are 146097 days, and
 * a year that begins in March has its leap day at the end. */
static int64_t days_of(struct date d)
{
    int year = d.month <= 2 ? d.year - 1 : d.year;
    int era = year / 400, of_era = year % 400;
    int of_year = (153 * (d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + d.day - 1;
    return (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct date date_of(int64_t days)
{
    int since = (int)days + 719468;
    int era = since / 146097, of_era = since % 146097;
    int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = of_era - (365 * year + year / 4 - year / 100);
    int month = (5 * of_year + 2) / 153;
    return (struct date){
        .year = year + era * 400 + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = of_year - (153 * month + 2) / 5 + 1,
    };
}

/* What is outside the years 1970 to 9999 is written as their first or last second. */
static int64_t seconds_of(int64_t wall)
{
    int64_t seconds = wall / SECOND;
    return wall < 0 ? 0 : seconds > SECONDS_MOST ? SECONDS_MOST : seconds;
}

static void format_time(int64_t seconds, char out[8])
{
    unsigned of_day = (unsigned)(seconds % DAY_SECONDS);
    digits_fixed(out, of_day / 3600, 2);
    out[2] = ':';
    digits_fixed(out + 3, of_day / 60 % 60, 2);
    out[5] = ':';
    digits_fixed(out + 6, of_day % 60, 2);
}

void clock_format(int64_t wall, char out[CLOCK_RFC3339])
{
    static _Thread_local struct {
        int64_t days;
        char text[11];
    } today = { -1, "" };

    int64_t seconds = seconds_of(wall), days = seconds / DAY_SECONDS;
    if (days != today.days) {
        struct date d = date_of(days);
        digits_fixed(today.text, (unsigned)d.year, 4);
        digits_fixed(today.text + 5, (unsigned)d.month, 2);
        digits_fixed(today.text + 8, (unsigned)d.day, 2);
        today.text[4] = today.text[7] = '-';
        today.text[10] = 'T';
        today.days = days;
    }
    memcpy(out, today.text, 11);
    format_time(seconds, out + 11);
    out[19] = '.';
    digits_fixed(out + 20, wall < 0 ? 0 : (unsigned)(wall % SECOND), 6);
    out[26] = 'Z';
}

/* Takes exactly `width` digits off the front. */
static bool take_number(struct str *s, int width, int least, int most, int *out)
{
    int64_t value;
    if (s->n < (size_t)width || !str_int((struct str){ s->p, (size_t)width }, least, most, &value))
        return false;
    *s = (struct str){ s->p + width, s->n - (size_t)width };
    *out = (int)value;
    return true;
}

/* c in lower case; letters are taken in either. */
static bool take_char(struct str *s, char c)
{
    if (s->n == 0 || (s->p[0] != c && !(c >= 'a' && s->p[0] == c - 0x20)))
        return false;
    *s = (struct str){ s->p + 1, s->n - 1 };
    return true;
}

static bool take_date(struct str *s, struct date *d)
{
    if (!take_number(s, 4, 0, 9999, &d->year) || !take_char(s, '-') ||
        !take_number(s, 2, 1, 12, &d->month) || !take_char(s, '-') ||
        !take_number(s, 2, 1, 31, &d->day))
        return false;

    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
    return d->day <= lengths[d->month - 1] + (leap && d->month == 2);
}

/* Digits behind the sixth are cut off. */
static bool take_fraction(struct str *s, int *micros)
{
    int digits = 0;
    *micros = 0;
    if (!take_char(s, '.'))
        return true;

    for (; s->n && s->p[0] >= '0' && s->p[0] <= '9'; digits++) {
        if (digits < 6)
            *micros = *micros * 10 + (s->p[0] - '0');
        *s = (struct str){ s->p + 1, s->n - 1 };
    }
    for (int i = digits; i < 6; i++)
        *micros *= 10;
    return digits > 0;
}

static bool take_offset(struct str *s, int *seconds)
{
    int hours, minutes, sign;
    *seconds = 0;
    if (take_char(s, 'z'))
        return true;

    if (take_char(s, '+'))
        sign = 1;
    else if (take_char(s, '-'))
        sign = -1;
    else
        return false;
    if (!take_number(s, 2, 0, 23, &hours) || !take_char(s, ':') ||
        !take_number(s, 2, 0, 59, &minutes))
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool clock_parse(struct str text, int64_t *wall)
{
    struct date date;
    int hour, minute, second, micros, offset;

    if (!take_date(&text, &date) || !take_char(&text, 't') ||
        !take_number(&text, 2, 0, 23, &hour) || !take_char(&text, ':') ||
        !take_number(&text, 2, 0, 59, &minute) || !take_char(&text, ':') ||
        !take_number(&text, 2, 0, 60, &second) || !take_fraction(&text, &micros) ||
        !take_offset(&text, &offset) || text.n != 0)
        return false;

    int64_t seconds = days_of(date) * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset;
    if (second == 60 && seconds % DAY_SECONDS != 0)
        return false; /* leap seconds end a day of UTC; as in POSIX they count as the next second */
    if (seconds < 0 || seconds > SECONDS_MOST)
        return false;
    *wall = seconds * SECOND + micros;
    return true;
}

void clock_http(int64_t wall, char out[CLOCK_HTTP])
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1970 began on a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    int64_t seconds = seconds_of(wall), days = seconds / DAY_SECONDS;
    struct date d = date_of(days);
    memcpy(out, weekdays + 3 * (days % 7), 3);
    memcpy(out + 3, ", ", 2);
    digits_fixed(out + 5, (unsigned)d.day, 2);
    out[7] = ' ';
    memcpy(out + 8, months + 3 * (d.month - 1), 3);
    out[11] = ' ';
    digits_fixed(out + 12, (unsigned)d.year, 4);
    out[16] = ' ';
    format_time(seconds, out + 17);
    memcpy(out + 25, " GMT", 4);
}
