#include "transport/zmtp/peer_stream.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace stampede::transport {

namespace {

constexpr StreamRules kClients{.frame_bytes_max = 1 << 20, .message_bytes_max = 2 << 20};
constexpr StreamRules kNews{.frame_bytes_max = 256, .message_bytes_max = 4096, .topics_max = 3};
constexpr StreamRules kCurve{.frame_bytes_max = 4096, .message_bytes_max = 8192, .curve = true};

template <std::size_t N>
std::string bytes(const char (&literal)[N]) {  // zeros and all
  return {literal, N - 1};
}

const std::string kGreeting =
    bytes("\xff\0\0\0\0\0\0\0\0\x7f\3\1NULL") + std::string(16 + 32, '\0');

std::string frame(const std::string& text, char flags = 0) {
  if (text.size() < 256) return std::string(1, flags) + static_cast<char>(text.size()) + text;
  std::string head(1, static_cast<char>(flags | 2));
  for (int shift = 56; shift >= 0; shift -= 8)
    head += static_cast<char>(static_cast<std::uint64_t>(text.size()) >> shift & 0xffU);
  return head + text;
}

std::string command(const std::string& text) {
  return frame(text, 4);
}

std::string property(const std::string& name, const std::string& value) {
  return static_cast<char>(name.size()) + name + bytes("\0\0") +
         static_cast<char>(value.size() >> 8U) + static_cast<char>(value.size()) + value;
}

const std::string kType = property("Socket-Type", "DEALER");
const std::string kReady = kGreeting + command("\5READY" + kType);

struct Read {
  StreamFault fault = StreamFault::none;
  std::string bytes;  // as libzmq gets them
  PeerStream::Heard heard;
  PeerStream stream;
};

// In pieces of so many bytes.
Read read(std::string input, const StreamRules& rules, std::size_t piece, std::uint32_t pings = 9,
          const KnownTopics* known = nullptr) {
  Read result;
  result.heard.pings_left = pings;
  result.heard.known = known;
  for (std::size_t i = 0; i < input.size() && result.fault == StreamFault::none; i += piece)
    result.fault = result.stream.take(reinterpret_cast<unsigned char*>(input.data()) + i,
                                      std::min(piece, input.size() - i), rules, result.heard);
  result.bytes = std::move(input);
  return result;
}

StreamFault fault_of(const std::string& input, const StreamRules& rules = kClients) {
  const auto whole = read(input, rules, input.size()).fault;
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 64U})
    CHECK(read(input, rules, piece).fault == whole);
  return whole;
}

std::string passed_on(const std::string& input, std::uint32_t pings = 9) {
  const auto whole = read(input, kClients, input.size(), pings);
  CHECK(whole.fault == StreamFault::none);
  for (const std::size_t piece : {1U, 2U, 5U})
    CHECK(read(input, kClients, piece, pings).bytes == whole.bytes);
  return whole.bytes;
}

}  // namespace

