#pragma once

// What travels between webapp and backend inside the bodies of `work`, `result` and `news`
// messages: msgpack arrays, one after the other, answers in the order of the requests. The broker
// never looks inside. Pure functions; views point into the body that was read.
//
//   work     order         [1, id, item, user, qty]
//            get           [2, id], or [21, id, user]: only if the order is this user's
//            items         [3, from, limit]         limit 0: exactly the item `from`
//            item_put      [4, id, item, terms…]
//            stock_change  [5, id, item, delta]
//            order         [6, id, item, user, qty, promo | nil, valid_until_ms | nil]
//                          one that says at least one of the two
//                          or [6, …, ticket_ms]   where it has a ticket (Request::ticket_ms)
//            pay           [8, id, order's id, amount_cents]
//            cancel        [9, id, order's id, user]        user empty: whoever bought it
//            changes       [20, id, lsn, limit]    items that changed behind lsn; the id is empty
//            ticket        [10, id, promo, user]
//            session       [22, id, hash, hash, user, until_ms, what]   the id is empty; two halves
//                          of a SessionHash, a SessionEvent: opened or ended
//            ended_sessions [23, id, lsn, limit]        those that ended behind lsn; likewise
//   result   answer        [1, state, reason, lsn, item, qty, left | nil, flags]
//            error         [2, code, field | nil] or [2, code, field | nil, retry_after_ms]
//            items         [3, next | nil, [item row, …]], and where an item has a promo to show
//                          also [[place of its row, promo, name, price_cents, starts_at_ms,
//                          ends_at_ms, state], …], and ticket behind state where one is needed
//            item_changed  [4, changed, item row]
//            more          [5, count]            as many further orders have the answer before it,
//                                                each as the decision after it
//            answer        [6, state, reason, lsn, item, qty, left | nil, flags, unit_price_cents,
//                           promo | nil]         where one of the two says something
//            answer        [7, as 6 …, fulfilment, at_ms]        of an order that needs payment
//            fulfilled     [8, order's id, order_id, fulfilment, at_ms]     of pay and cancel
//            changes       [20, upto, flags, [place, …], [item row, …]] and promos as in items;
//                          flags: 1 more, 2 anew; places of rows whose terms may be others now
//            granted       [9, ticket's id, promo, item, user, expires_at_ms]
//            session_kept  [22, ended session]          of session, when it is durable
//            ended_sessions [23, upto, more, [ended session, …]]        more: 1, there are more
//   news     item row      [item, terms up to the total…, left, seq, further terms…, terms of the
//                          sale…]
//            ended session [hash, hash, what, left_ms]   where the envelope's code is kSessionNews;
//                          of a bar also opened_ms
//
// Terms of an item as storage/commands/item_terms.h lists them, of its sale as sale_terms.h does;
// behind the last of these that is not 0 or empty they are left out. Rows of pages and news have no
// description and no image_url.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "actors/sale/request.h"
#include "actors/sale/session_notice.h"
#include "config/process/invariant.h"
#include "storage/msgpack/byte_buffer.h"
#include "storage/msgpack/msgpack_tokens.h"

