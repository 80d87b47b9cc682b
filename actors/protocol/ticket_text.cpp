#include "actors/protocol/ticket_text.h"

#include <sodium.h>

#include <array>
#include <cstring>
#include <span>

namespace stampede::actors {

namespace {

constexpr std::string_view kHead = "t1.";
constexpr int kBase64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
constexpr std::size_t kNumbers = 25;  // bytes before the texts

void append_base64(std::string& out, const void* bytes, std::size_t size) {
  const auto length = sodium_base64_encoded_len(size, kBase64);  // with the NUL
  const auto begin = out.size();
  out.resize(begin + length);
  sodium_bin2base64(out.data() + begin, length, static_cast<const unsigned char*>(bytes), size,
                    kBase64);
  out.pop_back();
}

// Of each byte the six bits that it stands for (RFC 4648 section 5); 64: none.
constexpr std::array<std::uint8_t, 256> kSixBits = [] {
  std::array<std::uint8_t, 256> bits{};
  bits.fill(64);
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    bits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return bits;
}();

// All of the text, in its one right form. By a table: libsodium's takes 75 instructions a byte, to
// hide from a watch what it reads, three quarters of all that a ticket costs; and a ticket is no
// secret to who sends it.
std::optional<std::size_t> read_base64(std::string_view text, std::span<char> out) {
  const auto size = text.size() * 3 / 4;
  if (text.size() % 4 == 1 || size > out.size()) return std::nullopt;
  std::uint32_t bits = 0, unread = 0;  // of `bits` so many are to be written
  std::uint8_t wrong = 0;
  auto* to = out.data();
  for (const char c : text) {
    const auto six = kSixBits[static_cast<unsigned char>(c)];
    wrong |= six;
    bits = bits << 6U | (six & 63U);
    unread += 6;
    if (unread < 8) continue;
    unread -= 8;
    *to++ = static_cast<char>(bits >> unread);
  }
  const bool whole = (bits & ((1U << unread) - 1)) == 0;  // what is left over says nothing
  return wrong < 64 && whole ? std::optional(size) : std::nullopt;
}

void append_number(std::string& out, std::uint64_t number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

std::uint64_t number_at(const char* bytes) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes, sizeof number);
  return number;
}

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
  const bool sound = valid_user(ticket.user) && valid_request_id(ticket.id) && expires_at_ms > 0 &&
                     expires_at_ms <= std::uint64_t{kTimeMsMax};
  return sound ? std::optional(ticket) : std::nullopt;
}

}  // namespace

TicketSigner::Mac TicketSigner::mac_of(std::string_view text) const {
  static_assert(kMacBytes >= crypto_generichash_BYTES_MIN &&
                kTicketKeyBytes == crypto_generichash_KEYBYTES);
  Mac mac;
  crypto_generichash(mac.data(), mac.size(), reinterpret_cast<const unsigned char*>(text.data()),
                     text.size(), key_.data(), key_.size());
  return mac;
}

std::string TicketSigner::text(const Granted& ticket) const {
  std::string payload;
  append_number(payload, ticket.promo);
  append_number(payload, ticket.item);
  append_number(payload, static_cast<std::uint64_t>(ticket.expires_at_ms));
  payload += static_cast<char>(ticket.user.size());
  payload += ticket.user;
  payload += ticket.id;
  std::string text(kHead);
  append_base64(text, payload.data(), payload.size());
  const auto mac = mac_of(text);
  text += '.';
  append_base64(text, mac.data(), mac.size());
  return text;
}

// The MAC first: nothing that a stranger made is looked at more closely.
std::optional<Granted> TicketSigner::read(std::string_view text, TicketBytes& bytes) const {
  if (text.size() > kTicketTextMax || !text.starts_with(kHead)) return std::nullopt;
  const auto dot = text.rfind('.');
  if (dot < kHead.size()) return std::nullopt;
  std::array<char, kMacBytes> said;
  if (read_base64(text.substr(dot + 1), said) != kMacBytes) return std::nullopt;
  const auto mac = mac_of(text.substr(0, dot));
  if (sodium_memcmp(mac.data(), said.data(), kMacBytes) != 0) return std::nullopt;
  const auto size = read_base64(text.substr(kHead.size(), dot - kHead.size()), bytes);
  return size ? read_payload({bytes.data(), *size}) : std::nullopt;
}

std::int64_t TicketSigner::judge(std::string_view text, std::uint64_t promo, std::uint64_t item,
                                 std::string_view user, std::string_view& id,
                                 TicketBytes& bytes) const {
  const auto ticket = read(text, bytes);
  if (!ticket || ticket->promo != promo || ticket->item != item || ticket->user != user)
    return kForeignTicket;
  if (id.empty()) id = ticket->id;
  return id == ticket->id ? ticket->expires_at_ms : kForeignTicket;
}

}  // namespace stampede::actors
