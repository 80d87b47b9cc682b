#pragma once

// SF1, the client protocol (contract §3): one frame, one msgpack map, one request; the answer is
// one map. A frame that holds an array of order maps is a batch; the answer is one array. Pure
// functions, no I/O, no clock; views point into the frame that was decoded. Hex and decoded
// examples for clients in other languages: test/vectors/sf1.json.
//
// What the contract leaves open, decided here: a key that is there twice is refused (bad_request,
// the key as field; a second `id` is bad_protocol); text may be str or bin; nil is no value of any
// known key, nor are float32 and ext, which are ignored in unknown keys; a float64 that is a whole
// number from 0 below 2^53 is that number; `items` takes `item`, or `from` and `limit`, not both.
// Of batches: a frame with an entry that is no map, or whose `id` is malformed, is refused whole
// with one map (bad_protocol, or too_large for a batch beyond its bounds), and nothing of it is
// decided; every other fault is an error in its entry's place and the others go on. An entry obeys
// the bounds of a map that comes alone (depth, 64 KiB). Another op than `order` is bad_request,
// field `op`. `ack` is ignored, as it is from a REQ: a batch has one answer. `deadline_ms` limits
// how long its entry makes the array wait; an entry whose answer comes later, but before the array
// left, gets its answer. The answer to an empty array is an empty array.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/node_messages.h"
#include "actors/protocol/ticket_text.h"
#include "actors/sale/codes.h"
#include "storage/msgpack/byte_buffer.h"
#include "storage/msgpack/msgpack_cursor.h"

namespace stampede::actors {

inline constexpr std::size_t kSf1MapBytesMax = 64 * 1024;
inline constexpr unsigned kSf1DepthMax = 4;
inline constexpr std::size_t kSf1BatchBytesMax = 256 * 1024;
inline constexpr std::uint32_t kSf1BatchOrdersMax = 1000;
inline constexpr int kSf1Version = 1;
inline constexpr std::size_t kSf1TokenBytesMax = 4096;
// Requests that may be open on one connection without an answer being dropped for want of room. The
// webapp's queue for it holds twice as many: ZeroMQ counts what was taken out in halves of a queue.
inline constexpr std::uint64_t kSf1OpenMax = 8192;
inline constexpr std::int64_t kDeadlineDefaultMs = 5000;
inline constexpr std::int64_t kDeadlineMaxMs = 60'000;

enum class ClientOp : std::uint8_t {
  invalid = 0,
  order = 1,
  get = 2,
  items = 3,
  ping = 4,
  pay = 5,
  cancel = 6,
  ticket = 7,
  changes = 20,  // of a webapp itself, as the next two; no client can ask it
  ended_sessions = 21,
  keep_session = 22,
  auth = 30,         // the connection's session from here on
  end_session = 31,  // over HTTP: the session that is shown
};

// What a client asks, over SF1 or HTTP. Checked: every field holds an allowed value.
struct ClientRequest {
  ClientOp op = ClientOp::invalid;
  bool ack = false;        // order: say `queued` first
  bool first = false;      // order: its id was never sent before
  bool one_item = false;   // items: exactly `item`
  std::string_view id;     // empty: none given
  std::uint64_t item = 0;  // items: from
  std::string_view user;
  std::uint32_t qty = 1;
  std::uint32_t limit = static_cast<std::uint32_t>(kItemsPageMax);
  std::int64_t deadline_ms = kDeadlineDefaultMs;
  std::uint64_t promo = kNoNumber;     // order, ticket
  std::int64_t valid_until_ms = 0;     // order: Unix time; 0: whenever
  std::string_view order{};            // pay, cancel: the request id of the order
  std::int64_t amount_cents = 0;       // pay
  std::int64_t ticket_ms = kNoTicket;  // order: what its ticket is worth (Request::ticket_ms)
  std::string_view ticket{};           // order: its text, where sessions say first who asks
};

struct Refusal {
  Code code = Code::none;
  std::string_view id;              // empty: not known or malformed
  std::string_view field;           // empty: none
  std::int64_t retry_after_ms = 0;  // 0: what the code says
  // Of a map that was read and is malformed: whether it counts for its user, as an order does, and
  // whom it names; empty: nobody, or not as a user is named.
  bool counts = false;
  std::string_view user{};
};

// Thread-compatible. Views in request() and refusal() point into the frame, or hold until the next
// call.
class Sf1Decoder {
 public:
  // `tickets`: who reads those of orders; outlives this. Null: all are foreign. `sessions`: tokens
  // say who asks. Then an order may leave its user out, its ticket is not read here, and there is
  // `auth`.
  explicit Sf1Decoder(const TicketSigner* tickets = nullptr, bool sessions = false)
      : tickets_(tickets), sessions_(sessions) {}

  // A frame that holds one map. True: request() is valid. False: refusal() says why. Both live
  // until the next call.
  [[nodiscard]] bool decode(std::string_view frame);

  // Of a frame with one map that will be decoded soon: asks for the memory in which its ticket is
  // looked up, if as much stands behind it as behind the one of the map before.
  void prefetch(std::string_view frame) const {
    if (frame.size() > behind_ticket_)
      tickets_->prefetch(frame.substr(0, frame.size() - behind_ticket_));
  }

