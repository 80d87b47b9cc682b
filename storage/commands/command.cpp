#include "storage/commands/command.h"

#include <algorithm>
#include <cstring>
#include <msgpack.hpp>

#include "config/process/invariant.h"
#include "storage/commands/command_arguments.h"
#include "storage/commands/command_layout.h"
#include "storage/commands/sale_terms.h"
#include "storage/msgpack/msgpack_writer.h"

namespace stampede::storage {

namespace {

struct StringSink {
  std::string& out;
  void write(const char* bytes, std::size_t size) { out.append(bytes, size); }
};

class PayloadWriter {
 public:
  explicit PayloadWriter(std::string& out) : sink_{out}, packer_(sink_) {}

  void array(std::size_t elements) { packer_.pack_array(static_cast<std::uint32_t>(elements)); }
  void number(std::uint64_t value) { packer_.pack_uint64(value); }
  void signed_number(std::int64_t value) { packer_.pack_int64(value); }
  void nil() { packer_.pack_nil(); }
  void text(std::string_view value) {
    packer_.pack_str(static_cast<std::uint32_t>(value.size()));
    sink_.write(value.data(), value.size());
  }
  void bytes(std::string_view value) {
    packer_.pack_bin(static_cast<std::uint32_t>(value.size()));
    sink_.write(value.data(), value.size());
  }

 private:
  StringSink sink_;
  msgpack::packer<StringSink> packer_;
};

// One overload for each type an argument can have.
template <class Writer>
class ArgumentWriter {
 public:
  explicit ArgumentWriter(Writer& writer) : writer_(writer) {}
  void operator()(std::string_view, std::string_view value) { writer_.text(value); }
  void operator()(std::string_view, std::uint64_t value) { writer_.number(value); }
  void operator()(std::string_view, std::uint32_t value) { writer_.number(value); }
  void operator()(std::string_view, std::int64_t value) { writer_.signed_number(value); }
  void operator()(std::string_view, AsHex<const std::uint64_t> value) {
    writer_.number(value.value);
  }
  template <class Number>
  void operator()(std::string_view, Within<Number> value) {
    if constexpr (std::is_signed_v<Number>)
      writer_.signed_number(value.value);
    else if (value.may_be_nil && value.value == kNoNumber)
      writer_.nil();
    else
      writer_.number(value.value);
  }
  void operator()(std::string_view, WithinText<const std::string_view> value) {
    value.may_be_nil&& value.value.empty() ? writer_.nil() : writer_.text(value.value);
  }
  void operator()(std::string_view, WithinBytes<const std::string_view> value) {
    value.may_be_nil&& value.value.empty() ? writer_.nil() : writer_.bytes(value.value);
  }

 private:
  Writer& writer_;
};

template <class Writer, class Some>
void write_arguments(Writer& writer, const Some& command) {
  each_argument(command, ArgumentWriter<Writer>(writer));
}

// Writes nil for the arguments that an imported command lacks.
class ImportedWriter {
 public:
  ImportedWriter(PayloadWriter& writer, std::uint16_t missing)
      : writer_(writer), missing_(missing) {}
  void text(std::string_view value) { present() ? writer_.text(value) : writer_.nil(); }
  void number(std::uint64_t value) { present() ? writer_.number(value) : writer_.nil(); }
  void signed_number(std::int64_t value) {
    present() ? writer_.signed_number(value) : writer_.nil();
  }

