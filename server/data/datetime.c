#include "server/data/datetime.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>

const char *const datetime_order_names[4] = {"year_first", "day_first", "month_first", NULL};
const char *const datetime_part_names[DATETIME_PARTS + 1] = {"time", "day_of_year", "day_of_week", "time_of_day", NULL};

enum { DAY_SECONDS = 86400, YEAR_DIGITS = 4, EPOCH_WEEKDAY = 3 /* 1970-01-01 was a Thursday; weeks begin on Monday */ };

static bool is_digit(char character) { return character >= '0' && character <= '9'; }
static bool is_space(char character) { return character == ' ' || character == '\t'; }

static const char *skip_spaces(const char *at) {
  while (is_space(*at)) at++;
  return at;
}

/* A number of `digits_min` to `digits_max` digits; NULL if there is none, or a longer one. */
static const char *take_number(const char *at, int digits_min, int digits_max, int *out_number) {
  int digits = 0, number = 0;
  for (; is_digit(*at) && digits <= digits_max; at++, digits++) number = number * 10 + (*at - '0');
  *out_number = number;
  return digits >= digits_min && digits <= digits_max ? at : NULL;
}

static bool is_leap_year(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

static int count_days_of_month(int year, int month) {
  static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[month - 1] + (month == 2 && is_leap_year(year));
}

/* Days from 0001-01-01 to the first of January of a year ≥ 1, of the calendar of today throughout. */
static int64_t count_days_before_year(int64_t year) {
  const int64_t before = year - 1;
  return before * 365 + before / 4 - before / 100 + before / 400;
}

static int64_t count_days_since_epoch(int year, int month, int day) {
  int64_t days = count_days_before_year(year) - count_days_before_year(1970) + day - 1;
  for (int i = 1; i < month; i++) days += count_days_of_month(year, i);
  return days;
}

/* A calendar day from its number: first the year, by its mean length and a correction, then the month. */
static void find_date(int64_t days, int *out_year, int *out_month, int *out_day) {
  const int64_t since_first = days + count_days_before_year(1970);
  int64_t year = since_first * 400 / 146097 + 1; /* 400 years have so many days */
  if (count_days_before_year(year + 1) <= since_first) year++;
  if (count_days_before_year(year) > since_first) year--;
  int left = (int)(since_first - count_days_before_year(year)), month = 1;
  while (left >= count_days_of_month((int)year, month)) left -= count_days_of_month((int)year, month++);
  *out_year = (int)year;
  *out_month = month;
  *out_day = left + 1;
}

static bool is_date(int year, int month, int day) {
  return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= count_days_of_month(year, month);
}

static bool is_separator(char character) { return character == '-' || character == '/' || character == '.'; }

/* The date at `at`; its end, or NULL. */
static const char *take_date(const char *at, enum datetime_order order, struct datetime *datetime, int64_t *out_days) {
  int first, second, third;
  const char *end = take_number(at, 1, YEAR_DIGITS, &first);
  if (end == NULL || !is_separator(*end)) return NULL;
  const char separator = *end;
  datetime->is_year_first = end - at == YEAR_DIGITS;
  if (!datetime->is_year_first && (order == DATETIME_YEAR_FIRST || end - at > 2)) return NULL;
  end = take_number(end + 1, 1, 2, &second);
  if (end == NULL || *end != separator) return NULL;
  const char *last = end + 1;
  end = datetime->is_year_first ? take_number(last, 1, 2, &third) : take_number(last, YEAR_DIGITS, YEAR_DIGITS, &third);
  if (end == NULL) return NULL;
  const int year = datetime->is_year_first ? first : third;
  const int month = datetime->is_year_first || order == DATETIME_DAY_FIRST ? second : first;
  const int day = datetime->is_year_first ? third : order == DATETIME_DAY_FIRST ? first : second;
  if (!is_date(year, month, day)) return NULL;
  *out_days = count_days_since_epoch(year, month, day);
  return end;
}

/* ".5": digits beyond what a double tells apart are read and count for nothing. */
static const char *take_fraction(const char *at, double *seconds) {
  if (*at != '.' && *at != ',') return at;
  at++;
  if (!is_digit(*at)) return NULL;
  for (double place = 0.1; is_digit(*at); at++, place /= 10) *seconds += place * (*at - '0');
  return at;
}

/* "PM", after the hours 1 to 12. */
static const char *take_half_of_day(const char *at, int *hour) {
  const char *word = skip_spaces(at);
  const bool is_after_noon = strncasecmp(word, "pm", 2) == 0;
  if (!is_after_noon && strncasecmp(word, "am", 2) != 0) return at;
  if (*hour < 1 || *hour > 12) return NULL;
  *hour = *hour % 12 + (is_after_noon ? 12 : 0);
  return word + 2;
}

static const char *take_time(const char *at, double *out_seconds) {
  int hour, minute, second = 0;
  double fraction = 0;
  at = take_number(at, 1, 2, &hour);
  if (at == NULL || *at != ':') return NULL;
  at = take_number(at + 1, 2, 2, &minute);
  if (at != NULL && *at == ':') {
    at = take_number(at + 1, 2, 2, &second);
    if (at != NULL) at = take_fraction(at, &fraction);
  }
  if (at != NULL) at = take_half_of_day(at, &hour);
  if (at == NULL || hour > 23 || minute > 59 || second > 60) return NULL;
  *out_seconds = hour * 3600 + minute * 60 + second + fraction;
  return at;
}

/* "Z", "UTC", "+02:00", "+0200", "+02", or nothing. */
static const char *take_offset(const char *at, double *out_seconds) {
  const char *offset = skip_spaces(at);
  if (*offset == 'Z' || *offset == 'z') return offset + 1;
  if (strncasecmp(offset, "utc", 3) == 0 || strncasecmp(offset, "gmt", 3) == 0) return offset + 3;
  if (*offset != '+' && *offset != '-') return at;
  int hours, minutes = 0;
  const char *end = take_number(offset + 1, 2, 4, &hours);
  if (end == NULL || end - offset == 4) return NULL;
  if (end - offset == 5) {
    minutes = hours % 100;
    hours /= 100;
  } else if (*end == ':') {
    end = take_number(end + 1, 2, 2, &minutes);
  }
  if (end == NULL || hours > 23 || minutes > 59) return NULL;
  *out_seconds = (*offset == '-' ? -1.0 : 1.0) * (hours * 3600 + minutes * 60);
  return end;
}

bool datetime_parse(const char *text, enum datetime_order order, struct datetime *out_datetime) {
  struct datetime datetime = {0};
  int64_t days;
  double seconds = 0, offset = 0;
  const char *at = take_date(skip_spaces(text), order, &datetime, &days);
  if (at == NULL) return false;
  if (*at == 'T' || *at == 't' || (is_space(*at) && is_digit(*skip_spaces(at)))) {
    at = take_time(*at == 'T' || *at == 't' ? at + 1 : skip_spaces(at), &seconds);
    if (at != NULL) at = take_offset(at, &offset);
    if (at == NULL) return false;
    datetime.has_time = true;
  }
  if (*skip_spaces(at) != '\0') return false;
  datetime.clock = (double)days * DAY_SECONDS + seconds;
  datetime.instant = datetime.clock - offset;
  *out_datetime = datetime;
  return true;
}

const char *datetime_format(double instant, char text[DATETIME_TEXT_BYTES]) {
  int year, month, day;
  const double first = -62135596800, last = 253402300799; /* the years 0001 to 9999 */
  const double within = !(instant > first) ? first : instant < last ? instant : last;
  const int64_t micros = (int64_t)llround((within - floor(within / DAY_SECONDS) * DAY_SECONDS) * 1e6);
  const int64_t day_micros = (int64_t)DAY_SECONDS * 1000000;
  find_date((int64_t)floor(within / DAY_SECONDS) + micros / day_micros, &year, &month, &day);
  const int seconds = (int)(micros % day_micros / 1000000), fraction = (int)(micros % 1000000);
  int bytes = snprintf(text, DATETIME_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day, seconds / 3600, seconds / 60 % 60,
                       seconds % 60);
  if (fraction > 0) {
    bytes += snprintf(text + bytes, DATETIME_TEXT_BYTES - (size_t)bytes, ".%06d", fraction);
    while (text[bytes - 1] == '0') bytes--;
  }
  snprintf(text + bytes, DATETIME_TEXT_BYTES - (size_t)bytes, "Z");
  return text;
}

double datetime_get_part(const struct datetime *datetime, enum datetime_part part) {
  const double days = floor(datetime->clock / DAY_SECONDS);
  int year, month, day;
  switch (part) {
  case DATETIME_YEAR:
    find_date((int64_t)days, &year, &month, &day);
    return (days - (double)count_days_since_epoch(year, 1, 1)) / (is_leap_year(year) ? 366 : 365);
  case DATETIME_WEEK: {
    const double weekday = fmod(days + EPOCH_WEEKDAY, 7);
    return (weekday < 0 ? weekday + 7 : weekday) / 7;
  }
  case DATETIME_DAY: return datetime->clock / DAY_SECONDS - days;
  case DATETIME_INSTANT:
  case DATETIME_PARTS: break;
  }
  return datetime->instant;
}

void datetime_encode(const struct datetime_encoding *encoding, const struct datetime *datetime, double center, double scale, float *x) {
  static const double full_turn = 2 * 3.14159265358979323846;
  const int part_count = encoding->form.has_times ? DATETIME_PARTS : DATETIME_DAY;
  x[0] = encoding->is_used[DATETIME_INSTANT] ? (float)((datetime->instant - center) / scale) : 0;
  for (int part = DATETIME_YEAR; part < part_count; part++) {
    float *at = x + 2 * part - 1;
    at[0] = at[1] = 0;
    if (!encoding->is_used[part]) continue;
    const double angle = full_turn * datetime_get_part(datetime, (enum datetime_part)part);
    at[0] = (float)sin(angle);
    at[1] = (float)cos(angle);
  }
}

void datetime_fit_add(struct datetime_fit *fit, struct datetime_encoding *encoding, const struct datetime *datetime) {
  for (int part = 0; part < DATETIME_PARTS; part++) {
    const double value = datetime_get_part(datetime, (enum datetime_part)part);
    if (!fit->has_first) fit->firsts[part] = value;
    encoding->is_used[part] |= value != fit->firsts[part];
  }
  fit->has_first = true;
}

bool datetime_evidence_add(struct datetime_evidence *evidence, const char *text, struct datetime out_datetimes[2]) {
  const bool is_day_first = datetime_parse(text, DATETIME_DAY_FIRST, &out_datetimes[0]);
  const bool is_known = is_day_first && out_datetimes[0].is_year_first;
  if (is_known) out_datetimes[1] = out_datetimes[0];
  const bool is_month_first = is_known || datetime_parse(text, DATETIME_MONTH_FIRST, &out_datetimes[1]);
  evidence->is_not_day_first |= !is_day_first;
  evidence->is_not_month_first |= !is_month_first;
  evidence->is_year_last |= !is_known;
  evidence->is_refuted |= evidence->is_not_day_first && evidence->is_not_month_first;
  if (evidence->is_refuted) return false;
  if (!is_day_first) out_datetimes[0] = out_datetimes[1];
  if (!is_month_first) out_datetimes[1] = out_datetimes[0];
  evidence->has_times |= out_datetimes[0].has_time;
  return true;
}

bool datetime_evidence_get_form(const struct datetime_evidence *evidence, struct datetime_form *out_form) {
  const bool is_clear = !evidence->is_year_last || evidence->is_not_day_first != evidence->is_not_month_first;
  if (evidence->is_refuted || !is_clear) return false;
  *out_form = (struct datetime_form){.has_times = evidence->has_times};
  if (evidence->is_year_last) out_form->order = evidence->is_not_month_first ? DATETIME_DAY_FIRST : DATETIME_MONTH_FIRST;
  return true;
}
