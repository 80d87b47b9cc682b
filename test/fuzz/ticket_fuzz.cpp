// The text of a ticket. First byte: whether the rest is a text as a stranger sends it, or a payload
// that whoever has the key signed. Checked: what is read was signed, holds allowed values only, and
// written anew is the same text.

#include <sodium.h>

#include <string>

#include "actors/protocol/ticket_text.h"
#include "test/fuzz/fuzz.h"

namespace {

using namespace stampede::actors;

const TicketKey kKey{1, 2, 3};

std::string base64(std::string_view bytes) {
  constexpr int kForm = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string text(sodium_base64_encoded_len(bytes.size(), kForm), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), kForm);
  text.pop_back();
  return text;
}

std::string signed_text(std::string_view payload) {
  const std::string text = "t1." + base64(payload);
  std::string mac(16, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(mac.data()), mac.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), kKey.data(),
                     kKey.size());
  return text + "." + base64(mac);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  const bool own = (input[0] & 1) != 0;
  input.remove_prefix(1);
  const auto text = own ? signed_text(input) : std::string(input);
  const TicketSigner signer(kKey);
  TicketBytes bytes;
  const auto ticket = signer.read(text, bytes);
  if (!ticket) return 0;
  FUZZ_CHECK(valid_user(ticket->user) && valid_request_id(ticket->id));
  FUZZ_CHECK(ticket->expires_at_ms > 0 && ticket->expires_at_ms <= kTimeMsMax);
  FUZZ_CHECK(signer.text(*ticket) == text);
  auto id = ticket->id;
  TicketBytes again;
  FUZZ_CHECK(signer.judge(text, ticket->promo, ticket->item, ticket->user, id, again) ==
             ticket->expires_at_ms);
  return 0;
}