  // A frame that holds an array: open_batch(), then next_entry() exactly unread() times, or until
  // it says that the frame is damaged.
  [[nodiscard]] static bool is_batch(std::string_view frame);
  [[nodiscard]] bool open_batch(std::string_view frame);  // false: refusal() is the frame's
  [[nodiscard]] std::uint32_t unread() const { return unread_; }
  [[nodiscard]] std::size_t bytes_left() const { return cursor_.left(); }  // not looked at yet
  enum class Entry : std::uint8_t {
    order,    // request() is an order
    refused,  // refusal() is this entry's
    damaged,  // refusal() is the frame's; none of its orders may be decided
  };
  [[nodiscard]] Entry next_entry();

  [[nodiscard]] const ClientRequest& request() const { return request_; }
  // What stands beside request(): the token that it shows; empty: none.
  [[nodiscard]] std::string_view token() const;
  [[nodiscard]] const Refusal& refusal() const { return refusal_; }

 private:
  using Cursor = storage::MsgpackCursor;
  using Value = Cursor::Value;
  bool refuse(Code code, std::string_view field = {});
  bool read_map();
  static bool read_key(Cursor& cursor, std::uint8_t& known);
  bool read_value(Cursor& cursor, unsigned known, bool& taken);
  static bool skip_nested(Cursor& cursor, const Value& value);
  bool take_text(unsigned key, std::string_view text);
  bool take_unsigned(unsigned key, std::uint64_t number);
  [[gnu::noinline]] bool take_rare_text(unsigned key, std::string_view text);
  [[gnu::noinline]] bool take_rare_unsigned(unsigned key, std::uint64_t number);
  bool take_value(unsigned key, const Value& value);
  void take_op(std::string_view op);
  bool check();
  bool check_map();
  bool check_fields();
  [[gnu::noinline]] void note_user();
  [[gnu::noinline]] bool check_order();
  [[nodiscard]] bool seen(unsigned key) const { return (seen_ & (1U << key)) != 0; }
  [[nodiscard]] bool malformed(unsigned key) const {
    return ((bad_ | duplicate_) & (1U << key)) != 0;
  }

  storage::MsgpackCursor cursor_;
  ClientRequest request_;
  Refusal refusal_;
  std::uint64_t from_ = 0;
  std::uint32_t unread_ = 0;  // entries of a batch
  unsigned seen_ = 0;         // one bit per known key: it is there,
  unsigned bad_ = 0;          // … its value is not allowed,
  unsigned duplicate_ = 0;    // … it is there twice
  bool op_known_ = false;
  const TicketSigner* tickets_;
  std::string_view ticket_;   // of the order at hand, if it has one
  TicketBytes ticket_bytes_;  // what it says
  static constexpr std::size_t kNoTicketSeen = SIZE_MAX;
  std::size_t behind_ticket_ = kNoTicketSeen;  // bytes of the last frame
  bool sessions_;
  std::string_view token_;  // of the last map that had one
  // The keys of the map before, by their place: most clients make all their maps alike, so these
  // are the ones to look for first.
  std::array<std::uint8_t, 16> usual_{};
};

// Encoders append one map to `out`. `id` empty: the key is left out.
void append_sf1_array(std::string& out, std::uint32_t entries);  // the head; its entries follow
void append_sf1_answer(std::string& out, std::string_view id, const Answer& answer);
void append_sf1_queued(std::string& out, std::string_view id);
// Sold out, by a webapp's own word: nothing is decided.
void append_sf1_edge(std::string& out, std::string_view id);
// `message` empty: the code's own. `retry_after_ms` 0: what the code says.
void append_sf1_error(std::string& out, std::string_view id, Code code, std::string_view field,
                      std::string_view message = {}, std::int64_t retry_after_ms = 0);
// `now_ms`: the clock that clients may compare the times of promos with.
void append_sf1_items(std::string& out, std::string_view id, const std::vector<ItemRow>& rows,
                      std::optional<std::uint64_t> next, std::int64_t now_ms);
void append_sf1_fulfilled(std::string& out, std::string_view id, const Fulfilled& fulfilled);
// `id`: of the question. `ticket`: as its user carries it.
void append_sf1_granted(std::string& out, std::string_view id, const Granted& granted,
                        std::string_view ticket);
// `expires_ms`: Unix time.
void append_sf1_session(std::string& out, std::string_view id, std::string_view user,
                        std::int64_t expires_ms);
void append_sf1_pong(std::string& out, std::string_view id, std::string_view state);

// The same, of an array that is answered.
void append_sf1_edge(storage::ByteBuffer& out, std::string_view id);
void append_sf1_array(storage::ByteBuffer& out, std::uint32_t entries);
void append_sf1_answer(storage::ByteBuffer& out, std::string_view id, const Answer& answer);
void append_sf1_error(storage::ByteBuffer& out, std::string_view id, Code code,
                      std::string_view field, std::string_view message = {},
                      std::int64_t retry_after_ms = 0);

// The second frame of a news message; `ts_ms` is wall-clock time in ms since 1970.
void append_sf1_news(std::string& out, const ItemRow& row, std::int64_t ts_ms);

// The second frame of a notice that an item sold out or came back.
void append_sf1_notice(std::string& out, std::uint64_t item, Lsn seq, std::int64_t left);

// "open" or "sold_out", as clients see an item.
std::string_view item_state(const ItemRow& row);

}  // namespace stampede::actors
