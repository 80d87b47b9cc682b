#pragma once

// Who asks, and whether he may: the contract's rules of sessions (§6). It exists only where they
// are looked at: with sessions (auth.mode "required"), or where only some keys are trusted.
//
//   order            for the user of the session; a service for every user, and for itself
//   cancel           likewise; a service for whoever bought it
//   get              of the user's own orders; a service of all
//   pay              a service
//   end_session      the session's own user
//   items, ping      anybody
//
// A service is a token with the scope "service", or a trusted key of curve.allow_file. A token
// counts before the session of the connection, and that before its key.
//
// A session that has ended before its token expires (EndedSessions) is refused wherever it is
// shown, the connections that it was bound to included; until this is known, none that may have
// ended is taken.
//
// A token that is not known yet is given out (take_new()) to be looked at elsewhere; until
// on_verdict() the message that showed it waits, whoever holds it: begin() it, ask for all of it,
// look at awaited(). Pure, one thread, no clock: microseconds of one monotonic clock come with each
// call. Bounds: so many sessions as the settings say, kRefusalsMax refused tokens for a few
// seconds, kAwaitedMax tokens on their way, kConnectionsMax connections. Who shows ever new tokens
// has a share of those on their way (shares.h), so that another one's is looked at soon.

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/protocol/sf1.h"
#include "actors/webapp/core/client_ask.h"
#include "actors/webapp/core/ended_sessions.h"
#include "actors/webapp/core/session_table.h"

namespace stampede::actors {

struct LoginSettings {
  bool sessions = false;  // they are needed; else only trusted keys are looked at
  std::size_t sessions_max = 100'000;
  TokenHashKey hash_key{};  // random
};

// What a message shows of who sends it. Views hold for the call.
struct Credentials {
  std::string_view token{};       // empty: none
  std::string_view connection{};  // its name, never used again; empty: it cannot log in
  std::uint64_t peer = 0;         // of the connection, for drop_connections()
  std::uint16_t slot = 0;         // client_slot() of the sender
  bool trusted_key = false;
  bool waits = true;  // false: what is not known now is refused
};

// How a request may be taken.
struct Admission {
  Code code = Code::none;  // none: it may
  std::string_view field{};
  bool waits = false;                // not yet: see awaited()
  std::string_view user{};           // for whom; get, cancel: empty: whoever's it is
  bool service = false;              // the caller may speak for every user
  const Session* session = nullptr;  // end_session: which; holds until the next call
};

struct NewToken {
  std::uint64_t number = 0;
  std::string token;
};

class LoginDesk {
 public:
  static constexpr std::size_t kRefusalsMax = 4096;
  static constexpr std::int64_t kRefusalUs = 5'000'000;
  static constexpr std::size_t kAwaitedMax = 1536;  // an array of 1,000 is in one's share
  static constexpr std::size_t kConnectionsMax = 32'768;

  explicit LoginDesk(const LoginSettings& settings);

  [[nodiscard]] bool sessions() const { return settings_.sessions; }

  void begin() { awaits_.clear(); }  // a message
  [[nodiscard]] Admission admit(const ClientRequest& request, const Credentials& who,
                                std::int64_t now_us);
  // {op:"auth"}: the connection has this session from now on. `session` is set when the code of the
  // admission is none; it holds until the next call.
  [[nodiscard]] Admission log_in(const Credentials& who, std::int64_t now_us,
                                 const Session*& session);
  // Numbers of the tokens that the message waits for, each once.
  [[nodiscard]] const std::vector<std::uint64_t>& awaited() const { return awaits_; }

  // Tokens to look at, of all messages since the last call.
  [[nodiscard]] std::vector<NewToken> take_new() { return std::exchange(new_, {}); }
  // `left_us`: how long a session may be used from now on.
  void on_verdict(std::uint64_t number, Verdict verdict, std::int64_t left_us, std::int64_t now_us);

  [[nodiscard]] EndedSessions& ends() { return ends_; }
  [[nodiscard]] const EndedSessions& ends() const { return ends_; }

  // Forgets connections whose peer is gone.
  void drop_connections(const std::function<bool(std::uint64_t)>& is_there);

  [[nodiscard]] std::size_t sessions_known() const { return known_.size(); }
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

 private:
  struct Caller {
    Admission refusal{};               // when code is not none, or it waits
    const Session* session = nullptr;  // null: a trusted key
    std::int64_t ends_us = 0;          // of the session
    std::uint64_t number = 0;          // of the token that is waited for
  };
  struct Awaited {
    TokenKey key;
    std::uint16_t slot = 0;  // of who showed it first
  };
  struct Connection {
    std::uint64_t number = 0;  // of the token that it logs in with; 0: it has
    Session session;
    std::int64_t ends_us = 0;
    std::uint64_t peer = 0;
  };

  [[nodiscard]] Caller find_caller(const Credentials& who, std::int64_t now_us);
  [[nodiscard]] Caller of_token(const Credentials& who, std::int64_t now_us);
  [[nodiscard]] Caller of_connection(const Credentials& who, std::int64_t now_us);
  [[nodiscard]] Caller wait_for(std::uint64_t number);
  [[nodiscard]] Admission refusal_by_end(const Session& session, const Credentials& who,
                                         std::int64_t now_us) const;
  [[nodiscard]] static Admission allow_stranger(const ClientRequest& request,
                                                const Admission& as_it_is);
  [[nodiscard]] static Admission allow(const ClientRequest& request, const Session* session);

  LoginSettings settings_;
  SessionTable known_;
  SessionTable refused_;
  EndedSessions ends_;
  std::unordered_map<std::uint64_t, Awaited> on_their_way_;      // by number
  std::array<std::uint16_t, kClientSlots> awaited_by_client_{};  // how many of them
  std::unordered_map<std::string, std::uint64_t> numbers_;       // by the key's bytes
  std::unordered_map<std::string, Connection> connections_;
  std::vector<NewToken> new_;
  std::vector<std::uint64_t> awaits_;
  std::uint64_t next_number_ = 1;
};

}  // namespace stampede::actors
