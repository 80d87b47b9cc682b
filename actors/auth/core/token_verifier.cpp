#include "actors/auth/core/token_verifier.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "actors/auth/core/strict_json.h"
#include "actors/sale/request.h"

namespace stampede::actors {

namespace {

using nlohmann::json;

constexpr std::size_t kIdBytesMax = 256;
constexpr std::int64_t kSecondMs = 1000;

Verdict refused(std::string_view why) {
  return {Code::not_logged_in, why, {}};
}

// A NumericDate in milliseconds; nothing: it is none, or beyond the year 9999.
std::optional<std::int64_t> time_ms(const json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_number()) return std::nullopt;
  const auto seconds = found->get<double>();
  constexpr auto kMax = static_cast<double>(kTimeMsMax) / 1000;
  if (!(seconds >= 0 && seconds <= kMax)) return std::nullopt;
  return static_cast<std::int64_t>(std::floor(seconds * 1000));
}

bool is_audience(const json& aud, const std::string& wanted) {
  if (aud.is_string()) return aud.get_ref<const std::string&>() == wanted;
  return aud.is_array() && std::any_of(aud.begin(), aud.end(), [&](const json& one) {
           return one.is_string() && one.get_ref<const std::string&>() == wanted;
         });
}

// A word of a list that blanks divide (RFC 8693 §4.2).
bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto end = std::min(list.find(' '), list.size());
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

// Whether the token is from whom and for whom it must be; empty: it is.
std::string_view not_for_us(const json& claims, const TokenRules& rules, KeyOwner owner) {
  const auto* issuer = text_member(claims, "iss");
  if (owner == KeyOwner::system) return issuer && *issuer == kOwnIssuer ? "" : "issuer";
  if (!rules.issuer.empty() && (!issuer || *issuer != rules.issuer)) return "issuer";
  const auto aud = claims.find("aud");
  if (rules.audience.empty()) return aud == claims.end() ? "" : "audience";
  return aud != claims.end() && is_audience(*aud, rules.audience) ? "" : "audience";
}

// The session of a token that is in force but may be too old; why it is none otherwise.
std::string_view read_session(const json& claims, const TokenRules& rules, std::int64_t now_ms,
                              Session& session) {
  const auto expires = time_ms(claims, "exp");
  if (!expires) return "exp";
  session.expires_ms = *expires;
  if (claims.contains("nbf")) {
    const auto from = time_ms(claims, "nbf");
    if (!from || now_ms < *from - rules.leeway_s * kSecondMs) return "nbf";
  }
  session.opened_ms = time_ms(claims, "iat").value_or(0);
  const auto* user = text_member(claims, "sub");
  if (user == nullptr || !valid_user(*user)) return "sub";
  session.user = *user;
  if (claims.contains("jti")) {
    const auto* id = text_member(claims, "jti");
    if (id == nullptr || id->size() > kIdBytesMax) return "jti";
    session.id = *id;
    session.hash = session_hash(session.user, session.id);
    session.bar = bar_hash(session.user);
  }
  if (const auto* scope = text_member(claims, "scope"))
    session.service = has_word(*scope, kServiceScope);
  return {};
}

}  // namespace

Verdict TokenVerifier::verify(std::string_view token, std::int64_t now_ms) const {
  const auto opened = keys_.open(token);
  if (!opened.why.empty()) return refused(opened.why);
  const auto claims = strict_object(opened.payload);
  if (claims.is_discarded()) return refused("claims");
  if (const auto why = not_for_us(claims, rules_, opened.owner); !why.empty()) return refused(why);
  Verdict verdict{Code::none, {}, {}};
  const auto why = read_session(claims, rules_, now_ms, verdict.session);
  if (!why.empty()) return refused(why);
  if (now_ms >= verdict.session.expires_ms + rules_.leeway_s * kSecondMs) {
    verdict.code = Code::session_expired;
    verdict.why = "expired";
  }
  return verdict;
}

}  // namespace stampede::actors
