#pragma once

// What one peer sends over one connection, ZMTP 3.x (ZeroMQ RFC 23, 37; CURVE: 26) or, without
// keys, 2.0 (RFC 15), read byte by byte as it comes in and judged before libzmq sees it. libzmq
// 4.3.4 bounds frames and not messages, answers a PING without its time-to-live with bytes of the
// process's memory, lets a peer choose the id that a ROUTER gives to another one, and starts a
// timer for every PING whose cost grows with all connections. Three things are therefore changed
// where they stand, without a copy:
//
//   the property Identity of READY   gets another name, so that each peer has the id libzmq chose
//   the time-to-live of a PING       becomes 0: no timer (the kernel finds dead peers)
//   a PING beyond `pings_left`       becomes a PONG, which nobody answers
//
// ZMTP 2.0 (libzmq 3, Debian's jeromq) has no commands, and for a handshake a frame with the peer's
// id: an empty one passes, another cannot be renamed and is a fault.
//
// With CURVE only lengths can be read: frames are bounded, a message's parts are not seen, and a
// subscription is told from a PING by its length.
//
// Values in, values out; no memory but the object's own 32 bytes. One thread at a time.

#include <cstddef>
#include <cstdint>

#include "transport/zmtp/known_topics.h"

namespace stampede::transport {

struct StreamRules {
  std::uint32_t frame_bytes_max = 0;
  std::uint32_t message_bytes_max = 0;  // all parts, as kept: see kPartCost
  std::uint32_t topics_max = 0;         // units of topics (topic_units) in all; 0: no publisher
  bool curve = false;
  bool requests = false;    // whole messages wait for the application, and are counted
  bool reads_none = false;  // of a PUSH: what nobody reads stops libzmq's reading, and with it the
                            // news that the peer is gone
  bool tells_topics = false;  // the application takes the topics, and says so: an XPUB
  bool operator==(const StreamRules&) const = default;
};

enum class StreamFault : std::uint8_t {
  none,
  version,    // neither ZMTP 3.x nor, without keys, 2.0
  handshake,  // anything but a well-formed READY (CURVE: HELLO, INITIATE; 2.0: an empty id)
  command,    // unknown, malformed, too long, not for this kind of socket
  too_large,  // a frame
  endless,    // a message, in bytes or parts
  topics,     // more subscriptions than one connection may send
  unread,     // a message to a socket that reads none
};

// What libzmq keeps for each part besides its bytes: a message in a pipe and a block of memory.
inline constexpr std::uint32_t kPartCost = 128;

// What a topic counts, joined or left: libzmq keeps a node of 32 bytes for each of its letters.
constexpr std::uint32_t topic_units(std::size_t bytes) {
  return 1 + static_cast<std::uint32_t>(bytes / 32);
}

class PeerStream {
 public:
  struct Heard {
    std::uint32_t messages = 0;    // that became whole
    std::uint32_t bytes = 0;       // of parts that became whole; 0 with CURVE
    std::uint32_t pings_left = 0;  // in: how many may be answered (CURVE: how many short messages
                                   // to a publisher count as such); out: what is left
    std::uint32_t pings = 0;       // that came, answered or not
    const KnownTopics* known = nullptr;  // in: of a publisher; null: it knows none
  };

  // Judges the next bytes of the peer and changes them where needed. After a fault the connection
  // must end and the object is not used again.
  [[nodiscard]] StreamFault take(unsigned char* bytes, std::size_t size, const StreamRules& rules,
                                 Heard& heard);

  // The handshake is over, as far as the peer is concerned.
  [[nodiscard]] bool ready() const { return ready_; }
  // What is kept of a message that is not whole yet.
  [[nodiscard]] std::uint32_t unfinished() const { return unfinished_; }
  // Units of what it ever subscribed to and left; and of what nobody knew of that.
  [[nodiscard]] std::uint16_t topics() const { return topics_; }
  [[nodiscard]] std::uint16_t made_up() const { return made_up_; }

 private:
  enum class Step : std::uint8_t { greeting, flags, short_size, long_size, body, command };
  enum class Word : std::uint8_t {  // where in a command
    name_size,
    name,
    arguments,  // of a command that is none of the following
    time_to_live,
    property_size,
    property_name,
    value_size,
    value,
  };

  StreamFault greet(unsigned char byte, const StreamRules& rules);
  StreamFault start_frame(unsigned char flags, const StreamRules& rules, const Heard& heard);
  StreamFault sized(const StreamRules& rules);
  StreamFault sized_command();
  StreamFault take_size(unsigned char byte, const StreamRules& rules);
  std::size_t take_body(const unsigned char* bytes, std::size_t size, const StreamRules& rules,
                        StreamFault& fault);
  StreamFault take_command(unsigned char& byte, const StreamRules& rules, Heard& heard);
  [[nodiscard]] bool fits_name(unsigned char byte, const StreamRules& rules);
  StreamFault tell_ping(unsigned char& byte, Heard& heard);
  StreamFault end_name(const StreamRules& rules);
  StreamFault take_property(unsigned char& byte);
  StreamFault end_command(const StreamRules& rules, const Heard& heard);
  StreamFault end_frame(const StreamRules& rules, Heard& heard);
  StreamFault subscribe(const StreamRules& rules, const Heard& heard);
  void subscribe_in_secret(Heard& heard);
  void count_topic(std::uint32_t units, bool known);
  [[nodiscard]] StreamFault wrong_command() const {
    return ready_ ? StreamFault::command : StreamFault::handshake;
  }
  [[nodiscard]] bool is_command() const { return (flags_ & 4U) != 0; }
  [[nodiscard]] bool is_old_id() const { return old_ && !ready_; }
  [[nodiscard]] bool is_more() const { return (flags_ & 1U) != 0; }

  Step step_ = Step::greeting;
  Word word_ = Word::name_size;
  unsigned char flags_ = 0;
  bool ready_ : 1 = false;
  bool old_ : 1 = false;        // ZMTP 2.0
  std::uint8_t at_ = 0;         // how many bytes of what is being read came already
  std::uint8_t word_size_ = 0;  // of a name
  std::uint8_t properties_ = 0;
  unsigned char first_ = 0;  // of the name: what command it can be
  std::uint32_t size_ = 0;   // of the frame
  std::uint32_t left_ = 0;   // of the frame
  std::uint32_t value_ = 0;  // of a property: bytes left
  std::uint32_t unfinished_ = 0;
  std::uint32_t topic_ = 0;  // its hash, so far
  std::uint16_t topics_ = 0;
  std::uint16_t made_up_ = 0;
};

}  // namespace stampede::transport
