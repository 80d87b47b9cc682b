#pragma once

// The decisions of a webapp: which requests are taken, whom an answer goes to, what a client is
// told when none comes, and when. Pure: no clock, socket, thread or randomness; times are
// microseconds of one monotonic clock, given with every call; effects go to WebappOutput during it.
// One thread. Every malformed or stale input is counted and ignored, never an error.
//
// It joins five parts, each with a contract of its own: WaitingTable (who waits for which answer),
// BatchSender (what is sent, and sent again), ClientReplies (what clients are told), EdgeStock
// (what is sold out as far as is known here), ItemCopy (what items look like). For the last two it
// asks the backend by itself, one question at a time.
//
// An order that nobody asked before, of an item that is known to be sold out, may be turned away
// here: ReplyKind::edge, which decides nothing. It is one whose id is made here, or whose client
// says so (ClientRequest::first); of orders over HTTP the gateway says it.
//
// Orders over HTTP may be *detached*: their client has been told `queued`, so they are kept, and
// tried again after a refusal that may be retried, until they are decided; what became of them is
// remembered for a while (ResultCache).

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "actors/metrics/core/histogram.h"
#include "actors/protocol/node_messages.h"
#include "actors/protocol/sf1.h"
#include "actors/sale/limits.h"
#include "actors/webapp/core/batch_sender.h"
#include "actors/webapp/core/client_replies.h"
#include "actors/webapp/core/edge_stock.h"
#include "actors/webapp/core/item_copy.h"
#include "actors/webapp/core/login_desk.h"
#include "actors/webapp/core/rate_limits.h"
#include "actors/webapp/core/result_cache.h"
#include "actors/webapp/core/waiting_table.h"

namespace stampede::actors {

class WebappOutput : public ReplyOutput, public WorkOutput, public NoticeOutput {};

struct WebappSettings {
  std::uint64_t instance = 0;
  std::uint64_t waiting_max = 65536;
  std::int64_t resend_us = 1'000'000;
  std::int64_t result_ttl_us = 60'000'000;
  std::size_t results_max = 131'072;
  std::int64_t items_refresh_us = 0;  // 0: nothing is known of items here
  std::size_t items_max = 10'000;
  LimitValues limits;                     // for what refusals say
  std::shared_ptr<RateLimits> rates;      // null: nobody's requests are counted
  std::optional<LoginSettings> login;     // none: whoever asks may ask everything
  const TicketSigner* tickets = nullptr;  // who reads those of sessions; outlives this
};

struct WebappCounters : ReplyCounters, SenderCounters {
  std::uint64_t requests = 0;
  std::uint64_t results_malformed = 0;
  std::uint64_t answers_late = 0;  // after the client's deadline
  std::uint64_t copied = 0;        // questions about items that were answered here
};

class WebappCore {
 public:
  using Mint = std::function<std::array<std::uint64_t, 2>()>;  // 128 random bits

  WebappCore(const WebappSettings& settings, WebappOutput& output, Mint mint);

  // Where what is asked next comes from (address_key; 0: from nowhere that is counted). `counted`:
  // so many of its requests are counted already.
  void comes_from(std::uint64_t address, std::uint32_t counted = 0) {
    address_ = address;
    counted_ = counted;
  }
  // Unix time, before a question about items: their promos begin and end by it.
  void at_wall_time(std::int64_t wall_ms) { wall_ms_ = wall_ms; }
  // What it shows of who asks; where there is a desk().
  void shows(const Credentials& who) { who_ = who; }
  // False: nothing was taken, because a token is to be looked at first. It is to be asked again
  // when the verdicts on all of desk()->awaited() are there, as counted already.
  bool on_request(const ClientAsk& ask, std::int64_t now_us);
  // `orders` has just opened a batch. All its orders are taken, or refused one by one; a damaged
  // frame is refused as a whole.
  bool on_orders(const ClientToken& client, Sf1Decoder& orders, std::int64_t now_us);
  // The same of orders that were read elsewhere: 1 to kSf1BatchOrdersMax. `tokens`: what each shows
  // for itself; where it is empty, or there is none of it, what shows() said.
  bool on_orders(const ClientToken& client, std::span<const ClientRequest> orders,
                 std::int64_t now_us, std::span<const std::string_view> tokens = {});
  // Other limits from now on, or none (null); what was counted is forgotten.
  void limit_rates(std::shared_ptr<RateLimits> rates);
  [[nodiscard]] const std::shared_ptr<RateLimits>& rates() const { return rates_; }
  // Who asks, and whether he may; null: that is not looked at.
  [[nodiscard]] LoginDesk* desk() { return desk_.get(); }
  [[nodiscard]] const LoginDesk* desk() const { return desk_.get(); }
  // The backend is told that a session was opened or has ended, where there are sessions. `client`
  // gets one reply: session_kept when it is durable, or a refusal: then nothing is known of it.
  void keep_session(const ClientToken& client, const SessionNotice& notice, std::int64_t now_us);
  void on_malformed(const ClientToken& client, const Refusal& refusal, std::int64_t now_us);
  void on_hello(const Hello& hello, std::int64_t now_us);
  // Items that changed, as the backend of this epoch tells it.
  void on_news(std::uint64_t epoch, const ItemRow& row);
  void on_session_news(const EndedSession& session, std::int64_t now_us);  // whatever the epoch
  void on_result(const BatchHead& head, std::string_view body, std::int64_t now_us);
  void on_refusal(const BatchHead& head, Code code, std::int64_t now_us);
  void end_of_round(std::int64_t now_us) {  // sends what may be sent
    copied_rows_ = 0;
    sender_.end_of_round(now_us);
  }
  void on_tick(std::int64_t now_us);  // deadlines and repeats; every few ms while busy()

