#include "tools/ask/moment.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "config/process/utc_text.h"
#include "storage/commands/promo_terms.h"
#include "tools/ask/duration.h"

namespace stampede::tools {

namespace {

namespace chr = std::chrono;

// Reads a text from its front; anything unexpected makes it bad for good.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  // Exactly `digits` digits, at most `max`.
  int number(std::size_t digits, int min, int max) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) value = value * 10 + digit();
    ok_ = ok_ && value >= min && value <= max;
    return value;
  }
  void expect(std::string_view any_of) { ok_ = take(any_of) != '\0'; }
  // The next character if it is one of these, else 0.
  char take(std::string_view any_of) {
    if (!ok_ || rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return '\0';
    const char found = rest_.front();
    rest_.remove_prefix(1);
    return found;
  }
  // ".25" are 250; nothing is 0.
  int milliseconds_part() {
    if (take(".") == '\0') return 0;
    int value = digit() * 100, scale = 10;
    for (char c = take(kDigits); c != '\0'; c = take(kDigits), scale /= 10)
      value += (c - '0') * scale;
    return value;
  }
  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

 private:
  static constexpr std::string_view kDigits = "0123456789";
  int digit() {
    const char c = take(kDigits);
    ok_ = c != '\0';
    return ok_ ? c - '0' : 0;
  }
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<Moment> bounded(std::int64_t ms) {
  return ms >= 0 && ms <= storage::kPromoTimeMsMax ? std::optional(Moment{ms}) : std::nullopt;
}

chr::minutes zone_of(Reader& in) {
  if (in.take("Zz") != '\0') return chr::minutes{0};
  const char sign = in.take("+-");
  if (sign == '\0') in.expect("+");
  const auto hour = in.number(2, 0, 23);
  in.expect(":");
  const auto offset = chr::hours{hour} + chr::minutes{in.number(2, 0, 59)};
  return sign == '-' ? -offset : chr::minutes{offset};
}

// RFC 3339, date-time.
std::optional<Moment> parse_date_time(std::string_view text) {
  Reader in(text);
  const auto y = in.number(4, 0, 9999);
  in.expect("-");
  const auto m = in.number(2, 1, 12);
  in.expect("-");
  const auto d = in.number(2, 1, 31);
  in.expect("Tt ");
  const auto hour = in.number(2, 0, 23);
  in.expect(":");
  const auto minute = in.number(2, 0, 59);
  in.expect(":");
  const auto second = in.number(2, 0, 60);  // a leap second is the next minute's first
  const auto fraction = in.milliseconds_part();
  const auto zone = zone_of(in);
  const chr::year_month_day date{chr::year{y}, chr::month{static_cast<unsigned>(m)},
                                 chr::day{static_cast<unsigned>(d)}};
  if (!in.done() || !date.ok()) return std::nullopt;
  const auto at =
      chr::sys_days{date} + chr::hours{hour} + chr::minutes{minute} + chr::seconds{second} - zone;
  return bounded(chr::duration_cast<chr::milliseconds>(at.time_since_epoch()).count() + fraction);
}

std::optional<std::int64_t> unit_ms(char unit) {
  switch (unit) {
    case 's':
      return 1000;
    case 'm':
      return 60'000;
    case 'h':
      return 3'600'000;
    case 'd':
      return 86'400'000;
    default:
      return std::nullopt;
  }
}

std::optional<Moment> parse_from_now(std::string_view text) {
  const auto unit = unit_ms(text.back());
  const auto digits = text.substr(1, text.size() - 2);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  if (!unit || !whole || number < 0 || number > storage::kPromoTimeMsMax / *unit)
    return std::nullopt;
  return Moment{(text.front() == '-' ? -number : number) * *unit, true};
}

}  // namespace

std::optional<Moment> parse_moment(std::string_view text) {
  if (text == "now") return Moment{0, true};
  const bool relative = text.size() >= 3 && (text.front() == '+' || text.front() == '-');
  return relative ? parse_from_now(text) : parse_date_time(text);
}

std::optional<std::int64_t> parse_past_ms(std::string_view text, std::int64_t now_ms) {
  if (const auto ago = parse_duration_ms(text)) return now_ms - *ago;
  const auto moment = parse_moment(text);
  if (!moment) return std::nullopt;
  if (moment->from_now && moment->ms != 0) return std::nullopt;  // "-5m": 5m says it
  return moment->from_now ? now_ms : moment->ms;
}

std::string moment_text(std::int64_t ms) {
  return config::utc_text(ms);
}

}  // namespace stampede::tools
