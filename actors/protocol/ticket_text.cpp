#include "actors/protocol/ticket_text.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "actors/sale/base64url.h"

namespace stampede::actors {

namespace {

constexpr std::string_view kHead = "t1.";
constexpr int kBase64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
constexpr std::size_t kNumbers = 25;     // bytes before the texts
constexpr std::size_t kMacLetters = 22;  // of the MAC in base64

void append_base64(std::string& out, const void* bytes, std::size_t size) {
  const auto length = sodium_base64_encoded_len(size, kBase64);  // with the NUL
  const auto begin = out.size();
  out.resize(begin + length);
  sodium_bin2base64(out.data() + begin, length, static_cast<const unsigned char*>(bytes), size,
                    kBase64);
  out.pop_back();
}

// What each byte stands for (RFC 4648 section 5) as the first, second, third and last of four: 24
// bits, of which the first eight are the lowest. kWrong: it stands for nothing.
constexpr std::uint32_t kWrong = 1U << 31U;
using Letters = std::array<std::uint32_t, 256>;

constexpr Letters letters_at(std::size_t place) {
  Letters letters{};
  letters.fill(kWrong);
  for (std::uint32_t six = 0; six < kBase64UrlLetters.size(); ++six) {
    const auto bits = six << (18 - 6 * place);
    letters[static_cast<unsigned char>(kBase64UrlLetters[six])] =
        bits >> 16U | (bits & 0xFF00U) | (bits & 0xFFU) << 16U;
  }
  return letters;
}

constexpr std::array kLetters{letters_at(0), letters_at(1), letters_at(2), letters_at(3)};

std::uint32_t letter(std::size_t place, char c) {
  return kLetters[place][static_cast<unsigned char>(c)];
}

// All of the text, in its one right form; one byte more than it says may be written. By tables:
// libsodium's takes 75 instructions a byte, to hide from a watch what it reads, three quarters of
// all that a ticket costs; and a ticket is no secret to who sends it.
std::optional<std::size_t> read_base64(std::string_view text, std::span<char> out) {
  const auto size = text.size() * 3 / 4;
  const auto fours = text.size() / 4;
  if (text.size() % 4 == 1 || size > out.size() || fours * 3 >= out.size()) return std::nullopt;
  const auto* from = text.data();
  auto* to = out.data();
  std::uint32_t wrong = 0;
  for (const auto* const end = to + fours * 3; to != end; from += 4, to += 3) {
    const auto bits =
        letter(0, from[0]) | letter(1, from[1]) | letter(2, from[2]) | letter(3, from[3]);
    wrong |= bits;
    std::memcpy(to, &bits, sizeof bits);
  }
  std::uint32_t rest = 0;
  for (std::size_t place = 0; place < text.size() % 4; ++place) rest |= letter(place, from[place]);
  const auto left = size % 3;
  std::memcpy(to, &rest, left);
  const bool whole = (rest & ~kWrong) >> (8 * left) == 0;  // what is left over says nothing
  return (wrong | rest) < kWrong && whole ? std::optional(size) : std::nullopt;
}

void append_number(std::string& out, std::uint64_t number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

std::uint64_t number_at(const char* bytes) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes, sizeof number);
  return number;
}

// Its texts are whatever was signed.
std::optional<Granted> read_payload(std::string_view payload) {
  if (payload.size() < kNumbers) return std::nullopt;
  const auto user_size = static_cast<unsigned char>(payload[kNumbers - 1]);
  const auto texts = payload.substr(kNumbers);
  if (texts.size() < user_size) return std::nullopt;
  Granted ticket;
  ticket.promo = number_at(payload.data());
  ticket.item = number_at(payload.data() + 8);
  const auto expires_at_ms = number_at(payload.data() + 16);
  ticket.expires_at_ms = static_cast<std::int64_t>(expires_at_ms);
  ticket.user = texts.substr(0, user_size);
  ticket.id = texts.substr(user_size);
  const bool sound = expires_at_ms > 0 && expires_at_ms <= std::uint64_t{kTimeMsMax};
  return sound ? std::optional(ticket) : std::nullopt;
}

using Mac = std::array<char, kTicketMacBytes>;

Mac mac_of(const TicketKey& key, std::string_view text) {
  static_assert(kTicketKeyBytes == crypto_generichash_KEYBYTES);
  static_assert(kTicketMacBytes == crypto_generichash_BYTES_MIN);
  Mac mac;
  crypto_generichash(reinterpret_cast<unsigned char*>(mac.data()), mac.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), key.data(),
                     key.size());
  return mac;
}

}  // namespace

