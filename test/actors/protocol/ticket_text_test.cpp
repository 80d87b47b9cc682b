// Tickets as their users carry them: what is signed comes back, and nothing else does.

#include "actors/protocol/ticket_text.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

using namespace stampede::actors;

namespace {

TicketKey key_of(std::uint8_t first) {
  TicketKey key{};
  key[0] = first;
  return key;
}

struct TicketText {
  TicketSigner signer{key_of(1)};
  KnownTickets known{{1, 2}};
  TicketSigner knowing{key_of(1), &known};
  TicketBytes bytes{};
  Granted ticket{"r-1", 7, 3, "ann", 1'800'000'000'000};

  std::int64_t judge(std::string_view text, std::uint64_t promo = 7, std::uint64_t item = 3,
                     std::string_view user = "ann", std::string_view id = "r-1") {
    const auto worth = signer.judge(text, promo, item, user, id, bytes);
    CHECK(knowing.judge(text, promo, item, user, id, bytes) == worth);
    return worth;
  }
  // What each of them reads.
  bool is_ticket(std::string_view text) {
    const bool read = signer.read(text, bytes).has_value();
    CHECK(knowing.read(text, bytes).has_value() == read);
    return read;
  }
};

}  // namespace

TEST_CASE_FIXTURE(TicketText, "a ticket's text is what it always was") {
  CHECK(signer.text(ticket) ==
        "t1.BwAAAAAAAAADAAAAAAAAAABQXBijAQAAA2FubnItMQ.BuSuXx7gv5mX2M261cE9jg");
}

TEST_CASE_FIXTURE(TicketText, "what was signed comes back") {
  ticket = {std::string_view("0123456789012345678901234567890123456789012345678901234567890123"),
            kItemIdMax, 0, std::string_view("ééééééééééééééééééééééééééééééé!"), kTimeMsMax};
  const auto text = signer.text(ticket);
  CHECK(text.size() <= kTicketTextMax);
  const auto read = signer.read(text, bytes);
  REQUIRE(read);
  CHECK((read->id == ticket.id && read->user == ticket.user));
  CHECK((read->promo == kItemIdMax && read->item == 0 && read->expires_at_ms == kTimeMsMax));
}

TEST_CASE_FIXTURE(TicketText, "of whatever length, a ticket comes back") {
  const std::string all(64, 'x');
  for (std::size_t size = 1; size <= all.size(); ++size) {
    ticket.id = std::string_view(all).substr(0, size);
    const auto text = signer.text(ticket);
    REQUIRE(signer.read(text, bytes));
    CHECK(signer.read(text, bytes)->id == ticket.id);
  }
}

TEST_CASE_FIXTURE(TicketText, "a ticket is worth something to its own order alone") {
  const auto text = signer.text(ticket);
  CHECK(judge(text) == ticket.expires_at_ms);
  CHECK(judge(text, 8) == kForeignTicket);
  CHECK(judge(text, kNoNumber) == kForeignTicket);
  CHECK(judge(text, 7, 4) == kForeignTicket);
  CHECK(judge(text, 7, 3, "bob") == kForeignTicket);
  CHECK(judge(text, 7, 3, "ann", "r-2") == kForeignTicket);
  std::string_view id;
  CHECK(signer.judge(text, 7, 3, "ann", id, bytes) == ticket.expires_at_ms);
  CHECK(id == "r-1");
}

TEST_CASE_FIXTURE(TicketText, "another system's ticket, and one that was touched, is none") {
  const auto text = knowing.text(ticket);
  CHECK_FALSE(TicketSigner(key_of(2)).read(text, bytes));
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char other : {'A', 'B', '-', '.', '=', '\0', ' '}) {
      auto touched = text;
      if (touched[i] == other) continue;
      touched[i] = other;
      CHECK_FALSE(is_ticket(touched));
    }
    CHECK_FALSE(is_ticket(text.substr(0, i)));
    CHECK_FALSE(is_ticket(text.substr(i + 1)));
  }
  for (const std::string extra : {"=", "A", ".", "\n", " "}) {
    CHECK_FALSE(is_ticket(text + extra));
    CHECK_FALSE(is_ticket(extra + text));
  }
  CHECK_FALSE(is_ticket(std::string(100'000, 'A')));
  CHECK_FALSE(is_ticket("t1." + std::string(500, 'A') + "." + std::string(22, 'A')));
  CHECK_FALSE(is_ticket({}));
  CHECK_FALSE(is_ticket("t1."));
  CHECK_FALSE(is_ticket("t1.."));
}

TEST_CASE_FIXTURE(TicketText, "whatever the order, a stranger's bytes are no ticket") {
  const auto seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  const auto text = knowing.text(ticket);
  for (int i = 0; i < 20'000; ++i) {
    auto bytes_of_it = text.substr(0, random() % (text.size() + 1));
    for (auto more = random() % 8; more > 0; --more)
      bytes_of_it.insert(random() % (bytes_of_it.size() + 1), 1, static_cast<char>(random() % 256));
    if (bytes_of_it != text) CHECK_FALSE(is_ticket(bytes_of_it));
  }
}

TEST_CASE_FIXTURE(TicketText, "one that is known is the same ticket as before") {
  const auto text = signer.text(ticket);
  for (int time = 0; time < 3; ++time) {
    const auto read = knowing.read(text, bytes);
    REQUIRE(read);
    CHECK((read->id == "r-1" && read->user == "ann" && read->promo == 7 && read->item == 3));
    CHECK(read->expires_at_ms == ticket.expires_at_ms);
  }
  CHECK(knowing.text(ticket) == text);
}