  void drain();  // new requests are refused from now on
  // New orders and tickets are refused with `draining` while it is so; everything else goes on.
  void refuse_orders(bool refuse);
  [[nodiscard]] bool orders_refused() const { return orders_refused_; }
  // Somebody waits: its own questions do not count.
  [[nodiscard]] bool busy() const {
    const auto own = (own_ == Own::none ? 0U : 1U) + (desk_ && desk_->ends().asking() ? 1U : 0U);
    return table_.entries() > own;
  }
  [[nodiscard]] std::uint64_t waiting() const { return table_.entries(); }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }  // progress
  [[nodiscard]] Code unavailable() const;        // why nothing is served now; none: it is
  [[nodiscard]] std::string_view state() const;  // as `ping` says it
  // Why nothing new is decided before somebody does something about it, for people; empty: it is,
  // or `state` says all.
  [[nodiscard]] std::string_view standstill() const;
  [[nodiscard]] WebappCounters counters() const;
  // From the receipt of orders to their answers, those included that nobody waited for any more.
  [[nodiscard]] const Histogram& answer_us() const { return answer_us_; }
  [[nodiscard]] std::uint64_t epoch() const { return sender_.epoch(); }
  [[nodiscard]] const EdgeStock& stock() const { return stock_; }
  [[nodiscard]] const ItemCopy& items() const { return copy_; }

 private:
  // taking requests
  [[nodiscard]] std::int64_t address_waits(std::int64_t now_us);
  [[nodiscard]] Refusal counted(const Refusal& refusal, std::string_view token,
                                std::int64_t now_us);
  [[nodiscard]] std::string_view user_of(const Refusal& refusal, std::string_view token,
                                         std::int64_t now_us);
  [[nodiscard]] Refusal over_user_rate(const ClientRequest& request, std::int64_t now_us);
  void take(const ClientAsk& ask, std::int64_t now_us);
  bool take_closely(ClientAsk ask, std::int64_t now_us);
  bool log_in(const ClientAsk& ask, std::int64_t now_us);
  [[nodiscard]] Credentials shown(std::string_view token) const;
  template <class EachToken>
  [[nodiscard]] bool waits_for_tokens(const EachToken& each_token, std::int64_t now_us);
  [[nodiscard]] std::string_view limit_of(Code code, const ClientToken& client,
                                          const ClientRequest& request) const;
  [[nodiscard]] bool is_first(const ClientToken& client, const ClientRequest& request) const {
    return request.first || (request.id.empty() && client.kind != ClientToken::Kind::http);
  }
  // Whether there is a reason not to take it like any other.
  [[nodiscard]] bool needs_look(const ClientToken& client, const ClientRequest& request) const {
    return alert_ && (closely_ || is_first(client, request));
  }
  [[nodiscard]] Refusal look_closely(const ClientToken& client, ClientRequest& request,
                                     std::string_view token, std::int64_t now_us);
  [[nodiscard]] Refusal look_at_order(const ClientToken& client, ClientRequest& request,
                                      std::int64_t now_us);
  void judge_ticket(ClientRequest& request);
  [[nodiscard]] bool sold_out_here(const ClientToken& client, const ClientRequest& request,
                                   std::int64_t now_us);
  [[nodiscard]] std::string_view id_of(const ClientRequest& request);
  [[nodiscard]] Code room(const ClientToken& client, const ClientRequest& request,
                          std::uint64_t more = 0) const;
  bool reply_from_memory(const ClientAsk& ask, std::int64_t now_us);
  bool reply_from_copy(const ClientAsk& ask, std::int64_t now_us);
  void enqueue(const ClientAsk& ask, std::string_view id, std::int64_t now_us);
  void say_queued(WaitingBatch& batch, Waiter& waiter, bool ack);
  bool read_array(WaitingBatch& batch, Waiter& waiter, Sf1Decoder& orders, std::int64_t now_us);
  void take_entry(WaitingBatch& batch, Waiter& waiter, std::uint32_t index,
                  const ClientRequest& request, std::int64_t now_us);
  void take_malformed_entry(WaitingBatch& batch, Waiter& waiter, std::uint32_t index,
                            const Sf1Decoder& orders, std::int64_t now_us);
  void take_entry_closely(WaitingBatch& batch, Waiter& waiter, std::uint32_t index,
                          ClientRequest request, std::string_view token, std::int64_t now_us);
  void add_array(WaitingBatch& batch, const WaitingBatch::End& end, const Waiter& waiter);

