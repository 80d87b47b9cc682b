#pragma once

// Reads from an SF1 answer what a bench needs, without building anything. Pure.

#include <cstdint>
#include <optional>
#include <string_view>

namespace stampede::tools {

// What is no decision and final all the same: by a webapp alone, which counts as a rejection; and
// of who has a ticket, or asks for one, while nothing is left.
inline constexpr std::string_view kEdgeReason = "edge";
inline constexpr std::string_view kForNowReason = "sold_out_for_now";
inline constexpr std::string_view kOlderTicketCode = "older_ticket";  // of another run's order

struct ScannedAnswer {
  enum class Kind : std::uint8_t {
    unreadable = 0,
    queued,
    confirmed,
    rejected,
    error,
    accepted,
    ticket
  };
  Kind kind = Kind::unreadable;
  std::string_view id;         // views point into the frame
  std::string_view reason;     // of a rejection
  std::string_view code;       // of an error
  std::string_view ticket;     // its text
  std::string_view asked;      // the id of who asked for a ticket and has an older one
  std::uint64_t order_id = 0;  // of a confirmed order
  bool retry = false;
  bool edge = false;  // turned away by a webapp: a rejection here, with a reason of its own
  std::uint32_t retry_after_ms = 0;
  std::optional<std::uint32_t> order;  // number in the plan, when the wire knows it
};

// `unreadable` when the frame is no map, is cut short, or holds neither a known state nor a code.
ScannedAnswer scan_answer(std::string_view frame);

class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  virtual void take(const ScannedAnswer& answer) = 0;
};

// Hands over the answer in a frame, or every answer of an array. False: an array that breaks off.
bool scan_answers(std::string_view frame, AnswerSink& sink);

}  // namespace stampede::tools
