#include <cstring>
#include <limits>

#include "storage/command.h"
#include "storage/command_layout.h"

namespace stampede::storage {

namespace {

constexpr std::uint64_t kSignedMax = std::numeric_limits<std::int64_t>::max();

// Takes the values behind one token in turn. After the first value of a wrong type or range
// everything else is empty and ok() stays false.
class ValueCursor {
 public:
  ValueCursor(const std::vector<Token>& tokens, std::size_t first)
      : tokens_(tokens), next_(first) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::uint16_t missing() const { return missing_; }
  void allow_nil() { nil_allowed_ = true; }

  std::uint64_t number(std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) {
    const Token* token = take();
    if (token == nullptr) return 0;
    return checked(token->type == Token::Type::unsigned_int && token->number <= max) ? token->number
                                                                                     : 0;
  }
  std::uint32_t number32() {
    return static_cast<std::uint32_t>(number(std::numeric_limits<std::uint32_t>::max()));
  }
  std::int64_t signed_number() {
    const Token* token = take();
    if (token == nullptr) return 0;
    const bool fits = token->type == Token::Type::negative_int ||
                      (token->type == Token::Type::unsigned_int && token->number <= kSignedMax);
    return checked(fits) ? static_cast<std::int64_t>(token->number) : 0;
  }
  std::string_view text() { return view(Token::Type::str); }
  std::string_view bytes() { return view(Token::Type::bin); }

 private:
  const Token* take() {
    ++argument_;
    if (!ok_ || next_ >= tokens_.size()) {
      ok_ = false;
      return nullptr;
    }
    const Token& token = tokens_[next_];
    next_ = token.end;
    if (token.type == Token::Type::nil && nil_allowed_) {
      missing_ = static_cast<std::uint16_t>(missing_ | (1U << argument_));
      return nullptr;
    }
    return &token;
  }
  std::string_view view(Token::Type type) {
    const Token* token = take();
    if (token == nullptr) return {};
    return checked(token->type == type) ? token->text : std::string_view{};
  }
  bool checked(bool fits) {
    ok_ = ok_ && fits;
    return ok_;
  }

  const std::vector<Token>& tokens_;
  std::size_t next_;
  unsigned argument_ = 0;
  std::uint16_t missing_ = 0;
  bool nil_allowed_ = false;
  bool ok_ = true;
};

void read_arguments(ValueCursor& in, Command& out) {
  switch (out.kind) {
    case CommandKind::order_insert:
      out.order.request_id = in.text();
      out.order.item = in.number(kSignedMax);
      out.order.user = in.text();
      out.order.qty = in.number32();
      out.order.unit_price_cents = in.signed_number();
      out.order.decided_at_us = in.signed_number();
      break;
    case CommandKind::item_amount_update:
      out.amount.item = in.number(kSignedMax);
      out.amount.amount = in.signed_number();
      break;
    case CommandKind::item_put:
      out.put.request_id = in.text();
      out.put.item = in.number(kSignedMax);
      out.put.name = in.text();
      out.put.price_cents = in.signed_number();
      out.put.total = in.signed_number();
      out.put.limit_per_user = in.number32();
      out.put.max_qty = in.number32();
      out.put.content_hash = in.number();
      break;
    case CommandKind::invalid:
      break;
  }
}

// The business key of an item command is its item: it cannot be missing.
bool has_key(const Command& command) {
  constexpr std::uint16_t amount_item = 1U << 1;
  constexpr std::uint16_t put_item = 1U << 2;
  if (command.kind == CommandKind::item_amount_update) return (command.missing & amount_item) == 0;
  if (command.kind == CommandKind::item_put) return (command.missing & put_item) == 0;
  return true;
}

bool decode_command(const std::vector<Token>& tokens, std::size_t at, Command& out) {
  const Token& whole = tokens[at];
  if (whole.type != Token::Type::array || whole.size == 0) return false;
  const Token& kind = tokens[at + 1];
  if (kind.type != Token::Type::unsigned_int || kind.number == 0 || kind.number > 3) return false;
  out = Command{};
  out.kind = static_cast<CommandKind>(kind.number);
  const std::uint32_t plain = 1 + argument_count(out.kind);
  if (whole.size != plain && whole.size != plain + 1) return false;
  ValueCursor in(tokens, at + 2);
  in.allow_nil();
  read_arguments(in, out);
  out.missing = in.missing();
  if (whole.size > plain) {
    out.id_text = in.text();
    if (out.id_text.empty()) return false;
  }
  return in.ok() && has_key(out);
}

}  // namespace

bool CommandDecoder::parse(std::string_view payload) {
  std::size_t offset = 0;
  return reader_.parse(payload, offset) == ParseOutcome::ok && offset == payload.size() &&
         reader_.tokens().front().type == Token::Type::array;
}

bool CommandDecoder::command_set(std::string_view payload, std::vector<Command>& set) {
  set.clear();
  if (!parse(payload)) return false;
  const auto& tokens = reader_.tokens();
  if (tokens.front().size == 0) return false;
  for (std::size_t at = 1; at < tokens.size(); at = tokens[at].end) {
    if (!decode_command(tokens, at, set.emplace_back())) return false;
  }
  return true;
}

bool CommandDecoder::rejection(std::string_view payload, Rejection& rejection) {
  if (!parse(payload) || reader_.tokens().front().size != 5) return false;
  ValueCursor in(reader_.tokens(), 1);
  const std::string_view hash = in.bytes();
  rejection.content_hash = in.number();
  rejection.item = in.number(kSignedMax);
  rejection.qty = in.number32();
  rejection.reason =
      static_cast<RejectReason>(in.number(static_cast<unsigned>(RejectReason::limit_reached)));
  if (!in.ok() || hash.size() != kHashBytes || rejection.reason == RejectReason::invalid) {
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
  if (!parse(payload) || reader_.tokens().front().size != 4) return false;
  const auto& tokens = reader_.tokens();
  ValueCursor in(tokens, 1);
  outcome.lane = in.number32();
  outcome.kind = static_cast<CommandKind>(in.number(static_cast<unsigned>(CommandKind::item_put)));
  outcome.position = in.number32();
  constexpr std::size_t list = 4;  // the three numbers before it are one token each
  if (!in.ok() || outcome.kind == CommandKind::invalid) return false;
  if (tokens[list].type != Token::Type::array || tokens[list].end != tokens.size()) return false;
  for (std::size_t at = list + 1; at < tokens.size(); ++at) {
    if (tokens[at].type != Token::Type::unsigned_int) return false;
    outcome.numbers.push_back(tokens[at].number);
  }
  return true;
}

std::optional<std::uint64_t> CommandDecoder::epoch(std::string_view payload) {
  if (!parse(payload) || reader_.tokens().front().size != 2) return std::nullopt;
  ValueCursor in(reader_.tokens(), 1);
  const std::uint64_t epoch = in.number(kEpochMax);
  in.signed_number();
  if (!in.ok()) return std::nullopt;
  return epoch;
}

}  // namespace stampede::storage
