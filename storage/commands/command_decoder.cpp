#include <algorithm>
#include <cstring>
#include <limits>

#include "storage/commands/command.h"
#include "storage/commands/command_arguments.h"
#include "storage/commands/command_layout.h"
#include "storage/msgpack/msgpack_cursor.h"

namespace stampede::storage {

namespace {

constexpr std::uint64_t kSignedMax = std::numeric_limits<std::int64_t>::max();

using Value = MsgpackCursor::Value;
using Type = MsgpackCursor::Type;

// Takes value after value. After the first one of a wrong type or range everything else is empty
// and ok() stays false.
class ValueCursor {
 public:
  explicit ValueCursor(std::string_view payload) : cursor_(payload) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return ok_ && cursor_.left() == 0; }

  // Elements of the array that comes next, 0 if none does.
  std::uint32_t array() {
    Value value;
    ok_ = ok_ && cursor_.next(value) && value.type == Type::array;
    return ok_ ? value.size : 0;
  }
  // An array of so many elements: true. nil: false. Anything else: not ok().
  bool array_or_nil(std::uint32_t elements) {
    Value value;
    ok_ = ok_ && cursor_.next(value) &&
          (value.type == Type::nil || (value.type == Type::array && value.size == elements));
    return ok_ && value.type == Type::array;
  }
  // Between these two arguments may be nil; the second tells which, from 1.
  void begin_arguments() {
    nil_allowed_ = true;
    argument_ = 0;
    missing_ = 0;
  }
  std::uint16_t end_arguments() {
    nil_allowed_ = false;
    return missing_;
  }

  std::uint64_t number(std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) {
    Value value;
    if (!take(value)) return 0;
    return checked(value.type == Type::unsigned_int && value.number <= max) ? value.number : 0;
  }
  std::uint32_t number32() {
    return static_cast<std::uint32_t>(number(std::numeric_limits<std::uint32_t>::max()));
  }
  std::int64_t signed_number() {
    Value value;
    if (!take(value)) return 0;
    const bool fits = value.type == Type::negative_int ||
                      (value.type == Type::unsigned_int && value.number <= kSignedMax);
    return checked(fits) ? static_cast<std::int64_t>(value.number) : 0;
  }
  std::string_view text() { return view(Type::str); }
  // Empty when it is nil; a text that is there is not.
  std::string_view text_or_nil() {
    Value value;
    ok_ = ok_ && cursor_.next(value) &&
          (value.type == Type::nil || (value.type == Type::str && !value.text.empty()));
    return ok_ ? value.text : std::string_view{};
  }
  std::string_view bytes() { return view(Type::bin); }

  // What is bounded, and may be nil where that is said.
  template <class Number>
  void within(Within<Number> out) {
    Value value;
    ok_ = ok_ && cursor_.next(value);
    if (ok_ && out.may_be_nil && value.type == Type::nil) {
      out.value = static_cast<Number>(kNoNumber);
      return;
    }
    const bool number = value.type == Type::unsigned_int
                            ? value.number <= static_cast<std::uint64_t>(out.max)
                            : value.type == Type::negative_int && std::is_signed_v<Number> &&
                                  static_cast<std::int64_t>(value.number) >= out.min;
    const bool low = value.type == Type::unsigned_int && out.min > 0 &&
                     value.number < static_cast<std::uint64_t>(out.min);
    out.value = checked(number && !low) ? static_cast<Number>(value.number) : Number{};
  }
  template <class Text>
  void within(Text out, Type type) {
    Value value;
    ok_ = ok_ && cursor_.next(value);
    if (ok_ && out.may_be_nil && value.type == Type::nil) {
      out.value = {};
      return;
    }
    const bool fits =
        value.type == type && value.text.size() >= out.min && value.text.size() <= out.max;
    out.value = checked(fits) ? value.text : std::string_view{};
  }

 private:
  // False: there is no value, or it is missing.
  bool take(Value& value) {
    ++argument_;
    ok_ = ok_ && cursor_.next(value);
    if (ok_ && value.type == Type::nil && nil_allowed_) {
      missing_ = static_cast<std::uint16_t>(missing_ | (1U << argument_));
      return false;
    }
    return ok_;
  }
  std::string_view view(Type type) {
    Value value;
    if (!take(value)) return {};
    return checked(value.type == type) ? value.text : std::string_view{};
  }
  bool checked(bool fits) {
    ok_ = ok_ && fits;
    return ok_;
  }

