#include "actors/messages.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <msgpack.hpp>
#include <utility>

#include "storage/msgpack_writer.h"

namespace stampede::actors {

namespace {

struct StringSink {  // the stream msgpack::packer writes to
  std::string& out;
  void write(const char* data, std::size_t size) { out.append(data, size); }
};

using Packer = msgpack::packer<StringSink>;

void pack_text(Packer& packer, std::string_view text) {
  packer.pack_str(static_cast<std::uint32_t>(text.size()));
  packer.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
}

void pack_row(Packer& packer, const ItemRow& row) {
  packer.pack_array(8);
  packer.pack_uint64(row.item);
  pack_text(packer, row.name);
  packer.pack_int64(row.price_cents);
  packer.pack_int64(row.total);
  packer.pack_int64(row.left);
  packer.pack_uint64(row.seq);
  packer.pack_uint32(row.limit_per_user);
  packer.pack_uint32(row.max_qty);
}

// Sixteen characters, which the processor compares at once.
using Block [[gnu::vector_size(16)]] = unsigned char;
using Halves [[gnu::vector_size(16)]] = std::uint64_t;

Block block_at(const char* at) {
  Block block;
  std::memcpy(&block, at, sizeof block);
  return block;
}

// At least one character, at most 15; some stand in it twice.
Block short_block(std::string_view text) {
  std::array<char, 8> few;
  if (text.size() < few.size()) {
    few.fill(text[0]);
    std::copy(text.begin(), text.end(), few.begin());
    text = {few.data(), few.size()};
  }
  std::uint64_t first = 0, last = 0;
  std::memcpy(&first, text.data(), sizeof first);
  std::memcpy(&last, text.data() + text.size() - sizeof last, sizeof last);
  return reinterpret_cast<Block>(Halves{first, last});
}

// `others` marks the characters of a block that are not allowed, each with a byte that is not 0.
template <class F>
bool none_of(std::string_view text, F others) {
  const auto none = [others](Block block) {
    const auto marks = reinterpret_cast<Halves>(others(block));
    return (marks[0] | marks[1]) == 0;
  };
  if (text.size() < sizeof(Block)) return none(short_block(text));
  const char* const last = text.data() + text.size() - sizeof(Block);  // may overlap the one before
  for (const char* at = text.data(); at < last; at += sizeof(Block))
    if (!none(block_at(at))) return false;
  return none(block_at(last));
}

}  // namespace

bool valid_request_id(std::string_view id) {
  if (id.empty() || id.size() > kRequestIdBytesMax) return false;
  return none_of(id, [](Block c) {
    const auto digit = c - '0' < 10;
    const auto letter = (c | 0x20) - 'a' < 26;
    return ~(digit | letter | (c == '-') | (c == '_'));
  });
}

namespace {

// Length of the well-formed UTF-8 sequence at the front of `text`, 0 when it is malformed
// (overlong, surrogate, above U+10FFFF; The Unicode Standard, table 3-7).
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

bool control_character(std::string_view sequence) {  // C0, DEL and C1
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return first < 0x20 || first == 0x7F;
  return sequence.size() == 2 && first == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0;
}

}  // namespace

bool valid_user(std::string_view user) {
  return valid_text(user, kUserBytesMax);
}

bool valid_text(std::string_view text, std::size_t bytes_max) {
  if (text.empty() || text.size() > bytes_max) return false;
  if (none_of(text, [](Block c) { return (c < 0x20) | (c >= 0x7F); })) return true;
  while (!text.empty()) {
    const auto size = utf8_sequence(text);
    if (size == 0 || control_character(text.substr(0, size))) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string_view to_text(State state) {
  switch (state) {
    case State::queued:
      return "queued";
    case State::confirmed:
      return "confirmed";
    case State::rejected:
      return "rejected";
    case State::invalid:
      break;
  }
  return "invalid";
}

namespace {

void append_item_put(Packer& packer, const Request& request) {
  packer.pack_array(8);
  packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::item_put));
  pack_text(packer, request.id);
  packer.pack_uint64(request.item);
  pack_text(packer, request.name);
  packer.pack_int64(request.price_cents);
  packer.pack_int64(request.total);
  packer.pack_uint32(request.limit_per_user);
  packer.pack_uint32(request.max_qty);
}

// Orders and their answers are what most messages consist of.
constexpr std::size_t kOrderBytes = 32;   // without the texts
constexpr std::size_t kAnswerBytes = 48;  // arrays of eight small numbers and three large ones
constexpr std::size_t kMoreBytes = 16;

template <class Out>
void append_order(Out& body, const Request& request) {
  storage::MsgpackWriter entry(body, kOrderBytes + request.id.size() + request.user.size());
  entry.array(5);
  entry.number(static_cast<std::uint64_t>(RequestKind::order));
  entry.text(request.id);
  entry.number(request.item);
  entry.text(request.user);
  entry.number(request.qty);
}

}  // namespace

void append_request(storage::ByteBuffer& body, const Request& request) {
  if (request.kind == RequestKind::order) return append_order(body, request);
  std::string entry;
  append_request(entry, request);
  body.append(entry);
}

void append_request(std::string& body, const Request& request) {
  StringSink sink{body};
  Packer packer(sink);
  switch (request.kind) {
    case RequestKind::order:
      return append_order(body, request);
    case RequestKind::get:
      packer.pack_array(2);
      packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::get));
      pack_text(packer, request.id);
      return;
    case RequestKind::items:
      packer.pack_array(3);
      packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::items));
      packer.pack_uint64(request.item);
      packer.pack_uint32(request.qty);
      return;
    case RequestKind::item_put:
      append_item_put(packer, request);
      return;
    case RequestKind::stock_change:
      packer.pack_array(4);
      packer.pack_uint8(static_cast<std::uint8_t>(RequestKind::stock_change));
      pack_text(packer, request.id);
      packer.pack_uint64(request.item);
      packer.pack_int64(request.total);
      return;
    case RequestKind::invalid:
      break;
  }
  STAMPEDE_ASSERT(false, "a request without a kind cannot be sent");
}

