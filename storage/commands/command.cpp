#include "storage/commands/command.h"

#include <cstring>
#include <msgpack.hpp>

#include "config/process/invariant.h"
#include "storage/commands/command_layout.h"
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

template <class Writer>
void write_arguments(Writer& writer, const OrderInsert& order) {
  writer.text(order.request_id);
  writer.number(order.item);
  writer.text(order.user);
  writer.number(order.qty);
  writer.signed_number(order.unit_price_cents);
  writer.signed_number(order.decided_at_us);
}

template <class Writer>
void write_arguments(Writer& writer, const ItemAmountUpdate& amount) {
  writer.number(amount.item);
  writer.signed_number(amount.amount);
}

template <class Writer>
void write_arguments(Writer& writer, const ItemPut& put) {
  writer.text(put.request_id);
  writer.number(put.item);
  writer.text(put.name);
  writer.signed_number(put.price_cents);
  writer.signed_number(put.total);
  writer.number(put.limit_per_user);
  writer.number(put.max_qty);
  writer.number(put.content_hash);
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

void write_imported(PayloadWriter& writer, const Command& command) {
  ImportedWriter out(writer, command.missing);
  switch (command.kind) {
    case CommandKind::order_insert:
      return write_arguments(out, command.order);
    case CommandKind::item_amount_update:
      return write_arguments(out, command.amount);
    case CommandKind::item_put:
      return write_arguments(out, command.put);
    case CommandKind::invalid:
      break;
  }
  STAMPEDE_ASSERT(false, "a command without a kind was to be logged");
}

}  // namespace

// These two are written for every order; the others may take the general way.
void encode_order_set(std::string& out, const OrderInsert& order, const ItemAmountUpdate& amount) {
  constexpr std::size_t kNumbers = 96;  // all but the texts, each at its longest
  MsgpackWriter writer(out, kNumbers + order.request_id.size() + order.user.size());
  writer.array(2);
  writer.array(1 + kOrderArguments);
  writer.number(static_cast<std::uint64_t>(CommandKind::order_insert));
  write_arguments(writer, order);
  writer.array(1 + kAmountArguments);
  writer.number(static_cast<std::uint64_t>(CommandKind::item_amount_update));
  write_arguments(writer, amount);
}

void encode_item_set(std::string& out, const ItemPut& put, const ItemAmountUpdate& amount) {
  PayloadWriter writer(out);
  writer.array(2);
  writer.array(1 + kPutArguments);
  writer.number(static_cast<std::uint64_t>(CommandKind::item_put));
  write_arguments(writer, put);
  writer.array(1 + kAmountArguments);
  writer.number(static_cast<std::uint64_t>(CommandKind::item_amount_update));
  write_arguments(writer, amount);
}

void encode_command_set(std::string& out, const std::vector<Command>& set) {
  PayloadWriter writer(out);
  writer.array(set.size());
  for (const Command& command : set) {
    const bool named = !command.id_text.empty();
    writer.array(std::size_t{1} + argument_count(command.kind) + (named ? 1 : 0));
    writer.number(static_cast<std::uint64_t>(command.kind));
    write_imported(writer, command);
    if (named) writer.text(command.id_text);
  }
}

void encode_rejection(std::string& out, const Rejection& rejection) {
  char hash[kHashBytes];
  for (std::size_t word = 0; word < 2; ++word) {
    const std::uint64_t big = big_endian(rejection.request_hash[word]);
    std::memcpy(hash + 8 * word, &big, sizeof big);
  }
  MsgpackWriter writer(out, 64);
  writer.array(5);
  writer.bytes({hash, sizeof hash});
  writer.number(rejection.content_hash);
  writer.number(rejection.item);
  writer.number(rejection.qty);
  writer.number(static_cast<std::uint64_t>(rejection.reason));
}

void encode_outcome(std::string& out, const Outcome& outcome) {
  PayloadWriter writer(out);
  writer.array(4);
  writer.number(outcome.lane);
  writer.number(static_cast<std::uint64_t>(outcome.kind));
  writer.number(outcome.position);
  writer.array(outcome.numbers.size());
  for (const std::uint64_t number : outcome.numbers) writer.number(number);
}

void encode_epoch(std::string& out, std::uint64_t epoch, std::int64_t wall_ns) {
  PayloadWriter writer(out);
  writer.array(2);
  writer.number(epoch);
  writer.signed_number(wall_ns);
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
  for (const auto kind :
       {CommandKind::order_insert, CommandKind::item_amount_update, CommandKind::item_put}) {
    if (text == to_text(kind)) return kind;
  }
  return std::nullopt;
}

std::string command_id(Lsn lsn, std::size_t position) {
  return to_text(lsn) + "." + std::to_string(position);
}

}  // namespace stampede::storage
