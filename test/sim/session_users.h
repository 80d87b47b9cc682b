#pragma once

// Users whose sessions come and go: each opens one, which replaces the one before, shows it to
// whichever webapp, ends it, or opens the next; whatever it asks, until it is answered. What has
// ended is shown on, too: no webapp that was started since may take it, nor the one that told so;
// and when nothing is lost any more, no webapp at all. A session that nobody ended is refused by
// none.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "actors/webapp/core/webapp_core.h"
#include "test/sim/event_queue.h"
#include "test/sim/random.h"

namespace stampede::sim {

class World;
struct SeenAnswer;

// Serials of what they ask have this bit.
inline constexpr std::uint64_t kSessionSerial = std::uint64_t{1} << 42;

class SessionUsers {
 public:
  SessionUsers(World& world, std::uint64_t seed);
  void start();
  void on_reply(std::uint64_t serial, const SeenAnswer& seen);
  // A webapp has taken what shows this token, or refused it: its life began at `since`.
  void on_admission(std::string_view token, std::uint32_t webapp, std::uint64_t instance,
                    Time since, actors::Code code);
  // It tells its client that a session was kept.
  void on_told(std::uint64_t serial, std::uint64_t instance);
  [[nodiscard]] bool done() const { return open_ == 0; }
  // Whether this webapp knows of all that was told as ended.
  [[nodiscard]] bool knows_all(const actors::WebappCore& webapp) const;

  // Whose token it is, as a webapp finds it out.
  [[nodiscard]] static actors::Verdict verdict(std::string_view token);

 private:
  enum class Wish : std::uint8_t { open, show, end };
  struct Session {
    std::uint32_t user = 0;
    std::string name;  // of the user
    std::string id;
    Time ended = 0;             // told as ended or replaced then; 0: it is not
    std::uint64_t told_by = 0;  // the instance of the webapp
    bool ending = false;        // somebody has asked for its end

    [[nodiscard]] std::string token() const { return name + '/' + id; }
  };
  struct User {
    std::uint32_t session = 0;  // the newest that was opened, by number; none: of no use
    bool logged_in = false;
    std::uint32_t steps = 0;  // left
    Wish wish = Wish::open;
    std::uint32_t asked = 0;  // number of the step
  };
  struct Sent {
    std::uint32_t user = 0;
    std::uint32_t session = 0;
    std::uint32_t step = 0;
    Wish wish = Wish::open;
  };
  void next_step(std::uint32_t user);
  void attempt(std::uint32_t user, std::uint32_t step);
  void send(const Sent& sent);
  void finish_step(const Sent& sent);
  void end(Session& session, std::uint64_t told_by);
  void show_an_old_one();

  World& world_;
  Random random_;
  std::vector<User> users_;
  std::vector<Session> sessions_;
  std::map<std::string, std::uint32_t, std::less<>> by_token_;
  std::vector<Sent> sent_;
  std::uint32_t open_ = 0;  // users who have steps left
};

}  // namespace stampede::sim
