#include "tools/bench/bench_scan.h"

#include <algorithm>
#include <cstring>

#include "tools/bench/decimal_digits.h"

namespace stampede::tools {
namespace {

// A cursor over msgpack that stops for good (ok() is false) at what it cannot read.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  [[nodiscard]] bool ok() const { return ok_; }

  std::uint32_t map() {
    const std::uint8_t tag = byte();
    if (tag >= 0x80 && tag <= 0x8f) return tag & 15U;
    if (tag == 0xde) return static_cast<std::uint32_t>(big_endian(2));
    ok_ = false;
    return 0;
  }

  [[nodiscard]] bool at_array() const {
    const std::uint8_t tag = peek();
    return (tag & 0xf0U) == 0x90 || tag == 0xdc || tag == 0xdd;
  }
  std::uint32_t array() {
    const std::uint8_t tag = byte();
    if (tag == 0xdc || tag == 0xdd)
      return static_cast<std::uint32_t>(big_endian(tag == 0xdc ? 2 : 4));
    return tag & 15U;
  }

  // Empty for a value of another type.
  std::string_view text() {
    const std::uint8_t tag = peek();
    std::uint64_t size = 0;
    if (tag >= 0xa0 && tag <= 0xbf) {
      size = byte() & 31U;
    } else if (tag == 0xd9 || tag == 0xda) {
      byte();
      size = big_endian(tag == 0xd9 ? 1 : 2);
    } else {
      skip(0);
      return {};
    }
    return take(size);
  }

  // 0 for a value that is no unsigned number.
  std::uint64_t number() {
    const std::uint8_t tag = peek();
    if (tag <= 0x7f) return byte();
    if (tag < 0xcc || tag > 0xcf) return skip(0), 0;
    byte();
    return big_endian(std::size_t{1} << (tag - 0xcc));
  }

  bool flag() {
    const bool yes = peek() == 0xc3;
    skip(0);
    return yes;
  }

  // A text with its head, as it stands in the bytes. False, and nothing was read, if it does not.
  template <std::size_t N>
  bool skip_literal(const char (&bytes)[N]) {
    constexpr std::size_t kSize = N - 1;
    if (static_cast<std::size_t>(end_ - at_) < kSize || std::memcmp(at_, bytes, kSize) != 0)
      return false;
    at_ += kSize;
    return true;
  }
  // A number or a flag.
  void skip_small() {
    const std::uint8_t tag = peek();
    if (tag <= 0x7f || tag == 0xc2 || tag == 0xc3)
      ++at_;
    else
      skip(0);
  }

  void skip(int depth) {
    const std::uint8_t tag = byte();
    if (tag <= 0x7f || tag >= 0xe0 || tag == 0xc0 || tag == 0xc2 || tag == 0xc3) return;
    if (tag <= 0x8f) return skip_values(2 * (tag & 15U), depth);
    if (tag <= 0x9f) return skip_values(tag & 15U, depth);
    if (tag <= 0xbf) return void(take(tag & 31U));
    switch (tag) {
      case 0xc4:
      case 0xd9:
        return void(take(big_endian(1)));
      case 0xc5:
      case 0xda:
        return void(take(big_endian(2)));
      case 0xc6:
      case 0xdb:
        return void(take(big_endian(4)));
      case 0xcc:
      case 0xd0:
        return void(take(1));
      case 0xcd:
      case 0xd1:
        return void(take(2));
      case 0xce:
      case 0xd2:
      case 0xca:
        return void(take(4));
      case 0xcf:
      case 0xd3:
      case 0xcb:
        return void(take(8));
      case 0xdc:
        return skip_values(big_endian(2), depth);
      case 0xdd:
        return skip_values(big_endian(4), depth);
      case 0xde:
        return skip_values(2 * big_endian(2), depth);
      case 0xdf:
        return skip_values(2 * big_endian(4), depth);
      default:
        ok_ = false;
    }
  }

 private:
  static constexpr int kDepthMax = 8;