TEST_CASE("what an ordinary client says passes unchanged") {
  const std::string said = kReady + frame("order") + frame("", 1) +
                           frame(std::string(70'000, 'x')) + command("\4PONG") +
                           command("\4PONGcontext") + frame("");
  const auto whole = read(said, kClients, said.size());
  CHECK(whole.fault == StreamFault::none);
  CHECK(whole.bytes == said);
  CHECK(whole.heard.messages == 3);
  CHECK(whole.stream.ready());
  CHECK(whole.stream.unfinished() == 0);
  CHECK(fault_of(said) == StreamFault::none);
  static_assert(sizeof(PeerStream) <= 32);
}

TEST_CASE("ZMTP 3 is spoken, and 2.0 without keys") {
  CHECK(fault_of(kGreeting) == StreamFault::none);
  for (const auto& [position, value] : std::vector<std::pair<std::size_t, char>>{
           {0, '\1'}, {0, 'G'}, {9, '\0'}, {9, '\x7e'}, {10, '\0'}, {10, '\2'}}) {
    auto other = kGreeting;
    other[position] = value;
    CHECK(fault_of(other) == StreamFault::version);
  }
  auto later = kReady;
  later[10] = 4;
  CHECK(fault_of(later) == StreamFault::none);
}

TEST_CASE("of ZMTP 2.0 a peer without an id is heard, and has no commands") {
  const std::string greeting = bytes("\xff\0\0\0\0\0\0\0\1\x7f\1\5");
  const std::string said = greeting + frame("") + frame("", 1) + frame("order") + frame(kGreeting);
  const auto whole = read(said, kClients, said.size());
  CHECK(whole.fault == StreamFault::none);
  CHECK(whole.bytes == said);
  CHECK(whole.heard.messages == 2);
  CHECK(whole.stream.ready());
  CHECK(fault_of(said) == StreamFault::none);
  CHECK_FALSE(read(greeting, kClients, 1).stream.ready());
  CHECK(fault_of(greeting, kCurve) == StreamFault::version);
  for (const std::string& id :
       {frame("a"), frame(bytes("\0abcd")), frame(std::string(256, 'i')), frame("", 1),
        frame("", 2) + std::string(8, '\0'), command("\5READY" + kType), frame("", 8)})
    CHECK(fault_of(greeting + id) == StreamFault::handshake);
  CHECK(fault_of(greeting + frame("") + command("\4PING\1\1")) == StreamFault::command);
  CHECK(fault_of(greeting + frame("") + command("\5READY" + kType)) == StreamFault::command);
  CHECK(fault_of(greeting + frame("") + frame("x", 1) + frame(std::string(3 << 20, 'x'))) ==
        StreamFault::too_large);
  std::string topics = greeting + frame("");
  for (const char letter : {'a', 'b', 'c'}) topics += frame(std::string("\1") + letter);
  CHECK(fault_of(topics, kNews) == StreamFault::none);
  CHECK(fault_of(topics + frame("\1d"), kNews) == StreamFault::topics);
}

TEST_CASE("an id that a peer claims is not seen by the library, whatever it is") {
  for (const std::string& id : {bytes("\0abcd"), std::string("mine"), std::string(600, 'i')}) {
    const std::string ready = "\5READY" + kType + property("Identity", id);
    const std::string expected = "\5READY" + kType + property("identity", id);
    CHECK(passed_on(kGreeting + frame(ready, 4)) == kGreeting + frame(expected, 4));
  }
  const auto twice = property("Identity", "a") + kType + property("Identity", "b");
  CHECK(passed_on(kGreeting + command("\5READY" + twice)).find('I') == std::string::npos);
}

TEST_CASE("a handshake is a READY that is whole and short, or nothing") {
  CHECK(fault_of(kGreeting + command("\5READY")) == StreamFault::none);
  for (const std::string& first :
       {frame("order"), frame("\5READY" + kType), command(""), command("\5ERROR\3400"),
        command("\4PING\1\1"), command("\5READY\x0bSocket-Type"), command("\6READY1"),
        command("\5READY" + kType + "\3ab"), command("\5READY" + property("x", "1") + bytes("\0")),
        command("\5READY" + bytes("\1x\xff\xff\xff\xff")),
        command("\5READY" + bytes("\1x\0\0\0\2a")),
        command("\5READY" + property("x", std::string(2000, 'x'))), frame("\5READY" + kType, 5),
        frame("\5READY" + kType, 12)})
    CHECK(fault_of(kGreeting + first) != StreamFault::none);
  std::string many = "\5READY";
  for (int i = 0; i < 17; ++i) many += property("x", "");
  CHECK(fault_of(kGreeting + command(many)) == StreamFault::handshake);
}

TEST_CASE("a PING keeps no timer, and is answered so often only") {
  const std::string ping = command(bytes("\4PING\1\2") + "context");
  const std::string calm = command(bytes("\4PING\0\0") + "context");
  const std::string pong = command(bytes("\4PONG\0\0") + "context");
  CHECK(passed_on(kReady + ping) == kReady + calm);
  CHECK(passed_on(kReady + ping + ping + ping, 2) == kReady + calm + calm + pong);
}

TEST_CASE("a command that is cut, too long or unknown ends the connection") {
  for (const std::string& bad :
       {command(bytes("\4PING")), command(bytes("\4PING\0")), command(""), command("\4"),
        command(bytes("\4PING\0\0") + std::string(17, 'c')),
        command("\4PONG" + std::string(17, 'c')), command("\4PANG"), command("\4PIN"),
        command("\5PINGG" + std::string(2, '\0')), command("\5READY" + kType),
        command("\5ERROR\3400"), command("\x09SUBSCRIBEa"), command("\6CANCELa"),
        frame(bytes("\4PING\0\0"), 5), frame("x", 8), command(std::string(300, '\4'))})
    CHECK(fault_of(kReady + bad) == StreamFault::command);
}

TEST_CASE("a message is bounded in bytes and in parts, by what is kept") {
  std::string bytes_without_end = kReady;
  for (int i = 0; i < 3; ++i) bytes_without_end += frame(std::string(1 << 20, 'x'), 1);
  CHECK(read(bytes_without_end, kClients, 1 << 16).fault == StreamFault::endless);
  std::string parts_without_end = kReady;
  for (std::uint32_t i = 0; i <= kClients.message_bytes_max / kPartCost; ++i)
    parts_without_end += frame("", 1);
  CHECK(read(parts_without_end, kClients, 8192).fault == StreamFault::endless);
  CHECK(fault_of(kReady + frame(std::string((1 << 20) + 1, 'x'))) == StreamFault::too_large);
  CHECK(fault_of(kReady + bytes("\2\1\0\0\0\0\0\0\1")) == StreamFault::too_large);
  const auto half = read(kReady + frame("ab", 1) + bytes("\0\xff") + "cd", kClients, 5);
  CHECK(half.stream.unfinished() == 2 * kPartCost + 4);
}

TEST_CASE("subscriptions are counted, by command and by message, and only where there are some") {
  const std::string one = command("\x09SUBSCRIBEa");
  const std::string two = frame(bytes("\1b"));
  CHECK(fault_of(kReady + one + two + command("\6CANCELa"), kNews) == StreamFault::none);
  CHECK(fault_of(kReady + one + two + one + two, kNews) == StreamFault::topics);
  CHECK(fault_of(kReady + frame(bytes("\1") + std::string(300, 't')), kNews) != StreamFault::none);
  CHECK(fault_of(kReady + command("\x09SUBSCRIBE" + std::string(300, 't')), kNews) ==
        StreamFault::command);
  CHECK(fault_of(kReady + two + two + two + two) == StreamFault::none);
}

TEST_CASE("a long topic counts as several, since each letter costs") {
  const StreamRules news{.frame_bytes_max = 256, .message_bytes_max = 4096, .topics_max = 1000};
  const auto units = [&](const std::string& said) {
    return read(kReady + said, news, 7).stream.topics();
  };
  const std::string item = "stock/9223372036854775807/";
  CHECK(units(frame(bytes("\1") + item)) == 1);
  CHECK(units(command("\x09SUBSCRIBE" + item)) == 1);
  CHECK(units(command("\x09SUBSCRIBE")) == 1);
  CHECK(units(command("\x09SUBSCRIBE" + std::string(245, 't'))) == 8);
  CHECK(units(frame(bytes("\1") + std::string(254, 't')) + frame(bytes("\0\1"))) == 9);
}

TEST_CASE("only topics that nothing is published under are made up, by whatever bytes they come") {
  const StreamRules news{.frame_bytes_max = 256, .message_bytes_max = 4096, .topics_max = 1000};
  KnownTopics known;
  known.set_secret(4711);
  known.add("stock/12/");
  const auto made_up = [&](const std::string& topic, std::size_t at_once) {
    const std::string join = frame(bytes("\1") + topic), leave = command("\6CANCEL" + topic);
    const auto result =
        read(kReady + join + command("\x09SUBSCRIBE" + topic) + leave, news, at_once, 0, &known);
    CHECK(result.stream.topics() == 3);
    return result.stream.made_up();
  };
  for (const std::size_t at_once : {1U, 7U, 4096U}) {
    for (const char* topic : {"", "stock/", "stock/12/"}) CHECK(made_up(topic, at_once) == 0);
    for (const char* topic : {"s", "stock/1", "stock/1/", "stock/13/", "stock/12/1"})
      CHECK(made_up(topic, at_once) == 3);
  }
}

TEST_CASE("topics that are published under are known, and of others few pass for one") {
  KnownTopics known;
  known.set_secret(4711);
  const auto hash = [&](const std::string& topic) {
    std::uint32_t so_far = known.start();
    for (const char letter : topic)
      so_far = KnownTopics::with(so_far, static_cast<unsigned char>(letter));
    return so_far;
  };
  const auto item = [](int number) { return "stock/" + std::to_string(number) + "/"; };
  for (int i = 1; i <= 10'000; ++i) known.add(item(i));
  int passed = 0;
  for (int i = 1; i <= 10'000; ++i) CHECK(known.has(hash(item(i))));
  for (int i = 1; i <= 10'000; ++i) passed += known.has(hash(item(1'000'000 + 7919 * i))) ? 1 : 0;
  CHECK(passed < 800);
}

TEST_CASE("with CURVE a subscription is told from a PING by its length, and PINGs are few") {
  const StreamRules news{
      .frame_bytes_max = 1024, .message_bytes_max = 4096, .topics_max = 3, .curve = true};
  const std::string start = kGreeting + command("\5HELLO" + std::string(194, 'h')) +
                            frame("\x08INITIATE" + std::string(300, 'i'), 4);
  const auto secret = [](std::size_t said) { return frame(std::string(33 + said, 'm')); };
  const auto heard = [&](const std::string& said, std::uint32_t pings) {
    const auto result = read(start + said, news, 11, pings);
    CHECK(result.fault == StreamFault::none);
    return result.stream.topics();
  };
  const std::string ping = secret(7);
  CHECK(heard(ping + ping + ping, 3) == 0);
  CHECK(heard(ping + ping + ping, 1) == 2);
  CHECK(heard(secret(18) + secret(18), 3) == 2);
  CHECK(heard(secret(18) + secret(10 + 64), 3) == 4);  // more than topics_max: counted, allowed
  const auto others = read(start + secret(18), kCurve, 11);
  CHECK(others.stream.topics() == 0);
}

TEST_CASE("to a socket that reads no message none may be said") {
  const StreamRules push{.frame_bytes_max = 4096, .message_bytes_max = 8192, .reads_none = true};
  CHECK(fault_of(kReady + command(bytes("\4PING\0\0")) + command("\4PONG"), push) ==
        StreamFault::none);
  CHECK(fault_of(kReady + frame("a"), push) == StreamFault::unread);
  CHECK(fault_of(kReady + frame(""), push) == StreamFault::unread);
}

TEST_CASE("with CURVE lengths are judged, and what is not secret") {
  const std::string hello = command("\5HELLO" + std::string(194, 'h'));
  const std::string initiate = frame("\x08INITIATE" + std::string(300, 'i'), 4);
  const std::string message = frame("\7MESSAGE" + std::string(40, 'm'));
  const auto said = read(kGreeting + hello + initiate + message, kCurve, 100);
  CHECK(said.fault == StreamFault::none);
  CHECK(said.stream.ready());
  CHECK(said.heard.messages == 1);
  CHECK(fault_of(kGreeting + message, kCurve) == StreamFault::handshake);
  CHECK(fault_of(kGreeting + command("\5READY" + kType), kCurve) == StreamFault::handshake);
  CHECK(fault_of(kGreeting + frame("\x08INITIATE" + std::string(3000, 'i'), 4), kCurve) ==
        StreamFault::handshake);
  CHECK(fault_of(kGreeting + hello + initiate + frame(std::string(5000, 'm')), kCurve) ==
        StreamFault::too_large);
}

}  // namespace stampede::transport
