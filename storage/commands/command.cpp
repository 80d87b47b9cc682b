#include "storage/commands/command.h"

#include <cstring>
#include <msgpack.hpp>

#include "config/process/invariant.h"
#include "storage/commands/command_arguments.h"
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

void write_command(PayloadWriter& writer, const Command& command) {
  STAMPEDE_ASSERT(command.kind != CommandKind::invalid, "a command that is logged has a kind");
  const bool put = command.kind == CommandKind::item_put;
  const std::uint32_t added = put ? added_terms(command.put.terms) : 0;
  const bool named = !command.id_text.empty();
  writer.array(1 + count_arguments(command) + (named || added > 0 ? 1 : 0) + added);
  writer.number(static_cast<std::uint64_t>(command.kind));
  ImportedWriter imported(writer, command.missing);
  write_arguments(imported, command);
  if (named)
    writer.text(command.id_text);
  else if (added > 0)
    writer.nil();
  ArgumentWriter<PayloadWriter> out(writer);
  each_added_term(
      added, [&](const Term& term, const auto& value) { out(term.name, value); },
      command.put.terms);
}

}  // namespace

// Written for every order, as rejections are; the others may take the general way.
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
  Command command;
  command.kind = CommandKind::item_put;
  command.put = put;
  write_command(writer, command);
  command.kind = CommandKind::item_amount_update;
  command.amount = amount;
  write_command(writer, command);
}

void encode_command_set(std::string& out, const std::vector<Command>& set) {
  PayloadWriter writer(out);
  writer.array(set.size());
  for (const Command& command : set) write_command(writer, command);
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