  MsgpackCursor cursor_;
  unsigned argument_ = 0;
  std::uint16_t missing_ = 0;
  bool nil_allowed_ = false;
  bool ok_ = true;
};

// One overload for each type an argument can have.
struct ArgumentReader {
  ValueCursor& in;
  void operator()(std::string_view, std::string_view& value) { value = in.text(); }
  void operator()(std::string_view, std::uint64_t& value) { value = in.number(kSignedMax); }
  void operator()(std::string_view, std::uint32_t& value) { value = in.number32(); }
  void operator()(std::string_view, std::int64_t& value) { value = in.signed_number(); }
  void operator()(std::string_view, AsHex<std::uint64_t> value) { value.value = in.number(); }
  template <class Number>
  void operator()(std::string_view, Within<Number> value) {
    in.within(value);
  }
  void operator()(std::string_view, WithinText<std::string_view> value) {
    in.within(value, Type::str);
  }
  void operator()(std::string_view, WithinBytes<std::string_view> value) {
    in.within(value, Type::bin);
  }
};

template <class Sale>
std::uint32_t count_sale(const Sale& sale) {
  std::uint32_t count = 0;
  each_sale_argument(sale, [&](std::string_view, const auto&) { ++count; });
  return count;
}

SaleArguments& sale_of(Command& command) {
  if (!command.sale) command.sale = std::make_shared<SaleArguments>();
  command.level = FeatureLevel::sale;
  return *command.sale;
}

template <class Part>
void read_sale_part(ValueCursor& in, Part part, Command& out, Part SaleArguments::*place) {
  if (!in.array_or_nil(count_sale(part))) return;
  each_sale_argument(sale_of(out).*place, ArgumentReader{in});
}

void read_sale(ValueCursor& in, Command& out) {
  if (out.kind == CommandKind::order_insert)
    read_sale_part(in, OrderSale{}, out, &SaleArguments::order);
  else
    read_sale_part(in, ItemSale{}, out, &SaleArguments::item);
}

// Behind the arguments. Format 1: perhaps the id text. Format 2: what the sale adds (not to an
// amount), and the id text or nil. So an amount with an id text looks the same in both.
bool read_rest(ValueCursor& in, std::uint32_t values, Command& out) {
  const bool amount = out.kind == CommandKind::item_amount_update;
  if (values == 0) {
    out.level = FeatureLevel::format_1;
    return true;
  }
  if (values > (amount ? 1U : 2U)) return false;
  if (values == 2) read_sale(in, out);
  out.id_text = in.text_or_nil();
  if (values == 1 && !out.id_text.empty()) out.level = FeatureLevel::format_1;
  return values == 2 || amount || !out.id_text.empty();
}

// The business key of an item command is its item: it cannot be missing.
bool has_key(const Command& command) {
  constexpr std::uint16_t amount_item = 1U << 1;
  constexpr std::uint16_t put_item = 1U << 2;
  if (command.kind == CommandKind::item_amount_update) return (command.missing & amount_item) == 0;
  if (command.kind == CommandKind::item_put) return (command.missing & put_item) == 0;
  return true;
}

bool decode_first_kinds(ValueCursor& in, std::uint32_t size, Command& out) {
  const std::uint32_t plain = 1 + count_arguments(out);
  if (size < plain) return false;
  in.begin_arguments();
  each_argument(out, ArgumentReader{in});
  out.missing = in.end_arguments();
  return read_rest(in, size - plain, out) && in.ok() && has_key(out);
}

bool decode_sale_kind(ValueCursor& in, std::uint32_t size, Command& out) {
  with_sale_command(out.kind, sale_of(out), [&](auto& some) {
    if (size != 1 + count_bounded(some) + 1) return;
    each_bounded_argument(some, ArgumentReader{in});
    out.id_text = in.text_or_nil();
    size = 0;
  });
  return size == 0 && in.ok();
}

bool decode_command(ValueCursor& in, Command& out) {
  const std::uint32_t size = in.array();
  if (size == 0) return false;
  const std::uint64_t kind = in.number(static_cast<unsigned>(kCommandKindLast));
  if (!in.ok() || kind == 0) return false;
  out.kind = static_cast<CommandKind>(kind);
  return out.kind > CommandKind::item_put ? decode_sale_kind(in, size, out)
                                          : decode_first_kinds(in, size, out);
}

template <class Record>
bool decode_control(std::string_view payload, Record& record) {
  record = {};
  ValueCursor in(payload);
  if (in.array() != count_bounded(record)) return false;
  each_bounded_argument(record, ArgumentReader{in});
  return in.at_end();
}

}  // namespace

