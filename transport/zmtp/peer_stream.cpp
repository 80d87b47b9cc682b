#include "transport/zmtp/peer_stream.h"

#include <algorithm>
#include <limits>
#include <string_view>

namespace stampede::transport {

namespace {

constexpr std::uint8_t kGreetingSize = 64;
constexpr std::uint8_t kOldGreetingSize = 12;
constexpr unsigned char kOldRevision = 1;  // ZMTP 2.0
constexpr unsigned char kLongFlag = 2;
constexpr unsigned char kKnownFlags = 7;
constexpr std::uint32_t kHandshakeBytesMax = 1024;  // a socket type and an id of 255 need 300
constexpr std::uint8_t kPropertiesMax = 16;
constexpr std::uint32_t kPingSizeMin = 7;  // the name, a time-to-live
constexpr std::uint32_t kPongSizeMin = 5;
constexpr std::uint32_t kContextMax = 16;
constexpr std::uint32_t kTopicBytesMax = 255;
constexpr std::uint32_t kTopicHead = sizeof "SUBSCRIBE";  // one byte of size, and the name
constexpr std::uint32_t kTopicUnitsMax = 0xffff;
constexpr std::uint32_t kSecretHead = 33;  // of CURVE's MESSAGE: its name, a nonce, a code, flags

using Fault = StreamFault;

// The commands that may come, by the first letter; HELLO and INITIATE are CURVE's.
std::string_view command_named(unsigned char first, bool ready, bool curve) {
  if (!ready && curve) return first == 'H' ? "HELLO" : "INITIATE";
  if (!ready) return "READY";
  switch (first) {
    case 'P':
      return "PING";  // or PONG
    case 'S':
      return "SUBSCRIBE";
    case 'C':
      return "CANCEL";
    default:
      return {};
  }
}

}  // namespace

Fault PeerStream::take(unsigned char* bytes, std::size_t size, const StreamRules& rules,
                       Heard& heard) {
  Fault fault = Fault::none;
  std::size_t i = 0;
  while (i < size && fault == Fault::none) {
    switch (step_) {
      case Step::flags:
        fault = start_frame(bytes[i++], rules, heard);
        break;
      case Step::short_size:
        size_ = bytes[i++];
        fault = sized(rules);
        break;
      case Step::long_size:
        fault = take_size(bytes[i++], rules);
        break;
      case Step::body:
        i += take_body(bytes + i, size - i, rules, fault);
        break;
      case Step::command:
        fault = take_command(bytes[i++], rules, heard);
        break;
      case Step::greeting:
        fault = greet(bytes[i++], rules);
        continue;
    }
    const bool whole = (step_ == Step::body || step_ == Step::command) && left_ == 0;
    if (whole && fault == Fault::none) fault = end_frame(rules, heard);
  }
  return fault;
}

// Ten bytes of signature, the version; the mechanism, and the socket's type in ZMTP 2.0, are
// libzmq's to compare.
Fault PeerStream::greet(unsigned char byte, const StreamRules& rules) {
  if (at_ == 10) old_ = byte == kOldRevision && !rules.curve;
  const bool understood = at_ == 0   ? byte == 0xff
                          : at_ == 9 ? (byte & 1U) != 0
                                     : at_ != 10 || byte >= 3 || old_;
  if (!understood) return Fault::version;
  if (++at_ == (old_ ? kOldGreetingSize : kGreetingSize)) step_ = Step::flags;
  return Fault::none;
}

Fault PeerStream::start_frame(unsigned char flags, const StreamRules& rules, const Heard& heard) {
  flags_ = flags;
  topic_ = heard.known != nullptr ? heard.known->start() : 0;
  at_ = 0;
  size_ = 0;
  if ((flags & ~kKnownFlags) != 0 || (old_ && is_command())) return wrong_command();
  if (is_old_id() ? flags != 0 : !ready_ && !is_command()) return Fault::handshake;
  if (is_command() && is_more() && !(rules.curve && ready_)) return wrong_command();
  step_ = (flags & kLongFlag) != 0 ? Step::long_size : Step::short_size;
  return Fault::none;
}

Fault PeerStream::take_size(unsigned char byte, const StreamRules& rules) {
  if (size_ > (std::numeric_limits<std::uint32_t>::max() >> 8U)) return Fault::too_large;
  size_ = size_ << 8U | byte;
  return ++at_ == 8 ? sized(rules) : Fault::none;
}

Fault PeerStream::sized(const StreamRules& rules) {
  left_ = size_;
  if (is_old_id()) {
    ready_ = true;
    step_ = Step::flags;
    return size_ == 0 ? Fault::none : Fault::handshake;
  }
  if (is_command() && !(rules.curve && ready_)) return sized_command();
  step_ = Step::body;
  if (size_ > rules.frame_bytes_max) return Fault::too_large;
  if (rules.curve) return Fault::none;
  if (rules.reads_none) return Fault::unread;
  unfinished_ += kPartCost;
  return unfinished_ > rules.message_bytes_max ? Fault::endless : Fault::none;
}

Fault PeerStream::sized_command() {
  step_ = Step::command;
  word_ = Word::name_size;
  at_ = 0;
  if (size_ == 0) return wrong_command();
  if (!ready_) return size_ > kHandshakeBytesMax ? Fault::handshake : Fault::none;
  return size_ > kTopicBytesMax + kTopicHead ? Fault::command : Fault::none;
}

// --- messages ------------------------------------------------------------------------------------

std::size_t PeerStream::take_body(const unsigned char* bytes, std::size_t size,
                                  const StreamRules& rules, Fault& fault) {
  const auto taken = static_cast<std::uint32_t>(std::min<std::size_t>(size, left_));
  const bool starts = left_ == size_ && taken != 0;
  if (starts) first_ = bytes[0];
  left_ -= taken;
  if (rules.topics_max != 0)
    for (std::size_t i = starts ? 1 : 0; i < taken; ++i)
      topic_ = KnownTopics::with(topic_, bytes[i]);
  if (rules.curve) return taken;
  unfinished_ += taken;
  if (unfinished_ > rules.message_bytes_max) fault = Fault::endless;
  return taken;
}

Fault PeerStream::end_frame(const StreamRules& rules, Heard& heard) {
  const bool command = step_ == Step::command;
  step_ = Step::flags;
  if (command) return end_command(rules, heard);
  // ZMTP 3.0 subscribes by a message; what a repeated one leaves behind counts, too.
  if (rules.topics_max != 0 && rules.curve) subscribe_in_secret(heard);
  if (rules.topics_max != 0 && !rules.curve && size_ != 0 && first_ <= 1)
    if (const Fault fault = subscribe(rules, heard); fault != Fault::none) return fault;
  if (!rules.curve) heard.bytes += size_;
  if (is_more() && !rules.curve) return Fault::none;
  unfinished_ = 0;
  ++heard.messages;
  return Fault::none;
}

Fault PeerStream::subscribe(const StreamRules& rules, const Heard& heard) {
  if (size_ > kTopicBytesMax + kTopicHead) return Fault::topics;
  const bool known = heard.known != nullptr && heard.known->has(topic_);
  count_topic(topic_units(size_ - std::min(size_, kTopicHead)), known);
  return topics_ > rules.topics_max ? Fault::topics : Fault::none;
}

// Saturates; without a key more than topics_max is a fault long before.
void PeerStream::count_topic(std::uint32_t units, bool known) {
  const auto add = [units](std::uint16_t count) {
    return static_cast<std::uint16_t>(std::min(count + units, kTopicUnitsMax));
  };
  topics_ = add(topics_);
  if (!known) made_up_ = add(made_up_);
}

// Whatever is longer than a PING; and whatever is not, beyond so many. No fault: a key is allowed.
void PeerStream::subscribe_in_secret(Heard& heard) {
  const std::uint32_t said = size_ - std::min(size_, kSecretHead);
  const bool ping = said <= kPingSizeMin && heard.pings_left > 0;
  if (!ping) {
    count_topic(topic_units(said - std::min(said, kTopicHead)), false);
    return;
  }
  ++heard.pings;
  --heard.pings_left;
}

// --- commands ------------------------------------------------------------------------------------

Fault PeerStream::take_command(unsigned char& byte, const StreamRules& rules, Heard& heard) {
  --left_;
  switch (word_) {
    case Word::name_size:
      word_size_ = byte;
      at_ = 0;
      word_ = Word::name;
      return byte == 0 || byte > left_ ? wrong_command() : Fault::none;
    case Word::name:
      if (!fits_name(byte, rules)) return wrong_command();
      if (const Fault fault = tell_ping(byte, heard); fault != Fault::none) return fault;
      return ++at_ < word_size_ ? Fault::none : end_name(rules);
    case Word::arguments:
      topic_ = KnownTopics::with(topic_, byte);
      return Fault::none;
    case Word::time_to_live:
      byte = 0;
      if (++at_ == 2) word_ = Word::arguments;
      return Fault::none;
    default:
      return take_property(byte);
  }
}

bool PeerStream::fits_name(unsigned char byte, const StreamRules& rules) {
  if (at_ == 0) first_ = byte;
  const auto name = command_named(first_, ready_, rules.curve);
  if (name.size() != word_size_) return false;
  if (ready_ && first_ == 'P' && at_ == 1 && byte == 'O') return true;
  return byte == static_cast<unsigned char>(name[at_]);
}

// The second letter tells PING from PONG.
Fault PeerStream::tell_ping(unsigned char& byte, Heard& heard) {
  if (!ready_ || first_ != 'P' || at_ != 1) return Fault::none;
  const bool ping = byte == 'I';
  const std::uint32_t least = ping ? kPingSizeMin : kPongSizeMin;
  if (size_ < least || size_ > least + kContextMax) return Fault::command;
  value_ = ping ? 1 : 0;
  if (!ping) return Fault::none;
  ++heard.pings;
  if (heard.pings_left > 0)
    --heard.pings_left;
  else
    byte = 'O';
  return Fault::none;
}

Fault PeerStream::end_name(const StreamRules& rules) {
  at_ = 0;
  word_ = Word::arguments;
  if (!ready_ && !rules.curve) word_ = Word::property_size;
  if (!ready_) return Fault::none;
  if (first_ == 'P' && value_ == 1) word_ = Word::time_to_live;
  const bool topic = first_ == 'S' || first_ == 'C';
  return topic && rules.topics_max == 0 ? Fault::command : Fault::none;
}

// Of READY: a byte of length and a name, four bytes of length and a value.
Fault PeerStream::take_property(unsigned char& byte) {
  switch (word_) {
    case Word::property_size:
      word_size_ = byte;
      at_ = 0;
      word_ = Word::property_name;
      return byte == 0 || ++properties_ > kPropertiesMax ? Fault::handshake : Fault::none;
    case Word::property_name:
      if (at_ == 0 && word_size_ == sizeof "Identity" - 1 && byte == 'I') byte = 'i';
      if (++at_ < word_size_) return Fault::none;
      at_ = 0;
      value_ = 0;
      word_ = Word::value_size;
      return Fault::none;
    case Word::value_size:
      if (value_ > kHandshakeBytesMax) return Fault::handshake;
      value_ = value_ << 8U | byte;
      if (++at_ < 4) return Fault::none;
      word_ = value_ == 0 ? Word::property_size : Word::value;
      return value_ > left_ ? Fault::handshake : Fault::none;
    default:
      if (--value_ == 0) word_ = Word::property_size;
      return Fault::none;
  }
}

Fault PeerStream::end_command(const StreamRules& rules, const Heard& heard) {
  if (!ready_) {
    if (word_ != (rules.curve ? Word::arguments : Word::property_size)) return Fault::handshake;
    ready_ = !rules.curve || first_ == 'I';
    return Fault::none;
  }
  if (word_ != Word::arguments) return Fault::command;
  return first_ == 'S' || first_ == 'C' ? subscribe(rules, heard) : Fault::none;
}

}  // namespace stampede::transport