 private:
  bool present() { return ((missing_ >> ++argument_) & 1) == 0; }
  PayloadWriter& writer_;
  std::uint16_t missing_;
  unsigned argument_ = 0;
};

template <class Sale>
std::uint32_t count_sale(const Sale& sale) {
  std::uint32_t count = 0;
  each_sale_argument(sale, [&](std::string_view, const auto&) { ++count; });
  return count;
}

// The array `sale`, nil where a command has none.
void write_sale(PayloadWriter& writer, const Command& command) {
  if (!command.sale) return writer.nil();
  const SaleArguments& sale = *command.sale;
  with_sale_array(command.kind, sale, [&](const auto& part) {
    writer.array(count_sale(part));
    each_sale_argument(part, ArgumentWriter<PayloadWriter>(writer));
  });
}

// Arguments, and what may stand behind them but the id.
void write_first_kinds(PayloadWriter& writer, const Command& command, LogFormat format) {
  const bool two = format == LogFormat::two;
  const bool with_sale = two && command.kind != CommandKind::item_amount_update;
  writer.array(1 + count_arguments(command) + (with_sale ? 1 : 0) + (two ? 1 : 0));
  writer.number(static_cast<std::uint64_t>(command.kind));
  ImportedWriter imported(writer, command.missing);
  write_arguments(imported, command);
  if (with_sale) write_sale(writer, command);
}

void write_sale_kind(PayloadWriter& writer, const Command& command) {
  STAMPEDE_ASSERT(command.sale != nullptr, "a command of the sale has its arguments");
  const SaleArguments& sale = *command.sale;
  with_sale_command(command.kind, sale, [&](const auto& some) {
    writer.array(1 + count_bounded(some) + 1);
    writer.number(static_cast<std::uint64_t>(command.kind));
    each_bounded_argument(some, ArgumentWriter<PayloadWriter>(writer));
  });
}

static_assert(kAddedTerms == 0, "what is added stands in ItemSale, in the places of format 2");

void write_command(PayloadWriter& writer, const Command& command, LogFormat format) {
  STAMPEDE_ASSERT(command.kind != CommandKind::invalid, "a command that is logged has a kind");
  if (command.kind > CommandKind::item_put)
    write_sale_kind(writer, command);
  else
    write_first_kinds(writer, command, format);
  if (format == LogFormat::one) return;
  command.id_text.empty() ? writer.nil() : writer.text(command.id_text);
}

template <class Record>
void write_control(std::string& out, const Record& record) {
  PayloadWriter writer(out);
  writer.array(count_bounded(record));
  each_bounded_argument(record, ArgumentWriter<PayloadWriter>(writer));
}

// Written for every order, as rejections are; the others may take the general way.
template <class Out>
void write_order_set(Out& out, const OrderInsert& order, const ItemAmountUpdate& amount,
                     LogFormat format, const OrderSale* sale = nullptr) {
  constexpr std::size_t kNumbers = 120;  // all but the texts, each at its longest
  const bool two = format == LogFormat::two;
  MsgpackWriter writer(out, kNumbers + order.request_id.size() + order.user.size());
  writer.array(2);
  writer.array(1 + kOrderArguments + (two ? 2 : 0));
  writer.number(static_cast<std::uint64_t>(CommandKind::order_insert));
  write_arguments(writer, order);
  if (two) {
    if (sale == nullptr) {
      writer.nil();
    } else {
      writer.array(count_sale(*sale));
      each_sale_argument(*sale, ArgumentWriter<MsgpackWriter>(writer));
    }
    writer.nil();  // id
  }
  writer.array(1 + kAmountArguments + (two ? 1 : 0));
  writer.number(static_cast<std::uint64_t>(CommandKind::item_amount_update));
  write_arguments(writer, amount);
  if (two) writer.nil();  // id
}

// As many are written as tickets are asked for.
template <class Out>
void write_grant_set(Out& out, const TicketGrant& grant) {
  constexpr std::size_t kNumbers = 64;  // all but the texts, each at its longest
  MsgpackWriter writer(out, kNumbers + grant.user.size() + grant.ticket.size());
  writer.array(1);
  writer.array(1 + count_bounded(grant) + 1);
  writer.number(static_cast<std::uint64_t>(CommandKind::ticket_grant));
  each_bounded_argument(grant, ArgumentWriter<MsgpackWriter>(writer));
  writer.nil();  // id
}

template <class Out>
void write_rejection(Out& out, const Rejection& rejection) {
  char hash[kHashBytes];
  for (std::size_t word = 0; word < 2; ++word) {
    const std::uint64_t big = big_endian(rejection.request_hash[word]);
    std::memcpy(hash + 8 * word, &big, sizeof big);
  }
  constexpr std::size_t kLongest = 72;  // each number at its longest, sale included
  MsgpackWriter writer(out, kLongest);
  writer.array(kRejectionValues);
  writer.bytes({hash, sizeof hash});
  writer.number(rejection.content_hash);
  writer.number(rejection.item);
  writer.number(rejection.qty);
  writer.number(static_cast<std::uint64_t>(rejection.reason));
  writer.number(rejection.user_hash);
  if (rejection.promo == kNoNumber && rejection.decided_at_us == 0) return writer.nil();
  writer.array(2);
  each_sale_argument(rejection, ArgumentWriter<MsgpackWriter>(writer));
}

}  // namespace

void encode_order_set(std::string& out, const OrderInsert& order, const ItemAmountUpdate& amount,
                      LogFormat format) {
  write_order_set(out, order, amount, format);
}
void encode_order_set(ByteBuffer& out, const OrderInsert& order, const ItemAmountUpdate& amount,
                      LogFormat format) {
  write_order_set(out, order, amount, format);
}

void encode_order_set(std::string& out, const OrderInsert& order, const ItemAmountUpdate& amount,
                      const OrderSale& sale) {
  write_order_set(out, order, amount, LogFormat::two, &sale);
}
void encode_order_set(ByteBuffer& out, const OrderInsert& order, const ItemAmountUpdate& amount,
                      const OrderSale& sale) {
  write_order_set(out, order, amount, LogFormat::two, &sale);
}

void encode_grant_set(ByteBuffer& out, const TicketGrant& grant) {
  write_grant_set(out, grant);
}

namespace {

Command put_command(const ItemPut& put) {
  Command command;
  command.kind = CommandKind::item_put;
  command.put = put;
  return command;
}

Command amount_command(const ItemAmountUpdate& amount) {
  Command command;
  command.kind = CommandKind::item_amount_update;
  command.amount = amount;
  return command;
}

Command sale_command(CommandKind kind) {
  Command command;
  command.kind = kind;
  command.sale = std::make_shared<SaleArguments>();
  return command;
}

Command update_command(const OrderUpdate& update) {
  auto command = sale_command(CommandKind::order_update);
  command.sale->update = update;
  return command;
}

}  // namespace

void encode_item_set(std::string& out, const ItemPut& put, const ItemAmountUpdate& amount,
                     LogFormat format) {
  PayloadWriter writer(out);
  writer.array(2);
  write_command(writer, put_command(put), format);
  write_command(writer, amount_command(amount), format);
}

void encode_item_set(std::string& out, const ItemPut& put, const ItemAmountUpdate& amount,
                     const ItemSale& sale, const StockChange* stock) {
  std::vector<Command> set{put_command(put), amount_command(amount)};
  if (sale_terms(sale) > 0) {
    set[0].sale = std::make_shared<SaleArguments>();
    set[0].sale->item = sale;
  }
  if (stock != nullptr) {
    set.push_back(sale_command(CommandKind::stock_change));
    set[2].sale->stock = *stock;
  }
  encode_command_set(out, set);
}

void encode_promo_set(std::string& out, const PromoPut& put) {
  auto command = sale_command(CommandKind::promo_put);
  command.sale->promo = put;
  encode_command_set(out, {command});
}

void encode_update_set(std::string& out, const OrderUpdate& update) {
  encode_command_set(out, {update_command(update)});
}

void encode_update_set(std::string& out, const OrderUpdate& update, const ItemAmountUpdate& amount,
                       const StockChange& stock) {
  auto moved = sale_command(CommandKind::stock_change);
  moved.sale->stock = stock;
  encode_command_set(out, {update_command(update), amount_command(amount), moved});
}

void encode_command_set(std::string& out, const std::vector<Command>& set) {
  PayloadWriter writer(out);
  writer.array(set.size());
  for (const Command& command : set) write_command(writer, command, LogFormat::two);
}

void encode_rejection(std::string& out, const Rejection& rejection) {
  write_rejection(out, rejection);
}
void encode_rejection(ByteBuffer& out, const Rejection& rejection) {
  write_rejection(out, rejection);
}

void encode_outcome(std::string& out, const Outcome& outcome) {
  PayloadWriter writer(out);
  const bool failed = !outcome.tries.empty();
  STAMPEDE_ASSERT(!failed || outcome.tries.size() * 2 == outcome.numbers.size(),
                  "a FAIL says of each command how often it was tried");
  writer.array(failed ? 5 : 4);
  writer.number(outcome.lane);
  writer.number(static_cast<std::uint64_t>(outcome.kind));
  writer.number(outcome.position);
  writer.array(outcome.numbers.size());
  for (const std::uint64_t number : outcome.numbers) writer.number(number);
  if (!failed) return;
  writer.array(outcome.tries.size());
  for (const std::uint64_t tries : outcome.tries) writer.number(tries);
}

void encode_epoch(std::string& out, std::uint64_t epoch, std::int64_t wall_ns,
                  std::string_view instance, LogFormat format) {
  STAMPEDE_ASSERT(instance.empty() || instance.size() == kUuidBytes, "an instance has 16 bytes");
  const bool two = format == LogFormat::two;
  PayloadWriter writer(out);
  writer.array(two ? 3 : 2);
  writer.number(epoch);
  writer.signed_number(wall_ns);
  if (!two) return;
  instance.empty() ? writer.nil() : writer.bytes(instance);
}

void encode_control(std::string& out, const HaRecord& record) {
  write_control(out, record);
}
void encode_control(std::string& out, const HashRecord& record) {
  write_control(out, record);
}
void encode_control(std::string& out, const ConfigRecord& record) {
  write_control(out, record);
}
void encode_control(std::string& out, const ClaimRecord& record) {
  write_control(out, record);
}
void encode_control(std::string& out, const RevokeRecord& record) {
  write_control(out, record);
}

std::uint64_t Command::item() const {
  switch (kind) {
    case CommandKind::order_insert:
      return order.item;
    case CommandKind::item_amount_update:
      return amount.item;
    case CommandKind::promo_put:
      return sale->promo.item;
    case CommandKind::ticket_grant:
      return sale->ticket.item;
    case CommandKind::order_update:
      return sale->update.item;
    case CommandKind::stock_change:
      return sale->stock.item;
    default:
      return put.item;
  }
}

std::optional<std::uint64_t> Command::key() const {
  switch (kind) {
    case CommandKind::order_insert:
    case CommandKind::stock_change:
    case CommandKind::invalid:
      return std::nullopt;
    case CommandKind::promo_put:
      return sale->promo.promo;
    case CommandKind::ticket_grant:
      return sale->ticket.promo;
    case CommandKind::order_update:
      return sale->update.order;
    default:
      return item();
  }
}

FeatureLevel level_of(const std::vector<Command>& set) {
  auto level = FeatureLevel::format_1;
  for (const Command& command : set) level = std::max(level, command.level);
  return level;
}

void encode_seal(std::string& out) {
  PayloadWriter(out).array(0);
}

std::string_view to_text(CommandKind kind) {
  switch (kind) {
    case CommandKind::order_insert:
      return "OrderInsert";
    case CommandKind::item_amount_update:
      return "ItemAmountUpdate";
    case CommandKind::item_put:
      return "ItemPut";
    case CommandKind::promo_put:
      return "PromoPut";
    case CommandKind::ticket_grant:
      return "TicketGrant";
    case CommandKind::order_update:
      return "OrderUpdate";
    case CommandKind::stock_change:
      return "StockChange";
    case CommandKind::invalid:
      break;
  }
  return "invalid";
}

std::string_view to_text(RejectReason reason) {
  switch (reason) {
    case RejectReason::sold_out:
      return "sold_out";
    case RejectReason::limit_reached:
      return "limit_reached";
    case RejectReason::invalid:
      break;
  }
  return "invalid";
}

std::optional<CommandKind> parse_command_kind(std::string_view text) {
  for (auto kind = std::uint8_t{1}; kind <= static_cast<std::uint8_t>(kCommandKindLast); ++kind) {
    if (text == to_text(static_cast<CommandKind>(kind))) return static_cast<CommandKind>(kind);
  }
  return std::nullopt;
}

std::string command_id(Lsn lsn, std::size_t position) {
  return to_text(lsn) + "." + std::to_string(position);
}

}  // namespace stampede::storage