bool CommandDecoder::command_set(std::string_view payload, std::vector<Command>& set) {
  set.clear();
  ValueCursor in(payload);
  const std::uint32_t commands = in.array();
  if (commands == 0) return false;
  for (std::uint32_t i = 0; i < commands; ++i) {
    if (!decode_command(in, set.emplace_back())) return false;
  }
  return in.at_end();
}

bool CommandDecoder::rejection(std::string_view payload, Rejection& rejection) {
  ValueCursor in(payload);
  const std::uint32_t values = in.array();
  if (values != kRejectionValues && values != kRejectionValuesOfFormat1) return false;
  rejection = {};
  const std::string_view hash = in.bytes();
  rejection.content_hash = in.number();
  rejection.item = in.number(kSignedMax);
  rejection.qty = in.number32();
  rejection.reason =
      static_cast<RejectReason>(in.number(static_cast<unsigned>(RejectReason::limit_reached)));
  if (values == kRejectionValues) {
    rejection.user_hash = in.number();
    if (in.array_or_nil(2)) {
      rejection.level = FeatureLevel::sale;
      each_sale_argument(rejection, ArgumentReader{in});
    }
  } else {
    rejection.level = FeatureLevel::format_1;
  }
  if (!in.at_end() || hash.size() != kHashBytes || rejection.reason == RejectReason::invalid) {
    return false;
  }
  for (std::size_t word = 0; word < 2; ++word) {
    std::uint64_t big = 0;
    std::memcpy(&big, hash.data() + 8 * word, sizeof big);
    rejection.request_hash[word] = big_endian(big);
  }
  return true;
}

bool CommandDecoder::outcome(std::string_view payload, Outcome& outcome) {
  outcome.numbers.clear();
  outcome.tries.clear();
  ValueCursor in(payload);
  const std::uint32_t values = in.array();
  if (values != 4 && values != 5) return false;
  outcome.lane = in.number32();
  outcome.kind = static_cast<CommandKind>(in.number(static_cast<unsigned>(kCommandKindLast)));
  outcome.position = in.number32();
  if (!in.ok() || outcome.kind == CommandKind::invalid) return false;
  const std::uint32_t numbers = in.array();
  for (std::uint32_t i = 0; in.ok() && i < numbers; ++i) outcome.numbers.push_back(in.number());
  outcome.level = std::max(level_of(outcome.kind),
                           values == 5 ? FeatureLevel::format_2 : FeatureLevel::format_1);
  if (values == 4) return in.at_end();
  const std::uint32_t tries = in.array();
  for (std::uint32_t i = 0; in.ok() && i < tries; ++i) outcome.tries.push_back(in.number());
  return in.at_end() && tries > 0 && std::uint64_t{tries} * 2 == numbers;
}

std::optional<std::uint64_t> CommandDecoder::epoch(std::string_view payload) {
  ValueCursor in(payload);
  const std::uint32_t values = in.array();
  if (values != 2 && values != 3) return std::nullopt;
  const std::uint64_t epoch = in.number(kEpochMax);
  in.signed_number();
  std::string_view instance;
  if (values == 3) in.within(arguments::bytes_or_nil(kUuidBytes, instance), Type::bin);
  if (!in.at_end()) return std::nullopt;
  return epoch;
}

bool CommandDecoder::control(std::string_view payload, HaRecord& record) {
  return decode_control(payload, record);
}
bool CommandDecoder::control(std::string_view payload, HashRecord& record) {
  return decode_control(payload, record);
}
bool CommandDecoder::control(std::string_view payload, ConfigRecord& record) {
  return decode_control(payload, record);
}
bool CommandDecoder::control(std::string_view payload, ClaimRecord& record) {
  return decode_control(payload, record);
}
bool CommandDecoder::control(std::string_view payload, RevokeRecord& record) {
  return decode_control(payload, record);
}

}  // namespace stampede::storage