namespace stampede::actors {

// What a hello calls the log whose epoch it tells, so that a sale that was begun anew is not taken
// for the past of another one. Never 0, which is: not said.
[[nodiscard]] inline std::uint32_t log_name(std::span<const std::uint8_t, 16> uuid) {
  std::uint32_t name = 0;
  for (const auto byte : uuid.first<4>()) name = name << 8 | byte;
  return name == 0 ? 1 : name;
}

// What begins an order that says more than a plain one, and a get that names a user.
inline constexpr std::uint64_t kSaleOrder = 6;
inline constexpr std::uint64_t kUsersGet = 21;

// What the code of a news envelope says its body is about; 0: items.
inline constexpr std::uint16_t kSessionNews = 1;

// Bounds of one work message.
inline constexpr std::size_t kBatchOrdersMax = 4096;  // entries
inline constexpr std::size_t kRoundEntries = 2048;  // a round that has taken so many passes them on
inline constexpr std::size_t kBatchBytesMax = 512 * 1024;  // of its body

enum class ResultKind : std::uint8_t {
  invalid = 0,
  answer = 1,
  error = 2,
  items = 3,
  item_changed = 4,
  more = 5,         // in the bytes only: a reader gives its answers one by one
  sale_answer = 6,  // in the bytes only
  held_answer = 7,  // in the bytes only
  fulfilled = 8,
  changes = 20,
  granted = 9,
  session_kept = 22,
  ended_sessions = 23,
};

struct Result {
  ResultKind kind = ResultKind::invalid;
  Answer answer;                      // answer
  Code code = Code::none;             // error
  std::string_view field;             // error; empty: none
  std::int64_t retry_after_ms = 0;    // error; 0: what the code says
  std::vector<ItemRow> items;         // items, changes; item_changed: exactly one
  std::optional<std::uint64_t> next;  // items: the first item of the next page
  bool changed = false;               // item_changed: false when it was so already
  Fulfilled fulfilled;                // fulfilled
  ItemChanges changes;                // changes
  Granted granted;                    // granted
  EndedSession session;               // session_kept
  EndedSessionsPage sessions;         // ended_sessions
};

void append_request(std::string& body, const Request& request);
void append_request(storage::ByteBuffer& body, const Request& request);
void append_answer(std::string& body, const Answer& answer);
void append_error(std::string& body, Code code, std::string_view field = {},
                  std::int64_t retry_after_ms = 0);
void append_fulfilled(std::string& body, const Fulfilled& fulfilled);
void append_granted(std::string& body, const Granted& granted);
void append_items(std::string& body, const std::vector<ItemRow>& rows,
                  std::optional<std::uint64_t> next);
void append_item_changed(std::string& body, bool changed, const ItemRow& row);
void append_changes(std::string& body, const ItemChanges& changes,
                    const std::vector<ItemRow>& rows);
void append_item_row(std::string& body, const ItemRow& row);  // news
void append_session_kept(std::string& body, const EndedSession& session);
void append_ended_sessions(std::string& body, const EndedSessionsPage& page);
void append_ended_session(std::string& body, const EndedSession& session);  // news

// Writes the results of one work message to the end of `body`, which is complete after finish().
// On an item that everybody wants most answers are the next of the one before, and take no bytes.
class ResultWriter {
 public:
  explicit ResultWriter(std::string& body) : body_(body) {}
  ResultWriter(const ResultWriter&) = delete;
  ResultWriter& operator=(const ResultWriter&) = delete;
  void answer(const Answer& answer);
  void error(Code code, std::string_view field = {}, std::int64_t retry_after_ms = 0);
  void items(const std::vector<ItemRow>& rows, std::optional<std::uint64_t> next);
  void fulfilled(const Fulfilled& fulfilled);
  void changes(const ItemChanges& changes, const std::vector<ItemRow>& rows);
  void granted(const Granted& granted);
  void session_kept(const EndedSession& session);
  void ended_sessions(const EndedSessionsPage& page);
  void finish();

 private:
  std::string& body_;
  Answer next_;  // of the last answer; before the first one no answer is equal to it
  std::uint32_t more_ = 0;
};

// Walks a body. next() is false at the end and on a malformed entry; bad() tells which.
// The object may be used again for another body. Thread-compatible.
class BodyReader {
 public:
  void open(std::string_view body) {
    body_ = body, offset_ = 0, bad_ = false, more_ = 0;
    next_.state = State::invalid;
  }
  [[nodiscard]] bool next(Request& request);
  [[nodiscard]] bool next(Result& result);
  [[nodiscard]] bool next(ItemRow& row);
  [[nodiscard]] bool next(EndedSession& session);
  [[nodiscard]] bool bad() const { return bad_; }

 private:
  [[nodiscard]] bool take_order(Request& request);
  [[nodiscard]] bool take_sale_order(Request& request);
  [[nodiscard]] bool take_answer(Result& result);
  [[nodiscard]] bool take_sale_answer(Result& result);
  [[nodiscard]] bool take_held_answer(Result& result);
  [[nodiscard]] bool take_error(Result& result);
  bool take_rare(Request& request);
  bool take_rare(Result& result);
  [[nodiscard]] bool take_more();
  void give_next(Result& result);
  [[nodiscard]] bool parse();
  bool fail();
  std::string_view body_;
  std::size_t offset_ = 0;
  bool bad_ = false;
  Answer next_;             // of the answer that was read last
  std::uint32_t more_ = 0;  // answers that follow it so
  storage::TokenReader tokens_{storage::TokenLimits{4, 16384}};
};

}  // namespace stampede::actors