void append_answer(std::string& body, const Answer& answer) {
  storage::MsgpackWriter entry(body, kAnswerBytes);
  entry.array(8);
  entry.number(static_cast<std::uint64_t>(ResultKind::answer));
  entry.number(static_cast<std::uint64_t>(answer.state));
  entry.number(static_cast<std::uint64_t>(answer.reason));
  entry.number(answer.lsn);
  entry.number(answer.item);
  entry.number(answer.qty);
  if (answer.left)
    entry.signed_number(*answer.left);
  else
    entry.nil();
  entry.number((answer.stored ? 1U : 0U) | (answer.replayed ? 2U : 0U));
}

void append_error(std::string& body, Code code, std::string_view field) {
  StringSink sink{body};
  Packer packer(sink);
  packer.pack_array(3);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::error));
  packer.pack_uint16(static_cast<std::uint16_t>(code));
  if (field.empty())
    packer.pack_nil();
  else
    pack_text(packer, field);
}

void append_items(std::string& body, const std::vector<ItemRow>& rows,
                  std::optional<std::uint64_t> next) {
  StringSink sink{body};
  Packer packer(sink);
  packer.pack_array(3);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::items));
  if (next)
    packer.pack_uint64(*next);
  else
    packer.pack_nil();
  packer.pack_array(static_cast<std::uint32_t>(rows.size()));
  for (const auto& row : rows) pack_row(packer, row);
}

void append_item_changed(std::string& body, bool changed, const ItemRow& row) {
  StringSink sink{body};
  Packer packer(sink);
  packer.pack_array(3);
  packer.pack_uint8(static_cast<std::uint8_t>(ResultKind::item_changed));
  packer.pack_uint8(changed ? 1 : 0);
  pack_row(packer, row);
}

void append_item_row(std::string& body, const ItemRow& row) {
  StringSink sink{body};
  Packer packer(sink);
  pack_row(packer, row);
}

void ResultWriter::answer(const Answer& answer) {
  if (answer == next_ && answer.state != State::invalid) {
    ++more_;
  } else {
    finish();
    append_answer(body_, answer);
    next_ = answer;
  }
  make_next(next_);
}

void ResultWriter::error(Code code, std::string_view field) {
  finish();
  append_error(body_, code, field);
}

void ResultWriter::items(const std::vector<ItemRow>& rows, std::optional<std::uint64_t> next) {
  finish();
  append_items(body_, rows, next);
}

// What comes after it is no longer the next of an answer.
void ResultWriter::finish() {
  next_ = {};
  if (more_ == 0) return;
  storage::MsgpackWriter entry(body_, kMoreBytes);
  entry.array(2);
  entry.number(static_cast<std::uint64_t>(ResultKind::more));
  entry.number(std::exchange(more_, 0));
}

}  // namespace stampede::actors