std::string TicketSigner::text(const Granted& ticket) const {
  std::string bytes(kTicketMacBytes, '\0');
  append_number(bytes, ticket.promo);
  append_number(bytes, ticket.item);
  append_number(bytes, static_cast<std::uint64_t>(ticket.expires_at_ms));
  bytes += static_cast<char>(ticket.user.size());
  bytes += ticket.user;
  bytes += ticket.id;
  std::string text(kHead);
  append_base64(text, bytes.data() + kTicketMacBytes, bytes.size() - kTicketMacBytes);
  const auto mac = mac_of(key_, text);
  std::copy(mac.begin(), mac.end(), bytes.begin());
  if (known_ != nullptr) known_->add(known_->hashed(bytes));
  text += '.';
  append_base64(text, mac.data(), mac.size());
  return text;
}

// Whether it is `text` with its MAC that is read as `bytes`, which are of no other text.
bool TicketSigner::is_signed(std::string_view text, std::string_view bytes) const {
  KnownTickets::Hashed hashed;
  if (known_ != nullptr) {
    hashed = known_->hashed(bytes);
    if (known_->has(hashed)) return true;
  }
  const auto made = mac_of(key_, text);
  static_assert(kTicketMacBytes == crypto_verify_16_BYTES);
  if (crypto_verify_16(reinterpret_cast<const unsigned char*>(made.data()),
                       reinterpret_cast<const unsigned char*>(bytes.data())) != 0)
    return false;
  if (known_ != nullptr) known_->add(hashed);
  return true;
}

// Nothing that a stranger made is looked at more closely than its letters.
std::optional<Granted> TicketSigner::read_signed(std::string_view text, TicketBytes& bytes) const {
  if (text.size() > kTicketTextMax || text.size() < kHead.size() + 1 + kMacLetters ||
      !text.starts_with(kHead))
    return std::nullopt;
  const auto dot = text.size() - kMacLetters - 1;
  const auto said = std::span(bytes).first(kTicketMacBytes);
  if (text[dot] != '.' || read_base64(text.substr(dot + 1), said) != kTicketMacBytes)
    return std::nullopt;
  if (known_ != nullptr) known_->prefetch({said.data(), said.size()});
  const auto payload = std::span(bytes).subspan(kTicketMacBytes);
  const auto size = read_base64(text.substr(kHead.size(), dot - kHead.size()), payload);
  if (!size || !is_signed(text.substr(0, dot), {bytes.data(), kTicketMacBytes + *size}))
    return std::nullopt;
  return read_payload({payload.data(), *size});
}

void TicketSigner::prefetch(std::string_view text) const {
  if (known_ == nullptr || text.size() < kMacLetters) return;
  const auto* from = text.data() + text.size() - kMacLetters;
  const auto bits = letter(0, from[0]) | letter(1, from[1]) | letter(2, from[2]);
  known_->prefetch({reinterpret_cast<const char*>(&bits), sizeof bits});
}

std::optional<Granted> TicketSigner::read(std::string_view text, TicketBytes& bytes) const {
  auto ticket = read_signed(text, bytes);
  const bool sound = ticket && valid_user(ticket->user) && valid_request_id(ticket->id);
  return sound ? ticket : std::nullopt;
}

// What is the order's is of an allowed form, for the order's is.
std::int64_t TicketSigner::judge(std::string_view text, std::uint64_t promo, std::uint64_t item,
                                 std::string_view user, std::string_view& id,
                                 TicketBytes& bytes) const {
  const auto ticket = read_signed(text, bytes);
  if (!ticket || ticket->promo != promo || ticket->item != item || ticket->user != user)
    return kForeignTicket;
  if (!id.empty()) return id == ticket->id ? ticket->expires_at_ms : kForeignTicket;
  if (!valid_request_id(ticket->id)) return kForeignTicket;
  id = ticket->id;
  return ticket->expires_at_ms;
}

}  // namespace stampede::actors