  // answers
  bool answer_all(WaitingBatch& batch, std::int64_t now_us);
  bool skip_late(const Waiter& waiter);
  void answer(WaitingBatch& batch, Waiter& waiter, std::int64_t now_us);
  void reply(const ClientToken& client, std::string_view id, std::int64_t now_us);
  void answer_error(WaitingBatch& batch, Waiter& waiter, const Refusal& refusal,
                    std::int64_t now_us);
  [[nodiscard]] Refusal told(const Waiter& waiter, std::string_view id, const Refusal& refusal,
                             std::int64_t now_us) const;
  bool answer_array(WaitingBatch& batch, Waiter& waiter, std::int64_t now_us);
  void answer_entry(const ClientToken& client, std::string_view id);
  void count(const Answer& answer) {  // a decision on an order
    if (replies_.count(answer) && answer.left == 0 && answer.item != nothing_left_)
      note_nothing_left(answer);
  }
  void note_nothing_left(const Answer& answer);
  void refuse_array(WaitingBatch& batch, Waiter& waiter, const Refusal& as, std::int64_t now_us);
  [[nodiscard]] Refusal batch_refusal(Code code) const;
  void finish(WaitingBatch& batch, Waiter& waiter, std::int64_t now_us) {
    if (waiter.kind == RequestKind::order) answer_us_.add(now_us - waiter.asked_us, waiter.count);
    table_.finish(batch, waiter);
  }
  void retire(OutgoingBatchPtr batch, std::int64_t retry_us);

  // what is known here of items
  enum class Own : std::uint8_t { none, changes, page, renewal, item, doubt };  // what is asked
  [[nodiscard]] static bool is_own(const ClientToken& client) {
    return client.kind == ClientToken::Kind::internal && client.number() == kOwnNumber;
  }
  void ask_own(std::int64_t now_us);
  void ask_for_ends(std::int64_t now_us);
  void take_session(const ClientToken& client, std::int64_t now_us);
  [[nodiscard]] static bool asks_for_ends(const ClientToken& client) {
    return client.kind == ClientToken::Kind::internal && client.number() == kEndsNumber;
  }
  void ask_for_changes(ClientAsk& ask, std::int64_t now_us);
  void ask_for_items(ClientAsk& ask, const ItemCopy::Wish& wish);
  void ask_for_item(ClientAsk& ask, Own why, std::uint64_t item);
  void take_own();
  void drop_own(bool again);
  bool drop_if_own(const ClientToken& client, bool again);
  void begin_epoch();
  void be_alert();

  // time
  void pass_deadlines(std::int64_t now_us);
  void pass_deadline(OutgoingBatch& batch, Waiter& waiter, std::int64_t now_us);
  void drop_abandoned(std::int64_t now_us);

  Mint mint_;
  ResultCache results_;
  WaitingTable table_;
  BatchSender sender_;
  ClientReplies replies_;
  static constexpr std::uint64_t kOwnNumber = ~std::uint64_t{0};
  static constexpr std::uint64_t kEndsNumber = kOwnNumber - 1;
  EdgeStock stock_;
  ItemCopy copy_;
  Own own_ = Own::none;         // the question that is open
  std::uint64_t own_item_ = 0;  // of Own::item and Own::doubt
  std::int64_t wall_ms_ = 0;
  std::uint64_t copied_ = 0;
  std::size_t copied_rows_ = 0;                     // in this round
  std::vector<ItemRow> rows_;                       // of the answer at hand
  std::uint64_t stock_epoch_ = 0;                   // whose stock it is
  std::uint64_t nothing_left_ = ~std::uint64_t{0};  // the item that stock_ was told so of last
  std::array<char, 32> minted_{};                   // of an order that is turned away
  bool draining_ = false;
  bool orders_refused_ = false;
  std::shared_ptr<RateLimits> rates_;
  std::unique_ptr<LoginDesk> desk_;
  const TicketSigner* tickets_;
  TicketBytes ticket_bytes_;  // what the ticket at hand says
  bool closely_;              // each is looked at: some are refused, counted or judged
  bool alert_;                // … or items are sold out: one look for orders when all is as usual
  Credentials who_;
  std::uint64_t address_ = 0;
  std::uint32_t counted_ = 0;
  std::uint64_t answered_ = 0;
  Histogram answer_us_;
  std::uint64_t requests_ = 0;
  std::uint64_t results_malformed_ = 0;
  std::uint64_t answers_late_ = 0;
  BodyReader reader_;  // of the result at hand
  Result result_;
};

}  // namespace stampede::actors