  void skip_values(std::uint64_t count, int depth) {
    if (depth >= kDepthMax) ok_ = false;
    for (; ok_ && count > 0; --count) skip(depth + 1);
  }
  [[nodiscard]] std::uint8_t peek() const {
    return at_ == end_ ? 0xc1 : static_cast<std::uint8_t>(*at_);
  }
  std::uint8_t byte() {
    if (at_ == end_) return ok_ = false, std::uint8_t{0xc1};
    return static_cast<std::uint8_t>(*at_++);
  }
  std::string_view take(std::uint64_t size) {
    if (size > static_cast<std::uint64_t>(end_ - at_)) {
      ok_ = false;
      at_ = end_;
      return {};
    }
    const std::string_view text(at_, size);
    at_ += size;
    return text;
  }
  std::uint64_t big_endian(std::size_t bytes) {
    std::uint64_t value = 0;
    for (const char c : take(bytes)) value = value << 8 | static_cast<std::uint8_t>(c);
    return value;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

std::uint64_t digits(std::string_view text) {
  std::uint64_t value = 0;
  return read_digits(text.data(), text.size(), value) ? value : 0;
}

ScannedAnswer::Kind kind_of(std::string_view state) {
  if (state == "confirmed") return ScannedAnswer::Kind::confirmed;
  if (state == "rejected") return ScannedAnswer::Kind::rejected;
  if (state == "queued") return ScannedAnswer::Kind::queued;
  return ScannedAnswer::Kind::unreadable;
}

}  // namespace

namespace {

void take_pair(Cursor& cursor, std::string_view key, ScannedAnswer& out) {
  if (key == "id") {
    out.id = cursor.text();
  } else if (key == "state") {
    out.kind = kind_of(cursor.text());
  } else if (key == "order_id") {
    out.order_id = digits(cursor.text());
  } else if (key == "item" || key == "qty" || key == "left" || key == "stored") {
    cursor.skip(0);
  } else if (key == "reason") {
    out.reason = cursor.text();
  } else if (key == "code") {
    out.code = cursor.text();
    out.kind = ScannedAnswer::Kind::error;
  } else if (key == "ticket") {
    out.ticket = cursor.text();
    out.kind = ScannedAnswer::Kind::ticket;
  } else if (key == "asked") {
    out.asked = cursor.text();
  } else if (key == "retry") {
    out.retry = cursor.flag();
  } else if (key == "edge") {
    out.edge = cursor.flag();
  } else if (key == "retry_after_ms") {
    out.retry_after_ms =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(cursor.number(), 60'000));
  } else {
    cursor.skip(0);
  }
}

// The order of keys in which our own server answers: most of a bench's scanning. False, and nothing
// was read, for every other answer.
bool scan_usual(Cursor& cursor, ScannedAnswer& out) {
  Cursor at = cursor;
  const auto pairs = at.map();
  if (!at.skip_literal("\xa2id")) return false;
  out.id = at.text();
  if (!at.skip_literal("\xa5state")) return false;
  std::uint32_t keys = 6;
  if (at.skip_literal("\xa9"
                      "confirmed\xa8order_id")) {
    out.kind = ScannedAnswer::Kind::confirmed;
    out.order_id = digits(at.text());
  } else if (at.skip_literal("\xa8rejected\xa6reason")) {
    out.kind = ScannedAnswer::Kind::rejected;
    out.reason = at.text();
  } else {
    return false;
  }
  if (!at.skip_literal("\xa4item")) return false;
  at.skip_small();
  if (!at.skip_literal("\xa3qty")) return false;
  at.skip_small();
  if (at.skip_literal("\xa4left")) at.skip_small(), ++keys;
  if (!at.skip_literal("\xa6stored")) return false;
  at.skip_small();
  if (at.skip_literal("\xa8replayed")) at.skip_small(), ++keys;
  // What else is said of an order that was bought: its promo, its price, when it is to be paid.
  const bool bought = out.kind == ScannedAnswer::Kind::confirmed;
  for (; bought && at.ok() && keys < pairs; ++keys) at.skip(0), at.skip(0);
  if (!at.ok() || keys != pairs) return false;
  cursor = at;
  return true;
}

// The same of one that was not decided, or to which nothing was left, with no more said than why.
bool scan_refusal(Cursor& cursor, ScannedAnswer& out) {
  Cursor at = cursor;
  if (at.map() != 4 || !at.skip_literal("\xa2id")) return false;
  out.id = at.text();
  if (!at.skip_literal("\xa4"
                       "code"))
    return false;
  out.kind = ScannedAnswer::Kind::error;
  out.code = at.text();
  if (!at.skip_literal("\xa7message")) return false;
  at.skip(0);
  if (!at.skip_literal("\xa5retry")) return false;
  out.retry = at.flag();
  if (!at.ok()) return false;
  cursor = at;
  return true;
}

// What the members say together.
void judge(ScannedAnswer& out) {
  using Kind = ScannedAnswer::Kind;
  if (out.edge) {
    out.kind = Kind::rejected;
    out.reason = kEdgeReason;
  } else if (out.kind == Kind::error && out.retry && out.code == "sold_out") {
    out.kind = Kind::rejected;
    out.reason = kForNowReason;
  } else if (!out.asked.empty()) {
    out.kind = Kind::error;
    out.id = out.asked;
    out.code = kOlderTicketCode;
  }
}

ScannedAnswer scan_map(Cursor& cursor) {
  ScannedAnswer out;
  if (scan_usual(cursor, out)) return out;
  out = {};
  if (scan_refusal(cursor, out)) {
    judge(out);
    return out;
  }
  out = {};
  for (auto pairs = cursor.map(); cursor.ok() && pairs > 0; --pairs)
    take_pair(cursor, cursor.text(), out);
  judge(out);
  if (!cursor.ok()) out.kind = ScannedAnswer::Kind::unreadable;
  return out;
}

}  // namespace

ScannedAnswer scan_answer(std::string_view frame) {
  Cursor cursor(frame);
  return scan_map(cursor);
}

bool scan_answers(std::string_view frame, AnswerSink& sink) {
  Cursor cursor(frame);
  if (!cursor.at_array()) {
    sink.take(scan_map(cursor));
    return true;
  }
  for (auto left = cursor.array(); cursor.ok() && left > 0; --left) {
    const ScannedAnswer answer = scan_map(cursor);
    if (cursor.ok()) sink.take(answer);
  }
  return cursor.ok();
}

}  // namespace stampede::tools
